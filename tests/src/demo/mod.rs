//! The demonstrator: `cargo demo`.
//!
//! Meters push SML telegrams through pseudo-terminals, gateways read and mask them, a provider
//! sums them over mutual TLS; one gateway is killed, corrected for, and comes back. Everything is
//! the real thing in processes of its own, except for the households.

mod follow;
mod options;
mod play;
mod point;
mod show;
mod street;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;

use crate::harness::HarnessError;
use options::Options;
use play::Play;
use show::Show;

/// Runs the demonstrator with the arguments of the process.
pub fn main() -> ExitCode {
    // `cargo demo` ends with `--` already; whoever adds another one means the same.
    let arguments = std::env::args_os().enumerate();
    let arguments = arguments.filter(|(place, word)| *place != 1 || word != "--");
    let options = Options::parse_from(arguments.map(|(_, word)| word));
    let show = Show::new(options.json);
    match run(&options, show) {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::Badly) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("dcnet-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How the play ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Well,
    Badly,
    Interrupted,
}

/// What shells say of a process that was interrupted.
const INTERRUPTED: u8 = 130;

fn run(options: &Options, show: Show) -> Result<Ending, HarnessError> {
    let folder = tempfile::Builder::new()
        .prefix("dcnet-demo-")
        .tempdir()
        .map_err(HarnessError::system("make", "a temporary folder"))?;
    let outcome = Play::prepare(options, folder.path(), show, interruption()?)
        .and_then(|mut play| play.run());
    let failed = !matches!(outcome, Ok(Ending::Well | Ending::Interrupted));
    if options.keep || failed {
        let folder = folder.keep();
        eprintln!(
            "\neverything is kept in {}: provider/log, gateways/*/log, provider/dcnet.sqlite3",
            folder.display()
        );
    }
    outcome
}

/// Becomes true when the user wants to end it.
fn interruption() -> Result<Arc<AtomicBool>, HarnessError> {
    let flag = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(HarnessError::system("start", "a runtime"))?;
    let raised = Arc::clone(&flag);
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            raised.store(true, Ordering::Relaxed);
        }
    });
    Ok(flag)
}
