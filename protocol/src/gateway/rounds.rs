//! Rounds: manifests, sealing, sending again, answering a correction.

use rand_core::CryptoRng;

use super::in_force::InForce;
use super::state::{Answered, Sealed};
use super::{Fault, Gateway, Outgoing, Output, Report, Request, RoundRefusal};
use crate::codec::Wire as _;
use crate::correction::resend::{self, Circumstances, Verdict};
use crate::descriptor::{CorrectionMode, MIN_DEGREE};
use crate::frame::{ClearFrame, Frame};
use crate::message::Correction;
use crate::names::ClientSet;
use crate::notification::Notification;
use crate::pad::Pad;
use crate::round::{Round, UnixTime};
use crate::self_mask::{DealtMask, Place};
use crate::signature::Signed;
use crate::superposition::{Reading, ReadingError};

impl Gateway {
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
