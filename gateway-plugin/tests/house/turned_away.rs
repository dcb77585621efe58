//! A provider whose operator suspends the house, resumes it, and closes the net: the household is told,
//! the provider is not hammered, and nothing is taken for a fault.

use std::time::Duration;

use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Order, OrderTaken};
use dcnet_protocol::round::{Round, UnixTime};

use crate::side_by_side;
use crate::support::bench::{Bench, Daemon, LENGTHS, assert_no_round_twice, status};

side_by_side!(the_operator_turns_the_house_away:
    a_house_that_is_suspended_waits_and_comes_back,
    a_net_that_is_closed_is_left_alone,
);

fn house() -> ClientId {
    "house".parse().unwrap()
}

/// Frames of whatever kind that the house has posted since.
fn posted(bench: &Bench, since: UnixTime) -> usize {
    let net = bench.server.net();
    let requests = net.requests.iter();
    requests
        .filter(|(at, request)| *at > since && request.starts_with("POST"))
        .count()
}

fn wait_for_phase(bench: &Bench, phase: &str) {
    for _ in 0..600 {
        if status(bench).1["phase"] == phase {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not {phase}: {}", status(bench).1);
}

fn a_house_that_is_suspended_waits_and_comes_back() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    let taken = bench.server.net().order(Order::Suspend(house())).unwrap();
    let OrderTaken::Suspended { from, .. } = taken else {
        panic!("{taken:?}");
    };
    daemon.wait_for("has suspended this gateway");
    wait_for_phase(&bench, "barred");
    let (code, json, shown) = status(&bench);
    assert_eq!(code, Some(0), "no fault that needs repair: {json}");
    assert!(json["provider_fault"].is_null(), "{json}");
    assert!(shown.contains("suspended by the operator"), "{shown}");
    let since = bench.server.net().now();
    let intervals = 3;
    std::thread::sleep(Duration::from_secs(u64::from(LENGTHS[0] * intervals)));
    let frames = posted(&bench, since);
    assert!(
        (1..=4).contains(&frames),
        "{frames} frames in {intervals} intervals"
    );
    let last = bench.last_round();
    let sums = |net: &crate::support::net::Net| {
        let since = net.outcomes.iter().filter(|outcome| outcome.round >= from);
        assert!(since.clone().all(|outcome| outcome.status.is_success()));
        since.count()
    };
    assert!(sums(&bench.server.net()) >= 3, "the others go on");
    bench.server.net().order(Order::Resume(house())).unwrap();
    bench.contribution_after(last);
    wait_for_phase(&bench, "active");
    assert_no_round_twice(&bench.server.net());
}

fn a_net_that_is_closed_is_left_alone() {
    let bench = Bench::double_mask(1);
    let daemon = Daemon::start(&bench.household);
    bench.contribution_after(Round::new(0));
    bench.server.net().order(Order::Close).unwrap();
    daemon.wait_for("has closed this net");
    wait_for_phase(&bench, "net-closed");
    let (code, json, shown) = status(&bench);
    assert_eq!(code, Some(0), "{json}");
    assert!(shown.contains("closed the net"), "{shown}");
    let since = bench.server.net().now();
    std::thread::sleep(Duration::from_secs(u64::from(LENGTHS[0] * 3)));
    assert_eq!(posted(&bench, since), 0, "nothing more is sent");
    assert!(bench.server.net().provider().is_closed());
    assert_no_round_twice(&bench.server.net());
}
