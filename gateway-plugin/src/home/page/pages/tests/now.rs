//! What the meters of the house say, and its daemon.

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};

use super::house::{NOW, QUARTER};
use crate::daemon::status::{MeterStatus, SourceStatus, Status};
use crate::source::Latest;

/// Of the meter with this number; the second one was heard of long ago.
pub(super) fn telegram(number: u64) -> Latest {
    let entry = |code, mantissa, exponent, unit| {
        Entry::number(code, ScaledInteger::new(mantissa, exponent), unit)
    };
    let mut entries = vec![
        entry(
            ObisCode::ACTIVE_ENERGY_IMPORT,
            172_436_756,
            -1,
            Unit::WATT_HOUR,
        ),
        entry(
            ObisCode::ACTIVE_ENERGY_EXPORT,
            31_220_014,
            -1,
            Unit::WATT_HOUR,
        ),
        entry(ObisCode::ACTIVE_POWER, 4_321, -1, Unit::WATT),
        Entry::bytes(ObisCode::DEVICE_ID, *b"<i>1ABC</i>"),
    ];
    if number == 0 {
        for (phase, power) in [(36, 102), (56, 201), (76, 129)] {
            entries.push(entry(
                ObisCode::electricity(phase, 7, 0),
                power,
                0,
                Unit::WATT,
            ));
        }
        entries.push(entry(
            ObisCode::electricity(32, 7, 0),
            2_314,
            -1,
            Unit::VOLT,
        ));
    } else {
        entries.retain(|entry| entry.unit != Some(Unit::WATT));
    }
    Latest {
        time: NOW.minus_millis(3_000 + number * 500_000),
        telegram: Telegram {
            server_id: vec![1, 2, 3],
            sensor_time: None,
            entries,
        },
    }
}

pub(super) fn status() -> Status {
    let source = SourceStatus {
        kind: "sml".to_owned(),
        state: "9600 8N1".to_owned(),
        ..SourceStatus::default()
    };
    let meter = |name: &str| MeterStatus {
        name: name.to_owned(),
        sources: vec![source.clone()],
        ..MeterStatus::default()
    };
    Status {
        started: NOW.minus_millis(90_000_000).millis(),
        net: "quarter-7".to_owned(),
        client: "gateway-1".to_owned(),
        phase: "active".to_owned(),
        members: Some(1_248),
        neighbours: Some(21),
        meters: vec![meter("cellar"), meter("<b>roof</b>")],
        last_round: Some(NOW.millis() / QUARTER - 1),
        last_round_acknowledged: true,
        last_round_had_reading: true,
        ..Status::default()
    }
}
