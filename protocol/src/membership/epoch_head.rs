//! The members of an epoch as one hash: `docs/spec/membership-log.md`, section "Member trees".

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::log::DrawList;
use crate::codec::Wire as _;
use crate::key_agreement::KeyPackageHash;
use crate::merkle::{self, MerkleRoot, Path, ProofError, Tree};
use crate::names::ClientId;
use crate::round::{Epoch, Round};

/// One member with the key package in force for it: a leaf of a member tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct MemberLeaf {
    /// The member.
    pub client: ClientId,
    /// Hash of its key package.
    pub package: KeyPackageHash,
}

/// What all members of an epoch are to agree on: which epoch, from when, and who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EpochHead {
    /// Its number.
    pub epoch: Epoch,
    /// Its first round.
    pub first_round: Round,
    /// Number of members: leaves of the tree.
    pub members: u32,
    /// Root of the tree over the members, ascending by name.
    pub member_root: MerkleRoot,
}

impl EpochHead {
    /// Checks that `leaf` is the member with that index, counted from 0.
    ///
    /// # Errors
    /// [`ProofError`] if the path does not prove it.
    pub fn verify(&self, index: u32, leaf: &MemberLeaf, path: &Path) -> Result<(), ProofError> {
        verify_member(&self.member_root, self.members, index, leaf, path)
    }
}

/// Checks that `leaf` has that index, counted from 0, in the member tree with `root` and `members`
/// leaves.
///
/// # Errors
/// [`ProofError`] if the path does not prove it.
pub fn verify_member(
    root: &MerkleRoot,
    members: u32,
    index: u32,
    leaf: &MemberLeaf,
    path: &Path,
) -> Result<(), ProofError> {
    merkle::verify_inclusion(root, members.into(), index.into(), &leaf.encode(), path)
}

/// The tree over a list of members that is strictly ascending by name.
#[derive(Debug, Clone)]
pub struct MemberTree {
    leaves: Vec<MemberLeaf>,
    tree: Tree,
    members: u32,
}

impl MemberTree {
    /// Builds the tree. Nobody may be listed: that is the empty tree.
    ///
    /// # Errors
    /// [`MemberTreeError`] if the list is not strictly ascending or too long.
    pub fn new(leaves: Vec<MemberLeaf>) -> Result<Self, MemberTreeError> {
        if !leaves.is_sorted_by(|left, right| left.client < right.client) {
            return Err(MemberTreeError::NotAscending);
        }
        let members = u32::try_from(leaves.len()).map_err(|_| MemberTreeError::TooMany)?;
        let mut tree = Tree::new();
        for leaf in &leaves {
            tree.push(leaf.encode());
        }
        Ok(Self {
            leaves,
            tree,
            members,
        })
    }

    /// The head of an epoch of these members.
    pub fn epoch_head(&self, epoch: Epoch, first_round: Round) -> EpochHead {
        EpochHead {
            epoch,
            first_round,
            members: self.members,
            member_root: self.root(),
        }
    }

    /// The log's line that these may be drawn from `round` on.
    pub fn draw_list(&self, round: Round) -> DrawList {
        DrawList {
            round,
            members: self.members,
            root: self.root(),
        }
    }

    /// Root of the tree.
    pub fn root(&self) -> MerkleRoot {
        self.tree.root()
    }

    /// Number of members.
    pub fn members(&self) -> u32 {
        self.members
    }

    /// The members, ascending by name.
    pub fn leaves(&self) -> &[MemberLeaf] {
        &self.leaves
    }

    /// The member with that index, counted from 0.
    pub fn leaf(&self, index: u32) -> Option<&MemberLeaf> {
        self.leaves.get(usize::try_from(index).ok()?)
    }

    /// The index of a member.
    pub fn index_of(&self, client: &ClientId) -> Option<u32> {
        let found = self
            .leaves
            .binary_search_by_key(client, |leaf| leaf.client)
            .ok()?;
        u32::try_from(found).ok()
    }

    /// Proves the member with that index under the root.
    pub fn inclusion(&self, index: u32) -> Option<Path> {
        self.tree.inclusion(index.into())
    }
}

/// Why a list of members has no member tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberTreeError {
    /// Not ascending, or a member twice.
    #[error("the list of members is not strictly ascending")]
    NotAscending,
    /// More than 2³²−1.
    #[error("the list of members has more entries than an index can count")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<MemberLeaf> {
        (0..count)
            .map(|number| MemberLeaf {
                client: format!("gw-{number:03}").parse().unwrap(),
                package: KeyPackageHash::from_bytes([number; 32]),
            })
            .collect()
    }

    #[test]
    fn every_member_is_proved_and_nobody_else() {
        for count in 0..20 {
            let tree = MemberTree::new(leaves(count)).unwrap();
            let head = tree.epoch_head(Epoch::new(3), Round::new(9));
            assert_eq!(head.members, u32::from(count));
            assert_eq!(EpochHead::decode(&head.encode()), Ok(head));
            for (leaf, index) in leaves(count).iter().zip(0..) {
                let path = tree.inclusion(index).unwrap();
                head.verify(index, leaf, &path).unwrap();
                tree.draw_list(Round::new(9))
                    .verify(index, leaf, &path)
                    .unwrap();
                assert_eq!(tree.leaf(index), Some(leaf));
                assert_eq!(tree.index_of(&leaf.client), Some(index));
                let renewed = MemberLeaf {
                    package: KeyPackageHash::from_bytes([0xee; 32]),
                    ..*leaf
                };
                assert_eq!(
                    head.verify(index, &renewed, &path),
                    Err(ProofError::Mismatch)
                );
                assert!(head.verify(index ^ 1, leaf, &path).is_err());
            }
            assert_eq!(tree.inclusion(u32::from(count)), None);
            assert_eq!(tree.index_of(&"nobody".parse().unwrap()), None);
        }
    }

    #[test]
    fn a_list_is_strictly_ascending() {
        let mut backwards = leaves(3);
        backwards.reverse();
        let twice = [leaves(2), leaves(2)].concat();
        let mut other_package = leaves(1);
        other_package.extend(leaves(1).iter().map(|leaf| MemberLeaf {
            package: KeyPackageHash::from_bytes([9; 32]),
            ..*leaf
        }));
        for list in [backwards, twice, other_package] {
            assert_eq!(
                MemberTree::new(list).unwrap_err(),
                MemberTreeError::NotAscending
            );
        }
        assert_eq!(
            MemberTree::new(Vec::new()).unwrap().root(),
            MerkleRoot::empty()
        );
    }
}
