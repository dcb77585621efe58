//! The point of it all: what the provider held of a household, next to what its meter read.

use std::collections::BTreeSet;

use serde::Serialize;

use super::street::Street;
use crate::harness::{HarnessError, Lab, Peek, Published, Seen, Verdict, wait_for};

/// Time for the provider to clean up behind the last round.
const CLEANING: std::time::Duration = std::time::Duration::from_secs(5);

/// One round as the provider saw it and as it was.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// The round.
    pub(super) round: u64,
    /// The sum as published.
    pub(super) sum: Vec<i64>,
    /// All contributors.
    pub(super) households: Vec<Household>,
    /// Number of different superpositions that were seen in the store in all rounds.
    pub(super) seen: usize,
    /// Of these, how many are there still, in a table or anywhere in a file.
    pub(super) left: usize,
    /// How many of them had a word that was just what the meter read.
    pub(super) bare: usize,
}

/// One household in it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Household {
    /// Name of its gateway.
    pub(super) name: String,
    /// What its meter read.
    pub(super) reading: Vec<i64>,
    /// What the store held while the round was open, if it was there long enough to be seen.
    pub(super) stored: Option<Vec<u64>>,
}

impl Point {
    /// The complete round of which most was seen; none if nothing was seen at all.
    pub(super) fn find(
        lab: &Lab,
        street: &Street,
        history: &[(Published, Verdict)],
        seen: &Seen,
        favourite: &str,
    ) -> Result<Option<Self>, HarnessError> {
        let frames = |round: u64| seen.get(&round).map_or(&[][..], Vec::as_slice);
        let value = |published: &Published| {
            let frames = frames(published.round);
            let favourite_seen = frames.iter().any(|frame| frame.client == favourite);
            (favourite_seen, frames.len())
        };
        let best = history
            .iter()
            .filter(|(published, _)| published.is_complete())
            .filter_map(|(published, verdict)| match verdict {
                Verdict::Exact(sum) => Some((published, sum)),
                _ => None,
            })
            .max_by_key(|(published, _)| value(published));
        let Some((best, sum)) = best else {
            return Ok(None);
        };
        let reading = |published: &Published, name: &str| reading(lab, street, published, name);
        let households = best
            .contributors
            .iter()
            .map(|name| Household {
                name: name.clone(),
                reading: reading(best, name).unwrap_or_default(),
                stored: frames(best.round)
                    .iter()
                    .find(|frame| frame.client == *name)
                    .map(|frame| frame.words.clone()),
            })
            .collect();
        let bare = history
            .iter()
            .flat_map(|(published, _)| {
                frames(published.round)
                    .iter()
                    .map(move |frame| (published, frame))
            })
            .filter(|(published, frame)| {
                let reading = reading(published, &frame.client).unwrap_or_default();
                let words = frame.words.iter().map(|word| word.cast_signed());
                words.zip(reading).any(|(word, value)| word == value)
            })
            .count();
        Ok(Some(Self {
            round: best.round,
            sum: sum.clone(),
            households,
            seen: seen.values().map(Vec::len).sum(),
            left: left(lab, history, seen)?,
            bare,
        }))
    }

    /// Something was seen, none of it a reading, and nothing of it is left.
    pub(super) fn is_private(&self) -> bool {
        self.seen > 0 && self.bare == 0 && self.left == 0
    }
}

/// What the meter of `name` read in a round.
fn reading(lab: &Lab, street: &Street, published: &Published, name: &str) -> Option<Vec<i64>> {
    let plan = lab.plan();
    let start = published.round * plan.millis();
    let before = street.shown(name, start)?;
    let after = street.shown(name, start + plan.millis())?;
    let values = before.iter().zip(&after).zip(&plan.slots);
    Some(
        values
            .map(|((before, after), slot)| {
                if slot.register {
                    after - before
                } else {
                    *after
                }
            })
            .collect(),
    )
}

/// How many of the superpositions of final rounds are in the store still.
fn left(lab: &Lab, history: &[(Published, Verdict)], seen: &Seen) -> Result<usize, HarnessError> {
    let finals: BTreeSet<u64> = history
        .iter()
        .map(|(published, _)| published.round)
        .collect();
    let frames: Vec<_> = seen
        .iter()
        .filter(|(round, _)| finals.contains(round))
        .flat_map(|(_, frames)| frames)
        .collect();
    let words: Vec<u64> = frames
        .iter()
        .flat_map(|frame| frame.words.iter().copied())
        .collect();
    let mut peek = Peek::open(&lab.store())?;
    let mut count = || -> Result<usize, HarnessError> {
        let mut rows = 0;
        for round in &finals {
            rows += peek.frames(*round)?.len();
        }
        Ok(rows + peek.traces(&words)?.len())
    };
    let clean = wait_for("the store to be cleaned", CLEANING, || {
        Ok((count()? == 0).then_some(()))
    });
    match clean {
        Ok(()) => Ok(0),
        Err(HarnessError::Waiting { .. }) => count(),
        Err(other) => Err(other),
    }
}
