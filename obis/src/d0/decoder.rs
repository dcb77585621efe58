//! The push decoder.

use core::fmt;

use crc::{CRC_16_ARC, Crc, Table};

use super::data::{self, Reading};
use super::{ACK, DecodeError, ETX, Identification, MAX_DATA, MAX_IDENTIFICATION, STX};
use crate::{Statistics, Telegram};

pub(super) static ARC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);

/// Turns the bytes that a meter sends, in pieces of any size, into telegrams.
///
/// It may be started in the middle of a readout and fed with garbage, or with the echo of what was
/// sent to the meter; see the [module](super) for what a telegram has passed when it comes out, and
/// for the bounds.
pub struct Decoder {
    reading: Reading,
    place: Place,
    /// The identification line as it came, with its line break: a CRC covers it.
    head: Vec<u8>,
    /// What follows it, without STX.
    data: Vec<u8>,
    identification: Option<Identification>,
    /// Bytes since the readout under way began.
    pending: u64,
    /// Bytes of readouts that became telegrams.
    accepted: u64,
    statistics: Statistics,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between readouts.
    Outside,
    /// In what may be an identification line.
    Head,
    /// Behind an identification line; was there an empty line already?
    Start { blank: bool },
    /// In the echo of an acknowledgement.
    Echo,
    /// Between STX and ETX.
    Block,
    /// Behind ETX.
    BlockCheck,
    /// In data without STX; did an empty line come before it?
    Plain { blank: bool },
}

impl Decoder {
    /// A decoder that has seen nothing yet.
    pub fn new() -> Self {
        Self {
            reading: Reading {
                medium: 1,
                kilowatt_hours: false,
            },
            place: Place::Outside,
            head: Vec::new(),
            data: Vec::new(),
            identification: None,
            pending: 0,
            accepted: 0,
            statistics: Statistics::default(),
        }
    }

    /// Takes registers of active energy (1.8.x, 2.8.x) without a unit for kWh, as meters such as
    /// EMH eHZ-E send them. Without this they stay text, so there is no reading.
    #[must_use]
    pub fn energy_in_kilowatt_hours(mut self) -> Self {
        self.reading.kilowatt_hours = true;
        self
    }

    /// Gives addresses without a medium this one (value group A: 1 electricity, which is the
    /// default, 6 heat, 7 gas, 8 and 9 water).
    #[must_use]
    pub fn with_medium(mut self, medium: u8) -> Self {
        self.reading.medium = medium;
        self
    }

    /// The identification line and the data of the readout that the last byte completed.
    pub(super) fn last_readout(&self) -> (&[u8], &[u8]) {
        (&self.head, &self.data)
    }

    /// Whether the next byte is a block check.
    pub(super) fn expects_block_check(&self) -> bool {
        self.place == Place::BlockCheck
    }

