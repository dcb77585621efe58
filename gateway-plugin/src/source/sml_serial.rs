//! SML telegrams pushed by a meter over a serial line.

use std::io;
use std::time::Duration;

use dcnet_obis::sml::{DecodeError, Decoder};
use dcnet_profiles::meter::{DataBits, SerialLine};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::device::{self, OpenError};
use super::{SourceEvent, SourceState};
use crate::clock::Clock;

/// First pause before a lost port is tried again; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Reads the line until the receiver of `events` is gone; a lost, silent or garbled port is opened
/// again and again.
pub async fn run(line: SerialLine, clock: Clock, events: mpsc::Sender<SourceEvent>) {
    let mut reader = Reader {
        line,
        clock,
        events,
        state: None,
    };
    let mut pause = SHORTEST_PAUSE;
    loop {
        let Some(end) = reader.session().await else {
            return;
        };
        if end.read_something {
            pause = SHORTEST_PAUSE;
        }
        if reader.announce(end.state).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Reader {
    line: SerialLine,
    clock: Clock,
    events: mpsc::Sender<SourceEvent>,
    state: Option<SourceState>,
}

/// Nobody listens any more.
struct Gone;

/// How the port's session ended.
struct End {
    state: SourceState,
    read_something: bool,
}

impl Reader {
    /// One opening of the port, to its end. `None`: nobody listens any more.
    async fn session(&mut self) -> Option<End> {
        let port = match device::open(&self.line) {
            Ok(port) => port,
            Err(error) => {
                return Some(End {
                    state: SourceState::Unavailable(error),
                    read_something: false,
                });
            }
        };
        self.announce(SourceState::Open).await.ok()?;
        self.read(port).await
    }

    async fn read(&mut self, mut port: impl AsyncRead + Unpin) -> Option<End> {
        let patience = Duration::from_secs(self.line.silence);
        let mut decoder = Decoder::new();
        let mut buffer = [0_u8; 1024];
        let mut last_error = None;
        let mut read_something = false;
        let mut last_telegram = Instant::now();
        loop {
            let got = match timeout_at(Instant::now() + patience, port.read(&mut buffer)).await {
                Err(_) => {
                    let state = SourceState::Silent {
                        seconds: self.line.silence,
                    };
                    return Some(End {
                        state,
                        read_something,
                    });
                }
                Ok(Ok(0)) => return Some(self.lost("end of file", read_something)),
                Ok(Ok(got)) => got,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Err(error)) => return Some(self.lost(&error.to_string(), read_something)),
            };
            let bytes = buffer.get_mut(..got).unwrap_or_default();
            if self.line.data_bits == DataBits::Seven {
                // Pseudo-terminals and some adapters hand the parity bit through.
                for byte in bytes.iter_mut() {
                    *byte &= 0x7f;
                }
            }
            let time = self.clock.now();
            for decoded in decoder.push(bytes) {
                match decoded {
                    Ok(telegram) => {
                        last_telegram = Instant::now();
                        read_something = true;
                        self.announce(SourceState::Receiving).await.ok()?;
                        self.events
                            .send(SourceEvent::Telegram { time, telegram })
                            .await
                            .ok()?;
                    }
                    Err(error) => {
                        log_refused(&error);
                        last_error = Some(error);
                    }
                }
            }
            if last_telegram.elapsed() > patience {
                let last = last_error.take();
                let state = SourceState::Garbled {
                    seconds: self.line.silence,
                    last,
                };
                // Opening the port again sets its parameters anew; that is all that can be done.
                return Some(End {
                    state,
                    read_something,
                });
            }
        }
    }

    fn lost(&self, what: &str, read_something: bool) -> End {
        let error = OpenError::Lost {
            device: self.line.device.clone(),
            what: what.to_owned(),
        };
        End {
            state: SourceState::Unavailable(error),
            read_something,
        }
    }

    /// One log line and one event for each change of the state.
    async fn announce(&mut self, next: SourceState) -> Result<(), Gone> {
        if self
            .state
            .as_ref()
            .is_some_and(|state| !state.is_news(&next))
        {
            return Ok(());
        }
        if next.is_fault() {
            tracing::warn!(event = "meter.fault", "{next}");
        } else {
            tracing::info!(event = "meter.state", "{next}");
        }
        self.state = Some(next.clone());
        self.events
            .send(SourceEvent::State(next))
            .await
            .map_err(|_| Gone)
    }
}

/// A refused file is nothing to act on: the next one comes in a second. The counter and the state
/// of the line tell if it goes on.
fn log_refused(error: &DecodeError) {
    tracing::debug!(event = "meter.refused", "{error}");
}
