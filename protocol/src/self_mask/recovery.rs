//! From share keys back to masks, of many frames together.
//!
//! A seed is a sum of shares, each with a weight that follows from the positions of those in the sum, and
//! from nothing else (the Lagrange coefficients of Shamir 1979). To find the weights takes the square of
//! their number, most of what a recovery costs; and in most rounds nearly all frames of a net have the same
//! positions. So frames with the same positions are recovered as one, whose shares are long.

use std::collections::BTreeMap;

use vsss_rs::Gf256;

use super::{Checks, MIN_THRESHOLD, Place, SEED_LENGTH, Seed, SelfMask, ShareKey, xor};
use crate::word::Word;

/// What came out of the shares of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The words of the mask, if they could be recovered.
    pub words: Result<Vec<Word>, RecoveryError>,
    /// Positions (from 0) of holders whose share does not fit its check value.
    pub wrong: Vec<usize>,
}

/// Why a self-mask was not recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Too few good shares.
    #[error("{got} good shares are here, {needed} are needed")]
    TooFew {
        /// Shares that fit.
        got: usize,
        /// The threshold.
        needed: usize,
    },
    /// All shares fit, and what they give is not what was committed to: the member itself has shared
    /// something else.
    #[error("the shares do not give the seed that the member committed to")]
    Commitment,
}

/// A share and the position of its holder, which counts from 1.
type Share = (u8, [u8; SEED_LENGTH]);

/// Shares of one frame off their keys.
pub struct OpenedShares<'a> {
    mask: &'a SelfMask,
    place: Place,
    /// Those that fit their check values, ascending: as many as recover the seed, or fewer.
    good: Vec<Share>,
    wrong: Vec<usize>,
}

impl SelfMask {
    /// Takes the shares off their keys and recovers the mask of `slots` words.
    ///
    /// `keys` are positions of holders (from 0) with the share keys that they told. A wrong share is
    /// left out and named; so is a key for a position that there is not.
    pub fn recover(
        &self,
        place: &Place,
        slots: usize,
        keys: impl IntoIterator<Item = (usize, ShareKey)>,
    ) -> Recovery {
        let opened = self.open(place, keys);
        let seed = combined(&[&opened]).first().copied();
        opened.recovery(seed, slots)
    }

    /// Takes the shares off their keys, as [`SelfMask::recover`] does, for [`recover_all`].
    pub fn open(
        &self,
        place: &Place,
        keys: impl IntoIterator<Item = (usize, ShareKey)>,
    ) -> OpenedShares<'_> {
        let checks = Checks::new(place);
        let (mut good, mut wrong) = (Vec::new(), Vec::new());
        for (index, key) in keys {
            let position = u8::try_from(index + 1).ok();
            let (Some(position), Some(sealed)) = (position, self.shares.get(index)) else {
                wrong.push(index);
                continue;
            };
            let mut share = sealed.ciphertext;
            xor(&mut share, &key.0);
            if checks.of(position, &share) == sealed.check {
                good.push((position, share));
            } else {
                wrong.push(index);
            }
        }
        good.sort_unstable();
        good.dedup_by_key(|(position, _)| *position);
        good.truncate(usize::from(self.threshold));
        OpenedShares {
            mask: self,
            place: *place,
            good,
            wrong,
        }
    }
}

impl OpenedShares<'_> {
    /// What comes out if `seed` is what its good shares give.
    fn recovery(self, seed: Option<[u8; SEED_LENGTH]>, slots: usize) -> Recovery {
        Recovery {
            words: self.words(seed, slots),
            wrong: self.wrong,
        }
    }

    fn words(
        &self,
        seed: Option<[u8; SEED_LENGTH]>,
        slots: usize,
    ) -> Result<Vec<Word>, RecoveryError> {
        let needed = usize::from(self.mask.threshold).max(MIN_THRESHOLD);
        let got = self.good.len();
        if got < needed {
            return Err(RecoveryError::TooFew { got, needed });
        }
        let seed = Seed::from_bytes(seed.ok_or(RecoveryError::Commitment)?);
        if seed.commitment(&self.place) == self.mask.commitment {
            Ok(seed.words(&self.place, slots))
        } else {
            Err(RecoveryError::Commitment)
        }
    }

    fn positions(&self) -> Vec<u8> {
        self.good.iter().map(|(position, _)| *position).collect()
    }
}

