//! Nets and their rounds: totals over all nets, and numbers of each net up to a limit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{Provider, Record, RoundOutcome, RoundStatus};
use dcnet_protocol::round::{Round, Schedule, UnixTime};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::commits::{Commits, StoreFailure};
use super::traces::{Kind, Span, Traces};
use super::{ByWord, histogram, now};

mod series;

/// Seconds from the border of a round to its end. Windows are seconds in a laboratory, minutes in
/// the field.
const CLOSING: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];

/// How a round ended, in the order of [`State::rounds`].
const ENDS: [&str; 3] = ["complete", "corrected", "failed"];

/// All nets that are served.
pub(crate) struct Nets {
    /// So many have series of their own.
    labelled: usize,
    /// In the order in which they were started, so that a new one takes no other's series away.
    watched: Mutex<Vec<Arc<NetWatch>>>,
    totals: Totals,
    starts_failed: Counter,
}

/// What is counted over all nets.
#[derive(Clone)]
struct Totals {
    rounds: ByWord,
    corrections: Counter,
    closing: Histogram,
    store: Commits,
    traces: Traces,
}

/// The watch over one net.
pub(crate) struct NetWatch {
    net: NetId,
    schedule: Schedule,
    least: u64,
    /// What was before is nobody's fault now.
    since: Round,
    totals: Totals,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// It has been read from the store.
    is_served: bool,
    /// Active members from a round on, for the epochs that are not over.
    epochs: BTreeMap<Round, u64>,
    last_final: Option<Round>,
    last: Option<Last>,
    /// Rounds that ended, by how.
    rounds: [u64; 3],
    corrections: u64,
}

/// The round that became final last.
#[derive(Clone, Copy)]
struct Last {
    contributors: u64,
    silent: u64,
    missing: u64,
    /// Milliseconds from its border to its end.
    closing: u64,
    at: UnixTime,
}

/// What a batch of records says of a net; it counts once the batch is durable.
pub(crate) struct Seen {
    watch: Arc<NetWatch>,
    epochs: Vec<(Round, u64)>,
    ended: Vec<(Round, RoundStatus, Last)>,
    corrections: u64,
}

impl Nets {
    pub(super) fn new(labelled: usize, store: Commits, traces: Traces) -> Self {
        let rounds = ByWord::default();
        for end in ENDS {
            // There from the start: a rate needs a first value.
            drop(rounds.get_or_create(&[("status", end)]));
        }
        Self {
            labelled,
            watched: Mutex::default(),
            totals: Totals {
                rounds,
                corrections: Counter::default(),
                closing: histogram(&CLOSING),
                store,
                traces,
            },
            starts_failed: Counter::default(),
        }
    }

    pub(super) fn register(self: &Arc<Self>, registry: &mut Registry) {
        let totals = self.totals.clone();
        registry.register(
            "rounds",
            "Rounds that became final, by how they ended",
            totals.rounds,
        );
        registry.register(
            "corrections",
            "Rounds for which a correction was opened, because members were missing",
            totals.corrections,
        );
        registry.register(
            "round_closing_seconds",
            "From the border of a round to its end",
            totals.closing,
        );
        registry.register(
            "net_starts_failed",
            "Nets of the store that could not be served when the server was started",
            self.starts_failed.clone(),
        );
        registry.register_collector(Box::new(Arc::clone(self)));
    }

    /// The watch over a net, the same one if it is started again.
    pub(crate) fn watch(&self, descriptor: &NetDescriptor) -> Arc<NetWatch> {
        let net = descriptor.net();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = watched.iter().find(|watch| watch.net == net) {
            return Arc::clone(watch);
        }
        let watch = Arc::new(NetWatch {
            net,
            schedule: descriptor.schedule(),
            least: count(descriptor.min_size()),
            since: descriptor.schedule().round_at(now()),
            totals: self.totals.clone(),
            state: Mutex::default(),
        });
        watched.push(Arc::clone(&watch));
        watch
    }

    /// Another server has the net now: what this one knows of it gets old, and would look late.
    pub(crate) fn forget(&self, net: NetId) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|watch| watch.net != net);
    }

    /// Counts a net that cannot be served.
    pub(crate) fn start_failed(&self) {
        self.starts_failed.inc();
    }

    fn all(&self) -> Vec<Arc<NetWatch>> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.clone()
    }
}

impl NetWatch {
    /// The net stands as the store has it.
    pub(crate) fn restored(&self, provider: &Provider) {
        let last_final = provider.last_final();
        let next = last_final.map_or(self.since, Round::next);
        let rounds = [next, self.schedule.round_at(now()), Round::new(u64::MAX)];
        let epochs = rounds
            .into_iter()
            .filter_map(|round| provider.epoch_at(round))
            .map(|epoch| (epoch.first_round, count(epoch.members.len())));
        let mut state = self.state();
        state.is_served = true;
        state.epochs = epochs.collect();
        state.last_final = last_final;
    }

    /// The store did not give the net.
    pub(crate) fn restore_failed(&self) {
        self.totals.store.failed(StoreFailure::Restore);
    }

