//! Replies of real meters. They are transcriptions made for the tests of another project: some
//! have no end, and values were changed in some whose block check was not. What is missing or
//! wrong in a transcription is refused here as it would be from a meter, and then put right.

use dcnet_obis::d0::{DecodeError, Decoder, Identification};
use dcnet_obis::{Telegram, Unit, Value};

use crate::support::{decode, number, one, with_crc};

fn recording(name: &str) -> Option<Vec<u8>> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not name the folder with the recordings");
        return None;
    };
    let folder = std::path::Path::new(&shared).join("captures/d0");
    Some(std::fs::read(folder.join(format!("testSerial{name}.d0"))).unwrap())
}

/// The readout with the block check that fits what it has between STX and ETX.
fn with_right_check(bytes: &[u8]) -> Vec<u8> {
    let begin = bytes.iter().position(|byte| *byte == 0x02).unwrap() + 1;
    let end = bytes
        .iter()
        .position(|byte| *byte == 0x03)
        .unwrap_or(bytes.len());
    let mut right = [&bytes[..end], b"\x03"].concat();
    right.push(right[begin..].iter().fold(0, |check, byte| check ^ byte));
    right
}

fn text(telegram: &Telegram, code: &str) -> String {
    let code = code.parse().unwrap();
    match &telegram.entry(code).unwrap().value {
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn iskra_mt174_after_an_acknowledgement() {
    let Some(bytes) = recording("RequestResponseD0WithAck2") else {
        return;
    };
    let telegram = one(&bytes);
    let values = bytes.split(|byte| *byte == b'(').count() - 1;
    assert_eq!(telegram.entries.len(), values);
    assert_eq!(telegram.server_id, b"63355730");
    assert_eq!(number(&telegram, "1.8.0"), Some((8_048_375, 0)));
    assert_eq!(number(&telegram, "1.8.0*15"), Some((4_224_392, 0)));
    assert_eq!(number(&telegram, "2.8.4"), Some((0, 0)));
    assert_eq!(number(&telegram, "1.6.0"), Some((2468, 0)));
    assert_eq!(number(&telegram, "1.7.0"), Some((908, 0)));
    assert_eq!(text(&telegram, "0.9.1"), "201455");
    assert_eq!(text(&telegram, "1.6.2*01"), "");
    assert_eq!(text(&telegram, "0.0.1"), "1ISK0063355730");
}

#[test]
fn emh_pushes_without_a_check_and_without_a_unit() {
    let Some(bytes) = recording("ResponseD0FastSend") else {
        return;
    };
    let got = decode(&bytes);
    assert_eq!(got.len(), 2);
    let first = got[0].as_ref().unwrap();
    assert_eq!(first.server_id, b"0000680476");
    // Whether that is kWh is not said, so it is no number.
    assert_eq!(number(first, "1.8.1"), None);
    assert_eq!(text(first, "1.8.1"), "032942.0231");
    let told: Vec<_> = Decoder::new()
        .energy_in_kilowatt_hours()
        .push(&bytes)
        .into_iter()
        .map(|telegram| number(&telegram.unwrap(), "1.8.1"))
        .collect();
    assert_eq!(told, [Some((329_420_231, -1)), Some((329_420_234, -1))]);
}

#[test]
fn readouts_that_end_before_their_block_check_give_nothing() {
    // The recording, its maker's letters, its id, and values: code, mantissa, exponent.
    type Values = &'static [(&'static str, i128, i8)];
    const SHORT: Values = &[("1.8.0", 2854, 2), ("2.8.0", 1201, 2)];
    let known: [(&str, &str, &str, Values); 3] = [
        (
            "RequestResponseD0ModeDAck",
            "ELS",
            "1234567890123456",
            SHORT,
        ),
        ("RequestResponseD0ModeE", "ACE", "1234567890123456", SHORT),
        (
            "RequestResponseD0ModeOverwrite",
            "ITR",
            "53965555",
            &[
                ("1.8.1", 221_087, 2),
                ("2.8.1", 104_520, 2),
                ("31.7.0", 8, -1),
                ("1.7.0", 49, 1),
            ],
        ),
    ];
    for (name, maker, id, values) in known {
        let Some(bytes) = recording(name) else { return };
        let mut decoder = Decoder::new();
        assert_eq!(decoder.push(&bytes), [], "{name}");
        let next = decoder.push(b"/ELS5\r\n");
        assert!(
            matches!(next[..], [Err(DecodeError::BrokenOff { .. })]),
            "{name}: {next:?}"
        );

        let mut decoder = Decoder::new();
        let got = decoder.push(&with_right_check(&bytes));
        let [Ok(telegram)] = &got[..] else {
            panic!("{name}: {got:?}")
        };
        assert_eq!(decoder.identification().unwrap().maker.to_string(), maker);
        assert_eq!(telegram.server_id, id.as_bytes());
        for (code, mantissa, exponent) in values {
            assert_eq!(
                number(telegram, code),
                Some((*mantissa, *exponent)),
                "{name} {code}"
            );
        }
    }
}

