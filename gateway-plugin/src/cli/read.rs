//! `read`: shows live what the meter sends.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use dcnet_obis::{Language, Telegram};
use dcnet_profiles::Profile;
use dcnet_profiles::advice::advice;
use dcnet_profiles::evaluation::{Absent, Slot};
use dcnet_profiles::meter::{DeviceId, Source};
use dcnet_protocol::round::UnixTime;
use serde::Serialize;

use super::{EXIT_CONFIG, fail, language, runtime, show};
use crate::clock::Clock;
use crate::recording::Recording;
use crate::source::protocol::D0Options;
use crate::source::{MeterEvent, Meters, SourceEvent, quirks};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 a telegram was shown or nobody looks any more, 1 there is nothing to show, 78 the \
profile is wrong.")]
pub(super) struct Read {
    /// The profile (YAML)
    #[arg(value_name = "FILE", required_unless_present = "recording")]
    profile: Option<PathBuf>,
    /// Show a recording instead: one of `record`, or nothing but the bytes of a meter
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// One JSON object per telegram
    #[arg(long)]
    json: bool,
    /// Stop after the first telegram
    #[arg(long)]
    once: bool,
    /// Language of the values' names [default: German if the environment says so, else English]
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    language: Option<language::Choice>,
}

pub(super) fn read(options: &Read) -> ExitCode {
    let profile = match options.profile.as_deref().map(Profile::load).transpose() {
        Ok(profile) => profile,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    let shown = match (&profile, &options.recording) {
        (profile, Some(file)) => play(profile.as_ref(), file, options),
        (Some(profile), None) => runtime().and_then(|runtime| {
            let shown = runtime.block_on(live(profile, options));
            // A read of standard input that is under way cannot be broken off.
            runtime.shutdown_background();
            shown
        }),
        (None, None) => Err(io::Error::other("give a profile or --recording")),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read along has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

/// Shows a recording, through the decoder of a live meter.
fn play(profile: Option<&Profile>, file: &Path, options: &Read) -> io::Result<()> {
    let recording = Recording::load(file).map_err(io::Error::other)?;
    let sources = || {
        profile
            .iter()
            .flat_map(|profile| &profile.first_meter().sources)
    };
    let quirks = sources().find_map(|source| match source {
        Source::Sml(line) => line.quirks.as_deref(),
        _ => None,
    });
    let of_profile = sources().find_map(|source| match source {
        Source::D0(line) => Some(D0Options::from(line)),
        _ => None,
    });
    let recorded = recording.header.as_ref().map(|header| header.d0);
    let catalog = quirks::load(quirks).map_err(io::Error::other)?;
    let of_meter = of_profile.or(recorded).unwrap_or_default();
    let mut decoder = recording.kind().decoder(&catalog, of_meter);
    let mut shown = 0_u64;
    for piece in &recording.pieces {
        let mut telegrams = Vec::new();
        decoder.push(&piece.bytes, &mut |result| match result {
            Ok(telegram) => telegrams.push(telegram),
            Err(error) => tracing::warn!(event = "meter.refused", "{error}"),
        });
        let time = UnixTime::from_millis(piece.millis);
        for telegram in &telegrams {
            print(profile, 0, time, telegram, options)?;
            shown += 1;
            if options.once {
                return Ok(());
            }
        }
    }
    if shown == 0 {
        let what = format!("{}: no telegram is in it", file.display());
        return Err(io::Error::other(what));
    }
    Ok(())
}

/// Shows one telegram.
fn print(
    profile: Option<&Profile>,
    meter: usize,
    time: UnixTime,
    telegram: &Telegram,
    options: &Read,
) -> io::Result<()> {
    let language = language::of(options.language);
    let mut out = io::stdout().lock();
    if options.json {
        let known = profile.and_then(|profile| profile.meters.get(meter));
        let name = known.map_or("", |meter| &meter.name);
        serde_json::to_writer(&mut out, &Line::of(name, time, telegram, language))?;
        writeln!(out)?;
    } else {
        out.write_all(text(profile, meter, telegram, language).as_bytes())?;
    }
    out.flush()
}

async fn live(profile: &Profile, options: &Read) -> io::Result<()> {
    let (meters, mut events) = Meters::start(&profile.meters, &Clock::system());
    while let Some(MeterEvent { meter, event, .. }) = events.recv().await {
        // Changes of the line's state are in the log.
        let SourceEvent::Telegram { time, telegram } = event else {
            continue;
        };
        print(Some(profile), meter, time, &telegram, options)?;
        if options.once {
            break;
        }
    }
    drop(meters);
    Ok(())
}

/// A telegram as a block of lines.
fn text(
    profile: Option<&Profile>,
    meter: usize,
    telegram: &Telegram,
    language: Language,
) -> String {
    use std::fmt::Write as _;
    let meters = profile.map(|profile| profile.meters.as_slice());
    let name = match meters.unwrap_or_default() {
        [] | [_] => String::new(),
        meters => meters
            .get(meter)
            .map_or_else(String::new, |meter| format!("{}: ", meter.name)),
    };
    let mut text = format!("{name}{}\n", show::device(telegram));
    show::entries(&mut text, telegram, language);
    let of_meter = |slot: &&Slot| {
        let read = meters.and_then(|meters| meters.get(meter));
        read.is_some_and(|read| slot.reads(&read.name, meter == 0))
    };
    let slots = profile.iter().flat_map(|profile| &profile.evaluation.slots);
    for slot in slots.filter(of_meter) {
        if slot.absent == Absent::Missing && telegram.number(slot.obis).is_none() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {:<14} is not shown, but evaluation.slots needs it",
                slot.obis.short()
            );
        }
    }
    show::advise(&mut text, telegram);
    text.push('\n');
    text
}

/// A telegram as one line of JSON; the time is that of the gateway's clock in milliseconds since
/// 1970, or since the beginning of a recording. Values are texts: exact decimals, never floats.
#[derive(Serialize)]
struct Line {
    meter: String,
    time: u64,
    device: String,
    entries: Vec<show::Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Line {
    fn of(meter: &str, time: UnixTime, telegram: &Telegram, language: Language) -> Self {
        Self {
            meter: meter.to_owned(),
            time: time.millis(),
            device: DeviceId::from(telegram.server_id.as_slice()).to_string(),
            entries: show::items(telegram, language),
            advice: advice(telegram).map(|advice| advice.to_string()),
        }
    }
}
