//! Each known deviation of meters, in bytes as they send them, without recordings.

use dcnet_obis::sml::encode::{EncodeError, Encoder};
use dcnet_obis::sml::{Checksum, DecodeError, Decoder, MessageError};
use dcnet_obis::{Entry, MeterTime, ObisCode, ScaledInteger, Telegram, Unit, Value};

use crate::oracle::second_opinion;
use crate::support::{decode, readings};

/// The bytes of a file around one list of entries, given in SML.
pub(crate) fn file_with(server_id: &[u8], entries: &[&[u8]]) -> Vec<u8> {
    let x25 = |bytes: &[u8]| crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC).checksum(bytes);
    let mut body = Vec::new();
    let mut message = |content: &[u8]| {
        let mut bytes = b"\x76\x05\x00\x00\x00\x01\x62\x00\x62\x00\x72".to_vec();
        bytes.extend(content);
        let checksum = x25(&bytes);
        bytes.push(0x63);
        bytes.extend(checksum.to_le_bytes());
        bytes.push(0);
        body.extend(bytes);
    };
    let mut list = b"\x65\x00\x00\x07\x01\x77\x01".to_vec();
    list.push(u8::try_from(server_id.len()).unwrap() + 1);
    list.extend(server_id);
    list.extend(b"\x01\x01");
    list.push(0x70 + u8::try_from(entries.len()).unwrap());
    list.extend(entries.concat());
    list.extend(b"\x01\x01");
    message(b"\x65\x00\x00\x01\x01\x76\x01\x01\x02\x01\x02\x01\x01\x01");
    message(&list);
    message(b"\x65\x00\x00\x02\x01\x71\x01");
    sml_rs::transport::encode::<Vec<u8>>(body).unwrap()
}

fn one(server_id: &[u8], entries: &[&[u8]]) -> Telegram {
    let mut got = readings(decode(&file_with(server_id, entries)));
    assert_eq!(got.len(), 1);
    got.pop().unwrap()
}

fn power(server_id: &[u8], value: &[u8]) -> String {
    let entry = [
        b"\x77\x07\x01\x00\x10\x07\x00\xff\x01\x01\x62\x1b\x52\xfe".as_slice(),
        value,
        b"\x01",
    ];
    let telegram = one(server_id, &[&entry.concat()]);
    telegram.number(ObisCode::ACTIVE_POWER).unwrap().to_string()
}

#[test]
fn dzg_dvs74_has_unsigned_powers_tagged_as_signed() {
    let id = |serial: u32| [b"\x0a\x01DZG\x00".as_slice(), &serial.to_be_bytes()].concat();
    // In the ranges that the maker names, and at their ends.
    for serial in [42_000_000, 42_000_001, 48_999_999, 55_000_000, 58_999_999] {
        let id = id(serial);
        assert_eq!(power(&id, b"\x53\x8b\x28"), "356.24");
        assert_eq!(power(&id, b"\x52\xc8"), "2.00");
        assert_eq!(power(&id, b"\x54\x80\x00\x00"), "83886.08");
        assert_eq!(power(&id, b"\x53\x0b\x28"), "28.56");
        assert_eq!(power(&id, b"\x55\xff\xfe\x13\x93"), "-1260.61");
        assert_eq!(power(&id, b"\x55\x00\x00\x13\x93"), "50.11");
    }
    for serial in [41_999_999, 49_000_000, 54_999_999, 59_000_000, 60_694_612] {
        assert_eq!(power(&id(serial), b"\x53\x8b\x28"), "-299.12");
    }
    // Another maker, another fabrication block (which is a part of the number), another code.
    assert_eq!(
        power(b"\x0a\x01XYZ\x00\x02\x80\xde\x81", b"\x53\x8b\x28"),
        "-299.12"
    );
    let id = id(42_000_001);
    let phase = b"\x77\x07\x01\x00\x24\x07\x00\xff\x01\x01\x62\x1b\x52\xfe\x53\x8b\x28\x01";
    let telegram = one(&id, &[phase]);
    let number = telegram.number(ObisCode::electricity(36, 7, 0)).unwrap();
    assert_eq!(number.to_string(), "-299.12");
}

#[test]
fn dzg_has_values_at_second_0() {
    let entry = b"\x77\x07\x01\x00\x01\x08\x00\xff\x64\x1c\x01\x04\x72\x62\x01\x62\x00\x62\x1e\x52\xff\x64\x01\x02\x03\x01";
    let dzg = one(b"\x0a\x01DZG\x00\x00\x00\x00\x01", &[entry]);
    assert_eq!(dzg.entries[0].time, None);
    assert_eq!(dzg.entries[0].status, Some(0x1c_0104));
    assert_eq!(dzg.entries[0].value.to_string(), "6605.1");
    let other = one(b"\x0a\x01XYZ\x00\x00\x00\x00\x01", &[entry]);
    assert_eq!(other.entries[0].time, Some(MeterTime::SecIndex(0)));
}

