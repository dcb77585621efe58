//! The provider's word on its membership log, and how a gateway holds it to that word.
//!
//! `docs/spec/membership-log.md`, sections "Checkpoints" and "Following the log".

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::log::LogEntry;
use crate::codec::{DecodeError, Wire as _};
use crate::descriptor::DescriptorHash;
use crate::merkle::{self, MerkleRoot, Path, ProofError};
use crate::names::NetId;
use crate::signature::{BadSignature, Signed, Statement, VerifyingKey};

/// "With this many entries the log has this root." There is one for each size, without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Checkpoint {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: MerkleRoot,
}

impl Statement for Checkpoint {
    const LABEL: &'static str = "dcnet/v1 checkpoint";
}

impl Checkpoint {
    /// Checks that `entry` is the one at `index`, counted from 0, of the log.
    ///
    /// # Errors
    /// [`ProofError`] if the path does not prove it.
    pub fn verify_entry(
        &self,
        index: u64,
        entry: &LogEntry,
        path: &Path,
    ) -> Result<(), ProofError> {
        merkle::verify_inclusion(&self.root, self.size, index, &entry.encode(), path)
    }
}

/// Two checkpoints that do not go together, both signed by the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The one accepted before.
    pub known: Signed<Checkpoint>,
    /// The one shown now.
    pub shown: Signed<Checkpoint>,
}

/// Why a log or a checkpoint of it is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// Not signed by the provider. That proves nothing against anyone.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Of another net.
    #[error("the checkpoint is of net {got}")]
    WrongNet {
        /// Its net.
        got: NetId,
    },
    /// Of other parameters.
    #[error("the checkpoint is of a net with other parameters")]
    WrongDescriptor,
    /// The first checkpoint that is shown cannot be one: of no entries with the root of some, of
    /// too many, or with a path where none belongs.
    #[error("the first checkpoint is none: {0}")]
    Impossible(ProofError),
    /// Two roots for one size: the provider keeps two logs. The two checkpoints are the evidence.
    #[error("the provider has signed two logs of {} entries", .0.known.unverified().size)]
    Fork(Box<Conflict>),
    /// The path does not show that the log shown extends the one known. Whoever carried the path
    /// may have spoilt it, so this is no evidence yet: the provider has to show a path that fits.
    #[error("the log does not extend the one known: {reason}")]
    NotExtended {
        /// Both checkpoints.
        conflict: Box<Conflict>,
        /// What is wrong with the path.
        reason: ProofError,
    },
    /// A stored or fetched entry is none.
    #[error("entry {index} of the log is malformed")]
    Entry {
        /// Its index, counted from 0.
        index: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
}

/// What became of a checkpoint that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first one: there was nothing to compare it with. To be persisted.
    First,
    /// It extends the one known and takes its place. To be persisted.
    Extended {
        /// Number of entries known until now.
        from: u64,
    },
    /// The one known.
    Same,
    /// Of fewer entries than known: nothing was compared or changed. It is not to be relied on.
    Older,
}

/// Keeps the last checkpoint that was accepted, of one net: each one has to extend it.
///
/// Its encoding is what is to be persisted.
#[derive(Debug, Clone, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct LogFollower {
    #[tls_codec(with = "crate::codec::option")]
    last: Option<Signed<Checkpoint>>,
}

impl LogFollower {
    /// Has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The checkpoint accepted last, with its signature.
    pub fn last(&self) -> Option<&Signed<Checkpoint>> {
        self.last.as_ref()
    }

    /// The body of the checkpoint accepted last.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.last.as_ref().map(Signed::unverified)
    }

    /// Number of entries known: from here on a consistency path is to be asked for.
    pub fn size(&self) -> u64 {
        self.checkpoint().map_or(0, |checkpoint| checkpoint.size)
    }

    /// Takes `shown` in place of the last checkpoint, if it is by the provider, of this net, and
    /// `path` proves that it extends the last one.
    ///
    /// The path is looked at only if `shown` has more entries than known, or is the first; then it
    /// leads from [`size`](Self::size).
    ///
    /// # Errors
    /// [`LogFault`]; then nothing has changed.
    pub fn accept(
        &mut self,
        shown: &Signed<Checkpoint>,
        path: &Path,
        provider_key: &VerifyingKey,
        net: NetId,
        descriptor: DescriptorHash,
    ) -> Result<Step, LogFault> {
        let new = shown.verify(provider_key)?;
        if new.net != net {
            return Err(LogFault::WrongNet { got: new.net });
        }
        if new.descriptor != descriptor {
            return Err(LogFault::WrongDescriptor);
        }
        let step = match &self.last {
            None => {
                let empty = MerkleRoot::empty();
                merkle::verify_consistency(&empty, 0, &new.root, new.size, path)
                    .map_err(LogFault::Impossible)?;
                Step::First
            }
            Some(known) => {
                let step = follow(known, shown, path)?;
                if !matches!(step, Step::Extended { .. }) {
                    return Ok(step);
                }
                step
            }
        };
        self.last = Some(shown.clone());
        Ok(step)
    }
}

