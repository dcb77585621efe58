//! Telegrams that a meter sends on its own over a serial line.

use std::io;
use std::time::Duration;

use dcnet_obis::Telegram;
use dcnet_profiles::meter::{DataBits, Parity, SerialLine};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep, timeout_at};

use super::device::{self, LineMode, OpenError};
use super::feed::{Feed, Gone};
use super::{SourceState, pause};

/// What turns bytes into telegrams.
pub trait Protocol: Send {
    /// Its name in messages.
    const NAME: &'static str;
    /// The modes of a line that meters of this kind use, the usual one first.
    const MODES: &'static [LineMode];
    /// A decoder that has seen nothing yet.
    fn begin() -> Self;
    /// Takes the next bytes; what they complete, or why it was refused.
    fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Result<Telegram, String>));
}

/// SML (BSI TR-03109-1, annex IV b).
pub struct Sml(dcnet_obis::sml::Decoder);

impl Protocol for Sml {
    const NAME: &'static str = "SML";
    const MODES: &'static [LineMode] = &[
        LineMode::new(9_600, DataBits::Eight, Parity::None),
        LineMode::new(115_200, DataBits::Eight, Parity::None),
        LineMode::new(57_600, DataBits::Eight, Parity::None),
        LineMode::new(38_400, DataBits::Eight, Parity::None),
        LineMode::new(19_200, DataBits::Eight, Parity::None),
        LineMode::new(921_600, DataBits::Eight, Parity::None),
    ];
    fn begin() -> Self {
        Self(dcnet_obis::sml::Decoder::new())
    }
    fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Result<Telegram, String>)) {
        self.0
            .push_with(bytes, |result| sink(result.map_err(|e| e.to_string())));
    }
}

/// Time for one mode while the right one is looked for, if bytes come in.
const TRIAL: Duration = Duration::from_secs(6);

/// Reads the line until nobody listens to `feed` any more; a lost, silent or garbled port is opened
/// again and again.
pub async fn run<P: Protocol>(line: SerialLine, feed: Feed) {
    let modes = modes::<P>(&line);
    let mut reader = Reader {
        line,
        feed,
        decoder: P::begin(),
    };
    let mut pause = pause::SHORTEST;
    let (mut current, mut found) = (0, modes.len() < 2);
    loop {
        let mode = modes.get(current).copied().unwrap_or_default();
        let Ok(end) = reader.session(mode, found).await else {
            return;
        };
        if end.read_something {
            pause = pause::SHORTEST;
            found = true;
        }
        let mut state = end.state;
        if !found && state.is_unreadable() {
            current = (current + 1) % modes.len().max(1);
            let next = modes.get(current).copied().unwrap_or_default();
            if current != 0 {
                // Only after all of them is it a fault.
                state = SourceState::Trying { failed: mode, next };
                pause = pause::SHORTEST;
            }
        }
        if reader.feed.state(state).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = pause::longer(pause);
    }
}

/// The modes to try: the one of the profile, or those of the protocol.
fn modes<P: Protocol>(line: &SerialLine) -> Vec<LineMode> {
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
    let modes: Vec<_> = P::MODES.iter().filter(fits).copied().collect();
    if !modes.is_empty() {
        return modes;
    }
    // The owner knows better than the table.
    let asked = |mode: &LineMode| LineMode {
        data_bits: line.data_bits.unwrap_or(mode.data_bits),
        parity: line.parity.unwrap_or(mode.parity),
        ..*mode
    };
    P::MODES.iter().map(asked).collect()
}

struct Reader<P> {
    line: SerialLine,
    feed: Feed,
    decoder: P,
}

/// How the port's session ended.
struct End {
    state: SourceState,
    read_something: bool,
}

impl<P: Protocol> Reader<P> {
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
        self.decoder = P::begin();
        self.read(port, mode, found).await
    }

    async fn read(
        &mut self,
        mut port: impl AsyncRead + Unpin,
        mode: LineMode,
        found: bool,
    ) -> Result<End, Gone> {
        let silence = Duration::from_secs(self.line.silence);
        let patience = if found { silence } else { silence.min(TRIAL) };
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
                    protocol: P::NAME,
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
    use super::*;

    fn line(baud: Option<u32>, parity: Option<Parity>) -> SerialLine {
        SerialLine {
            device: "x".into(),
            baud,
            parity,
            data_bits: None,
            silence: 1,
        }
    }

    #[test]
    fn what_the_profile_says_is_not_looked_for() {
        let one = modes::<Sml>(&line(Some(2_400), Some(Parity::Even)));
        assert_eq!(one, [LineMode::new(2_400, DataBits::Eight, Parity::Even)]);
        assert_eq!(modes::<Sml>(&line(None, None)), Sml::MODES);
        let even = modes::<Sml>(&line(None, Some(Parity::Even)));
        assert_eq!(even.len(), Sml::MODES.len());
        assert!(even.iter().all(|mode| mode.parity == Parity::Even));
    }
}
