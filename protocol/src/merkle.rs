//! Merkle trees of RFC 9162 section 2.1 over SHA-256: of members, of the membership log, of receipts.
//!
//! See `docs/spec/membership-log.md`, section "Merkle trees". The tree is that of the crate
//! `ct-merkle`, which panics on sizes and indices that do not fit. Sizes, indices and paths come from
//! the network here, so everything is checked before it gets there.

use std::fmt;
use std::io::{Read, Write};

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{
    ConsistencyProof, ConsistencyVerifError, InclusionProof, InclusionVerifError, RootHash,
};
use sha2::{Digest as _, Sha256};
use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{bytes16, malformed};

/// Length of a hash in bytes.
const HASH: usize = 32;

/// Most hashes in a path. A tree of [`MAX_SIZE`] leaves needs 63.
pub const MAX_PATH: usize = 64;

/// Most leaves of a tree whose proofs are looked at. No tree ever gets there; above it, numbers of
/// nodes would not fit into 64 bits.
pub const MAX_SIZE: u64 = 1 << 62;

/// The hash at the top of a tree. It names the leaves only together with their number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct MerkleRoot([u8; HASH]);

impl MerkleRoot {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; HASH]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH] {
        &self.0
    }

    /// The root of a tree without leaves: SHA-256 of nothing.
    pub fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    fn sized(self, leaves: u64) -> RootHash<Sha256> {
        RootHash::new(self.0.into(), leaves)
    }
}

impl fmt::Display for MerkleRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MerkleRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MerkleRoot({self})")
    }
}

/// The hashes of a proof, from the leaves upwards: at most [`MAX_PATH`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<u8>);

impl Path {
    /// From the hashes one behind the other.
    ///
    /// # Errors
    /// [`ProofError::Length`] if `bytes` is no whole number of hashes or more than [`MAX_PATH`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ProofError> {
        if bytes.len().is_multiple_of(HASH) && bytes.len() <= MAX_PATH * HASH {
            Ok(Self(bytes))
        } else {
            Err(ProofError::Length)
        }
    }

    /// The hashes one behind the other.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Number of hashes.
    pub fn len(&self) -> usize {
        self.0.len() / HASH
    }

    /// Whether there are no hashes, as for the only leaf of a tree.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({} hashes)", self.len())
    }
}

impl Size for Path {
    fn tls_serialized_len(&self) -> usize {
        bytes16::tls_serialized_len(&self.0)
    }
}

impl Serialize for Path {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        bytes16::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for Path {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        Self::from_bytes(bytes16::tls_deserialize(reader)?)
            .map_err(|_| malformed("a path is 0 to 64 hashes of 32 bytes"))
    }
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// More leaves than [`MAX_SIZE`].
    #[error("a tree of that many leaves does not exist")]
    TooLarge,
    /// The tree has no leaf with that index.
    #[error("the tree has no leaf with that index")]
    OutOfRange,
    /// The later tree is the smaller one.
    #[error("the tree has become smaller")]
    Shrunk,
    /// The path does not have the length that the sizes and the index ask for.
    #[error("the path has the wrong length")]
    Length,
    /// Hashing along the path gives another root.
    #[error("the path does not lead to the root")]
    Mismatch,
}

/// A growing tree in memory. It keeps its leaves.
#[derive(Clone, Default)]
pub struct Tree(MemoryBackedTree<Sha256, Vec<u8>>);

