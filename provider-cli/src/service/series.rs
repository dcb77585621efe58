//! The final rounds of a net in pages, ascending: what exports read.

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{RoundOutcome, RoundStatus};
use dcnet_protocol::round::Round;
use jiff::Timestamp;

use super::admin::{Admin, AdminError, RoundView, SlotText, decode_descriptor, slots, view_round};
use super::convert;

/// Why a round without an outcome has no value.
const NO_OUTCOME: &str = "no outcome";

/// A net whose rounds are read one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) net: NetId,
    pub(crate) region: String,
    pub(crate) slots: Vec<SlotText>,
    descriptor: NetDescriptor,
}

/// How good a round's sums are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    /// Everybody was there.
    Complete,
    /// Some were missing and the sum was corrected for them.
    Corrected,
    /// There is no sum.
    Failed,
}

impl Quality {
    /// Word for files.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Corrected => "corrected",
            Self::Failed => "failed",
        }
    }
}

/// A round about which nothing changes any more: final, or absent with a later one that is final.
#[derive(Debug, Clone)]
pub(crate) struct FinalRound {
    pub(crate) round: u64,
    outcome: Option<RoundOutcome>,
}

impl FinalRound {
    pub(crate) fn quality(&self) -> Quality {
        match self.outcome.as_ref().map(|outcome| outcome.status) {
            Some(RoundStatus::Complete) => Quality::Complete,
            Some(RoundStatus::Corrected) => Quality::Corrected,
            _ => Quality::Failed,
        }
    }

    /// Why there is no sum.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match &self.outcome {
            None => Some(NO_OUTCOME),
            Some(outcome) => {
                let status = outcome.status.as_str();
                status.split_once(": ").map(|(_, reason)| reason)
            }
        }
    }

    /// The sum of a slot, in units of ten to the power of its scale.
    pub(crate) fn sum(&self, slot: usize) -> Option<i64> {
        let sum = self.outcome.as_ref()?.sum.as_ref()?;
        sum.words().get(slot).map(|word| word.to_signed())
    }

    /// How many readings are in the sum.
    pub(crate) fn contributors(&self) -> u32 {
        let number = self.outcome.as_ref().map_or(0, |o| o.contributors.len());
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// How many members the net had; 0 for a round of which nothing is known.
    pub(crate) fn members(&self) -> u32 {
        self.outcome.as_ref().map_or(0, |outcome| outcome.members)
    }

    /// As tables show it; none for a round without an outcome.
    pub(crate) fn view(&self, series: &Series) -> Option<RoundView> {
        let outcome = self.outcome.as_ref()?;
        Some(view_round(&series.descriptor, outcome))
    }
}

impl Series {
    /// Start of a round's metered interval, in seconds since 1970.
    pub(crate) fn start(&self, round: u64) -> u64 {
        self.descriptor.schedule().start(Round::new(round)).secs()
    }

    /// Length of a metered interval in seconds.
    pub(crate) fn interval(&self) -> u32 {
        self.descriptor.parameters().interval_s
    }

    /// The first round that begins at `time` or later.
    pub(crate) fn first_from(&self, time: Timestamp) -> u64 {
        seconds(time).div_ceil(u64::from(self.interval()))
    }

    /// The last round that begins before `time`; none if none does.
    pub(crate) fn last_before(&self, time: Timestamp) -> Option<u64> {
        self.first_from(time).checked_sub(1)
    }
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

/// Rounds that are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// The first one.
    pub(crate) from: u64,
    /// Whether the asker has the rounds before `from`. What is missing behind them is a gap then, also if
    /// nothing before it is in the store any more.
    pub(crate) goes_on: bool,
    /// The last one; none for all there are.
    pub(crate) to: Option<u64>,
}

impl Admin {
    /// A net, to read its rounds one after the other.
    pub(crate) async fn series(&self, net: NetId) -> Result<Series, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        Ok(Series {
            net,
            region: descriptor.region().to_owned(),
            slots: slots(&descriptor),
            descriptor,
        })
    }

    /// The names of all nets.
    pub(crate) async fn net_names(&self) -> Result<Vec<NetId>, AdminError> {
        let rows = self.store.nets().await?;
        Ok(rows.iter().map(|row| row.net).collect())
    }

    /// The newest final round of a net.
    pub(crate) async fn last_final(&self, net: NetId) -> Result<Option<u64>, AdminError> {
        let last = self.store.outcomes(net, None, None, Some(1)).await?.pop();
        Ok(last.map(|(round, _)| round))
    }

    /// The rounds of `part`, ascending, the first `most` of them; those between two final rounds
    /// that have no outcome themselves stand among them. Rounds become final in ascending order, so
    /// that whoever goes on behind the last one misses none.
    pub(crate) async fn final_rounds(
        &self,
        series: &Series,
        part: Part,
        most: u32,
    ) -> Result<Vec<FinalRound>, AdminError> {
        let Part { from, goes_on, to } = part;
        // Beyond `to` as well: a later round says that those before it are over.
        let rows = self.store.outcomes_from(series.net, from, most).await?;
        let Some((first, _)) = rows.first() else {
            return Ok(Vec::new());
        };
        let mut next = *first;
        if next > from && goes_on {
            next = from;
        } else if next > from {
            let before = from.checked_sub(1);
            let earlier = match before {
                None => Vec::new(),
                before => {
                    self.store
                        .outcomes(series.net, None, before, Some(1))
                        .await?
                }
            };
            if !earlier.is_empty() {
                next = from;
            }
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut rounds = Vec::new();
        for (round, outcome) in rows {
            while next <= round && to.is_none_or(|to| next <= to) && rounds.len() < most {
                let is_there = next == round;
                rounds.push(FinalRound {
                    round: next,
                    outcome: is_there.then(|| convert::decode(&outcome)).transpose()?,
                });
                next += 1;
            }
        }
        Ok(rounds)
    }
}
