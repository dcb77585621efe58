//! The daemon in a net of double-mask rounds, against a provider over real HTTPS that keeps to the
//! protocol, or lies.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use dcnet_protocol::evidence::{EvidenceFile, Proof};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::Round;

use crate::side_by_side;
use crate::support::bench::{Bench, Daemon, LENGTHS, assert_no_round_twice, part, status};
use crate::support::net::{Lie, now};

side_by_side!(double_mask_rounds:
    a_household_contributes_with_three_requests_a_round,
    a_missing_member_costs_pads_and_share_keys,
    kills_before_the_rosters,
    kills_among_the_rosters,
);

side_by_side!(a_lying_provider_is_caught:
    a_receipt_that_the_provider_has_not_signed_is_none,
    a_provider_that_shows_two_rosters_is_caught_for_good,
    a_provider_that_calls_a_receipted_frame_missing_is_caught_for_good,
);

fn a_household_contributes_with_three_requests_a_round() {
    const EPOCH: u32 = 4;
    let bench = Bench::double_mask(EPOCH);
    let mut daemon = Daemon::start(&bench.household);
    let first = bench.contribution_after(Round::new(0));
    // Up to the end of the stretch after the next.
    let epoch = u64::from(EPOCH);
    let border = first.round.number().next_multiple_of(epoch) + 1;
    bench.contribution_after(Round::new(border + epoch));
    let outcome = bench.contribution_after(first.round);
    assert_eq!(part(&outcome), [0, 230]);

    let (code, json, text) = status(&bench);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(json["correction_mode"], "double-mask");
    assert_eq!(json["evidence"], serde_json::json!([]));
    assert!(json["refusals"].as_object().unwrap().is_empty(), "{json}");
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
    assert!(daemon.log().contains("roster.answered"));

    let net = bench.server.net();
    assert_no_round_twice(&net);
    let mut looked = 0;
    for round in (border..border + epoch - 1).map(Round::new) {
        let (from, to) = (
            net.schedule.border(round),
            net.schedule.correction_deadline(round),
        );
        let requests = net.requests.iter();
        let requests: Vec<&str> = requests
            .filter(|(time, _)| (from..to).contains(time))
            .map(|(_, request)| request.as_str())
            .collect();
        let roster = format!("GET /rounds/{round}/roster");
        let of_round: Vec<_> = requests
            .iter()
            .filter(|request| !request.ends_with("/inbox"))
            .collect();
        assert_eq!(
            of_round,
            [&"POST /frames", &roster.as_str(), &"POST /frames"],
            "{requests:?}"
        );
        // The inbox is looked into at its own pace, not before every frame.
        let frame = requests.iter().position(|r| *r == "POST /frames").unwrap();
        looked += usize::from(frame > 0 && requests[frame - 1] == "GET /inbox");
    }
    assert!(looked < 3, "{looked} looks in the middle of an epoch");
}

fn a_missing_member_costs_pads_and_share_keys() {
    let bench = Bench::double_mask(1);
    let daemon = Daemon::start(&bench.household);
    let before = bench.contribution_after(Round::new(0));
    bench.server.net().dead.push(0);
    let corrected = bench.server.wait("a corrected round", |net| {
        let outcomes = net.outcomes.iter();
        outcomes
            .filter(|outcome| outcome.round > before.round)
            .filter(|outcome| !outcome.missing.is_empty())
            .find(|o| o.sum.is_some())
            .cloned()
    });
    assert_eq!(part(&corrected), [0, 230]);
    let net = bench.server.net();
    let of_round = net.seen.iter().filter(|(.., r, _)| *r == corrected.round);
    let kinds: Vec<_> = of_round.map(|(_, kind, ..)| *kind).collect();
    assert_eq!(
        kinds,
        [
            Notification::Transmit,
            Notification::Pads,
            Notification::Reveal
        ]
    );
    assert_no_round_twice(&net);
    drop(net);
    assert_eq!(daemon.log().matches("roster.refused").count(), 0);
}

fn kills_before_the_rosters() {
    kill_dash_nine_never_brings_a_second_answer(0..5);
}

fn kills_among_the_rosters() {
    kill_dash_nine_never_brings_a_second_answer(5..10);
}

