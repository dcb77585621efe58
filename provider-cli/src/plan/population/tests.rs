use rand::RngExt as _;

use super::*;
use crate::plan::data::Row;
use crate::plan::random::{Purpose, stream};

/// Independent normal readings of the same mean and variance, by the sum of twelve even draws.
pub(in crate::plan) fn normals(households: usize, days: usize, seed: u64) -> Vec<f64> {
    let mut rng = stream(seed, Purpose::Training, 0);
    let mut one = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    (0..households * days * DAY)
        .map(|_| 0.5 + 0.1 * one())
        .collect()
}

#[test]
fn a_window_has_those_without_missing_readings() {
    let row = |household: usize, week: &str, missing: Option<usize>| Row {
        household: household.to_string(),
        week: week.to_owned(),
        readings: (0..2 * DAY)
            .map(|quarter| (Some(quarter) != missing).then_some(household as f64))
            .collect(),
    };
    let rows = (1..=6)
        .map(|number| row(number, "w1", (number == 6).then_some(100)))
        .chain((1..=3).map(|number| row(number, "w2", None)));
    let data = Data {
        days: 2,
        rows: rows.collect(),
    };
    let cuts = cuts(&data, 1);
    assert_eq!(cuts.len(), 4);
    let households = cuts
        .iter()
        .map(|cut| Window::new(&data, *cut).map(|window| (window.households, window.mean[5])));
    assert_eq!(
        households.collect::<Vec<_>>(),
        [Some((6, 3.5)), Some((5, 3.0)), None, None]
    );
    assert!(super::cuts(&data, 7).is_empty());
}

/// Against moments that are computed of the others alone.
#[test]
fn the_household_in_question_is_not_in_the_moments() {
    let readings = normals(30, 1, 5);
    let window = Window::of(readings.clone(), 1).unwrap();
    let others = Window::of(readings[DAY..].to_vec(), 1).unwrap();
    let own = window.deviation(0);
    for (quarter, variance) in window.variances(own).enumerate() {
        let expected = others.variance[quarter];
        assert!((variance.unwrap() - expected).abs() < 1e-12);
        let mean = window.mean[quarter] - own[quarter] * window.own_share();
        assert!((mean - others.mean[quarter]).abs() < 1e-12);
    }
}

#[test]
fn quarter_hours_in_which_nothing_varies_have_no_variance() {
    let values = [1.0, 2.0, 4.0, 7.0, 11.0];
    let mut readings = vec![0.5; values.len() * DAY];
    for (row, value) in readings.chunks_exact_mut(DAY).zip(values) {
        row[40] = value;
    }
    let window = Window::of(readings, 1).unwrap();
    // Others than the last: mean 3.5, variance 5.25.
    let own = window.deviation(4);
    assert!((own[40] * window.scale() - 7.5).abs() < 1e-12);
    let variances: Vec<_> = window.variances(own).collect();
    assert!((variances[40].unwrap() - 5.25).abs() < 1e-12);
    assert_eq!(variances[39], None);
}

/// In one block the products are those of the matrix of the others: here of two quarter-hours, which
/// are inverted by hand.
#[test]
fn products_are_under_the_covariances_of_the_others() {
    let window = Window {
        quarters: 2,
        households: 5,
        mean: vec![0.0; 2],
        variance: vec![1.0; 2],
        deviations: Vec::new(),
        white: vec![0.0; 10],
        blocks: vec![Block {
            width: 2,
            share: 0.25,
        }],
    };
    // (I − ¼·(1, 1)(1, 1)ᵀ)·5/4 has the inverse [[1.5, 0.5], [0.5, 1.5]]·4/5; own is times 5/4 on each side
    // on which it stands.
    let got = window.products(&[2.0, 0.0], &[1.0, 1.0]);
    for (got, expected) in [(got.sum, 4.8), (got.both, 4.0), (got.own, 5.0)] {
        assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    }
}

/// Whoever has another's covariances has no part in them, and stands out as far on the average.
#[test]
fn halves_learn_from_each_other() {
    let readings = normals(401, 1, 7);
    let row = |(number, row): (usize, &[f64])| Row {
        household: number.to_string(),
        week: "w1".to_owned(),
        readings: row.iter().copied().map(Some).collect(),
    };
    let data = Data {
        days: 1,
        rows: readings.chunks_exact(DAY).enumerate().map(row).collect(),
    };
    let cut = cuts(&data, 1)[0];
    let [even, odd] = Window::halves(&data, cut).unwrap();
    assert_eq!((even.households, odd.households), (201, 200));
    for half in [&even, &odd] {
        assert_eq!(half.blocks[0].share.to_bits(), 0);
        let sum: f64 = (0..200).map(|household| half.distance(household)).sum();
        let mean = sum / 200.0 / DAY as f64;
        assert!((0.95..1.1).contains(&mean), "{mean}");
    }
    let few = Data {
        days: 1,
        rows: data.rows[..7].to_vec(),
    };
    assert!(Window::halves(&few, cut).is_none());
}

#[test]
fn distances_of_independent_readings_are_their_number() {
    for days in [1, 7] {
        let window = Window::of(normals(300, days, 3), days).unwrap();
        let sum: f64 = (0..300).map(|household| window.distance(household)).sum();
        let mean = sum / 300.0 / window.quarters as f64;
        assert!((0.97..1.06).contains(&mean), "{days}: {mean}");
    }
}
