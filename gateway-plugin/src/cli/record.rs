//! `record`: what a meter sends, byte for byte.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use dcnet_obis::sml::Catalog;
use dcnet_obis::{d0, sml};
use dcnet_profiles::Profile;
use dcnet_profiles::meter::{D0Mode, Source};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_serial::SerialStream;

use super::{EXIT_CONFIG, fail, runtime};
use crate::recording::{Header, Kind, MAX_BYTES, Piece, Recording};
use crate::source::d0::{Request, readout};
use crate::source::device::{self, Character, LineMode};
use crate::source::protocol::{D0Options, Protocol};
use crate::source::quirks;

/// Most reasons for refusing something that a recording names.
const MAX_ERRORS: usize = 20;

/// Between two questions to a meter.
const REST: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(after_help = "\
What --blank-id blanks: the meter's ids (the server id of SML; the values of 0.0.x, 96.1.x and C.1, \
also those of further meters behind a P1 port; whatever else contains one of them), keys and \
signatures. Checksums are made right again. Maker and model stay, and of the serial number as much \
as tells which rules for meters with deviations apply. Registers, powers, status words and times \
stay: they are what a recording is for. Bytes of no whole and undamaged telegram are left out, \
because nobody knows what of an id is in them; if a meter is not understood at all, its recording \
is empty then.

Exit code: 0 recorded, 1 the port cannot be read, nothing came or the file cannot be written, 78 \
the profile is wrong.")]
pub(super) struct Record {
    /// The profile (YAML) that names the meter
    #[arg(value_name = "FILE", required_unless_present = "device")]
    profile: Option<PathBuf>,
    /// The port, without a profile
    #[arg(long, value_name = "PORT", conflicts_with = "profile")]
    device: Option<PathBuf>,
    /// Which meter of the profile [default: the first at a serial port]
    #[arg(long, value_name = "NAME", conflicts_with = "device")]
    meter: Option<String>,
    /// What the meter at PORT speaks
    #[arg(long, value_enum, default_value = "sml", conflicts_with = "profile")]
    protocol: Kind,
    /// Ask the meter (D0) instead of waiting for what it sends
    #[arg(long, conflicts_with = "profile")]
    ask: bool,
    /// Symbols per second [default: as in the profile; otherwise 9600, or 300 with --ask]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(300..=921_600))]
    baud: Option<u32>,
    /// Data bits, parity and stop bit [default: as in the profile; otherwise 8N1, or 7E1 for D0]
    #[arg(long, value_name = "MODE")]
    mode: Option<Character>,
    /// How long, in seconds; Ctrl-C ends it earlier
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Blank the meter's ids, to show the recording to others
    #[arg(long)]
    blank_id: bool,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What is recorded, and how.
struct Plan {
    device: PathBuf,
    kind: Kind,
    mode: LineMode,
    request: Option<Request>,
    options: D0Options,
    catalog: Catalog,
}

pub(super) fn record(options: &Record) -> ExitCode {
    let plan = match plan(options) {
        Ok(plan) => plan,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    if options.out.exists() {
        let error = format!("{}: exists; give another name", options.out.display());
        return fail(&error, 1);
    }
    let run = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let mut taker = Taker::new(&plan);
            taker.run(&plan, options.seconds).await?;
            Ok(taker)
        })
    });
    let recorded = match run {
        Ok(taker) => taker.finish(&plan, options.blank_id),
        Err(error) => return fail(&error, 1),
    };
    let Some(header) = &recorded.header else {
        return ExitCode::FAILURE;
    };
    if header.counts.bytes == 0 {
        let error = format!(
            "{}: nothing came in {} s; is the reading head in its place?",
            plan.device.display(),
            header.millis / 1_000
        );
        return fail(&error, 1);
    }
    if let Err(error) = recorded.write(&options.out) {
        return fail(&format!("{}: {error}", options.out.display()), 1);
    }
    print!("{}", summary(options, header));
    ExitCode::SUCCESS
}

fn summary(options: &Record, header: &Header) -> String {
    let counts = &header.counts;
    let mut text = format!(
        "{}: {} bytes in {} s at {}, {} telegrams, {} refused\n",
        options.out.display(),
        counts.bytes,
        header.millis / 1_000,
        header.line,
        counts.telegrams,
        counts.checksum_errors + counts.other_errors
    );
    // Writing to a string cannot fail.
    if header.left_out > 0 {
        let _ = writeln!(
            text,
            "{} bytes are left out, because they may hold a part of an id; without --blank-id they \
             are in it",
            header.left_out
        );
    }
    if !header.blanked {
        text.push_str("the recording names the meter; --blank-id makes one that does not\n");
    }
    text
}

fn plan(options: &Record) -> Result<Plan, String> {
    let mut plan = match (&options.profile, &options.device) {
        (Some(file), _) => from_profile(file, options.meter.as_deref())?,
        (None, Some(device)) => {
            let kind = if options.ask {
                Kind::D0
            } else {
                options.protocol
            };
            let request = options.ask.then(|| Request {
                baud: options.baud,
                ..Request::default()
            });
            let mode = match (&request, kind) {
                (Some(request), _) => request.mode(),
                (None, Kind::Sml) => LineMode::default(),
                (None, Kind::D0) => first_d0_mode(options.baud),
            };
            Plan {
                device: device.clone(),
                kind,
                mode,
                request,
                options: D0Options::default(),
                catalog: Catalog::built_in().clone(),
            }
        }
        (None, None) => return Err("give a profile or --device".to_owned()),
    };
    if let Some(baud) = options.baud {
        plan.mode.baud = baud;
        if let Some(request) = &mut plan.request {
            request.baud = Some(baud);
        }
    }
    if let Some(mode) = options.mode {
        (plan.mode.data_bits, plan.mode.parity) = (mode.data_bits, mode.parity);
    }
    Ok(plan)
}

