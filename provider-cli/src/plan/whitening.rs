//! Taking variance and correlation out of observations, so that what is left of a stranger is
//! uncorrelated and of variance 1.

#![allow(
    clippy::indexing_slicing,
    reason = "indices run over ranges of the matrices themselves"
)]

/// How much of the estimated correlations is given up at least: the matrix stays positive.
const LEAST_SHRINKAGE: f64 = 1e-3;

/// What takes variance and correlation out of deviations of so many columns.
pub(super) struct Whitening {
    /// Of each column.
    deviations: Vec<f64>,
    /// Cholesky's factor of the correlations, its lower triangle row by row.
    factor: Vec<f64>,
    /// How much of the correlations was given up, 0 to 1.
    pub(super) shrinkage: f64,
}

impl Whitening {
    /// Learns from `rows`, one observation after another of `width` deviations from the mean.
    ///
    /// The correlations are shrunk towards none, by as much as the formula of Schäfer and Strimmer (2005)
    /// says: with fewer observations than columns the estimate alone has no inverse.
    pub(super) fn learn(rows: &[f64], width: usize) -> Self {
        let count = (rows.len() / width) as f64;
        let deviations: Vec<f64> = (0..width)
            .map(|column| {
                let values = rows.iter().skip(column).step_by(width);
                (values.map(|value| value * value).sum::<f64>() / count).sqrt()
            })
            .collect();
        let mut rows = rows.to_vec();
        standardise(&mut rows, &deviations);
        let (mut factor, shrinkage) = correlations(&rows, width);
        factorise(&mut factor, width);
        Self {
            deviations,
            factor,
            shrinkage,
        }
    }

    /// Whitens `rows` in place.
    pub(super) fn apply(&self, rows: &mut [f64]) {
        standardise(rows, &self.deviations);
        for row in rows.chunks_exact_mut(self.deviations.len()) {
            solve(&self.factor, row);
        }
    }
}

/// Makes columns of variance 1. One that did not vary says nothing, and becomes 0.
fn standardise(rows: &mut [f64], deviations: &[f64]) {
    for row in rows.chunks_exact_mut(deviations.len()) {
        for (value, deviation) in row.iter_mut().zip(deviations) {
            *value = if *deviation > 0.0 {
                *value / deviation
            } else {
                0.0
            };
        }
    }
}

/// The lower triangle of the shrunk correlation matrix of columns of variance 1, row by row.
fn correlations(rows: &[f64], width: usize) -> (Vec<f64>, f64) {
    let count = (rows.len() / width) as f64;
    let columns: Vec<Vec<f64>> = (0..width)
        .map(|column| rows.iter().skip(column).step_by(width).copied().collect())
        .collect();
    let mut matrix = Vec::with_capacity(width * (width + 1) / 2);
    let (mut noise, mut signal) = (0.0, 0.0);
    for (index, first) in columns.iter().enumerate() {
        for second in &columns[..index] {
            let (mut sum, mut squares) = (0.0, 0.0);
            for (a, b) in first.iter().zip(second) {
                let product = a * b;
                sum += product;
                squares += product * product;
            }
            let correlation = sum / count;
            noise += (squares - sum * correlation).max(0.0) * count / (count - 1.0).powi(3);
            signal += correlation * correlation;
            matrix.push(correlation);
        }
        matrix.push(1.0);
    }
    let shrinkage = if signal > 0.0 { noise / signal } else { 1.0 };
    let shrinkage = shrinkage.clamp(LEAST_SHRINKAGE, 1.0);
    for (index, _) in columns.iter().enumerate() {
        let begin = index * (index + 1) / 2;
        for correlation in &mut matrix[begin..begin + index] {
            *correlation *= 1.0 - shrinkage;
        }
    }
    (matrix, shrinkage)
}

/// Cholesky's factor of the matrix whose lower triangle is given, in its place.
fn factorise(matrix: &mut [f64], width: usize) {
    for row in 0..width {
        let (above, this) = matrix.split_at_mut(row * (row + 1) / 2);
        for column in 0..row {
            let begin = column * (column + 1) / 2;
            let other = &above[begin..=begin + column];
            let rest = this[column] - dot(&this[..column], &other[..column]);
            this[column] = rest / other[column];
        }
        this[row] = (this[row] - dot(&this[..row], &this[..row])).sqrt();
    }
}

/// Solves the lower triangle for `row`, in its place.
fn solve(factor: &[f64], row: &mut [f64]) {
    for index in 0..row.len() {
        let begin = index * (index + 1) / 2;
        let (known, rest) = row.split_at_mut(index);
        let sum = dot(known, &factor[begin..begin + index]);
        rest[0] = (rest[0] - sum) / factor[begin + index];
    }
}

/// The inner product; four at a time, as in a build that is not optimised each step takes long.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((fours_a, rest_a), (fours_b, rest_b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sum = 0.0;
    for (x, y) in fours_a.iter().zip(fours_b) {
        sum += x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3];
    }
    for (x, y) in rest_a.iter().zip(rest_b) {
        sum += x * y;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (one, other) in got.iter().zip(expected) {
            assert!((one - other).abs() < 1e-12, "{got:?}, not {expected:?}");
        }
    }

    /// [[4, 2], [2, 5]] is [[2, 0], [1, 2]] times its transpose.
    #[test]
    fn a_factor_and_a_solution_as_by_hand() {
        let mut matrix = [4.0, 2.0, 5.0];
        factorise(&mut matrix, 2);
        assert_close(&matrix, &[2.0, 1.0, 2.0]);
        let mut row = [6.0, 7.0];
        solve(&matrix, &mut row);
        assert_close(&row, &[3.0, 2.0]);
    }

    /// Columns that are orthogonal have nothing to be taken out but their scale.
    #[test]
    fn only_the_scale_of_uncorrelated_columns_goes() {
        let mut rows = [2.0, 0.5, 2.0, -0.5, -2.0, 0.5, -2.0, -0.5];
        let whitening = Whitening::learn(&rows, 2);
        whitening.apply(&mut rows);
        assert_eq!(whitening.shrinkage.to_bits(), 1.0_f64.to_bits());
        assert_close(&rows, &[1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0]);
    }

    #[test]
    fn correlation_goes_and_a_constant_stays_harmless() {
        // The second column is the first and something else, the third does not vary.
        let mut rows = Vec::new();
        for index in 0..400_i32 {
            let (a, b) = (f64::from(index % 20) - 9.5, f64::from(index / 20) - 9.5);
            rows.extend([a, a + 0.5 * b, 0.0]);
        }
        let whitening = Whitening::learn(&rows, 3);
        whitening.apply(&mut rows);
        let shrinkage = whitening.shrinkage;
        assert!(shrinkage < 0.01, "{shrinkage}");
        let sum = |i: usize, j: usize| {
            let terms = rows.chunks_exact(3).map(|row| row[i] * row[j]);
            terms.sum::<f64>() / 400.0
        };
        assert!((sum(0, 0) - 1.0).abs() < 1e-9);
        assert!((sum(1, 1) - 1.0).abs() < 0.05, "{}", sum(1, 1));
        assert!(sum(0, 1).abs() < 0.05, "{}", sum(0, 1));
        assert_eq!(sum(2, 2).to_bits(), 0);
    }
}
