//! Bytes made to harm: none of them panics, and none makes the decoder keep more than its bounds.

use dcnet_obis::sml::{DecodeError, Decoder, MAX_DEPTH, MAX_FILE, MessageError};
use proptest::prelude::*;

use crate::support::{Random, decode};

/// A file with good checksums around one message, whose body is anything.
fn file_with(message_kind: u32, content: &[u8]) -> Vec<u8> {
    let mut message = b"\x76\x02\x00\x62\x00\x62\x00\x72\x65".to_vec();
    message.extend(message_kind.to_be_bytes());
    message.extend(content);
    let checksum = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC).checksum(&message);
    message.push(0x63);
    message.extend(checksum.to_le_bytes());
    message.push(0);
    sml_rs::transport::encode::<Vec<u8>>(message).unwrap()
}

fn refused(message_kind: u32, content: &[u8]) -> MessageError {
    // Enough bytes for lists whose elements are claimed.
    let content = &[content, &[0x01; 8]].concat();
    match decode(&file_with(message_kind, content))[..] {
        [Err(DecodeError::Message { message: 1, error })] => error,
        ref other => panic!("{other:?}"),
    }
}

/// A list response up to its list of values.
const LIST: &[u8] = b"\x77\x01\x02\x01\x01\x01";

fn list_with(entries: &[u8]) -> Vec<u8> {
    [LIST, entries].concat()
}

#[test]
fn lengths_that_are_only_claimed() {
    // Lists of 2^8, 2^12 and 2^16 entries in no bytes at all.
    for head in [b"\xff\x0f".as_slice(), b"\xff\x8f\x0f", b"\xff\x8f\x8f\x0f"] {
        let error = refused(0x0701, &list_with(head));
        assert!(matches!(error, MessageError::Truncated { .. }), "{error:?}");
    }
    // Octet strings longer than the file.
    for head in [b"\x0f".as_slice(), b"\x8f\x0f", b"\x8f\x8f\x8f\x0f"] {
        let error = refused(0x0701, &[b"\x77\x01", head].concat());
        assert!(matches!(error, MessageError::Truncated { .. }), "{error:?}");
    }
    // Lengths of 2^20 and of nine nibbles: no file is that long.
    for head in [
        b"\xff\x8f\x8f\x8f\x0f".as_slice(),
        b"\xff\x8f\x8f\x8f\x8f\x8f\x8f\x8f\x0f",
    ] {
        let error = refused(0x0701, &list_with(head));
        assert!(matches!(error, MessageError::Reserved { .. }), "{error:?}");
    }
    // A length that does not even count its own field.
    for head in [
        b"\x00".as_slice(),
        b"\x80\x01",
        b"\x80\x80\x02",
        b"\x60",
        b"\x50",
    ] {
        let error = refused(0x0701, &[b"\x77\x01", head].concat());
        assert!(matches!(error, MessageError::Reserved { .. }), "{error:?}");
    }
}

#[test]
fn elements_of_another_kind_than_the_standard_has() {
    let entry = |rest: &[u8]| {
        let head = b"\x71\x77\x07\x01\x00\x01\x08\x00\xff".as_slice();
        refused(0x0701, &list_with(&[head, rest].concat()))
    };
    for rest in [
        b"\x42\x01".as_slice(),                      // status: a truth value
        b"\x52\x01",                                 // status: signed
        b"\x01\x52\x01",                             // time: signed
        b"\x01\x69\x00\x00\x00\x00\x00\x00\x00\x01", // time: too wide
        b"\x01\x72\x62\x01\x69\x00\x00\x00\x00\x00\x00\x00\x01", // second: too wide
        b"\x01\x01\x63\x00\x1e",                     // unit: too wide
        b"\x01\x01\x52\x1e",                         // unit: signed
        b"\x01\x01\x62\x1e\x53\x00\x01",             // scaler: too wide
        b"\x01\x01\x62\x1e\x62\x01",                 // scaler: unsigned
        b"\x01\x01\x62\x1e\x52\x00\x6a\x00\x00\x00\x00\x00\x00\x00\x00\x01", // value: 9 bytes
        b"\x01\x01\x62\x1e\x52\x00\x61",             // value: no bytes
        b"\x01\x01\x62\x1e\x52\x00\x41",             // value: no truth
        b"\x01\x01\x62\x1e\x52\x00\x62\x01\x62\x01", // signature: unsigned
    ] {
        let error = entry(rest);
        assert!(
            matches!(error, MessageError::Type { .. }),
            "{error:?} {rest:02x?}"
        );
    }
    assert!(matches!(
        entry(b"\x01\x72\x62\x04\x62\x01"),
        MessageError::Choice { got: 4, .. }
    ));
    let six = refused(0x0701, &list_with(b"\x71\x76\x07\x01\x00\x01\x08\x00\xff"));
    assert!(matches!(
        six,
        MessageError::Length {
            expected: 7,
            got: 6,
            ..
        }
    ));
    for reserved in [0x10, 0x20, 0x30] {
        let error = refused(0x0701, &[0x77, reserved]);
        assert!(matches!(error, MessageError::Reserved { .. }), "{error:?}");
    }
}

