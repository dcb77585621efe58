//! Gateways that rely on nothing that two witnesses have not cosigned.

use std::time::Duration;

use dcnet_tests::harness::wait_for;

use crate::stage::Stage;

/// For drawing neighbours, up to the first demand for cosignatures.
const PATIENCE: Duration = Duration::from_mins(1);

/// Rounds in which there could have been a sum.
const WITHOUT: u64 = 4;

#[test]
fn gateways_wait_for_all_the_witnesses_that_their_owners_demand() {
    let mut stage = Stage::watched(5, 4, &["w-1"], &["w-2"]);

    // One of two is not enough: nobody draws, so there is no epoch. It is nobody's fault.
    let names = stage.lab.names();
    let told = "1 of 2 witnesses have cosigned";
    for name in &names {
        let waiting = wait_for("a gateway to wait for a witness", PATIENCE, || {
            let events = stage.events(name, "member");
            let mut messages = events.iter().map(|event| event["message"].to_string());
            Ok(messages.any(|message| message.contains(told)).then_some(()))
        });
        waiting.unwrap();
    }
    let end = stage.round() + WITHOUT;
    while stage.round() < end {
        stage.judge();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(stage.sums(), 0, "{:#?}", stage.judged());

    // Both.
    stage.lab.start_witness("w-2").unwrap();
    let both = stage.wait_for_everybody();

    // An epoch that was proved goes on without them.
    stage.lab.kill_witness("w-1").unwrap();
    stage.lab.kill_witness("w-2").unwrap();
    let from = both.round + 2;
    let all = names.len();
    stage.wait("round without witnesses", |published| {
        published.round >= from && published.is_complete() && published.contributors.len() == all
    });
    for name in &names {
        let faults = stage.events(name, "provider.fault");
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
}
