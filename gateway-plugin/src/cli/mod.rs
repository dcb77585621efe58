//! The command line.

mod check;
mod export;
mod language;
mod leave;
mod logbook;
mod probe;
mod read;
mod record;
mod run;
mod show;
mod status;

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::log::{self, Form};

/// Exit code for a profile that keeps the gateway from running (`EX_CONFIG` of sysexits.h): trying
/// again is of no use, systemd is told so.
pub const EXIT_CONFIG: u8 = 78;

/// Gateway of a DC net: reads the meter, masks the reading, submits the superposition.
#[derive(Debug, Parser)]
#[command(name = "dcnet-gateway", version, max_term_width = 100)]
struct Cli {
    /// Form of the log on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    log: Form,
    /// Log more, to find out why something does not work
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a profile and every file that it names
    Check(Profile),
    /// Find meters at serial ports, and begin a profile
    Probe(probe::Probe),
    /// Show live what the meter sends
    Read(read::Read),
    /// Record what a meter sends, to report what does not work
    Record(record::Record),
    /// Run the daemon
    Run(Profile),
    /// Show what the daemon is doing
    Status(status::Show),
    /// Show what happened, and what left the house
    Logbook(logbook::Show),
    /// Give out the registers for the bill, for whoever checks one
    Export(export::Export),
    /// Leave the net; the daemon sees it through
    Leave(Profile),
}

#[derive(Debug, Args)]
struct Profile {
    /// The profile (YAML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The definition of the command line: what manual pages and completions are made of.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the arguments `args`, the first of which is its own name.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output, mistakes to standard error; a closed pipe is no matter.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    log::start(cli.log, cli.verbose);
    match cli.command {
        Command::Check(profile) => check::check(&profile.file),
        Command::Probe(probe) => probe::probe(&probe),
        Command::Read(read) => read::read(&read),
        Command::Record(record) => record::record(&record),
        Command::Run(profile) => run::run(&profile.file),
        Command::Status(show) => status::status(&show),
        Command::Logbook(show) => logbook::logbook(&show),
        Command::Export(export) => export::export(&export),
        Command::Leave(profile) => leave::leave(&profile.file),
    }
}

/// Says why it does not go on.
fn fail(error: &impl Display, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}

/// The runtime of the commands that wait for something: one thread, as little memory as possible.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
}
