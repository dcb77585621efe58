//! The forms in which readouts come, without recordings.

use dcnet_obis::d0::{DecodeError, Decoder, Mode, acknowledge, request};

use crate::support::{DATA, block, checked, decode, number, one, with_crc};

#[test]
fn a_readout_with_a_block_check() {
    let telegram = one(&checked());
    assert_eq!(telegram.server_id, b"53965555");
    assert_eq!(telegram.entries.len(), 10);
    assert_eq!(number(&telegram, "1.8.0"), Some((221_087, 2)));
    assert_eq!(number(&telegram, "2.8.0"), Some((-104_520, 2)));
    assert_eq!(number(&telegram, "1.6.0"), Some((2468, 0)));
    assert_eq!(number(&telegram, "31.7.0"), Some((8, -1)));
    assert_eq!(number(&telegram, "0.9.1"), None);
    // After the change of the baud rate, a reader may have missed the identification.
    assert_eq!(one(&block(DATA)), telegram);
}

#[test]
fn pieces_of_any_size_and_the_parity_bit_make_no_difference() {
    let bytes = checked();
    let whole = one(&bytes);
    for size in 1..bytes.len() {
        let mut decoder = Decoder::new();
        let got: Vec<_> = bytes
            .chunks(size)
            .flat_map(|piece| decoder.push(piece))
            .collect();
        assert_eq!(got, [Ok(whole.clone())], "{size}");
    }
    let parity: Vec<u8> = bytes
        .iter()
        .map(|byte| byte | (u8::from(!byte.count_ones().is_multiple_of(2)) << 7))
        .collect();
    assert_ne!(parity, bytes);
    assert_eq!(one(&parity), whole);
}

#[test]
fn echoes_of_what_was_sent_are_stripped() {
    let whole = one(&checked());
    let acknowledgement = acknowledge(b'5');
    for address in ["", "12345678"] {
        let request = request(address).unwrap();
        let head = b"/ITR5EM214\r\n".as_slice();
        let stream = [&request, head, &acknowledgement, &block(DATA)].concat();
        let mut decoder = Decoder::new();
        assert_eq!(decoder.push(&stream), [Ok(whole.clone())]);
        assert_eq!(decoder.statistics().discarded_bytes, request.len() as u64);
        let identification = decoder.identification().unwrap();
        assert_eq!(
            (identification.mode, identification.baud()),
            (Mode::C, Some(9600))
        );
        assert_eq!(identification.acknowledge(), Some(acknowledgement));
    }
    // A reflection without a line break, and one that is cut.
    assert_eq!(one(&[b"/?!".as_slice(), &checked()].concat()), whole);
    assert_eq!(one(&[b"?!\r\n".as_slice(), &checked()].concat()), whole);
}

#[test]
fn what_a_port_reads_while_the_rate_changes_is_passed_over() {
    let whole = one(&checked());
    for garbage in [
        b"\x00\x7f".as_slice(),
        b"\xff",
        b"x~",
        b"x\x00",
        b"\r\n",
        b"/?",
    ] {
        let stream = [b"/ITR5EM214\r\n", garbage, &block(DATA)].concat();
        assert_eq!(decode(&stream), [Ok(whole.clone())], "{garbage:02x?}");
    }
}

#[test]
fn a_stream_that_begins_in_the_middle_and_goes_on() {
    let bytes = checked();
    let whole = one(&bytes);
    for begin in 1..bytes.len() {
        let stream = [&bytes[begin..], &bytes, &bytes].concat();
        let got: Vec<_> = decode(&stream).into_iter().filter_map(Result::ok).collect();
        assert!(
            got.len() >= 2 && got.iter().all(|telegram| *telegram == whole),
            "{begin}"
        );
    }
}

#[test]
fn data_without_a_check_needs_the_empty_line_of_mode_d() {
    let pushed = |between: &str| format!("/EMH5----eHZ\r\n{between}{DATA}").into_bytes();
    assert_eq!(one(&pushed("\r\n")), one(&checked()));
    assert_eq!(one(&pushed("\n")), one(&checked()));
    let [Err(error @ DecodeError::Unchecked { .. })] = decode(&pushed(""))[..] else {
        panic!()
    };
    assert!(!error.is_checksum());
    // Without a beginning there is no telegram, and no error either.
    assert_eq!(decode(DATA.as_bytes()), []);
}

#[test]
fn a_p1_telegram_has_a_crc() {
    let text = "/KFM5KAIFA\r\n\r\n1-3:0.2.8(42)\r\n1-0:1.8.1(000581.161*kWh)\r\n!";
    let telegram = one(&with_crc(text));
    assert_eq!(number(&telegram, "1.8.1"), Some((581_161, 0)));
    // The CRC covers the data, whether an empty line comes before it or not.
    assert_eq!(
        decode(&with_crc(&text.replace("\r\n\r\n", "\r\n"))).len(),
        1
    );
    let wrong = String::from_utf8(with_crc(text))
        .unwrap()
        .replace("581", "582");
    let [Err(error @ DecodeError::Crc { .. })] = decode(wrong.as_bytes())[..] else {
        panic!()
    };
    assert!(error.is_checksum());
    for end in ["!12\r\n", "!12345\r\n", "!xyz0\r\n", "! 1 2\r\n"] {
        let got = decode(text.replace('!', end).as_bytes());
        assert_eq!(got, [Err(DecodeError::End { line: 4 })], "{end:?}");
    }
}

#[test]
fn a_readout_that_breaks_off_is_told_when_the_next_one_begins() {
    let bytes = checked();
    let whole = one(&bytes);
    let head = 13; // the identification line and STX
    for length in head + 1..bytes.len() - 2 {
        let got = decode(&[&bytes[..length], b"\r\n", &bytes].concat());
        let [Err(DecodeError::BrokenOff { .. }), Ok(telegram)] = &got[..] else {
            panic!("{length}: {got:?}")
        };
        assert_eq!(*telegram, whole);
    }
    // STX announces a check; a complete text without it is no telegram.
    let mut decoder = Decoder::new();
    assert_eq!(decoder.push(&bytes[..bytes.len() - 2]), []);
    decoder.reset();
    assert_eq!(decoder.identification(), None);
    assert_eq!(decoder.statistics().discarded_bytes, bytes.len() as u64 - 2);
    assert_eq!(decoder.push(&bytes), [Ok(whole)]);
}

#[test]
fn data_that_is_no_d0_behind_a_good_check() {
    for (data, error) in [
        ("1.8.0(1*kWh)\r\n", DecodeError::NoEnd { length: 14 }),
        ("1.8.0(1*kWh)!x\r\n", DecodeError::End { line: 1 }),
        ("1.8.0(1\r\n!\r\n", DecodeError::Parenthesis { line: 1 }),
        (
            "1.8.0(1\x01)\r\n!\r\n",
            DecodeError::Control { got: 1, length: 7 },
        ),
    ] {
        assert_eq!(decode(&block(data)), [Err(error)], "{data:?}");
    }
}

#[test]
fn counts_what_it_meets() {
    let bytes = checked();
    let mut wrong = bytes.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let stream = [
        b"noise".as_slice(),
        &bytes,
        &wrong,
        &block("1.8.0("),
        &bytes[..20],
    ]
    .concat();
    let mut decoder = Decoder::new();
    decoder.push(&stream);
    let got = decoder.statistics();
    assert_eq!(got.bytes, stream.len() as u64);
    assert_eq!(
        (got.telegrams, got.checksum_errors, got.other_errors),
        (1, 1, 1)
    );
    assert_eq!(
        got.discarded_bytes,
        (stream.len() - bytes.len() - 20) as u64
    );
}
