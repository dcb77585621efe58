//! Which values tell whose meter a recording is of, and what stands in for them.

use crate::{Device, Entry, Maker, ObisCode, Telegram, Value};

/// Octet strings from this length on are keys and signatures, which name a meter as well as its id
/// does. Ids have at most 20 bytes.
pub(crate) const KEY: usize = 32;

/// Ids are looked for within other octets from this length on; shorter ones would be found by
/// chance.
pub(crate) const FINDABLE: usize = 6;

/// Codes whose value is an id of the meter, of its place or of another one behind it.
pub(crate) const fn is_identity(code: ObisCode) -> bool {
    matches!(
        (code.c, code.d, code.e),
        // Ids, device addresses; the numbers of heat meters; the public key.
        (0, 0, _) | (96, 1 | 90, _) | (9, 20 | 21, _) | (199, 130, 5)
    )
}

/// What stands in for an id: of the same length, with the maker where it is known to be in it, and
/// with a serial number that `serial` chooses.
pub(crate) fn stand_in(id: &[u8], serial: impl Fn(Maker, u64) -> u64) -> Vec<u8> {
    let device = Device::from_server_id(id);
    let known = device.and_then(|device| with_serial(id, serial(device.maker, device.serial)));
    known.unwrap_or_else(|| {
        let text = id.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let blank = |byte: &u8| match byte {
            b'0'..=b'9' => b'0',
            byte if byte.is_ascii_alphabetic() => b'X',
            byte if text => *byte,
            _ => 0,
        };
        if text {
            id.iter().map(blank).collect()
        } else {
            vec![0; id.len()]
        }
    })
}

/// The id with another serial number, in the forms of [`Device`].
fn with_serial(id: &[u8], serial: u64) -> Option<Vec<u8>> {
    let mut id = id.to_vec();
    let bytes = serial.to_be_bytes();
    match id.as_mut_slice() {
        [0x09 | 0x0a, _, _, _, _, _, number @ ..] | [0x06, _, _, _, _, number @ ..] => {
            let begin = bytes.len().checked_sub(number.len())?;
            number.copy_from_slice(bytes.get(begin..)?);
        }
        [0x01, _, _, number @ .., _, _] => {
            let mut rest = serial;
            for byte in number {
                // Two decimal digits, so nothing is cut off.
                let digits = u8::try_from(rest % 100).unwrap_or_default();
                *byte = ((digits / 10) << 4) | (digits % 10);
                rest /= 100;
            }
        }
        _ => return None,
    }
    Some(id)
}

/// Puts `with` in the place of each occurrence; both have the same length.
pub(crate) fn replace(bytes: &mut [u8], what: &[u8], with: &[u8]) {
    let Some(last) = bytes.len().checked_sub(what.len()) else {
        return;
    };
    for begin in 0..=last {
        if let Some(place) = bytes.get_mut(begin..begin + what.len())
            && place == what
        {
            place.copy_from_slice(with);
        }
    }
}

/// Whether two telegrams say the same, except for octets that are or hold an id, a key, a signature.
pub(crate) fn same_but_identity(one: &Telegram, other: &Telegram) -> bool {
    let same = |(a, b): (&Entry, &Entry)| match (&a.value, &b.value) {
        (Value::Bytes(before), Value::Bytes(after)) => {
            a.obis == b.obis && before.len() == after.len()
        }
        _ => a == b,
    };
    one.sensor_time == other.sensor_time
        && one.entries.len() == other.entries.len()
        && one.entries.iter().zip(&other.entries).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_form_and_their_maker() {
        let like = |id: &[u8]| stand_in(id, |_, _| 42_000_001);
        assert_eq!(
            like(b"\x0a\x01DZG\x02\x02\x99\x99\x99"),
            b"\x0a\x01DZG\x02\x02\x80\xde\x81"
        );
        let old = like(b"\x06EMH\x01\x02\x71\x53\xc4\xbb");
        assert_eq!(old, b"\x06EMH\x01\x00\x02\x80\xde\x81");
        let mbus = like(&[0x01, 0xa8, 0x15, 0x78, 0x56, 0x34, 0x12, 0x01, 0x02]);
        assert_eq!(Device::from_server_id(&mbus).unwrap().serial, 42_000_001);
        assert_eq!(like(b"331200-5009810"), b"000000-0000000");
        assert_eq!(like(b"1ISK0063355730"), b"0XXX0000000000");
        assert_eq!(like(b"\xfe\x31\x02"), b"\0\0\0");
    }
}
