//! Placeholder until the adapter is merged.
use ct_merkle::{InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use sha2::{Digest as _, Sha256};
use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

/// Root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct MerkleRoot(pub [u8; 32]);

/// Path.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Path(#[tls_codec(with = "crate::codec::bytes16")] Vec<u8>);

/// Tree.
#[derive(Debug, Clone, Default)]
pub struct Tree(MemoryBackedTree<Sha256, Vec<u8>>);

impl Tree {
    /// Append.
    pub fn append(&mut self, leaf: Vec<u8>) {
        self.0.push(leaf);
    }
    /// Root.
    pub fn root(&self) -> MerkleRoot {
        if self.0.is_empty() {
            return MerkleRoot(Sha256::digest(b"").into());
        }
        MerkleRoot((*self.0.root().as_bytes()).into())
    }
    /// Path.
    pub fn inclusion(&self, index: u64) -> Option<Path> {
        (index < self.0.len()).then(|| {
            Path(
                self.0
                    .prove_inclusion(usize::try_from(index).unwrap())
                    .as_bytes()
                    .to_vec(),
            )
        })
    }
}
/// Verify.
pub fn verify_inclusion(
    root: &MerkleRoot,
    size: u64,
    index: u64,
    leaf: &[u8],
    path: &Path,
) -> Result<(), ()> {
    if index >= size {
        return Err(());
    }
    let proof = InclusionProof::<Sha256>::try_from_bytes(path.0.clone()).map_err(|_| ())?;
    RootHash::<Sha256>::new(root.0.into(), size)
        .verify_inclusion(&leaf, index, &proof)
        .map_err(|_| ())
}
