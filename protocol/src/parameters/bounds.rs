//! Tails of the hypergeometric and binomial distributions, and the two bounds made of them.
//!
//! Everything is a natural logarithm of a probability or of an upper bound for one, so that 2^−40
//! times the number of subsets of a million members stays representable. `f64::NEG_INFINITY` is
//! the logarithm of 0. Up to 2²⁰ members the tails are exact to a millionth; beside what the union
//! bounds give away that is nothing.

#![expect(
    clippy::float_arithmetic,
    reason = "probabilities, not energy; nothing of this is ever part of a sum"
)]

use std::f64::consts::{LN_2, TAU};

/// Up to this size each set size has a term of its own; above, blocks of sizes share one.
const SINGLE_TERMS: u32 = 256;
/// A block of set sizes is at most this part of its smallest size.
const BLOCK_PART: u32 = 128;
/// Terms below this part of the sum so far end a series whose terms fall.
const NEGLIGIBLE: f64 = 1e-18;

/// ln(2^−bits).
pub(super) fn ln_level(bits: u16) -> f64 {
    -f64::from(bits) * LN_2
}

/// As bits: 40 for ln(2^−40).
pub(super) fn bits(ln: f64) -> f64 {
    -ln / LN_2
}

/// ln(n!), by Stirling's series from 16 on.
fn ln_factorial(n: u32) -> f64 {
    if n < 16 {
        return (2..=n).map(f64::from).product::<f64>().ln();
    }
    let n = f64::from(n);
    let square = n * n;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / n;
    (n + 0.5) * n.ln() - n + 0.5 * TAU.ln() + series
}

/// ln of the number of ways to choose `k` of `n`.
pub(super) fn ln_choose(n: u32, k: u32) -> f64 {
    match n.checked_sub(k) {
        Some(rest) => ln_factorial(n) - ln_factorial(k) - ln_factorial(rest),
        None => f64::NEG_INFINITY,
    }
}

/// `first` as a logarithm, plus the terms that follow it by `ratio(i)`, for i = from, from + 1, …
/// below `end`. The ratios must fall as i grows.
fn ln_series(first: f64, from: u32, end: u32, ratio: impl Fn(u32) -> f64) -> f64 {
    const BIG: f64 = 1e200;
    let (mut sum, mut term, mut scale) = (1.0_f64, 1.0_f64, first);
    for i in from..end {
        let ratio = ratio(i);
        term *= ratio;
        sum += term;
        if ratio < 1.0 && term < sum * NEGLIGIBLE {
            break;
        }
        if sum > BIG {
            sum /= BIG;
            term /= BIG;
            scale += BIG.ln();
        }
    }
    (scale + sum.ln()).min(0.0)
}

/// ln P[at least `least` of `draws` are marked], drawn without replacement from `population`, of
/// whom `marked` are.
pub(super) fn ln_hypergeometric(population: u32, marked: u32, draws: u32, least: u32) -> f64 {
    let (marked, draws) = (marked.min(population), draws.min(population));
    let plain = population - marked;
    if least <= draws.saturating_sub(plain) {
        return 0.0;
    }
    let most = draws.min(marked);
    if least > most {
        return f64::NEG_INFINITY;
    }
    let first =
        ln_choose(marked, least) + ln_choose(plain, draws - least) - ln_choose(population, draws);
    ln_series(first, least, most, |i| {
        let up = f64::from(marked - i) * f64::from(draws - i);
        // plain − (draws − i) + 1, which the guard above keeps positive
        up / (f64::from(i + 1) * f64::from(plain + i + 1 - draws))
    })
}

/// ln P[at least `least` of `trials` happen], each for itself with `ppm` millionths.
pub(super) fn ln_binomial(trials: u32, ppm: u32, least: u32) -> f64 {
    if least == 0 {
        return 0.0;
    }
    if least > trials || ppm == 0 {
        return f64::NEG_INFINITY;
    }
    if ppm >= 1_000_000 {
        return 0.0;
    }
    let (yes, no) = (f64::from(ppm), f64::from(1_000_000 - ppm));
    let first = ln_choose(trials, least)
        + f64::from(least) * (yes / 1e6).ln()
        + f64::from(trials - least) * (no / 1e6).ln();
    ln_series(first, least, trials, |i| {
        f64::from(trials - i) * yes / (f64::from(i + 1) * no)
    })
}

