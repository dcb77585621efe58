//! Tariffs (BSI TR-03109-1, TAF-1, 2 and 6): registers for the bill. They are evaluated and kept on
//! the gateway; nothing of them goes into a net.
//!
//! Pure functions again: register values with their times go in, a new state and closed billing
//! periods come out. What cannot be assigned to a stage, because nobody looked when the stage
//! changed, goes to the error register and is never guessed: stages and error register add up to
//! exactly what the meter counted.

mod billing;
mod calendar;
mod daily;
mod definition;
mod stored;
mod zone;

use std::fmt;

use dcnet_obis::{ObisCode, Unit};
use dcnet_protocol::round::UnixTime;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

pub use billing::{BillingError, BillingState, ClosedPeriod, Closure, Period, Running};
pub use calendar::{
    DayProfile, NoDate, Season, SpecialDate, SpecialDay, Switch, TimeOfDay, YearDay,
};
pub use daily::{DailyValues, KEPT_DAYS};
pub use zone::{UnknownZone, Zone};

use crate::evaluation::{
    Absent, BorderReading, EvaluationProfile, Method, Slot, StatusWords, TariffUseCase, Violation,
    scale,
};
use crate::meter::DeviceId;
use crate::schema;
use crate::text;
use crate::yaml::Step;

/// How often a register is read for a tariff, in milliseconds: every quarter of an hour of UTC,
/// which is one of every zone in use.
pub const INTERVAL: u64 = 900_000;

/// A register for the bill, and when its stages hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "tariff")]
pub struct TariffProfile {
    /// Names the tariff in the ledger and in exports; one name, one tariff.
    pub name: String,
    /// Tariff use case.
    #[schemars(with = "schema::BillingUseCase")]
    pub taf: BillingUseCase,
    /// Which register.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::Obis")]
    pub obis: ObisCode,
    /// Its unit.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::UnitSymbol")]
    pub unit: Unit,
    /// Registers count 10^scale units.
    #[serde(deserialize_with = "scale")]
    #[schemars(with = "schema::Within<-9, 9>")]
    pub scale: i8,
    /// Name of the meter; left out: the first of the profile.
    #[serde(default)]
    pub meter: Option<String>,
    /// The customer, in exports: as the supplier numbers or names it.
    #[serde(default, deserialize_with = "text::label_option")]
    #[schemars(with = "schema::Label")]
    pub customer: Option<String>,
    /// The supplier, who bills, in exports: as it is numbered or named in the market.
    #[serde(default, deserialize_with = "text::label_option")]
    #[schemars(with = "schema::Label")]
    pub supplier: Option<String>,
    /// The gateway, in exports: the name on the device and in its certificate.
    #[serde(default, deserialize_with = "text::label_option")]
    #[schemars(with = "schema::Label")]
    pub gateway: Option<String>,
    /// How the status words of the meter are read.
    #[serde(default)]
    pub status: StatusWords,
    /// Whose local time the periods, days and switches follow.
    #[serde(default = "Zone::berlin", deserialize_with = "text::parsed")]
    #[schemars(with = "schema::NotEmpty")]
    pub zone: Zone,
    /// Months of a billing period: 1, 2, 3, 4, 6 or 12.
    #[serde(default = "one", deserialize_with = "month")]
    #[schemars(with = "schema::Within<1, 12>")]
    pub months: u8,
    /// A month in which a billing period begins, 1 to 12.
    #[serde(default = "one", deserialize_with = "month")]
    #[schemars(with = "schema::Within<1, 12>")]
    pub first_month: u8,
    /// Names of the stages (TAF-2).
    #[serde(default)]
    pub stages: Vec<String>,
    /// What days look like (TAF-2).
    #[serde(default)]
    pub days: Vec<DayProfile>,
    /// Weeks over the year, ascending (TAF-2).
    #[serde(default)]
    pub seasons: Vec<Season>,
    /// Days that differ from their weekday (TAF-2).
    #[serde(default)]
    pub special_days: Vec<SpecialDay>,
}

