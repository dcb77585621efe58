//! The distinguishing game: is the household in the net or not?
//!
//! After Buescher et al. (2017). The challenger draws a window, a household and N − 1 others, and gives the
//! adversary the household's load curve and the sum over the net in each quarter-hour of the window: of the
//! others and the household, or of the others and one more. The adversary says which. It knows the
//! moments of the population, and has played before to find out where to put its limit.
//!
//! Others are drawn evenly and with replacement: nets of a population that is distributed as the data
//! are, and large. Without replacement a net of half of the households would leave half of the variance.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Serialize;

use super::population::{Window, add};
use super::statistics::{Pairs, correlation, normal};

/// How an adversary makes a number of what it has: the larger, the more it believes that the household is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Adversary {
    /// Correlation of the household's curve with the sum.
    Correlation,
    /// Correlation of both deviations from what is expected.
    Deviation,
    /// Likelihood ratio of normal sums whose quarter-hours are independent.
    Variances,
    /// Likelihood ratio of normal sums with the covariances of the very households of which nets are drawn:
    /// more than anybody can know who has other households to learn from.
    Covariances,
    /// The same with covariances that were learned from one half of the households, in nets of the other half:
    /// less than somebody can know who has more of them.
    Learned,
}

impl Adversary {
    pub(crate) const ALL: [Self; 5] = [
        Self::Correlation,
        Self::Deviation,
        Self::Variances,
        Self::Covariances,
        Self::Learned,
    ];

    /// Where its scores stand among [`Scores`]; the last two have the same method.
    pub(super) fn column(self) -> usize {
        match self {
            Self::Correlation => 0,
            Self::Deviation => 1,
            Self::Variances => 2,
            Self::Covariances | Self::Learned => 3,
        }
    }

    /// In a table.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Correlation => "correlation",
            Self::Deviation => "deviation",
            Self::Variances => "variances",
            Self::Covariances => "covariances",
            Self::Learned => "learned",
        }
    }
}

/// Scores of each method for a net with the household, and for the same with another in its place.
pub(super) type Scores = [(f64, f64); 4];

/// One game, played with nets of all sizes.
pub(super) struct Played {
    /// How far the household stands out.
    pub(super) distance: f64,
    /// In the order of the sizes.
    pub(super) scores: Vec<Scores>,
}

/// Those who are drawn for a game: one in question, one in its place, and as many others as it takes.
pub(super) struct Draw<'a> {
    window: &'a Window,
    rng: ChaCha8Rng,
    pub(super) household: usize,
    pub(super) instead: usize,
}

impl<'a> Draw<'a> {
    /// Out of one of `windows`, each as likely as another.
    pub(super) fn new(windows: &'a [Window], mut rng: ChaCha8Rng) -> Option<Self> {
        let window = windows.get(rng.random_range(0..windows.len().max(1)))?;
        let household = rng.random_range(0..window.households);
        let mut draw = Self {
            window,
            rng,
            household,
            instead: household,
        };
        draw.instead = draw.other();
        Some(draw)
    }

    pub(super) fn window(&self) -> &'a Window {
        self.window
    }

    /// A household that is not the one in question.
    pub(super) fn other(&mut self) -> usize {
        let drawn = self.rng.random_range(0..self.window.households - 1);
        drawn + usize::from(drawn >= self.household)
    }
}

/// Plays a game with nets of each of `sizes`, ascending: the smaller nets are parts of the larger ones.
pub(super) fn play(mut draw: Draw<'_>, sizes: &[u32]) -> Played {
    let window = draw.window();
    let (own, own_white) = (
        window.deviation(draw.household),
        window.white(draw.household),
    );
    let knowledge = Knowledge::new(window, own, own_white);
    let mut plain = vec![0.0; window.quarters];
    let mut white = vec![0.0; window.quarters];
    let mut others = 0;
    let mut scores = Vec::with_capacity(sizes.len());
    for size in sizes {
        while others + 1 < *size {
            let other = draw.other();
            add(&mut plain, window.deviation(other));
            add(&mut white, window.white(other));
            others += 1;
        }
        let score = |household: usize| {
            let (mut plain, mut white) = (plain.clone(), white.clone());
            add(&mut plain, window.deviation(household));
            add(&mut white, window.white(household));
            knowledge.scores(&mut plain, &mut white, f64::from(*size))
        };
        let (with, without) = (score(draw.household), score(draw.instead));
        let mut pairs = with.map(|with| (with, 0.0));
        for (pair, without) in pairs.iter_mut().zip(without) {
            pair.1 = without;
        }
        scores.push(pairs);
    }
    Played {
        distance: window.distance(draw.household),
        scores,
    }
}