fn first_d0_mode(baud: Option<u32>) -> LineMode {
    use crate::source::protocol::{D0_MODES, d0_modes};
    let modes = baud.map_or_else(|| D0_MODES.to_vec(), d0_modes);
    modes.first().copied().unwrap_or_default()
}

fn from_profile(file: &std::path::Path, meter: Option<&str>) -> Result<Plan, String> {
    let profile = Profile::load(file).map_err(|error| error.to_string())?;
    let mut sources = profile
        .meters
        .iter()
        .filter(|known| meter.is_none_or(|name| name == known.name))
        .flat_map(|known| &known.sources);
    let mut plan = sources
        .find_map(|source| match source {
            Source::Sml(line) => Some(quirks::load(line.quirks.as_deref()).map(|catalog| Plan {
                device: line.device.clone(),
                kind: Kind::Sml,
                mode: LineMode::new(
                    line.baud.unwrap_or(LineMode::default().baud),
                    line.data_bits.unwrap_or_default(),
                    line.parity.unwrap_or_default(),
                ),
                request: None,
                options: D0Options::default(),
                catalog,
            })),
            Source::D0(line) => {
                let request = (line.mode == D0Mode::Request).then(|| Request::from(line));
                let pushed = || first_d0_mode(line.baud);
                Some(Ok(Plan {
                    device: line.device.clone(),
                    kind: Kind::D0,
                    mode: request.as_ref().map_or_else(pushed, Request::mode),
                    request,
                    options: D0Options::from(line),
                    catalog: Catalog::default(),
                }))
            }
            _ => None,
        })
        .ok_or_else(|| format!("{}: has no such meter at a serial port", file.display()))?
        .map_err(|error| format!("{}: sml.quirks: {error}", file.display()))?;
    if let Some(request) = &mut plan.request {
        request.options = plan.options;
    }
    Ok(plan)
}

/// Takes down what comes in.
struct Taker {
    begun: Instant,
    pieces: Vec<Piece>,
    taken: usize,
    decoder: Box<dyn Protocol>,
    mode: LineMode,
    errors: Vec<String>,
}

impl Taker {
    fn new(plan: &Plan) -> Self {
        Self {
            begun: Instant::now(),
            pieces: Vec::new(),
            taken: 0,
            decoder: plan.kind.decoder(&plan.catalog, plan.options),
            mode: plan.mode,
            errors: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let bytes = bytes.to_vec();
        let mut data = bytes.clone();
        self.mode.strip(&mut data);
        let errors = &mut self.errors;
        self.decoder.push(&data, &mut |result| {
            if let Err(error) = result
                && errors.len() < MAX_ERRORS
            {
                errors.push(error);
            }
        });
        self.taken += bytes.len();
        self.pieces.push(Piece { millis, bytes });
    }

    async fn run(&mut self, plan: &Plan, seconds: u64) -> io::Result<()> {
        let mut port = device::open(&plan.device, plan.mode).map_err(io::Error::other)?;
        self.begun = Instant::now();
        let end = self.begun + Duration::from_secs(seconds);
        tokio::select! {
            done = self.go_on(&mut port, plan) => done,
            () = sleep_until(end) => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    /// Until something fails or enough is taken.
    async fn go_on(&mut self, port: &mut SerialStream, plan: &Plan) -> io::Result<()> {
        let mut buffer = [0_u8; 1024];
        while self.taken < MAX_BYTES {
            if let Some(request) = &plan.request {
                let mut tap = |bytes: &[u8]| self.take(bytes);
                if let Err(error) = readout(port, request, &mut tap).await
                    && self.errors.len() < MAX_ERRORS
                {
                    self.errors.push(error.to_string());
                }
                sleep(REST).await;
                continue;
            }
            match port.read(&mut buffer).await {
                Ok(0) => break,
                Ok(got) => self.take(buffer.get(..got).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What has come so far is worth something.
                Err(_) if self.taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn finish(self, plan: &Plan, blank: bool) -> Recording {
        let asked = plan.request.is_some();
        let mut header = Header::new(plan.kind, plan.mode.to_string(), asked, plan.options);
        header.millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        header.counts = self.decoder.counts();
        header.errors = self.errors;
        let mut pieces = self.pieces;
        if blank {
            header.blanked = true;
            header.left_out = match plan.kind {
                Kind::Sml => {
                    let mut blanker = sml::Blanker::new(&plan.catalog);
                    each(&mut pieces, |bytes| blanker.push(bytes));
                    blanker.left_out()
                }
                Kind::D0 => {
                    let mut blanker = d0::Blanker::new();
                    each(&mut pieces, |bytes| blanker.push(bytes));
                    blanker.left_out()
                }
            };
        }
        Recording {
            header: Some(header),
            pieces,
        }
    }
}

/// Puts each piece through `blank`; drops those of which nothing is left.
fn each(pieces: &mut Vec<Piece>, mut blank: impl FnMut(&[u8]) -> Vec<u8>) {
    for piece in pieces.iter_mut() {
        piece.bytes = blank(&piece.bytes);
    }
    pieces.retain(|piece| !piece.bytes.is_empty());
}