/// Recovers the masks of many frames, in their order; each is what [`SelfMask::recover`] gives for it.
pub fn recover_all(opened: Vec<OpenedShares<'_>>, slots: usize) -> Vec<Recovery> {
    let mut alike: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for (number, opened) in opened.iter().enumerate() {
        alike.entry(opened.positions()).or_default().push(number);
    }
    let mut seeds = vec![None; opened.len()];
    for numbers in alike.into_values() {
        let group = numbers.iter().filter_map(|number| opened.get(*number));
        let group: Vec<_> = group.collect();
        for (number, seed) in numbers.iter().zip(combined(&group)) {
            if let Some(place) = seeds.get_mut(*number) {
                *place = Some(seed);
            }
        }
    }
    let each = opened.into_iter().zip(seeds);
    each.map(|(opened, seed)| opened.recovery(seed, slots))
        .collect()
}

/// The seeds of frames whose good shares have the same positions; none if these are no positions of a
/// sharing.
fn combined(alike: &[&OpenedShares<'_>]) -> Vec<[u8; SEED_LENGTH]> {
    let positions = alike.first().map(|first| first.positions());
    let long = positions.unwrap_or_default().into_iter().enumerate();
    let long: Vec<Vec<u8>> = long
        .map(|(number, position)| {
            let shares = alike.iter().filter_map(|opened| opened.good.get(number));
            let bytes = shares.flat_map(|(_, share)| *share);
            std::iter::once(position).chain(bytes).collect()
        })
        .collect();
    let seeds = Gf256::combine_bytes(long).unwrap_or_default();
    seeds.as_chunks().0.to_vec()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::descriptor::DescriptorHash;
    use crate::round::{Epoch, Round};
    use crate::self_mask::DealtMask;

    const HOLDERS: usize = 9;

    fn key(frame: usize, holder: usize) -> ShareKey {
        let mut key = [7; SEED_LENGTH];
        key[..2].copy_from_slice(&[frame, holder].map(|n| u8::try_from(n).unwrap()));
        ShareKey(key)
    }

    fn place(frame: usize) -> Place {
        Place {
            descriptor: DescriptorHash::from_bytes([7; 32]),
            client: format!("gw-{frame}").parse().unwrap(),
            epoch: Epoch::new(3),
            round: Round::new(2_000_000),
        }
    }

    fn masks(frames: usize) -> Vec<SelfMask> {
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let mut dealt = |frame| {
            let keys: Vec<_> = (0..HOLDERS).map(|holder| key(frame, holder)).collect();
            // Thresholds differ, so that equal beginnings are not equal positions.
            DealtMask::deal(&place(frame), 2, 3 + frame % 2, &keys, &mut rng).unwrap()
        };
        (0..frames).map(|frame| dealt(frame).wire.clone()).collect()
    }

    /// Share keys that are told for a frame: some frames lack some, one has a wrong one, one has the
    /// same twice, one has none.
    fn told(frame: usize) -> Vec<(usize, ShareKey)> {
        let all = (0..HOLDERS).map(|holder| (holder, key(frame, holder)));
        match frame {
            5 => Vec::new(),
            6 => all.take(2).collect(),
            7 => all.chain([(0, key(7, 0)), (HOLDERS, key(7, 0))]).collect(),
            8 => [(1, key(0, 1))].into_iter().chain(all).collect(),
            _ => all.filter(|(holder, _)| holder + 1 != frame % 4).collect(),
        }
    }

    #[test]
    fn many_together_are_what_each_is_alone() {
        let mut masks = masks(20);
        // Its member has shared something else: the others of its group are not concerned.
        masks[12].commitment[3] ^= 1;
        masks[13].threshold = 1;
        let alone: Vec<Recovery> = (0..masks.len())
            .map(|frame| masks[frame].recover(&place(frame), 2, told(frame)))
            .collect();
        let opened = masks.iter().enumerate();
        let opened = opened.map(|(frame, mask)| mask.open(&place(frame), told(frame)));
        assert_eq!(recover_all(opened.collect(), 2), alone);
        let failed = alone.iter().enumerate();
        let failed = failed.filter_map(|(frame, one)| Some((frame, one.words.clone().err()?)));
        let too_few = |got, needed| RecoveryError::TooFew { got, needed };
        let expected = [
            (5, too_few(0, 4)),
            (6, too_few(2, 3)),
            (12, RecoveryError::Commitment),
            (13, too_few(1, 2)),
        ];
        assert_eq!(failed.collect::<Vec<_>>(), expected);
        assert_eq!(alone[7].wrong, [HOLDERS]);
        assert_eq!(alone[8].wrong, [1]);
        assert!(recover_all(Vec::new(), 2).is_empty());
    }
}