impl Tree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf and returns its index.
    pub fn push(&mut self, leaf: Vec<u8>) -> u64 {
        let index = self.0.len();
        self.0.push(leaf);
        index
    }

    /// The root over all leaves.
    pub fn root(&self) -> MerkleRoot {
        MerkleRoot((*self.0.root().as_bytes()).into())
    }

    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are no leaves.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The leaf at `index`, counted from 0.
    pub fn leaf(&self, index: u64) -> Option<&[u8]> {
        let leaf = self.0.get(usize::try_from(index).ok()?)?;
        Some(leaf)
    }

    /// All leaves in the order of their index.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.items().iter().map(Vec::as_slice)
    }

    /// `PATH(index, leaves)` of RFC 9162 section 2.1.3.1: proves the leaf at `index` under the
    /// present root. `None` if there is no such leaf.
    pub fn inclusion(&self, index: u64) -> Option<Path> {
        if index >= self.len() {
            return None;
        }
        let proof = self.0.prove_inclusion(usize::try_from(index).ok()?);
        Some(Path(proof.as_bytes().to_vec()))
    }

    /// `PROOF(from, leaves)` of RFC 9162 section 2.1.4.1: proves that the tree of the first `from`
    /// leaves became the present one by appending. `None` if there were never that many leaves.
    ///
    /// For no leaves, which the RFC leaves out, the path is empty: everything extends nothing.
    pub fn consistency(&self, from: u64) -> Option<Path> {
        let added = self.len().checked_sub(from)?;
        if from == 0 {
            return Some(Path::default());
        }
        let proof = self.0.prove_consistency(usize::try_from(added).ok()?);
        Some(Path(proof.as_bytes().to_vec()))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({} leaves, {})", self.len(), self.root())
    }
}

/// Checks that `leaf` is the leaf at `index` of the tree with that root and `size` leaves.
///
/// The size must come from where the root comes from: one path can be right under several sizes.
///
/// # Errors
/// [`ProofError`] says what is wrong. No input panics.
pub fn verify_inclusion(
    root: &MerkleRoot,
    size: u64,
    index: u64,
    leaf: &[u8],
    path: &Path,
) -> Result<(), ProofError> {
    if size > MAX_SIZE {
        return Err(ProofError::TooLarge);
    }
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let proof = InclusionProof::try_from_bytes(path.0.clone()).map_err(|_| ProofError::Length)?;
    root.sized(size)
        .verify_inclusion(&leaf, index, &proof)
        .map_err(|error| match error {
            InclusionVerifError::MalformedProof => ProofError::Length,
            InclusionVerifError::IndexOutOfRange | InclusionVerifError::TreeEmpty => {
                ProofError::OutOfRange
            }
            InclusionVerifError::IncorrectHash => ProofError::Mismatch,
        })
}

/// Checks that the tree of `new_size` leaves begins with the leaves of the tree of `old_size`.
///
/// The tree without leaves is the beginning of every tree; its path is empty.
///
/// # Errors
/// [`ProofError`] says what is wrong. No input panics.
pub fn verify_consistency(
    old_root: &MerkleRoot,
    old_size: u64,
    new_root: &MerkleRoot,
    new_size: u64,
    path: &Path,
) -> Result<(), ProofError> {
    if old_size > MAX_SIZE || new_size > MAX_SIZE {
        return Err(ProofError::TooLarge);
    }
    if new_size < old_size {
        return Err(ProofError::Shrunk);
    }
    // What is named as empty must be empty, on either side: the crate does not know that case.
    let empty = MerkleRoot::empty();
    if (old_size == 0 && *old_root != empty) || (new_size == 0 && *new_root != empty) {
        return Err(ProofError::Mismatch);
    }
    if old_size == 0 {
        return if path.is_empty() {
            Ok(())
        } else {
            Err(ProofError::Length)
        };
    }
    let proof = ConsistencyProof::try_from_bytes(path.0.clone()).map_err(|_| ProofError::Length)?;
    new_root
        .sized(new_size)
        .verify_consistency(&old_root.sized(old_size), &proof)
        .map_err(|error| match error {
            ConsistencyVerifError::VerificationFailure => ProofError::Mismatch,
            ConsistencyVerifError::MalformedProof | ConsistencyVerifError::OldTreeEmpty => {
                ProofError::Length
            }
            ConsistencyVerifError::OldTreeLarger => ProofError::Shrunk,
            ConsistencyVerifError::NewTreeTooBig => ProofError::TooLarge,
        })
}

#[cfg(test)]
mod tests;