#[test]
fn emh_tells_the_direction_in_the_status_word() {
    let entries = |status: u16, power: &[u8]| {
        let register = [
            b"\x77\x07\x01\x00\x01\x08\x00\xff\x63".as_slice(),
            &status.to_be_bytes(),
            b"\x01\x62\x1e\x52\xff\x56\x00\x0a\x47\x20\x94\x01",
        ]
        .concat();
        let power = [
            b"\x77\x07\x01\x00\x0f\x07\x00\xff\x01\x01\x62\x1b\x52\xff".as_slice(),
            power,
            b"\x01",
        ]
        .concat();
        (register, power)
    };
    let value = |id: &[u8], status, power: &[u8]| {
        let (register, power) = entries(status, power);
        let telegram = one(id, &[&register, &power]);
        let number = telegram.number(ObisCode::ABSOLUTE_ACTIVE_POWER).unwrap();
        number.to_string()
    };
    let emh = b"\x06EMH\x01\x02\x00\x00\x00\x01";
    let emh_mbus = b"\x01\xa8\x15\x78\x56\x34\x12\x01\x02";
    for id in [emh.as_slice(), emh_mbus] {
        assert_eq!(value(id, 0x182, b"\x55\x00\x00\x04\xf2"), "126.6");
        assert_eq!(value(id, 0x1b0, b"\x55\x00\x00\x04\xf2"), "-126.6");
        assert_eq!(value(id, 0x1a2, b"\x55\x00\x00\x04\xf2"), "-126.6");
        // A meter that does send a sign is believed.
        assert_eq!(value(id, 0x1b0, b"\x55\xff\xff\xfb\x0e"), "-126.6");
        assert_eq!(value(id, 0x1b0, b"\x55\x00\x00\x00\x00"), "0.0");
    }
    // The same bit means something else elsewhere.
    let iskra = b"\x06ISK\x01\x02\x00\x00\x00\x01";
    assert_eq!(value(iskra, 0x1b0, b"\x55\x00\x00\x04\xf2"), "126.6");
    // The maker stands in an entry if the id has a form of its own.
    let maker = b"\x77\x07\x81\x81\xc7\x82\x03\xff\x01\x01\x01\x01\x04EMH\x01";
    let (register, power) = entries(0x1b0, b"\x55\x00\x00\x04\xf2");
    let telegram = one(b"12345678", &[maker, &register, &power]);
    let number = telegram.number(ObisCode::ABSOLUTE_ACTIVE_POWER).unwrap();
    assert_eq!(number.to_string(), "-126.6");
}

#[test]
fn times_in_every_form() {
    let time = |bytes: &[u8]| {
        let entry = [
            b"\x77\x07\x01\x00\x01\x08\x00\xff\x01".as_slice(),
            bytes,
            b"\x62\x1e\x52\xff\x62\x01\x01",
        ]
        .concat();
        one(b"\x01", &[&entry]).entries[0].time
    };
    assert_eq!(time(b"\x01"), None);
    assert_eq!(
        time(b"\x65\x01\x71\x64\x18"),
        Some(MeterTime::SecIndex(24_208_408))
    );
    assert_eq!(
        time(b"\x72\x62\x01\x65\x01\x71\x64\x18"),
        Some(MeterTime::SecIndex(24_208_408))
    );
    assert_eq!(
        time(b"\x72\x62\x02\x65\x65\x53\xf1\x00"),
        Some(MeterTime::Timestamp(1_700_000_000))
    );
    let local = time(b"\x72\x62\x03\x73\x65\x65\x53\xf1\x00\x53\x00\x3c\x52\x00").unwrap();
    assert_eq!(
        local,
        MeterTime::Local {
            timestamp: 1_700_000_000,
            local_offset: 60,
            season_offset: 0
        }
    );
    assert_eq!(local.unix_seconds(), Some(1_700_000_000));
}

