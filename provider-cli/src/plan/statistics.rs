//! Estimates with intervals of 95 %, and the few functions that they need.

use rand::RngExt as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::random::{Purpose, stream};

/// The normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Draws of a bootstrap.
const RESAMPLES: u64 = 400;

/// A number and its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Six decimals: what is beyond them is noise, and nobody is to compare it.
    fn new(value: f64, low: f64, high: f64) -> Self {
        Self {
            value: rounded(value),
            low: rounded(low),
            high: rounded(high),
        }
    }
}

/// `value` with six decimals, and no negative zero.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6 + 0.0
}

/// A share of independent trials, with Wilson's score interval; none without trials.
pub(super) fn rate(hits: usize, trials: usize) -> Option<Estimate> {
    let (low, high) = wilson(hits, trials)?;
    Some(Estimate::new(hits as f64 / trials as f64, low, high))
}

/// Wilson's score interval of a share.
fn wilson(hits: usize, trials: usize) -> Option<(f64, f64)> {
    if trials == 0 {
        return None;
    }
    let (n, share) = (trials as f64, hits as f64 / trials as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the ends the formula is exact; rounding is not.
    let low = if hits == 0 { 0.0 } else { middle - half };
    let high = if hits == trials { 1.0 } else { middle + half };
    Some((low, high))
}

/// How often each of two answers to the same question was yes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    pub(super) both: usize,
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) neither: usize,
}

impl Pairs {
    pub(super) fn add(&mut self, first: bool, second: bool) {
        *match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.first,
            (false, true) => &mut self.second,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// The share of the first yes less that of the second, with the interval of Newcombe (1998, method 10)
    /// for paired shares: Wilson's intervals of both, joined by their correlation. None without pairs.
    pub(super) fn difference(self) -> Option<Estimate> {
        let n = self.both + self.first + self.second + self.neither;
        let (yes1, yes2) = (self.both + self.first, self.both + self.second);
        let ((low1, high1), (low2, high2)) = (wilson(yes1, n)?, wilson(yes2, n)?);
        let count = n as f64;
        let (share1, share2) = (yes1 as f64 / count, yes2 as f64 / count);
        let phi = self.correlation();
        let reach = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
        let difference = share1 - share2;
        Some(Estimate::new(
            difference,
            difference - reach(share1 - low1, high2 - share2),
            difference + reach(high1 - share1, share2 - low2),
        ))
    }

    /// The correlation of both answers; where it is positive, less by Newcombe's correction for continuity.
    fn correlation(self) -> f64 {
        let [both, first, second, neither] =
            [self.both, self.first, self.second, self.neither].map(|count| count as f64);
        let margins = (both + first) * (second + neither) * (both + second) * (first + neither);
        if margins == 0.0 {
            return 0.0;
        }
        let product = both * neither - first * second;
        let corrected = if product > 0.0 {
            (product - (both + first + second + neither) / 2.0).max(0.0)
        } else {
            product
        };
        corrected / margins.sqrt()
    }
}

/// The mean of independent values, with the normal interval; none of fewer than two values.
pub(super) fn mean(values: &[f64]) -> Option<Estimate> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = Z * (squares / (n - 1.0) / n).sqrt();
    Some(Estimate::new(mean, mean - half, mean + half))
}

/// 1 less the sum of the first over the sum of the second, with the percentile interval of a bootstrap
/// over the pairs; none if the second are all 0.
pub(super) fn explained(pairs: &[(f64, f64)], seed: u64) -> Option<Estimate> {
    let share = |(error, whole): (f64, f64)| (whole > 0.0).then(|| 1.0 - error / whole);
    let add = |sum: (f64, f64), pair: &(f64, f64)| (sum.0 + pair.0, sum.1 + pair.1);
    let value = share(pairs.iter().fold((0.0, 0.0), add))?;
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|resample| {
            let mut rng = stream(seed, Purpose::Bootstrap, resample);
            let sum = (0..pairs.len()).fold((0.0, 0.0), |sum, _| {
                let pair = pairs.get(rng.random_range(0..pairs.len()));
                add(sum, pair.unwrap_or(&(0.0, 0.0)))
            });
            share(sum)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let index = (part * drawn.len().saturating_sub(1) as f64).round() as usize;
        drawn.get(index).copied().unwrap_or(value)
    };
    Some(Estimate::new(value, at(0.025), at(0.975)))
}

