//! Exports for whoever has to check a bill: billing registers and series of readings, as CSV and in
//! the XML of the transparency software (VDE-AR-E 2418-6).
//!
//! All of it stays a value here: nothing is written to files or sent.

mod csv;
mod tree;
mod xml_read;
mod xml_write;

use std::fmt::Write as _;

use dcnet_obis::{ObisCode, PtbLevel, ScaledInteger, StatusWord, Unit};
use dcnet_protocol::round::UnixTime;

pub use csv::{billing_csv, series_csv};
pub use tree::ReadError;

use crate::tariff::{BillingUseCase, ClosedPeriod, Period, RegisterReading, TariffProfile};

/// What a file of the transparency software says of one metering point. Certificates, logs and
/// signatures of a gateway are not part of it: they are not read and not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePoint {
    /// ESPI service kind; 0 is electricity.
    pub kind: u8,
    /// Name of the metering point (Messlokation).
    pub usage_point_id: String,
    /// The consumer.
    pub customer_id: String,
    /// Who bills.
    pub invoicing_party_id: String,
    /// Number of the gateway's certificate in the file.
    pub cert_id: u8,
    /// Name of the gateway.
    pub smgw_id: String,
    /// Name of the tariff.
    pub tariff_name: String,
    /// What was evaluated, if it is told.
    pub analysis: Option<AnalysisProfile>,
    /// The series.
    pub series: Vec<Series>,
}

/// Which tariff was evaluated over which time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisProfile {
    /// Tariff use case.
    pub use_case: u8,
    /// Id of the tariff.
    pub tariff_id: String,
    /// Billing period.
    pub period: Span,
    /// Stages of the tariff.
    pub stages: Vec<TariffStage>,
    /// Number of the stage that holds if no other does.
    pub default_stage: u16,
}

/// A stage of a tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TariffStage {
    /// Its number.
    pub number: u16,
    /// In words.
    pub description: String,
    /// Its register as it was written: files in use have codes here that are none.
    pub obis: String,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its begin.
    pub begin: UnixTime,
    /// Its length in seconds.
    pub seconds: u64,
}

/// Values of one register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The meter.
    pub meter_id: String,
    /// Id of the series.
    pub reading_id: String,
    /// ESPI power of ten that comes on top of `scaler`; 0 in files of gateways.
    pub multiplier: i8,
    /// ESPI unit; 72 is Wh, 38 is W.
    pub uom: u16,
    /// Values count 10^scaler units.
    pub scaler: i8,
    /// The register.
    pub obis: ObisCode,
    /// Name of the register at the gateway.
    pub qualified_name: String,
    /// Seconds from value to value; none if they are not periodic.
    pub period: Option<u32>,
    /// Over which time.
    pub span: Span,
    /// The values, ascending in time.
    pub readings: Vec<SeriesReading>,
}

/// One value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesReading {
    /// In units of 10^scaler.
    pub value: i64,
    /// When it was read, and over how many seconds it was counted; 0 for a register.
    pub taken: Span,
    /// For which time.
    pub target: Option<UnixTime>,
    /// How good it is.
    pub status: Option<ReadingStatus>,
}

/// How good a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadingStatus {
    /// Level of the PTB.
    Ptb(PtbLevel),
    /// Status word of a gateway and its meter (FNN).
    Fnn(StatusWord),
}

impl ReadingStatus {
    /// The level of the PTB.
    pub fn ptb_level(self) -> PtbLevel {
        match self {
            Self::Ptb(level) => level,
            Self::Fnn(word) => word.level(),
        }
    }
}

/// Value group E of the error register.
const ERROR_REGISTER: u8 = 63;

impl Series {
    /// The exact value of a reading in the series' unit.
    pub fn exact(&self, reading: &SeriesReading) -> ScaledInteger {
        let exponent = self.scaler.saturating_add(self.multiplier);
        ScaledInteger::new(reading.value.into(), exponent)
    }

    /// A TAF-7 series of a register: `readings` were taken for every border `period` seconds apart;
    /// those that are missing are missing.
    pub fn of_register(
        meter_id: &str,
        (obis, unit, scale): (ObisCode, Unit, i8),
        period: u32,
        readings: &[(RegisterReading, PtbLevel)],
    ) -> Self {
        let values = readings.iter().map(|(reading, level)| SeriesReading {
            value: reading.value,
            taken: Span {
                begin: reading.time,
                seconds: 0,
            },
            target: Some(reading.time),
            status: Some(ReadingStatus::Ptb(*level)),
        });
        Self::new(
            meter_id,
            (obis, unit, scale),
            Some(period),
            values.collect(),
        )
    }

