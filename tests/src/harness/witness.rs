//! Looks into the provider's store while rounds are open, as somebody would who owns its disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use super::{HarnessError, NetPlan, Peek, StoredFrame, now_millis};

/// Frames stay for as long as the slowest member takes: tenths of a second.
const GLANCE: Duration = Duration::from_millis(15);

/// The superpositions that were seen, by round.
pub type Seen = BTreeMap<u64, Vec<StoredFrame>>;

/// Watches the store in a thread of its own.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Begins to watch.
    ///
    /// # Errors
    /// The store is not there.
    pub fn start(store: &Path, plan: &NetPlan) -> Result<Self, HarnessError> {
        let mut peek = Peek::open(store)?;
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (stop, stopped) = channel();
        let (interval, open) = (plan.millis(), u64::from(plan.window()) * 2000);
        let noted = Arc::clone(&seen);
        let thread = spawn(move || {
            while stopped.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
                let now = now_millis();
                if now % interval > open {
                    continue;
                }
                let round = (now / interval).saturating_sub(1);
                // A look that fails (the provider is starting, say) is one look less.
                let Ok(frames) = peek.frames(round) else {
                    continue;
                };
                let mut seen = noted.lock().unwrap_or_else(PoisonError::into_inner);
                for frame in frames {
                    let known = seen.entry(round).or_default();
                    if !known.contains(&frame) {
                        known.push(frame);
                    }
                }
            }
        });
        Ok(Self {
            seen,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Ends, and tells what it has seen.
    pub fn finish(mut self) -> Seen {
        self.end();
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it was printed
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.end();
    }
}
