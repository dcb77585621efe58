//! Rounds: manifests, sealing, sending again, answering a correction.

use rand_core::CryptoRng;

use super::in_force::InForce;
use super::state::{Answered, EdgePhase, Membership, Sealed};
use super::{Fault, Gateway, Outgoing, Output, Report, Request, RoundRefusal};
use crate::codec::Wire as _;
use crate::correction::resend::{self, Circumstances, Verdict};
use crate::descriptor::{CorrectionMode, MIN_DEGREE};
use crate::evidence::Evidence;
use crate::frame::{ClearFrame, Frame};
use crate::key_agreement::EPOCH_LIMIT;
use crate::membership::checkpoint::LogFault;
use crate::membership::epoch_head::EpochHead;
use crate::membership::log::LogEntry;
use crate::membership::proof::{LogProof, LogProofError};
use crate::message::{Correction, Manifest};
use crate::names::ClientSet;
use crate::notification::Notification;
use crate::pad::Pad;
use crate::round::{Round, UnixTime};
use crate::self_mask::{DealtMask, Place};
use crate::signature::Signed;
use crate::superposition::{Reading, ReadingError};

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

    /// Seals the frame of `round` and sends it.
    pub(super) fn submit(
        &mut self,
        now: UnixTime,
        round: Round,
        reading: Option<Reading>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        if self.last_sealed() == Some(round) {
            return self.retry(now);
        }
        match self.seal_frame(now, round, reading, rng) {
            Ok(sealed) => {
                let (notification, bytes) = (Notification::Transmit, sealed.bytes.clone());
                self.state.body.sealed = Some(sealed);
                self.frame_done = false;
                self.persist_then_send(notification, round, bytes)
            }
            Err(reason) => vec![Output::Report(Report::RoundRefused { round, reason })],
        }
    }

    /// The same bytes again, if they were not answered and their window is open.
    pub(super) fn retry(&mut self, now: UnixTime) -> Vec<Output> {
        let schedule = self.setup.descriptor.schedule();
        let body = &self.state.body;
        if body.distrusted {
            return Vec::new();
        }
        let frame = body
            .sealed
            .as_ref()
            .filter(|sealed| !self.frame_done && now < schedule.last_call(sealed.round))
            .map(|sealed| (Notification::Transmit, sealed.round, sealed.bytes.clone()));
        let answer = body
            .answered
            .as_ref()
            .filter(|a| !self.answer_done && now < schedule.correction_deadline(a.round))
            .map(|answered| (Notification::Resend, answered.round, answered.bytes.clone()));
        let sends = frame
            .into_iter()
            .chain(answer)
            .chain(self.unsent_answer(now));
        sends
            .map(|(notification, round, bytes)| {
                Output::Send(Request::Frame {
                    notification,
                    round,
                    bytes,
                })
            })
            .chain(self.ask_roster(now))
            .collect()
    }

    /// The provider asks to resend without the pads of missing members.
    pub(super) fn correct(&mut self, now: UnixTime, signed: &Signed<Correction>) -> Vec<Output> {
        let request = match signed.verify(self.setup.descriptor.provider_key()) {
            Ok(request) => request.clone(),
            Err(bad) => return vec![Output::Report(Fault::from(bad).into())],
        };
        let neighbours = self
            .in_force(request.round)
            .map(InForce::neighbours)
            .unwrap_or_default();
        let verdict = resend::examine(&request, &self.circumstances(now, &request, &neighbours));
        let refused = |refusal| vec![Output::Report(Report::CorrectionRefused(refusal))];
        let gone = match verdict {
            Err(refusal) => return refused(refusal),
            Ok(Verdict::Repeat) => {
                self.answer_done = false;
                return self.retry(now);
            }
            Ok(Verdict::Answer(gone)) => gone,
        };
        let round = request.round;
        let Some(bytes) = self.resent(&request, &gone) else {
            return refused(resend::Refusal::NothingSent { round });
        };
        let notification = Notification::Resend;
        let answered = Answered {
            round,
            missing: request.missing,
            bytes: bytes.clone(),
        };
        self.state.body.answered = Some(answered);
        self.answer_done = false;
        let mut outputs = self.persist_then_send(notification, round, bytes);
        outputs.push(Output::Report(Report::CorrectionAnswered {
            round,
            missing: gone,
        }));
        outputs
    }

    /// The one way by which a superposition leaves: on disk first, then on the wire.
    pub(super) fn persist_then_send(
        &self,
        notification: Notification,
        round: Round,
        bytes: Vec<u8>,
    ) -> Vec<Output> {
        let sending = Outgoing {
            notification,
            round,
            bytes: bytes.clone(),
        };
        vec![
            self.persist(Some(sending)),
            Output::Send(Request::Frame {
                notification,
                round,
                bytes,
            }),
        ]
    }

    pub(super) fn in_force(&self, round: Round) -> Option<&InForce> {
        self.state
            .body
            .manifests
            .iter()
            .rev()
            .find(|manifest| manifest.head().first_round <= round)
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

    fn seal_frame(
        &mut self,
        now: UnixTime,
        round: Round,
        reading: Option<Reading>,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, RoundRefusal> {
        let descriptor = &self.setup.descriptor;
        let schedule = descriptor.schedule();
        if self.state.body.distrusted {
            return Err(RoundRefusal::Distrusted);
        }
        if self.is_view_split(now) {
            return Err(RoundRefusal::SplitView);
        }
        if self.waits_for_proof(round) {
            return Err(RoundRefusal::Unproved);
        }
        if now < schedule.border(round) || now >= schedule.last_call(round) {
            return Err(RoundRefusal::NotOpen);
        }
        if let Some(last) = self.last_sealed()
            && round <= last
        {
            return Err(RoundRefusal::Past { last });
        }
        let manifest = self
            .in_force(round)
            .filter(|manifest| manifest.is_active())
            .ok_or(RoundRefusal::NotActive)?
            .clone();
        self.check_shape(&manifest)?;
        let slots = descriptor.slots().len();
        if let Some(reading) = &reading
            && reading.values().len() != slots
        {
            let got = reading.values().len();
            return Err(RoundRefusal::Reading(ReadingError::Slots {
                expected: slots,
                got,
            }));
        }
        let (net, hash, client) = (descriptor.net(), descriptor.hash(), self.setup.client);
        let mode = descriptor.correction_mode();
        let threshold = descriptor.threshold_of(self.to_be_drawn(manifest.members()));
        let epoch = manifest.head().epoch;
        let keys = manifest.edge_keys();
        let pad = Pad::of(keys.iter().map(|(_, key)| key), epoch, round, slots);
        let clear = ClearFrame::new(net, hash, client, epoch, round, reading);
        let masked = match mode {
            CorrectionMode::Resend => clear.mask(pad),
            CorrectionMode::DoubleMask => {
                let place = Place {
                    descriptor: hash,
                    client,
                    epoch,
                    round,
                };
                let dealt = manifest.dealt();
                let shares: Vec<_> = dealt.iter().map(|secret| secret.key(round)).collect();
                let mask = DealtMask::deal(&place, slots, threshold, &shares, rng)
                    .map_err(RoundRefusal::Shares)?;
                clear.double_mask(pad, mask)
            }
        };
        // Round, epoch and slots are the same on both sides by construction.
        let masked = masked.map_err(|_| RoundRefusal::NotActive)?;
        Ok(Sealed {
            round,
            epoch,
            bytes: masked.into_frame().encode(),
            threshold: match mode {
                CorrectionMode::Resend => 0,
                CorrectionMode::DoubleMask => u8::try_from(threshold).unwrap_or(u8::MAX),
            },
            receipt: None,
        })
    }

    /// Whether a reading would be hidden well enough in this epoch.
    fn check_shape(&self, manifest: &InForce) -> Result<(), RoundRefusal> {
        let members = manifest.members();
        if members < self.min_size() {
            return Err(RoundRefusal::TooFewMembers {
                members,
                needed: self.min_size(),
            });
        }
        let neighbours = manifest.manifest().neighbours.len();
        if neighbours < MIN_DEGREE {
            return Err(RoundRefusal::TooFewNeighbours { neighbours });
        }
        if self.setup.descriptor.correction_mode() == CorrectionMode::DoubleMask {
            let holders = manifest.holders().len();
            let needed = self
                .setup
                .descriptor
                .needed_holders(self.to_be_drawn(members));
            if holders < needed {
                return Err(RoundRefusal::TooFewHolders { holders, needed });
            }
        }
        Ok(())
    }

    fn circumstances<'a>(
        &'a self,
        now: UnixTime,
        request: &Correction,
        neighbours: &'a ClientSet,
    ) -> Circumstances<'a> {
        let body = &self.state.body;
        let manifest = self.in_force(request.round);
        let current = self.correctable(now);
        Circumstances {
            client: self.setup.client,
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            current,
            sealed: body
                .sealed
                .as_ref()
                .map(|sealed| (sealed.round, sealed.epoch)),
            answered: body.answered.as_ref().map(|a| (a.round, &a.missing)),
            neighbours,
            members: manifest.map_or(0, InForce::members),
            min_size: self.min_size(),
            // Beside share keys, what is resent would show a frame without any mask.
            allowed: self.setup.policy.allow_resend
                && self.setup.descriptor.correction_mode() == CorrectionMode::Resend,
        }
    }

    /// The sealed frame without the pads towards `gone`.
    fn resent(&self, request: &Correction, gone: &ClientSet) -> Option<Vec<u8>> {
        let manifest = self.in_force(request.round)?;
        let slots = self.setup.descriptor.slots().len();
        let sealed = self.state.body.sealed.as_ref()?;
        let masked = Frame::decode(&sealed.bytes).ok()?.into_masked()?;
        let epoch = manifest.head().epoch;
        let keys = manifest.edge_keys();
        let keys = keys.iter().map(|(_, key)| key);
        let gone_keys = keys.filter(|key| gone.contains(&key.peer()));
        let pad = Pad::of(gone_keys, epoch, request.round, slots);
        Some(
            masked
                .into_resend(request.missing.clone(), pad)
                .ok()?
                .encode(),
        )
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
