//! Who made a meter and which one it is, read from its id.

use core::fmt;

use crate::{ObisCode, Telegram, Value};

/// A meter's identity as far as its server id tells it.
///
/// Three forms are read: the identification number of DIN 43863-5 (`0A 01 D Z G …`), the form of
/// meters before it (`06 E M H …`), and the secondary address of M-Bus (EN 13757-7, `01 A8 15 …`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device {
    /// Who made it.
    pub maker: Maker,
    /// The maker's fabrication block; 0 where the form has none.
    pub block: u8,
    /// The serial number, which is printed on the meter in decimal.
    pub serial: u64,
}

impl Device {
    /// Reads a server id; `None` for a form that is none of the known ones.
    ///
    /// ```
    /// use dcnet_obis::Device;
    ///
    /// let device = Device::from_server_id(b"\x0a\x01DZG\x00\x02\x80\xde\x81").unwrap();
    /// assert_eq!(device.to_string(), "DZG 00 42000001");
    /// ```
    pub fn from_server_id(id: &[u8]) -> Option<Self> {
        match *id {
            // DIN 43863-5: length, medium, maker, fabrication block, serial number.
            [0x09 | 0x0a, _, m0, m1, m2, block, s0, s1, s2, s3] => Some(Self {
                maker: Maker::from_letters([m0, m1, m2])?,
                block,
                serial: u64::from(u32::from_be_bytes([s0, s1, s2, s3])),
            }),
            [0x06, m0, m1, m2, block, s0, s1, s2, s3, s4] => Some(Self {
                maker: Maker::from_letters([m0, m1, m2])?,
                block,
                serial: u64::from_be_bytes([0, 0, 0, s0, s1, s2, s3, s4]),
            }),
            // EN 13757-7: packed letters, number in BCD from the last digits, version, medium.
            [0x01, m0, m1, s0, s1, s2, s3, _version, _medium] => Some(Self {
                maker: Maker::from_packed(u16::from_le_bytes([m0, m1]))?,
                block: 0,
                serial: bcd([s3, s2, s1, s0])?,
            }),
            _ => None,
        }
    }
}

/// The maker, the fabrication block and the serial number as printed on meters:
/// `DZG 00 42000001`.
impl fmt::Display for Device {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:02} {:08}", self.maker, self.block, self.serial)
    }
}

impl Telegram {
    /// Which meter sent this, if its server id has a known form.
    pub fn device(&self) -> Option<Device> {
        Device::from_server_id(&self.server_id)
    }

    /// Who made the meter, such as `DZG`: from the server id, otherwise from the entries
    /// `1-0:96.50.1*1` or `129-129:199.130.3*255`.
    pub fn maker(&self) -> Option<String> {
        if let Some(device) = self.device() {
            return Some(device.maker.to_string());
        }
        let name = self.maker_entry()?;
        name.is_ascii()
            .then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// The three letters of [`Telegram::maker`], for looking up rules without an allocation.
    pub(crate) fn maker_letters(&self) -> Option<Maker> {
        if let Some(device) = self.device() {
            return Some(device.maker);
        }
        Maker::from_letters(self.maker_entry()?.try_into().ok()?)
    }

    fn maker_entry(&self) -> Option<&[u8]> {
        self.entries.iter().find_map(|entry| match &entry.value {
            Value::Bytes(bytes)
                if entry.obis == ObisCode::MAKER || entry.obis == ObisCode::MAKER_OLD =>
            {
                Some(bytes.as_slice())
            }
            _ => None,
        })
    }
}

/// A maker's three letters, as the FLAG association gives them out (IEC 62056-21).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Maker([u8; 3]);

impl Maker {
    /// The maker with these letters; `None` unless all are capital letters of ASCII.
    pub const fn from_letters(letters: [u8; 3]) -> Option<Self> {
        let [a, b, c] = letters;
        if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_uppercase() {
            Some(Self(letters))
        } else {
            None
        }
    }

    /// The three letters.
    pub const fn letters(self) -> [u8; 3] {
        self.0
    }

    /// From the 15 bits of IEC 62056-21 and EN 13757-7: five per letter, A is 1.
    fn from_packed(packed: u16) -> Option<Self> {
        let [high, low] = packed.to_be_bytes();
        let five_bits = [
            (high >> 2) & 0x1f,
            ((high & 3) << 3) | (low >> 5),
            low & 0x1f,
        ];
        Self::from_letters(five_bits.map(|letter| letter + b'@'))
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0.map(char::from);
        write!(out, "{a}{b}{c}")
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The number that packed binary-coded decimal digits stand for; `None` if one is no digit.
fn bcd(bytes: [u8; 4]) -> Option<u64> {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .try_fold(0, |number, digit| {
            (digit <= 9).then(|| number * 10 + u64::from(digit))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &[u8]) -> Option<(String, u64)> {
        Device::from_server_id(id).map(|device| (device.maker.to_string(), device.serial))
    }

    #[test]
    fn reads_three_forms() {
        let din = b"\x0a\x01EBZ\x01\x00\x02\x00\x07";
        assert_eq!(device(din), Some(("EBZ".to_owned(), 131_079)));
        let old = b"\x06EMH\x01\x02\x00\x00\x00\x01";
        assert_eq!(device(old), Some(("EMH".to_owned(), 0x02_0000_0001)));
        let mbus = [0x01, 0xa8, 0x15, 0x78, 0x56, 0x34, 0x12, 0x01, 0x02];
        assert_eq!(device(&mbus), Some(("EMH".to_owned(), 12_345_678)));
    }

    #[test]
    fn takes_nothing_else() {
        for id in [
            b"".as_slice(),
            b"12345678",
            b"\x0a\x01dzg\x00\x02\x80\xde\x81",
            b"\x0a\x01DZG\x00\x02\x82\x22",
            b"\x01\xa8\x15\x7a\x56\x34\x12\x01\x02",
            b"\x01\x00\x00\x78\x56\x34\x12\x01\x02",
        ] {
            assert_eq!(device(id), None, "{id:02x?}");
        }
    }
}