    /// Takes the next bytes; hands back the telegrams that they complete and the reasons for
    /// refusing readouts, in the order of the bytes.
    ///
    /// Bytes outside of readouts are no error, only counted: a reader usually starts in the middle
    /// of one.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Telegram, DecodeError>> {
        let mut results = Vec::new();
        self.push_with(bytes, |result| results.push(result));
        results
    }

    /// The same as [`Decoder::push`], with a function to call for each result.
    pub fn push_with(&mut self, bytes: &[u8], mut sink: impl FnMut(Result<Telegram, DecodeError>)) {
        for byte in bytes {
            self.statistics.bytes += 1;
            self.pending += 1;
            let Some(result) = self.step(byte & 0x7f) else {
                continue;
            };
            match &result {
                Ok(_) => self.statistics.telegrams += 1,
                Err(error) if error.is_checksum() => self.statistics.checksum_errors += 1,
                Err(_) => self.statistics.other_errors += 1,
            }
            sink(result);
        }
    }

    /// The last identification line that came since the beginning or the last
    /// [`reset`](Self::reset); how to go on after a request stands in it. No check covers it,
    /// except in a telegram with a CRC.
    pub const fn identification(&self) -> Option<&Identification> {
        self.identification.as_ref()
    }

    /// What the decoder has met since its beginning.
    pub const fn statistics(&self) -> Statistics {
        let mut statistics = self.statistics;
        statistics.discarded_bytes = statistics.bytes - self.accepted - self.pending;
        statistics
    }

    /// Forgets a readout of which only a part has come and the last identification line, for
    /// instance because a new request is sent. The statistics go on.
    pub fn reset(&mut self) {
        self.leave();
        self.identification = None;
    }

    fn step(&mut self, byte: u8) -> Option<Result<Telegram, DecodeError>> {
        match self.place {
            Place::Outside => {
                self.pending = 0;
                match byte {
                    b'/' => self.begin_head(),
                    STX => self.begin_block(1),
                    _ => {}
                }
                None
            }
            Place::Head => {
                self.step_head(byte);
                None
            }
            Place::Start { blank } => {
                self.step_start(byte, blank);
                None
            }
            Place::Echo => {
                if byte == b'\n' {
                    self.place = Place::Start { blank: false };
                } else if self.pending > MAX_DATA as u64 {
                    self.leave();
                }
                None
            }
            Place::Block => self.step_block(byte),
            Place::BlockCheck => Some(self.check_block(byte)),
            Place::Plain { blank } => self.step_plain(byte, blank),
        }
    }

    fn step_head(&mut self, byte: u8) {
        match byte {
            // Also ends the echo of a request to which the answer follows without a line break.
            b'/' => self.begin_head(),
            STX => self.begin_block(self.pending),
            b'\n' => {
                self.head.push(byte);
                self.end_head();
            }
            b'\r' | b' '..=b'~' if self.head.len() < MAX_IDENTIFICATION + 2 => self.head.push(byte),
            _ => self.leave(),
        }
    }

    /// Goes on behind the line in `head`, if it identifies a meter.
    fn end_head(&mut self) {
        if let Some(identification) = Identification::parse(&self.head) {
            self.identification = Some(identification);
            self.data.clear();
            self.place = Place::Start { blank: false };
        } else {
            self.leave();
        }
    }

    fn step_start(&mut self, byte: u8, blank: bool) {
        match byte {
            STX => self.begin_block(self.pending),
            ACK => self.place = Place::Echo,
            b'/' => self.begin_head(),
            b'\r' if self.data.len() < MAX_DATA => self.data.push(byte),
            b'\n' if self.data.len() < MAX_DATA => {
                self.data.push(byte);
                self.place = Place::Start { blank: true };
            }
            b' '..=b'~' => {
                self.data.push(byte);
                self.place = Place::Plain { blank };
            }
            // What a port reads while the rate changes.
            _ => self.leave(),
        }
    }

    fn step_block(&mut self, byte: u8) -> Option<Result<Telegram, DecodeError>> {
        if byte == ETX {
            self.place = Place::BlockCheck;
            return None;
        }
        self.take_data(byte).map(Err)
    }

    fn check_block(&mut self, got: u8) -> Result<Telegram, DecodeError> {
        let expected = self.data.iter().fold(ETX, |check, byte| check ^ byte);
        let length = self.data.len();
        let checked = if got != expected {
            Err(DecodeError::BlockCheck {
                expected,
                got,
                length,
            })
        } else if let Some(end) = data::end(&self.data) {
            let (before, behind) = self.data.split_at(end);
            let rest = behind.get(1..).unwrap_or_default();
            if rest.trim_ascii().is_empty() {
                Ok(before)
            } else {
                Err(DecodeError::End { line: line(before) })
            }
        } else {
            Err(DecodeError::NoEnd { length })
        };
        let result = checked.and_then(|text| data::read(text, self.reading));
        self.finish(result)
    }

    fn step_plain(&mut self, byte: u8, blank: bool) -> Option<Result<Telegram, DecodeError>> {
        // The text so far was what a port reads while the rate changes; or it broke off.
        if byte == STX {
            let length = self.data.len();
            self.begin_block(if blank { 1 } else { self.pending });
            return blank.then_some(Err(DecodeError::BrokenOff { length }));
        }
        let length = self.data.len();
        // The line break after a checksum was lost.
        if byte == b'/' && self.data.get(last_line(&self.data)..)?.starts_with(b"!") {
            self.begin_head();
            return Some(Err(DecodeError::BrokenOff { length }));
        }
        let error = self.take_data(byte);
        if matches!(error, Some(DecodeError::Control { .. })) && !blank {
            return None; // the same
        }
        if byte != b'\n' || self.place != (Place::Plain { blank }) {
            return error.map(Err);
        }
        // Only the last line is looked at: parentheses do not reach over lines.
        let begin = last_line(&self.data);
        let end = begin + data::end(self.data.get(begin..)?)?;
        let (before, behind) = self.data.split_at_checked(end)?;
        let checked = match behind.get(1..).unwrap_or_default().trim_ascii() {
            [] if !blank => Err(DecodeError::Unchecked { length }),
            // A line break that was changed into a `!` must not cut off the rest unseen.
            _ if end != begin => Err(DecodeError::End { line: line(before) }),
            [] => Ok(()),
            told => match crc(told) {
                None => Err(DecodeError::End { line: line(before) }),
                Some(got) => {
                    let mut digest = ARC.digest();
                    digest.update(&self.head);
                    digest.update(before);
                    digest.update(b"!");
                    let expected = digest.finalize();
                    (got == expected).then_some(()).ok_or(DecodeError::Crc {
                        expected,
                        got,
                        length,
                    })
                }
            },
        };
        let result = checked.and_then(|()| data::read(before, self.reading));
        Some(self.finish(result))
    }

    /// Appends a byte to the data; an error ends the readout.
    fn take_data(&mut self, byte: u8) -> Option<DecodeError> {
        let length = self.data.len();
        if !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~') {
            self.leave();
            return Some(DecodeError::Control { got: byte, length });
        }
        if length == MAX_DATA {
            self.leave();
            return Some(DecodeError::TooLong { limit: MAX_DATA });
        }
        self.data.push(byte);
        if byte != b'\n' {
            return None;
        }
        // An identification line within data is that of the next readout.
        let begin = last_line(&self.data);
        let last = self.data.get(begin..).unwrap_or_default();
        Identification::parse(last)?;
        self.head.clear();
        self.head.extend_from_slice(last);
        self.pending = self.head.len() as u64;
        self.end_head();
        Some(DecodeError::BrokenOff { length: begin })
    }

    fn begin_head(&mut self) {
        self.pending = 1;
        self.head.clear();
        self.head.push(b'/');
        self.place = Place::Head;
    }

    fn begin_block(&mut self, pending: u64) {
        self.pending = pending;
        self.data.clear();
        self.place = Place::Block;
    }

    fn leave(&mut self) {
        self.pending = 0;
        self.place = Place::Outside;
    }

    fn finish(&mut self, result: Result<Telegram, DecodeError>) -> Result<Telegram, DecodeError> {
        if result.is_ok() {
            self.accepted += self.pending;
        }
        self.leave();
        result
    }
}

/// Where the last line of a text begins that ends with a line break.
fn last_line(text: &[u8]) -> usize {
    let before = text.split_last().map_or(text, |(_, before)| before);
    let end = before.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |end| end + 1)
}

/// The number of the line behind this text, from 1.
fn line(before: &[u8]) -> usize {
    before.split(|byte| *byte == b'\n').count()
}

/// The number that four hexadecimal digits stand for.
fn crc(digits: &[u8]) -> Option<u16> {
    let digits: [u8; 4] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |number: u16, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(number << 4 | u16::try_from(digit).ok()?)
    })
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The counters only: the bytes in between are a household's readings.
impl fmt::Debug for Decoder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Decoder")
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
