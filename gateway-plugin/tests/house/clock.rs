//! A clock that is set while the daemon runs: no round twice, and none in the past.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::config::Config;
use dcnet_gateway::daemon::{self, End};
use dcnet_gateway::ledger::{Ledger, StateDirectory};
use dcnet_protocol::provider::RoundOutcome;
use dcnet_protocol::round::Round;
use tokio::sync::watch;

use crate::support::meter::{Line, Meter};
use crate::support::net::Shape;
use crate::support::server::Server;

#[test]
fn a_clock_that_is_set_brings_no_second_frame_of_a_round() {
    let server = Server::start(Shape::resend(4, [3, 1, 1]));
    let meter = Meter::start(Line::new(), Duration::from_millis(100));
    let household = server.household("house", &meter.device);
    let shift = Arc::new(AtomicI64::new(0));
    let clock = Clock::shifted(shift.clone());
    let config = Config::load(&household.profile(), clock.now()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let daemon = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(daemon::run(config, clock, stopped))
    });
    let house = "house".parse().unwrap();
    let contribution_after = |round: Round| {
        server.wait("a contribution", |net| {
            let mut outcomes = net.outcomes.iter();
            let fits = |outcome: &&RoundOutcome| {
                outcome.round > round && outcome.contributors.contains(&house)
            };
            outcomes.rfind(fits).map(|outcome| outcome.round)
        })
    };

    let before = contribution_after(Round::new(0));
    // An hour back: all rounds that come now were entered or are over.
    let count = server.net().seen.len();
    shift.store(-3_600_000, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(7));
    let net = server.net();
    let during: Vec<_> = net
        .seen
        .iter()
        .skip(count)
        .map(|(_, _, round, _)| *round)
        .collect();
    assert!(
        during.iter().all(|round| *round >= before),
        "{before} {during:?}"
    );
    drop(net);

    // An hour ahead: nobody else is there.
    shift.store(3_600_000, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(7));
    let limit = server.net().schedule.round_at(crate::support::net::now());
    assert!(
        server
            .net()
            .seen
            .iter()
            .all(|(_, _, round, _)| *round <= limit)
    );

    // Right again: it goes on, and nothing was sealed for a round in the future.
    shift.store(0, Ordering::Relaxed);
    let after = contribution_after(limit);
    let mut frames: Vec<_> = server
        .net()
        .seen
        .iter()
        .map(|(_, n, round, bytes)| (*round, *n, bytes.clone()))
        .collect();
    frames.dedup();
    let mut rounds: Vec<_> = frames.iter().map(|(round, n, _)| (*round, *n)).collect();
    rounds.dedup();
    assert_eq!(rounds.len(), frames.len(), "two frames of one round");
    assert!(rounds.is_sorted());

    stop.send(true).unwrap();
    assert_eq!(daemon.join().unwrap().unwrap(), End::Stopped);
    let ledger = Ledger::open(StateDirectory::acquire(&household.state()).unwrap()).unwrap();
    let last = ledger.last_entered().unwrap().unwrap();
    assert!(
        last >= after && last.number() <= after.number() + 10,
        "{last} {after}"
    );
}
