//! How much of one household's day the sum gives away.

use schemars::JsonSchema;
use serde::Serialize;

use super::edges::{Edge, TOLERANCE, edges, matches};
use super::game::Draw;
use super::population::add;
use super::statistics::{Estimate, correlation, explained, mean, rate, relative_entropy};

/// Bins of the histograms whose relative entropy is taken.
pub(super) const BINS: usize = 16;

/// What was recovered of days in nets of one size, and beside it what the same methods find where the
/// household is not in the net.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Recovery {
    /// Correlation of the household's day with the sum.
    pub(crate) correlation: Option<Estimate>,
    /// The same with the sum of a net without it.
    pub(crate) correlation_chance: Option<Estimate>,
    /// Share of the variance about the population's mean that the best linear estimate explains.
    pub(crate) explained: Option<Estimate>,
    /// Relative entropy of the day's readings and their estimates, bits.
    pub(crate) entropy: Option<Estimate>,
    /// The same with the population's mean for an estimate.
    pub(crate) entropy_mean: Option<Estimate>,
    pub(crate) edges: Edges,
}

/// Load events of households that were found in the sum.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Edges {
    /// Edges of the households, all days together.
    pub(crate) truth: usize,
    /// Edges found in the sums.
    pub(crate) found: usize,
    pub(crate) precision: Option<Estimate>,
    pub(crate) recall: Option<Estimate>,
    /// In sums of nets without the household.
    pub(crate) precision_chance: Option<Estimate>,
    pub(crate) recall_chance: Option<Estimate>,
}

/// What one day gave in a net of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    with: f64,
    without: f64,
    /// Squares of what the estimate, and of what the mean is off.
    errors: (f64, f64),
    entropy: f64,
    entropy_mean: f64,
    truth: usize,
    /// Found and right, with the household and without.
    found: [(usize, usize); 2],
}

/// Tries to recover a day in nets of each of `sizes`, ascending; `bins` are the limits between bins, kWh.
pub(super) fn recover(mut draw: Draw<'_>, sizes: &[u32], bins: &[f64]) -> Vec<Day> {
    let window = draw.window();
    let own = window.deviation(draw.household);
    let mut curve = window.mean.clone();
    add(&mut curve, own);
    let subject = Subject {
        truth: edges(&curve, TOLERANCE),
        histogram: histogram(&curve, bins),
        // What the others use on the average: what is expected of it by who does not see a sum.
        expected: window
            .mean
            .iter()
            .zip(own)
            .map(|(mean, own)| mean - own * window.own_share())
            .collect(),
        curve,
        bins,
    };
    let mut others = vec![0.0; window.quarters];
    let mut count = 0;
    let mut days = Vec::with_capacity(sizes.len());
    for size in sizes {
        while count + 1 < *size {
            add(&mut others, window.deviation(draw.other()));
            count += 1;
        }
        let sum = |household: usize| {
            let mut sum = others.clone();
            add(&mut sum, window.deviation(household));
            for (sum, mean) in sum.iter_mut().zip(&window.mean) {
                *sum += f64::from(*size) * mean;
            }
            sum
        };
        days.push(subject.day(&sum(draw.household), &sum(draw.instead), f64::from(*size)));
    }
    days
}

/// The household whose day is to be recovered.
struct Subject<'a> {
    /// kWh.
    curve: Vec<f64>,
    expected: Vec<f64>,
    truth: Vec<Edge>,
    histogram: [u32; BINS],
    bins: &'a [f64],
}

impl Subject<'_> {
    fn day(&self, with: &[f64], without: &[f64], size: f64) -> Day {
        // Members alike, the best linear estimate takes of the sum's deviation each its part: cov/var = 1/N.
        let estimate: Vec<f64> = with
            .iter()
            .zip(&self.expected)
            .map(|(sum, expected)| expected + (sum - size * expected) / size)
            .collect();
        let squares = |estimate: &[f64]| -> f64 {
            let pairs = self.curve.iter().zip(estimate);
            pairs.map(|(value, guess)| (value - guess).powi(2)).sum()
        };
        let entropy =
            |estimate: &[f64]| relative_entropy(&self.histogram, &histogram(estimate, self.bins));
        Day {
            with: correlation(&self.curve, with),
            without: correlation(&self.curve, without),
            errors: (squares(&estimate), squares(&self.expected)),
            entropy: entropy(&estimate),
            entropy_mean: entropy(&self.expected),
            truth: self.truth.len(),
            found: [with, without].map(|sum| {
                let found = self.events(sum, size);
                (found.len(), matches(&found, &self.truth))
            }),
        }
    }

    /// Edges of a sum without the course that is expected of it. It is as rough as √N households.
    fn events(&self, sum: &[f64], size: f64) -> Vec<Edge> {
        let rest: Vec<f64> = sum
            .iter()
            .zip(&self.expected)
            .map(|(sum, expected)| sum - (size - 1.0) * expected)
            .collect();
        edges(&rest, TOLERANCE * size.sqrt())
    }
}

