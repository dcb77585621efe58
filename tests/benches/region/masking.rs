//! Frames of a round, masked before its border.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::round::Round;

use crate::shelf::{Shelf, Waiting};
use crate::world::{Net, Region, SLOTS};

/// Masks for all gateways of a region.
pub(crate) struct Masker {
    region: Arc<Region>,
    shelf: Shelf,
    /// Members out of a million without a frame.
    missing: u64,
}

/// All nets before a round.
pub(crate) struct Masked {
    pub(crate) nets: Vec<Prepared>,
    /// What it took.
    pub(crate) took: Duration,
}

/// A net before a round.
pub(crate) struct Prepared {
    pub(crate) missing: Vec<usize>,
    pub(crate) present: Vec<usize>,
    /// Of those who are present.
    pub(crate) frames: Waiting,
    pub(crate) sum: [u64; SLOTS],
}

impl Masker {
    /// Frames wait in a file in `folder`.
    pub(crate) fn new(region: Arc<Region>, folder: &Path, missing: u64) -> Self {
        Self {
            region,
            shelf: Shelf::new(folder),
            missing,
        }
    }

    /// Frames of the round before have all been taken.
    pub(crate) fn mask(&mut self, round: Round) -> Masked {
        let begin = Instant::now();
        let region = Arc::clone(&self.region);
        self.shelf.clear();
        let nets = region.nets.iter();
        let nets = nets.map(|net| self.net(net, round)).collect();
        Masked {
            nets,
            took: begin.elapsed(),
        }
    }

    /// On both cores.
    fn net(&mut self, net: &Net, round: Round) -> Prepared {
        let region = &self.region;
        let (missing, present): (Vec<usize>, Vec<usize>) =
            (0..region.members()).partition(|index| net.is_missing(*index, round, self.missing));
        let mask = |index: &usize| {
            let (frame, reading) = region.frame(net, *index, round);
            (frame.encode(), reading)
        };
        let (left, right) = present.split_at(present.len() / 2);
        let masked = std::thread::scope(|scope| {
            let right = scope.spawn(|| right.iter().map(mask).collect::<Vec<_>>());
            let left: Vec<_> = left.iter().map(mask).collect();
            [left, right.join().unwrap()].concat()
        });
        let (frames, readings): (Vec<_>, Vec<_>) = masked.into_iter().unzip();
        let mut sum = [0_u64; SLOTS];
        for reading in readings {
            for (sum, value) in sum.iter_mut().zip(reading) {
                *sum = sum.wrapping_add(value);
            }
        }
        Prepared {
            frames: self.shelf.put(&frames),
            missing,
            present,
            sum,
        }
    }
}
