//! Placeholder until the adapter is merged.
use crate::codec::Wire as _;
use crate::key_agreement::KeyPackageHash;
use crate::merkle::{MerkleRoot, Tree};
use crate::names::ClientId;
use crate::round::{Epoch, Round};
use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};
/// Leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct MemberLeaf {
    /// Client.
    pub client: ClientId,
    /// Package.
    pub package: KeyPackageHash,
}
/// Head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EpochHead {
    /// Epoch.
    pub epoch: Epoch,
    /// First.
    pub first_round: Round,
    /// Members.
    pub members: u32,
    /// Root.
    pub member_root: MerkleRoot,
}
/// Tree.
pub fn member_tree(leaves: &[MemberLeaf]) -> Tree {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.append(leaf.encode());
    }
    tree
}
