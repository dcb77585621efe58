//! Evaluation profile, and the evaluation itself: pure functions from telegrams to readings.
//!
//! TAF-7 (BSI TR-03109-1): one value per interval. The register of every slot is read at each
//! round's border; the reading of a round is the difference of two of these. Registers are floored
//! to the slot's scale first and subtracted then, so that the readings of consecutive rounds add up
//! to exactly the difference of the outer registers.
//!
//! TAF-9 is what is fed in at the border, TAF-10 the state of the grid over a round or how often it
//! passed a limit, TAF-14 any of these for services that want it often. All of it is integer
//! arithmetic. The rules are in `docs/spec/evaluation.md`.

mod border;
mod collector;
mod missing;
mod reading;
mod round;
mod slot;
mod status;
mod use_case;
mod watch;

use std::path::Path;

use serde::Deserialize;

pub use border::{BorderReading, BorderValue, Lack, MeterBorder};
pub use collector::Collector;
pub use missing::Missing;
pub use reading::{Clipped, Evaluated, Reading, reading};
pub use slot::{Absent, Clip, Method, Slot, Threshold};
pub use status::StatusWords;
pub use use_case::TariffUseCase;

pub(crate) use slot::scale;

use crate::error::{Place, ProfileError};
use crate::schema;
use crate::text;
use crate::yaml::{self, Step};
use slot::{Doubled, WrittenSlot};

/// Evaluation profile (TR-03109-1: Auswertungsprofil).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct EvaluationProfile {
    /// Tariff use case.
    pub taf: TariffUseCase,
    /// How long before a border its reading may have been taken, and how long a meter may be silent
    /// within a round that has to be observed as a whole; in seconds. Left out: 30, but no more
    /// than a third of the interval.
    pub tolerance: Option<u64>,
    /// Largest plausible power of a meter in W. Readings beyond it are no readings: they come from
    /// a defect or from another meter.
    pub max_power: u64,
    /// One for each word of the frame, in the order of the net descriptor.
    pub slots: Vec<Slot>,
    /// Slots in which keys that exclude each other were both written.
    doubled: Vec<(usize, Doubled)>,
}

crate::schema::read_as!(EvaluationProfile, Written);

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "evaluation")]
/// What is computed for a net.
struct Written {
    /// Tariff use case: 7 a series of readings, 9 feed-in, 10 state of the grid, 14 high frequency.
    #[schemars(with = "schema::NetUseCase")]
    taf: TariffUseCase,
    /// Seconds before a border in which its reading may have been taken, and for which a meter may
    /// be silent within a round. Left out: 30, but no more than a third of the interval.
    #[serde(default, deserialize_with = "tolerance")]
    #[schemars(with = "schema::Within<1, 900>")]
    tolerance: Option<u64>,
    /// Largest plausible power of a meter in W.
    #[serde(
        default = "default_max_power",
        deserialize_with = "text::within::<_, 1, 1_000_000_000>"
    )]
    #[schemars(with = "schema::Within<1, 1_000_000_000>")]
    max_power: u64,
    /// One for each word of the frame, in the order of the net.
    #[schemars(length(min = 1, max = 32))]
    slots: Vec<WrittenSlot>,
}

impl From<Written> for EvaluationProfile {
    fn from(written: Written) -> Self {
        let mut profile = Self::new(written.taf, Vec::with_capacity(written.slots.len()));
        for (number, slot) in written.slots.into_iter().enumerate() {
            let (slot, doubled) = slot.slot(written.taf);
            profile.slots.push(slot);
            profile
                .doubled
                .extend(doubled.map(|doubled| (number, doubled)));
        }
        Self {
            tolerance: written.tolerance,
            max_power: written.max_power,
            ..profile
        }
    }
}

/// Largest plausible power by default, in W: more than the fuses of a house let through.
pub const DEFAULT_MAX_POWER: u64 = 100_000;

/// Longest tolerance by default, in milliseconds.
const DEFAULT_TOLERANCE: u64 = 30_000;

impl EvaluationProfile {
    /// A profile with the defaults and these slots.
    pub fn new(taf: TariffUseCase, slots: Vec<Slot>) -> Self {
        Self {
            taf,
            tolerance: None,
            max_power: DEFAULT_MAX_POWER,
            slots,
            doubled: Vec::new(),
        }
    }

    /// How long before a border its reading may have been taken, in milliseconds; shorter than
    /// `interval` (milliseconds).
    pub fn tolerance_millis(&self, interval: u64) -> u64 {
        match self.tolerance {
            Some(seconds) => seconds.saturating_mul(1000).min(interval),
            None => DEFAULT_TOLERANCE.min(interval / 3),
        }
    }

