//! Telegrams that a meter sends on its own over a serial line.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use dcnet_profiles::meter::SerialLine;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep, timeout_at};

use super::device::{self, LineMode, OpenError};
use super::feed::{Feed, Gone};
use super::protocol::{Protocol, SML_MODES, Sml};
use super::{PAUSES, SourceState, quirks};

/// A line on which a meter sends on its own.
#[derive(Debug, Clone)]
pub struct PushLine {
    /// The port.
    pub device: PathBuf,
    /// The modes of the line to try, the likeliest first.
    pub modes: Vec<LineMode>,
    /// Seconds without any byte after which the port is opened anew.
    pub silence: u64,
}

impl PushLine {
    /// The line to an SML meter: the mode of the profile, or those of such meters.
    pub fn sml(line: &SerialLine) -> Self {
        Self {
            device: line.device.clone(),
            modes: modes(line),
            silence: line.silence,
        }
    }
}

/// Characters of a readout that is waited for on a slow line before it counts as garbled.
const LONG_READOUT: u32 = 20_000;

/// Time for one mode while the right one is looked for, if bytes come in.
fn trial(mode: LineMode) -> Duration {
    // Ten bits to the character: at 300 baud a readout takes half a minute.
    let bits = u64::from(LONG_READOUT);
    Duration::from_secs((bits / u64::from(mode.baud.max(1))).max(6))
}

/// Reads an SML meter until nobody listens to `feed` any more.
pub async fn run_sml(line: SerialLine, mut feed: Feed) {
    let rules = || {
        let rules = quirks::load(line.quirks.as_deref());
        rules.map_err(|error| format!("sml.quirks: {error}"))
    };
    let Ok(catalog) = feed.wait_for(rules).await else {
        return;
    };
    let decoder = Box::new(Sml::with_catalog(&catalog));
    run(PushLine::sml(&line), decoder, feed).await;
}

/// Reads the line until nobody listens to `feed` any more; a lost, silent or garbled port is opened
/// again and again.
pub async fn run(line: PushLine, decoder: Box<dyn Protocol>, feed: Feed) {
    let modes = line.modes.clone();
    let mut reader = Reader {
        line,
        feed,
        decoder,
    };
    let mut pause = PAUSES;
    let (mut current, mut found) = (0, modes.len() < 2);
    loop {
        let mode = modes.get(current).copied().unwrap_or_default();
        let Ok(end) = reader.session(mode, found).await else {
            return;
        };
        if end.read_something {
            pause.reset();
            found = true;
        }
        let mut state = end.state;
        if !found && state.is_unreadable() {
            current = (current + 1) % modes.len().max(1);
            let next = modes.get(current).copied().unwrap_or_default();
            if current != 0 {
                // Only after all of them is it a fault.
                state = SourceState::Trying { failed: mode, next };
                pause.reset();
            }
        }
        if reader.feed.state(state).await.is_err() {
            return;
        }
        sleep(pause.pause()).await;
    }
}

/// The modes to try: the one of the profile, or those of the protocol.
fn modes(line: &SerialLine) -> Vec<LineMode> {
    if let Some(baud) = line.baud {
        let (bits, parity) = (line.data_bits, line.parity);
        return vec![LineMode::new(
            baud,
            bits.unwrap_or_default(),
            parity.unwrap_or_default(),
        )];
    }
    let fits = |mode: &&LineMode| {
        line.data_bits.is_none_or(|bits| bits == mode.data_bits)
            && line.parity.is_none_or(|parity| parity == mode.parity)
    };
    let modes: Vec<_> = SML_MODES.iter().filter(fits).copied().collect();
    if !modes.is_empty() {
        return modes;
    }
    // The owner knows better than the table.
    let asked = |mode: &LineMode| LineMode {
        data_bits: line.data_bits.unwrap_or(mode.data_bits),
        parity: line.parity.unwrap_or(mode.parity),
        ..*mode
    };
    SML_MODES.iter().map(asked).collect()
}

struct Reader {
    line: PushLine,
    feed: Feed,
    decoder: Box<dyn Protocol>,
}

/// How the port's session ended.
struct End {
    state: SourceState,
    read_something: bool,
}

impl Reader {
    /// One opening of the port, to its end. `found`: whether this mode is known to be right.
    async fn session(&mut self, mode: LineMode, found: bool) -> Result<End, Gone> {
        let port = match device::open(&self.line.device, mode) {
            Ok(port) => port,
            Err(error) => {
                return Ok(End {
                    state: SourceState::Unavailable(error),
                    read_something: false,
                });
            }
        };
        self.feed.state(SourceState::Open).await?;
        self.decoder.reset();
        self.read(port, mode, found).await
    }

    async fn read(
        &mut self,
        mut port: impl AsyncRead + Unpin,
        mode: LineMode,
        found: bool,
    ) -> Result<End, Gone> {
        let silence = Duration::from_secs(self.line.silence);
        // What takes long on a slow line is not garbled.
        let patience = match trial(mode) {
            slow if mode.baud < 4_800 => slow,
            _ if found => silence,
            trial => silence.min(trial),
        };
        let mut buffer = [0_u8; 1024];
        let mut last_error = None;
        let mut read_something = false;
        let mut last_telegram = Instant::now();
        let end = |state, read_something| {
            Ok(End {
                state,
                read_something,
            })
        };
        loop {
            let got = match timeout_at(Instant::now() + silence, port.read(&mut buffer)).await {
                Err(_) => {
                    let seconds = self.line.silence;
                    return end(SourceState::Silent { seconds }, read_something);
                }
                Ok(Ok(0)) => return end(self.lost("end of file"), read_something),
                Ok(Ok(got)) => got,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Err(error)) => return end(self.lost(&error.to_string()), read_something),
            };
            let bytes = buffer.get_mut(..got).unwrap_or_default();
            mode.strip(bytes);
            let mut telegrams = Vec::new();
            let feed = &self.feed;
            self.decoder.push(bytes, &mut |decoded| match decoded {
                Ok(telegram) => telegrams.push(telegram),
                Err(error) => {
                    feed.refused(&error);
                    last_error = Some(error);
                }
            });
            for telegram in telegrams {
                last_telegram = Instant::now();
                read_something = true;
                self.feed.telegram(telegram).await?;
            }
            if last_telegram.elapsed() > patience {
                let state = SourceState::Garbled {
                    protocol: self.decoder.name(),
                    seconds: last_telegram.elapsed().as_secs(),
                    last: last_error.take(),
                };
                // Opening the port again sets its parameters anew; that is all that can be done.
                return end(state, read_something);
            }
        }
    }

    fn lost(&self, what: &str) -> SourceState {
        SourceState::Unavailable(OpenError::Lost {
            device: self.line.device.clone(),
            what: what.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use dcnet_profiles::meter::{DataBits, Parity};

    use super::*;

    fn line(baud: Option<u32>, parity: Option<Parity>) -> SerialLine {
        SerialLine {
            device: "x".into(),
            baud,
            parity,
            data_bits: None,
            silence: 1,
            quirks: None,
        }
    }

    #[test]
    fn what_the_profile_says_is_not_looked_for() {
        let one = modes(&line(Some(2_400), Some(Parity::Even)));
        assert_eq!(one, [LineMode::new(2_400, DataBits::Eight, Parity::Even)]);
        assert_eq!(modes(&line(None, None)), SML_MODES);
        let even = modes(&line(None, Some(Parity::Even)));
        assert_eq!(even.len(), SML_MODES.len());
        assert!(even.iter().all(|mode| mode.parity == Parity::Even));
    }
}
