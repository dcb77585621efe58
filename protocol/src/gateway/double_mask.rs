//! The double-mask correction at a gateway: asks for rosters, answers them, keeps evidence.

use super::in_force::{InForce, index_of};
use super::state::{AnswerBytes, Rosters, SeenRoster};
use super::{Fault, Gateway, Output, Report, Request};
use crate::codec::Wire as _;
use crate::correction::double_mask::{self, Circumstances, Refusal, Verdict};
use crate::descriptor::CorrectionMode;
use crate::evidence::{Evidence, EvidenceFile, ReceiptEvidence};
use crate::frame::{Frame, FrameBody, FrameHeader};
use crate::message::SignedReceipt;
use crate::notification::Notification;
use crate::pad::Pad;
use crate::roster::{MemberBits, Roster};
use crate::round::{Round, UnixTime};
use crate::signature::Signed;

/// Beyond so many rosters of a round, further ones that were refused are not kept. Those that were
/// answered always are, one for each step: what a later one may ask follows from them.
const MAX_REFUSED: usize = 8;

impl Gateway {
    /// The provider shows a roster.
    pub(super) fn roster(&mut self, now: UnixTime, signed: &Signed<Roster>) -> Vec<Output> {
        let roster = match signed.verify(self.setup.descriptor.provider_key()) {
            Ok(roster) => roster.clone(),
            Err(bad) => return vec![Output::Report(Fault::from(bad).into())],
        };
        let round = roster.round();
        let verdict = self.examine(now, &roster);
        if self.state.body.rosters.round < round
            && !matches!(verdict, Err(Refusal::WrongNet | Refusal::NotCurrent { .. }))
        {
            let fresh = Rosters {
                round,
                ..Rosters::default()
            };
            self.state.body.rosters = fresh;
        }
        match verdict {
            Ok(Verdict::Repeat) => {
                self.answer_done = false;
                self.retry(now)
            }
            Ok(verdict) => {
                let (notification, bytes) = self.answer(&roster, verdict);
                self.note(signed, Some(bytes.clone()));
                self.answer_done = false;
                let mut outputs = self.persist_then_send(notification, round, bytes);
                let (present, members) = (roster.present().count(), roster.members());
                outputs.push(Output::Report(Report::RosterAnswered {
                    round,
                    present,
                    members,
                }));
                outputs
            }
            Err(refusal) => self.refuse(signed, refusal),
        }
    }

    /// Asks for the next roster of the round whose correction window is open, if this gateway is in it
    /// and has not told its share keys yet.
    pub(super) fn ask_roster(&self, now: UnixTime) -> Option<Output> {
        if self.setup.descriptor.correction_mode() != CorrectionMode::DoubleMask {
            return None;
        }
        let body = &self.state.body;
        let round = self.correctable(now)?;
        let sealed = body
            .sealed
            .as_ref()
            .filter(|sealed| sealed.round == round)?;
        // Before the frame is there, there is nothing to be asked; a lost receipt must not cost more.
        let last_call = self.setup.descriptor.schedule().last_call(round);
        if !self.frame_done && sealed.receipt.is_none() && now < last_call {
            return None;
        }
        let rosters = Some(&body.rosters).filter(|rosters| rosters.round == round);
        let last = rosters.and_then(|rosters| rosters.seen.last());
        let ended = last.is_some_and(|last| last.roster.unverified().reveal())
            || rosters.is_some_and(|rosters| rosters.refused)
            || last.is_some_and(|last| last.answer.is_some() && !self.answer_done);
        let after = last.map_or(0, |last| last.roster.unverified().step());
        (!ended).then_some(Output::Send(Request::Roster { round, after }))
    }

    /// The round whose correction window is open by this gateway's clock.
    pub(super) fn correctable(&self, now: UnixTime) -> Option<Round> {
        let schedule = self.setup.descriptor.schedule();
        // The window as this gateway's clock sees it; the provider's may be a little ahead.
        schedule
            .submitted_at(now)
            .filter(|round| now < schedule.correction_deadline(*round))
    }

    /// The receipt for the sealed frame: a roster without it is evidence.
    pub(super) fn keep_receipt(&mut self, receipt: &SignedReceipt) {
        let hash = receipt.unverified().frame_hash;
        if let Some(sealed) = &mut self.state.body.sealed
            && crate::message::frame_hash(&sealed.bytes) == hash
        {
            sealed.receipt = Some(receipt.clone());
        }
    }

    /// The answer to the latest roster, if it is still to be sent.
    pub(super) fn unsent_answer(&self, now: UnixTime) -> Option<(Notification, Round, Vec<u8>)> {
        let rosters = &self.state.body.rosters;
        // Who has refused a roster says nothing more in that round, also not again.
        if self.answer_done || rosters.refused || self.correctable(now) != Some(rosters.round) {
            return None;
        }
        let last = rosters.seen.last()?;
        let bytes = last.answer.as_ref()?.0.clone();
        let notification = notification_of(last.roster.unverified());
        Some((notification, rosters.round, bytes))
    }

    /// Whether these are the bytes of the latest answer.
    pub(super) fn is_answer(&self, hash: [u8; 32]) -> bool {
        let last = self.state.body.rosters.seen.last();
        last.and_then(|last| last.answer.as_ref())
            .is_some_and(|answer| crate::message::frame_hash(&answer.0) == hash)
    }

