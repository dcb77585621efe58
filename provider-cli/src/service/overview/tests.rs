//! The overview over stores that are already full.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::provider::RoundStatus;

use super::world::{INTERVAL, Location, World, berlin, days, on_both, outcome, round, second};
use super::*;
use crate::store::STATUS_AT;

/// In Wh per round, as they were put in.
fn sum(point: &Point) -> Option<i64> {
    match point.state {
        State::Value(value) => Some(value / 4000),
        _ => None,
    }
}

on_both!(
    a_week_with_a_day_of_25_hours_comes_out_as_it_was_put_in,
    "overview_week"
);
async fn a_week_with_a_day_of_25_hours_comes_out_as_it_was_put_in(store: Location) {
    let world = World::at(store);
    let overview = world
        .overview(&[world.net("elbe-1", "", 5, days())], berlin())
        .await;
    let snapshot = overview.snapshot().await.unwrap();
    let state = &snapshot.nets[0];
    let day = Span {
        from: second("2024-10-26T22:00:00Z"),
        to: second("2024-10-27T23:00:00Z"),
    };
    let (quantity, curve) = overview.net_curve(state, 0, day).await.unwrap();
    assert_eq!(
        (quantity.obis.as_str(), quantity.unit),
        ("1-0:1.8.0*255", "W")
    );
    assert_eq!(curve.points.len(), 100);
    let before = 8 * 96;
    let expected: Vec<_> = (0..100)
        .map(|number| (![12, 16, 17].contains(&number)).then_some(before + number))
        .collect();
    assert_eq!(curve.points.iter().map(sum).collect::<Vec<_>>(), expected);
    let is = |of: fn(&Point) -> bool| -> Vec<usize> {
        let points = curve.points.iter().enumerate();
        points
            .filter(|(_, point)| of(point))
            .map(|(number, _)| number)
            .collect()
    };
    assert_eq!(is(|point| point.state == State::Gap), [12, 16, 17]);
    assert_eq!(is(|point| point.corrected > 0), [4]);
    assert_eq!(is(|point| point.failed > 0), [12]);
    // A week ago and yesterday at the same local time; the hour that came twice twice.
    let local = |number: i64| if number < 12 { number } else { number - 4 };
    for (number, point) in (0..).zip(&curve.points) {
        assert_eq!(
            point.yesterday,
            Some((7 * 96 + local(number)) * 4000),
            "{number}"
        );
        assert_eq!(
            point.last_week,
            Some((96 + local(number)) * 4000),
            "{number}"
        );
    }
    // The whole week, and what is before the first round.
    let week = Span {
        from: second("2024-10-20T22:00:00Z"),
        to: day.to,
    };
    let (_, curve) = overview.net_curve(state, 0, week).await.unwrap();
    assert_eq!(curve.points.len(), 7 * 96 + 4);
    assert_eq!(curve.points.iter().filter_map(sum).count(), 7 * 96 + 4 - 3);
    let begin = Span {
        from: second("2024-10-18T20:00:00Z"),
        to: second("2024-10-18T22:30:00Z"),
    };
    let (_, curve) = overview.net_curve(state, 0, begin).await.unwrap();
    assert!(
        curve.points[..8]
            .iter()
            .all(|point| point.state == State::Before)
    );
    assert_eq!(
        curve.points[8..].iter().map(sum).collect::<Vec<_>>(),
        [Some(0), Some(1)]
    );
    // The rounds of a time, newest first.
    let rounds = overview.rounds(state, day, 3).await.unwrap();
    let last = round("2024-10-27T23:00:00Z");
    let numbers: Vec<_> = rounds
        .iter()
        .map(|outcome| outcome.round.number())
        .collect();
    assert_eq!(numbers, [last - 1, last - 2, last - 3]);
}

on_both!(
    a_region_has_a_sum_where_each_of_its_nets_has_one,
    "overview_region"
);
async fn a_region_has_a_sum_where_each_of_its_nets_has_one(store: Location) {
    let world = World::at(store);
    let whole: Vec<_> = days()
        .into_iter()
        .map(|found| outcome(found.round.number(), RoundStatus::Complete, 1000))
        .collect();
    let mut odd = world.net("elbe-4", "Elbe", 5, whole.clone());
    let mut parameters = odd.descriptor.parameters().clone();
    parameters.slots[0].scale = -1;
    odd.descriptor = NetDescriptor::new(parameters).unwrap();
    let seeds = [
        world.net("elbe-1", "Elbe", 5, days()),
        world.net("elbe-2", "Elbe", 5, whole),
        world.net("elbe-3", "Elbe", 5, Vec::new()),
        odd,
    ];
    let overview = world.overview(&seeds, berlin()).await;
    let snapshot = overview.snapshot().await.unwrap();
    let states: Vec<_> = snapshot.nets.iter().collect();
    let span = Span {
        from: second("2024-10-27T00:30:00Z"),
        to: second("2024-10-27T02:30:00Z"),
    };
    let found = overview
        .region_curve(&states, 0, span)
        .await
        .unwrap()
        .unwrap();
    let names: Vec<_> = found.nets.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["elbe-1", "elbe-2"]);
    let aside: Vec<_> = found
        .aside
        .iter()
        .map(|(net, why)| (net.to_string(), *why))
        .collect();
    assert_eq!(
        aside,
        [
            ("elbe-3".to_owned(), SetAside::NoRound),
            ("elbe-4".to_owned(), SetAside::OtherSlot),
        ]
    );
    let sums: Vec<_> = found.curve.points.iter().map(sum).collect();
    let first = 8 * 96 + 10 + 1000;
    assert_eq!(
        sums,
        [
            Some(first),
            Some(first + 1),
            None,
            Some(first + 3),
            Some(first + 4),
            Some(first + 5),
            None,
            None,
        ]
    );
    assert_eq!(found.curve.points[2].failed, 1);
}

