//! The households of the demonstration, each with its meter.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::options::Options;
use crate::harness::{
    Habit, HarnessError, Household, Lab, Meter, NetPlan, Origin, Recording, Slot, Source, Spoken,
    recordings,
};

/// Several telegrams in every round, and at least one every second.
const LONGEST_PERIOD: Duration = Duration::from_millis(500);

/// Households by the names of their gateways.
pub(super) struct Street {
    houses: BTreeMap<String, House>,
    /// Recordings advance from this round on.
    first_round: Arc<AtomicU64>,
}

pub(super) struct House {
    what: String,
    /// Whether its meter shows all that the net sums.
    readable: bool,
    telegrams: usize,
    origin: Option<Origin>,
    source: Option<Box<dyn Source>>,
    meter: Option<Meter<Box<dyn Source>>>,
}

impl Source for Box<dyn Source> {
    fn speak(&mut self, now: u64) -> Spoken {
        self.as_mut().speak(now)
    }
}

impl Street {
    /// The households that the options ask for, and the net that fits them. Their meters are
    /// still off.
    pub(super) fn plan(options: &Options) -> Result<(Self, NetPlan), HarnessError> {
        let interval = options.interval();
        let millis = u64::from(interval) * 1000;
        let first_round = Arc::new(AtomicU64::new(u64::MAX));
        let (houses, slots, max_power) = match &options.recordings {
            None => (
                simulated(options.gateways.unwrap_or(5), millis),
                vec![Slot::IMPORT, Slot::EXPORT, Slot::POWER],
                // A quarter of an hour passes in a round, so energies look like huge powers.
                10_000_000,
            ),
            Some(folder) => (
                recorded(folder, options.gateways, millis, &first_round)?,
                vec![Slot::IMPORT],
                100_000,
            ),
        };
        let plan = NetPlan {
            interval,
            slots,
            min_size: 4,
            // All are neighbours of all: what a net of up to a hundred should be.
            degree: 100,
            mode: "double-mask",
            max_power,
        };
        Ok((
            Self {
                houses,
                first_round,
            },
            plan,
        ))
    }

    /// Switches the meters on, behind the ports of their gateways.
    pub(super) fn start(&mut self, lab: &Lab) -> Result<(), HarnessError> {
        let period = LONGEST_PERIOD.min(lab.plan().round() / 12);
        for (name, house) in &mut self.houses {
            if let Some(source) = house.source.take() {
                house.meter = Some(Meter::start(source, &lab.port(name), period)?);
            }
        }
        Ok(())
    }

    /// Lets recordings advance from `round` on, unless they do.
    pub(super) fn advance_from(&self, round: u64) {
        // Refused if they do already.
        let _ = self.first_round.compare_exchange(
            u64::MAX,
            round,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// What the meter of `name` showed at `time` (milliseconds since 1970 UTC).
    pub(super) fn shown(&self, name: &str, time: u64) -> Option<Vec<i64>> {
        self.houses.get(name)?.meter.as_ref()?.shown_at(time)
    }

    /// The gateway `name` was killed and will open its port again.
    pub(super) fn forget_owner(&self, name: &str) {
        if let Some(meter) = self.houses.get(name).and_then(|house| house.meter.as_ref()) {
            meter.forget_owner();
        }
    }

    /// Names of the gateways.
    pub(super) fn names(&self) -> Vec<String> {
        self.houses.keys().cloned().collect()
    }

    /// Each with its device and what it is.
    pub(super) fn describe(&self) -> impl Iterator<Item = (&str, String, &str)> {
        self.houses.iter().map(|(name, house)| {
            let device = house.meter.as_ref().and_then(Meter::device);
            let device = device.map_or_else(String::new, |device| device.display().to_string());
            (name.as_str(), device, house.what.as_str())
        })
    }

    /// Gateways whose meters show all that is summed.
    pub(super) fn readable(&self) -> Vec<String> {
        let readable = self.houses.iter().filter(|(_, house)| house.readable);
        readable.map(|(name, _)| name.clone()).collect()
    }

    /// Where the truth about recordings comes from: from how many references, from our own decoder
    /// in how many cases. Nothing for simulated households.
    pub(super) fn origins(&self) -> Option<(usize, usize)> {
        let count = |origin| {
            let houses = self.houses.values();
            houses.filter(|house| house.origin == Some(origin)).count()
        };
        let recorded = self.houses.values().any(|house| house.origin.is_some());
        recorded.then(|| (count(Origin::Reference), count(Origin::OwnDecoder)))
    }

    /// The gateway to be killed: one whose meter can be read, with much to tell.
    pub(super) fn victim(&self) -> Option<String> {
        let readable = self.houses.iter().filter(|(_, house)| house.readable);
        readable
            .max_by_key(|(_, house)| house.telegrams)
            .map(|(name, _)| name.clone())
    }
}

fn simulated(number: u8, interval: u64) -> BTreeMap<String, House> {
    let kinds = [
        ("a flat", Habit::Consumer(80, 900)),
        ("a family", Habit::Consumer(200, 4_000)),
        ("a roof with solar cells", Habit::Roof(600, 5_000)),
        ("a heat pump", Habit::Consumer(900, 3_500)),
        ("an electric car", Habit::Consumer(150, 11_000)),
    ];
    (1..=number)
        .zip(kinds.into_iter().cycle())
        .map(|(number, (what, habit))| {
            let source = Household::new(number, habit, interval);
            let house = House {
                what: what.to_owned(),
                readable: true,
                // Only to choose among them: the roof, for its sums change most when it is gone.
                telegrams: usize::from(number == 3),
                origin: None,
                source: Some(Box::new(source)),
                meter: None,
            };
            (format!("gw-{number}"), house)
        })
        .collect()
}

fn recorded(
    folder: &Path,
    most: Option<u8>,
    interval: u64,
    first_round: &Arc<AtomicU64>,
) -> Result<BTreeMap<String, House>, HarnessError> {
    let mut all = recordings(folder, interval, first_round)?;
    if let Some(most) = most {
        // Those with something to tell first.
        all.sort_by_key(|recording| recording.origin() == Origin::Nothing);
        all.truncate(most.into());
    }
    let house = |(number, recording): (usize, Recording)| {
        let name = format!("gw-{:02}", number + 1);
        let what = match recording.origin() {
            Origin::Nothing if recording.telegrams() == 0 => {
                format!("{}, no complete telegram", recording.name())
            }
            Origin::Nothing => format!("{}, does not show 1.8.0", recording.name()),
            _ => format!("{}, {} telegrams", recording.name(), recording.telegrams()),
        };
        let house = House {
            what,
            readable: recording.origin() != Origin::Nothing,
            telegrams: recording.telegrams(),
            origin: Some(recording.origin()),
            source: Some(Box::new(recording)),
            meter: None,
        };
        (name, house)
    };
    Ok(all.into_iter().enumerate().map(house).collect())
}
