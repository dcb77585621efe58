//! Rounds: manifests, sealing, sending again, answering a correction.

use rand_core::CryptoRng;

use super::state::{Answered, EdgePhase, InForce, Membership, Sealed};
use super::{Fault, Gateway, Outgoing, Output, Report, Request, RoundRefusal};
use crate::codec::Wire as _;
use crate::correction::resend::{self, Circumstances, Verdict};
use crate::descriptor::MIN_DEGREE;
use crate::frame::{ClearFrame, Frame};
use crate::key_agreement::{EdgeKey, WeakKey};
use crate::message::{Correction, Manifest};
use crate::names::ClientSet;
use crate::notification::Notification;
use crate::pad::Pad;
use crate::round::{Epoch, Round, UnixTime};
use crate::signature::Signed;
use crate::superposition::{Reading, ReadingError};

impl Gateway {
    /// The provider announces the edges of an epoch.
    pub(super) fn manifest(
        &mut self,
        now: UnixTime,
        signed: &Signed<Manifest>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let manifest = match self.check_manifest(signed) {
            Ok(manifest) => manifest,
            Err(fault) => return vec![Output::Report(fault.into())],
        };
        let first_round = manifest.first_round;
        if manifest.parties.is_empty() && self.state.body.membership == Membership::Leaving {
            return self.left(now, rng);
        }
        let report = if manifest.parties.is_empty() {
            // It was suspended or left out: register and enter again.
            self.registered = false;
            self.stated = false;
            Report::Inactive { first_round }
        } else {
            Report::Manifest {
                epoch: manifest.epoch,
                first_round,
                neighbours: manifest.parties.len(),
                members: usize::try_from(manifest.members).unwrap_or(usize::MAX),
            }
        };
        self.waiting_since = None;
        let named = manifest.neighbours();
        // Kept: what is in force in the round that may be corrected now, and later.
        let keep = self
            .setup
            .descriptor
            .schedule()
            .submitted_at(now)
            .unwrap_or_default();
        let body = &mut self.state.body;
        body.neighbours.retain(|neighbour| {
            neighbour.phase != EdgePhase::Leaving || named.contains(&neighbour.party.client)
        });
        body.manifests.push(manifest);
        let in_force = body
            .manifests
            .iter()
            .rposition(|m| m.first_round <= keep)
            .unwrap_or(0);
        body.manifests.drain(..in_force);
        vec![self.persist(None), Output::Report(report)]
    }