on_both!(
    late_small_failed_and_empty_nets_are_found,
    "overview_health"
);
async fn late_small_failed_and_empty_nets_are_found(store: Location) {
    let world = World::at(store);
    let now = now().secs() / INTERVAL;
    let of = |status| {
        vec![
            outcome(now - 2, RoundStatus::Corrected, 1),
            outcome(now - 1, status, 2),
        ]
    };
    let mut small = of(RoundStatus::Complete);
    small[1].members = 3;
    let gone = vec![outcome(now - 300, RoundStatus::Complete, 1)];
    let seeds = [
        world.net("corrected", "", 5, of(RoundStatus::Corrected)),
        world.net("empty", "", 0, gone.clone()),
        world.net("failed", "", 5, of(RoundStatus::TooFewPresent)),
        world.net("late", "", 5, gone),
        world.net("new", "", 0, Vec::new()),
        world.net("small", "", 3, small),
        world.net("well", "", 5, of(RoundStatus::Complete)),
    ];
    let overview = world.overview(&seeds, berlin()).await;
    let snapshot = overview.snapshot().await.unwrap();
    let healths: Vec<_> = snapshot.nets.iter().map(NetState::health).collect();
    assert_eq!(
        healths,
        [
            Health::Corrected,
            Health::Waiting,
            Health::Failed,
            Health::Late,
            Health::Waiting,
            Health::Small,
            Health::Well,
        ]
    );
    let late = &snapshot.nets[3];
    assert!((297..=299).contains(&late.late), "{}", late.late);
    let day = |complete, corrected, failed| Day {
        complete,
        corrected,
        failed,
    };
    let days: Vec<_> = snapshot.nets.iter().map(|state| state.day).collect();
    assert_eq!(days[0], day(0, 2, 0));
    assert_eq!(days[2], day(0, 1, 1));
    assert_eq!(days[3], day(0, 0, 0), "more than a day ago");
    assert_eq!(days[6], day(1, 1, 0));
    // A few seconds later it is the same answer.
    let again = overview.snapshot().await.unwrap();
    assert!(Arc::ptr_eq(&snapshot, &again));
}

/// What the store reads out of an encoded outcome is its status.
#[test]
fn the_status_stands_where_the_store_looks() {
    for status in [
        RoundStatus::Complete,
        RoundStatus::Corrected,
        RoundStatus::TooFewPresent,
        RoundStatus::SharesMissing,
    ] {
        let bytes = outcome(u64::MAX / 3, status, 77).encode();
        let place = usize::try_from(STATUS_AT - 1).unwrap();
        assert_eq!(bytes[place], status as u8);
    }
}

on_both!(what_is_too_much_is_not_read, "overview_much");
async fn what_is_too_much_is_not_read(store: Location) {
    let world = World::at(store);
    let overview = world
        .overview(&[world.net("elbe-1", "", 5, days())], berlin())
        .await;
    let snapshot = overview.snapshot().await.unwrap();
    let states = vec![&snapshot.nets[0]; 80];
    let week = Span {
        from: second("2024-10-20T22:00:00Z"),
        to: second("2024-10-27T23:00:00Z"),
    };
    let refused = overview.region_curve(&states, 0, week).await.unwrap_err();
    assert!(
        matches!(refused, ShowError::TooMuch { rounds } if rounds > MOST_ROUNDS),
        "{refused}"
    );
}

#[test]
fn extras_that_are_not_there_are_named() {
    let error = Extras::load("Europe/Nowhere", None, None).unwrap_err();
    assert!(error.to_string().contains("Europe/Nowhere"), "{error}");
    let none = Path::new("/none/such");
    let error = Extras::load("UTC", Some((none, 2500)), None).unwrap_err();
    assert!(error.to_string().contains("/none/such"), "{error}");
    let error = evidence_folder(none).unwrap_err();
    assert!(error.to_string().contains("/none/such"), "{error}");
}
