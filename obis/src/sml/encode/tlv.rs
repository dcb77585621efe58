//! Writing elements: type, length, value.

use crate::MeterTime;

/// The type bits of an element's first byte.
const OCTETS: u8 = 0x00;
const BOOLEAN: u8 = 0x40;
const SIGNED: u8 = 0x50;
const UNSIGNED: u8 = 0x60;
const LIST: u8 = 0x70;

#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn since(&self, offset: usize) -> &[u8] {
        self.0.get(offset..).unwrap_or_default()
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn absent(&mut self) {
        self.byte(OCTETS | 1);
    }

    pub(super) fn list(&mut self, elements: usize) {
        self.head(LIST, elements);
    }

    pub(super) fn octets(&mut self, bytes: &[u8]) {
        self.primitive(OCTETS, bytes);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.primitive(BOOLEAN, &[u8::from(value)]);
    }

    /// An unsigned integer in this many bytes.
    pub(super) fn unsigned(&mut self, number: u64, width: usize) {
        self.primitive(UNSIGNED, last_bytes(&number.to_be_bytes(), width));
    }

    /// A signed integer in this many bytes.
    pub(super) fn signed(&mut self, number: i64, width: usize) {
        self.primitive(SIGNED, last_bytes(&number.to_be_bytes(), width));
    }

    /// A point in time; a seconds index without the choice around it if so wished.
    pub(super) fn time(&mut self, time: Option<MeterTime>, bare: bool) {
        let (kind, seconds) = match time {
            None => return self.absent(),
            Some(MeterTime::SecIndex(seconds)) if bare => {
                return self.unsigned(u64::from(seconds), 4);
            }
            Some(MeterTime::SecIndex(seconds)) => (1, seconds),
            Some(MeterTime::Timestamp(seconds)) => (2, seconds),
            Some(MeterTime::Local { timestamp, .. }) => (3, timestamp),
        };
        self.list(2);
        self.unsigned(kind, 1);
        if let Some(MeterTime::Local {
            local_offset,
            season_offset,
            ..
        }) = time
        {
            self.list(3);
            self.unsigned(u64::from(seconds), 4);
            self.signed(i64::from(local_offset), 2);
            self.signed(i64::from(season_offset), 2);
        } else {
            self.unsigned(u64::from(seconds), 4);
        }
    }

    fn primitive(&mut self, kind: u8, content: &[u8]) {
        // The length counts the field itself, whose size depends on the length.
        let mut field = 1;
        while content.len() + field >= 1 << (4 * field) {
            field += 1;
        }
        self.field(kind, content.len() + field, field);
        self.0.extend_from_slice(content);
    }

    fn head(&mut self, kind: u8, length: usize) {
        let mut field = 1;
        while length >= 1 << (4 * field) {
            field += 1;
        }
        self.field(kind, length, field);
    }

    /// Four bits of the length per byte; all bytes but the last have the top bit set.
    fn field(&mut self, kind: u8, length: usize, field: usize) {
        for index in (0..field).rev() {
            let nibble = u8::try_from(length >> (4 * index) & 0x0f).unwrap_or_default();
            let more = if index > 0 { 0x80 } else { 0 };
            let kind = if index + 1 == field { kind } else { 0 };
            self.byte(more | kind | nibble);
        }
    }
}

/// The fewest bytes that hold this number, at least one.
pub(super) fn unsigned_width(number: u64) -> usize {
    let zeros = number.leading_zeros() / 8;
    8_usize.saturating_sub(zeros as usize).max(1)
}

/// The fewest bytes that hold this number with its sign.
pub(super) fn signed_width(number: i64) -> usize {
    // Leading bits equal to the sign bit, all but one of which say nothing.
    let same = if number < 0 {
        number.leading_ones()
    } else {
        number.leading_zeros()
    };
    8 - (same as usize - 1) / 8
}

fn last_bytes(bytes: &[u8; 8], width: usize) -> &[u8] {
    bytes.get(8_usize.saturating_sub(width)..).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn widths() {
        for (number, width) in [(0, 1), (255, 1), (256, 2), (65_536, 3), (u64::MAX, 8)] {
            assert_eq!(unsigned_width(number), width, "{number}");
        }
        for (number, width) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (-128, 1),
            (-129, 2),
            (-1, 1),
            (i64::MAX, 8),
            (i64::MIN, 8),
        ] {
            assert_eq!(signed_width(number), width, "{number}");
        }
    }

    #[test]
    fn lengths_of_several_bytes() {
        assert_eq!(written(|w| w.octets(&[7; 14]))[..2], [0x0f, 7]);
        assert_eq!(written(|w| w.octets(&[7; 15]))[..3], [0x81, 0x01, 7]);
        assert_eq!(written(|w| w.octets(&[7; 48]))[..3], [0x83, 0x02, 7]);
        assert_eq!(written(|w| w.octets(&[7; 253]))[..3], [0x8f, 0x0f, 7]);
        assert_eq!(written(|w| w.octets(&[7; 254]))[..4], [0x81, 0x80, 0x01, 7]);
        assert_eq!(written(|w| w.list(7)), [0x77]);
        assert_eq!(written(|w| w.list(30)), [0xf1, 0x0e]);
        assert_eq!(written(Writer::absent), [0x01]);
        assert_eq!(written(|w| w.unsigned(0x0701, 4)), [0x65, 0, 0, 7, 1]);
        assert_eq!(written(|w| w.signed(-1, 1)), [0x52, 0xff]);
    }
}
