//! The elements of SML: type, length, value (BSI TR-03109-1 annex IV b, section 6.2).

use super::{MAX_DEPTH, MessageError};
use crate::MeterTime;

/// The byte that stands for an optional element that is not there: an empty octet string.
const ABSENT: u8 = 0x01;

/// What the type bits of an element's first byte say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Octets,
    Boolean,
    Signed,
    Unsigned,
    List,
}

/// A type-length field: the kind, and bytes of content (elements, for a list).
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) length: usize,
    first: u8,
    offset: usize,
}

/// Reads elements one after the other, never beyond the bytes that are there.
pub(super) struct Reader<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: &'a [u8]) -> Self {
        Self { whole, rest: whole }
    }

    /// How many bytes were read.
    pub(super) fn offset(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    /// The bytes from there up to here.
    pub(super) fn since(&self, offset: usize) -> &'a [u8] {
        self.whole.get(offset..self.offset()).unwrap_or_default()
    }

    /// Passes zero bytes, which some meters put between and behind messages.
    pub(super) fn skip_zeros(&mut self) {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self, expected: &'static str) -> Result<u8, MessageError> {
        let Some((byte, rest)) = self.rest.split_first() else {
            return Err(MessageError::Truncated {
                expected,
                offset: self.offset(),
            });
        };
        self.rest = rest;
        Ok(*byte)
    }

    /// The type-length field of the next element. Its content is known to be there, and a list's
    /// elements can be (each takes a byte at least).
    #[inline]
    pub(super) fn head(&mut self, expected: &'static str) -> Result<Head, MessageError> {
        let offset = self.offset();
        let first = self.byte(expected)?;
        let kind = match first & 0x70 {
            0x00 => Kind::Octets,
            0x40 => Kind::Boolean,
            0x50 => Kind::Signed,
            0x60 => Kind::Unsigned,
            0x70 => Kind::List,
            _ => return Err(MessageError::Reserved { got: first, offset }),
        };
        let mut length = usize::from(first & 0x0f);
        let mut field_length = 1;
        let mut more = first & 0x80 != 0;
        while more {
            let next = self.byte(expected)?;
            // Four nibbles are enough for every length that fits into a file.
            if next & 0x70 != 0 || field_length == 4 {
                return Err(MessageError::Reserved { got: next, offset });
            }
            length = length << 4 | usize::from(next & 0x0f);
            field_length += 1;
            more = next & 0x80 != 0;
        }
        if kind != Kind::List {
            // Except for lists, the field counts itself.
            length = length
                .checked_sub(field_length)
                .ok_or(MessageError::Reserved { got: first, offset })?;
        }
        if length > self.rest.len() {
            return Err(MessageError::Truncated { expected, offset });
        }
        Ok(Head {
            kind,
            length,
            first,
            offset,
        })
    }

    /// The content of an element whose head was read.
    #[inline]
    fn content(&mut self, head: Head, expected: &'static str) -> Result<&'a [u8], MessageError> {
        let Some((content, rest)) = self.rest.split_at_checked(head.length) else {
            return Err(MessageError::Truncated {
                expected,
                offset: head.offset,
            });
        };
        self.rest = rest;
        Ok(content)
    }

    /// Reads an element that may be missing.
    #[inline]
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, MessageError>,
    ) -> Result<Option<T>, MessageError> {
        if let [ABSENT, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(super) fn octets(&mut self, expected: &'static str) -> Result<&'a [u8], MessageError> {
        let head = self.head(expected)?;
        if head.kind != Kind::Octets {
            return Err(head.unexpected(expected));
        }
        self.content(head, expected)
    }

    /// A list of exactly so many elements: only its head is read.
    #[inline]
    pub(super) fn list_of(
        &mut self,
        elements: usize,
        expected: &'static str,
    ) -> Result<(), MessageError> {
        let got = self.list(expected)?;
        if got == elements {
            return Ok(());
        }
        Err(MessageError::Length {
            what: expected,
            expected: elements,
            got,
            offset: self.offset(),
        })
    }

    /// A list's head; gives the number of its elements.
    pub(super) fn list(&mut self, expected: &'static str) -> Result<usize, MessageError> {
        let head = self.head(expected)?;
        match head.kind {
            Kind::List => Ok(head.length),
            _ => Err(head.unexpected(expected)),
        }
    }

    /// An unsigned integer of at most so many bytes; meters leave out leading zero bytes.
    #[inline]
    pub(super) fn unsigned(
        &mut self,
        most: usize,
        expected: &'static str,
    ) -> Result<u64, MessageError> {
        let head = self.head(expected)?;
        if head.kind != Kind::Unsigned || head.length > most {
            return Err(head.unexpected(expected));
        }
        self.unsigned_content(head, expected)
    }

    pub(super) fn unsigned_content(
        &mut self,
        head: Head,
        expected: &'static str,
    ) -> Result<u64, MessageError> {
        let content = self.content(head, expected)?;
        if content.is_empty() || content.len() > 8 {
            return Err(head.unexpected(expected));
        }
        Ok(content
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A signed integer of at most so many bytes; meters leave out leading sign bytes.
    #[inline]
    pub(super) fn signed(
        &mut self,
        most: usize,
        expected: &'static str,
    ) -> Result<i64, MessageError> {
        let head = self.head(expected)?;
        if head.kind != Kind::Signed || head.length > most {
            return Err(head.unexpected(expected));
        }
        self.signed_content(head, expected)
    }

    pub(super) fn signed_content(
        &mut self,
        head: Head,
        expected: &'static str,
    ) -> Result<i64, MessageError> {
        let bits = 64_usize.saturating_sub(8 * head.length);
        let unsigned = self.unsigned_content(head, expected)?;
        // Moves the sign bit to the top and back, dragging it along.
        Ok((unsigned << bits).cast_signed() >> bits)
    }

    pub(super) fn boolean_content(
        &mut self,
        head: Head,
        expected: &'static str,
    ) -> Result<bool, MessageError> {
        match self.content(head, expected)? {
            [byte] => Ok(*byte != 0),
            _ => Err(head.unexpected(expected)),
        }
    }

    pub(super) fn octets_content(
        &mut self,
        head: Head,
        expected: &'static str,
    ) -> Result<&'a [u8], MessageError> {
        self.content(head, expected)
    }

    /// A point in time: a choice of seconds index, timestamp and local timestamp; or, from some
    /// meters, nothing but the integer of the seconds index.
    pub(super) fn time(&mut self, expected: &'static str) -> Result<MeterTime, MessageError> {
        let head = self.head(expected)?;
        match (head.kind, head.length) {
            (Kind::Unsigned, 1..=4) => {
                let seconds = self.unsigned_content(head, expected)?;
                Ok(MeterTime::SecIndex(low_32_bits(seconds)))
            }
            (Kind::List, 2) => self.time_choice(expected),
            _ => Err(head.unexpected(expected)),
        }
    }

    /// The two elements of a time: which kind it is, and its value.
    pub(super) fn time_choice(
        &mut self,
        expected: &'static str,
    ) -> Result<MeterTime, MessageError> {
        let offset = self.offset();
        match self.unsigned(1, expected)? {
            1 => Ok(MeterTime::SecIndex(self.seconds(expected)?)),
            2 => Ok(MeterTime::Timestamp(self.seconds(expected)?)),
            3 => {
                self.list_of(3, expected)?;
                Ok(MeterTime::Local {
                    timestamp: self.seconds(expected)?,
                    local_offset: self.minutes(expected)?,
                    season_offset: self.minutes(expected)?,
                })
            }
            got => Err(MessageError::Choice {
                what: expected,
                got,
                offset,
            }),
        }
    }

    fn seconds(&mut self, expected: &'static str) -> Result<u32, MessageError> {
        self.unsigned(4, expected).map(low_32_bits)
    }

    fn minutes(&mut self, expected: &'static str) -> Result<i16, MessageError> {
        let offset = self.offset();
        let minutes = self.signed(2, expected)?;
        i16::try_from(minutes).map_err(|_| MessageError::Truncated { expected, offset })
    }

    /// Passes an element of any kind with all that is in it.
    pub(super) fn skip(&mut self, expected: &'static str) -> Result<(), MessageError> {
        let head = self.head(expected)?;
        self.skip_content(head, expected)
    }

    /// Passes the content of an element whose head was read.
    pub(super) fn skip_content(
        &mut self,
        head: Head,
        expected: &'static str,
    ) -> Result<(), MessageError> {
        // Elements still to come, for each list that is open; a stack of its own, since nesting
        // is up to the sender.
        let mut open = [0_usize; MAX_DEPTH];
        let mut depth = 0;
        let mut head = head;
        loop {
            if head.kind == Kind::List {
                let Some(slot) = open.get_mut(depth) else {
                    return Err(MessageError::TooDeep {
                        limit: MAX_DEPTH,
                        offset: head.offset,
                    });
                };
                *slot = head.length;
                depth += 1;
            } else {
                self.content(head, expected)?;
            }
            loop {
                let Some(innermost) = depth.checked_sub(1) else {
                    return Ok(());
                };
                match open.get_mut(innermost) {
                    Some(left @ 1..) => {
                        *left -= 1;
                        break;
                    }
                    _ => depth = innermost,
                }
            }
            head = self.head(expected)?;
        }
    }
}

impl Head {
    pub(super) fn unexpected(self, expected: &'static str) -> MessageError {
        MessageError::Type {
            expected,
            got: self.first,
            offset: self.offset,
        }
    }
}

/// Integers of at most four bytes fit into 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only called for integers read from at most four bytes"
)]
const fn low_32_bits(number: u64) -> u32 {
    number as u32
}
