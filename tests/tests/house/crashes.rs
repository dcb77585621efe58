//! Programs that are killed at the worst moments.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use dcnet_tests::harness::{Random, Witness, now_millis};

use crate::stage::Stage;

/// The border of a round and what comes around it is where a kill hurts: from so many milliseconds
/// before it to so many after.
const BEFORE: u64 = 150;
const AFTER: u64 = 900;

fn sleep_until(time: u64) {
    sleep(Duration::from_millis(time.saturating_sub(now_millis())));
}

fn random() -> Random {
    let seed = now_millis();
    println!("seed {seed}"); // shown if the test fails
    Random::new(seed)
}

/// Every round one gateway is killed around the border, once or twice, and started again at once.
#[test]
fn gateways_killed_at_any_moment_send_one_frame_a_round_or_none() {
    const ROUNDS: usize = 8;
    let mut random = random();
    let mut stage = Stage::new(6, 3);
    let witness = Witness::start(&stage.lab.store(), stage.lab.plan()).unwrap();
    stage.wait_for_everybody();
    for _ in 0..ROUNDS {
        let victim = format!("gw-{}", random.between(1, 6));
        let border = stage.border(stage.round());
        let first = border - BEFORE + random.between(0, BEFORE + AFTER);
        sleep_until(first);
        stage.kill(&victim);
        stage.lab.start_gateway(&victim).unwrap();
        if random.between(0, 1) == 0 {
            sleep_until(first + random.between(20, 400));
            stage.kill(&victim);
            stage.lab.start_gateway(&victim).unwrap();
        }
        sleep_until(border + 1000);
        stage.judge();
    }
    stage.wait_for_everybody();
    assert!(stage.sums() >= 2, "{:#?}", stage.judged());

    let mut words = BTreeMap::new();
    for (round, frames) in witness.finish() {
        for frame in frames {
            let place = (round, frame.client, frame.resent);
            let first = words.entry(place.clone()).or_insert(frame.words.clone());
            assert_eq!(*first, frame.words, "two frames of {place:?}");
        }
    }
    assert!(!words.is_empty(), "nothing was seen");
    for name in stage.lab.names() {
        let mut rounds = BTreeSet::new();
        for sealed in stage.events(&name, "round.sealed") {
            let round = sealed["round"].as_u64().unwrap();
            assert!(rounds.insert(round), "{name} sealed round {round} twice");
        }
        let log = std::fs::read_to_string(stage.lab.gateway_log(&name)).unwrap();
        assert!(!log.contains("different-frame"), "{name}:\n{log}");
    }
}

/// Every second round the provider is killed while frames come in, and started again at once.
#[test]
fn a_provider_killed_at_any_moment_loses_no_frame_that_it_acknowledged() {
    const KILLS: usize = 4;
    let mut random = random();
    let mut stage = Stage::new(5, 3);
    stage.wait_for_everybody();
    let mut killed_in = BTreeSet::new();
    for _ in 0..KILLS {
        let round = stage.round();
        // Frames come in from 100 to 250 ms after the border.
        sleep_until(stage.border(round) + random.between(80, 450));
        stage.lab.kill_provider().unwrap();
        stage.lab.start_provider().unwrap();
        killed_in.insert(round);
        sleep_until(stage.border(round + 1) + 1000);
        stage.judge();
    }
    let last = stage.wait_for_everybody();
    assert!(stage.sums() >= 2, "{:#?}", stage.judged());

    let mut acknowledged_in_killed = 0;
    for name in stage.lab.names() {
        for receipt in stage.events(&name, "frame.acknowledged") {
            let round = receipt["round"].as_u64().unwrap();
            if receipt["notification"] != 5 || round > last.round {
                continue;
            }
            acknowledged_in_killed += usize::from(killed_in.contains(&round));
            let published = stage.judged().iter().find(|found| found.round == round);
            // Every round of which a frame was acknowledged must come to an end.
            let published = published.unwrap_or_else(|| panic!("round {round} has vanished"));
            assert!(!published.missing.contains(&name), "{name}: {published:#?}");
        }
    }
    assert!(acknowledged_in_killed > 0, "no kill hit a round under way");
}
