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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::published::Sum;

    const INTERVAL: u64 = 6_000;

    fn published(import: &str, power: &str) -> Published {
        let sum = |slot: Slot, value: &str| Sum {
            obis: format!("{}*255", slot.obis),
            unit: slot.unit.to_owned(),
            value: value.to_owned(),
        };
        Published {
            round: 10,
            epoch: 1,
            status: "complete".to_owned(),
            reason: None,
            members: 2,
            sums: Some(vec![sum(Slot::IMPORT, import), sum(Slot::POWER, power)]),
            contributors: vec!["a".to_owned(), "b".to_owned()],
            silent: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Registers of `a` advance by 1.5 Wh, of `b` by 2.0 Wh; powers at the end are -30 and 100 W.
    fn shown(name: &str, time: u64) -> Option<Vec<i64>> {
        match (name, time) {
            ("a", 60_000) => Some(vec![1_000, 7]),
            ("a", 66_000) => Some(vec![1_015, -30]),
            ("b", 60_000) => Some(vec![9_000, 8]),
            ("b", 66_000) => Some(vec![9_020, 100]),
            _ => None,
        }
    }

    fn judge(published: &Published, shown: impl Fn(&str, u64) -> Option<Vec<i64>>) -> Verdict {
        truth(published, &[Slot::IMPORT, Slot::POWER], INTERVAL, shown).unwrap()
    }

    #[test]
    fn a_sum_is_right_to_the_last_digit_or_wrong() {
        let exact = Verdict::Exact(vec![35, 70]);
        assert_eq!(judge(&published("3.5", "70"), shown), exact);
        for (import, power) in [("3.6", "70"), ("3.5", "71"), ("0.0", "0")] {
            let verdict = judge(&published(import, power), shown);
            let Verdict::Wrong { truth, .. } = &verdict else {
                panic!("{verdict:?}");
            };
            assert_eq!(*truth, Some(vec![35, 70]));
        }
    }

    #[test]
    fn a_contributor_whose_meter_showed_nothing_makes_a_sum_wrong() {
        let nothing = |name: &str, time| shown(name, time).filter(|_| name == "a");
        assert!(judge(&published("1.5", "-30"), nothing).is_wrong());
    }

    #[test]
    fn a_failed_round_is_no_lie() {
        let mut failed = published("0.0", "0");
        failed.sums = None;
        assert_eq!(judge(&failed, shown), Verdict::NoSum);
    }
}