/// ln(eᵃ + eᵇ).
pub(super) fn ln_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high.is_finite() {
        high + (low - high).exp().ln_1p()
    } else {
        high
    }
}

/// One net in one shape: what the bound on exposure is computed from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// n
    pub(super) members: u32,
    /// c
    pub(super) corrupt: u32,
    /// How many members a roster may leave out.
    pub(super) missing: u32,
    /// m
    pub(super) min_size: u32,
    /// k, at most n − 1
    pub(super) holders: u32,
    /// t
    pub(super) threshold: u32,
}

impl Shape {
    /// How many of its own holders a member lets a roster leave out.
    fn left_out(&self) -> u32 {
        self.missing.min(self.holders - self.threshold)
    }

    /// Fewest holders within S and the corrupt members without which a member is not in an S.
    fn needed_inside(&self) -> u32 {
        self.threshold.saturating_sub(self.left_out())
    }

    /// ln of the bound on P[there is a set that a lying provider can single out]; may be above 0.
    ///
    /// Stops once the bound is above `enough` and returns what it has then.
    pub(super) fn ln_exposure(&self, enough: f64) -> f64 {
        let honest = self.members - self.corrupt;
        let largest = honest.min(self.min_size.saturating_sub(1));
        if self.holders + 1 >= self.members {
            return if (1..=largest).any(|size| self.falls_out_of_complete(size)) {
                0.0
            } else {
                f64::NEG_INFINITY
            };
        }
        let mut sum = f64::NEG_INFINITY;
        let mut size = 1;
        while size <= largest && sum <= enough {
            let block = if size < SINGLE_TERMS {
                1
            } else {
                size / BLOCK_PART
            };
            let end = largest.min(size + block - 1);
            sum = ln_add(sum, self.ln_sets(honest, size, end));
            size = end + 1;
        }
        sum
    }

    /// ln of the bound for sets of `from` to `to` honest members. The probability of the largest
    /// serves for all of them, as it grows with the size.
    fn ln_sets(&self, honest: u32, from: u32, to: u32) -> f64 {
        let population = self.members - 1;
        let (marked, least) = (to - 1 + self.corrupt, self.needed_inside());
        // At or below the mean the tail is about a half or more: no bound can come of it.
        if u64::from(least) * u64::from(population) <= u64::from(marked) * u64::from(self.holders) {
            return ln_choose(honest, from).max(0.0);
        }
        let each = ln_hypergeometric(population, marked, self.holders, least);
        if each.is_infinite() {
            return each;
        }
        let term = |size: u32| ln_choose(honest, size) + f64::from(size) * each;
        if from == to {
            return term(from);
        }
        // C(h, s)·pˢ rises up to s ≈ (h + 1)·p / (1 + p) and falls from there.
        let odds = each.exp() / (1.0 + each.exp());
        let peak = (f64::from(honest) + 1.0) * odds;
        let highest = if peak <= f64::from(from) {
            term(from)
        } else if peak >= f64::from(to) {
            term(to)
        } else {
            // (1 + p)^h bounds every single term
            f64::from(honest) * each.exp().ln_1p()
        };
        highest + f64::from(to - from + 1).ln()
    }

    /// Whether a set of `size` honest members can be singled out of a complete graph: nothing is
    /// left to chance there.
    fn falls_out_of_complete(&self, size: u32) -> bool {
        let outside = u64::from(self.members - self.corrupt - size);
        let (size, left_out) = (u64::from(size), u64::from(self.left_out()));
        // Each pad between S and the rest must come from one end, and each end gives so many.
        let pads_come =
            outside * left_out.min(size) + size * left_out.min(outside) >= size * outside;
        let shares_come = size - 1 + u64::from(self.corrupt) >= u64::from(self.needed_inside());
        pads_come && shares_come
    }
}

/// ln of the bound on P[some member has fewer than `threshold` holders left], when `lost` members
/// picked at random fall away. May be above 0.
pub(super) fn ln_failure(members: u32, lost: u32, holders: u32, threshold: u32) -> f64 {
    f64::from(members).ln() + ln_hypergeometric(members - 1, lost, holders, holders - threshold + 1)
}

