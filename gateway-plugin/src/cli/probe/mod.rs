//! `probe`: finds meters at serial ports, and begins a profile for them.

mod listen;
mod modbus;
mod ports;
mod profile;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use dcnet_obis::{Language, Telegram};
use dcnet_profiles::advice::advice;
use dcnet_profiles::meter::DeviceId;
use serde::Serialize;

use self::listen::{Found, Outcome};
use self::modbus::Asked;
use super::{fail, language, runtime, show};
use crate::recording::Kind;
use crate::source::device::LineMode;
use crate::source::modbus::find::Fit;

#[derive(Debug, Args)]
#[command(after_help = "\
At each port it listens in all modes that SML and D0 meters use, for up to --listen seconds in each; \
at the end it asks as D0 meters are asked (/?! at 300 baud). A device that is no meter gets to \
hear that, too; --listen-only leaves it out.

With --modbus it then asks the units of Modbus RTU, at 9600 8N1, 9600 8E1, 19200 8E1, 19200 8N1 and \
2400 8N1, and reads those that answer by each template of the catalogue. It writes no register.

Exit code: 0 a meter was found, 1 none was found or the profile cannot be written.")]
pub(super) struct Probe {
    /// The ports; without any, all that the system knows below /dev/serial/by-id, and ttyUSB*,
    /// ttyACM* and ttyAMA*
    #[arg(value_name = "PORT")]
    ports: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Seconds to listen in each mode
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    listen: u64,
    /// Send nothing
    #[arg(long)]
    listen_only: bool,
    /// Look for Modbus RTU meters as well, which have to be asked
    #[arg(long, conflicts_with = "listen_only")]
    modbus: bool,
    /// For --modbus: ask the units 1 to N
    #[arg(long, value_name = "N", requires = "modbus", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=247))]
    units: u8,
    /// Language of the values' names [default: German if the environment says so, else English]
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    language: Option<language::Choice>,
    /// Begin a profile (YAML) for what was found; the file must not exist
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// For the profile: address of the provider [default: a placeholder]
    #[arg(long, value_name = "URL", requires = "write")]
    provider: Option<String>,
    /// For the profile: name of the net [default: a placeholder]
    #[arg(long, value_name = "NAME", requires = "write")]
    net: Option<String>,
    /// For the profile: folder of the certificates and keys
    #[arg(
        long,
        value_name = "DIR",
        requires = "write",
        default_value = "/etc/dcnet-gateway"
    )]
    keys: PathBuf,
    /// For the profile: folder of the daemon's memory
    #[arg(
        long,
        value_name = "DIR",
        requires = "write",
        default_value = "/var/lib/dcnet-gateway"
    )]
    state: PathBuf,
}

pub(super) fn probe(options: &Probe) -> ExitCode {
    let language = language::of(options.language);
    if let Some(file) = options.write.as_ref().filter(|file| file.exists()) {
        return fail(&format!("{}: exists; give another name", file.display()), 1);
    }
    let ports = if options.ports.is_empty() {
        ports::known()
    } else {
        options.ports.clone()
    };
    let listen = Duration::from_secs(options.listen);
    let mut results = Vec::new();
    for port in ports {
        let looked = runtime().map(|runtime| runtime.block_on(look(&port, listen, options)));
        let outcomes = match looked {
            Ok(outcomes) => outcomes,
            Err(error) => return fail(&error, 1),
        };
        for outcome in outcomes {
            if !options.json {
                let text = text(&port, &outcome, language);
                // Whoever read along has seen enough.
                if io::stdout().write_all(text.as_bytes()).is_err() {
                    return ExitCode::SUCCESS;
                }
            }
            results.push((port.clone(), outcome));
        }
    }
    if options.json {
        let ports: Vec<Row> = results
            .iter()
            .map(|(port, outcome)| Row::of(port, outcome, language))
            .collect();
        let _ = writeln!(io::stdout(), "{}", serde_json::json!({ "ports": ports })); // as above
    }
    if results.is_empty() {
        return fail(
            &"no serial port is there: is the reading head plugged in? Other names can be given",
            1,
        );
    }
    let found: Vec<_> = results
        .iter()
        .filter_map(|(port, outcome)| match outcome {
            Outcome::Meter(found) => Some((port.as_path(), Meter::Telegrams(found))),
            Outcome::Modbus(asked) => {
                Some((port.as_path(), Meter::Modbus(asked, asked.fits.first()?)))
            }
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return ExitCode::FAILURE;
    }
    let Some(file) = &options.write else {
        return ExitCode::SUCCESS;
    };
    let text = profile::text(&found, options, language);
    match profile::write(file, &text) {
        Ok(()) => {
            eprintln!(
                "{}: written; complete what is marked PLACEHOLDER, then run: dcnet-gateway check {0}",
                file.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format!("{}: {error}", file.display()), 1),
    }
}

/// What is at a port: each unit of a Modbus line by itself.
async fn look(port: &Path, listen: Duration, options: &Probe) -> Vec<Outcome> {
    let outcome = listen::look(port, listen, !options.listen_only).await;
    let unexplained = matches!(outcome, Outcome::Silent | Outcome::Unknown { .. });
    if options.modbus && unexplained {
        let units = modbus::look(port, options.units).await;
        if !units.is_empty() {
            return units;
        }
    }
    vec![outcome]
}

/// A meter that can be read.
#[derive(Clone, Copy)]
enum Meter<'a> {
    Telegrams(&'a Found),
    /// With what fits best.
    Modbus(&'a Asked, &'a Fit),
}

impl Meter<'_> {
    const fn telegram(&self) -> &Telegram {
        match self {
            Self::Telegrams(found) => &found.telegram,
            Self::Modbus(_, fit) => &fit.telegram,
        }
    }
}

fn protocol(found: &Found) -> &'static str {
    match (found.kind, found.asked) {
        (Kind::Sml, _) => "SML",
        (Kind::D0, true) => "D0, answers when it is asked",
        (Kind::D0, false) => "D0, sends on its own",
    }
}