/// Pearson's correlation; 0 if one of both does not vary.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    let (mut sum_a, mut sum_b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        sum_a += x;
        sum_b += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    let spread_a = aa - sum_a * sum_a / n;
    let spread_b = bb - sum_b * sum_b / n;
    // What is left of a constant by rounding is no variation.
    if spread_a <= aa * 1e-12 || spread_b <= bb * 1e-12 {
        return 0.0;
    }
    ((ab - sum_a * sum_b / n) / (spread_a * spread_b).sqrt()).clamp(-1.0, 1.0)
}

/// The relative entropy (Kullback and Leibler) of two histograms in bits: what it costs to take the second
/// for the first. Half a count is added to every bin of both, so that it is finite.
pub(super) fn relative_entropy(first: &[u32], second: &[u32]) -> f64 {
    let bins = first.len() as f64;
    let whole = |counts: &[u32]| counts.iter().map(|count| f64::from(*count)).sum::<f64>();
    let (of_first, of_second) = (whole(first) + bins / 2.0, whole(second) + bins / 2.0);
    let terms = first.iter().zip(second).map(|(p, q)| {
        let p = (f64::from(*p) + 0.5) / of_first;
        let q = (f64::from(*q) + 0.5) / of_second;
        p * (p / q).log2()
    });
    terms.sum()
}

/// The normal distribution function, to 1.5e-7 (Abramowitz and Stegun 7.1.26).
pub(super) fn normal(x: f64) -> f64 {
    let y = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * y);
    let polynomial = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let erfc = polynomial.iter().fold(0.0, |sum, part| sum * t + part) * t * (-y * y).exp();
    if x < 0.0 {
        erfc / 2.0
    } else {
        1.0 - erfc / 2.0
    }
}

