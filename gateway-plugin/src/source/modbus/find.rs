//! Which units answer on a serial line, and which templates of the catalogue fit one of them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit, Value};
use dcnet_profiles::meter::Parity;
use dcnet_profiles::modbus::{
    Direction, Layout, ModbusLine, ModbusSerial, ModbusSource, TemplateName,
};

use super::bus::Bus;
use super::device::{Device, holding};
use super::fault::Fault;
use super::link::Link;
use super::sunspec::Search;

/// Speeds and parities in which meters are delivered, the likeliest first.
pub(crate) const LINES: [(u32, Parity); 5] = [
    (9_600, Parity::None),
    (9_600, Parity::Even),
    (19_200, Parity::Even),
    (19_200, Parity::None),
    (2_400, Parity::None),
];

/// Time for the answer of two registers.
const SHORT: Duration = Duration::from_millis(250);

/// Milliseconds for the answer of a whole block: as profiles have it that say nothing.
const WHOLE: u64 = 1000;

/// Attempts at one layout: the models of `SunSpec` may stand at three places.
const ATTEMPTS: usize = 3;

/// Watt-hours that no register here shows.
const MOST: i64 = 10_000_000_000;

/// Watts that no meter here shows.
const STRONGEST: i64 = 10_000_000;

/// Power of ten below which no quantity is measured.
const SMALLEST: i8 = -9;

/// Watts by which phases and sum may differ at any load.
const ROUNDING: i64 = 20;

/// A template that fits a unit.
#[derive(Debug)]
pub(crate) struct Fit {
    /// Its name.
    pub(crate) template: TemplateName,
    /// Whether a voltage or a frequency bears it out; other quantities may have any value.
    pub(crate) certain: bool,
    /// What the unit tells, read so.
    pub(crate) telegram: Telegram,
}

/// The units among 1 to `last` that answer at these settings of the line, with values or with an
/// exception.
///
/// # Errors
///
/// The port cannot be used.
pub(crate) async fn units(line: &ModbusSerial, last: u8) -> Result<Vec<u8>, Fault> {
    let bus = Bus::new(ModbusLine::Serial(line.clone()));
    let mut units = Vec::new();
    for unit in 1..=last {
        // A late answer of the unit before may meet the first question.
        for _ in 0..2 {
            let turn = bus.turn(None, SHORT).await?.discard().await?;
            match turn.ask(unit, SHORT, holding(0, 2), &mut false).await {
                Ok(_) | Err(Fault::Refused { .. }) => {
                    units.push(unit);
                    break;
                }
                Err(fault) if fault.is_of_line() => return Err(fault),
                Err(Fault::NoAnswer { .. }) => break,
                Err(_) => {}
            }
        }
    }
    Ok(units)
}

/// The templates of the catalogue that fit a unit, those first that a voltage or a frequency bears
/// out. Only reads.
///
/// # Errors
///
/// The port cannot be used, or the line does not become silent.
pub(crate) async fn fits(line: &ModbusSerial, unit: u8) -> Result<Vec<Fit>, Fault> {
    let mut session = Session {
        bus: Arc::new(Bus::new(ModbusLine::Serial(line.clone()))),
        link: None,
        confirmed: false,
    };
    let mut fits = Vec::new();
    for name in Layout::names() {
        let Ok(template) = name.parse::<TemplateName>() else {
            continue;
        };
        let source = ModbusSource {
            line: ModbusLine::Serial(line.clone()),
            unit,
            template,
            templates: None,
            every: 1,
            timeout: WHOLE,
            positive: Direction::Import,
        };
        let Ok(layout) = source.layout() else {
            continue;
        };
        if let Some(telegram) = session.try_out(&source, &layout).await? {
            fits.push(Fit {
                certain: is_borne_out(&telegram),
                template: source.template,
                telegram,
            });
        }
    }
    fits.sort_by_key(|fit| !fit.certain);
    Ok(fits)
}

