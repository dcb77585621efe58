//! The command line. Texts are pinned by the snapshots in `tests/cmd/`.

mod audit_log;
mod correction;
mod dashboard;
mod evidence;
mod export;
mod member;
mod net;
mod order;
mod output;
mod pki;
mod plan;
mod progress;
mod round;
mod schema;
mod serve;
mod store;
mod witness;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use dcnet_protocol::names::NetId;

use crate::export::{ExportError, PieceError};
use crate::service::care::BackupError;
use crate::service::{AdminError, AskError, Location};

/// What a command ended with. The numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// 0.
    Done,
    /// 3: `net audit`, `store check` or `audit-log verify` found problems, `pki list` something that
    /// expires soon.
    Problems,
    /// 1: `verify-evidence` found no proof.
    ProvesNothing,
}

/// Why a command failed, as its user is told.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What the net's server said.
    #[error("the order was refused: {0}")]
    OrderRefused(String),
    #[error(
        "no server has taken order {number} of net {net} within {waited} s: it waits in the store, and is taken as \
         soon as a server serves the net; `dcnet net audit {net}` shows what became of it"
    )]
    OrderWaits {
        net: NetId,
        number: u64,
        waited: u64,
    },
    #[error("nothing was done: {0} was to be typed, or --yes to be given")]
    NotConfirmed(NetId),
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
    #[error(transparent)]
    Serve(#[from] crate::server::ServeError),
    #[error(transparent)]
    Config(#[from] crate::server::ConfigError),
    #[error(transparent)]
    Folder(#[from] crate::witness::FolderError),
    #[error(transparent)]
    Witnesses(#[from] crate::witness::ListError),
    #[error(transparent)]
    Net(#[from] net::CreateError),
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    #[error(transparent)]
    Create(#[from] crate::files::CreateFileError),
    #[error(transparent)]
    Evidence(#[from] crate::service::UnreadableError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Kept(#[from] audit_log::KeptError),
    #[error("net {0} has other slots than the first one, and here slots are columns: use --values")]
    Columns(NetId),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error("cannot write CSV: {0}")]
    Csv(#[from] csv::Error),
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// What `serve --check` found.
    #[error(transparent)]
    Check(Box<CliError>),
}

impl From<PieceError> for CliError {
    fn from(error: PieceError) -> Self {
        match error {
            PieceError::Admin(error) => Self::Admin(error),
            PieceError::Format(error) => Self::Output(error),
        }
    }
}

impl CliError {
    /// 4 for what is not there, 5 for an order that waits, 2 for evidence that cannot be read, 78 (`EX_CONFIG`) for what a check
    /// found, 1 for everything else.
    fn code(&self) -> u8 {
        match self {
            Self::Admin(
                AdminError::UnknownNet(_)
                | AdminError::UnknownRound { .. }
                | AdminError::UnknownMember { .. }
                | AdminError::NoCorrection { .. }
                | AdminError::UnknownOrder { .. },
            )
            | Self::Ask(AskError::UnknownNet(_))
            | Self::Export(ExportError::Admin(AdminError::UnknownNet(_))) => 4,
            Self::OrderWaits { .. } => 5,
            Self::Evidence(_) => 2,
            Self::Check(_) => 78,
            _ => 1,
        }
    }

    /// Whoever read our output has had enough of it: no failure.
    fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Output(error) | Self::Export(ExportError::Output(error)) => {
                error.kind() == io::ErrorKind::BrokenPipe
            }
            Self::Csv(error) => {
                matches!(error.kind(), csv::ErrorKind::Io(e) if e.kind() == io::ErrorKind::BrokenPipe)
            }
            Self::Json(error) => error.io_error_kind() == Some(io::ErrorKind::BrokenPipe),
            _ => false,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the reason is on standard error
  2  the command line is wrong
  3  `net audit`, `store check` or `audit-log verify` found problems,
     `pki list` something that expires soon
  4  there is no such net, member, round or correction
  5  an order waits: no server has taken it in time
  78 `serve --check` or `export run --check` found something wrong
`verify-evidence` has its own.

Times are UTC. `dcnet help COMMAND` explains a command with examples.";

/// Provider of DC nets: sums of smart-meter readings, and nobody learns a household's.
#[derive(Debug, Parser)]
#[command(name = "dcnet", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, list, renew and revoke certificates and keys.
    ///
    /// In the field the SM-PKI issues the gateways' certificates.
    #[command(subcommand)]
    Pki(pki::Pki),
    /// Serve gateways over HTTPS.
    ///
    /// Client certificates are required: of gateways, and with --operator-ca of operators. A frame is acknowledged when it is durable; individual
    /// frames are erased when their round is final. Nets that are created while the server runs
    /// are served with the first request for them.
    Serve(Box<serve::Serve>),
    /// Create nets, look at them, close them.
    #[command(subcommand)]
    Net(net::Net),
    /// Look at members, suspend and resume them.
    #[command(subcommand)]
    Member(member::Member),
    /// Look at rounds and their sums.
    #[command(subcommand)]
    Round(round::Round),
    /// Look at corrections: who was missing, and what came of it.
    #[command(subcommand)]
    Correction(correction::Correction),
    /// Write sums for other programs.
    #[command(subcommand)]
    Export(export::Export),
    /// Measure, check, prune, back up and restore the store.
    ///
    /// What is stored, for how long, and who can see it: docs/data-protection.md.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Look at who did what with the store, and check that nobody has changed that.
    ///
    /// Whoever creates a net, gives an order, exports sums, or prunes, backs up or restores the store is
    /// written down, at the command line by the name of the system's user and over HTTPS by the certificate.
    /// So is who runs a server, when that starts, reads certificates again, and stops.
    #[command(subcommand)]
    AuditLog(audit_log::AuditLog),
    /// Be a witness: cosign the membership logs of others.
    ///
    /// A witness is run by somebody other than the provider. It cosigns only what extends all that it
    /// cosigned before, so that a provider cannot show two histories to gateways that demand its
    /// cosignature.
    #[command(subcommand)]
    Witness(witness::Witness),
    /// Say how large a net must be, from load data of households.
    ///
    /// Plays the distinguishing game of Buescher et al. (2017) with nets of several sizes: how well does
    /// somebody who knows a household's load curve tell from the sums whether it is in the net? Then it tries to
    /// recover a household's day from the sums, and computes how often a net has to correct. All that is
    /// printed has intervals of 95 %. The same data, seed and options give the same numbers.
    Plan(plan::Plan),
    /// Check a file that is to prove that a provider lied.
    ///
    /// Gateways keep such files: two rosters of one round that contradict each other, a receipt for
    /// a frame with a roster that calls its sender missing, or two membership logs. Everything in a
    /// file is signed by the provider itself, so that whoever checks it need not trust the gateway.
    VerifyEvidence(evidence::VerifyEvidence),
}

/// Where the store is.
#[derive(Debug, Args)]
struct StoreArg {
    /// The store: a file, or a PostgreSQL database as postgres://USER@HOST:PORT/DATABASE, its password
    /// out of PGPASSWORD or ~/.pgpass. Commands may run beside a running server.
    #[arg(
        long,
        value_name = "STORE",
        env = "DCNET_STORE",
        hide_env_values = true,
        default_value = "dcnet.sqlite3"
    )]
    store: Location,
}

/// A net by its name.
#[derive(Debug, Args)]
struct NetArg {
    /// Name of the net.
    #[arg(value_name = "NET")]
    net: NetId,
}

/// Whether to print JSON.
#[derive(Debug, Clone, Copy, Args)]
struct JsonArg {
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    json: bool,
}

pub use schema::published as json_schema;

/// The definition of the command line: what manual pages and completions are made of.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the `dcnet` program with the arguments of a process, its name first, and says how the
/// process is to end.
///
/// Makes its own asynchronous runtime: not to be called from within one.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // If even this cannot be printed nobody is listening.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    match run(cli.command) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Problems) => ExitCode::from(3),
        Ok(Outcome::ProvesNothing) => ExitCode::FAILURE,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dcnet: {error}");
            ExitCode::from(error.code())
        }
    }
}

fn run(command: Command) -> Result<Outcome, CliError> {
    let runtime = match &command {
        Command::Pki(pki) => return pki.run(),
        Command::Plan(plan) => return plan.run(),
        Command::VerifyEvidence(evidence) => return evidence.run(),
        Command::Serve(_) | Command::Witness(_) | Command::Export(export::Export::Run(_)) => {
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
        }
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    };
    runtime.map_err(CliError::Runtime)?.block_on(async {
        match command {
            Command::Pki(pki) => pki.run(),
            Command::Plan(plan) => plan.run(),
            Command::VerifyEvidence(evidence) => evidence.run(),
            Command::Serve(serve) => serve.run().await,
            Command::Net(net) => net.run().await,
            Command::Member(member) => member.run().await,
            Command::Correction(correction) => correction.run().await,
            Command::Round(round) => round.run().await,
            Command::Export(export) => export.run().await,
            Command::Store(store) => store.run().await,
            Command::AuditLog(log) => log.run().await,
            Command::Witness(witness) => witness.run().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }
}
