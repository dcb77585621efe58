//! Manifests: announced, proved to be in the membership log, accepted.
//!
//! Section 7.8 of `docs/spec/protocol.md`.

use rand_core::CryptoRng;

use super::in_force::InForce;
use super::state::{EdgePhase, Membership};
use super::{Fault, Gateway, Output, Report, Request};
use crate::evidence::Evidence;
use crate::key_agreement::EPOCH_LIMIT;
use crate::membership::checkpoint::LogFault;
use crate::membership::epoch_head::EpochHead;
use crate::membership::log::LogEntry;
use crate::membership::proof::{LogProof, LogProofError};
use crate::message::Manifest;
use crate::round::UnixTime;
use crate::signature::Signed;

impl Gateway {
    /// The provider announces the edges of an epoch: to be proved to be in the log.
    pub(super) fn announced(&mut self, signed: &Signed<Manifest>) -> Vec<Output> {
        if let Err(fault) = self.check_manifest(signed) {
            return vec![Output::Report(fault.into())];
        }
        self.state.body.announced = Some(signed.clone());
        std::iter::once(self.persist(None))
            .chain(self.ask_proof())
            .collect()
    }

    /// Asks for the entry of the log that the announced manifest rests on.
    pub(super) fn ask_proof(&self) -> Option<Output> {
        let announced = self.state.body.announced.as_ref()?;
        Some(Output::Send(Request::LogProof {
            index: announced.unverified().log_index,
            from: self.state.body.follower.size(),
        }))
    }

    /// An entry of the log has come.
    pub(super) fn proved(
        &mut self,
        now: UnixTime,
        proof: &LogProof,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let Some(announced) = self.state.body.announced.clone() else {
            return Vec::new();
        };
        if announced.unverified().log_index != proof.index {
            return Vec::new();
        }
        let quorum = &self.setup.policy.witnesses;
        let follower = &mut self.state.body.follower;
        let entry = proof.verify(follower, &self.setup.descriptor, quorum);
        let epoch = announced.unverified().head.epoch;
        match entry {
            Ok(LogEntry::Epoch(head)) if *head == announced.unverified().head => {
                self.state.body.announced = None;
                self.accept_manifest(now, &announced, rng)
            }
            Ok(_) => {
                self.state.body.announced = None;
                let fault = Fault::OtherEpoch { epoch };
                vec![self.persist(None), Output::Report(fault.into())]
            }
            Err(error) => self.disproved(error),
        }
    }

    /// The log that was shown is not believed. Two logs are evidence.
    pub(super) fn disproved(&mut self, error: LogProofError) -> Vec<Output> {
        match error {
            LogProofError::Crossed => Vec::new(),
            LogProofError::Log(LogFault::Fork(conflict)) => {
                let round = self.last_sealed().unwrap_or_default();
                self.keep_evidence(round, Evidence::Checkpoints(conflict))
            }
            LogProofError::Cosignatures {
                cosigned, needed, ..
            } => vec![Output::Report(Report::Cosignatures { cosigned, needed })],
            error => vec![Output::Report(Fault::Log(error).into())],
        }
    }

    /// The epoch is in the log.
    fn accept_manifest(
        &mut self,
        now: UnixTime,
        signed: &Signed<Manifest>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        if let Err(fault) = self.check_manifest(signed) {
            return vec![self.persist(None), Output::Report(fault.into())];
        }
        let head = signed.unverified().head;
        let active = !signed.unverified().neighbours.is_empty();
        if !active && self.state.body.membership == Membership::Leaving {
            return self.left(now, rng);
        }
        let manifest = self.pass_epoch(signed);
        let (epoch, first_round) = (head.epoch, head.first_round);
        let report = if active {
            Report::Manifest {
                epoch,
                first_round,
                neighbours: manifest.manifest().neighbours.len(),
                members: manifest.members(),
            }
        } else {
            // It was suspended or left out: register and enter again.
            self.registered = false;
            self.stated = false;
            Report::Inactive { first_round }
        };
        self.waiting_since = None;
        let named = manifest.neighbours();
        let body = &mut self.state.body;
        let before = body.manifests.last().map(InForce::neighbours);
        body.heard_of(now, &before.unwrap_or_default());
        body.heard_of(now, &named);
        body.neighbours.retain(|neighbour| {
            neighbour.phase != EdgePhase::Leaving || named.contains(&neighbour.party.client)
        });
        body.manifests.push(manifest);
        self.drop_past_epochs(now);
        let mut outputs = vec![self.persist(None), Output::Report(report)];
        outputs.extend(self.show_checkpoint(rng));
        outputs
    }

    fn check_manifest(&self, signed: &Signed<Manifest>) -> Result<(), Fault> {
        let manifest = signed.verify(self.setup.descriptor.provider_key())?;
        let EpochHead {
            epoch, first_round, ..
        } = manifest.head;
        let last = self.state.body.manifests.last().map(InForce::head);
        let newer = last.is_none_or(|last| last.epoch < epoch && last.first_round < first_round);
        let ahead = self.last_sealed().is_none_or(|sealed| sealed < first_round);
        if manifest.net != self.setup.descriptor.net()
            || manifest.descriptor != self.setup.descriptor.hash()
            || manifest.client != self.setup.client
            || !newer
            || !ahead
            || !has_sound_indices(manifest)
        {
            return Err(Fault::Manifest { epoch });
        }
        if epoch.number() >= EPOCH_LIMIT {
            return Err(Fault::EpochLimit { epoch });
        }
        for edge in &manifest.neighbours {
            let client = edge.end.client;
            let known = self.neighbour(&client).filter(|known| {
                let ahead = known.link.chain().is_some_and(|c| c.next() <= epoch);
                ahead && known.end() == Some(edge.end)
            });
            if known.is_none() {
                return Err(Fault::ForeignNeighbour { epoch, client });
            }
            // Shares go to those whom this gateway drew itself, and to nobody else. A draw that is younger
            // than the statement behind the manifest is not in it yet.
            if edge.role.holder && !self.state.body.has_drawn(&client) {
                return Err(Fault::ForeignHolder { epoch, client });
            }
        }
        Ok(())
    }
}

/// Most members that may have drawn one member: it tells a key for each.
const MAX_DEALERS: usize = 4_095;

/// Whether indices are those of a tree: below its size, and nobody's twice; and not more members have
/// drawn this one than it can answer.
fn has_sound_indices(manifest: &Manifest) -> bool {
    let members = manifest.head.members;
    let mut indices: Vec<u32> = manifest.neighbours.iter().map(|edge| edge.index).collect();
    if !indices.is_empty() {
        indices.push(manifest.index);
    }
    let dealers = manifest.neighbours.iter().filter(|edge| edge.role.dealer);
    if dealers.count() > MAX_DEALERS {
        return false;
    }
    indices.sort_unstable();
    indices.is_sorted_by(|a, b| a < b) && indices.iter().all(|index| *index < members)
}
