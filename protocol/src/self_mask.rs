//! Self-masks: what a member adds to its own frame, and how its holders give it back.
//!
//! Sections 3.10 to 3.12 of `docs/spec/protocol.md`. A member masks each frame of a `double_mask`
//! net with words that come from a fresh seed, and shares the seed among the neighbours that it
//! drew itself, its *holders* (Shamir 1979, over GF(2⁸), byte by byte). The shares travel in the
//! frame, each under a key that only the member and that holder can derive; so a holder gives a share
//! back by telling that key, from derivations alone.

use std::fmt;

use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use tls_codec::{Serialize as _, TlsDeserialize, TlsSerialize, TlsSize};
use vsss_rs::Gf256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::descriptor::DescriptorHash;
use crate::names::ClientId;
use crate::round::{Epoch, Round};
use crate::word::Word;

mod recovery;

pub use recovery::{OpenedShares, Recovery, RecoveryError, recover_all};

/// Length of a seed, of a share and of a share key in bytes.
pub const SEED_LENGTH: usize = 16;
/// Length of a share's check value in bytes.
pub const CHECK_LENGTH: usize = 8;
/// Most holders that a seed can be shared among: elements of GF(2⁸) other than 0.
pub const MAX_HOLDERS: usize = 255;
/// Fewest shares that may recover a seed.
pub const MIN_THRESHOLD: usize = 2;

/// Whose frame of which round a self-mask belongs to. Bound into every derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The net's parameters.
    pub descriptor: DescriptorHash,
    /// Whose frame.
    pub client: ClientId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its round.
    pub round: Round,
}

impl Place {
    /// `enc(client) ‖ u64(epoch) ‖ u64(round)`.
    fn tail(&self) -> Vec<u8> {
        let mut bytes = self.client.tls_serialize_detached().unwrap_or_default();
        bytes.extend(self.epoch.number().to_be_bytes());
        bytes.extend(self.round.number().to_be_bytes());
        bytes
    }

    fn hasher(&self, label: &str) -> Sha256 {
        Sha256::new()
            .chain_update(label)
            .chain_update([0])
            .chain_update(self.descriptor.as_bytes())
            .chain_update(self.tail())
    }
}

/// What a self-mask comes from. Wiped when dropped; `Debug` shows nothing of it.
pub struct Seed(Zeroizing<[u8; SEED_LENGTH]>);

impl Seed {
    /// From its 16 bytes.
    pub fn from_bytes(bytes: [u8; SEED_LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Self::from_bytes([0; SEED_LENGTH]);
        rng.fill_bytes(seed.0.as_mut_slice());
        seed
    }

    /// `SHA-256("dcnet/v1 self-mask commitment" ‖ 0 ‖ H ‖ client ‖ epoch ‖ round ‖ seed)`.
    fn commitment(&self, place: &Place) -> [u8; 32] {
        let hasher = place.hasher("dcnet/v1 self-mask commitment");
        hasher.chain_update(self.0.as_slice()).finalize().into()
    }

    /// The mask: ChaCha20 (RFC 8439) under `HKDF-SHA256(salt = H, ikm = seed,
    /// info = "dcnet/v1 self-mask" ‖ 0 ‖ client ‖ epoch ‖ round)` with the round as nonce, read as
    /// little-endian words.
    #[expect(
        clippy::expect_used,
        reason = "RFC 5869 allows 8160 bytes of output, this is 32"
    )]
    fn words(&self, place: &Place, slots: usize) -> Vec<Word> {
        let mut info = b"dcnet/v1 self-mask\0".to_vec();
        info.extend(place.tail());
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(place.descriptor.as_bytes()), self.0.as_slice())
            .expand(&info, key.as_mut_slice())
            .expect("32 bytes are within the limit");
        let mut stream = Zeroizing::new(vec![0_u8; slots * size_of::<u64>()]);
        fill(&key, place.round, &mut stream);
        let words = stream.as_chunks().0.iter();
        words
            .map(|bytes| Word::new(u64::from_le_bytes(*bytes)))
            .collect()
    }

    /// The mask's words, to be compared with test vectors.
    #[cfg(feature = "exposed")]
    pub fn words_for_vectors(&self, place: &Place, slots: usize) -> Vec<u64> {
        self.words(place, slots).iter().map(|w| w.get()).collect()
    }

    /// The commitment, to be compared with test vectors.
    #[cfg(feature = "exposed")]
    pub fn commitment_for_vectors(&self, place: &Place) -> [u8; 32] {
        self.commitment(place)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

/// Keystream of ChaCha20 with counter from 0 and the nonce `0⁴ ‖ round` in little endian.
pub(crate) fn fill(key: &[u8; 32], round: Round, out: &mut [u8]) {
    let mut stream = ChaCha20Rng::from_seed(*key);
    stream.set_stream(round.number());
    stream.fill_bytes(out);
}

/// The key of one share of one frame. Telling it is giving the share back.
#[derive(Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ShareKey(pub(crate) [u8; SEED_LENGTH]);

impl ShareKey {
    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; SEED_LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes, as they are told in a frame of notification 7.
    pub const fn to_bytes(self) -> [u8; SEED_LENGTH] {
        self.0
    }
}

impl fmt::Debug for ShareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareKey(redacted)")
    }
}

/// A share under its key, and a value by which a wrong one is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct SealedShare {
    /// Share XOR share key.
    pub ciphertext: [u8; SEED_LENGTH],
    /// First 8 bytes of the hash of the share at its place.
    pub check: [u8; CHECK_LENGTH],
}

