//! `read`: shows live what the meter sends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use dcnet_obis::{Telegram, Value};
use dcnet_profiles::Profile;
use dcnet_profiles::advice::advice;
use dcnet_profiles::evaluation::{Absent, Slot};
use dcnet_profiles::meter::DeviceId;
use dcnet_protocol::round::UnixTime;
use serde::Serialize;

use super::{EXIT_CONFIG, fail, runtime};
use crate::clock::Clock;
use crate::source::{MeterEvent, Meters, SourceEvent};

#[derive(Debug, Args)]
pub(super) struct Read {
    #[command(flatten)]
    profile: super::Profile,
    /// One JSON object per telegram
    #[arg(long)]
    json: bool,
    /// Stop after the first telegram
    #[arg(long)]
    once: bool,
}

pub(super) fn read(options: &Read) -> ExitCode {
    let profile = match Profile::load(&options.profile.file) {
        Ok(profile) => profile,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    let shown = runtime().and_then(|runtime| {
        let shown = runtime.block_on(show(&profile, options));
        // A read of standard input that is under way cannot be broken off.
        runtime.shutdown_background();
        shown
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read along has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

async fn show(profile: &Profile, options: &Read) -> io::Result<()> {
    let (meters, mut events) = Meters::start(&profile.meters, &Clock::system());
    while let Some(MeterEvent { meter, event, .. }) = events.recv().await {
        // Changes of the line's state are in the log.
        let SourceEvent::Telegram { time, telegram } = event else {
            continue;
        };
        let name = profile.meters.get(meter).map_or("", |meter| &meter.name);
        let mut out = io::stdout().lock();
        if options.json {
            serde_json::to_writer(&mut out, &Line::of(name, time, &telegram))?;
            writeln!(out)?;
        } else {
            out.write_all(text(profile, meter, &telegram).as_bytes())?;
        }
        out.flush()?;
        if options.once {
            break;
        }
    }
    drop(meters);
    Ok(())
}

/// A telegram as a block of lines.
fn text(profile: &Profile, meter: usize, telegram: &Telegram) -> String {
    use std::fmt::Write as _;
    let id = DeviceId::from(telegram.server_id.as_slice());
    let mut text = String::new();
    // Writing to a string cannot fail.
    let name = match profile.meters.as_slice() {
        [] | [_] => String::new(),
        meters => meters
            .get(meter)
            .map_or_else(String::new, |meter| format!("{}: ", meter.name)),
    };
    let _ = match telegram.device() {
        Some(device) => writeln!(text, "{name}meter {device} (device id {id})"),
        None if id.as_bytes().is_empty() => writeln!(text, "{name}meter that tells no device id"),
        None => writeln!(text, "{name}meter with the device id {id}"),
    };
    for entry in &telegram.entries {
        let unit = entry.unit.map(|unit| unit.to_string()).unwrap_or_default();
        let obis = entry.obis.short();
        let line = match &entry.value {
            Value::Number(number) => format!("  {obis:<12} {:>18} {unit}", number.to_string()),
            other => format!("  {obis:<12} {other}"),
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let of_meter = |slot: &&Slot| {
        let read = profile.meters.get(meter);
        read.is_some_and(|read| slot.reads(&read.name, meter == 0))
    };
    for slot in profile.evaluation.slots.iter().filter(of_meter) {
        if slot.absent == Absent::Missing && telegram.number(slot.obis).is_none() {
            let _ = writeln!(
                text,
                "  {:<12} is not shown, but evaluation.slots needs it",
                slot.obis.short()
            );
        }
    }
    if let Some(advice) = advice(telegram) {
        let _ = writeln!(text, "  advice: {advice}");
    }
    text.push('\n');
    text
}

/// A telegram as one line of JSON. Values are texts: exact decimals, never floats.
#[derive(Serialize)]
struct Line {
    meter: String,
    time: u64,
    device: String,
    entries: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Serialize)]
struct Item {
    obis: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u64>,
}

impl Line {
    fn of(meter: &str, time: UnixTime, telegram: &Telegram) -> Self {
        let item = |entry: &dcnet_obis::Entry| Item {
            obis: entry.obis.to_string(),
            value: entry.value.to_string(),
            unit: entry.unit.map(|unit| unit.to_string()),
            status: entry.status,
        };
        Self {
            meter: meter.to_owned(),
            time: time.millis(),
            device: DeviceId::from(telegram.server_id.as_slice()).to_string(),
            entries: telegram.entries.iter().map(item).collect(),
            advice: advice(telegram).map(|advice| advice.to_string()),
        }
    }
}