/// Compares two checkpoints of one net, both with signatures that were checked.
fn follow(
    known: &Signed<Checkpoint>,
    shown: &Signed<Checkpoint>,
    path: &Path,
) -> Result<Step, LogFault> {
    let (old, new) = (known.unverified(), shown.unverified());
    if new.size < old.size {
        return Ok(Step::Older);
    }
    let conflict = || {
        Box::new(Conflict {
            known: known.clone(),
            shown: shown.clone(),
        })
    };
    if new.size == old.size {
        return if new.root == old.root {
            Ok(Step::Same)
        } else {
            Err(LogFault::Fork(conflict()))
        };
    }
    merkle::verify_consistency(&old.root, old.size, &new.root, new.size, path).map_err(
        |reason| LogFault::NotExtended {
            conflict: conflict(),
            reason,
        },
    )?;
    Ok(Step::Extended { from: old.size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::log::Log;
    use crate::names::ClientId;
    use crate::round::Round;
    use crate::signature::SigningKey;

    fn key() -> SigningKey {
        SigningKey::from_scalar(&[3; 32]).unwrap()
    }

    fn net() -> NetId {
        "strehlen-7".parse().unwrap()
    }

    fn descriptor() -> DescriptorHash {
        DescriptorHash::from_bytes([5; 32])
    }

    fn append(log: &mut Log, rounds: std::ops::Range<u64>) {
        let client: ClientId = "gw-1".parse().unwrap();
        for round in rounds.map(Round::new) {
            log.append(&LogEntry::Suspended { client, round });
        }
    }

    fn log(rounds: std::ops::Range<u64>) -> Log {
        let mut log = Log::new(net(), descriptor());
        append(&mut log, rounds);
        log
    }

    fn show(follower: &mut LogFollower, log: &Log) -> Result<Step, LogFault> {
        let path = log.consistency(follower.size()).unwrap_or_default();
        accept(follower, &log.head(&key()), &path)
    }

    fn accept(
        follower: &mut LogFollower,
        shown: &Signed<Checkpoint>,
        path: &Path,
    ) -> Result<Step, LogFault> {
        let key = key().verifying_key();
        follower.accept(shown, path, &key, net(), descriptor())
    }

    #[test]
    fn a_growing_log_is_followed() {
        let mut follower = LogFollower::new();
        assert_eq!(follower.last(), None);
        let mut log = log(0..0);
        assert_eq!(show(&mut follower, &log), Ok(Step::First));
        for (from, to) in [(0, 1), (1, 2), (2, 7), (7, 8), (8, 30)] {
            append(&mut log, from..to);
            assert_eq!(show(&mut follower, &log), Ok(Step::Extended { from }));
            assert_eq!(show(&mut follower, &log), Ok(Step::Same));
            assert_eq!(follower.checkpoint(), Some(&log.checkpoint()));
        }
        let mut restored = LogFollower::decode(&follower.encode()).unwrap();
        assert_eq!(restored, follower);
        append(&mut log, 30..31);
        assert_eq!(show(&mut restored, &log), Ok(Step::Extended { from: 30 }));
    }

    #[test]
    fn an_older_checkpoint_changes_nothing() {
        let mut follower = LogFollower::new();
        show(&mut follower, &log(0..9)).unwrap();
        let before = follower.clone();
        assert_eq!(show(&mut follower, &log(0..4)), Ok(Step::Older));
        assert_eq!(show(&mut follower, &log(5..7)), Ok(Step::Older));
        assert_eq!(follower, before);
    }

    #[test]
    fn two_logs_of_one_size_are_evidence() {
        let mut follower = LogFollower::new();
        show(&mut follower, &log(0..9)).unwrap();
        let before = follower.clone();
        let other = log(1..10).head(&key());
        let fault = accept(&mut follower, &other, &Path::default()).unwrap_err();
        let LogFault::Fork(conflict) = fault else {
            panic!("{fault}");
        };
        assert_eq!(conflict.known, log(0..9).head(&key()));
        assert_eq!(conflict.shown, other);
        assert_eq!(follower, before);
    }

    #[test]
    fn another_history_is_no_extension() {
        let mut follower = LogFollower::new();
        show(&mut follower, &log(0..9)).unwrap();
        let before = follower.clone();
        let other = log(1..12);
        for (path, expected) in [
            (other.consistency(9).unwrap(), ProofError::Mismatch),
            (log(0..12).consistency(9).unwrap(), ProofError::Mismatch),
            (Path::default(), ProofError::Length),
        ] {
            let fault = accept(&mut follower, &other.head(&key()), &path).unwrap_err();
            assert!(
                matches!(fault, LogFault::NotExtended { reason, .. } if reason == expected),
                "{fault}"
            );
        }
        assert_eq!(follower, before);
    }

    #[test]
    fn only_the_providers_word_on_this_net_counts() {
        let mut follower = LogFollower::new();
        let body = log(0..3).checkpoint();
        let stranger = SigningKey::from_scalar(&[4; 32]).unwrap();
        let none = Path::default();
        assert!(matches!(
            accept(&mut follower, &stranger.sign(body), &none),
            Err(LogFault::Signature(_))
        ));
        let got = "pieschen-2".parse().unwrap();
        let shown = key().sign(Checkpoint { net: got, ..body });
        assert_eq!(
            accept(&mut follower, &shown, &none),
            Err(LogFault::WrongNet { got })
        );
        let descriptor = DescriptorHash::from_bytes([6; 32]);
        let shown = key().sign(Checkpoint { descriptor, ..body });
        assert_eq!(
            accept(&mut follower, &shown, &none),
            Err(LogFault::WrongDescriptor)
        );
        for (size, reason) in [(0, ProofError::Mismatch), (u64::MAX, ProofError::TooLarge)] {
            let shown = key().sign(Checkpoint { size, ..body });
            assert_eq!(
                accept(&mut follower, &shown, &none),
                Err(LogFault::Impossible(reason))
            );
        }
        assert_eq!(follower, LogFollower::new());
    }
}