/// What goes along with a frame so that its self-mask can be taken off again.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct SelfMask {
    /// Hash of the seed at its place.
    pub commitment: [u8; 32],
    /// Shares that recover the seed.
    pub threshold: u8,
    /// One share for each active holder, in ascending order of their names.
    #[tls_codec(with = "crate::codec::list16")]
    pub shares: Vec<SealedShare>,
}

/// A self-mask that was dealt for one frame: its words, and what goes along.
pub struct DealtMask {
    words: Vec<Word>,
    epoch: Epoch,
    round: Round,
    pub(crate) wire: SelfMask,
}

impl DealtMask {
    /// Draws a seed out of `rng` and shares it so that `threshold` of the holders recover it;
    /// `keys` are the share keys of the holders in ascending order of their names.
    ///
    /// # Errors
    /// [`DealError`] if the threshold is below 2 or above the number of holders, or if there are
    /// more than 255 of these.
    pub fn deal(
        place: &Place,
        slots: usize,
        threshold: usize,
        keys: &[ShareKey],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, DealError> {
        Ok(SharedSeed::draw(threshold, keys.len(), rng)?.seal(place, slots, keys))
    }

    /// As [`DealtMask::deal`] with a seed that was shared before. Masks of one seed are only good for
    /// benchmarks, whose driver does the work of many thousand gateways.
    #[cfg(feature = "exposed")]
    pub fn of_for_benchmarks(
        seed: &SharedSeed,
        place: &Place,
        slots: usize,
        keys: &[ShareKey],
    ) -> Self {
        seed.seal(place, slots, keys)
    }

    pub(crate) fn words(&self) -> &[Word] {
        &self.words
    }

    /// Its words and what goes along with the frame, for benchmarks: these make frames of nets that
    /// are too large for key agreement.
    #[cfg(feature = "exposed")]
    pub fn expose_for_benchmarks(&self) -> (Vec<u64>, SelfMask) {
        let words = self.words.iter().map(|word| word.get()).collect();
        (words, self.wire.clone())
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn round(&self) -> Round {
        self.round
    }
}

impl Drop for DealtMask {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

impl fmt::Debug for DealtMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DealtMask(round {}, redacted)", self.round)
    }
}

/// A seed and its shares, in the open.
pub struct SharedSeed {
    seed: Seed,
    threshold: usize,
    shares: Vec<Zeroizing<Vec<u8>>>,
}

impl SharedSeed {
    fn draw(threshold: usize, holders: usize, rng: &mut impl CryptoRng) -> Result<Self, DealError> {
        if threshold < MIN_THRESHOLD || threshold > holders || holders > MAX_HOLDERS {
            return Err(DealError { threshold, holders });
        }
        let seed = Seed::generate(rng);
        let shares = Gf256::split_bytes(threshold, holders, seed.0.as_slice(), rng)
            .map_err(|_| DealError { threshold, holders })?;
        Ok(Self {
            seed,
            threshold,
            shares: shares.into_iter().map(Zeroizing::new).collect(),
        })
    }

    /// A seed for benchmarks.
    ///
    /// # Errors
    /// As [`DealtMask::deal`].
    #[cfg(feature = "exposed")]
    pub fn for_benchmarks(
        threshold: usize,
        holders: usize,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, DealError> {
        Self::draw(threshold, holders, rng)
    }

    fn seal(&self, place: &Place, slots: usize, keys: &[ShareKey]) -> DealtMask {
        let checks = Checks::new(place);
        let shares = self.shares.iter().zip(keys).zip(1..);
        let sealed = shares
            .map(|((share, key), position)| {
                // The first byte is the holder's position, which counts from 1.
                let share = share.get(1..).unwrap_or_default();
                let mut ciphertext = key.0;
                xor(&mut ciphertext, share);
                let check = checks.of(position, share);
                SealedShare { ciphertext, check }
            })
            .collect();
        DealtMask {
            words: self.seed.words(place, slots),
            epoch: place.epoch,
            round: place.round,
            wire: SelfMask {
                commitment: self.seed.commitment(place),
                // At most the number of holders, which is at most 255.
                threshold: u8::try_from(self.threshold).unwrap_or(u8::MAX),
                shares: sealed,
            },
        }
    }
}

impl fmt::Debug for SharedSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedSeed({} shares, redacted)", self.shares.len())
    }
}

/// A seed that cannot be shared like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a self-mask cannot be shared among {holders} holders so that {threshold} recover it: 2 to 255"
)]
pub struct DealError {
    /// Shares needed to recover it.
    pub threshold: usize,
    /// Holders.
    pub holders: usize,
}

/// Check values of the shares of one frame: the common beginning is hashed once.
struct Checks(Sha256);

impl Checks {
    fn new(place: &Place) -> Self {
        Self(place.hasher("dcnet/v1 share check"))
    }

    /// First 8 bytes of `SHA-256("dcnet/v1 share check" ‖ 0 ‖ H ‖ client ‖ epoch ‖ round ‖ position
    /// ‖ share)`; the position counts from 1.
    fn of(&self, position: u8, share: &[u8]) -> [u8; CHECK_LENGTH] {
        let hash: [u8; 32] = self
            .0
            .clone()
            .chain_update([position])
            .chain_update(share)
            .finalize()
            .into();
        hash.first_chunk().copied().unwrap_or_default()
    }
}

fn xor(bytes: &mut [u8; SEED_LENGTH], other: &[u8]) {
    for (byte, other) in bytes.iter_mut().zip(other) {
        *byte ^= other;
    }
}

#[cfg(test)]
mod tests;
