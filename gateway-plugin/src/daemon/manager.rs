//! What the service manager (systemd) is told: that the daemon is ready, what it does, that it gets
//! on. Without one nothing is told, and nothing changes.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Pause between two signs of life if nobody waits for them.
const UNWATCHED: Duration = Duration::from_mins(1);
/// Longest status line in bytes; more is cut off.
const MAX_STATUS: usize = 500;

/// The way to the service manager.
#[derive(Debug)]
pub(super) struct Manager {
    /// Half of the time after which the manager takes the daemon for hanging.
    watchdog: Option<Duration>,
    alive: Option<Instant>,
    ready: bool,
    stopping: bool,
    told: String,
}

impl Manager {
    /// The manager that started this process: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of
    /// the environment.
    pub(super) fn of_this_process() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            alive: None,
            ready: false,
            stopping: false,
            told: String::new(),
        }
    }

    /// Whether the daemon has been ready.
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// How long the daemon may sleep before it has to say that it gets on.
    pub(super) fn pause(&self) -> Duration {
        self.watchdog.unwrap_or(UNWATCHED)
    }

    /// The daemon has done all that was due. The first time this means that it is ready.
    ///
    /// Only to be called by the task that owns the ledger, after a pass that was completed: a timer of
    /// its own would go on while the daemon hangs.
    pub(super) fn progress(&mut self) {
        if !self.ready {
            self.ready = true;
            notify(&NotifyState::Ready);
        }
        let now = Instant::now();
        let due = |pause| self.alive.is_none_or(|last| now >= last + pause);
        // A pass that comes early counts for little, one that comes a moment late must not be lost.
        if self.watchdog.is_some_and(|pause| due(pause / 2)) {
            self.alive = Some(now);
            notify(&NotifyState::Watchdog);
        }
    }

    /// One line about what the daemon does, for `systemctl status`. Said again only if it is another.
    pub(super) fn tell(&mut self, line: &str) {
        if self.told != line {
            line.clone_into(&mut self.told);
            let end = line.floor_char_boundary(MAX_STATUS);
            // A line break would begin another assignment.
            let line = line.get(..end).unwrap_or_default().replace('\n', " ");
            notify(&NotifyState::Status(&line));
        }
    }

    /// The daemon ends.
    pub(super) fn stopping(&mut self) {
        if !self.stopping {
            self.stopping = true;
            notify(&NotifyState::Stopping);
        }
    }
}

fn notify(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::debug!(
            event = "manager",
            "the service manager cannot be told anything: {error}"
        );
    }
}
