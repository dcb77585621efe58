//! The parser of sml-rs as a second opinion.

use dcnet_obis::sml::encode::{self, Encoder};
use dcnet_obis::{Entry, MeterTime, ObisCode, ScaledInteger, Telegram, Unit, Value};
use sml_rs::parser::common::{self, Status, Time};
use sml_rs::parser::complete::{MessageBody, parse};

use crate::support::{decode, readings, recordings, telegrams};

/// What sml-rs reads, knowing nothing of meters.
pub(crate) fn second_opinion(bytes: &[u8]) -> Vec<Telegram> {
    sml_rs::transport::decode(bytes)
        .into_iter()
        .filter_map(Result::ok)
        .flat_map(|body| {
            let file = parse(&body).expect("sml-rs parses the messages");
            file.messages
                .into_iter()
                .filter_map(|message| match message.message_body {
                    MessageBody::GetListResponse(list) => Some(Telegram {
                        server_id: list.server_id.to_vec(),
                        sensor_time: list.act_sensor_time.as_ref().map(time),
                        entries: list.val_list.iter().map(entry).collect(),
                    }),
                    _ => None,
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn entry(entry: &common::ListEntry<'_>) -> Entry {
    let number = |mantissa| {
        let exponent = entry.scaler.unwrap_or(0);
        Value::Number(ScaledInteger::new(mantissa, exponent))
    };
    Entry {
        obis: ObisCode::new(entry.obj_name.try_into().unwrap()),
        value: match entry.value {
            common::Value::Bool(value) => Value::Bool(value),
            common::Value::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            common::Value::I8(value) => number(value.into()),
            common::Value::I16(value) => number(value.into()),
            common::Value::I32(value) => number(value.into()),
            common::Value::I64(value) => number(value.into()),
            common::Value::U8(value) => number(value.into()),
            common::Value::U16(value) => number(value.into()),
            common::Value::U32(value) => number(value.into()),
            common::Value::U64(value) => number(value.into()),
            common::Value::List(common::ListType::Time(ref value)) => Value::Time(time(value)),
        },
        unit: entry.unit.filter(|code| *code != 0).map(Unit::from_code),
        status: entry.status.as_ref().map(|status| match *status {
            Status::Status8(value) => value.into(),
            Status::Status16(value) => value.into(),
            Status::Status32(value) => value.into(),
            Status::Status64(value) => value,
        }),
        time: entry.val_time.as_ref().map(time),
    }
}

fn time(time: &Time) -> MeterTime {
    match *time {
        Time::SecIndex(seconds) => MeterTime::SecIndex(seconds),
    }
}

/// Takes the deviations of meters back, as far as the recordings have them.
fn without_quirks(mut telegram: Telegram, opinion: &Telegram) -> Telegram {
    let maker = telegram.maker();
    for (entry, other) in telegram.entries.iter_mut().zip(&opinion.entries) {
        match maker.as_deref() {
            Some("DZG") if other.time == Some(MeterTime::SecIndex(0)) => entry.time = other.time,
            Some("EMH") if entry.obis == ObisCode::ABSOLUTE_ACTIVE_POWER => {
                if let Value::Number(number) = &mut entry.value
                    && number.is_negative()
                {
                    *number = number.checked_neg().unwrap();
                }
            }
            _ => {}
        }
    }
    telegram
}

#[test]
fn sml_rs_reads_the_recordings_alike() {
    for recording in recordings() {
        let opinions = second_opinion(&recording.bytes);
        let got = readings(decode(&recording.bytes));
        assert_eq!(got.len(), opinions.len(), "{}", recording.name);
        for (telegram, opinion) in got.into_iter().zip(opinions) {
            // The rule for these meters changes values that the other test pins.
            let device = telegram.device();
            if device.is_some_and(|device| (42_000_000..49_000_000).contains(&device.serial)) {
                continue;
            }
            let telegram = without_quirks(telegram, &opinion);
            assert_eq!(telegram, opinion, "{}", recording.name);
        }
    }
}

#[test]
fn sml_rs_reads_what_the_encoder_writes() {
    for (name, mut telegram) in telegrams() {
        // Meters without deviations, and the only time that sml-rs knows.
        telegram.server_id = b"\x0a\x01XYZ\x00\x00\x00\x00\x01".to_vec();
        telegram.sensor_time = Some(MeterTime::SecIndex(1));
        for entry in &mut telegram.entries {
            entry.time = entry.time.map(|_| MeterTime::SecIndex(2));
        }
        let mut encoders = vec![
            Encoder::new(),
            Encoder::new().shortest_integers(),
            Encoder::new().bare_time().omit_zero_scaler(),
        ];
        for encoder in &mut encoders {
            let bytes = encoder.encode(&telegram).unwrap();
            assert_eq!(second_opinion(&bytes), [telegram.clone()], "{name}");
        }
        assert_eq!(
            second_opinion(&encode::file(&telegram).unwrap()),
            [telegram]
        );
    }
}
