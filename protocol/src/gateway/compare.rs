//! Whether neighbours are shown the same membership log: section 7.20 of `docs/spec/protocol.md`.
//!
//! Every envelope carries its sender's newest checkpoint, out of the provider's reach. Two roots for one
//! size are evidence. For two sizes the provider has to show that they are of one log; while it does
//! not, nothing of a reading leaves.

use rand_core::CryptoRng;

use super::state::Compare;
use super::{Fault, Gateway, Output, Request};
use crate::envelope::EnvelopeKind;
use crate::evidence::Evidence;
use crate::membership::checkpoint::{Checkpoint, Conflict};
use crate::membership::proof::{CommonLog, LogProofError};
use crate::names::ClientId;
use crate::round::UnixTime;
use crate::signature::Signed;

/// Comparisons that may be open at a time: far more than a correct provider leaves open.
const MOST_OPEN: usize = 4_096;
/// Comparisons that are asked about at a time.
const AT_A_TIME: usize = 8;

impl Gateway {
    /// Shows a neighbour, drawn at random, what this gateway knows of the log.
    pub(super) fn show_checkpoint(&self, rng: &mut impl CryptoRng) -> Option<Output> {
        let neighbours = self.confirmed().count();
        let number = usize::try_from(rng.next_u64() % neighbours.max(1) as u64).ok()?;
        let neighbour = self.neighbour(&self.confirmed().nth(number)?)?;
        let envelope = self.seal(neighbour, EnvelopeKind::Checkpoint, rng).ok()?;
        Some(Output::Send(Request::Envelope(envelope)))
    }

    /// A neighbour shows what it knows of the log.
    pub(super) fn compare(
        &mut self,
        now: UnixTime,
        client: ClientId,
        shown: Option<Signed<Checkpoint>>,
    ) -> Vec<Output> {
        let Some((shown, known)) = shown.zip(self.state.body.follower.last().cloned()) else {
            return Vec::new();
        };
        let descriptor = &self.setup.descriptor;
        let ours = shown
            .verify(descriptor.provider_key())
            .is_ok_and(|checkpoint| {
                checkpoint.net == descriptor.net() && checkpoint.descriptor == descriptor.hash()
            });
        if !ours {
            return vec![Output::Report(Fault::ForeignCheckpoint { client }.into())];
        }
        let (other, own) = (*shown.unverified(), *known.unverified());
        if other == own {
            return Vec::new();
        }
        // What it was shown before by others counts as much as what it knows by itself.
        let open = self.state.body.compare.iter();
        let before = open.flat_map(|compare| [&compare.small, &compare.large]);
        let contradicting = std::iter::once(&known)
            .chain(before)
            .find(|one| {
                let one = one.unverified();
                one.size == other.size && one.root != other.root
            })
            .cloned();
        if let Some(known) = contradicting {
            let round = self.last_sealed().unwrap_or_default();
            let conflict = Box::new(Conflict { known, shown });
            return self.keep_evidence(round, Evidence::Checkpoints(conflict));
        }
        // Each that is open stays open until it is shown: whoever orders what is delivered must not be
        // able to hide one behind another.
        let open = &mut self.state.body.compare;
        let is_open = |compare: &Compare| {
            [&compare.small, &compare.large]
                .map(Signed::unverified)
                .contains(&&other)
        };
        if !open.iter().any(is_open) && open.len() < MOST_OPEN {
            let (small, large) = if other.size < own.size {
                (shown, known)
            } else {
                (known, shown)
            };
            open.push(Compare {
                client,
                small,
                large,
                since: now.millis(),
            });
        }
        std::iter::once(self.persist(None))
            .chain(self.ask_common())
            .collect()
    }

    pub(super) fn ask_common(&self) -> Vec<Output> {
        let open = self.state.body.compare.iter().take(AT_A_TIME);
        let requests = open.map(|compare| Request::CommonLog {
            small: compare.small.unverified().size,
            large: compare.large.unverified().size,
        });
        requests.map(Output::Send).collect()
    }

    /// The provider shows that two sizes are of one log, or does not.
    pub(super) fn compared(&mut self, common: &CommonLog) -> Vec<Output> {
        let descriptor = &self.setup.descriptor;
        let mut outputs = Vec::new();
        let open = &mut self.state.body.compare;
        let before = open.len();
        open.retain(|compare| {
            let (small, large) = (compare.small.unverified(), compare.large.unverified());
            match common.verify(small, large, descriptor) {
                Ok(()) => return false,
                Err(LogProofError::Crossed) => {}
                Err(source) => {
                    let client = compare.client;
                    outputs.push(Output::Report(Fault::SplitView { client, source }.into()));
                }
            }
            true
        });
        if open.len() < before {
            outputs.insert(0, self.persist(None));
            outputs.extend(self.ask_common());
        }
        outputs
    }

    /// Whether the provider has had an interval to show that a neighbour sees the same log.
    pub(super) fn is_view_split(&self, now: UnixTime) -> bool {
        let interval = self.setup.descriptor.schedule().interval_millis();
        self.state
            .body
            .compare
            .iter()
            .any(|compare| now.millis_since(UnixTime::from_millis(compare.since)) > interval)
    }
}