    /// Seals the frame of `round` and sends it.
    pub(super) fn submit(
        &mut self,
        now: UnixTime,
        round: Round,
        reading: Option<Reading>,
    ) -> Vec<Output> {
        if self.last_sealed() == Some(round) {
            return self.retry(now);
        }
        match self.seal_frame(now, round, reading) {
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
        frame
            .into_iter()
            .chain(answer)
            .map(|(notification, round, bytes)| {
                Output::Send(Request::Frame {
                    notification,
                    round,
                    bytes,
                })
            })
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
    fn persist_then_send(
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
            .find(|manifest| manifest.first_round <= round)
    }

    fn check_manifest(&self, signed: &Signed<Manifest>) -> Result<InForce, Fault> {
        let manifest = signed.verify(self.setup.descriptor.provider_key())?;
        let epoch = manifest.epoch;
        let last = self.state.body.manifests.last();
        let newer =
            last.is_none_or(|last| last.epoch < epoch && last.first_round < manifest.first_round);
        let ahead = self
            .last_sealed()
            .is_none_or(|sealed| sealed < manifest.first_round);
        if manifest.net != self.setup.descriptor.net()
            || manifest.descriptor != self.setup.descriptor.hash()
            || manifest.client != self.setup.client
            || !newer
            || !ahead
        {
            return Err(Fault::Manifest { epoch });
        }
        let mut parties = Vec::new();
        for end in &manifest.neighbours {
            let client = &end.client;
            let known = self.neighbour(client).filter(|known| {
                known.phase != EdgePhase::Offered && known.party.package == end.package
            });
            let known = known.ok_or(Fault::ForeignNeighbour {
                epoch,
                client: *client,
            })?;
            parties.push(known.party.clone());
        }
        Ok(InForce {
            epoch,
            first_round: manifest.first_round,
            members: manifest.members,
            parties,
        })
    }

    fn seal_frame(
        &mut self,
        now: UnixTime,
        round: Round,
        reading: Option<Reading>,
    ) -> Result<Sealed, RoundRefusal> {
        let descriptor = &self.setup.descriptor;
        let schedule = descriptor.schedule();
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
            .filter(|manifest| !manifest.parties.is_empty())
            .ok_or(RoundRefusal::NotActive)?
            .clone();
        let members = usize::try_from(manifest.members).unwrap_or(usize::MAX);
        if members < self.min_size() {
            return Err(RoundRefusal::TooFewMembers {
                members,
                needed: self.min_size(),
            });
        }
        if manifest.parties.len() < MIN_DEGREE {
            return Err(RoundRefusal::TooFewNeighbours {
                neighbours: manifest.parties.len(),
            });
        }
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
        let epoch = manifest.epoch;
        let pad = Pad::of(
            self.edge_keys(&manifest).map_err(RoundRefusal::Key)?,
            epoch,
            round,
            slots,
        );
        let clear = ClearFrame::new(net, hash, client, epoch, round, reading);
        // Round, epoch and slots are the same on both sides by construction.
        let masked = clear.mask(pad).map_err(|_| RoundRefusal::NotActive)?;
        Ok(Sealed {
            round,
            epoch,
            bytes: masked.into_frame().encode(),
        })
    }

    fn edge_keys(&mut self, manifest: &InForce) -> Result<&[EdgeKey], WeakKey> {
        let cached = self
            .edges
            .as_ref()
            .is_some_and(|(epoch, _)| *epoch == manifest.epoch);
        if !cached {
            let hash = self.setup.descriptor.hash();
            let derive = |party| Ok(self.pair(party)?.edge_key(&hash, manifest.epoch));
            let keys: Result<Vec<EdgeKey>, WeakKey> = manifest.parties.iter().map(derive).collect();
            self.edges = Some((manifest.epoch, keys?));
        }
        Ok(self.edges.as_ref().map_or(&[], |(_, keys)| keys.as_slice()))
    }

    fn circumstances<'a>(
        &'a self,
        now: UnixTime,
        request: &Correction,
        neighbours: &'a ClientSet,
    ) -> Circumstances<'a> {
        let schedule = self.setup.descriptor.schedule();
        let body = &self.state.body;
        let manifest = self.in_force(request.round);
        // The window as this gateway's clock sees it; the provider's may be a little ahead.
        let current = schedule
            .submitted_at(now)
            .filter(|round| now < schedule.correction_deadline(*round));
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
            members: manifest.map_or(0, |m| usize::try_from(m.members).unwrap_or(usize::MAX)),
            min_size: self.min_size(),
            allowed: self.setup.policy.allow_resend,
        }
    }

    /// The sealed frame without the pads towards `gone`.
    fn resent(&mut self, request: &Correction, gone: &ClientSet) -> Option<Vec<u8>> {
        let manifest = self.in_force(request.round)?.clone();
        let slots = self.setup.descriptor.slots().len();
        let sealed = self.state.body.sealed.clone()?;
        let masked = Frame::decode(&sealed.bytes).ok()?.into_masked()?;
        let epoch: Epoch = manifest.epoch;
        let keys = self.edge_keys(&manifest).ok()?;
        let gone_keys = keys.iter().filter(|key| gone.contains(&key.peer()));
        let pad = Pad::of(gone_keys, epoch, request.round, slots);
        Some(
            masked
                .into_resend(request.missing.clone(), pad)
                .ok()?
                .encode(),
        )
    }
}
