//! The daemon as a process of its own, against a provider over real HTTPS and a meter behind a real
//! pseudo-terminal.

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider::RoundOutcome;
use dcnet_protocol::round::Round;

use crate::side_by_side;
use crate::support::bench::{
    Bench, COMPANIONS, Daemon, LENGTHS, assert_no_round_twice, end, part, status,
};
use crate::support::net::Shape;
use crate::support::pki::Household;
use crate::support::server::Server;

side_by_side!(a_household_lives_with_its_provider_and_meter:
    a_household_joins_contributes_and_stops,
    an_unplugged_meter_needs_no_correction,
    a_replaced_meter_is_no_reading_and_never_a_giant_one,
    a_missing_neighbour_is_corrected_for,
    lost_answers_bring_the_same_bytes_again,
    the_owner_can_leave,
    a_net_never_changes,
);

side_by_side!(a_household_lives_through_kills_and_outages:
    kills_early_in_a_round,
    kills_while_sealing,
    kills_while_sending,
    a_provider_that_is_gone_for_a_while_is_waited_for,
    a_meter_is_shown_before_the_provider_was_ever_reached,
    a_clock_unlike_the_providers_enters_no_round,
    a_full_disk_stops_the_round_and_is_waited_for,
    a_net_that_the_owner_did_not_mean_is_not_entered,
);

fn a_household_joins_contributes_and_stops() {
    let bench = Bench::new();
    let mut daemon = Daemon::start(&bench.household);
    let first = bench.contribution_after(Round::new(0));
    // Registers are read at borders, so what the meter counts over some rounds is in their sums.
    let before = bench.contribution_after(first.round);
    bench.meter.count(600);
    let mut energy = 0;
    let mut last = before.round;
    let started = Instant::now();
    while energy < 600 {
        let outcome = bench.contribution_after(last);
        assert_eq!(part(&outcome)[1], 230, "power");
        energy += part(&outcome)[0];
        last = outcome.round;
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "energy so far: {energy}"
        );
    }
    assert_eq!(energy, 600);

    let status = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .args(["status", "--json"])
        .arg(bench.household.profile())
        .output()
        .unwrap();
    assert!(status.status.success());
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["phase"], "active");
    assert_eq!(status["running"], true);
    assert_eq!(status["neighbours"], 4);
    assert_eq!(status["process"], daemon.child.id());

    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
    assert_no_round_twice(&bench.server.net());
    let status = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .arg("status")
        .arg(bench.household.profile())
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(3));
    assert!(
        String::from_utf8(status.stdout)
            .unwrap()
            .contains("does not run")
    );
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

fn kills_early_in_a_round() {
    kill_dash_nine_never_brings_a_second_frame_of_a_round(0..6);
}

fn kills_while_sealing() {
    kill_dash_nine_never_brings_a_second_frame_of_a_round(6..12);
}

fn kills_while_sending() {
    kill_dash_nine_never_brings_a_second_frame_of_a_round(12..18);
}

fn kill_dash_nine_never_brings_a_second_frame_of_a_round(numbers: Range<u64>) {
    let bench = Bench::new();
    let mut daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    // Every moment of a round gets its kill: before, while and after sealing and sending.
    for number in numbers {
        let interval = u64::from(LENGTHS[0]) * 1000;
        let into_round = crate::support::net::now().millis() % interval;
        // 0 to 595 ms after a border, where everything happens.
        let target = interval + number * 35;
        std::thread::sleep(Duration::from_millis(target - into_round));
        daemon.kill();
        let log = daemon.log();
        daemon = Daemon::start(&bench.household);
        assert!(!log.contains("ledger.failed"), "{log}");
    }
    let frames = assert_no_round_twice(&bench.server.net());
    assert!(frames >= 3, "only {frames} frames in 6 rounds");
    // And it still works.
    let last = bench.last_round();
    bench.contribution_after(last);
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
}

fn lost_answers_bring_the_same_bytes_again() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    let outcome = bench.contribution_after(Round::new(0));
    bench.server.set_deaf(true);
    bench.server.wait("a repeated frame", |net| {
        let house = net
            .seen
            .iter()
            .filter(|(_, n, ..)| *n == Notification::Transmit);
        let rounds: Vec<_> = house.map(|(_, _, round, _)| *round).collect();
        let repeated = rounds
            .iter()
            .filter(|round| Some(*round) == rounds.last())
            .count()
            > 1;
        (repeated && *rounds.last().unwrap() > outcome.round).then_some(())
    });
    bench.server.set_deaf(false);
    // The frame was there, only its receipt was not.
    bench.contribution_after(bench.last_round());
    assert_no_round_twice(&bench.server.net());
    drop(daemon);
}

