//! From the telegrams of one or more meters to the readings at the borders.

use dcnet_obis::Telegram;
use dcnet_protocol::round::UnixTime;

use super::watch::Watch;
use super::{BorderReading, EvaluationProfile, Missing};
use crate::meter::MeterProfile;

/// Collects the readings at the borders out of the telegrams as they come in.
///
/// Holds one candidate for each of a few borders, whatever the meters send.
#[derive(Debug, Clone)]
pub struct Collector {
    meters: Vec<Watch>,
    /// A meter that a slot reads and that is none of the profile's.
    unknown: Option<String>,
}

impl Collector {
    /// `meters` in the order of the profile, `interval` is the round's length in milliseconds.
    pub fn new(meters: &[MeterProfile], evaluation: &EvaluationProfile, interval: u64) -> Self {
        let bounds = (interval.max(1), evaluation.tolerance_millis(interval));
        let watch = |(number, meter): (usize, &MeterProfile)| {
            let slots = evaluation.slots.iter();
            let slots = slots
                .filter(|slot| slot.reads(&meter.name, number == 0))
                .cloned();
            Watch::new(&meter.name, meter.device.clone(), slots, bounds)
        };
        let mut names = evaluation.slots.iter().flat_map(|slot| &slot.meters);
        Self {
            meters: meters.iter().enumerate().map(watch).collect(),
            unknown: names
                .find(|name| meters.iter().all(|meter| meter.name != **name))
                .cloned(),
        }
    }

    /// Takes note of a telegram of the meter with that number (from 0, in the order of the
    /// profile) that came in at `time`.
    ///
    /// # Errors
    ///
    /// Why the telegram is of no use for the slots; it is also what [`Self::take`] answers if no
    /// better one comes before the border.
    pub fn observe(
        &mut self,
        meter: usize,
        time: UnixTime,
        telegram: &Telegram,
    ) -> Result<(), Missing> {
        match self.meters.get_mut(meter) {
            Some(watch) if watch.is_needed() => watch.observe(time, telegram),
            _ => Ok(()), // read for something else than the net
        }
    }

    /// The reading at `border`, which must have passed. The candidates up to it are dropped.
    ///
    /// # Errors
    ///
    /// Why there is none: the first meter that has none decides.
    pub fn take(&mut self, border: UnixTime) -> Result<BorderReading, Missing> {
        if let Some(meter) = &self.unknown {
            return Err(Missing::NoMeter {
                meter: meter.clone(),
            });
        }
        // Each of them is taken, even if one of them has none: all drop their candidates.
        let needed = self.meters.iter_mut().filter(|watch| watch.is_needed());
        let taken: Vec<_> = needed.map(|watch| watch.take(border)).collect();
        Ok(BorderReading {
            border,
            meters: taken.into_iter().collect::<Result<_, _>>()?,
        })
    }
}
