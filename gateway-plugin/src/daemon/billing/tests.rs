use std::path::Path;

use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};
use proptest::prelude::*;

use super::*;
use crate::ledger::StateDirectory;

/// 2027-01-04T11:00:00Z, noon of a Monday in Berlin: within a stage.
const NOON: u64 = 1_799_060_400_000;

struct Bench {
    profile: Profile,
    ledger: Ledger,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles/catalog");
        let mut profile = Profile::load(&catalog.join("tariff-day-night.yaml")).unwrap();
        profile.state = folder.path().join("state");
        let ledger = Ledger::open(StateDirectory::acquire(&profile.state).unwrap()).unwrap();
        Self {
            profile,
            ledger,
            _folder: folder,
        }
    }

    fn billing(&self, now: u64) -> Billing {
        Billing::open(&self.profile, &self.ledger, UnixTime::from_millis(now)).unwrap()
    }

    fn settle(&self, billing: &mut Billing, now: u64) {
        let now = UnixTime::from_millis(now);
        if billing.is_due(now) {
            assert_eq!(billing.until_due(now), Duration::ZERO);
            billing
                .settle(now, |changes| self.ledger.commit(changes))
                .unwrap();
        }
    }

    /// What the owner sees: register of the last reading, total of the stages, error register.
    fn shown(&self) -> Option<(i64, i64, i64)> {
        let shown = tariffs::read(&self.profile.state).unwrap();
        let Registers::Billing(state) = &shown[0].kept.registers else {
            panic!("{shown:?}")
        };
        let running = &state.running()?.period;
        let stages = running.stages.iter().map(|(_, value)| value).sum();
        Some((running.to.value, stages, running.error))
    }
}

/// The register shows `value` tenths of Wh at `time`.
fn observe(billing: &mut Billing, time: u64, value: i64) {
    let entry = Entry::number(
        ObisCode::ACTIVE_ENERGY_IMPORT,
        ScaledInteger::new(value.into(), -1),
        Unit::WATT_HOUR,
    );
    let telegram = Telegram {
        server_id: vec![1],
        sensor_time: None,
        entries: vec![entry],
    };
    billing.observe(&MeterEvent {
        meter: 0,
        source: 0,
        event: SourceEvent::Telegram {
            time: UnixTime::from_millis(time),
            telegram,
        },
    });
}

#[test]
fn registers_go_on_from_border_to_border() {
    let bench = Bench::new();
    let mut billing = bench.billing(NOON - 1);
    let settled = |border: u64| border + GRACE;
    observe(&mut billing, NOON - 100, 70);
    observe(&mut billing, NOON + 100, 71);
    bench.settle(&mut billing, NOON + GRACE - 1);
    assert_eq!(bench.shown(), None, "too early");
    bench.settle(&mut billing, settled(NOON));
    assert_eq!(bench.shown(), Some((70, 0, 0)));
    observe(&mut billing, NOON + INTERVAL, 75);
    bench.settle(&mut billing, settled(NOON + INTERVAL));
    assert_eq!(bench.shown(), Some((75, 5, 0)));
    // Held up over two borders: both are taken, in their order.
    observe(&mut billing, NOON + 2 * INTERVAL, 76);
    observe(&mut billing, NOON + 3 * INTERVAL, 78);
    bench.settle(&mut billing, settled(NOON + 3 * INTERVAL));
    assert_eq!(bench.shown(), Some((78, 8, 0)));
    // Nothing came: the registers stay, and what was counted is not lost.
    bench.settle(&mut billing, settled(NOON + 4 * INTERVAL));
    observe(&mut billing, NOON + 5 * INTERVAL, 90);
    bench.settle(&mut billing, settled(NOON + 5 * INTERVAL));
    assert_eq!(bench.shown(), Some((90, 20, 0)));
}

#[test]
fn what_is_not_durable_is_not_shown() {
    let bench = Bench::new();
    let mut billing = bench.billing(NOON - 1);
    observe(&mut billing, NOON, 70);
    bench.settle(&mut billing, NOON + GRACE);
    observe(&mut billing, NOON + INTERVAL, 75);
    let now = UnixTime::from_millis(NOON + INTERVAL + GRACE);
    let failed = billing.settle(now, |changes| {
        assert_eq!(changes.len(), 1);
        Err(LedgerError::Stopped)
    });
    assert!(failed.is_err());
    billing.show();
    assert_eq!(bench.shown(), Some((70, 0, 0)));
}

#[test]
fn nothing_is_written_between_borders_or_without_a_reading() {
    let bench = Bench::new();
    let mut billing = bench.billing(NOON - 1);
    observe(&mut billing, NOON - INTERVAL / 2, 70); // too old for the border
    let mut commits = 0;
    for second in 0..1_800 {
        let now = UnixTime::from_millis(NOON + second * 1_000);
        observe(&mut billing, now.millis() + 1, 71);
        if billing.is_due(now) {
            let count = |_: &[Change<'_>]| {
                commits += 1;
                Ok(())
            };
            billing.settle(now, count).unwrap();
        }
    }
    assert_eq!(
        commits, 1,
        "the first border has no reading, the second one has"
    );
}

