//! The households of which nets are drawn, window by window, and what an adversary knows of them.

use super::data::{DAY, Data};
use super::whitening::{Whitening, dot};

/// Fewest households of a window: moments of others than the one in question need some.
pub(super) const FEWEST: usize = 4;

/// Where a household is all that varies its share of a variance is 1; rounding must not make it more.
const MOST_LEVERAGE: f64 = 0.999;

/// Households over the same days. One of which a reading is missing there is not in it.
///
/// An adversary gets the means and variances of the very households of which the others are drawn: of all but
/// the one in question, for a sum without it must not look as if it were in it. Covariances are those of the
/// same households, or were learned from others.
pub(super) struct Window {
    pub(super) quarters: usize,
    pub(super) households: usize,
    /// Mean of all, kWh.
    pub(super) mean: Vec<f64>,
    /// Variance of all, kWh².
    variance: Vec<f64>,
    deviations: Vec<f64>,
    white: Vec<f64>,
    blocks: Vec<Block>,
}

/// Columns of the whitened deviations whose covariances were estimated together.
#[derive(Debug, Clone, Copy)]
struct Block {
    width: usize,
    /// How much of the covariances a household makes, per square of its own whitened deviations.
    share: f64,
}

/// Inner products under the inverse covariances of all others than one household: of a deviation of a sum
/// with itself, of both, and of the household's own deviation with itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Products {
    pub(super) sum: f64,
    pub(super) both: f64,
    pub(super) own: f64,
}

/// How to cut windows out of load data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut<'a> {
    pub(super) week: &'a str,
    pub(super) first_day: usize,
    pub(super) days: usize,
}

/// All windows of so many days: of each week as many as fit, one behind the other.
pub(super) fn cuts(data: &Data, days: usize) -> Vec<Cut<'_>> {
    let mut weeks: Vec<&str> = Vec::new();
    for row in &data.rows {
        if !weeks.contains(&row.week.as_str()) {
            weeks.push(&row.week);
        }
    }
    let starts = || (0..data.days / days).map(move |number| number * days);
    let cuts = weeks.into_iter().flat_map(|week| {
        starts().map(move |first_day| Cut {
            week,
            first_day,
            days,
        })
    });
    cuts.collect()
}

impl Window {
    /// Those households that have all readings in the window; none if they are fewer than [`FEWEST`].
    pub(super) fn new(data: &Data, cut: Cut<'_>) -> Option<Self> {
        Self::of(complete(data, cut).concat(), cut.days)
    }

    /// The same in two halves, every other household in each: covariances of one are learned from the other.
    /// None if one of both has fewer than [`FEWEST`].
    pub(super) fn halves(data: &Data, cut: Cut<'_>) -> Option<[Self; 2]> {
        let complete = complete(data, cut);
        let half = |first: usize| -> Vec<f64> {
            let each = complete.iter().skip(first).step_by(2);
            each.map(Vec::as_slice).collect::<Vec<_>>().concat()
        };
        let (even, odd) = (half(0), half(1));
        Some([
            Self::learned(even.clone(), &odd, cut.days)?,
            Self::learned(odd, &even, cut.days)?,
        ])
    }

    /// Of readings of whole days, household after household.
    pub(super) fn of(readings: Vec<f64>, days: usize) -> Option<Self> {
        let moments = Moments::take(readings, days)?;
        let (white, blocks) = whitened(&moments.deviations, None, days);
        Some(moments.window(white, blocks))
    }

    /// The same, with covariances of the households whose readings are `reference`.
    fn learned(readings: Vec<f64>, reference: &[f64], days: usize) -> Option<Self> {
        let moments = Moments::take(readings, days)?;
        let reference = Moments::take(reference.to_vec(), days)?.deviations;
        let (white, blocks) = whitened(&moments.deviations, Some(&reference), days);
        Some(moments.window(white, blocks))
    }

    /// Deviations of a household from the mean of all, kWh.
    pub(super) fn deviation(&self, household: usize) -> &[f64] {
        part(&self.deviations, household, self.quarters)
    }

