//! When to try again: doubling pauses; towards the provider with jitter, so that a net that lost it
//! does not come back as one wave.

use std::time::Duration;

/// Pauses that double, without jitter: for what is tried again inside the house.
#[derive(Debug, Clone)]
pub struct Pauses {
    next: Duration,
    shortest: Duration,
    longest: Duration,
}

impl Pauses {
    /// Begins with `shortest` and doubles up to `longest`.
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            next: shortest,
            shortest,
            longest,
        }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// It worked: the next failure begins anew.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// The pause that [`Self::pause`] would give.
    pub const fn upcoming(&self) -> Duration {
        self.next
    }
}

/// Pauses between attempts at the provider.
#[derive(Debug, Clone)]
pub struct Backoff(Pauses);

impl Backoff {
    /// Begins with about `shortest` and doubles up to about `longest`.
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self(Pauses::new(shortest, longest))
    }

    /// The next pause: between half of the nominal one and all of it. `random` is any number.
    pub fn pause(&mut self, random: u64) -> Duration {
        let nominal = self.0.pause();
        nominal / 2 + part(nominal / 2, random)
    }

    /// It worked: the next failure begins anew.
    pub fn reset(&mut self) {
        self.0.reset();
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
