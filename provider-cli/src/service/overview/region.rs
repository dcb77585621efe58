//! The sum over the nets of a region: only of rounds in which each of them has one.

use dcnet_protocol::names::NetId;

use super::curve::{self, Basis, Curve, Sample, Samples, Span};
use super::health::NetState;
use super::quantity::Quantity;
use super::{Overview, ShowError, bounded};
use crate::service::now;

/// The curve of a region.
#[derive(Debug)]
pub(crate) struct RegionCurve {
    pub(crate) quantity: Quantity,
    pub(crate) curve: Curve,
    /// Whose sums it adds up.
    pub(crate) nets: Vec<NetId>,
    /// The others, and why.
    pub(crate) aside: Vec<(NetId, SetAside)>,
}

/// Why a net of the region is not in its sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetAside {
    /// It never had a round.
    NoRound,
    /// Its rounds are of another length.
    OtherInterval,
    /// It sums other quantities, or at another scale.
    OtherSlot,
}

impl Overview {
    /// The curve of one slot over `states`, the nets of a region: the slot is that of the first of them
    /// that had a round. `None` if none had.
    pub(crate) async fn region_curve(
        &self,
        states: &[&NetState],
        slot: usize,
        span: Span,
    ) -> Result<Option<RegionCurve>, ShowError> {
        let Some(leader) = states.iter().find(|state| !state.latest.is_empty()) else {
            return Ok(None);
        };
        let interval = leader.interval();
        let Some(spec) = leader
            .descriptor
            .slots()
            .get(slot)
            .or_else(|| leader.descriptor.slots().first())
        else {
            return Ok(None);
        };
        let (mut counted, mut aside) = (Vec::new(), Vec::new());
        for state in states {
            let place = state
                .descriptor
                .slots()
                .iter()
                .position(|other| other == spec);
            match place {
                _ if state.latest.is_empty() => aside.push((state.net(), SetAside::NoRound)),
                _ if state.interval() != interval => {
                    aside.push((state.net(), SetAside::OtherInterval));
                }
                None => aside.push((state.net(), SetAside::OtherSlot)),
                Some(place) => counted.push((*state, place)),
            }
        }
        let ranges = curve::needed(span, interval, &self.extras.zone);
        bounded(&ranges, counted.len())?;
        let _turn = self.curves.acquire().await.map_err(|_| ShowError::Ending)?;
        let mut total: Option<Samples> = None;
        // The sum is there from the first round of the net that began last.
        let mut first = None;
        for (state, place) in &counted {
            let mut samples = Samples::new();
            for range in ranges.clone() {
                self.collect(state.net(), *place, range, &mut samples)
                    .await?;
            }
            first = first.max(self.store.first_round(state.net()).await?);
            total = Some(match total {
                None => samples,
                Some(total) => added(total, samples),
            });
        }
        let now = now();
        let quantity = Quantity::of(*spec, interval);
        let curve = Curve::over(
            span,
            &Basis {
                interval,
                quantity: &quantity,
                zone: &self.extras.zone,
                reference: self.extras.reference.as_ref(),
                samples: &total.unwrap_or_default(),
                first,
                // What one of them has not finished yet is no gap.
                due: counted
                    .iter()
                    .map(|(state, _)| state.due(now))
                    .min()
                    .flatten(),
            },
        );
        Ok(Some(RegionCurve {
            quantity,
            curve,
            nets: counted.iter().map(|(state, _)| state.net()).collect(),
            aside,
        }))
    }
}

/// Both together: a round that one of them lacks has no sum.
fn added(mut total: Samples, mut other: Samples) -> Samples {
    for (round, sample) in &mut total {
        let more = other.remove(round).unwrap_or_default();
        *sample = joined(*sample, more);
    }
    for (round, sample) in other {
        total.insert(round, joined(Sample::default(), sample));
    }
    total
}

fn joined(one: Sample, other: Sample) -> Sample {
    Sample {
        sum: one
            .sum
            .zip(other.sum)
            .and_then(|(one, other)| one.checked_add(other)),
        households: one.households.saturating_add(other.households),
        is_corrected: one.is_corrected || other.is_corrected,
        is_failed: one.is_failed || other.is_failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_a_sum_if_each_net_has_one() {
        let sample = |sum, is_corrected, is_failed| Sample {
            sum,
            households: 4,
            is_corrected,
            is_failed,
        };
        let one: Samples = [
            (1, sample(Some(10), false, false)),
            (2, sample(Some(20), true, false)),
            (3, sample(None, false, true)),
            (4, sample(Some(40), false, false)),
        ]
        .into();
        let other: Samples = [
            (1, sample(Some(-1), false, false)),
            (2, sample(Some(2), false, false)),
            (3, sample(Some(3), false, false)),
            (5, sample(Some(5), false, false)),
        ]
        .into();
        let both = added(one, other);
        let sums: Vec<_> = both
            .iter()
            .map(|(round, sample)| (*round, sample.sum))
            .collect();
        assert_eq!(
            sums,
            [(1, Some(9)), (2, Some(22)), (3, None), (4, None), (5, None)]
        );
        let marks = |sample: &Sample| (sample.is_corrected, sample.is_failed);
        let marks: Vec<_> = both.values().map(marks).collect();
        let none = (false, false);
        assert_eq!(marks, [none, (true, false), (false, true), none, none]);
        assert_eq!(both[&1].households, 8);
    }
}
