use super::*;
use crate::plan::population::tests::normals;
use crate::plan::random::{Purpose, parallel, stream};

const COVARIANCES: usize = 3;

fn games(windows: &[Window], sizes: &[u32], purpose: Purpose, count: usize) -> Vec<Played> {
    parallel(count, 2, |number| {
        let rng = stream(1, purpose, number as u64);
        play(Draw::new(windows, rng).unwrap(), sizes)
    })
}

/// Of each adversary, for each size.
fn advantages(windows: &[Window], sizes: &[u32], count: usize) -> Vec<[f64; 4]> {
    let training = games(windows, sizes, Purpose::Training, count);
    let played = games(windows, sizes, Purpose::Game, count);
    let each = (0..sizes.len()).map(|size| {
        [0, 1, 2, 3].map(|adversary| {
            let of = |games: &[Played]| {
                let scores = games.iter().map(|game| game.scores[size][adversary]);
                scores.collect::<Vec<_>>()
            };
            let limit = limit(of(&training).into_iter());
            let pairs = judge(of(&played).into_iter(), limit);
            pairs.difference().unwrap().value
        })
    });
    each.collect()
}

#[test]
fn in_a_net_of_one_everybody_is_told() {
    for days in [1, 7] {
        let windows = [Window::of(normals(40, days, 1), days).unwrap()];
        let got = advantages(&windows, &[1], 200);
        for advantage in got[0] {
            assert!(advantage > 0.985, "{days}: {got:?}");
        }
    }
}

/// Independent normal readings: what the likelihood ratio reaches is known in closed form.
#[test]
fn the_likelihood_ratio_of_normals_is_as_good_as_it_can_be() {
    let windows = [Window::of(normals(150, 1, 2), 1).unwrap()];
    let distances: Vec<f64> = (0..150).map(|one| windows[0].distance(one)).collect();
    let sizes = [20, 100, 400];
    let got = advantages(&windows, &sizes, 600);
    for (size, got) in sizes.iter().zip(&got) {
        let expected = expected(&distances, f64::from(*size));
        let got = got[COVARIANCES];
        assert!(
            (got - expected).abs() < 0.06,
            "{size}: {got}, not {expected}"
        );
    }
    // 96 quarter-hours in nets of 100: 2Φ(√0.96/2) − 1 = 0.376.
    assert!((expected(&[96.0], 100.0) - 0.375_8).abs() < 1e-3);
}

#[test]
fn in_a_net_that_grows_the_advantage_goes() {
    let windows = [Window::of(normals(60, 1, 4), 1).unwrap()];
    let got = advantages(&windows, &[2, 40, 4000], 150);
    for adversary in 0..4 {
        let [small, large, huge] = [got[0], got[1], got[2]].map(|all| all[adversary]);
        assert!(
            small > 0.85 && small > large && large > huge,
            "{adversary}: {got:?}"
        );
        assert!(huge < 0.2, "{adversary}: {got:?}");
    }
}

/// A household that uses the same all day has no curve: nothing correlates with it.
#[test]
fn a_constant_household_correlates_with_nothing() {
    let mut readings = normals(20, 1, 6);
    readings[..96].fill(0.25);
    let window = Window::of(readings, 1).unwrap();
    let draw = Draw {
        window: &window,
        rng: stream(1, Purpose::Game, 0),
        household: 0,
        instead: 1,
    };
    let played = play(draw, &[1, 5]);
    for scores in &played.scores {
        assert_eq!(scores[0], (0.0, 0.0));
    }
    // By likelihood it is told alone: nothing remains of a net of one.
    let (with, without) = played.scores[0][COVARIANCES];
    assert!(with > without + 1e3, "{with} {without}");
}

#[test]
fn limits_are_put_between_scores() {
    let games = [(3.0, 1.0), (4.0, 2.0)];
    assert_eq!(limit(games.into_iter()).to_bits(), 2.5_f64.to_bits());
    assert_eq!(
        judge(games.into_iter(), 2.5),
        Pairs {
            first: 2,
            ..Pairs::default()
        }
    );
    // Nothing tells: it never says "in".
    let same = [(1.0, 1.0), (2.0, 2.0)];
    assert_eq!(judge(same.into_iter(), limit(same.into_iter())).neither, 2);
}

#[test]
fn the_size_that_normal_sums_need() {
    // 2Φ(x) − 1 = 0.05 at x = 0.0627068: size = distance / (2x)².
    let size = size_for(&[96.0], 0.05).unwrap();
    let exact = 96.0 / (2.0_f64 * 0.062_706_8).powi(2);
    assert!((size as f64 - exact).abs() < 2.0, "{size} {exact}");
    assert_eq!(size_for(&[f64::INFINITY], 0.05), None);
    assert_eq!(size_for(&[0.0], 0.05), Some(1));
}