/// A register at a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterReading {
    /// The border for which it was read.
    pub time: UnixTime,
    /// Which device showed it; empty if the source does not tell.
    pub device: DeviceId,
    /// In units of 10^scale of the tariff's unit.
    pub value: i64,
}

/// Most stages of a tariff.
pub const MAX_STAGES: usize = 48;

/// Longest name of a stage in bytes.
const MAX_NAME: usize = 64;

impl TariffProfile {
    /// With what a [`crate::evaluation::Collector`] reads the register, at every [`INTERVAL`].
    pub fn evaluation(&self) -> EvaluationProfile {
        let slot = Slot {
            obis: self.obis,
            unit: self.unit,
            scale: self.scale,
            method: Method::Value,
            absent: Absent::Missing,
            meters: self.meter.iter().cloned().collect(),
            clip: None,
            threshold: None,
            status: self.status,
        };
        EvaluationProfile::new(TariffUseCase::Taf7, vec![slot])
    }

    /// The register in what the collector of [`Self::evaluation`] took at a border.
    pub fn register(&self, border: &BorderReading) -> Option<RegisterReading> {
        let meter = border.meters.first()?;
        let key = (self.obis, self.scale);
        let mut values = meter.values.iter();
        let value = values.find(|value| (value.obis, value.scale) == key)?;
        Some(RegisterReading {
            time: border.border,
            device: meter.device.clone(),
            value: value.value,
        })
    }

    /// Names of the registers: the stages, or `total` if there are none.
    pub fn registers(&self) -> Vec<String> {
        if self.stages.is_empty() {
            vec!["total".to_owned()]
        } else {
            self.stages.clone()
        }
    }

    /// What the parser cannot see; `meters` are the names of the profile's.
    pub(crate) fn validate(&self, meters: &[&str]) -> Result<(), Violation> {
        let wrong = |key: &[Step], problem: String| {
            Err(Violation {
                key: key.to_vec(),
                problem,
            })
        };
        if let Some(name) = &self.meter
            && !meters.contains(&name.as_str())
        {
            let problem = format!("the profile has {}; correct the name", meters.join(", "));
            return wrong(&[Step::Key("meter")], problem);
        }
        if 12 % self.months != 0 {
            let problem = "has to divide the year: 1, 2, 3, 4, 6 or 12";
            return wrong(&[Step::Key("months")], problem.to_owned());
        }
        if self.taf != BillingUseCase::Taf2 {
            let lists = [
                ("stages", self.stages.is_empty()),
                ("days", self.days.is_empty()),
                ("seasons", self.seasons.is_empty()),
                ("special_days", self.special_days.is_empty()),
            ];
            return match lists.iter().find(|(_, empty)| !empty) {
                Some((key, _)) => {
                    let problem = "belongs to TAF-2, which has stages; remove it or set taf: 2";
                    wrong(&[Step::Key(key)], problem.to_owned())
                }
                None => Ok(()),
            };
        }
        self.check_stages()
    }