    /// The registers of closed periods of a tariff: value group E is 1, 2 and so on for the stages,
    /// 0 for the total and 63 for the error register. Each value was counted over its period.
    pub fn of_periods(
        meter_id: &str,
        tariff: &TariffProfile,
        periods: &[ClosedPeriod],
    ) -> Vec<Self> {
        let series = |e: u8, value: &dyn Fn(&Period) -> Option<i64>| {
            let obis = ObisCode { e, ..tariff.obis };
            let values = periods.iter().filter_map(|ClosedPeriod { period, .. }| {
                let begin = period.from.time;
                let seconds = period.to.time.millis_since(begin) / 1000;
                Some(SeriesReading {
                    value: value(period)?,
                    taken: Span { begin, seconds },
                    target: Some(period.end),
                    status: None,
                })
            });
            let register = (obis, tariff.unit, tariff.scale);
            Self::new(meter_id, register, None, values.collect())
        };
        let mut all = vec![series(0, &|period| Some(period.total()))];
        if tariff.taf == BillingUseCase::Taf2 {
            for (number, name) in (1..ERROR_REGISTER).zip(&tariff.stages) {
                all.push(series(number, &|period| {
                    let mut stages = period.stages.iter();
                    stages.find(|stage| stage.0 == *name).map(|stage| stage.1)
                }));
            }
        }
        all.push(series(ERROR_REGISTER, &|period| Some(period.error)));
        all
    }

    /// The values at midnight of TAF-6. Days are not all of one length: the series has no period.
    pub fn of_days(meter_id: &str, tariff: &TariffProfile, values: &[RegisterReading]) -> Self {
        let values = values.iter().map(|reading| SeriesReading {
            value: reading.value,
            taken: Span {
                begin: reading.time,
                seconds: 0,
            },
            target: Some(reading.time),
            status: None,
        });
        let register = (tariff.obis, tariff.unit, tariff.scale);
        Self::new(meter_id, register, None, values.collect())
    }

    fn new(
        meter_id: &str,
        (obis, unit, scaler): (ObisCode, Unit, i8),
        period: Option<u32>,
        readings: Vec<SeriesReading>,
    ) -> Self {
        let code = hex(obis);
        let begin = readings.first().map(|first| first.taken.begin);
        let begin = begin.unwrap_or(UnixTime::from_millis(0));
        let last = readings.last().map_or(begin, |last| {
            let ahead = last.taken.seconds.saturating_mul(1000);
            UnixTime::from_millis(last.taken.begin.millis().saturating_add(ahead))
        });
        Self {
            meter_id: meter_id.to_owned(),
            reading_id: format!("{code}.{meter_id}"),
            multiplier: 0,
            uom: uom(unit),
            scaler,
            obis,
            qualified_name: format!("{code}.{meter_id}.sm"),
            period,
            span: Span {
                begin,
                seconds: last.millis_since(begin) / 1000,
            },
            readings,
        }
    }
}

/// `0100010800FF`
fn hex(obis: ObisCode) -> String {
    obis.to_bytes()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02X}"); // writing to a string cannot fail
            text
        })
}

/// DLMS and ESPI codes of the same unit.
const UNITS: &[(Unit, u16)] = &[
    (Unit::AMPERE, 5),
    (Unit::VOLT, 29),
    (Unit::HERTZ, 33),
    (Unit::WATT, 38),
    (Unit::CUBIC_METRE, 42),
    (Unit::VOLT_AMPERE, 61),
    (Unit::VAR, 63),
    (Unit::VOLT_AMPERE_HOUR, 71),
    (Unit::WATT_HOUR, 72),
    (Unit::VAR_HOUR, 73),
];

/// ESPI code of a unit; 0 ("not applicable") if it has none.
fn uom(unit: Unit) -> u16 {
    let mut units = UNITS.iter();
    units
        .find(|(one, _)| *one == unit)
        .map_or(0, |(_, uom)| *uom)
}

/// Symbol of an ESPI unit; empty if it is none of those.
fn symbol(uom: u16) -> &'static str {
    let mut units = UNITS.iter();
    units
        .find(|(_, one)| *one == uom)
        .map_or("", |(unit, _)| unit.symbol())
}
