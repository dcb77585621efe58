//! From bytes to files: transport version 1 (BSI TR-03109-1 annex IV b, section 8).

use sml_rs::transport;
use sml_rs::util::ArrayBuf;

use super::{Checksum, DecodeError, END, ESCAPE, MAX_FILE, START};

/// The end of a file: four escape bytes, [`END`], padding, checksum.
const END_LENGTH: usize = 8;

/// sml-rs also buffers the second half of the end.
const BUFFER: usize = MAX_FILE + END_LENGTH / 2;

/// The bytes of a file between its escape sequences, padding removed.
pub(super) struct File<'a> {
    pub(super) body: &'a [u8],
    pub(super) checksum: Checksum,
}

/// Finds files in a stream of bytes.
pub(super) struct Framer {
    /// Knows transport version 1 with X.25; only ever sees bytes from a start sequence on.
    transport: Box<transport::Decoder<ArrayBuf<BUFFER>>>,
    place: Place,
    /// The current file as it came, from its start sequence: for the second look.
    raw: Vec<u8>,
    unescaped: Vec<u8>,
    discarded: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between files; so many bytes of a start sequence were the last ones.
    Outside {
        matched: usize,
    },
    Inside,
}

/// The counter only: the bytes in between are a household's readings.
impl core::fmt::Debug for Framer {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Framer")
            .field("discarded", &self.discarded)
            .finish_non_exhaustive()
    }
}

impl Framer {
    pub(super) fn new() -> Self {
        Self {
            transport: Box::new(transport::Decoder::new()),
            place: Place::Outside { matched: 0 },
            raw: Vec::new(),
            unescaped: Vec::new(),
            discarded: 0,
        }
    }

    /// Bytes outside of files and of files that were refused or broken off, so far.
    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Forgets the file that has not ended yet.
    pub(super) fn reset(&mut self) {
        let pending = match self.place {
            Place::Outside { matched } => matched,
            Place::Inside => self.raw.len(),
        };
        self.discard(pending);
        self.place = Place::Outside { matched: 0 };
    }

    /// Takes the next bytes; calls back for each file that ends in them and each one that turns
    /// out broken.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(Result<File<'_>, DecodeError>),
    ) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Outside { matched } => self.search(matched, bytes),
                Place::Inside => self.feed(bytes, &mut sink),
            };
        }
    }

    /// Looks for a start sequence; gives back the bytes behind it, or none.
    fn search<'a>(&mut self, mut matched: usize, bytes: &'a [u8]) -> &'a [u8] {
        for (index, byte) in bytes.iter().enumerate() {
            let before = matched;
            matched = follow_start(matched, *byte);
            // What was counted as a part of a start and is none any more, and this byte.
            self.discard(before + 1 - matched);
            if matched == START.len() {
                self.begin();
                return bytes.get(index + 1..).unwrap_or_default();
            }
        }
        self.place = Place::Outside { matched };
        &[]
    }

    fn begin(&mut self) {
        self.place = Place::Inside;
        self.raw.clear();
        self.raw.extend_from_slice(&START);
        self.transport.reset();
        for byte in START {
            // A start sequence alone is neither a file nor an error.
            let _ = self.transport.push_byte(byte);
        }
    }

    /// Reads on within a file up to its end or an error; gives back the bytes behind that.
    fn feed<'a>(
        &mut self,
        bytes: &'a [u8],
        sink: &mut impl FnMut(Result<File<'_>, DecodeError>),
    ) -> &'a [u8] {
        for (index, byte) in bytes.iter().enumerate() {
            let problem = match self.transport.push_byte(*byte) {
                Ok(None) => continue,
                Ok(Some(body)) => {
                    self.place = Place::Outside { matched: 0 };
                    sink(Ok(File {
                        body,
                        checksum: Checksum::X25,
                    }));
                    return bytes.get(index + 1..).unwrap_or_default();
                }
                Err(problem) => problem,
            };
            let (used, rest) = bytes.split_at(index + 1);
            self.raw.extend_from_slice(used);
            self.settle(&problem, sink);
            return rest;
        }
        self.raw.extend_from_slice(bytes);
        &[]
    }

    /// Decides what becomes of a file that sml-rs refused.
    fn settle(
        &mut self,
        problem: &transport::DecodeErr,
        sink: &mut impl FnMut(Result<File<'_>, DecodeError>),
    ) {
        let length = self.raw.len();
        let error = match *problem {
            transport::DecodeErr::DiscardedBytes(_) => {
                // sml-rs has begun anew with the start sequence that it met, and so do we.
                let length = length.saturating_sub(START.len());
                self.discard(length);
                self.begin();
                sink(Err(DecodeError::BrokenOff { length }));
                return;
            }
            transport::DecodeErr::InvalidMessage { .. } => {
                match second_look(&self.raw, &mut self.unescaped) {
                    Ok((checksum, start)) => {
                        self.place = Place::Outside { matched: 0 };
                        self.discard(start);
                        sink(Ok(File {
                            body: &self.unescaped,
                            checksum,
                        }));
                        return;
                    }
                    Err(error) => error,
                }
            }
            transport::DecodeErr::InvalidEsc(got) => DecodeError::Escape { got },
            transport::DecodeErr::OutOfMemory => DecodeError::TooLong { limit: MAX_FILE },
        };
        // If a file breaks off within its end, the start of the next one was read as a part of
        // it: the last bytes may be the first ones of a start.
        let matched = self.raw.iter().fold(0, |matched, byte| {
            follow_start(matched, *byte) % START.len()
        });
        self.discard(length - matched);
        self.place = Place::Outside { matched };
        sink(Err(error));
    }

    fn discard(&mut self, bytes: usize) {
        self.discarded = self.discarded.saturating_add(bytes as u64);
    }
}

