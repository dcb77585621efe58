//! When to try again: doubling pauses with jitter, so that a net that lost its provider does not
//! come back as one wave.

use std::time::Duration;

/// Pauses between attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    shortest: Duration,
    longest: Duration,
}

impl Backoff {
    /// Begins with about `shortest` and doubles up to about `longest`.
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            next: shortest,
            shortest,
            longest,
        }
    }

    /// The next pause: between half of the nominal one and all of it. `random` is any number.
    pub fn pause(&mut self, random: u64) -> Duration {
        let nominal = self.next;
        self.next = (nominal * 2).min(self.longest);
        nominal / 2 + part(nominal / 2, random)
    }

    /// It worked: the next failure begins anew.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }
}

/// A part of `whole`, evenly spread over `random`.
pub fn part(whole: Duration, random: u64) -> Duration {
    let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % millis.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));
        let longest: Vec<_> = (0..5)
            .map(|_| backoff.pause(500_000_100).as_millis())
            .collect();
        for (pause, nominal) in longest.iter().zip([200, 400, 800, 1000, 1000]) {
            assert!(
                (nominal / 2..=nominal).contains(pause),
                "{pause} for {nominal}"
            );
        }
        backoff.reset();
        assert!(backoff.pause(u64::MAX).as_millis() <= 200);
    }

    #[test]
    fn parts_cover_the_whole() {
        let whole = Duration::from_millis(3);
        let parts: Vec<_> = (0..5)
            .map(|random| part(whole, random).as_millis())
            .collect();
        assert_eq!(parts, [0, 1, 2, 3, 0]);
        assert_eq!(part(Duration::ZERO, 7), Duration::ZERO);
    }
}