/// A unit's session, in which one layout after the other is tried.
struct Session {
    bus: Arc<Bus>,
    /// `None`: to be opened by the next layout.
    link: Option<Link>,
    /// Whether no answer was owed when the session began; see point 4 of [`super::bus`].
    confirmed: bool,
}

impl Session {
    /// What the unit tells by this layout, if it fits.
    async fn try_out(
        &mut self,
        source: &ModbusSource,
        layout: &Layout,
    ) -> Result<Option<Telegram>, Fault> {
        let mut search = Search::default();
        for _ in 0..ATTEMPTS {
            let mut link = if let Some(link) = self.link.take() {
                link
            } else {
                self.confirmed = false;
                Link::open(&self.bus, source).await?
            };
            let read = self.read(&mut link, layout, &mut search).await;
            match read {
                Ok(_)
                | Err(
                    Fault::Refused { .. }
                    | Fault::NoSunSpec
                    | Fault::NoMeterModel
                    | Fault::BrokenModels { .. },
                ) => self.link = Some(link),
                Err(_) => link.close().await,
            }
            match read {
                Ok(telegram) if is_complete(&telegram, layout) && is_plausible(&telegram) => {
                    if are_phases_consistent(&telegram) {
                        return Ok(Some(telegram));
                    }
                    // The load may have changed between the phases and their sum: once more.
                }
                Err(fault) if fault.is_of_line() => return Err(fault),
                // Another place of the models is next.
                Err(Fault::NoAnswer { .. }) if matches!(layout, Layout::SunSpec(_)) => {}
                Err(Fault::OtherUnit | Fault::Unsolicited) => {}
                Ok(_) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn read(
        &mut self,
        link: &mut Link,
        layout: &Layout,
        search: &mut Search,
    ) -> Result<Telegram, Fault> {
        let mut device = match layout {
            Layout::Template(template) => Device::ask(link, template, Direction::Import).await?,
            Layout::SunSpec(models) => search.find(link, models, Direction::Import).await?,
        };
        let telegram = device.read(link).await?;
        if !self.confirmed {
            link.confirm().await?;
            self.confirmed = true;
        }
        Ok(telegram)
    }
}

fn numbers(telegram: &Telegram) -> impl Iterator<Item = (&Entry, ScaledInteger)> {
    telegram
        .entries
        .iter()
        .filter_map(|entry| match entry.value {
            Value::Number(number) => Some((entry, number)),
            _ => None,
        })
}

/// Whether each register of a template has a value; a model of `SunSpec` has some that a device
/// leaves out.
fn is_complete(telegram: &Telegram, layout: &Layout) -> bool {
    match layout {
        Layout::Template(template) => numbers(telegram).count() == template.registers.len(),
        Layout::SunSpec(_) => true,
    }
}

/// Whether the quantities have sizes that meters show, and not all are zero, as empty registers are.
fn is_plausible(telegram: &Telegram) -> bool {
    numbers(telegram).any(|(_, number)| number.mantissa() != 0)
        && numbers(telegram).all(|(entry, number)| is_likely(entry, number))
}

fn is_likely(entry: &Entry, number: ScaledInteger) -> bool {
    // An integer that is read as a float is next to nothing.
    let whole = number.mantissa() == 0 || !matches!(number.floor_to(SMALLEST), Some(0 | -1));
    let within = |exponent, range: RangeInclusive<i64>| {
        number
            .floor_to(exponent)
            .is_some_and(|number| range.contains(&number))
    };
    whole
        && match entry.unit {
            Some(Unit::VOLT) => within(-3, 80_000..=300_000),
            Some(Unit::HERTZ) => within(-3, 45_000..=65_000),
            Some(Unit::WATT_HOUR) => within(0, 0..=MOST),
            Some(Unit::WATT) => within(0, -STRONGEST..=STRONGEST),
            _ => true,
        }
}

/// Whether the power of the phases is about that of the sum, where a device tells all four.
fn are_phases_consistent(telegram: &Telegram) -> bool {
    let watts = |c| telegram.number(ObisCode::electricity(c, 7, 0))?.floor_to(0);
    let (Some(sum), Some(one), Some(two), Some(three)) =
        (watts(16), watts(36), watts(56), watts(76))
    else {
        return true;
    };
    let (difference, flowing) =
        ([one, two, three].iter()).fold((sum, 0_i64), |(left, all), phase| {
            (
                left.saturating_sub(*phase),
                all.saturating_add(phase.saturating_abs()),
            )
        });
    difference.saturating_abs() <= flowing.max(sum.saturating_abs()) / 10 + ROUNDING
}

/// Whether a voltage or a frequency is there: plausible ones do not come about by chance.
fn is_borne_out(telegram: &Telegram) -> bool {
    numbers(telegram).any(|(entry, _)| matches!(entry.unit, Some(Unit::VOLT | Unit::HERTZ)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telegram(rows: &[(&str, i128, i8, Unit)]) -> Telegram {
        let entry = |(code, mantissa, exponent, unit): &(&str, i128, i8, Unit)| {
            Entry::number(
                code.parse().unwrap(),
                ScaledInteger::new(*mantissa, *exponent),
                *unit,
            )
        };
        Telegram {
            server_id: Vec::new(),
            sensor_time: None,
            entries: rows.iter().map(entry).collect(),
        }
    }

    #[test]
    fn only_sizes_that_meters_show_are_plausible() {
        for (code, mantissa, exponent, unit, expected) in [
            ("32.7.0", 2301, -1, Unit::VOLT, true),
            ("32.7.0", 800, -1, Unit::VOLT, true),
            ("52.7.0", 799, -1, Unit::VOLT, false),
            ("72.7.0", 3001, -1, Unit::VOLT, false),
            ("14.7.0", 45, 0, Unit::HERTZ, true),
            ("14.7.0", 6501, -2, Unit::HERTZ, false),
            ("14.7.0", 0, 0, Unit::HERTZ, false),
            ("1.8.0", 1_234_567, 0, Unit::WATT_HOUR, true),
            ("1.8.0", -1, -2, Unit::WATT_HOUR, false),
            ("1.8.0", 1_150_964_261, 1, Unit::WATT_HOUR, false),
            ("1.8.0", 1, 120, Unit::WATT_HOUR, false),
            ("16.7.0", -250, 0, Unit::WATT, true),
            ("16.7.0", 1_132_068_864, 0, Unit::WATT, false),
            ("16.7.0", 17, -41, Unit::WATT, false),
            ("16.7.0", -17, -41, Unit::WATT, false),
            ("16.7.0", 0, 0, Unit::WATT, false),
        ] {
            let telegram = telegram(&[(code, mantissa, exponent, unit)]);
            assert_eq!(is_plausible(&telegram), expected, "{telegram:?}");
        }
        assert!(!is_plausible(&telegram(&[])));
    }

    #[test]
    fn phases_have_to_make_up_their_sum() {
        for (powers, expected) in [
            ([250, 100, 200, -50], true),
            ([5000, 1700, 1600, 1650], true),
            ([0, 2000, 0, 0], false),
            ([2000, 0, 0, 0], false),
            ([-250, 100, 200, -50], false),
        ] {
            let codes = ["16.7.0", "36.7.0", "56.7.0", "76.7.0"];
            let rows: Vec<_> = codes
                .iter()
                .zip(powers)
                .map(|(code, power)| (*code, power, 0, Unit::WATT))
                .collect();
            assert_eq!(
                are_phases_consistent(&telegram(&rows)),
                expected,
                "{powers:?}"
            );
            assert!(are_phases_consistent(&telegram(&rows[..3])));
        }
    }

    #[test]
    fn a_voltage_or_a_frequency_bears_a_template_out() {
        let power = ("16.7.0", 1, 0, Unit::WATT);
        assert!(!is_borne_out(&telegram(&[power])));
        assert!(is_borne_out(&telegram(&[
            power,
            ("14.7.0", 50, 0, Unit::HERTZ)
        ])));
    }
}
