//! Meters of IEC 62056-21 (D0): those that send on their own, and those that are asked.
//!
//! A conversation (mode C, the usual one): `/?!` at 300 baud, seven bits, even parity; the meter
//! names itself and the rate that it offers; the acknowledgement takes the offer; both change the
//! rate, and the readout follows. Modes A and B go without an acknowledgement. What comes back of
//! what was sent, because light is reflected at the meter's window, is passed over by the decoder.
//!
//! The port stays open between two readouts, however far apart: another program that opened it in
//! between would talk into a conversation, and opening a port switches the lines that many reading
//! heads are powered from.

use std::time::Duration;

use dcnet_obis::Telegram;
use dcnet_obis::d0::{self, Identification, MAX_DATA, Mode};
use dcnet_profiles::meter::{D0Line, D0Mode, DataBits, Parity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_serial::{ClearBuffer, SerialPort as _, SerialStream};

use super::device::{self, LineMode, OpenError};
use super::feed::{Feed, Gone};
use super::protocol::{D0, D0_MODES, D0Options, d0_modes};
use super::push::{self, PushLine};
use super::{PAUSES, SourceState};
use crate::retry::Pauses;

/// The rate at which a conversation begins (section 6.1 of the standard).
pub const FIRST_BAUD: u32 = 300;

/// Most time until an answer begins, and between two characters of it: 1.5 s (section 6.3.14), and
/// what adapters take to hand it on.
const REACTION: Duration = Duration::from_secs(2);

/// Least time between hearing and answering, for both sides (section 6.3.14).
const MANNERS: Duration = Duration::from_millis(200);
/// The same for a meter that says that it is quick.
const QUICK: Duration = Duration::from_millis(20);

/// After a reading head has sent its last character: adapters tell that it is sent a moment early.
const ADAPTER: Duration = Duration::from_millis(20);

/// Reads the meter until nobody listens to `feed` any more.
pub async fn run(line: D0Line, feed: Feed) {
    match line.mode {
        D0Mode::Push => {
            let push = PushLine {
                modes: line.baud.map_or_else(|| D0_MODES.to_vec(), d0_modes),
                silence: line.silence,
                device: line.device.clone(),
            };
            let decoder = Box::new(D0::new(D0Options::from(&line)));
            push::run(push, decoder, feed).await;
        }
        D0Mode::Request => {
            let mut pause = PAUSES;
            let mut asker = Asker {
                feed,
                heard: None,
                read: None,
            };
            while let Ok(state) = asker.session(&line, &mut pause).await {
                if asker.feed.state(state).await.is_err() {
                    return;
                }
                sleep(pause.pause()).await;
            }
        }
    }
}

/// What a meter is asked, and how fast.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The meter's address; empty for whichever is there.
    pub address: String,
    /// The rate at which the conversation begins; [`FIRST_BAUD`] if it is not told.
    pub baud: Option<u32>,
    /// The most symbols per second that the reading head carries.
    pub fastest: Option<u32>,
    /// What has to be known to read the answer.
    pub options: D0Options,
}

impl From<&D0Line> for Request {
    fn from(line: &D0Line) -> Self {
        Self {
            address: line.address.clone(),
            baud: line.baud,
            fastest: line.fastest,
            options: D0Options::from(line),
        }
    }
}

impl Request {
    /// The mode of the line in which the conversation begins.
    pub fn mode(&self) -> LineMode {
        let baud = self.baud.unwrap_or(FIRST_BAUD);
        LineMode::new(baud, DataBits::Seven, Parity::Even)
    }

    /// How to go on behind the identification line: what to answer, and at which rate the readout
    /// comes.
    fn go_on(&self, meter: &Identification) -> (Option<[u8; 6]>, u32) {
        let first = self.mode().baud;
        let offered = meter
            .baud()
            .filter(|baud| self.fastest.is_none_or(|fastest| *baud <= fastest));
        match meter.mode {
            Mode::A => (None, first),
            // It does not ask whether that is too fast.
            Mode::B => (None, meter.baud().unwrap_or(first)),
            Mode::C | Mode::E => match offered {
                Some(baud) => (Some(d0::acknowledge(meter.baud_char)), baud),
                None => (Some(d0::acknowledge(character(first))), first),
            },
        }
    }
}