/// What is the matter with a port without a meter.
fn problem(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Meter(_) => None,
        Outcome::Modbus(asked) => asked.problem(),
        Outcome::Unavailable(error) => Some(error.to_string()),
        Outcome::Silent => Some(
            "nothing comes and nobody answers: check that the reading head sits on the meter's \
             infrared window, its cable below"
                .to_owned(),
        ),
        Outcome::Unknown { bytes } => Some(format!(
            "{bytes} bytes came, but no telegram of SML or D0: check that the head sits straight; \
             `dcnet-gateway record` makes a recording for a report"
        )),
    }
}

fn text(port: &Path, outcome: &Outcome, language: Language) -> String {
    let mut text = format!("{}: ", port.display());
    // Writing to a string cannot fail.
    match outcome {
        Outcome::Meter(found) => {
            let _ = writeln!(text, "{} ({})", protocol(found), found.mode);
            let _ = writeln!(text, "{}", show::device(&found.telegram));
            show::entries(&mut text, &found.telegram, language);
            show::advise(&mut text, &found.telegram);
        }
        Outcome::Modbus(asked) if !asked.fits.is_empty() => asked.tell(&mut text, language),
        other => {
            let _ = writeln!(text, "{}", problem(other).unwrap_or_default());
        }
    }
    text.push('\n');
    text
}

/// A port for programs.
#[derive(Serialize)]
struct Row {
    port: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    modbus: Option<modbus::Row>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    meter: Option<Values>,
}

#[derive(Serialize)]
struct Values {
    protocol: &'static str,
    asked: bool,
    line: String,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    maker: Option<String>,
    entries: Vec<show::Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Values {
    fn of(
        protocol: &'static str,
        asked: bool,
        mode: LineMode,
        telegram: &Telegram,
        language: Language,
    ) -> Self {
        Self {
            protocol,
            asked,
            line: mode.to_string(),
            device: DeviceId::from(telegram.server_id.as_slice()).to_string(),
            maker: telegram.maker(),
            entries: show::items(telegram, language),
            advice: advice(telegram).map(|advice| advice.to_string()),
        }
    }
}

impl Row {
    fn of(port: &Path, outcome: &Outcome, language: Language) -> Self {
        let (modbus, meter) = match outcome {
            Outcome::Meter(found) => {
                let protocol = match found.kind {
                    Kind::Sml => "sml",
                    Kind::D0 => "d0",
                };
                let values =
                    Values::of(protocol, found.asked, found.mode, &found.telegram, language);
                (None, Some(values))
            }
            Outcome::Modbus(asked) => {
                let values =
                    |fit: &Fit| Values::of("modbus", true, asked.mode(), &fit.telegram, language);
                (Some(asked.row()), asked.fits.first().map(values))
            }
            _ => (None, None),
        };
        Self {
            port: port.display().to_string(),
            problem: problem(outcome),
            modbus,
            meter,
        }
    }
}