    /// What the parser cannot see: how the parts fit each other.
    pub(crate) fn validate(&self) -> Result<(), Violation> {
        if self.slots.is_empty() || self.slots.len() > dcnet_protocol::descriptor::MAX_SLOTS {
            return Err(Violation {
                key: vec![Step::Key("slots")],
                problem: format!(
                    "has {} entries; a net has 1 to {} slots, list each of them",
                    self.slots.len(),
                    dcnet_protocol::descriptor::MAX_SLOTS
                ),
            });
        }
        let at = |number, key| vec![Step::Key("slots"), Step::Item(number), Step::Key(key)];
        if let Some((number, doubled)) = self.doubled.first() {
            let (key, problem) = match doubled {
                Doubled::Meters => ("meters", "stands beside `meter`; keep one of the two"),
                Doubled::Thresholds => (
                    "below",
                    "stands beside `above`; a count has one of the two, give the other a slot of \
                     its own",
                ),
            };
            return Err(Violation {
                key: at(*number, key),
                problem: problem.to_owned(),
            });
        }
        for (number, slot) in self.slots.iter().enumerate() {
            self.check(slot).map_err(|(key, problem)| Violation {
                key: at(number, key),
                problem,
            })?;
            let mut earlier = self.slots.iter().take(number);
            if earlier.any(|earlier| earlier.code() == slot.code()) {
                return Err(Violation {
                    key: at(number, "obis"),
                    problem: format!(
                        "{} stands twice; a code has one slot, remove one",
                        slot.code()
                    ),
                });
            }
        }
        Ok(())
    }

    /// Checks that the meters of the slots are among `names`.
    pub(crate) fn check_meters(&self, names: &[&str]) -> Result<(), Violation> {
        for (number, slot) in self.slots.iter().enumerate() {
            let unknown = slot
                .meters
                .iter()
                .find(|name| !names.contains(&name.as_str()));
            if let Some(name) = unknown {
                return Err(Violation {
                    key: vec![Step::Key("slots"), Step::Item(number)],
                    problem: format!(
                        "reads the meter {name}, the profile has {}; correct the name",
                        names.join(", ")
                    ),
                });
            }
        }
        Ok(())
    }

    /// A contradiction inside one slot: key and problem.
    fn check(&self, slot: &Slot) -> Result<(), (&'static str, String)> {
        let method = slot.method;
        if !self.taf.allows(method) {
            return Err((
                // Where the method is left out there is no such key; the obis code is always there.
                "obis",
                format!(
                    "`method: {}` does not belong to TAF-{}; it has {}",
                    method.name(),
                    self.taf.number(),
                    self.taf.methods()
                ),
            ));
        }
        let power = slot.obis.d == 7 && matches!(slot.obis.c, 2 | 16);
        if method == Method::FeedIn && !power {
            let problem = "feed-in is read from 16.7.0 or 2.7.0; correct the code or the method";
            return Err(("obis", problem.to_owned()));
        }
        if (method == Method::Count) != slot.threshold.is_some() {
            let problem = "`method: count` goes with `above` or `below`, and no other method does";
            return Err(("obis", problem.to_owned()));
        }
        if let Some(Clip { min, max }) = slot.clip {
            let problem = match (min, max) {
                (None, None) => "has neither `min` nor `max`; give one of them",
                (Some(min), Some(max)) if min > max => "has a `min` above its `max`; turn them",
                _ => "",
            };
            if !problem.is_empty() {
                return Err(("clip", problem.to_owned()));
            }
        }
        let repeated = |(number, name): (usize, &String)| {
            slot.meters.iter().take(number).any(|other| other == name)
        };
        if slot.meters.iter().enumerate().any(repeated) {
            return Err(("meters", "names a meter twice; remove one".to_owned()));
        }
        if slot.meters.len() > 1 && matches!(method, Method::Minimum | Method::Maximum) {
            let problem = "has several meters, whose extremes are not those of their sum; give each \
                           meter its own net, or take the mean";
            return Err(("meters", problem.to_owned()));
        }
        Ok(())
    }
}

/// A contradiction inside a part of the profile.
#[derive(Debug)]
pub(crate) struct Violation {
    /// Key below that part.
    pub(crate) key: Vec<Step>,
    /// What is wrong and what to do.
    pub(crate) problem: String,
}

impl Violation {
    /// As an error of the profile `text` from `origin`, in whose section the part lies.
    pub(crate) fn at(self, section: &'static str, text: &str, origin: &Path) -> ProfileError {
        let mut key = vec![Step::Key(section)];
        key.extend(self.key);
        ProfileError::Content {
            place: Place {
                file: origin.to_owned(),
                position: yaml::locate(text, &key),
            },
            key: yaml::path_text(&key),
            problem: self.problem,
        }
    }
}

fn tolerance<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text::within::<D, 1, 900>(deserializer).map(Some)
}

fn default_max_power() -> u64 {
    DEFAULT_MAX_POWER
}
