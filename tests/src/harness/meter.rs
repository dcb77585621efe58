//! A meter: pushes telegrams into a line, and remembers what it showed.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use super::retry::now_millis;
use super::{HarnessError, Line};

/// Where a meter's telegrams come from.
pub trait Source: Send + 'static {
    /// What the meter says at `now` (milliseconds since 1970 UTC).
    fn speak(&mut self, now: u64) -> Spoken;
}

/// What a meter says at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// On the line.
    pub bytes: Vec<u8>,
    /// What that means: one number for each slot of the net, in its scale; none if the meter shows
    /// no such registers.
    pub shown: Option<Vec<i64>>,
}

/// A meter at work. Dropping it ends it and unplugs its line.
pub struct Meter<S> {
    shared: Arc<Mutex<Shared<S>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<S> {
    source: S,
    line: Option<Line>,
    history: Vec<(u64, Option<Vec<i64>>)>,
}

impl<S: Source> Meter<S> {
    /// A meter that says something every `period`, plugged in as `name`.
    ///
    /// # Errors
    /// The line cannot be plugged in.
    pub fn start(source: S, name: &Path, period: Duration) -> Result<Self, HarnessError> {
        let shared = Arc::new(Mutex::new(Shared {
            source,
            line: Some(Line::plug(name)?),
            history: Vec::new(),
        }));
        let (stop, stopped) = channel();
        let speaking = Arc::clone(&shared);
        let thread = spawn(move || {
            loop {
                lock(&speaking).speak();
                if stopped.recv_timeout(period) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        });
        Ok(Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Does something to the source.
    pub fn with<T>(&self, action: impl FnOnce(&mut S) -> T) -> T {
        action(&mut lock(&self.shared).source)
    }

    /// Pulls the reading head off.
    pub fn unplug(&self) {
        lock(&self.shared).line = None;
    }

    /// Plugs it in again as `name`; it is another device then.
    ///
    /// # Errors
    /// As for [`Line::plug`].
    pub fn plug(&self, name: &Path) -> Result<(), HarnessError> {
        lock(&self.shared).line = Some(Line::plug(name)?);
        Ok(())
    }

    /// The device that it is plugged in as.
    pub fn device(&self) -> Option<std::path::PathBuf> {
        let shared = lock(&self.shared);
        shared.line.as_ref().map(|line| line.device().to_owned())
    }

    /// See [`Line::forget_owner`].
    pub fn forget_owner(&self) {
        if let Some(line) = &lock(&self.shared).line {
            line.forget_owner();
        }
    }

    /// What it showed at `time` (milliseconds since 1970 UTC), whether or not anybody read it.
    pub fn shown_at(&self, time: u64) -> Option<Vec<i64>> {
        let shared = lock(&self.shared);
        let last = shared
            .history
            .iter()
            .rev()
            .find(|(since, _)| *since <= time);
        last.and_then(|(_, shown)| shown.clone())
    }
}

impl<S: Source> Shared<S> {
    fn speak(&mut self) {
        let now = now_millis();
        let Spoken { bytes, shown } = self.source.speak(now);
        if let Some(line) = &self.line {
            line.send(&bytes);
        }
        if self.history.last().is_none_or(|(_, last)| *last != shown) {
            self.history.push((now, shown));
        }
    }
}

impl<S> Drop for Meter<S> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a source that panicked has said so
        }
    }
}

fn lock<S>(shared: &Mutex<Shared<S>>) -> MutexGuard<'_, Shared<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
