//! The membership log: every change of a net's members, in an order that cannot be changed later.
//!
//! `docs/spec/membership-log.md`. What the provider signs of it, and how others follow it, is in
//! [`checkpoint`](super::checkpoint).

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::checkpoint::{Checkpoint, LogFault};
use super::entry::ExitStatement;
use super::epoch_head::{EpochHead, MemberLeaf, verify_member};
use crate::codec::Wire as _;
use crate::descriptor::DescriptorHash;
use crate::key_agreement::KeyPackageHash;
use crate::merkle::{MerkleRoot, Path, ProofError, Tree};
use crate::names::{ClientId, NetId};
use crate::round::Round;
use crate::signature::{Signed, SigningKey};

/// Who may be drawn as a neighbour from a round on: a member tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct DrawList {
    /// The round in whose interval the list was made.
    pub round: Round,
    /// Number of leaves.
    pub members: u32,
    /// Root of the tree.
    pub root: MerkleRoot,
}

impl DrawList {
    /// Checks that `leaf` has that index, counted from 0, in the list.
    ///
    /// # Errors
    /// [`ProofError`] if the path does not prove it.
    pub fn verify(&self, index: u32, leaf: &MemberLeaf, path: &Path) -> Result<(), ProofError> {
        verify_member(&self.root, self.members, index, leaf, path)
    }
}

/// One change. Its encoding is a leaf of the log's tree.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum LogEntry {
    /// From the next epoch on a member, with this key package; an earlier one is replaced.
    #[tls_codec(discriminant = 1)]
    Admitted {
        /// The member.
        client: ClientId,
        /// Hash of its key package.
        package: KeyPackageHash,
    },
    /// Has left, on its own word.
    #[tls_codec(discriminant = 2)]
    Exited(Signed<ExitStatement>),
    /// Not a member of the next epoch, but kept.
    #[tls_codec(discriminant = 3)]
    Suspended {
        /// The member.
        client: ClientId,
        /// The round that was the reason, or the first without it.
        round: Round,
    },
    /// A member again, with the key package that it had.
    #[tls_codec(discriminant = 4)]
    Resumed {
        /// The member.
        client: ClientId,
        /// The round in which it came back.
        round: Round,
    },
    /// An epoch begins with exactly those that the entries before this one leave as members.
    #[tls_codec(discriminant = 5)]
    Epoch(EpochHead),
    /// Who may be drawn.
    #[tls_codec(discriminant = 6)]
    DrawList(DrawList),
}

/// A whole log in memory, at the provider or at whoever replays it.
#[derive(Debug, Clone)]
pub struct Log {
    net: NetId,
    descriptor: DescriptorHash,
    tree: Tree,
}

impl Log {
    /// The log of a net before anything happened in it.
    pub fn new(net: NetId, descriptor: DescriptorHash) -> Self {
        Self {
            net,
            descriptor,
            tree: Tree::new(),
        }
    }

    /// The log with these entries, as they were encoded, in the order of their index.
    ///
    /// # Errors
    /// [`LogFault::Entry`] names the first that is no encoding of an entry.
    pub fn restore<E: AsRef<[u8]>>(
        net: NetId,
        descriptor: DescriptorHash,
        entries: impl IntoIterator<Item = E>,
    ) -> Result<Self, LogFault> {
        let mut log = Self::new(net, descriptor);
        for (encoded, index) in entries.into_iter().zip(0..) {
            let entry = LogEntry::decode(encoded.as_ref())
                .map_err(|source| LogFault::Entry { index, source })?;
            log.append(&entry);
        }
        Ok(log)
    }

    /// Appends an entry and returns its index. Whether it may follow is the caller's to know.
    pub fn append(&mut self, entry: &LogEntry) -> u64 {
        self.tree.push(entry.encode())
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.tree.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// The encoding of the entry at `index`, counted from 0.
    pub fn entry(&self, index: u64) -> Option<&[u8]> {
        self.tree.leaf(index)
    }

    /// The encodings of all entries in the order of their index.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.tree.leaves()
    }