/// The same when each member falls away for itself with `ppm` millionths, or more than `missing`
/// members do so that the gateways refuse.
pub(super) fn ln_failure_independent(
    members: u32,
    missing: u32,
    ppm: u32,
    holders: u32,
    threshold: u32,
) -> f64 {
    if u64::from(missing) * 1_000_000 <= u64::from(members) * u64::from(ppm) {
        return 0.0; // more is expected to be lost than may be
    }
    let some_member = f64::from(members).ln() + ln_binomial(holders, ppm, holders - threshold + 1);
    ln_add(ln_binomial(members, ppm, missing + 1), some_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    }

    #[test]
    fn binomial_coefficients_are_those_of_pascal() {
        let mut row = vec![1.0_f64];
        for n in 0..60 {
            for (k, &want) in (0..).zip(&row) {
                close(ln_choose(n, k), want.ln());
            }
            assert!(ln_choose(n, n + 1).exp() <= 0.0);
            row = (0..=row.len())
                .map(|k| {
                    let left = if k == 0 { 0.0 } else { row[k - 1] };
                    left + row.get(k).copied().unwrap_or(0.0)
                })
                .collect();
        }
    }

    /// All draws of all small populations, counted one by one.
    #[test]
    fn hypergeometric_tails_are_those_of_counting() {
        for population in 1..=9_u32 {
            for marked in 0..=population {
                let mark = (1_u32 << marked) - 1;
                for draws in 0..=population {
                    let all: Vec<u32> = (0..1_u32 << population)
                        .filter(|set| set.count_ones() == draws)
                        .collect();
                    for least in 0..=draws + 1 {
                        let hits = all
                            .iter()
                            .filter(|set| (*set & mark).count_ones() >= least)
                            .count();
                        let want = f64::from(u32::try_from(hits).unwrap())
                            / f64::from(u32::try_from(all.len()).unwrap());
                        close(
                            ln_hypergeometric(population, marked, draws, least).exp(),
                            want,
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn binomial_tails_are_those_of_counting() {
        for trials in 0..=8_u32 {
            for ppm in [0, 1, 50_000, 500_000, 900_000, 1_000_000] {
                let yes = f64::from(ppm) / 1e6;
                for least in 0..=trials + 1 {
                    let want: f64 = (0..1_u32 << trials)
                        .map(u32::count_ones)
                        .filter(|ones| *ones >= least)
                        .map(|ones| {
                            yes.powi(ones.cast_signed())
                                * (1.0 - yes).powi((trials - ones).cast_signed())
                        })
                        .sum();
                    close(ln_binomial(trials, ppm, least).exp(), want);
                }
            }
        }
    }

    /// Of large populations: values of exact rational arithmetic, worked out beside this code.
    #[test]
    fn far_tails_are_those_of_exact_arithmetic() {
        for ((population, marked, draws, least), want) in FAR_TAILS {
            let got = ln_hypergeometric(population, marked, draws, least) / LN_2;
            assert!((got - want).abs() < 1e-6, "{got} is not {want}");
        }
    }

    /// (population, marked, draws, least), log2 of the tail.
    const FAR_TAILS: [((u32, u32, u32, u32), f64); 6] = [
        ((999, 50, 52, 22), -55.892_424_139),
        ((9999, 500, 62, 26), -58.166_365_507),
        ((99, 12, 16, 9), -19.708_772_266),
        ((999_999, 50_000, 74, 30), -64.143_926_461),
        ((999_999, 100_003, 146, 56), -63.090_560_298),
        ((999_999, 500_000, 255, 200), -66.787_681_883),
    ];

    #[test]
    fn blocks_bound_what_they_stand_for() {
        let shape = Shape {
            members: 4000,
            corrupt: 200,
            missing: 200,
            min_size: 1000,
            holders: 120,
            threshold: 88,
        };
        let singly = (1..shape.min_size)
            .map(|size| shape.ln_sets(3800, size, size))
            .fold(f64::NEG_INFINITY, ln_add);
        let in_blocks = shape.ln_exposure(f64::INFINITY);
        assert!(singly <= in_blocks + 1e-9, "{singly} > {in_blocks}");
    }
}
