//! From single values to telegrams, for sources that hand over one value after the other.

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit, Value};
use dcnet_protocol::round::UnixTime;

/// Values that are at most this far apart belong together, in milliseconds: a meter's telegram
/// reaches a logger's channels within it, and the next telegram comes later.
pub const TOGETHER: u64 = 900;

/// Most values of one telegram.
const MOST: usize = 256;

/// Collects values of one moment.
#[derive(Debug, Default)]
pub struct Gatherer {
    first: Option<UnixTime>,
    last: Option<UnixTime>,
    entries: Vec<Entry>,
}

impl Gatherer {
    /// Takes a value of the moment `time`; hands back the telegram that it does not belong to any
    /// more, with the time of its last value.
    pub fn add(&mut self, time: UnixTime, entry: Entry) -> Option<(UnixTime, Telegram)> {
        let begins = self.entries.len() >= MOST
            || self.entries.iter().any(|known| known.obis == entry.obis)
            || self.first.is_some_and(|first| {
                time.millis_since(first) > TOGETHER || first.millis_since(time) > TOGETHER
            });
        let done = if begins { self.take() } else { None };
        self.first.get_or_insert(time);
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        self.entries.push(entry);
        done
    }

    /// What has been collected, with the time of its last value; `None` if that is nothing.
    pub fn take(&mut self) -> Option<(UnixTime, Telegram)> {
        self.first = None;
        let time = self.last.take()?;
        let entries = std::mem::take(&mut self.entries);
        let telegram = Telegram {
            server_id: device(&entries),
            sensor_time: None,
            entries,
        };
        Some((time, telegram))
    }

    /// Whether something waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The device id, if an entry tells it; empty otherwise, which stands for "not told".
fn device(entries: &[Entry]) -> Vec<u8> {
    const DEVICE_ID_OLD: ObisCode = ObisCode::new([1, 0, 0, 0, 9, 255]);
    let id = |obis: ObisCode| {
        let entry = entries.iter().find(|entry| entry.obis == obis)?;
        match &entry.value {
            Value::Bytes(bytes) if (1..=32).contains(&bytes.len()) => Some(bytes.clone()),
            _ => None,
        }
    };
    id(ObisCode::DEVICE_ID)
        .or_else(|| id(DEVICE_ID_OLD))
        .unwrap_or_default()
}

/// The number with the unit that its code implies, for sources that tell none.
pub fn entry_of(obis: ObisCode, number: ScaledInteger) -> Entry {
    Entry {
        obis,
        value: Value::Number(number),
        unit: implied_unit(obis),
        status: None,
        time: None,
    }
}

/// The unit in which loggers hand over values of this code (IEC 62056-61, value groups C and D).
pub fn implied_unit(obis: ObisCode) -> Option<Unit> {
    if obis.a != 1 {
        return None;
    }
    let quantity = match obis.c {
        // Each phase has its quantities 20, 40, 60 further on.
        21..=80 => (obis.c - 1) % 20 + 1,
        other => other,
    };
    match (quantity, obis.d) {
        (1 | 2 | 15 | 16, 8 | 9) => Some(Unit::WATT_HOUR),
        (3..=8, 8 | 9) => Some(Unit::VAR_HOUR),
        (9 | 10, 8 | 9) => Some(Unit::VOLT_AMPERE_HOUR),
        (1 | 2 | 15 | 16, 4..=7) => Some(Unit::WATT),
        (3..=8, 4..=7) => Some(Unit::VAR),
        (9 | 10, 4..=7) => Some(Unit::VOLT_AMPERE),
        (11, 7) => Some(Unit::AMPERE),
        (12, 7) => Some(Unit::VOLT),
        (14, 7) => Some(Unit::HERTZ),
        (_, 7) if obis.c == 81 => Some(Unit::DEGREE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(obis: &str, number: i128) -> Entry {
        entry_of(obis.parse().unwrap(), ScaledInteger::new(number, 0))
    }

    #[test]
    fn values_of_one_moment_are_one_telegram() {
        let mut gatherer = Gatherer::default();
        let at = UnixTime::from_millis;
        assert!(gatherer.add(at(10_000), value("1.8.0", 1)).is_none());
        assert!(gatherer.add(at(10_001), value("16.7.0", 2)).is_none());
        // The same code again: the next telegram, however soon.
        let (time, telegram) = gatherer.add(at(10_002), value("1.8.0", 3)).unwrap();
        assert_eq!((time, telegram.entries.len()), (at(10_001), 2));
        let (time, telegram) = gatherer.add(at(11_000), value("16.7.0", 4)).unwrap();
        assert_eq!((time, telegram.entries.len()), (at(10_002), 1));
        // A clock that was set back does not glue together what lies apart.
        assert!(gatherer.add(at(1_000), value("2.8.0", 5)).is_some());
        assert_eq!(gatherer.take().unwrap().0, at(1_000));
        assert!(gatherer.take().is_none() && gatherer.is_empty());
    }

    #[test]
    fn units_follow_from_the_codes() {
        for (obis, unit) in [
            ("1.8.0", Some(Unit::WATT_HOUR)),
            ("1.8.1", Some(Unit::WATT_HOUR)),
            ("2.8.0", Some(Unit::WATT_HOUR)),
            ("3.8.0", Some(Unit::VAR_HOUR)),
            ("16.7.0", Some(Unit::WATT)),
            ("36.7.0", Some(Unit::WATT)),
            ("76.7.0", Some(Unit::WATT)),
            ("31.7.0", Some(Unit::AMPERE)),
            ("72.7.0", Some(Unit::VOLT)),
            ("14.7.0", Some(Unit::HERTZ)),
            ("81.7.2", Some(Unit::DEGREE)),
            ("96.5.0", None),
            ("7-0:3.0.0", None),
        ] {
            assert_eq!(implied_unit(obis.parse().unwrap()), unit, "{obis}");
        }
    }
}
