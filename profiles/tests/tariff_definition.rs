//! What makes a tariff another one, and what becomes of its registers then.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use dcnet_obis::Unit;
use dcnet_profiles::meter::DeviceId;
use dcnet_profiles::tariff::{BillingState, Closure, RegisterReading};
use dcnet_profiles::{Profile, TariffProfile};
use dcnet_protocol::round::UnixTime;

fn catalogued(name: &str) -> TariffProfile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    Profile::load(&folder.join(name)).unwrap().tariffs.remove(0)
}

fn day_night() -> TariffProfile {
    catalogued("tariff-day-night.yaml")
}

fn register(seconds: u64, value: i64) -> RegisterReading {
    RegisterReading {
        time: UnixTime::from_secs(seconds),
        device: DeviceId::from([1].as_slice()),
        value,
    }
}

#[test]
fn what_decides_what_registers_count_is_in_the_definition() {
    let (mut definitions, tariff) = (vec![day_night().definition()], day_night());
    let mut changed = |change: &dyn Fn(&mut TariffProfile)| {
        let mut tariff = day_night();
        change(&mut tariff);
        assert_ne!(tariff, day_night());
        definitions.push(tariff.definition());
    };
    changed(&|tariff| tariff.scale = 0);
    changed(&|tariff| tariff.unit = Unit::WATT);
    changed(&|tariff| tariff.obis.e = 1);
    changed(&|tariff| tariff.meter = Some("cellar".to_owned()));
    changed(&|tariff| tariff.zone = "Europe/London".parse().unwrap());
    changed(&|tariff| tariff.months = 3);
    changed(&|tariff| tariff.first_month = 4);
    changed(&|tariff| tariff.stages.reverse());
    changed(&|tariff| tariff.days[0].switches[1].at = "06:15".parse().unwrap());
    changed(&|tariff| tariff.days[0].switches[1].stage = "low".to_owned());
    changed(&|tariff| tariff.seasons[0].from = "02-01".parse().unwrap());
    changed(&|tariff| tariff.seasons[0].week[6] = "workday".to_owned());
    let count = definitions.len();
    definitions.sort();
    definitions.dedup();
    assert_eq!(definitions.len(), count);
    // Days that are added year by year do not begin registers anew.
    let mut more = day_night();
    more.special_days.pop();
    // Nor does it matter who is named on the bill.
    more.customer = Some("44332211".to_owned());
    more.supplier = Some("987654321".to_owned());
    more.gateway = Some("EXXX0012345678".to_owned());
    assert_eq!(more.definition(), tariff.definition());
}

#[test]
fn a_changed_tariff_closes_what_was_counted() {
    assert_eq!(BillingState::default().change(), None);
    let readings = [register(1_792_058_400, 100), register(1_792_059_300, 900)];
    let tariff = catalogued("tariff-monthly.yaml");
    let mut state = BillingState::default();
    for reading in &readings {
        (state, _) = state.advance(&tariff, reading).unwrap();
    }
    let closed = state.change().unwrap();
    assert_eq!(
        (closed.closure, closed.period.total()),
        (Closure::Changed, 800)
    );
}