    fn check_stages(&self) -> Result<(), Violation> {
        let wrong = |key: Vec<Step>, problem: String| Err(Violation { key, problem });
        let unique = |names: &[&String]| {
            let mut names = names.to_vec();
            let before = names.len();
            names.sort();
            names.dedup();
            names.len() == before
        };
        let stages: Vec<_> = self.stages.iter().collect();
        let short = |name: &&String| (1..=MAX_NAME).contains(&name.len());
        let named = stages.iter().all(short) && unique(&stages);
        if stages.is_empty() || stages.len() > MAX_STAGES || !named {
            let problem = format!(
                "TAF-2 has 1 to {MAX_STAGES} `stages`, each with its own name of 1 to {MAX_NAME} \
                 bytes"
            );
            // The key may be missing: the use case that demands it is there.
            return wrong(vec![Step::Key("taf")], problem);
        }
        let days: Vec<_> = self.days.iter().map(|day| &day.name).collect();
        if days.is_empty() || self.seasons.is_empty() || !unique(&days) {
            let problem = "TAF-2 has `days`, each with its own name, and `seasons`";
            return wrong(vec![Step::Key("taf")], problem.to_owned());
        }
        for (number, day) in self.days.iter().enumerate() {
            let key = |last| vec![Step::Key("days"), Step::Item(number), Step::Key(last)];
            let first = day.switches.first().map(|switch| switch.at);
            let ascending = day.switches.iter().is_sorted_by(|one, two| one.at < two.at);
            if first != Some(TimeOfDay::MIDNIGHT) || !ascending {
                let problem = "begins at \"00:00\" and ascends; correct the order";
                return wrong(key("switches"), problem.to_owned());
            }
            let mut switches = day.switches.iter();
            if let Some(switch) = switches.find(|switch| !self.stages.contains(&switch.stage)) {
                let problem = format!("there is no stage {}; add it to `stages`", switch.stage);
                return wrong(key("switches"), problem);
            }
        }
        let unknown = |name: &&String| !days.contains(name);
        let problem = |name: &String| format!("there is no day profile {name}; add it to `days`");
        for (number, season) in self.seasons.iter().enumerate() {
            let key = |last| vec![Step::Key("seasons"), Step::Item(number), Step::Key(last)];
            if let Some(name) = season.week.iter().find(unknown) {
                return wrong(key("week"), problem(name));
            }
            let mut earlier = self.seasons.iter().take(number);
            if earlier.any(|earlier| earlier.from >= season.from) {
                return wrong(
                    key("from"),
                    "has to come after the season before; correct the order".to_owned(),
                );
            }
        }
        for (number, special) in self.special_days.iter().enumerate() {
            if !days.contains(&&special.day) {
                let list = Step::Key("special_days");
                let key = vec![list, Step::Item(number), Step::Key("day")];
                return wrong(key, problem(&special.day));
            }
        }
        Ok(())
    }
}

/// Checks the tariffs of a profile, each and among each other.
pub(crate) fn validate(tariffs: &[TariffProfile], meters: &[&str]) -> Result<(), Violation> {
    for (number, tariff) in tariffs.iter().enumerate() {
        let mut earlier = tariffs.iter().take(number);
        let checked = if earlier.any(|earlier| earlier.name == tariff.name) {
            Err(Violation {
                key: vec![Step::Key("name")],
                problem: "stands twice; every tariff has its own name".to_owned(),
            })
        } else {
            tariff.validate(meters)
        };
        checked.map_err(|mut violation| {
            violation.key.insert(0, Step::Item(number));
            violation
        })?;
    }
    Ok(())
}

/// Tariff use case that is evaluated for the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingUseCase {
    /// Data-sparing: one register value per billing period.
    Taf1,
    /// Time-variable: stages by the local time.
    Taf2,
    /// On demand: the values of six weeks at midnight.
    Taf6,
}

impl BillingUseCase {
    /// As in the TR.
    pub fn number(self) -> u8 {
        match self {
            Self::Taf1 => 1,
            Self::Taf2 => 2,
            Self::Taf6 => 6,
        }
    }
}

impl<'de> Deserialize<'de> for BillingUseCase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = BillingUseCase;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "1 (a value per period), 2 (stages by time) or 6 (daily values), the use cases \
                     kept for the bill",
                )
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<BillingUseCase, E> {
                match number {
                    1 => Ok(BillingUseCase::Taf1),
                    2 => Ok(BillingUseCase::Taf2),
                    6 => Ok(BillingUseCase::Taf6),
                    7 | 9 | 10 | 14 => Err(E::custom(format_args!(
                        "TAF-{number} is evaluated for a net: it belongs under `evaluation:`"
                    ))),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

fn one() -> u8 {
    1
}

fn month<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let month = text::within::<D, 1, 12>(deserializer)?;
    u8::try_from(month).map_err(Error::custom)
}
