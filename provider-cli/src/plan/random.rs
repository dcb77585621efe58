//! Randomness that depends on the seed and on what it is for, and not on the thread that draws.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// What is drawn; each has streams of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Games by which the adversary finds out where to put its limits.
    Training,
    /// Games that count.
    Game,
    /// Nets of which days are recovered.
    Recovery,
    /// Resamples of a bootstrap.
    Bootstrap,
}

/// The stream for the repetition `number` of a purpose.
pub(super) fn stream(seed: u64, purpose: Purpose, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((purpose as u64) << 56) | number);
    rng
}

/// What `work` gives for 0, 1, … `count` − 1, in this order, whichever of the threads did it.
pub(super) fn parallel<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let part = count.div_ceil(threads.max(1)).max(1);
    let work = &work;
    let run = |range: Range<usize>| range.map(work).collect::<Vec<T>>();
    thread::scope(|scope| {
        let started: Vec<_> = (0..count)
            .step_by(part)
            .map(|begin| scope.spawn(move || run(begin..(begin + part).min(count))))
            .collect();
        let joined = started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    #[test]
    fn the_order_is_that_of_the_numbers() {
        for threads in [1, 2, 3, 7, 50] {
            let got = parallel(10, threads, |number| number * number);
            assert_eq!(got, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81], "{threads}");
        }
        assert_eq!(parallel(0, 2, |number| number), [0; 0]);
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_number() {
        let first = |seed, purpose, number| stream(seed, purpose, number).next_u64();
        let one = first(1, Purpose::Game, 0);
        assert_eq!(one, first(1, Purpose::Game, 0));
        for other in [
            first(2, Purpose::Game, 0),
            first(1, Purpose::Training, 0),
            first(1, Purpose::Game, 1),
        ] {
            assert_ne!(one, other);
        }
    }
}
