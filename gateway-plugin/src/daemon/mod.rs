//! The daemon: source, evaluation, ledger, submission.
//!
//! One task owns the state machine and the ledger and does everything that matters in order;
//! others only wait for bytes (the serial line, the provider) and hand them over. All that must
//! be remembered is on the disk before anything that follows from it leaves the gateway.

mod billing;
pub mod evidence;
mod exchange;
mod machine;
mod manager;
mod meter;
pub(crate) mod metrics;
mod outbox;
mod plan;
mod renewal;
mod reports;
mod session;
mod start;
pub mod status;

use std::time::Duration;

use dcnet_profiles::layout::LayoutMismatch;
use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::gateway::SetupError;
use rand_core::{Rng as _, UnwrapErr};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use status::Status;

pub use machine::{Effect, Machine, OpenError};
use manager::Manager;

use crate::clock::Clock;
use crate::config::Config;
use crate::hex::hex;
use crate::home;
use crate::ledger::{LedgerError, View};
use crate::retry::Backoff;
use crate::source::{MeterEvent, Meters};
use crate::submit::TlsError;

/// Name of the file in the state directory by which the owner asks the daemon to leave the net.
pub const LEAVE_REQUEST: &str = "leave-requested";

/// Where the daemon puts what the household may see of it. Those who look hold the other end, and never
/// keep it from its work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Show {
    /// What it is doing.
    pub(crate) status: watch::Sender<Status>,
    /// The ledger, while it is open.
    pub(crate) ledger: watch::Sender<View>,
}

/// Why the daemon ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was asked to.
    Stopped,
    /// The gateway has left the net.
    Left,
}

/// Runs until `stop` becomes true or the gateway has left the net.
///
/// A failure of the ledger stops what is under way, and everything begins anew from what the disk
/// holds; everything else that passes is waited for.
///
/// # Errors
///
/// What does not pass by waiting.
pub async fn run(
    config: Config,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) -> Result<End, RunError> {
    let (meters, mut events) = Meters::start(&config.profile.meters, &clock);
    let show = Show::default();
    let home = home::start(&config, &meters, &clock, &show);
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
    let mut manager = Manager::of_this_process();
    let end = loop {
        let attempt = attempt(
            &config,
            &clock,
            &meters,
            &show,
            &mut events,
            &mut stop,
            &mut manager,
        );
        let error = match Box::pin(attempt).await {
            Ok(end) => break Ok(end),
            Err(RunError::Open(OpenError::Ledger(error))) if error.may_pass() => error,
            Err(error) => break Err(error),
        };
        let pause = backoff.pause(random());
        tracing::error!(
            event = "ledger.failed",
            "{error}; nothing is sent; trying again in {} s",
            pause.as_secs().max(1)
        );
        manager.tell(&format!("nothing is sent: {error}; trying again"));
        if !waited(pause, &mut stop, &mut manager).await {
            break Ok(End::Stopped);
        }
    };
    if let Err(error) = &end {
        manager.tell(&format!("cannot run: {error}"));
    }
    manager.stopping();
    drop((meters, show));
    home.end().await;
    end
}

/// Waits for the disk, say; `false` if the daemon is to stop meanwhile. To begin anew would not help,
/// so a daemon that was ready before says that it gets on.
async fn waited(
    mut pause: Duration,
    stop: &mut watch::Receiver<bool>,
    manager: &mut Manager,
) -> bool {
    while !pause.is_zero() {
        let part = pause.min(manager.pause());
        tokio::select! {
            () = sleep(part) => {}
            _ = stop.wait_for(|stop| *stop) => return false,
        }
        pause = pause.saturating_sub(part);
        if manager.is_ready() {
            manager.progress();
        }
    }
    true
}

async fn attempt(
    config: &Config,
    clock: &Clock,
    meters: &Meters,
    show: &Show,
    events: &mut mpsc::Receiver<MeterEvent>,
    stop: &mut watch::Receiver<bool>,
    manager: &mut Manager,
) -> Result<End, RunError> {
    match start::start(config, clock, meters, show, events, stop, manager).await? {
        Some(session) => Ok(session.run(events, stop, manager).await?),
        None => Ok(End::Stopped),
    }
}

/// Why the daemon cannot run, in words for the owner.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Ledger or net.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Not the net that the owner pinned.
    #[error(
        "the net's descriptor has the hash {got}, communication.descriptor names {expected}: this \
         is another net, or its operator changed it"
    )]
    OtherDescriptor {
        /// As pinned.
        expected: String,
        /// As shown by the provider.
        got: String,
    },
    /// Other slots than the net's.
    #[error("evaluation.slots does not fit the net: {0}")]
    Layout(#[from] LayoutMismatch),
    /// Another authority.
    #[error(
        "the net trusts another gateway certification authority ({net}) than the one that \
         certified this gateway ({own})", net = hex(net), own = hex(&anchor.fingerprint())
    )]
    Authority {
        /// SHA-256 of the net's.
        net: [u8; 32],
        /// Ours.
        anchor: Box<TrustAnchor>,
    },
}

impl From<LedgerError> for RunError {
    fn from(error: LedgerError) -> Self {
        Self::Open(OpenError::Ledger(error))
    }
}

impl From<SetupError> for RunError {
    fn from(error: SetupError) -> Self {
        Self::Open(OpenError::Setup(error))
    }
}

/// The operating system's randomness. There is no way to go on without it, so its failure ends the
/// process.
fn os_rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

fn random() -> u64 {
    os_rng().next_u64()
}
