//! How large must a net be? Answered from load data of households, by games and statistics.
//!
//! Needs no store and no server. What is measured, and why so, is in `docs/net-size.md` and
//! `docs/adr/0033-how-net-sizes-are-judged.md`. The same data, seed and questions give the same answer to the
//! bit, on however many threads.

#![allow(
    clippy::float_arithmetic,
    reason = "statistics of energies are no energies that anybody is billed for"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts here are far below 2^52, and what becomes an index is not negative"
)]

mod charts;
mod corrections;
mod data;
mod edges;
mod game;
mod planner;
mod population;
mod random;
mod recovery;
mod report;
mod statistics;
mod verdict;
mod whitening;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use corrections::{Corrections, Failing};
pub(crate) use data::DataError;
pub(crate) use game::Adversary;
pub(crate) use planner::Planner;
pub(crate) use recovery::Recovery;
pub(crate) use report::html;
pub(crate) use statistics::Estimate;
pub(crate) use verdict::Verdict;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(
        "the load data have no {} in which {} households have all their readings: give more data",
        .0.text(),
        population::FEWEST
    )]
    TooFew(Span),
    #[error(
        "rows of the load data have {days} of the 7 days of a week: ask for --windows day, or give rows of 672 \
         quarter-hours"
    )]
    NoWeek { days: usize },
    #[error(
        "--sizes {size}: the load data hold {households} households at a time, and say nothing about larger nets"
    )]
    Size { size: u32, households: u32 },
}

/// How long the adversary watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Span {
    /// 96 sums.
    Day,
    /// 672 sums.
    Week,
}

impl Span {
    fn days(self) -> usize {
        match self {
            Self::Day => 1,
            Self::Week => 7,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    /// Members; none for a ladder up to what the data hold.
    pub(crate) sizes: Option<BTreeSet<u32>>,
    /// None for day, and week where the data have weeks.
    pub(crate) spans: Option<BTreeSet<Span>>,
    pub(crate) repetitions: u32,
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    pub(crate) bounds: Bounds,
    pub(crate) failing: Failing,
}

/// What is small enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Bounds {
    /// The best adversary's advantage is to be below this.
    pub(crate) advantage: f64,
    /// The share of a day's variance that is recovered is not to be above this.
    pub(crate) recovered: f64,
}

/// The answer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) repetitions: u32,
    pub(crate) bounds: Bounds,
    pub(crate) failure_rate: f64,
    pub(crate) loss_permille: u16,
    pub(crate) data: DataView,
    pub(crate) windows: Vec<WindowView>,
    pub(crate) sizes: Vec<SizeView>,
    pub(crate) verdict: Verdict,
}

/// What the load data are.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DataView {
    pub(crate) households: usize,
    pub(crate) weeks: usize,
    pub(crate) days_a_row: usize,
    /// Quarter-hours with a reading.
    pub(crate) readings: usize,
    pub(crate) missing: usize,
    /// kWh in a quarter-hour; negative is fed in.
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

/// The windows of one span.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct WindowView {
    pub(crate) span: Span,
    pub(crate) windows: usize,
    /// Households and windows that are played with.
    pub(crate) used: usize,
    /// Those left out, because a reading is missing or too few households are left.
    pub(crate) left_out: usize,
    /// Squared distance in the middle: one over it is the size at which sums are one standard deviation apart.
    pub(crate) median_distance: f64,
    /// The size at which normal sums would keep the advantage below the bound.
    pub(crate) size_by_model: Option<u64>,
}

/// A net of one size.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SizeView {
    pub(crate) size: u32,
    pub(crate) membership: Vec<Membership>,
    pub(crate) recovery: Recovery,
    pub(crate) corrections: Corrections,
}

/// How the distinguishing game ended in nets of one size.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Membership {
    pub(crate) span: Span,
    /// In the order of [`Adversary::ALL`]; the last one is missing where there are too few households to halve.
    pub(crate) adversaries: Vec<Told>,
    pub(crate) best: Adversary,
    /// Of the best, against the tenth of the households that stands out most.
    pub(crate) exposed: Option<Estimate>,
    /// The advantage that normal sums would give.
    pub(crate) by_model: f64,
}

/// What one adversary achieved.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Told {
    pub(crate) adversary: Adversary,
    /// How often it says "in" more of nets with the household than of nets without.
    pub(crate) advantage: Estimate,
    /// How often it is right when both are as likely: (1 + advantage) / 2.
    pub(crate) accuracy: Estimate,
    /// How often it says "in" of nets with the household, and without.
    pub(crate) in_with: Option<Estimate>,
    pub(crate) in_without: Option<Estimate>,
}

impl Membership {
    /// What the best adversary achieved.
    pub(crate) fn best(&self) -> Option<&Told> {
        self.adversaries
            .iter()
            .find(|told| told.adversary == self.best)
    }

    /// What one adversary achieved, if it played.
    pub(crate) fn advantage(&self, adversary: Adversary) -> Option<Estimate> {
        let mut told = self.adversaries.iter();
        Some(told.find(|told| told.adversary == adversary)?.advantage)
    }

    /// The greatest advantage that is within any adversary's interval.
    pub(crate) fn at_most(&self) -> f64 {
        let highs = self.adversaries.iter().map(|told| told.advantage.high);
        highs.fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests;