/// The character that stands for a rate in an acknowledgement.
const fn character(baud: u32) -> u8 {
    match baud {
        600 => b'1',
        1_200 => b'2',
        2_400 => b'3',
        4_800 => b'4',
        9_600 => b'5',
        19_200 => b'6',
        _ => b'0',
    }
}

/// Why a readout failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadoutError {
    /// Nothing came, or nothing but the echo of the request.
    #[error("the meter does not answer a request at {mode}")]
    NoAnswer {
        /// In which mode it was asked.
        mode: LineMode,
        /// Whether any byte came, its echo for instance.
        heard: bool,
    },
    /// The meter named itself, but its readout did not end.
    #[error("the meter's readout at {baud} baud broke off after {bytes} bytes")]
    BrokenOff {
        /// The agreed rate.
        baud: u32,
        /// Bytes after the identification line.
        bytes: usize,
    },
    /// The readout was refused.
    #[error("{what}")]
    Damaged {
        /// Why.
        what: String,
    },
    /// The port does not work any more.
    #[error("{0}")]
    Port(#[from] std::io::Error),
    /// The address cannot be asked for.
    #[error("{0}")]
    Address(#[from] d0::RequestError),
}

/// Asks the meter at `port` once. `tap` gets all bytes as they come in.
///
/// The port has to be open in the mode of the request, and is in it again afterwards. Takes at most
/// as long as the longest readout at the agreed rate.
///
/// # Errors
///
/// The port fails, or no undamaged readout comes.
pub async fn readout(
    port: &mut SerialStream,
    request: &Request,
    tap: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Telegram, ReadoutError> {
    let first = request.mode().baud;
    let result = Conversation {
        decoder: request.options.decoder(),
        port,
        request,
        tap,
    }
    .run()
    .await;
    // Also where it broke off: the next request begins at the first rate.
    if port.baud_rate().ok() != Some(first) {
        port.set_baud_rate(first).map_err(std::io::Error::from)?;
    }
    result
}

struct Conversation<'a> {
    port: &'a mut SerialStream,
    decoder: d0::Decoder,
    request: &'a Request,
    tap: &'a mut (dyn FnMut(&[u8]) + Send),
}

/// What a piece of bytes completes.
type Piece = (usize, Option<Result<Telegram, ReadoutError>>);

impl Conversation<'_> {
    async fn run(&mut self) -> Result<Telegram, ReadoutError> {
        let first = self.request.mode();
        // What came uncalled is of an earlier answer.
        self.port
            .clear(ClearBuffer::Input)
            .map_err(std::io::Error::from)?;
        let asked = d0::request(&self.request.address)?;
        self.send(&asked, first.baud).await?;

        let mut deadline = Instant::now() + REACTION;
        let (mut heard, mut done) = (0, None);
        let meter = loop {
            let Some((bytes, result)) = self.piece(deadline).await? else {
                return Err(ReadoutError::NoAnswer {
                    mode: first,
                    heard: heard > 0,
                });
            };
            if heard == 0 {
                // An identification line, and its beginning for a second time if it is echoed.
                deadline =
                    Instant::now() + REACTION + lasting(2 * d0::MAX_IDENTIFICATION, first.baud);
            }
            heard += bytes;
            done = done.or(result);
            if let Some(meter) = self.decoder.identification() {
                break meter.clone();
            }
        };
        if let Some(result) = done {
            return result;
        }
        let (answer, baud) = self.request.go_on(&meter);
        if let Some(answer) = answer {
            sleep(if meter.quick { QUICK } else { MANNERS }).await;
            self.send(&answer, first.baud).await?;
        }
        if baud != first.baud {
            self.port
                .set_baud_rate(baud)
                .map_err(std::io::Error::from)?;
        }
        self.message(baud).await
    }

    /// Reads the readout itself.
    async fn message(&mut self, baud: u32) -> Result<Telegram, ReadoutError> {
        let longest = Instant::now() + REACTION + lasting(MAX_DATA, baud);
        let mut total = 0;
        loop {
            let deadline = longest.min(Instant::now() + REACTION);
            match self.piece(deadline).await? {
                None => return Err(ReadoutError::BrokenOff { baud, bytes: total }),
                Some((_, Some(result))) => return result,
                Some((bytes, None)) => total += bytes,
            }
        }
    }

    /// The next bytes; `None` if none come.
    async fn piece(&mut self, deadline: Instant) -> Result<Option<Piece>, ReadoutError> {
        let mut buffer = [0_u8; 1024];
        let got = match timeout_at(deadline, self.port.read(&mut buffer)).await {
            Err(_) => return Ok(None),
            Ok(Ok(0)) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            Ok(got) => got?,
        };
        let bytes = buffer.get_mut(..got).unwrap_or_default();
        (self.tap)(bytes);
        self.request.mode().strip(bytes);
        let mut done = None;
        self.decoder.push_with(bytes, |result| {
            let result = result.map_err(|error| ReadoutError::Damaged {
                what: error.to_string(),
            });
            // What is damaged before a good readout is of no interest.
            if !matches!(done, Some(Ok(_))) {
                done = Some(result);
            }
        });
        Ok(Some((got, done)))
    }

    /// Sends, and waits until it is sent: the rate must not change before.
    async fn send(&mut self, bytes: &[u8], baud: u32) -> Result<(), ReadoutError> {
        self.port.write_all(bytes).await?;
        // Flushing blocks; after this it has nothing left to wait for.
        sleep(lasting(bytes.len(), baud)).await;
        self.port.flush().await?;
        sleep(ADAPTER).await;
        Ok(())
    }
}