fn an_unplugged_meter_needs_no_correction() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    bench.meter.pause(true);
    let house = "house".parse().unwrap();
    let silent = bench.server.wait("a silent round", |net| {
        net.outcomes
            .iter()
            .rfind(|outcome| outcome.silent.contains(&house))
            .cloned()
    });
    assert!(silent.missing.is_empty(), "{silent:?}");
    daemon.wait_for("meter.fault");
    daemon.wait_for("round.no_reading");
    bench.meter.pause(false);
    let back = bench.contribution_after(silent.round);
    assert!(part(&back)[0] >= 0);
}

fn a_replaced_meter_is_no_reading_and_never_a_giant_one() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    let before = bench.contribution_after(Round::new(0));
    // Another meter with a far higher register.
    bench
        .meter
        .serial
        .store(2, std::sync::atomic::Ordering::Relaxed);
    bench.meter.count(500_000_000);
    let house = "house".parse().unwrap();
    bench.server.wait("a round without reading", |net| {
        let silent = |outcome: &&RoundOutcome| outcome.silent.contains(&house);
        net.outcomes
            .iter()
            .filter(|outcome| outcome.round > before.round)
            .find(silent)
            .map(|_| ())
    });
    daemon.wait_for("the meter was replaced");
    let after = bench.contribution_after(bench.last_round());
    assert_eq!(part(&after)[0], 0);
    let net = bench.server.net();
    for outcome in net
        .outcomes
        .iter()
        .filter(|outcome| outcome.contributors.contains(&house))
    {
        assert_eq!(part(outcome)[0], 0, "{outcome:?}");
    }
}

fn a_missing_neighbour_is_corrected_for() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    let before = bench.contribution_after(Round::new(0));
    bench.server.net().dead.push(0);
    let corrected = bench.server.wait("a corrected round", |net| {
        let outcomes = net
            .outcomes
            .iter()
            .filter(|outcome| outcome.round > before.round);
        outcomes
            .filter(|outcome| !outcome.missing.is_empty())
            .find(|o| o.sum.is_some())
            .cloned()
    });
    assert_eq!(part(&corrected), [0, 230]);
    daemon.wait_for("correction.answered");
    assert_no_round_twice(&bench.server.net());
}

fn a_provider_that_is_gone_for_a_while_is_waited_for() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    let before = bench.contribution_after(Round::new(0));
    bench.server.set_down(true);
    daemon.wait_for("provider.lost");
    std::thread::sleep(Duration::from_secs(4));
    bench.server.set_down(false);
    daemon.wait_for("provider.back");
    bench.contribution_after(Round::new(before.round.number() + 2));
    assert_no_round_twice(&bench.server.net());
    let lost = daemon.log().matches("provider.lost").count();
    assert!(lost <= 2, "one line per change, not {lost}");
}

