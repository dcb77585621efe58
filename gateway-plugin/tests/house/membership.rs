//! The daemon and a provider that lies about its membership log: it waits, it never draws again, and
//! two logs are evidence.

use std::fs;
use std::time::Duration;

use dcnet_protocol::evidence::{EvidenceFile, Proof};
use dcnet_protocol::round::Round;

use crate::side_by_side;
use crate::support::bench::{Bench, Daemon, assert_no_round_twice, status};
use crate::support::net::Lie;

side_by_side!(the_draw_waits_for_what_is_proved:
    a_forged_leaf_is_reported_and_waited_for,
    a_withheld_leaf_is_waited_for,
    a_list_that_is_refused_is_waited_for,
    nothing_is_drawn_out_of_an_old_list,
);

side_by_side!(epochs_are_those_of_one_log:
    a_proof_that_comes_while_the_window_is_open_costs_no_round,
    an_epoch_under_a_shorter_log_is_not_entered,
    a_log_of_its_own_is_found_out_by_its_neighbours,
);

/// What was asked about draw lists, and about members of them, by the house.
fn asked(bench: &Bench) -> (usize, Vec<String>) {
    let net = bench.server.net();
    let of = |request: &str| request.strip_prefix("GET /log/").map(str::to_owned);
    let log: Vec<String> = net.requests.iter().filter_map(|(_, r)| of(r)).collect();
    let lists = log.iter().filter(|r| r.starts_with("draw-list")).count();
    let members = log.into_iter().filter(|r| r.contains("/members?"));
    (lists, members.collect())
}

/// The same members again and again, at a sober pace and over a restart, and no other list.
fn waits_for_the_members_drawn(lie: Lie, told: &str) {
    let bench = Bench::double_mask(1);
    bench.server.net().lie = Some(lie);
    let mut daemon = Daemon::start(&bench.household);
    daemon.wait_for("drew ");
    daemon.wait_for(told);
    bench.server.wait("a repeated question", |net| {
        let questions = net.requests.iter().filter(|(_, r)| r.contains("/members?"));
        (questions.count() >= 3).then_some(())
    });
    daemon.kill();
    let before = asked(&bench);
    assert!(before.1.len() < 12, "{before:?}");
    let daemon = Daemon::start(&bench.household);
    std::thread::sleep(Duration::from_secs(3));
    let (lists, members) = asked(&bench);
    assert_eq!(lists, before.0, "a second draw");
    assert!(members.len() > before.1.len(), "{members:?}");
    assert!(
        members.iter().all(|asked| *asked == members[0]),
        "{members:?}"
    );
    assert_eq!(status(&bench).1["phase"], "joining");

    bench.server.net().lie = None;
    bench.contribution_after(Round::new(0));
    assert!(!daemon.log().contains("provider.evidence"));
}

fn a_forged_leaf_is_reported_and_waited_for() {
    waits_for_the_members_drawn(Lie::ForgedLeaf, "the provider forged the member at");
}

fn a_withheld_leaf_is_waited_for() {
    waits_for_the_members_drawn(Lie::WithheldLeaf, "drew ");
}

fn a_list_that_is_refused_is_waited_for() {
    waits_for_the_members_drawn(Lie::NoList, "log-index");
}

fn nothing_is_drawn_out_of_an_old_list() {
    let bench = Bench::double_mask(1);
    bench.server.net().lie = Some(Lie::OldList);
    let daemon = Daemon::start(&bench.household);
    daemon.wait_for("which is too old to draw from");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(asked(&bench).1, Vec::<String>::new());
    let (_, json, _) = status(&bench);
    assert_eq!(json["phase"], "joining", "{json}");
    assert!(json["last_fault"].as_str().unwrap().contains("too old"));
}

fn a_proof_that_comes_while_the_window_is_open_costs_no_round() {
    // The proof comes in the last three fifths of a window: long enough for a busy machine, too.
    let bench = Bench::double_mask_at(1, [4, 2, 1]);
    let daemon = Daemon::start(&bench.household);
    let first = bench.contribution_after(Round::new(0));
    bench.server.net().lie = Some(Lie::LateProof);
    bench.server.net().dead.push(0);
    let without = bench.server.wait("a round without the dead", |net| {
        let outcome = net.outcomes.last()?;
        let fits = outcome.round > first.round && !outcome.missing.is_empty();
        fits.then_some(outcome.round)
    });
    bench.server.net().dead.clear();
    daemon.wait_for("log-index");
    let known = status(&bench).1["log_size"].as_u64().unwrap();
    bench.contribution_after(without.next());
    assert!(status(&bench).1["log_size"].as_u64().unwrap() >= known);
    let log = daemon.log();
    assert!(!log.contains("unproved"), "{log}");
    assert!(log.contains("log-index"), "the proof came late: {log}");
    assert_no_round_twice(&bench.server.net());
}

fn an_epoch_under_a_shorter_log_is_not_entered() {
    let bench = Bench::double_mask(1);
    let daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    let (_, json, _) = status(&bench);
    let known = json["log_size"].as_u64().unwrap();
    assert!(known > 0);
    assert_eq!(json["comparing"], false);
    bench.server.net().lie = Some(Lie::ShorterLog);
    bench.server.net().dead.push(0);
    daemon.wait_for("\"reason\":\"unproved\"");
    let (code, json, _) = status(&bench);
    assert_eq!(code, Some(0));
    assert_eq!(json["log_size"], known, "{json}");

    let last = bench.last_round();
    bench.server.net().dead.clear();
    bench.server.net().lie = None;
    bench.contribution_after(last);
    assert!(status(&bench).1["log_size"].as_u64().unwrap() > known);
    assert_no_round_twice(&bench.server.net());
}

fn a_log_of_its_own_is_found_out_by_its_neighbours() {
    let bench = Bench::double_mask(1);
    let daemon = Daemon::start(&bench.household);
    let first = bench.contribution_after(Round::new(0));
    let at = bench.server.net().provider().log().len();
    bench.server.net().lie = Some(Lie::Fork { at });
    // Neighbours chosen at random hear of every new epoch; it takes one or two.
    let mut last = first.round;
    for number in 0.. {
        assert!(number < 40, "{}", daemon.log());
        if daemon.log().contains("provider.evidence") {
            break;
        }
        bench.server.net().dead = if number % 2 == 0 { vec![0] } else { vec![] };
        last = bench.server.wait("another round", |net| {
            let outcome = net.outcomes.last()?;
            (outcome.round > last).then_some(outcome.round)
        });
    }
    let paths = fs::read_dir(bench.household.state()).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let mut files = paths.filter(|path| path.extension().is_some_and(|e| e == "dcnet"));
    let evidence = EvidenceFile::from_bytes(&fs::read(files.next().unwrap()).unwrap()).unwrap();
    let Ok(Proof::Checkpoints { size }) = evidence.verify() else {
        panic!("{:?}", evidence.verify());
    };
    assert!(size > at);
    assert_eq!(
        evidence.descriptor().hash(),
        bench.server.net().descriptor.hash()
    );
    daemon.wait_for("\"reason\":\"distrusted\"");
    let (code, json, _) = status(&bench);
    assert_eq!(code, Some(4), "{json}");
    assert_no_round_twice(&bench.server.net());
}