    fn examine(&self, now: UnixTime, roster: &Roster) -> Result<Verdict, Refusal> {
        let body = &self.state.body;
        let round = roster.round();
        let of_round = Some(&body.rosters).filter(|rosters| rosters.round == round);
        let seen: Vec<(&Roster, bool)> = of_round
            .iter()
            .flat_map(|rosters| &rosters.seen)
            .map(|seen| (seen.roster.unverified(), seen.answer.is_some()))
            .collect();
        let manifest = self.in_force(round);
        let holders = manifest.map(InForce::holders).unwrap_or_default();
        let sealed = body.sealed.as_ref();
        double_mask::examine(
            roster,
            &Circumstances {
                descriptor: &self.setup.descriptor,
                // A clock that was set back opens no round again: its rosters are forgotten.
                current: self
                    .correctable(now)
                    .filter(|round| *round >= body.rosters.round),
                sealed: sealed.map(|sealed| (sealed.round, sealed.epoch)),
                receipted: sealed.is_some_and(|s| s.round == round && s.receipt.is_some()),
                head: manifest.map(InForce::head),
                index: manifest.map_or(usize::MAX, |m| index_of(m.manifest().index)),
                holders: &holders,
                threshold: sealed.map_or(usize::MAX, |sealed| sealed.threshold.into()),
                min_size: self.min_size(),
                seen: &seen,
                refused: body.distrusted || of_round.is_some_and(|rosters| rosters.refused),
            },
        )
    }

    /// Final for the round; what proves a lie is kept, and the net trusted no more.
    fn refuse(&mut self, signed: &Signed<Roster>, refusal: Refusal) -> Vec<Output> {
        let round = signed.unverified().round();
        let report = Output::Report(Report::RosterRefused { round, refusal });
        if matches!(refusal, Refusal::WrongNet | Refusal::NotCurrent { .. }) {
            return vec![report];
        }
        let evidence = self.evidence(signed, refusal);
        // A roster that was answered before must not push itself out of memory.
        let body = &mut self.state.body;
        if body.rosters.round == round {
            body.rosters.refused = true;
        }
        if !matches!(
            refusal,
            Refusal::TwoRosters { .. } | Refusal::RefusedBefore { .. }
        ) {
            self.note(signed, None);
        }
        let mut outputs = match evidence {
            None => vec![self.persist(None)],
            Some(evidence) => self.keep_evidence(round, evidence),
        };
        outputs.insert(1, report);
        outputs
    }

    /// Keeps what proves that the provider lies; it is trusted no more.
    pub(super) fn keep_evidence(&mut self, round: Round, evidence: Evidence) -> Vec<Output> {
        self.state.body.distrusted = true;
        let file = EvidenceFile::new(self.setup.descriptor.clone(), evidence);
        vec![
            self.persist_evidence(round, file.to_bytes()),
            Output::Report(Report::Evidence { round }),
        ]
    }

    fn evidence(&self, signed: &Signed<Roster>, refusal: Refusal) -> Option<Evidence> {
        let roster = signed.unverified();
        let body = &self.state.body;
        match refusal {
            Refusal::TwoRosters { .. } | Refusal::RosterGrew { .. } => {
                let mut seen = body.rosters.seen.iter().map(|seen| &seen.roster);
                let other = seen.find(|seen| double_mask::contradict(seen.unverified(), roster))?;
                Some(Evidence::Rosters(Box::new((other.clone(), signed.clone()))))
            }
            Refusal::ReceiptedButMissing { round } => {
                let receipt = body.sealed.as_ref()?.receipt.clone()?;
                let manifest = self.in_force(round)?.signed().clone();
                Some(Evidence::Receipt(Box::new(ReceiptEvidence {
                    receipt,
                    roster: signed.clone(),
                    manifest,
                })))
            }
            _ => None,
        }
    }

    fn note(&mut self, signed: &Signed<Roster>, answer: Option<Vec<u8>>) {
        let rosters = &mut self.state.body.rosters;
        let full = answer.is_none() && rosters.seen.len() >= MAX_REFUSED;
        if rosters.round != signed.unverified().round() || full {
            return;
        }
        let answer = answer.map(AnswerBytes);
        let roster = signed.clone();
        rosters.seen.push(SeenRoster { roster, answer });
        rosters
            .seen
            .sort_by_key(|seen| seen.roster.unverified().step());
    }

    fn answer(&self, roster: &Roster, verdict: Verdict) -> (Notification, Vec<u8>) {
        let round = roster.round();
        let before = self.state.body.rosters.seen.iter().rev();
        let before = before.map(|seen| seen.roster.unverified().present().clone());
        let before: Option<MemberBits> = before.take(1).next();
        let header = FrameHeader {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            client: self.setup.client,
            transmission: false,
            epoch: roster.epoch(),
            round,
        };
        let slots = self.setup.descriptor.slots().len();
        let manifest = self.in_force(round);
        let hash = roster.hash();
        let frame = if verdict == Verdict::Reveal {
            let held = manifest.map(InForce::held).unwrap_or_default();
            let told = held
                .iter()
                .filter(|(index, _)| roster.present().contains(*index));
            let keys = told.map(|(_, secret)| secret.key(round)).collect();
            Frame::control(header, FrameBody::Reveal { roster: hash, keys })
        } else {
            let gone = |index: usize| {
                let was_there = before.as_ref().is_none_or(|before| before.contains(index));
                was_there && !roster.present().contains(index)
            };
            let keys = manifest.map(InForce::edge_keys).unwrap_or_default();
            let gone_keys = keys.iter().filter(|(index, _)| gone(*index));
            let gone_keys = gone_keys.map(|(_, key)| key);
            let pad = Pad::of(gone_keys, roster.epoch(), round, slots);
            Some(Frame::pads(header, hash, pad))
        };
        let bytes = frame.map(|frame| frame.encode()).unwrap_or_default();
        (notification_of(roster), bytes)
    }
}

fn notification_of(roster: &Roster) -> Notification {
    if roster.reveal() {
        Notification::Reveal
    } else {
        Notification::Pads
    }
}