    /// What is to be signed of the log as it is.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            net: self.net,
            descriptor: self.descriptor,
            size: self.tree.len(),
            root: self.tree.root(),
        }
    }

    /// The checkpoint of the log as it is. The same log gives the same bytes again.
    pub fn head(&self, key: &SigningKey) -> Signed<Checkpoint> {
        key.sign(self.checkpoint())
    }

    /// Proves the entry at `index` under the present checkpoint, and under no other. `None` if
    /// there is no such entry.
    pub fn inclusion(&self, index: u64) -> Option<Path> {
        self.tree.inclusion(index)
    }

    /// Proves that the present log extends the one with `from` entries. `None` if there were never
    /// that many.
    pub fn consistency(&self, from: u64) -> Option<Path> {
        self.tree.consistency(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::DecodeError;
    use crate::names::ClientSet;

    fn log() -> Log {
        let net = "strehlen-7".parse().unwrap();
        Log::new(net, DescriptorHash::from_bytes([5; 32]))
    }

    fn key() -> SigningKey {
        SigningKey::from_scalar(&[3; 32]).unwrap()
    }

    fn entries() -> Vec<LogEntry> {
        let client: ClientId = "gw-1".parse().unwrap();
        let package = KeyPackageHash::from_bytes([1; 32]);
        let (round, members) = (Round::new(7), 1);
        let root = MerkleRoot::from_bytes([2; 32]);
        vec![
            LogEntry::Admitted { client, package },
            LogEntry::Exited(key().sign(ExitStatement {
                net: "strehlen-7".parse().unwrap(),
                descriptor: DescriptorHash::from_bytes([5; 32]),
                client,
                serial: 4,
                neighbours: ClientSet::default(),
            })),
            LogEntry::Suspended { client, round },
            LogEntry::Resumed { client, round },
            LogEntry::Epoch(EpochHead {
                epoch: crate::round::Epoch::new(1),
                first_round: round,
                members,
                member_root: root,
            }),
            LogEntry::DrawList(DrawList {
                round,
                members,
                root,
            }),
        ]
    }

    #[test]
    fn entries_have_one_encoding() {
        for (entry, kind) in entries().iter().zip(1..) {
            let encoded = entry.encode();
            assert_eq!(encoded.first(), Some(&kind));
            assert_eq!(LogEntry::decode(&encoded).as_ref(), Ok(entry));
            for length in 0..encoded.len() {
                assert!(LogEntry::decode(&encoded[..length]).is_err());
            }
        }
        for kind in [0, 7, 255] {
            let mut encoded = entries()[0].encode();
            encoded[0] = kind;
            assert_eq!(
                LogEntry::decode(&encoded),
                Err(DecodeError::UnknownValue(kind.into()))
            );
        }
    }

    #[test]
    fn every_entry_is_proved_under_the_head() {
        let mut log = log();
        assert!(log.is_empty() && log.checkpoint().root == MerkleRoot::empty());
        for (entry, index) in entries().iter().zip(0..) {
            assert_eq!(log.append(entry), index);
        }
        let checkpoint = log.head(&key());
        let checkpoint = checkpoint.verify(&key().verifying_key()).unwrap();
        assert_eq!(checkpoint.size, 6);
        for (entry, index) in entries().iter().zip(0..) {
            let path = log.inclusion(index).unwrap();
            checkpoint.verify_entry(index, entry, &path).unwrap();
            assert!(checkpoint.verify_entry(index ^ 1, entry, &path).is_err());
        }
        assert_eq!(log.inclusion(6), None);
    }

    #[test]
    fn a_restored_log_is_the_same() {
        let mut log = log();
        for entry in entries() {
            log.append(&entry);
        }
        let again = Log::restore(log.net, log.descriptor, log.entries()).unwrap();
        assert_eq!(again.head(&key()).encode(), log.head(&key()).encode());
        assert_eq!(again.entry(2), log.entry(2));

        let mut broken: Vec<Vec<u8>> = log.entries().map(<[u8]>::to_vec).collect();
        broken[3].push(0);
        let fault = Log::restore(log.net, log.descriptor, broken).unwrap_err();
        let source = DecodeError::Trailing;
        assert_eq!(fault, LogFault::Entry { index: 3, source });
    }
}
