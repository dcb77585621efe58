//! Pads: what an edge adds at one end and subtracts at the other.
//!
//! Section "Pads" of `docs/spec/protocol.md`. A pad is a pure function of edge key, round and slot:
//! the keystream of ChaCha20 (RFC 8439) with counter from 0 and the nonce `0⁴ ‖ round` in little
//! endian, read as little-endian 64-bit words, one per slot. The edge key is bound to net
//! parameters and epoch. Nothing is kept between two calls.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::key_agreement::EdgeKey;
use crate::round::{Epoch, Round};
use crate::word::Word;

/// The signed sum of the pads of several edges of one gateway in one round.
///
/// It cannot be cloned nor made otherwise than from edge keys, and masking consumes it.
///
/// ```compile_fail
/// fn twice(pad: dcnet_protocol::pad::Pad) {
///     let copy = pad.clone();
/// }
/// ```
///
/// ```compile_fail
/// let pad = dcnet_protocol::pad::Pad { words: vec![] };
/// ```
pub struct Pad {
    words: Vec<Word>,
    epoch: Epoch,
    round: Round,
}

impl Pad {
    /// The sum over `edges` for `round`, `slots` words long. All edge keys must be those of
    /// `epoch`; this is the caller's promise, since a key does not tell.
    pub(crate) fn of<'a>(
        edges: impl IntoIterator<Item = &'a EdgeKey>,
        epoch: Epoch,
        round: Round,
        slots: usize,
    ) -> Self {
        let mut words = vec![Word::ZERO; slots];
        // One buffer for all edges, filled in one go per edge: drawing word by word costs as much
        // again as the keystream itself.
        let mut buffer = Zeroizing::new(vec![0_u8; slots * size_of::<u64>()]);
        for edge in edges {
            let mut keystream = ChaCha20Rng::from_seed(*edge.bytes());
            keystream.set_stream(round.number());
            keystream.fill_bytes(&mut buffer);
            for (word, bytes) in words.iter_mut().zip(buffer.as_chunks().0) {
                let pad = Word::new(u64::from_le_bytes(*bytes));
                if edge.adds() {
                    *word += pad;
                } else {
                    *word -= pad;
                }
            }
        }
        Self {
            words,
            epoch,
            round,
        }
    }

    pub(crate) fn words(&self) -> &[Word] {
        &self.words
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn round(&self) -> Round {
        self.round
    }

    /// The words, to be compared with test vectors.
    #[cfg(feature = "exposed")]
    pub fn words_for_vectors(edge: &EdgeKey, round: Round, slots: usize) -> Vec<u64> {
        Self::of([edge], Epoch::default(), round, slots)
            .words
            .iter()
            .map(|w| w.get())
            .collect()
    }
}

impl Drop for Pad {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

impl fmt::Debug for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Pad(round {}, {} words, redacted)",
            self.round,
            self.words.len()
        )
    }
}
