//! What is exported.

use dcnet_obis::ScaledInteger;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::service::{FinalRound, Quality, Series};

/// The sum of one slot in one round that is over, or that there is none.
///
/// `net`, `obis` and `start` together are its key: a value that comes twice is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) net: String,
    pub(crate) region: String,
    pub(crate) obis: String,
    pub(crate) unit: String,
    /// Power of ten of the unit in which `sum` counts.
    pub(crate) scale: i8,
    pub(crate) round: u64,
    /// Start of the metered interval.
    pub(crate) start: Timestamp,
    /// Its end, exclusive.
    pub(crate) end: Timestamp,
    /// None if the round failed: a missing value is never 0.
    pub(crate) sum: Option<i64>,
    /// Number of readings in the sum.
    pub(crate) contributors: u32,
    pub(crate) members: u32,
    pub(crate) quality: Quality,
    /// Why there is no sum.
    pub(crate) reason: Option<&'static str>,
}

/// The values of one round, one per slot.
pub(crate) fn values(series: &Series, round: &FinalRound) -> Vec<Value> {
    let start = series.start(round.round);
    let end = start.saturating_add(u64::from(series.interval()));
    let slots = series.slots.iter().enumerate();
    slots
        .map(|(index, slot)| Value {
            net: series.net.to_string(),
            region: series.region.clone(),
            obis: slot.obis.clone(),
            unit: slot.unit.clone(),
            scale: slot.scale,
            round: round.round,
            start: time(start),
            end: time(end),
            sum: round.sum(index),
            contributors: round.contributors(),
            members: round.members(),
            quality: round.quality(),
            reason: round.reason(),
        })
        .collect()
}

/// A time; one beyond the calendar as its end, which no round of a real net reaches.
fn time(seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).ok();
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A value as JSON has it; also the columns of CSV, in this order.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Line<'a> {
    net: &'a str,
    region: &'a str,
    obis: &'a str,
    unit: &'a str,
    scale: i8,
    round: u64,
    start: String,
    end: String,
    /// Exact decimal in `unit`, as text: JSON's numbers are not exact everywhere.
    value: Option<String>,
    contributors: u32,
    members: u32,
    quality: &'static str,
    reason: Option<&'static str>,
}

impl Value {
    /// Exact decimal in `unit`.
    pub(crate) fn decimal(&self) -> Option<String> {
        let sum = self.sum?;
        Some(ScaledInteger::new(sum.into(), self.scale).to_string())
    }

    pub(crate) fn line(&self) -> Line<'_> {
        Line {
            net: &self.net,
            region: &self.region,
            obis: &self.obis,
            unit: &self.unit,
            scale: self.scale,
            round: self.round,
            start: self.start.to_string(),
            end: self.end.to_string(),
            value: self.decimal(),
            contributors: self.contributors,
            members: self.members,
            quality: self.quality.as_str(),
            reason: self.reason,
        }
    }
}
