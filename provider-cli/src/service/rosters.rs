//! Rosters that may be shown, because they are durable, and who waits for one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use dcnet_protocol::round::Round;
use tokio::sync::watch;
use tokio::time::timeout;

/// The encoded rosters of the latest rounds of one net, by round and step.
type Shown = BTreeMap<(Round, u8), Bytes>;

/// What one net shows.
#[derive(Default)]
pub(super) struct Rosters(watch::Sender<Shown>);

impl Rosters {
    /// What the store has.
    pub(super) fn restore(&self, rosters: impl Iterator<Item = (Round, u8, Bytes)>) {
        let shown = rosters.map(|(round, step, roster)| ((round, step), roster));
        self.0.send_replace(shown.collect());
    }

    /// A roster is in the store. Those of rounds before the previous one are of no use any more.
    pub(super) fn publish(&self, round: Round, step: u8, roster: Bytes) {
        self.0.send_modify(|shown| {
            shown.retain(|(shown, _), _| shown.next() >= round);
            shown.insert((round, step), roster);
        });
    }

    /// The first roster of `round` behind step `after`, as soon as there is one; none after `wait`.
    pub(super) async fn wait(&self, round: Round, after: u8, wait: Duration) -> Option<Bytes> {
        let mut shown = self.0.subscribe();
        if wait.is_zero() {
            return behind(&shown.borrow(), round, after).cloned();
        }
        let waited = timeout(
            wait,
            shown.wait_for(|shown| behind(shown, round, after).is_some()),
        );
        let shown = waited.await.ok()?.ok()?;
        behind(&shown, round, after).cloned()
    }
}

fn behind(shown: &Shown, round: Round, after: u8) -> Option<&Bytes> {
    let steps = (
        Bound::Excluded((round, after)),
        Bound::Included((round, u8::MAX)),
    );
    shown.range(steps).next().map(|(_, roster)| roster)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[tokio::test]
    async fn the_first_one_behind_a_step_is_shown() {
        let rosters = Rosters::default();
        let round = Round::new(7);
        assert_eq!(rosters.wait(round, 0, NOW).await, None);
        rosters.publish(round, 1, bytes("one"));
        rosters.publish(round, 2, bytes("two"));
        assert_eq!(rosters.wait(round, 0, NOW).await, Some(bytes("one")));
        assert_eq!(rosters.wait(round, 1, NOW).await, Some(bytes("two")));
        assert_eq!(rosters.wait(round, 2, NOW).await, None);
        assert_eq!(rosters.wait(round, u8::MAX, NOW).await, None);
        assert_eq!(rosters.wait(round.next(), 0, NOW).await, None);
    }

    #[tokio::test]
    async fn those_of_the_previous_round_stay_and_older_ones_go() {
        let rosters = Rosters::default();
        for round in 5..=7 {
            rosters.publish(Round::new(round), 1, bytes("one"));
        }
        assert_eq!(rosters.wait(Round::new(5), 0, NOW).await, None);
        assert!(rosters.wait(Round::new(6), 0, NOW).await.is_some());
        rosters.restore([(Round::new(9), 3, bytes("three"))].into_iter());
        assert_eq!(
            rosters.wait(Round::new(9), 2, NOW).await,
            Some(bytes("three"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_roster_ends_the_wait() {
        let rosters = Rosters::default();
        let started = tokio::time::Instant::now();
        let wait = Duration::from_secs(25);
        let (seen, ()) = tokio::join!(rosters.wait(Round::new(7), 1, wait), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            rosters.publish(Round::new(7), 1, bytes("one"));
            tokio::time::sleep(Duration::from_secs(2)).await;
            rosters.publish(Round::new(7), 2, bytes("two"));
        });
        assert_eq!(seen, Some(bytes("two")));
        assert_eq!(started.elapsed().as_secs(), 3);
        assert_eq!(rosters.wait(Round::new(7), 2, wait).await, None);
        assert_eq!(started.elapsed().as_secs(), 28);
    }
}