#[test]
fn scalers_from_minus_4_to_3_and_none() {
    let energy = |scaler: &[u8], value: &[u8]| {
        let entry = [
            b"\x77\x07\x01\x00\x01\x08\x00\xff\x01\x01\x62\x1e".as_slice(),
            scaler,
            value,
            b"\x01",
        ]
        .concat();
        let telegram = one(b"\x01", &[&entry]);
        telegram
            .number(ObisCode::ACTIVE_ENERGY_IMPORT)
            .unwrap()
            .to_string()
    };
    // eBZ and others without PIN: whole kilowatt-hours.
    assert_eq!(energy(b"\x52\x03", b"\x63\x09\x34"), "2356000");
    // EasyMeter.
    assert_eq!(
        energy(b"\x52\xfc", b"\x69\x00\x00\x00\x5d\x41\xd9\xad\xe9"),
        "40053674.3401"
    );
    // Holley: missing means 10^0, not 10^1.
    assert_eq!(energy(b"\x01", b"\x65\x00\x1c\x01\x04"), "1835268");
    // Every width of an integer, with and without a sign.
    assert_eq!(energy(b"\x52\x00", b"\x62\xff"), "255");
    assert_eq!(
        energy(b"\x52\x00", b"\x67\xff\xff\xff\xff\xff\xff"),
        "281474976710655"
    );
    assert_eq!(
        energy(b"\x52\x00", b"\x58\xff\xff\xff\xff\xff\xff\xfe"),
        "-2"
    );
    assert_eq!(
        energy(b"\x52\x00", b"\x59\x80\x00\x00\x00\x00\x00\x00\x00"),
        "-9223372036854775808"
    );
    assert_eq!(
        energy(b"\x52\x00", b"\x69\xff\xff\xff\xff\xff\xff\xff\xff"),
        "18446744073709551615"
    );
}

#[test]
fn units_and_other_values() {
    let telegram = one(
        b"\x01",
        &[
            b"\x77\x07\x01\x00\x60\x32\x01\x01\x01\x72\x62\x01\x62\x00\x62\x00\x52\x00\x04DZG\x01",
            b"\x77\x07\x01\x00\x00\x00\x01\xff\x01\x01\x62\xff\x01\x42\x01\x01",
            b"\x77\x07\x01\x00\x00\x00\x02\xff\x01\x01\x01\x01\x72\x62\x01\x72\x62\x01\x62\x07\x01",
            // Neither a code of six bytes nor a list that the standard knows is a reading.
            b"\x77\x03\x01\x00\x01\x01\x01\x01\x62\x07\x01",
            b"\x77\x07\x01\x00\x00\x00\x03\xff\x01\x01\x01\x01\x73\x62\x01\x71\x01\x04abc\x01",
        ],
    );
    let values: Vec<_> = telegram
        .entries
        .iter()
        .map(|e| (e.unit, e.value.clone()))
        .collect();
    assert_eq!(
        values,
        [
            (None, Value::Bytes(b"DZG".to_vec())),
            (Some(Unit::COUNT), Value::Bool(true)),
            (None, Value::Time(MeterTime::SecIndex(7))),
        ]
    );
}

fn sample() -> Telegram {
    Telegram {
        server_id: b"\x0a\x01HLY\x02\x00\x00\x00\x01".to_vec(),
        sensor_time: Some(MeterTime::SecIndex(24_208_040)),
        entries: vec![Entry::number(
            ObisCode::ACTIVE_ENERGY_IMPORT,
            ScaledInteger::new(23_559_290, -1),
            Unit::WATT_HOUR,
        )],
    }
}

#[test]
fn kermit_in_place_of_x25() {
    use Checksum::{Kermit, X25};
    for (message, file) in [(Kermit, Kermit), (Kermit, X25), (X25, Kermit), (X25, X25)] {
        let mut encoder = Encoder::new().checksums(message, file);
        let bytes = [encoder.encode(&sample()), encoder.encode(&sample())].map(Result::unwrap);
        let sml_rs = sml_rs::transport::decode(bytes.concat());
        assert_eq!(sml_rs.iter().all(Result::is_ok), file == X25);
        assert_eq!(readings(decode(&bytes.concat())), [sample(), sample()]);
    }
}

/// If every message could choose its kind, a damaged one would be taken for good twice as often.
#[test]
fn all_messages_of_a_file_have_the_same_kind_of_checksum() {
    let body = |kind| {
        let bytes = Encoder::new()
            .checksums(kind, Checksum::X25)
            .encode(&sample())
            .unwrap();
        sml_rs::transport::decode(bytes).remove(0).unwrap()
    };
    let (x25, kermit) = (body(Checksum::X25), body(Checksum::Kermit));
    // The list in the middle differs in its checksum only, which lies six bytes before the close
    // message: 76 05 ….
    let close = x25.len() - b"\x76\x05\x00\x00\x00\x02\x62\x00\x62\x00\x72\x65\x00\x00\x02\x01\x71\x01\x63\x00\x00\x00".len();
    let mixed = [&x25[..close - 4], &kermit[close - 4..close], &x25[close..]].concat();
    let bytes = sml_rs::transport::encode::<Vec<u8>>(mixed).unwrap();
    let error = DecodeError::Message {
        message: 2,
        error: MessageError::MixedChecksums,
    };
    assert_eq!(decode(&bytes), [Err(error)]);
    assert!(error.is_checksum());
    // A single message has nothing to agree with.
    let alone = &kermit[close..];
    let bytes = sml_rs::transport::encode::<Vec<u8>>(alone).unwrap();
    assert!(matches!(
        decode(&bytes)[..],
        [Err(DecodeError::Message { message: 1, .. })]
    ));
}

