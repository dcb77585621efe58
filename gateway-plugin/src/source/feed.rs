//! What every source hands on: telegrams, and each change of its state, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dcnet_obis::Telegram;
use dcnet_protocol::round::UnixTime;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{PAUSES, SourceEvent, SourceState};
use crate::clock::Clock;

/// The way from a source to whoever reads the meter.
#[derive(Debug)]
pub struct Feed {
    name: String,
    clock: Clock,
    events: mpsc::Sender<SourceEvent>,
    state: Option<SourceState>,
    counters: Arc<Counters>,
}

/// What a source has counted since its start.
#[derive(Debug, Default)]
pub struct Counters {
    telegrams: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    /// Telegrams read.
    pub fn telegrams(&self) -> u64 {
        self.telegrams.load(Ordering::Relaxed)
    }

    /// What looked like a telegram and was refused: damaged on the way, or not understood.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Nobody listens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Feed {
    /// `name` stands in the log.
    pub fn new(name: impl Into<String>, clock: Clock, events: mpsc::Sender<SourceEvent>) -> Self {
        Self {
            name: name.into(),
            clock,
            events,
            state: None,
            counters: Arc::default(),
        }
    }

    /// What the source counts, to look at from elsewhere.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Counts something refused. That is nothing to act on, the next telegram comes in a second; the
    /// counter and the state tell if it goes on.
    pub fn refused(&self, why: &str) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(event = "meter.refused", source = self.name, "{why}");
    }

    /// The time by the gateway's clock.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// A telegram that came in now.
    ///
    /// # Errors
    ///
    /// [`Gone`]: the source ends; so for all that follow.
    pub async fn telegram(&mut self, telegram: Telegram) -> Result<(), Gone> {
        let time = self.now();
        self.telegram_of(time, telegram).await
    }

    /// A telegram whose values are of the moment `time`.
    ///
    /// # Errors
    ///
    /// As for [`Self::telegram`].
    pub async fn telegram_of(&mut self, time: UnixTime, telegram: Telegram) -> Result<(), Gone> {
        self.counters.telegrams.fetch_add(1, Ordering::Relaxed);
        self.state(SourceState::Receiving).await?;
        self.events
            .send(SourceEvent::Telegram { time, telegram })
            .await
            .map_err(|_| Gone)
    }

    /// One log line and one event for each change of the state.
    ///
    /// # Errors
    ///
    /// As for [`Self::telegram`].
    pub async fn state(&mut self, next: SourceState) -> Result<(), Gone> {
        let known = self.state.as_ref();
        if known.is_some_and(|state| !state.is_news(&next)) {
            return Ok(());
        }
        let source = self.name.as_str();
        let logged = next.for_the_log();
        if next.is_fault() {
            tracing::warn!(event = "meter.fault", source, "{logged}");
        } else {
            tracing::info!(event = "meter.state", source, "{logged}");
        }
        self.state = Some(next.clone());
        self.events
            .send(SourceEvent::State(next))
            .await
            .map_err(|_| Gone)
    }

    /// What `read` makes of a file that the profile names. `check` has read it, but it may have gone or
    /// changed since: why it cannot be used becomes the state, and it is tried again and again.
    ///
    /// # Errors
    ///
    /// As for [`Self::telegram`].
    pub async fn wait_for<T>(&mut self, read: impl Fn() -> Result<T, String>) -> Result<T, Gone> {
        let mut wait = PAUSES;
        loop {
            match read() {
                Ok(content) => return Ok(content),
                Err(what) => self.state(SourceState::Broken { what }).await?,
            }
            tokio::select! {
                () = sleep(wait.pause()) => {}
                () = self.gone() => return Err(Gone),
            }
        }
    }

    /// Waits until nobody listens any more.
    pub async fn gone(&self) {
        self.events.closed().await;
    }
}
