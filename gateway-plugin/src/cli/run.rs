//! `run`: the daemon.

use std::path::Path;
use std::process::ExitCode;

use dcnet_protocol::message::frame_hash;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{EXIT_CONFIG, fail, runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{self, End, RunError};
use crate::hex::hex;

pub(super) fn run(file: &Path) -> ExitCode {
    let clock = Clock::system();
    let config = match Config::load(file, clock.now()) {
        Ok(config) => config,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    for warning in config.warnings() {
        tracing::warn!(event = "config.warning", "{warning}");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let ended = runtime.block_on(until_told(config, clock));
    // A read of standard input that is under way cannot be broken off.
    runtime.shutdown_background();
    match ended {
        Ok(End::Stopped) => {
            tracing::info!(event = "stopped", "stopped");
            ExitCode::SUCCESS
        }
        Ok(End::Left) => {
            tracing::info!(
                event = "left",
                "this gateway has left the net; to enter one again, give it an empty state directory"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(event = "failed", "{error}");
            fail(&error, EXIT_CONFIG)
        }
    }
}

async fn until_told(config: Config, clock: Clock) -> Result<End, RunError> {
    let (stop, stopped) = watch::channel(false);
    let (client, net) = (config.client, config.profile.communication.net);
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        profile = fingerprint(&config.origin),
        "gateway {client} for the net {net}"
    );
    // Without a handler the signal ends the process at once, which the ledger is made for.
    let mut terminate = signal(SignalKind::terminate()).ok();
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    let told = async {
        tokio::select! {
            Some(()) = next(terminate.as_mut()) => {}
            Some(()) = next(interrupt.as_mut()) => {}
            else => std::future::pending::<()>().await,
        }
        let _ = stop.send(true); // the daemon has ended if nobody listens
        std::future::pending::<()>().await;
    };
    tokio::select! {
        end = daemon::run(config, clock, stopped) => end,
        () = told => Ok(End::Stopped),
    }
}

/// SHA-256 of the profile: the calibration log tells by which one values came about.
fn fingerprint(profile: &Path) -> String {
    hex(&frame_hash(&std::fs::read(profile).unwrap_or_default()))
}

async fn next(signal: Option<&mut tokio::signal::unix::Signal>) -> Option<()> {
    signal?.recv().await
}