/// How many values are in each bin.
fn histogram(values: &[f64], bins: &[f64]) -> [u32; BINS] {
    let mut counts = [0; BINS];
    for value in values {
        let bin = bins.partition_point(|limit| limit <= value);
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    counts
}

/// Limits of bins with as many of `values` in each.
pub(super) fn bins(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let limits = (1..BINS).filter_map(|bin| values.get(values.len() * bin / BINS));
    limits.copied().collect()
}

impl Recovery {
    /// Of days of one size.
    pub(super) fn of(days: &[Day], seed: u64) -> Self {
        let mean_of = |value: fn(&Day) -> f64| mean(&days.iter().map(value).collect::<Vec<_>>());
        let sum = |value: fn(&Day) -> usize| days.iter().map(value).sum::<usize>();
        let truth = sum(|day| day.truth);
        let (found, right) = (sum(|day| day.found[0].0), sum(|day| day.found[0].1));
        let (found_chance, right_chance) = (sum(|day| day.found[1].0), sum(|day| day.found[1].1));
        let errors: Vec<_> = days.iter().map(|day| day.errors).collect();
        Self {
            correlation: mean_of(|day| day.with),
            correlation_chance: mean_of(|day| day.without),
            explained: explained(&errors, seed),
            entropy: mean_of(|day| day.entropy),
            entropy_mean: mean_of(|day| day.entropy_mean),
            edges: Edges {
                truth,
                found,
                precision: rate(right, found),
                recall: rate(right, truth),
                precision_chance: rate(right_chance, found_chance),
                recall_chance: rate(right_chance, truth),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::population::{Window, tests::normals};
    use super::super::random::{Purpose, stream};
    use super::*;

    fn recovered(window: Window, sizes: &[u32], count: u64) -> Vec<Recovery> {
        let bins = bins(window.mean.clone());
        let windows = [window];
        let days: Vec<_> = (0..count)
            .map(|number| {
                let draw = Draw::new(&windows, stream(1, Purpose::Recovery, number));
                recover(draw.unwrap(), sizes, &bins)
            })
            .collect();
        let of = |size: usize| days.iter().map(|days| days[size]).collect::<Vec<_>>();
        (0..sizes.len())
            .map(|size| Recovery::of(&of(size), 1))
            .collect()
    }

    /// Of independent readings of the same variance the estimate explains one part in N, and their
    /// correlation with the sum is its root.
    #[test]
    fn what_independent_readings_give_away() {
        let sizes = [1, 2, 4, 25];
        let got = recovered(Window::of(normals(200, 1, 8), 1).unwrap(), &sizes, 400);
        for (size, got) in sizes.iter().zip(&got) {
            let part = 1.0 / f64::from(*size);
            let explained = got.explained.unwrap().value;
            assert!((explained - part).abs() < 0.02, "{size}: {explained}");
            let correlation = got.correlation.unwrap().value;
            assert!(
                (correlation - part.sqrt()).abs() < 0.02,
                "{size}: {correlation}"
            );
            let chance = got.correlation_chance.unwrap().value;
            assert!(chance.abs() < 0.02, "{size}: {chance}");
        }
        // Alone it is its own sum: nothing is lost.
        let alone = got[0].entropy.unwrap();
        assert!(alone.value.abs() < 1e-9 && got[0].entropy_mean.unwrap().value > 0.5);
    }

    /// Households that switch something on and off, at times of their own.
    #[test]
    fn edges_of_a_net_of_one_are_all_found() {
        let mut readings = vec![0.1; 30 * 96];
        for (number, row) in readings.chunks_exact_mut(96).enumerate() {
            row[number * 3 + 2..number * 3 + 6].fill(0.9);
        }
        let got = recovered(Window::of(readings, 1).unwrap(), &[1], 100);
        let alone = &got[0].edges;
        assert_eq!((alone.truth, alone.found), (200, 200));
        assert_eq!(alone.precision.unwrap().value.to_bits(), 1.0_f64.to_bits());
        assert_eq!(alone.recall.unwrap().value.to_bits(), 1.0_f64.to_bits());
        assert!(alone.recall_chance.unwrap().value < 0.1);
    }

    #[test]
    fn bins_hold_as_many_values_each() {
        let values: Vec<f64> = (0..160).map(f64::from).collect();
        let bins = bins(values.clone());
        assert_eq!(bins.len(), BINS - 1);
        assert_eq!(histogram(&values, &bins), [10; BINS]);
    }
}
