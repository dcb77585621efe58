//! Three servers on one database, of which one is killed in every round.

use std::thread::sleep;
use std::time::Duration;

use dcnet_tests::harness::{Random, now_millis};

use crate::servers::{Servers, database};
use crate::stage::Stage;

/// Rounds, unless `DCNET_REPLICA_ROUNDS` says how many.
const ROUNDS: u64 = 6;

/// Length of a round in seconds: 3 to submit, 3 to correct, of which a change of hands takes 1 or more.
const INTERVAL: u32 = 8;

fn sleep_until(time: u64) {
    sleep(Duration::from_millis(time.saturating_sub(now_millis())));
}

/// Every second time it is the one that serves the net; sometimes it is started again at once, sometimes
/// when the others have taken over. Each round has a sum, and each sum is exact.
#[test]
fn a_server_killed_in_every_round_costs_nothing() {
    let Some(store) = database("replicas") else {
        return;
    };
    let rounds = std::env::var("DCNET_REPLICA_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let seed = now_millis();
    println!("seed {seed}"); // shown if the test fails
    let mut random = Random::new(seed);

    let mut servers = None;
    let mut stage = Stage::begin(Some(store), 6, INTERVAL, |lab| {
        servers = Some(Servers::start(lab, 3));
    });
    let mut servers = servers.unwrap();
    stage.wait_for_everybody();
    let first = stage.round() + 1;
    let before = servers.term();
    let mut killed_holders = 0;
    for round in first..first + rounds {
        // From before the border, when frames are on their way, to the end of the correction.
        sleep_until(stage.border(round) - 300 + random.between(0, 4_000));
        let holder = servers.holder().unwrap();
        let victim = if random.between(0, 1) == 0 {
            holder
        } else {
            usize::try_from(random.between(0, 2)).unwrap()
        };
        killed_holders += u64::from(victim == holder);
        servers.kill(victim);
        if random.between(0, 2) > 0 {
            sleep(Duration::from_millis(random.between(500, 2_500)));
        }
        servers.start_one(&stage.lab, victim);
    }
    sleep_until(stage.border(first + rounds) + 7_000);
    // Every sum is compared with what the meters showed.
    stage.judge();
    let judged: Vec<_> = stage
        .judged()
        .iter()
        .filter(|published| (first..first + rounds).contains(&published.round))
        .collect();
    let numbers: Vec<u64> = judged.iter().map(|published| published.round).collect();
    assert_eq!(numbers, (first..first + rounds).collect::<Vec<_>>());
    let complete = judged.iter().filter(|it| it.is_complete()).count();
    for published in &judged {
        assert!(published.sums.is_some(), "{published:#?}");
        assert_eq!(published.contributors.len(), 6, "{published:#?}");
    }
    let hands = servers.term() - before;
    println!(
        "{rounds} rounds, {complete} complete; {killed_holders} of {rounds} kills hit the server of the \
         net, which changed hands {hands} times"
    );
    assert!(hands > 0, "no kill hit the server of the net");
}
