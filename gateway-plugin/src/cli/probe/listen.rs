//! Which meter is at a port.

use std::path::Path;
use std::time::Duration;

use dcnet_obis::sml::Catalog;
use dcnet_obis::{Telegram, Unit, Value};
use dcnet_profiles::meter::{DataBits, EnergyUnit, Medium, Parity};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use super::modbus::Asked;
use crate::recording::Kind;
use crate::source::d0::{Request, readout};
use crate::source::device::{self, LineMode, OpenError};
use crate::source::protocol::{D0_MODES, D0Options, SML_MODES};

/// A meter, and how it is read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Whether it has to be asked.
    pub(super) asked: bool,
    pub(super) mode: LineMode,
    pub(super) options: D0Options,
    pub(super) telegram: Telegram,
}

/// What is at a port.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A meter that was read.
    Meter(Box<Found>),
    /// A unit of Modbus that answers.
    Modbus(Asked),
    /// The port cannot be used.
    Unavailable(OpenError),
    /// No byte came.
    Silent,
    /// Bytes came, but no telegram.
    Unknown {
        /// How many.
        bytes: usize,
    },
}

/// Most bytes of one mode that are kept; several telegrams of any meter.
const KEPT: usize = 256 * 1024;

/// Looks for a meter: up to `listen` in each mode, at last by a question.
pub(super) async fn look(port: &Path, listen: Duration, ask: bool) -> Outcome {
    let mut total = 0;
    for mode in modes() {
        let bytes = match hear(port, mode, listen).await {
            Ok(Heard::Meter(found)) => return Outcome::Meter(found),
            Ok(Heard::Bytes(bytes)) => bytes,
            Err(error) => return Outcome::Unavailable(error),
        };
        total += bytes;
        // What is sent at another speed gives bytes as well, only wrong ones.
        if total == 0 {
            break;
        }
    }
    if ask {
        match question(port).await {
            Ok(Some(found)) => return Outcome::Meter(found),
            Ok(None) => {}
            Err(error) => return Outcome::Unavailable(error),
        }
    }
    match total {
        0 => Outcome::Silent,
        bytes => Outcome::Unknown { bytes },
    }
}

/// All modes of both protocols, the likeliest first.
fn modes() -> Vec<LineMode> {
    let mut modes: Vec<LineMode> = Vec::new();
    // The usual one of SML, then those of D0, then the rare ones of SML.
    let all = SML_MODES.iter().take(2).chain(D0_MODES).chain(SML_MODES);
    for mode in all {
        if !modes.contains(mode) {
            modes.push(*mode);
        }
    }
    modes
}

enum Heard {
    Meter(Box<Found>),
    Bytes(usize),
}

async fn hear(port: &Path, mode: LineMode, listen: Duration) -> Result<Heard, OpenError> {
    let mut line = device::open(port, mode)?;
    // At 300 baud a readout takes its time.
    let slow = Duration::from_secs(10_000 / u64::from(mode.baud.max(1))).min(listen * 4);
    let mut end = Instant::now() + listen;
    let mut sml = Kind::Sml.decoder(Catalog::built_in(), D0Options::default());
    let mut d0 = Kind::D0.decoder(Catalog::built_in(), D0Options::default());
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 1024];
    while kept.len() < KEPT {
        let Ok(Ok(got @ 1..)) = timeout_at(end, line.read(&mut buffer)).await else {
            break;
        };
        if kept.is_empty() {
            end = Instant::now() + listen.max(slow);
        }
        let bytes = buffer.get(..got).unwrap_or_default();
        kept.extend_from_slice(bytes);
        for (kind, decoder) in [(Kind::Sml, &mut sml), (Kind::D0, &mut d0)] {
            let mut telegram = None;
            decoder.push(bytes, &mut |result| {
                telegram = result.ok().or(telegram.take());
            });
            if let Some(telegram) = telegram {
                let mode = match kind {
                    Kind::Sml => mode,
                    Kind::D0 => with_parity(mode, &kept),
                };
                return Ok(Heard::Meter(Box::new(found(
                    kind, false, mode, telegram, &kept,
                ))));
            }
        }
    }
    Ok(Heard::Bytes(kept.len()))
}

/// Text with a bit 7 was read in a mode that takes its parity for data.
fn with_parity(mode: LineMode, bytes: &[u8]) -> LineMode {
    if bytes.iter().any(|byte| *byte >= 0x80) {
        LineMode::new(mode.baud, DataBits::Seven, Parity::Even)
    } else {
        mode
    }
}

async fn question(port: &Path) -> Result<Option<Box<Found>>, OpenError> {
    let request = Request::default();
    let mut line = device::open(port, request.mode())?;
    // A meter that is in the middle of something else answers the second time.
    for _ in 0..2 {
        let mut kept = Vec::new();
        let mut tap = |bytes: &[u8]| kept.extend_from_slice(bytes);
        let read = readout(&mut line, &request, &mut tap).await;
        if let Ok(telegram) = read {
            let mode = request.mode();
            return Ok(Some(Box::new(found(Kind::D0, true, mode, telegram, &kept))));
        }
    }
    Ok(None)
}

/// The meter, read again with what its first telegram tells that has to be known.
fn found(kind: Kind, asked: bool, mode: LineMode, telegram: Telegram, bytes: &[u8]) -> Found {
    let options = match kind {
        Kind::Sml => D0Options::default(),
        Kind::D0 => guess(&telegram),
    };
    let mut telegram = telegram;
    if options != D0Options::default() {
        let mut decoder = kind.decoder(Catalog::built_in(), options);
        decoder.push(bytes, &mut |result| {
            if let Ok(again) = result {
                telegram = again;
            }
        });
    }
    Found {
        kind,
        asked,
        mode,
        options,
        telegram,
    }
}

/// Energy without a unit is in kWh; energy where electricity meters have reactive energy is heat.
fn guess(telegram: &Telegram) -> D0Options {
    let mut options = D0Options::default();
    for entry in &telegram.entries {
        let energy = entry.obis.a == 1 && matches!(entry.obis.c, 1 | 2) && entry.obis.d == 8;
        if let (true, Value::Bytes(text)) = (energy, &entry.value)
            && !text.is_empty()
            && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
        {
            options.energy_unit = Some(EnergyUnit::KilowattHour);
        }
        if (entry.obis.a, entry.obis.c, entry.obis.d) == (1, 6, 8)
            && entry.unit == Some(Unit::WATT_HOUR)
        {
            options.medium = Medium::Heat;
        }
    }
    options
}
