//! Times of several ways to do the same work, measured in turns in one run.

use std::time::{Duration, Instant};

/// The best time of each of `ways` over `turns` turns.
///
/// In turns, so that all meet the same disturbances; the best, because a disturbance only ever
/// takes time.
pub fn in_turns<const N: usize>(turns: usize, mut ways: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..turns {
        for (best, way) in best.iter_mut().zip(&mut ways) {
            let begin = Instant::now();
            way();
            *best = (*best).min(begin.elapsed());
        }
    }
    best
}

/// `part` / `whole` in hundredths, rounded up.
pub fn hundredths(part: Duration, whole: Duration) -> u128 {
    (part.as_nanos() * 100).div_ceil(whole.as_nanos().max(1))
}

/// Hundredths as people write them.
pub fn decimal(hundredths: u128) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_up() {
        let [one, three] = [1, 3].map(Duration::from_secs);
        assert_eq!(decimal(hundredths(one, three)), "0.34");
        assert_eq!(decimal(hundredths(three, one)), "3.00");
    }
}