#[test]
fn a_clock_that_is_set_back_or_not_at_all_counts_nothing() {
    let bench = Bench::new();
    let mut billing = bench.billing(0);
    observe(&mut billing, INTERVAL, 70);
    bench.settle(&mut billing, INTERVAL + GRACE);
    assert_eq!(bench.shown(), None, "in 1970");
    // Set, and too far: by a day.
    let wrong = NOON + 96 * INTERVAL;
    for number in 1..=3 {
        observe(&mut billing, wrong + number * INTERVAL, 70);
    }
    bench.settle(&mut billing, wrong);
    // Right.
    bench.settle(&mut billing, NOON - 1);
    observe(&mut billing, NOON, 70);
    bench.settle(&mut billing, NOON + GRACE);
    assert_eq!(bench.shown(), Some((70, 0, 0)));
}

#[test]
fn damaged_rows_are_refused() {
    let bench = Bench::new();
    let change = Change::Tariff {
        name: "day-night",
        bytes: b"nonsense",
    };
    bench.ledger.commit(&[change]).unwrap();
    let now = UnixTime::from_millis(NOON);
    let opened = Billing::open(&bench.profile, &bench.ledger, now);
    assert!(matches!(opened, Err(LedgerError::Damaged { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn kills_at_any_time_lose_nothing_that_the_meter_counted(
        steps in proptest::collection::vec((0_i64..1_000, any::<bool>(), any::<bool>()), 2..200)
    ) {
        let bench = Bench::new();
        let mut billing = bench.billing(NOON - 1);
        let (mut border, mut register, mut first) = (NOON, 5_000, None);
        let mut last = None;
        for (advance, heard, killed) in steps {
            register += advance;
            if killed {
                billing = bench.billing(border - INTERVAL / 2);
            }
            if heard {
                observe(&mut billing, border - 1_000, register);
                first.get_or_insert(register);
                last = Some(register);
            }
            bench.settle(&mut billing, border + GRACE);
            border += INTERVAL;
        }
        let shown = bench.shown();
        let stands = shown.map(|(value, stages, error)| (Some(value), stages + error));
        let counted = first.zip(last).map(|(first, last)| (Some(last), last - first));
        prop_assert_eq!(stands, counted);
    }
}

#[test]
fn the_status_says_how_far_a_tariff_is() {
    let mut bench = Bench::new();
    let mut daily = bench.profile.tariffs[0].clone();
    daily.name = "daily".to_owned();
    daily.taf = dcnet_profiles::tariff::BillingUseCase::Taf6;
    daily.stages.clear();
    bench.profile.tariffs.push(daily);
    let mut billing = bench.billing(NOON - 1);
    let at = UnixTime::from_millis;
    let [day_night, daily] = &billing.status(at(NOON))[..] else {
        panic!("two tariffs");
    };
    assert_eq!((day_night.name.as_str(), day_night.taf), ("day-night", 2));
    assert_eq!(day_night.stage.as_deref(), Some("high"));
    assert_eq!((day_night.since, day_night.closed), (None, 0));
    assert_eq!((daily.taf, daily.stage.as_deref()), (6, None));
    // 22:00 in Berlin, and a clock that was never set.
    let night = billing.status(at(NOON + 10 * 3_600_000));
    assert_eq!(night[0].stage.as_deref(), Some("low"));
    assert_eq!(billing.status(at(0))[0].stage, None);

    // Nothing came; then the first reading, and that of the first midnight.
    bench.settle(&mut billing, NOON + GRACE);
    let silent = billing.status(at(NOON + GRACE));
    assert!(silent.iter().all(|tariff| tariff.fault.is_some()));
    observe(&mut billing, NOON + INTERVAL, 75);
    bench.settle(&mut billing, NOON + INTERVAL + GRACE);
    let midnight = NOON + 12 * 3_600_000;
    let mut billing = bench.billing(midnight - 1);
    observe(&mut billing, midnight, 80);
    bench.settle(&mut billing, midnight + GRACE);
    let status = billing.status(at(midnight + GRACE));
    assert_eq!(
        (status[0].since, status[0].closed),
        (Some(NOON + INTERVAL), 0)
    );
    assert_eq!((status[1].since, status[1].closed), (Some(midnight), 1));
    assert!(status.iter().all(|tariff| tariff.fault.is_none()));

    // The first reading of February closes January, over a gap.
    let february = NOON + 28 * 86_400_000;
    let mut billing = bench.billing(february - 1);
    observe(&mut billing, february, 90);
    bench.settle(&mut billing, february + GRACE);
    let status = &billing.status(at(february + GRACE))[0];
    assert_eq!((status.since, status.closed), (Some(midnight), 1));
}