#[test]
fn deep_nesting() {
    // Bodies of other messages are passed over, whatever is in them, but only so deep.
    let nested = |depth: usize| [vec![0x71; depth], vec![0x01]].concat();
    assert_eq!(decode(&file_with(0x0301, &nested(MAX_DEPTH))), []);
    for depth in [MAX_DEPTH + 1, 1000, 8000] {
        let error = refused(0x0301, &nested(depth));
        assert!(matches!(error, MessageError::TooDeep { .. }), "{error:?}");
    }
    // Lists of lists without an end.
    let error = refused(0x0301, &[0x77; 8000]);
    assert!(matches!(error, MessageError::TooDeep { .. }), "{error:?}");
}

#[test]
fn files_without_an_end() {
    let start = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01";
    let mut decoder = Decoder::new();
    decoder.push(start);
    let mut errors = Vec::new();
    for _ in 0..100 {
        errors.extend(decoder.push(&[0x76; 1000]));
    }
    assert_eq!(errors, [Err(DecodeError::TooLong { limit: MAX_FILE })]);
    assert_eq!(decoder.statistics().discarded_bytes, 100_008);
    // The longest file that is taken, and one byte more.
    let longest = sml_rs::transport::encode::<Vec<u8>>(vec![0x00; MAX_FILE]).unwrap();
    assert_eq!(decoder.push(&longest), []);
    let longer = sml_rs::transport::encode::<Vec<u8>>(vec![0x00; MAX_FILE + 1]).unwrap();
    assert_eq!(
        decoder.push(&longer),
        [Err(DecodeError::TooLong { limit: MAX_FILE })]
    );
}

#[test]
fn garbage_of_megabytes() {
    let mut random = Random(1);
    let mut decoder = Decoder::new();
    for alphabet in [
        &[0x1b_u8][..],
        &[0x1b, 0x01],
        &[0x1b, 0x01, 0x1a],
        &[0x1b, 0x1b, 0x1b, 0x01, 0x1a, 0x00, 0x76],
        &[0x00, 0xff, 0x55],
    ] {
        let garbage: Vec<u8> = (0..200_000)
            .map(|_| alphabet[random.below(alphabet.len())])
            .collect();
        for piece in garbage.chunks(777) {
            assert!(decoder.push(piece).iter().all(Result::is_err));
        }
    }
    // And a good file is read right after all that, if not as a part of an escape sequence.
    let good = file_with(0x0701, &list_with(b"\x70\x01\x01"));
    decoder.push(&[0; 2 * MAX_FILE]);
    assert_eq!(decoder.push(&good).len(), 1);
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(decode(&bytes).iter().all(Result::is_err));
    }

    /// Any bytes in a file with a good checksum.
    #[test]
    fn any_messages(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let file = sml_rs::transport::encode::<Vec<u8>>(bytes).unwrap();
        prop_assert!(decode(&file).iter().all(Result::is_err));
    }

    /// Elements as they may occur, in an order as they may not, in a message with a good checksum.
    #[test]
    fn any_elements(
        kind in prop_oneof![Just(0x0101_u32), Just(0x0201), Just(0x0701), Just(0x0301)],
        elements in proptest::collection::vec(
            prop_oneof![
                4 => Just(vec![0x01]),
                2 => Just(vec![0x77]),
                1 => Just(vec![0x72]),
                1 => (0x70_u8..0x7f).prop_map(|head| vec![head]),
                1 => Just(b"\x07\x01\x00\x01\x08\x00\xff".to_vec()),
                1 => Just(b"\x62\x1e".to_vec()),
                1 => Just(b"\x52\xff".to_vec()),
                1 => Just(b"\xf1\x81\x07".to_vec()),
                1 => any::<u8>().prop_map(|byte| vec![byte]),
            ],
            0..60,
        ),
    ) {
        let file = file_with(kind, &elements.concat());
        prop_assert!(decode(&file).len() <= 1);
    }
}