    /// Begins to look at a batch of records.
    pub(crate) fn look(self: &Arc<Self>) -> Seen {
        Seen {
            watch: Arc::clone(self),
            epochs: Vec::new(),
            ended: Vec::new(),
            corrections: 0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, seen: &Seen) {
        let mut state = self.state();
        state.epochs.extend(seen.epochs.iter().copied());
        state.corrections += seen.corrections;
        self.totals.corrections.inc_by(seen.corrections);
        for (round, status, last) in &seen.ended {
            let (place, end) = end(*status);
            if let Some(ended) = state.rounds.get_mut(place) {
                *ended += 1;
            }
            state.last_final = Some(*round);
            state.last = Some(*last);
            self.totals.rounds.get_or_create(&[("status", end)]).inc();
            self.totals.closing.observe(seconds(last.closing));
            self.totals.traces.record(|| {
                let took = Duration::from_millis(last.closing);
                Span::ending("round closing", Kind::Internal, took)
                    .failed(!status.is_success())
                    .word("dcnet.net", &self.net.to_string())
                    .number("dcnet.round", round.number())
                    .word("dcnet.round.status", status.as_str())
            });
        }
        state.forget_epochs(self.since);
    }
}

impl Seen {
    /// Looks at a record.
    pub(crate) fn add(&mut self, record: &Record) {
        match record {
            Record::Epoch(epoch) => {
                let members = count(epoch.members.len());
                self.epochs.push((epoch.first_round, members));
            }
            Record::CorrectionOpened(_) => self.corrections += 1,
            // With double masks the first roster says who is missing.
            Record::Roster(record) => {
                let roster = record.roster.unverified();
                let missing = roster.present().count() < roster.members();
                self.corrections += u64::from(record.step == 1 && missing);
            }
            Record::Outcome(outcome) => {
                let last = Last::new(outcome, self.watch.schedule.border(outcome.round));
                self.ended.push((outcome.round, outcome.status, last));
            }
            _ => {}
        }
    }

    /// Whether there is nothing to count.
    pub(crate) fn is_empty(&self) -> bool {
        self.epochs.is_empty() && self.ended.is_empty() && self.corrections == 0
    }

    /// Counts what was seen: it is durable.
    pub(crate) fn count(self) {
        self.watch.count(&self);
    }
}

impl Last {
    fn new(outcome: &RoundOutcome, border: UnixTime) -> Self {
        let at = now();
        Self {
            contributors: count(outcome.contributors.len()),
            silent: count(outcome.silent.len()),
            missing: count(outcome.missing.len()),
            closing: at.millis_since(border),
            at,
        }
    }
}

impl State {
    /// The first round that has to become final and is not.
    fn next(&self, since: Round) -> Round {
        self.last_final.map_or(since, |last| last.next().max(since))
    }

    /// Active members in `round`.
    fn members(&self, round: Round) -> u64 {
        let begun = self.epochs.range(..=round).next_back();
        begun.map_or(0, |(_, members)| *members)
    }

    /// The round that is to become final next, if there are members to make one.
    fn due(&self, since: Round) -> Option<Round> {
        let next = self.next(since);
        if self.members(next) > 0 {
            return Some(next);
        }
        let later = self.epochs.range(next..);
        later
            .filter(|(_, members)| **members > 0)
            .map(|(first, _)| *first)
            .next()
    }

    /// Drops epochs that were over before the round that is to become final next.
    fn forget_epochs(&mut self, since: Round) {
        let next = self.next(since);
        if let Some((first, _)) = self.epochs.range(..=next).next_back() {
            self.epochs = self.epochs.split_off(&first.to_owned());
        }
    }
}

impl fmt::Debug for Nets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nets").finish_non_exhaustive()
    }
}

/// Place and label of how a round ended.
fn end(status: RoundStatus) -> (usize, &'static str) {
    match status {
        RoundStatus::Complete => (0, "complete"),
        RoundStatus::Corrected => (1, "corrected"),
        _ => (2, "failed"),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Milliseconds as seconds.
fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epochs: &[(u64, u64)], last_final: Option<u64>) -> State {
        let epochs = epochs.iter();
        State {
            epochs: epochs
                .map(|(first, members)| (Round::new(*first), *members))
                .collect(),
            last_final: last_final.map(Round::new),
            ..State::default()
        }
    }

    fn due(state: &State, since: u64) -> Option<u64> {
        state.due(Round::new(since)).map(Round::number)
    }

    #[test]
    fn a_round_is_due_if_there_are_members_to_make_one() {
        assert_eq!(due(&state(&[], None), 10), None);
        assert_eq!(due(&state(&[(12, 5)], None), 10), Some(12));
        assert_eq!(due(&state(&[(12, 5)], Some(13)), 10), Some(14));
        assert_eq!(due(&state(&[(12, 5), (14, 0)], Some(13)), 10), None);
    }

    #[test]
    fn new_epochs_do_not_hide_a_round_that_is_late() {
        let mut late = state(&[(3, 5), (12, 6), (14, 7), (15, 8)], Some(11));
        late.forget_epochs(Round::new(2));
        assert_eq!(late.epochs.len(), 3);
        assert_eq!(due(&late, 2), Some(12));
        assert_eq!(late.members(Round::new(14)), 7);
    }

    #[test]
    fn rounds_before_the_server_was_started_are_not_due() {
        assert_eq!(due(&state(&[(3, 5)], Some(11)), 40), Some(40));
    }
}