fn kill_dash_nine_never_brings_a_second_answer(numbers: Range<u64>) {
    let bench = Bench::double_mask(1);
    let mut daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    // Every other round with somebody missing; kills from before the frame to behind the answers.
    for number in numbers {
        let interval = u64::from(LENGTHS[0]) * 1000;
        let into_round = now().millis() % interval;
        std::thread::sleep(std::time::Duration::from_millis(
            interval + number * 150 - into_round,
        ));
        daemon.kill();
        daemon = Daemon::start(&bench.household);
        let dead = if number % 2 == 0 { vec![0] } else { vec![] };
        bench.server.net().dead = dead;
    }
    bench.server.net().dead.clear();
    let frames = assert_no_round_twice(&bench.server.net());
    assert!(frames >= 5, "only {frames} frames and answers");
    bench.contribution_after(bench.last_round());
    assert_no_round_twice(&bench.server.net());
}

fn a_receipt_that_the_provider_has_not_signed_is_none() {
    let bench = Bench::double_mask(1);
    let daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    bench.server.net().lie = Some(Lie::ForeignReceipts);
    daemon.wait_for("provider.fault");
    let round = bench.server.net().seen.last().unwrap().2;
    bench.server.wait("the round's end", |net| {
        (net.outcomes.last()?.round >= round).then_some(())
    });
    let (_, json, _) = status(&bench);
    assert_eq!(json["last_round_acknowledged"], false, "{json}");
    assert_eq!(json["evidence"], serde_json::json!([]));
    bench.server.net().lie = None;
    bench.contribution_after(bench.last_round());
    assert_no_round_twice(&bench.server.net());
}

fn a_provider_that_shows_two_rosters_is_caught_for_good() {
    let proof = |round| Proof::Rosters { round };
    caught(Lie::TwoRosters, "two-rosters", proof);
}

fn a_provider_that_calls_a_receipted_frame_missing_is_caught_for_good() {
    let proof = |round| Proof::Receipt { round };
    caught(Lie::WithoutTheHouse, "receipted-but-missing", proof);
}

fn caught(lie: Lie, refusal: &str, proof: impl Fn(Round) -> Proof) {
    let bench = Bench::double_mask(1);
    let mut daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    bench.server.net().lie = Some(lie);
    daemon.wait_for("provider.evidence");
    daemon.wait_for(&format!("\"reason\":\"{refusal}\""));
    let round = bench.server.net().seen.last().unwrap().2;
    let file = bench
        .household
        .state()
        .join(format!("evidence-{round}.dcnet"));
    let check = |file: &PathBuf| {
        let evidence = EvidenceFile::from_bytes(&fs::read(file).unwrap()).unwrap();
        assert_eq!(evidence.verify().unwrap(), proof(round));
        assert_eq!(
            evidence.descriptor().hash(),
            bench.server.net().descriptor.hash()
        );
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    };
    check(&file);
    // It goes on running, and sends nothing of a reading.
    daemon.wait_for("\"reason\":\"distrusted\"");
    let shown = |bench: &Bench, running: bool| {
        let (code, json, text) = status(bench);
        assert_eq!(code, Some(4), "{text}");
        assert_eq!(json["running"], running);
        assert_eq!(
            json["evidence"],
            serde_json::json!([file.to_str().unwrap()])
        );
        assert!(text.contains(file.to_str().unwrap()), "{text}");
        assert!(text.contains("Do not trust this net"), "{text}");
        assert!(text.contains("dcnet verify-evidence"), "{text}");
        json
    };
    let json = shown(&bench, true);
    assert_eq!(json["refusals"][refusal], 1, "{json}");
    daemon.kill();
    shown(&bench, false);

    // Nor after a restart; and a file that was lost is there again.
    fs::remove_file(&file).unwrap();
    let sent = bench.server.net().seen.len();
    bench.server.net().lie = None;
    let again = Daemon::start(&bench.household);
    again.wait_for("\"reason\":\"distrusted\"");
    check(&file);
    shown(&bench, true);
    let net = bench.server.net();
    let seen = &net.seen[sent..];
    assert!(seen.is_empty(), "{seen:?}");
    assert_no_round_twice(&net);
}