    /// The same, whitened.
    pub(super) fn white(&self, household: usize) -> &[f64] {
        part(&self.white, household, self.quarters)
    }

    /// What a deviation from the mean of all, times this, lacks of one from the mean of the others.
    pub(super) fn own_share(&self) -> f64 {
        1.0 / (self.households - 1) as f64
    }

    /// The deviation of a household from the mean of all others, as a multiple of that from the mean of all.
    pub(super) fn scale(&self) -> f64 {
        1.0 + self.own_share()
    }

    /// Variance among all others than the household with this deviation, in quarter-hours where there is any.
    pub(super) fn variances<'a>(
        &'a self,
        deviation: &'a [f64],
    ) -> impl Iterator<Item = Option<f64>> + 'a {
        let (scale, share) = (self.scale(), self.own_share());
        self.variance.iter().zip(deviation).map(move |(all, own)| {
            let others = scale * (all - own * own * share);
            (*all > 0.0).then(|| others.max(all * (1.0 - MOST_LEVERAGE)))
        })
    }

    /// Products of `sum`, whitened deviations of a sum from the others' mean, for a household whose
    /// whitened deviation from the mean of all is `own`.
    pub(super) fn products(&self, sum: &[f64], own: &[f64]) -> Products {
        let mut products = Products::default();
        let (mut sum, mut own) = (sum, own);
        for block in &self.blocks {
            let (first, rest) = sum.split_at(block.width.min(sum.len()));
            let (mine, rest_of_mine) = own.split_at(block.width.min(own.len()));
            (sum, own) = (rest, rest_of_mine);
            // The covariances of all less the household's own part, inverted (Sherman and Morrison).
            let squares = dot(mine, mine);
            let left = 1.0 - (block.share * squares).min(MOST_LEVERAGE);
            let both = dot(first, mine);
            products.sum += dot(first, first) + block.share * both * both / left;
            products.both += both / left;
            products.own += squares / left;
        }
        let scale = self.scale();
        Products {
            sum: products.sum / scale,
            both: products.both,
            own: products.own * scale,
        }
    }

    /// How far a household stands out: the squared Mahalanobis distance from all others.
    pub(super) fn distance(&self, household: usize) -> f64 {
        let own = self.white(household);
        self.products(&[], own).own
    }
}

/// The readings of each household that has them all.
fn complete(data: &Data, cut: Cut<'_>) -> Vec<Vec<f64>> {
    let (begin, end) = (cut.first_day * DAY, (cut.first_day + cut.days) * DAY);
    let rows = data.rows.iter().filter(|row| row.week == cut.week);
    let complete = rows.filter_map(|row| {
        let readings = row.readings.get(begin..end)?;
        readings.iter().copied().collect::<Option<Vec<f64>>>()
    });
    complete.collect()
}

/// A window that is not whitened yet.
struct Moments {
    quarters: usize,
    households: usize,
    mean: Vec<f64>,
    variance: Vec<f64>,
    deviations: Vec<f64>,
}

impl Moments {
    fn take(mut readings: Vec<f64>, days: usize) -> Option<Self> {
        let quarters = days * DAY;
        let households = readings.len() / quarters;
        if households < FEWEST {
            return None;
        }
        let mut mean = vec![0.0; quarters];
        for row in readings.chunks_exact(quarters) {
            add(&mut mean, row);
        }
        for value in &mut mean {
            *value /= households as f64;
        }
        let mut variance = vec![0.0; quarters];
        for row in readings.chunks_exact_mut(quarters) {
            for ((value, mean), variance) in row.iter_mut().zip(&mean).zip(&mut variance) {
                *value -= mean;
                *variance += *value * *value;
            }
        }
        for value in &mut variance {
            *value /= households as f64;
        }
        Some(Self {
            quarters,
            households,
            mean,
            variance,
            deviations: readings,
        })
    }