#[test]
fn a_block_check_that_does_not_fit_is_refused() {
    for (name, expected, got) in [
        ("RequestResponseD0-20", 0x6f, b'X'),
        ("RequestResponseD0End", 0x02, 0x19),
    ] {
        let Some(bytes) = recording(name) else { return };
        let result = decode(&bytes);
        let [
            Err(DecodeError::BlockCheck {
                expected: right,
                got: told,
                ..
            }),
        ] = result[..]
        else {
            panic!("{name}: {result:?}")
        };
        assert_eq!((right, told), (expected, got), "{name}");

        // A heat meter: its short addresses leave out the medium.
        let right = with_right_check(&bytes);
        let results = Decoder::new().with_medium(6).push(&right);
        let [Ok(telegram)] = &results[..] else {
            panic!("{name}: {results:?}")
        };
        let values = right.split(|byte| *byte == b'(').count() - 1;
        assert_eq!(telegram.entries.len(), values, "{name}");
        assert_eq!(number(telegram, "6-0:6.8.0"), Some((29_055, 3)));
        assert_eq!(number(telegram, "6-0:6.8.0*1"), Some((28_086, 3)));
        assert_eq!(number(telegram, "6-0:6.26.0"), Some((158_928, -2)));
        assert_eq!(
            telegram.entry("6-0:6.33.0".parse().unwrap()).unwrap().unit,
            Some(Unit::from_code(15))
        );
        assert_eq!(text(telegram, "6-0:9.4.0"), "088*C&082*C");
        assert_eq!(text(telegram, "6-0:9.36.0"), "2017-01-18&01:36:47");
        assert_eq!(telegram.server_id, b"00010213");
    }
}

#[test]
fn a_readout_after_a_request_without_stx_is_refused() {
    let Some(bytes) = recording("RequestResponseD0WithAck") else {
        return;
    };
    let result = decode(&bytes);
    assert!(
        matches!(result[..], [Err(DecodeError::Unchecked { .. })]),
        "{result:?}"
    );
}

#[test]
fn a_p1_port() {
    let Some(bytes) = recording("ResponseD0DSMR") else {
        return;
    };
    // The transcription took the characters `\2` for STX, which no identification line has.
    assert_eq!(decode(&bytes), []);
    let text = String::from_utf8(bytes).unwrap().replace('\x02', "\\2");
    let result = decode(text.as_bytes());
    let [Err(DecodeError::Crc { got: 0x522b, .. })] = result[..] else {
        panic!("{result:?}")
    };

    let end = text.find('!').unwrap() + 1;
    let mut decoder = Decoder::new();
    let results = decoder.push(&with_crc(&text[..end]));
    let [Ok(telegram)] = &results[..] else {
        panic!("{results:?}")
    };
    let right = Identification::parse(b"/ISk5\\2MT382-1000");
    assert_eq!(decoder.identification(), right.as_ref());
    assert_eq!(telegram.server_id, b"4B384547303034303436333935353037");
    assert_eq!(number(telegram, "1.8.1"), Some((123_456_789, 0)));
    assert_eq!(number(telegram, "1.7.0"), Some((1193, 0)));
    assert_eq!(number(telegram, "0-0:17.0.0"), Some((161, 2)));
    assert_eq!(number(telegram, "0-1:24.2.1"), Some((12_785_123, -3)));
    assert_eq!(telegram.entries.len(), text.matches('(').count());
}