/// The probability of more than `most` hits in `trials` independent ones of probability `chance`.
pub(super) fn binomial_above(trials: u32, chance: f64, most: u32) -> f64 {
    if chance <= 0.0 || most >= trials {
        return 0.0;
    }
    if chance >= 1.0 {
        return 1.0;
    }
    // From the first term of the tail on, each out of the one before: nothing cancels.
    let odds = chance.ln() - (-chance).ln_1p();
    let mut term = f64::from(trials) * (-chance).ln_1p();
    let mut sum = 0.0;
    for hits in 0..trials {
        term += (f64::from(trials - hits) / f64::from(hits + 1)).ln() + odds;
        if hits >= most {
            sum += term.exp();
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, within: f64) {
        assert!((a - b).abs() <= within, "{a} is not {b}");
    }

    /// By hand: z²=3.8415; (0.8+1.92073/10)/(1.38415)=0.716742…; half = 1.95996/1.38415·√(0.016+0.0096036).
    #[test]
    fn wilson_as_by_hand() {
        let got = rate(8, 10).unwrap();
        close(got.value, 0.8, 0.0);
        close(got.low, 0.490_162, 2e-6);
        close(got.high, 0.943_318, 2e-6);
        // Of no hit the upper end is z²/(n+z²).
        let none = rate(0, 20).unwrap();
        close(none.low, 0.0, 0.0);
        close(none.high, Z * Z / (20.0 + Z * Z), 1e-6);
        assert_eq!(rate(0, 0), None);
    }

    #[test]
    fn the_difference_of_paired_shares() {
        // Both always answer the same: no difference, and an interval about it.
        let same = Pairs {
            both: 50,
            neither: 50,
            ..Pairs::default()
        };
        let got = same.difference().unwrap();
        close(got.value, 0.0, 0.0);
        assert!(
            got.low < 0.0 && got.high > 0.0 && got.high < 0.05,
            "{got:?}"
        );
        // Independent answers: the square-and-add of Wilson's distances, 25 of 100 in each field.
        let independent = Pairs {
            both: 25,
            first: 25,
            second: 25,
            neither: 25,
        };
        let half = wilson(50, 100).unwrap().1 - 0.5;
        let got = independent.difference().unwrap();
        close(got.high, half * 2.0_f64.sqrt(), 1e-6);
        close(got.low, -got.high, 0.0);
        // Always told apart: 1, and from below Wilson's distances of both.
        let told = Pairs {
            first: 200,
            ..Pairs::default()
        };
        let got = told.difference().unwrap();
        close(got.value, 1.0, 0.0);
        close(got.high, 1.0, 0.0);
        let distance = 1.0 - wilson(200, 200).unwrap().0;
        close(got.low, 1.0 - distance * 2.0_f64.sqrt(), 1e-6);
    }

    #[test]
    fn a_mean_and_its_interval() {
        let got = mean(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        close(got.value, 2.5, 0.0);
        // s² = 5/3, s/√4 = 0.6454972.
        close(got.high - 2.5, Z * 0.645_497_2, 2e-6);
        assert_eq!(mean(&[1.0]), None);
    }

    #[test]
    fn what_is_explained() {
        let pairs = [(1.0, 4.0), (2.0, 8.0), (0.5, 2.0)];
        let got = explained(&pairs, 1).unwrap();
        // Each pair has the same share, so that each resample has it.
        assert_eq!((got.value, got.low, got.high), (0.75, 0.75, 0.75));
        assert_eq!(explained(&[(0.0, 0.0)], 1), None);
        let wide = explained(&[(0.0, 1.0), (1.0, 1.0), (0.0, 1.0), (1.0, 1.0)], 1).unwrap();
        assert!(wide.low < 0.3 && wide.high > 0.7, "{wide:?}");
    }

    #[test]
    fn correlations() {
        close(correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), 1.0, 1e-12);
        close(correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0, 1e-12);
        close(correlation(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), 0.5, 1e-12);
        close(correlation(&[0.1, 0.1, 0.1], &[1.0, 3.0, 2.0]), 0.0, 0.0);
    }

    #[test]
    fn relative_entropies() {
        close(relative_entropy(&[5, 5, 0], &[5, 5, 0]), 0.0, 0.0);
        // (3+½, 0+½)/4 against (0+½, 3+½)/4: 7/8·log2 7 − 1/8·log2 7.
        close(
            relative_entropy(&[3, 0], &[0, 3]),
            0.75 * 7.0_f64.log2(),
            1e-12,
        );
    }

    #[test]
    fn the_normal_distribution() {
        close(normal(0.0), 0.5, 2e-7);
        close(normal(1.0), 0.841_344_7, 2e-7);
        close(normal(-Z), 0.025, 2e-7);
        close(normal(9.0), 1.0, 1e-12);
    }

    #[test]
    fn tails_of_the_binomial_distribution() {
        // 1 − 0.9³; 3·0.01·0.9 + 0.001.
        close(binomial_above(3, 0.1, 0), 0.271, 1e-12);
        close(binomial_above(3, 0.1, 1), 0.028, 1e-12);
        close(binomial_above(3, 0.1, 3), 0.0, 0.0);
        close(binomial_above(10, 1.0, 9), 1.0, 0.0);
        close(binomial_above(10, 0.0, 0), 0.0, 0.0);
        // Far out in the tail it is still a number: p^n.
        close(binomial_above(100, 0.01, 99) / 1e-200, 1.0, 1e-9);
    }
}