/// How long so many characters take: ten bits each.
fn lasting(characters: usize, baud: u32) -> Duration {
    let micros = characters as u64 * 10_000_000 / u64::from(baud.max(1));
    Duration::from_micros(micros)
}

/// Asks a meter again and again.
struct Asker {
    feed: Feed,
    /// When the last byte came.
    heard: Option<Instant>,
    /// When the last telegram came.
    read: Option<Instant>,
}

impl Asker {
    /// One opening of the port, to its end.
    async fn session(&mut self, line: &D0Line, pause: &mut Pauses) -> Result<SourceState, Gone> {
        let request = Request::from(line);
        let mut port = match device::open(&line.device, request.mode()) {
            Ok(port) => port,
            Err(error) => return Ok(SourceState::Unavailable(error)),
        };
        self.feed.state(SourceState::Open).await?;
        let opened = Instant::now();
        let every = Duration::from_secs(line.every);
        loop {
            let begun = Instant::now();
            let next = match self.twice(&mut port, &request).await? {
                Ok(telegram) => {
                    self.read = Some(Instant::now());
                    pause.reset();
                    self.feed.telegram(telegram).await?;
                    begun + every
                }
                Err(ReadoutError::Port(error)) => {
                    return Ok(SourceState::Unavailable(OpenError::Lost {
                        device: line.device.clone(),
                        what: error.to_string(),
                    }));
                }
                Err(ReadoutError::NoAnswer { heard: false, .. }) => {
                    let since = self.heard.map_or(opened, |heard| heard.max(opened));
                    if since.elapsed() >= Duration::from_secs(line.silence) {
                        return Ok(SourceState::Silent {
                            seconds: line.silence,
                        });
                    }
                    pause.pause();
                    Instant::now() + every.min(pause.upcoming())
                }
                Err(error) => {
                    let since = self.read.unwrap_or(opened);
                    let state = SourceState::Garbled {
                        protocol: "D0",
                        seconds: since.elapsed().as_secs(),
                        last: Some(error.to_string()),
                    };
                    self.feed.state(state).await?;
                    begun + every
                }
            };
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.feed.gone() => return Err(Gone),
            }
        }
    }

    /// One readout, which is asked for a second time at once if it was damaged.
    async fn twice(
        &mut self,
        port: &mut SerialStream,
        request: &Request,
    ) -> Result<Result<Telegram, ReadoutError>, Gone> {
        let mut again = true;
        loop {
            let mut last = None;
            let mut tap = |_: &[u8]| last = Some(Instant::now());
            let result = tokio::select! {
                result = readout(port, request, &mut tap) => result,
                () = self.feed.gone() => return Err(Gone),
            };
            self.heard = last.or(self.heard);
            let damaged = matches!(
                result,
                Err(ReadoutError::Damaged { .. } | ReadoutError::BrokenOff { .. })
            );
            if let (true, Err(error)) = (damaged, &result) {
                self.feed.refused(&error.to_string());
                if again {
                    again = false;
                    sleep(MANNERS).await;
                    continue;
                }
            }
            return Ok(result);
        }
    }
}
