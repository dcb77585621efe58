//! EDIFACT MSCONS 2.5: sum time series (13003) and load curves (13025).
//!
//! One message per series and local day. Whoever sends them has a role in the market, with ids that
//! others know: nothing of it is made up here, all comes from a configuration.

use std::io::Write;
use std::path::PathBuf;

use dcnet_obis::ScaledInteger;
use dcnet_protocol::names::NetId;
use edifact_rs::{EdifactError, ServiceStringAdvice, Writer};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Value;
use config::{Kind, MAX_FILE, Partner};

mod config;

pub(crate) use config::{MsconsConfig, MsconsSeries};

/// Days of the German market are those of this zone.
const ZONE: &str = "Europe/Berlin";
/// Seconds of an interval that MSCONS is sent for.
const INTERVAL: i64 = 900;

/// Why there is no MSCONS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MsconsError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} has more than {MAX_FILE} bytes", .0.display())]
    Size(PathBuf),
    #[error("{}: {source}", path.display())]
    Syntax {
        path: PathBuf,
        source: serde_yaml::Error,
    },
    #[error("{}: {what}", path.display())]
    Value { path: PathBuf, what: String },
    #[error("the configuration names no series of net {0}")]
    NoSeries(NetId),
    #[error("net {net} has no slot {slot}")]
    NoSlot { net: NetId, slot: String },
    #[error("slot {slot} of net {net} counts {unit}; MSCONS takes energy, in Wh")]
    Unit {
        net: NetId,
        slot: String,
        unit: String,
    },
    #[error("net {net} has rounds of {interval} s; MSCONS takes those of {INTERVAL} s")]
    Interval { net: NetId, interval: u32 },
    #[error("there is no whole day (Europe/Berlin) in what is asked for")]
    NoDay,
    #[error(
        "round {round} of net {net} has no sum, and MSCONS of this kind cannot say so: send the days before \
         and after it with --from and --to"
    )]
    Missing { net: String, round: u64 },
    #[error("the sum of round {round} of net {net} is negative, which MSCONS does not take")]
    Negative { net: String, round: u64 },
    #[error("days of {ZONE} cannot be told: {0}")]
    Zone(#[from] jiff::Error),
    #[error("cannot write EDIFACT: {0}")]
    Edifact(#[from] EdifactError),
}

/// Values of one slot, gathered into whole local days.
pub(crate) struct Days {
    zone: TimeZone,
    date: Option<Date>,
    values: Vec<Value>,
}

impl Days {
    pub(crate) fn new() -> Result<Self, MsconsError> {
        Ok(Self {
            zone: zone()?,
            date: None,
            values: Vec::new(),
        })
    }

    /// Takes the next value; gives the day that is whole with it. Days that do not begin with their
    /// first value are passed over.
    pub(crate) fn push(&mut self, value: Value) -> Option<Vec<Value>> {
        let date = self.zone.to_datetime(value.start).date();
        if self.date != Some(date) {
            self.date = Some(date);
            self.values.clear();
        }
        self.values.push(value);
        let count = self.intervals(date)?;
        let is_whole = i64::try_from(self.values.len()).ok()? == count;
        is_whole.then(|| std::mem::take(&mut self.values))
    }

    /// 96, but 92 and 100 on the days on which clocks are moved.
    fn intervals(&self, date: Date) -> Option<i64> {
        let midnight = |date: Date| self.zone.to_timestamp(date.at(0, 0, 0, 0)).ok();
        let begin = midnight(date)?.as_second();
        let end = midnight(date.tomorrow().ok()?)?.as_second();
        Some((end - begin) / INTERVAL)
    }
}

/// An interchange that is being written.
pub(crate) struct Interchange<'a, W: Write> {
    config: &'a MsconsConfig,
    writer: Writer<W>,
    reference: String,
    created: Timestamp,
    messages: u32,
}

impl<'a, W: Write> Interchange<'a, W> {
    /// Begins one that is created at `created`, by which it is also told from others of this sender.
    pub(crate) fn begin(
        config: &'a MsconsConfig,
        out: W,
        created: Timestamp,
    ) -> Result<Self, MsconsError> {
        let mut writer = Writer::with_una(out, ServiceStringAdvice::default())?;
        let reference = format!("DCN{:011}", created.as_second());
        let partner = |partner: &'a Partner| [partner.id.as_str(), partner.agency.codes()[0]];
        let date = created.strftime("%y%m%d").to_string();
        let time = created.strftime("%H%M").to_string();
        writer.write_composites(
            "UNB",
            &[
                &["UNOC", "3"][..],
                &partner(&config.sender),
                &partner(&config.receiver),
                &[&date, &time],
                &[&reference],
                &[""],
                &["TL"],
            ],
        )?;
        Ok(Self {
            config,
            writer,
            reference,
            created,
            messages: 0,
        })
    }

