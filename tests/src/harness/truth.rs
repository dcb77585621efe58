//! What a sum should be, from what the meters showed and nothing else.

use super::{HarnessError, Published, Slot};

/// A published sum beside the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The round failed: there is no sum, which is no lie.
    NoSum,
    /// The same to the last digit.
    Exact(Vec<i64>),
    /// Not the same, or a contributor whose meter showed nothing.
    Wrong {
        /// As published.
        published: Vec<i64>,
        /// What it should be; none if a contributor's meter showed nothing at one border.
        truth: Option<Vec<i64>>,
    },
}

impl Verdict {
    /// Whether something false was published.
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }
}

/// Compares a round with what the meters of its contributors showed: `shown` is asked for a
/// gateway's name and a time (milliseconds since 1970 UTC). `interval` is in milliseconds.
///
/// # Errors
/// What was published cannot be read.
pub fn truth(
    published: &Published,
    slots: &[Slot],
    interval: u64,
    shown: impl Fn(&str, u64) -> Option<Vec<i64>>,
) -> Result<Verdict, HarnessError> {
    let Some(words) = published.words(slots)? else {
        return Ok(Verdict::NoSum);
    };
    let start = published.round * interval;
    let readings = published.contributors.iter().map(|name| {
        let (before, after) = (shown(name, start)?, shown(name, start + interval)?);
        let advance = before.iter().zip(&after).zip(slots);
        Some(
            advance
                .map(|((before, after), slot)| {
                    if slot.register {
                        after - before
                    } else {
                        *after
                    }
                })
                .collect::<Vec<i64>>(),
        )
    });
    let sum = readings.reduce(|sum, reading| {
        let (sum, reading) = (sum?, reading?);
        Some(sum.iter().zip(&reading).map(|(a, b)| a + b).collect())
    });
    Ok(match sum.flatten() {
        Some(sum) if sum == words => Verdict::Exact(words),
        truth => Verdict::Wrong {
            published: words,
            truth,
        },
    })
}