/// What the adversary knows before it sees a sum.
struct Knowledge<'a> {
    window: &'a Window,
    /// Deviations of the household from the mean of all.
    own: &'a [f64],
    own_white: &'a [f64],
    /// The household's curve, kWh.
    curve: Vec<f64>,
    /// One over the variance of the others; 0 where nothing varies and nothing is to be learnt.
    weights: Vec<f64>,
}

impl<'a> Knowledge<'a> {
    fn new(window: &'a Window, own: &'a [f64], own_white: &'a [f64]) -> Self {
        let mut curve = window.mean.clone();
        add(&mut curve, own);
        let weights = window
            .variances(own)
            .map(|variance| variance.map_or(0.0, f64::recip));
        Self {
            window,
            own,
            own_white,
            curve,
            weights: weights.collect(),
        }
    }

    /// Scores for a sum of `size` households, given as deviations from `size` times the mean of all.
    fn scores(&self, plain: &mut [f64], white: &mut [f64], size: f64) -> [f64; 4] {
        let sum: Vec<f64> = plain
            .iter()
            .zip(&self.window.mean)
            .map(|(deviation, mean)| deviation + size * mean)
            .collect();
        let of_curve = correlation(&self.curve, &sum);
        // From here on as deviations from what nets without the household have on the average.
        let lacking = size * self.window.own_share();
        for (sum, own) in plain.iter_mut().zip(self.own) {
            *sum += lacking * own;
        }
        for (sum, own) in white.iter_mut().zip(self.own_white) {
            *sum += lacking * own;
        }
        let of_deviation = correlation(self.own, plain);
        let scale = self.window.scale();
        let (mut squares, mut rest) = (0.0, 0.0);
        for ((sum, own), weight) in plain.iter().zip(self.own).zip(&self.weights) {
            let less = sum - scale * own;
            squares += weight * sum * sum;
            rest += weight * less * less;
        }
        let products = self.window.products(white, self.own_white);
        let remaining = products.sum - 2.0 * products.both + products.own;
        [
            of_curve,
            of_deviation,
            likelihood(squares, rest, size),
            likelihood(products.sum, remaining, size),
        ]
    }
}

/// The logarithm of the likelihood ratio, but for a constant: of a normal sum of `size` households, whose
/// deviation has this square, and of `size` − 1, which has that once the household is taken out.
fn likelihood(square: f64, remaining: f64, size: f64) -> f64 {
    /// Of a net of one nothing remains if it is the household: as good as infinite.
    const NOBODY: f64 = 1e-6;
    (square / size - remaining / (size - 1.0).max(NOBODY)) / 2.0
}

/// The limit above which an adversary says that the household is in, so that in these games the difference
/// between right and wrong ones was greatest.
pub(super) fn limit(games: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut scores: Vec<(f64, i32)> = games
        .flat_map(|(with, without)| [(with, 1), (without, -1)])
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut lead, mut best, mut limit) = (0, 0, f64::INFINITY);
    let mut rest = scores.iter().peekable();
    while let Some((score, side)) = rest.next() {
        lead += side;
        // Between equal scores there is no limit.
        let below = rest.peek().map_or(f64::NEG_INFINITY, |next| next.0);
        if lead > best && below < *score {
            best = lead;
            limit = if below.is_finite() {
                f64::midpoint(*score, below)
            } else {
                below
            };
        }
    }
    limit
}

/// How often the adversary said "in", of nets with the household and without.
pub(super) fn judge(games: impl Iterator<Item = (f64, f64)>, limit: f64) -> Pairs {
    let mut pairs = Pairs::default();
    for (with, without) in games {
        pairs.add(with > limit, without > limit);
    }
    pairs
}

/// The advantage in a net of `size` that normal sums would give against households of these distances: the
/// sums with and without the household are √(distance/size) standard deviations apart.
pub(super) fn expected(distances: &[f64], size: f64) -> f64 {
    let each = distances
        .iter()
        .map(|distance| 2.0 * normal((distance / size).sqrt() / 2.0) - 1.0);
    each.sum::<f64>() / distances.len().max(1) as f64
}

/// The smallest size at which [`expected`] is below `bound`; none up to a thousand million.
pub(super) fn size_for(distances: &[f64], bound: f64) -> Option<u64> {
    const MOST: u64 = 1_000_000_000;
    let enough = |size: u64| expected(distances, size as f64) < bound;
    if !enough(MOST) {
        return None;
    }
    let (mut low, mut high) = (1, MOST);
    while low < high {
        let middle = low.midpoint(high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests;