fn a_meter_is_shown_before_the_provider_was_ever_reached() {
    let bench = Bench::new();
    bench.server.set_down(true);
    let daemon = Daemon::start(&bench.household);
    let shown = |what: &str, is: &dyn Fn(&serde_json::Value) -> bool| {
        let started = Instant::now();
        loop {
            // Until there is a first file, the text is no JSON.
            let output = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
                .args(["status", "--json"])
                .arg(bench.household.profile())
                .output()
                .unwrap();
            let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if is(&json) {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{what}: {json:#}\n{}",
                daemon.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let receives = |json: &serde_json::Value| {
        json["meters"][0]["sources"][0]["state"] == "the meter sends telegrams"
    };
    shown("without the provider", &|json| {
        receives(json)
            && json["running"] == true
            && json["client"] == "house"
            && json["phase"] == ""
            && json["provider_fault"].is_string()
    });
    let (code, _, text) = status(&bench);
    assert_eq!(code, Some(0));
    assert!(text.contains("has not reached it yet"), "{text}");
    bench.server.set_down(false);
    // A source tells changes only: what it told before the session is not lost.
    shown("with the provider", &|json| {
        receives(json) && json["phase"] == "active" && json["provider_fault"].is_null()
    });
}

fn a_clock_unlike_the_providers_enters_no_round() {
    let bench = Bench::new();
    bench.server.set_skew(3_600);
    let daemon = Daemon::start(&bench.household);
    daemon.wait_for("\"phase\":\"active\"");
    daemon.wait_for("behind the provider's");
    std::thread::sleep(Duration::from_secs(4));
    let house = "house".parse().unwrap();
    assert!(
        bench
            .server
            .net()
            .seen
            .iter()
            .all(|(client, ..)| *client != house)
    );
    bench.server.set_skew(0);
    bench.contribution_after(Round::new(0));
}

fn the_owner_can_leave() {
    let bench = Bench::new();
    let mut daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    let leave = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .arg("leave")
        .arg(bench.household.profile())
        .output()
        .unwrap();
    assert!(leave.status.success(), "{leave:?}");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = daemon.child.try_wait().unwrap() {
            break status;
        }
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{}",
            daemon.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success());
    assert!(daemon.log().contains("has left the net"));
    let last = bench.last_round();
    // The others go on without it.
    let after = bench.server.wait("a round without the house", |net| {
        net.outcomes
            .iter()
            .find(|outcome| outcome.round > last && outcome.sum.is_some())
            .cloned()
    });
    assert_eq!(after.contributors.len(), COMPANIONS);
    assert!(after.missing.is_empty());
}

fn a_full_disk_stops_the_round_and_is_waited_for() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    daemon.limit_files(Some(8_192));
    daemon.wait_for("ledger.failed");
    let failed_in = bench.last_round();
    let sent = bench.server.net().seen.len();
    std::thread::sleep(Duration::from_secs(6));
    // What cannot be remembered is not sent.
    let seen = bench.server.net().seen.len();
    assert!(
        seen <= sent + 1,
        "{} frames left without a ledger",
        seen - sent
    );
    daemon.limit_files(None);
    bench.contribution_after(Round::new(failed_in.number() + 2));
    assert_no_round_twice(&bench.server.net());
}

fn a_net_that_the_owner_did_not_mean_is_not_entered() {
    let server = Server::start(Shape::resend(0, LENGTHS));
    for (from, to, expected) in [
        (
            "min_size: 4",
            "min_size: 100",
            "the net forms sums of 4 members and more, the communication profile demands 100",
        ),
        (
            "allow_resend: true",
            "allow_resend: false",
            "the net corrects by resending",
        ),
        (
            "  net: bench\n",
            &format!("  net: bench\n  descriptor: {}\n", "ab".repeat(32)),
            "communication.descriptor names abababab",
        ),
        (
            "scale: -1",
            "scale: 0",
            "slot 1 of the net is 1-0:1.8.0*255 in Wh, scale -1, that of evaluation.slots is \
             1-0:1.8.0*255 in Wh, scale 0",
        ),
    ] {
        let household = server.household("house", Path::new("/dev/null"));
        household.edit(from, to);
        let (code, err) = end(&household);
        assert_eq!(code, Some(78), "{err}");
        assert!(err.contains(expected), "{err}");
    }

    let stranger = crate::support::pki::Authority::new();
    let device = Path::new("/dev/null");
    let household = Household::new(
        &stranger,
        &server.providers,
        "house",
        server.address,
        device,
    );
    // The stranger's certificates are not even let in.
    household.write(
        "tls.pem",
        &server.gateways.tls("house").certificate.pem(),
        0o644,
    );
    let (code, err) = end(&household);
    assert_eq!(code, Some(78), "{err}");
    assert!(
        err.contains("was not issued by this net's gateway certification authority"),
        "{err}"
    );
    assert!(server.net().seen.is_empty());
}

fn a_net_never_changes() {
    let bench = Bench::new();
    let mut daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    daemon.kill();
    // The same net with another out-degree.
    let other = {
        let mut parameters = bench.server.net().descriptor.parameters().clone();
        parameters.out_degree += 1;
        dcnet_protocol::descriptor::NetDescriptor::new(parameters).unwrap()
    };
    bench.server.net().descriptor = other;
    let (code, err) = end(&bench.household);
    assert_eq!(code, Some(78), "{err}");
    assert!(err.contains("do not trust this provider"), "{err}");
}