    /// Writes the message of one series and day.
    pub(crate) fn day(&mut self, series: &MsconsSeries, day: &[Value]) -> Result<(), MsconsError> {
        let (Some(first), Some(last)) = (day.first(), day.last()) else {
            return Ok(());
        };
        let kind = self.config.kind;
        let energies = energies(day)?;
        self.messages += 1;
        let number = self.messages.to_string();
        let document = format!("{}-{number}", self.reference);
        let (begin, end) = (minute(first.start), minute(last.end));
        let created = minute(self.created);
        let [document_code, process, qualifier] = match kind {
            Kind::SumSeries => ["BK", "13003", "79"],
            Kind::LoadCurve => ["Z48", "13025", "220"],
        };
        let (sender, receiver) = (&self.config.sender, &self.config.receiver);
        let mut out: Vec<(&str, Vec<Vec<&str>>)> = vec![
            (
                "UNH",
                vec![vec![&number], vec!["MSCONS", "D", "04B", "UN", "2.5"]],
            ),
            ("BGM", vec![vec![document_code], vec![&document], vec!["9"]]),
            ("DTM", vec![vec!["137", &created, "303"]]),
            ("RFF", vec![vec!["Z13", process]]),
            (
                "NAD",
                vec![vec!["MS"], vec![&sender.id, "", sender.agency.codes()[1]]],
            ),
            (
                "NAD",
                vec![
                    vec!["MR"],
                    vec![&receiver.id, "", receiver.agency.codes()[1]],
                ],
            ),
            ("UNS", vec![vec!["D"]]),
            ("NAD", vec![vec!["DP"]]),
            ("LOC", vec![vec!["172"], vec![&series.location]]),
        ];
        let month = zone()?
            .to_datetime(first.start)
            .strftime("%Y%m")
            .to_string();
        let version = self.created.strftime("%Y%m%d%H%M%S+00").to_string();
        match kind {
            Kind::SumSeries => out.extend([
                ("DTM", vec![vec!["492", &month, "610"]]),
                ("DTM", vec![vec!["293", &version, "304"]]),
            ]),
            Kind::LoadCurve => out.extend([
                ("DTM", vec![vec!["163", &begin, "303"]]),
                ("DTM", vec![vec!["164", &end, "303"]]),
            ]),
        }
        out.push(("LIN", vec![vec!["1"]]));
        out.push(("PIA", vec![vec!["5"], vec![&series.product, "SRW"]]));
        let segments = out.len();
        for (tag, elements) in out {
            self.writer.write_composites(tag, &elements)?;
        }
        for (value, energy) in day.iter().zip(energies) {
            let (start, end) = (minute(value.start), minute(value.end));
            self.writer
                .write_composites("QTY", &[&[qualifier, energy.as_str()]])?;
            self.writer
                .write_composites("DTM", &[&["163", &start, "303"]])?;
            self.writer
                .write_composites("DTM", &[&["164", &end, "303"]])?;
        }
        let count = (segments + 3 * day.len() + 1).to_string();
        self.writer
            .write_composites("UNT", &[&[count.as_str()], &[&number]])?;
        Ok(())
    }

    /// Writes the end. There has to be a message.
    pub(crate) fn finish(mut self) -> Result<W, MsconsError> {
        if self.messages == 0 {
            return Err(MsconsError::NoDay);
        }
        self.writer
            .end_interchange(self.messages, &self.reference)?;
        Ok(self.writer.finish()?)
    }
}

/// kWh with three digits behind the point. What one value drops below a watt-hour the next one has, so
/// that a day is not off by more than that.
fn energies(day: &[Value]) -> Result<Vec<String>, MsconsError> {
    let mut exact = 0_i128;
    let mut told = 0_i64;
    day.iter()
        .map(|value| {
            let place = || (value.net.clone(), value.round);
            let Some(sum) = value.sum else {
                let (net, round) = place();
                return Err(MsconsError::Missing { net, round });
            };
            exact += i128::from(sum);
            let whole = ScaledInteger::new(exact, value.scale).floor_to(0);
            let Some(whole) = whole.filter(|_| sum >= 0) else {
                let (net, round) = place();
                return Err(MsconsError::Negative { net, round });
            };
            let energy = whole - told;
            told = whole;
            Ok(ScaledInteger::new(energy.into(), -3).to_string())
        })
        .collect()
}

/// Out of the program itself: what is installed on a machine changes no day.
fn zone() -> Result<TimeZone, MsconsError> {
    Ok(TimeZoneDatabase::bundled().get(ZONE)?)
}

/// Format 303.
fn minute(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M+00").to_string()
}