/// How many bytes of a start sequence end with this byte, if so many ended with the one before.
fn follow_start(matched: usize, byte: u8) -> usize {
    match (matched, byte) {
        (4, ESCAPE) => 4, // a fifth escape byte: the first one did not belong to the start
        (0..4, ESCAPE) | (4.., 1) => matched + 1,
        (_, ESCAPE) => 1,
        _ => 0,
    }
}

/// Looks again at a file with a complete end that sml-rs refused: its checksum may be KERMIT, its
/// padding four bytes; or it broke off right before four escape bytes, and the next file, whose
/// start was taken for escaped data, is good.
///
/// Gives the kind of checksum and where in the bytes the file begins.
fn second_look(raw: &[u8], body: &mut Vec<u8>) -> Result<(Checksum, usize), DecodeError> {
    let first = match check(raw, body) {
        Ok(checksum) => return Ok((checksum, 0)),
        Err(error) => error,
    };
    let later_starts = raw
        .windows(START.len())
        .enumerate()
        .skip(1)
        .filter(|(_, window)| *window == START)
        .map(|(start, _)| start);
    // Escaped data may look like a start as well. The number of tries bounds the work per byte.
    for start in later_starts.take(8) {
        if let Some(later) = raw.get(start..)
            && let Ok(checksum) = check(later, body)
        {
            return Ok((checksum, start));
        }
    }
    Err(first)
}

fn check(raw: &[u8], body: &mut Vec<u8>) -> Result<Checksum, DecodeError> {
    let length = raw.len();
    let damaged = |padding| DecodeError::Padding { padding, length };
    let (Some((checked, &[high, low])), Some(content)) = (
        raw.split_last_chunk::<2>(),
        length
            .checked_sub(END_LENGTH)
            .and_then(|end| raw.get(START.len()..end)),
    ) else {
        return Err(damaged(0));
    };
    let got = u16::from_be_bytes([high, low]);
    let checksum = Checksum::recognise(checked, got).ok_or_else(|| DecodeError::Checksum {
        expected: Checksum::X25.of(checked),
        got,
        length,
    })?;
    let Some((_, &[END, padding])) = checked.split_last_chunk::<2>() else {
        return Err(damaged(0));
    };
    unescape(content, body)?;
    // Padding makes up for the length modulo four: 0 to 3 bytes, and 4 in place of 0.
    if padding > 4 || !length.is_multiple_of(4) || body.len() < usize::from(padding) {
        return Err(damaged(padding));
    }
    body.truncate(body.len() - usize::from(padding));
    Ok(checksum)
}

/// Removes the escape bytes before data that looks like an escape sequence.
fn unescape(mut content: &[u8], body: &mut Vec<u8>) -> Result<(), DecodeError> {
    body.clear();
    while let Some((byte, rest)) = content.split_first() {
        if let Some(([ESCAPE, ESCAPE, ESCAPE, ESCAPE, escaped @ ..], rest)) =
            content.split_first_chunk::<8>()
        {
            if escaped != &[ESCAPE; 4] {
                return Err(DecodeError::Escape { got: *escaped });
            }
            body.extend_from_slice(escaped);
            content = rest;
        } else {
            body.push(*byte);
            content = rest;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The buffers never hold more than what [`MAX_FILE`] allows, whatever comes in.
    #[test]
    fn memory_is_bounded() {
        let escaped = [ESCAPE; 64];
        let endless: [&[u8]; 5] = [
            b"\x76\x1b\x1b\x01",
            &escaped,
            &START,
            b"\x1b\x1b\x1b\x1b\x1a\x00\x00\x00",
            b"\x00",
        ];
        let mut framer = Framer::new();
        for pattern in endless {
            framer.push(&START, |_| ());
            let piece = pattern.repeat(4000);
            for _ in 0..20 {
                framer.push(&piece, |_| ());
                // As it came, every byte may have an escape byte beside it.
                assert!(framer.raw.len() <= 2 * (BUFFER + START.len()));
                assert!(framer.unescaped.len() <= 2 * BUFFER);
            }
        }
        // Vectors double; nothing else grows.
        assert!(framer.raw.capacity() + framer.unescaped.capacity() <= 8 * BUFFER);
    }

    #[test]
    fn every_byte_is_in_a_file_or_discarded() {
        let good =
            b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x12\x34\x56\x78\x1b\x1b\x1b\x1b\x1a\x00\xb8\x7b";
        for garbage in [
            b"".as_slice(),
            b"\x1b",
            b"\x1b\x1b\x1b\x1b\x1b\x01\x01",
            &START,
            b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x12\x34\x1b\x1b",
            b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x12\x34\x1b\x1b\x1b\x1b",
            b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x12\x34\x1b\x1b\x1b\x1b\x1a",
            b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x12\x34\x56\x78\x1b\x1b\x1b\x1b\x1a\x00\xb8\x7c",
        ] {
            let mut framer = Framer::new();
            let mut files = 0;
            let bytes = [garbage, good, good].concat();
            framer.push(&bytes, |file| {
                if let Ok(file) = file {
                    assert_eq!(file.body, b"\x12\x34\x56\x78");
                    files += 1;
                }
            });
            assert_eq!(files, 2, "{garbage:02x?}");
            assert_eq!(framer.discarded(), garbage.len() as u64, "{garbage:02x?}");
        }
    }
}
