//! Who was heard of, and whether the provider itself was there: in memory, for judging only.

use std::collections::BTreeMap;

use crate::names::ClientId;
use crate::round::{Round, Schedule, UnixTime};

/// Intervals for which a registered member is offered to newcomers after it was heard of last.
const HEARD_OF: u64 = 4;
/// Envelopes from one member to another that are relayed in one interval.
const ENVELOPES: u8 = 8;
/// After this many intervals without any input a first one is not trusted to tell the time.
const SILENCE: u64 = 4;

/// What the provider has noticed since it started.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence {
    started: Option<UnixTime>,
    /// Since when inputs have been coming in without a gap.
    available_since: Option<UnixTime>,
    last_input: Option<UnixTime>,
    heard: BTreeMap<ClientId, UnixTime>,
    relayed: BTreeMap<(ClientId, ClientId), u8>,
    relayed_in: Round,
}

impl Presence {
    /// Notes an input. `false`: the clock has jumped so far that no deadline is to be judged by this
    /// input alone.
    pub(super) fn input(&mut self, now: UnixTime, schedule: &Schedule) -> bool {
        self.started.get_or_insert(now);
        let last = self.last_input.replace(now);
        let gap = last.map_or(0, |last| now.millis_since(last));
        // Within a submission window ticks are half a window apart at most.
        if last.is_none_or(|last| now < last) || gap > schedule.submit_millis() * 3 / 4 {
            self.available_since = Some(now);
        }
        let round = schedule.round_at(now);
        if round != self.relayed_in {
            self.relayed_in = round;
            self.relayed.clear();
        }
        gap <= SILENCE.saturating_mul(schedule.interval_millis())
    }

    /// Whether the provider was there for at least the second half of the submission window.
    pub(super) fn was_there(&self, round: Round, schedule: &Schedule) -> bool {
        let late = schedule
            .border(round)
            .plus_millis(schedule.submit_millis() / 2);
        self.available_since.is_some_and(|since| since <= late)
    }

    pub(super) fn heard_of(&mut self, client: ClientId, now: UnixTime) {
        self.heard.insert(client, now);
    }

    /// Whether `client` was heard of lately, or may have been before the provider started.
    pub(super) fn is_about(&self, client: &ClientId, now: UnixTime, schedule: &Schedule) -> bool {
        let heard = self.heard.get(client).copied().or(self.started);
        let patience = HEARD_OF.saturating_mul(schedule.interval_millis());
        heard.is_none_or(|heard| now.millis_since(heard) <= patience)
    }

    /// Counts an envelope. `false`: it is one too many.
    pub(super) fn relay(&mut self, from: ClientId, to: ClientId) -> bool {
        let count = self.relayed.entry((from, to)).or_default();
        *count = count.saturating_add(1);
        *count <= ENVELOPES
    }

    pub(super) fn last_input(&self) -> Option<UnixTime> {
        self.last_input
    }
}
