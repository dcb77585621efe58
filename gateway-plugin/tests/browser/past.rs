//! Three weeks that a household has behind it.

use dcnet_gateway::ledger::{Binding, Change, Ledger, StateDirectory};
use dcnet_obis::ObisCode;
use dcnet_profiles::evaluation::{BorderReading, BorderValue, MeterBorder};
use dcnet_profiles::meter::DeviceId;
use dcnet_protocol::round::UnixTime;

use crate::support::bench::Bench;
use crate::support::net::now;

const QUARTER: u64 = 900_000;
const QUARTERS_OF_A_DAY: u64 = 96;

/// Writes what the meter showed at each quarter of an hour of the last three weeks into the ledger of
/// the household, which is bound to its net. A day and a half in the middle are missing.
pub fn write(bench: &Bench) {
    let directory = StateDirectory::acquire(&bench.household.state()).unwrap();
    let ledger = Ledger::open(directory).unwrap();
    ledger
        .bind(&Binding {
            net: "bench".parse().unwrap(),
            client: "house".parse().unwrap(),
            descriptor: bench.server.net().descriptor.encode(),
        })
        .unwrap();
    let last = now().millis() / QUARTER;
    let first = last - 21 * QUARTERS_OF_A_DAY;
    let mut import = 400_000;
    let mut rows = Vec::new();
    for quarter in first..=last {
        let power = power(quarter);
        import += power * 10 / 4;
        let gap = first + 8 * QUARTERS_OF_A_DAY..first + 9 * QUARTERS_OF_A_DAY + 48;
        if !gap.contains(&quarter) {
            rows.push(border(quarter, import, power));
        }
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.border, row.encode().unwrap()))
        .collect();
    let changes: Vec<_> = rows
        .iter()
        .map(|(border, bytes)| Change::Border {
            border: *border,
            bytes,
        })
        .collect();
    ledger.commit(&changes).unwrap();
    // The meter goes on where the past ends.
    bench
        .meter
        .import
        .store(import, std::sync::atomic::Ordering::Relaxed);
}

/// In watts: a household that sleeps, has breakfast, cooks, and looks at films.
fn power(quarter: u64) -> i64 {
    let of_day = quarter % QUARTERS_OF_A_DAY;
    let base = match of_day {
        0..24 => 120,
        24..34 => 900,
        34..66 => 260,
        66..80 => 1_400,
        80..92 => 700,
        _ => 200,
    };
    // A spread that is the same at every run.
    let spread = quarter.wrapping_mul(2_654_435_761) >> 7;
    base + i64::try_from(spread % 180).unwrap()
}

fn border(quarter: u64, import: i64, power: i64) -> BorderReading {
    let border = UnixTime::from_millis(quarter * QUARTER);
    let value = |obis, scale, value| BorderValue {
        obis,
        scale,
        value,
        resolution: scale,
    };
    BorderReading {
        border,
        meters: vec![MeterBorder {
            meter: "test".to_owned(),
            time: border,
            device: DeviceId::from([10, 1, b'D', b'Z', b'G', 0, 0, 0, 0, 1].as_slice()),
            values: vec![
                value(ObisCode::ACTIVE_ENERGY_IMPORT, -1, import),
                value(ObisCode::ACTIVE_POWER, 0, power),
            ],
            lacking: Vec::new(),
        }],
    }
}
