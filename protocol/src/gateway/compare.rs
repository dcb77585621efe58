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
        if other.size == own.size {
            let round = self.last_sealed().unwrap_or_default();
            let conflict = Box::new(Conflict { known, shown });
            return self.keep_evidence(round, Evidence::Checkpoints(conflict));
        }
        // One at a time: what is open longer counts.
        if self.state.body.compare.is_none() {
            let (small, large) = if other.size < own.size {
                (shown, known)
            } else {
                (known, shown)
            };
            self.state.body.compare = Some(Compare {
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

    pub(super) fn ask_common(&self) -> Option<Output> {
        let compare = self.state.body.compare.as_ref()?;
        Some(Output::Send(Request::CommonLog {
            small: compare.small.unverified().size,
            large: compare.large.unverified().size,
        }))
    }

    /// The provider shows that two sizes are of one log, or does not.
    pub(super) fn compared(&mut self, common: &CommonLog) -> Vec<Output> {
        let Some(compare) = &self.state.body.compare else {
            return Vec::new();
        };
        let (small, large) = (compare.small.unverified(), compare.large.unverified());
        match common.verify(small, large, &self.setup.descriptor) {
            Ok(()) => {
                self.state.body.compare = None;
                vec![self.persist(None)]
            }
            Err(LogProofError::Crossed) => Vec::new(),
            Err(source) => {
                let client = compare.client;
                vec![Output::Report(Fault::SplitView { client, source }.into())]
            }
        }
    }

    /// Whether the provider has had an interval to show that a neighbour sees the same log.
    pub(super) fn is_view_split(&self, now: UnixTime) -> bool {
        let interval = self.setup.descriptor.schedule().interval_millis();
        let compare = self.state.body.compare.as_ref();
        compare.is_some_and(|compare| {
            now.millis_since(UnixTime::from_millis(compare.since)) > interval
        })
    }
}
