//! A household as its meter shows it.

use dcnet_obis::sml::encode::Encoder;
use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};

use super::{Random, Source, Spoken};

/// What kind of household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Uses between these two powers, in W.
    Consumer(u64, u64),
    /// Uses the first and makes up to the second, in W.
    Roof(u64, u64),
}

/// A simulated household with its meter: import and export in 10⁻¹ Wh, power in W.
///
/// One round stands for a quarter of an hour, so that something is seen to happen. The registers
/// change between a third and a half of every round and at no other time: what they show at a
/// border leaves no doubt, however busy the machine is.
#[derive(Debug, Clone)]
pub struct Household {
    habit: Habit,
    server_id: Vec<u8>,
    encoder: Encoder,
    interval: u64,
    random: Random,
    changed_in: Option<u64>,
    import: i64,
    export: i64,
    power: i64,
}

impl Household {
    /// The `number`-th household; `interval` is the round's length in milliseconds.
    pub fn new(number: u8, habit: Habit, interval: u64) -> Self {
        let mut household = Self {
            habit,
            server_id: vec![0x0a, 0x01, b'D', b'C', b'N', 0, 1, 0, 0, number],
            encoder: Encoder::new(),
            interval,
            random: Random::new(u64::from(number) << 32),
            changed_in: None,
            import: 0,
            export: 0,
            power: 0,
        };
        household.import = household.between(10_000_000, 200_000_000);
        household.export = match habit {
            Habit::Consumer(..) => 0,
            Habit::Roof(..) => household.between(10_000_000, 200_000_000),
        };
        household
    }

    /// The fitter exchanges the meter for one whose registers stand at `register`; it has a new
    /// device id if `new_id`.
    pub fn replace_meter(&mut self, register: i64, new_id: bool) {
        self.import = register;
        self.export = register;
        if new_id && let Some(last) = self.server_id.last_mut() {
            *last = last.wrapping_add(128);
        }
    }

    fn change(&mut self) {
        self.power = match self.habit {
            Habit::Consumer(low, high) => self.between(low, high),
            Habit::Roof(used, made) => used.cast_signed() - self.between(0, made),
        };
        // A quarter of an hour at this power, in tenths of a watt-hour.
        let energy = self.power * 10 / 4;
        if energy >= 0 {
            self.import += energy;
        } else {
            self.export -= energy;
        }
    }

    fn between(&mut self, low: u64, high: u64) -> i64 {
        self.random.between(low, high).cast_signed()
    }

    fn telegram(&self) -> Telegram {
        let number = |obis, value: i64, scale, unit| {
            Entry::number(obis, ScaledInteger::new(value.into(), scale), unit)
        };
        Telegram {
            server_id: self.server_id.clone(),
            sensor_time: None,
            entries: vec![
                Entry::bytes(ObisCode::DEVICE_ID, self.server_id.clone()),
                number(
                    ObisCode::ACTIVE_ENERGY_IMPORT,
                    self.import,
                    -1,
                    Unit::WATT_HOUR,
                ),
                number(
                    ObisCode::ACTIVE_ENERGY_EXPORT,
                    self.export,
                    -1,
                    Unit::WATT_HOUR,
                ),
                number(ObisCode::ACTIVE_POWER, self.power, 0, Unit::WATT),
            ],
        }
    }
}

impl Source for Household {
    fn speak(&mut self, now: u64) -> Spoken {
        let (round, into) = (now / self.interval, now % self.interval);
        // A simulator that was held up leaves the registers as they are for this round.
        let time_to_change = (self.interval / 3..self.interval / 2).contains(&into);
        if self.changed_in != Some(round) && time_to_change {
            self.changed_in = Some(round);
            self.change();
        }
        Spoken {
            // It has three numbers and an id: nothing that could not be said.
            bytes: self.encoder.encode(&self.telegram()).unwrap_or_default(),
            shown: Some(vec![self.import, self.export, self.power]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcnet_obis::sml::Decoder;

    #[test]
    fn what_it_says_is_what_it_shows() {
        let mut household = Household::new(3, Habit::Roof(400, 3_000), 6_000);
        for now in (0..60_000).step_by(500) {
            let Spoken { bytes, shown } = household.speak(now);
            let telegrams = Decoder::new().push(&bytes);
            let telegram = telegrams[0].as_ref().unwrap();
            let read = |obis, scale| telegram.number(obis).unwrap().exact_to(scale).unwrap();
            let read = vec![
                read(ObisCode::ACTIVE_ENERGY_IMPORT, -1),
                read(ObisCode::ACTIVE_ENERGY_EXPORT, -1),
                read(ObisCode::ACTIVE_POWER, 0),
            ];
            assert_eq!(Some(read), shown);
        }
    }

    #[test]
    fn registers_change_once_a_round_and_away_from_its_borders() {
        let mut household = Household::new(1, Habit::Consumer(200, 3_000), 6_000);
        let mut last = household.speak(0).shown;
        let mut changes = Vec::new();
        for now in (0..30_000).step_by(100) {
            let shown = household.speak(now).shown;
            if shown != last {
                changes.push(now % 6_000);
                last = shown;
            }
        }
        assert_eq!(changes, [2_000; 5]);
    }

    #[test]
    fn a_household_held_up_skips_a_change() {
        let mut household = Household::new(1, Habit::Consumer(200, 3_000), 6_000);
        let before = household.speak(0).shown;
        assert_eq!(household.speak(5_500).shown, before);
    }
}