    fn window(self, white: Vec<f64>, blocks: Vec<Block>) -> Window {
        Window {
            quarters: self.quarters,
            households: self.households,
            mean: self.mean,
            variance: self.variance,
            deviations: self.deviations,
            white,
            blocks,
        }
    }
}

/// Whitened within each day; over several days, what is left of each quarter-hour is whitened across the
/// days. The whole matrix of a week, 672 by 672, has more numbers than the data.
///
/// Moments are those of `reference`, or else of the deviations themselves: then each household has its part
/// in them.
fn whitened(deviations: &[f64], reference: Option<&[f64]>, days: usize) -> (Vec<f64>, Vec<Block>) {
    let households = deviations.len() / (days * DAY);
    let block = |width: usize, shrinkage: f64| Block {
        width,
        share: match reference {
            Some(_) => 0.0,
            None => (1.0 - shrinkage) / (households - 1) as f64,
        },
    };
    // Of each day: the rows that are whitened, and those that are learned from for the second step.
    let mut each = Vec::with_capacity(days);
    let mut shrinkages = Vec::with_capacity(days);
    for day in 0..days {
        let of_day = |all: &[f64]| {
            let rows = all.chunks_exact(DAY).skip(day).step_by(days);
            rows.collect::<Vec<_>>().concat()
        };
        let mut rows = of_day(deviations);
        let mut learned = reference.map(of_day);
        let whitening = Whitening::learn(learned.as_deref().unwrap_or(&rows), DAY);
        whitening.apply(&mut rows);
        if let Some(learned) = &mut learned {
            whitening.apply(learned);
        }
        shrinkages.push(whitening.shrinkage);
        each.push((rows, learned));
    }
    if let ([(rows, _)], [shrinkage]) = (each.as_mut_slice(), shrinkages.as_slice()) {
        return (std::mem::take(rows), vec![block(DAY, *shrinkage)]);
    }
    let to_whiten: Vec<&[f64]> = each.iter().map(|(rows, _)| rows.as_slice()).collect();
    let learned_from: Vec<&[f64]> = each
        .iter()
        .filter_map(|(_, rows)| rows.as_deref())
        .collect();
    let across: Vec<(Vec<f64>, f64)> = (0..DAY)
        .map(|quarter| {
            let mut rows = across_days(&to_whiten, quarter);
            let learned = reference.map(|_| across_days(&learned_from, quarter));
            let whitening = Whitening::learn(learned.as_deref().unwrap_or(&rows), days);
            whitening.apply(&mut rows);
            (rows, whitening.shrinkage)
        })
        .collect();
    let mut white = Vec::with_capacity(deviations.len());
    for household in 0..households {
        for (rows, _) in &across {
            white.extend(part(rows, household, days));
        }
    }
    let blocks = across.iter().map(|(_, shrinkage)| block(days, *shrinkage));
    (white, blocks.collect())
}

/// One quarter-hour of all days, household after household.
fn across_days(each: &[&[f64]], quarter: usize) -> Vec<f64> {
    let households = each.first().map_or(0, |rows| rows.len() / DAY);
    let of = |household: usize| {
        let at = household * DAY + quarter;
        each.iter().filter_map(move |rows| rows.get(at).copied())
    };
    (0..households).flat_map(of).collect()
}

/// The row `number` of rows of `width`.
fn part(rows: &[f64], number: usize, width: usize) -> &[f64] {
    rows.get(number * width..(number + 1) * width)
        .unwrap_or_default()
}

/// Adds `row` to `sum`, of whole days both. Eight at a time: most of all work is done here, and a build that
/// is not optimised takes long over each step of an iterator.
pub(super) fn add(sum: &mut [f64], row: &[f64]) {
    let sums = sum.as_chunks_mut::<8>().0.iter_mut();
    for (a, b) in sums.zip(row.as_chunks::<8>().0) {
        a[0] += b[0];
        a[1] += b[1];
        a[2] += b[2];
        a[3] += b[3];
        a[4] += b[4];
        a[5] += b[5];
        a[6] += b[6];
        a[7] += b[7];
    }
}

#[cfg(test)]
pub(super) mod tests;