#[test]
fn the_checksum_of_a_message_counts_even_if_that_of_the_file_is_right() {
    let bytes = Encoder::new().encode(&sample()).unwrap();
    let body = sml_rs::transport::decode(&bytes).remove(0).unwrap();
    let energy = 23_559_290_u32.to_be_bytes();
    let place = body.windows(4).position(|bytes| bytes == energy).unwrap();
    for bit in 0..32 {
        let mut damaged = body.clone();
        damaged[place + bit / 8] ^= 1 << (bit % 8);
        let bytes = sml_rs::transport::encode::<Vec<u8>>(damaged).unwrap();
        let mut decoder = Decoder::new();
        let results = decoder.push(&bytes);
        let [Err(error @ DecodeError::Message { message: 2, .. })] = results[..] else {
            panic!("{results:?}");
        };
        assert!(error.is_checksum());
        let statistics = decoder.statistics();
        assert_eq!((statistics.telegrams, statistics.checksum_errors), (0, 1));
        assert_eq!(statistics.refused_bytes, body.len() as u64);
    }
}

#[test]
fn four_padding_bytes() {
    let bytes = Encoder::new()
        .four_padding_bytes()
        .encode(&sample())
        .unwrap();
    let end = bytes.len() - 8;
    assert_eq!(
        bytes[end - 4..end + 6],
        *b"\x00\x00\x00\x00\x1b\x1b\x1b\x1b\x1a\x04"
    );
    assert!(sml_rs::transport::decode(&bytes)[0].is_err());
    assert_eq!(decode(&bytes), [Ok(sample())]);
}

#[test]
fn zero_bytes_between_messages() {
    let bytes = Encoder::new().encode(&sample()).unwrap();
    let body = sml_rs::transport::decode(bytes).remove(0).unwrap();
    let close = body.len() - 22;
    let spread = [&[0, 0], &body[..close], &[0, 0, 0], &body[close..], &[0]].concat();
    let bytes = sml_rs::transport::encode::<Vec<u8>>(spread).unwrap();
    assert_eq!(decode(&bytes), [Ok(sample())]);
}

#[test]
fn stray_escape_bytes_before_a_start() {
    for stray in 0..9 {
        let mut bytes = vec![0x1b; stray];
        bytes.extend(Encoder::new().encode(&sample()).unwrap());
        let mut decoder = Decoder::new();
        assert_eq!(decoder.push(&bytes), [Ok(sample())], "{stray}");
        assert_eq!(decoder.statistics().discarded_bytes, stray as u64);
    }
}

#[test]
fn the_encoder_writes_what_such_a_meter_would() {
    let mut dzg = sample();
    dzg.server_id = b"\x0a\x01DZG\x00\x02\x80\xde\x81".to_vec();
    let number = ScaledInteger::new(35_624, -2);
    dzg.entries = vec![Entry::number(ObisCode::ACTIVE_POWER, number, Unit::WATT)];
    let bytes = Encoder::new().encode(&dzg).unwrap();
    let opinion = second_opinion(&bytes).remove(0);
    assert_eq!(opinion.entries[0].value.to_string(), "-299.12");
    assert_eq!(decode(&bytes), [Ok(dzg)]);

    let mut emh = sample();
    emh.server_id = b"\x06EMH\x01\x02\x00\x00\x00\x01".to_vec();
    let number = ScaledInteger::new(-1266, -1);
    emh.entries.push(Entry::number(
        ObisCode::ABSOLUTE_ACTIVE_POWER,
        number,
        Unit::WATT,
    ));
    assert!(matches!(
        Encoder::new().encode(&emh),
        Err(EncodeError::SignAgainstStatus { bit: 0x20, .. })
    ));
    emh.entries[0].status = Some(0x1b0);
    let bytes = Encoder::new().encode(&emh).unwrap();
    let opinion = second_opinion(&bytes).remove(0);
    assert_eq!(opinion.entries[1].value.to_string(), "126.6");
    assert_eq!(decode(&bytes), [Ok(emh)]);
}
