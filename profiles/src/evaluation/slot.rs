//! One word of the frame: what is read for it, and how its value comes about.

use dcnet_obis::{ObisCode, Unit};
use serde::{Deserialize, Deserializer};

use super::TariffUseCase;
use super::status::StatusWords;
use crate::schema;
use crate::text;

/// One word of the frame: which entry of which meter, in which unit and scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Which entry of the telegram.
    pub obis: ObisCode,
    /// Unit of the entry; of the word, too, unless that is a count.
    pub unit: Unit,
    /// The word counts 10^scale units.
    pub scale: i8,
    /// How a reading comes from it.
    pub method: Method,
    /// What to do if the meter does not show the entry.
    pub absent: Absent,
    /// Names of the meters whose values are added up. Empty: the first meter of the profile.
    pub meters: Vec<String>,
    /// Bounds that the value does not leave: what lies beyond becomes the bound.
    pub clip: Option<Clip>,
    /// What [`Method::Count`] counts.
    pub threshold: Option<Threshold>,
    /// How the status words that come with the entry are read.
    pub status: StatusWords,
}

impl Slot {
    /// The code under which the net sums the word. It tells the method: value group D is 3 for a
    /// minimum, 5 for a mean, 6 for a maximum, 32 and 36 for how often a limit was passed above
    /// and below; feed-in is 2.7.0, whatever it comes from.
    pub fn code(&self) -> ObisCode {
        let d = match (self.method, self.threshold) {
            (Method::Advance | Method::Value, _) => self.obis.d,
            (Method::FeedIn, _) => return ObisCode { c: 2, ..self.obis },
            (Method::Minimum, _) => 3,
            (Method::Mean, _) => 5,
            (Method::Maximum, _) => 6,
            (Method::Count, Some(Threshold::Below(_))) => 36,
            (Method::Count, _) => 32,
        };
        ObisCode { d, ..self.obis }
    }

    /// Whether the slot reads the meter of that name; `first` says that it is the profile's first.
    pub fn reads(&self, name: &str, first: bool) -> bool {
        match self.meters.as_slice() {
            [] => first,
            meters => meters.iter().any(|meter| meter == name),
        }
    }

    /// Unit of the word.
    pub fn word_unit(&self) -> Unit {
        match self.method {
            Method::Count => Unit::COUNT,
            _ => self.unit,
        }
    }

    /// Scale of the word.
    pub fn word_scale(&self) -> i8 {
        match self.method {
            Method::Count => 0,
            _ => self.scale,
        }
    }
}

/// How the reading of a round comes from an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Register at the end of the round less register at its start. The default for registers
    /// (value group D is 8).
    Advance,
    /// The value at the end of the round. The default for everything else.
    Value,
    /// The smallest value in the round.
    Minimum,
    /// The largest value in the round.
    Maximum,
    /// The sum of all values in the round by their number, floored to the scale.
    Mean,
    /// How many telegrams of the round had a value beyond the threshold.
    Count,
    /// Power into the grid at the end of the round, never below 0: 2.7.0, or 16.7.0 with its sign
    /// turned. The default for these two in TAF-9.
    FeedIn,
}

impl Method {
    /// Whether every telegram of a round counts, so that the whole round has to be observed.
    pub fn over_the_round(self) -> bool {
        matches!(
            self,
            Self::Minimum | Self::Maximum | Self::Mean | Self::Count
        )
    }

    /// As written in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Value => "value",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Mean => "mean",
            Self::Count => "count",
            Self::FeedIn => "feed-in",
        }
    }
}

/// What to do if the meter does not show an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// There is no reading then.
    #[default]
    Missing,
    /// The owner states that the entry is 0 for this meter: a consumer has no export register.
    Zero,
}

/// Bounds of a word, in its unit and scale. At least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Least value.
    pub min: Option<i64>,
    /// Greatest value.
    pub max: Option<i64>,
}

impl Clip {
    /// The bound that `value` lies beyond.
    pub fn passed(&self, value: i64) -> Option<i64> {
        let below = self.min.filter(|min| value < *min);
        below.or(self.max.filter(|max| value > *max))
    }
}

/// What [`Method::Count`] counts: values beyond this, in the slot's unit and scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Values greater than this.
    Above(i64),
    /// Values less than this.
    Below(i64),
}

/// A slot as it is written: what may be left out depends on the use case.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "slot")]
pub(super) struct WrittenSlot {
    /// Which entry of the telegram.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::Obis")]
    obis: ObisCode,
    /// Unit of the entry, without a prefix.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::UnitSymbol")]
    unit: Unit,
    /// The word counts 10^scale units.
    #[serde(deserialize_with = "scale")]
    #[schemars(with = "schema::Within<-9, 9>")]
    scale: i8,
    /// How a reading comes from the entry. Left out: by use case and code.
    method: Option<Method>,
    /// What to do if the meter does not show the entry.
    #[serde(default)]
    absent: Absent,
    /// Name of the meter. Left out: the first of the profile.
    meter: Option<String>,
    /// Names of meters whose values are added up.
    meters: Option<Vec<String>>,
    /// Bounds of the word: what lies beyond becomes the bound.
    clip: Option<Clip>,
    /// Count values greater than this, in unit and scale.
    above: Option<i64>,
    /// Count values less than this, in unit and scale.
    below: Option<i64>,
    /// How the status words of the meter are read.
    #[serde(default)]
    status: StatusWords,
}

/// Keys of a slot that exclude each other, and both were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubled {
    /// `meter` and `meters`.
    Meters,
    /// `above` and `below`.
    Thresholds,
}

impl WrittenSlot {
    /// The slot in a profile of `taf`, and what was said twice.
    pub(super) fn slot(self, taf: TariffUseCase) -> (Slot, Option<Doubled>) {
        let doubled = match (&self.meter, &self.meters, self.above, self.below) {
            (Some(_), Some(_), ..) => Some(Doubled::Meters),
            (.., Some(_), Some(_)) => Some(Doubled::Thresholds),
            _ => None,
        };
        let threshold = self
            .above
            .map(Threshold::Above)
            .or(self.below.map(Threshold::Below));
        let slot = Slot {
            obis: self.obis,
            unit: self.unit,
            scale: self.scale,
            method: self.method.unwrap_or_else(|| taf.default_method(self.obis)),
            absent: self.absent,
            meters: self
                .meter
                .map_or(self.meters.unwrap_or_default(), |meter| vec![meter]),
            clip: self.clip,
            threshold,
            status: self.status,
        };
        (slot, doubled)
    }
}

/// A power of ten from -9 to 9.
pub(crate) fn scale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i8, D::Error> {
    struct Scale;
    impl serde::de::Visitor<'_> for Scale {
        type Value = i8;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a power of ten from -9 to 9 (-1 counts tenths, 3 thousands of the unit)")
        }
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<i8, E> {
            i8::try_from(number)
                .ok()
                .filter(|scale| (-9..=9).contains(scale))
                .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
        }
        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<i8, E> {
            i8::try_from(number)
                .ok()
                .filter(|scale| *scale <= 9)
                .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
        }
    }
    deserializer.deserialize_i8(Scale)
}
