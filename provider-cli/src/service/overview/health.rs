//! How a net is: what needs somebody, worst first.

use std::sync::Arc;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{EpochRecord, RoundOutcome, RoundStatus};
use dcnet_protocol::round::{Round, UnixTime};

use super::quantity::Quantity;

/// Beyond the end of its windows a round may take so long to be written down, in milliseconds.
const PATIENCE: u64 = 60_000;

/// A net as it was when it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct NetState {
    pub(crate) descriptor: Arc<NetDescriptor>,
    /// Its latest final rounds, newest first.
    pub(crate) latest: Vec<RoundOutcome>,
    /// The last 24 hours.
    pub(crate) day: Day,
    /// Members in the sum.
    pub(crate) active: usize,
    /// Rounds that should be final by now and are not there.
    pub(crate) late: u64,
}

/// Rounds of 24 hours by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) complete: u64,
    pub(crate) corrected: u64,
    pub(crate) failed: u64,
}

/// What is to be said of a net first. In the order of urgency: the greatest is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// The last round has a sum of everybody.
    Well,
    /// There was no round yet, or there are no members any more.
    Waiting,
    /// The last round was corrected.
    Corrected,
    /// Fewer members than the minimum size.
    Small,
    /// The last round has no sum.
    Failed,
    /// Rounds are missing.
    Late,
}

impl Health {
    pub(crate) const ALL: [Self; 6] = [
        Self::Late,
        Self::Failed,
        Self::Small,
        Self::Corrected,
        Self::Waiting,
        Self::Well,
    ];

    /// For addresses.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Waiting => "waiting",
            Self::Corrected => "corrected",
            Self::Small => "small",
            Self::Failed => "failed",
            Self::Late => "late",
        }
    }
}

impl Day {
    /// Out of counts by the octet that encodes the status.
    pub(super) fn of(counts: &[(u8, u64)]) -> Self {
        let mut day = Self::default();
        for (status, count) in counts {
            *match *status {
                status if status == RoundStatus::Complete as u8 => &mut day.complete,
                status if status == RoundStatus::Corrected as u8 => &mut day.corrected,
                _ => &mut day.failed,
            } += count;
        }
        day
    }
}

impl NetState {
    pub(super) fn new(
        descriptor: Arc<NetDescriptor>,
        latest: Vec<RoundOutcome>,
        day: Day,
        now: UnixTime,
    ) -> Self {
        let last = latest.first();
        let mut state = Self {
            active: last.map_or(0, |last| {
                usize::try_from(last.members).unwrap_or(usize::MAX)
            }),
            late: 0,
            descriptor,
            day,
            latest,
        };
        if let (Some(last), Some(due)) = (state.latest.first(), state.due(now)) {
            state.late = due.saturating_sub(last.round.number());
        }
        state
    }

    /// With the epoch in force: one without members has no rounds, and is not late.
    pub(super) fn is_in(&mut self, epoch: Option<&EpochRecord>) {
        self.active = epoch.map_or(0, |epoch| epoch.members.len());
        if self.active == 0 {
            self.late = 0;
        }
    }

    pub(crate) fn net(&self) -> NetId {
        self.descriptor.net()
    }

    /// Seconds of a round.
    pub(crate) fn interval(&self) -> u64 {
        u64::from(self.descriptor.parameters().interval_s).max(1)
    }

    pub(crate) fn min_size(&self) -> usize {
        self.descriptor.min_size()
    }

    /// What the slot of this index is as a curve; that of the first if there is none.
    pub(crate) fn quantity(&self, slot: usize) -> Quantity {
        const NONE: dcnet_protocol::descriptor::SlotSpec = dcnet_protocol::descriptor::SlotSpec {
            obis: [0; 6],
            unit: 255,
            scale: 0,
        };
        let slots = self.descriptor.slots();
        let slot = slots.get(slot).or_else(|| slots.first());
        Quantity::of(slot.copied().unwrap_or(NONE), self.interval())
    }

    /// The last round that has to be final at `now`.
    pub(crate) fn due(&self, now: UnixTime) -> Option<u64> {
        let schedule = self.descriptor.schedule();
        let windows = schedule.submit_millis() + schedule.correction_millis();
        let then = now.minus_millis(windows + PATIENCE.min(schedule.interval_millis()));
        schedule.submitted_at(then).map(Round::number)
    }

    pub(crate) fn health(&self) -> Health {
        if self.late > 0 {
            return Health::Late;
        }
        let Some(last) = self.latest.first() else {
            return Health::Waiting;
        };
        if self.active == 0 {
            Health::Waiting
        } else if !last.status.is_success() {
            Health::Failed
        } else if self.active < self.min_size() {
            Health::Small
        } else if last.status == RoundStatus::Corrected {
            Health::Corrected
        } else {
            Health::Well
        }
    }
}
