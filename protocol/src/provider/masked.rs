//! The double-mask correction at the provider: rosters, answers, and the sum under both masks.
//!
//! Sections 7.16 and 7.18 of `docs/spec/protocol.md`.

mod steps;

pub(super) use steps::Steps;

use super::in_force::InForce;
use super::{
    Answer, AnswerRecord, EpochRecord, FrameRecord, Provider, Record, Refusal, RosterRecord,
    RoundStatus, WrongShare,
};
use crate::frame::FrameHeader;
use crate::names::{ClientId, ClientSet};
use crate::roster::{MemberBits, Roster, RosterError, RosterHash};
use crate::round::{Round, UnixTime};
use crate::self_mask::{Place, RecoveryError, recover_all};
use crate::signature::Signed;
use crate::superposition::Superposition;

/// Rosters that ask for pads in one round at most.
const PAD_STEPS: u8 = 3;

/// The sum of a round and what was noticed on the way.
pub(super) struct Unmasked {
    /// The sum, or whose masks were not recovered.
    pub(super) sum: Result<Superposition, ClientSet>,
    pub(super) wrong: Vec<WrongShare>,
    /// Members whose own fault it is: what they have shared does not fit what they say of it.
    pub(super) at_fault: ClientSet,
}

impl Provider {
    /// The first roster of `round` behind `step`, if there is one yet.
    pub fn roster(&self, round: Round, step: u8) -> Option<&Signed<Roster>> {
        let state = self.rounds.get(&round)?;
        state.steps.behind(step).map(|record| &record.roster)
    }

    /// The submission window is over, or everybody is here: the first roster.
    pub(super) fn open_roster(&mut self, round: Round, epoch: &InForce) -> Vec<Record> {
        let frames = self.rounds.get(&round).map(|state| &state.frames);
        let mut present = MemberBits::none(epoch.members.len());
        for index in frames
            .into_iter()
            .flatten()
            .filter_map(|(client, _)| epoch.index(client))
        {
            present.insert(index);
        }
        let everybody = present.count() == epoch.members.len();
        self.show(round, epoch, (1, everybody), present)
    }

    /// What is due about the rosters of `round` at `now`.
    pub(super) fn advance(&mut self, now: UnixTime, round: Round) -> Vec<Record> {
        let Some(epoch) = self.in_force(round).cloned() else {
            return Vec::new();
        };
        let Some(state) = self.rounds.get(&round) else {
            return Vec::new();
        };
        let Some(last) = state.steps.rosters.last() else {
            return Vec::new();
        };
        let (step, roster) = (last.record.step, last.record.roster.unverified());
        let all = state.steps.answered(step) == last.present;
        if roster.reveal() {
            let over = now >= self.schedule().correction_deadline(round);
            return if all || over {
                self.finalise(round)
            } else {
                Vec::new()
            };
        }
        if !all && now < self.step_deadline(round, step) {
            return Vec::new();
        }
        if all {
            let present = roster.present().clone();
            return self.show(round, &epoch, (step + 1, true), present);
        }
        if step >= PAD_STEPS {
            return self.fail(round, RoundStatus::Unanswered, &epoch);
        }
        let mut present = MemberBits::none(epoch.members.len());
        for index in roster.present().iter() {
            let member = epoch.members.get(index);
            if member.is_some_and(|m| state.steps.answer(step, m.client).is_some()) {
                present.insert(index);
            }
        }
        self.show(round, &epoch, (step + 1, false), present)
    }

    /// Until when pads of `step` are awaited: quarters of the correction window.
    pub(super) fn step_deadline(&self, round: Round, step: u8) -> UnixTime {
        let schedule = self.schedule();
        let quarter = schedule.correction_millis() / 4;
        let past = quarter.saturating_mul(u64::from(step.min(PAD_STEPS)));
        schedule.submit_deadline(round).plus_millis(past)
    }

    fn show(
        &mut self,
        round: Round,
        epoch: &InForce,
        (step, reveal): (u8, bool),
        present: MemberBits,
    ) -> Vec<Record> {
        let frames = self.rounds.get(&round).map(|state| &state.frames);
        let contributors = epoch.members.iter().enumerate().filter(|(index, member)| {
            let frame = frames.and_then(|frames| frames.get(&member.client));
            present.contains(*index) && frame.is_some_and(|frame| frame.transmission)
        });
        let contributors = contributors.count();
        let descriptor = &self.setup.descriptor;
        let head = epoch.head();
        match Roster::new(
            descriptor,
            &head,
            round,
            (step, reveal),
            present,
            contributors,
        ) {
            Ok(roster) => {
                let roster = self.setup.key.sign(roster);
                let record = RosterRecord {
                    round,
                    step,
                    roster,
                };
                let state = self.rounds.entry(round).or_default();
                state.steps.restore_roster(record.clone());
                vec![Record::Roster(record)]
            }
            Err(RosterError::TooFewReadings { .. }) => {
                self.fail(round, RoundStatus::TooFewContributors, epoch)
            }
            Err(RosterError::TooFewMembers { .. } | RosterError::Bits { .. }) => {
                self.fail(round, RoundStatus::TooFewPresent, epoch)
            }
        }
    }

    /// The round ends without a sum; who is outside the last roster is missing.
    fn fail(&mut self, round: Round, status: RoundStatus, epoch: &InForce) -> Vec<Record> {
        let missing = self.missing(round, epoch);
        self.end(round, status, epoch, missing)
    }

    /// Those without a frame before the first roster, those outside the last one after it.
    pub(super) fn missing(&self, round: Round, epoch: &EpochRecord) -> ClientSet {
        let state = self.rounds.get(&round);
        let shown = state.filter(|state| state.steps.last().is_some());
        let present = shown.map(|state| state.steps.members(epoch));
        let is_there = |client: &ClientId| match &present {
            Some(present) => present.contains(client),
            None => state.is_some_and(|state| state.frames.contains_key(client)),
        };
        let members = epoch.members.iter().map(|member| member.client);
        members.filter(|client| !is_there(client)).collect()
    }

    /// Notifications 6 and 7.
    pub(super) fn answer_to_roster(
        &mut self,
        now: UnixTime,
        header: &FrameHeader,
        roster: RosterHash,
        answer: Answer,
        hash: [u8; 32],
    ) -> Result<Vec<Record>, Refusal> {
        let (client, round) = (header.client, header.round);
        if self.is_repeated_answer(round, client, hash) {
            return Ok(Vec::new());
        }
        let deadline = self.schedule().correction_deadline(round);
        if now >= deadline || self.last_final.is_some_and(|last| round <= last) {
            return Err(Refusal::TooLate { round, deadline });
        }
        let state = self.rounds.get(&round);
        let Some(shown) = state.and_then(|state| state.steps.rosters.last()) else {
            return Err(Refusal::NoCorrection { round });
        };
        let (step, body) = (shown.record.step, shown.record.roster.unverified());
        let epoch = self
            .in_force(round)
            .ok_or(Refusal::NotActive { client, round })?;
        let index = epoch
            .index(&client)
            .ok_or(Refusal::NotActive { client, round })?;
        if epoch.epoch != header.epoch {
            return Err(Refusal::WrongEpoch {
                round,
                expected: epoch.epoch,
                got: header.epoch,
            });
        }
        if !body.present().contains(index) {
            return Err(Refusal::NotAsked { client, round });
        }
        if shown.hash != roster || body.reveal() != matches!(answer, Answer::Reveal(_)) {
            return Err(Refusal::DifferentRoster { round });
        }
        if state.is_some_and(|state| state.steps.answer(step, client).is_some()) {
            return Err(Refusal::DifferentFrame { client, round });
        }
        self.check_answer(epoch, body.present(), index, &answer)?;
        let record = AnswerRecord {
            round,
            step,
            client,
            answer,
            hash,
        };
        let state = self.rounds.entry(round).or_default();
        state.steps.insert(record.clone());
        let mut records = vec![Record::Answer(record)];
        records.extend(self.advance(now, round));
        Ok(records)
    }

    fn is_repeated_answer(&self, round: Round, client: ClientId, hash: [u8; 32]) -> bool {
        let Some(state) = self.rounds.get(&round) else {
            return false;
        };
        state.steps.has_answer(client, hash)
            || state
                .finished
                .as_ref()
                .is_some_and(|finished| finished.has_answer(client, hash))
    }

    fn check_answer(
        &self,
        epoch: &InForce,
        present: &MemberBits,
        index: usize,
        answer: &Answer,
    ) -> Result<(), Refusal> {
        match answer {
            Answer::Pads(words) => {
                let (expected, got) = (self.setup.descriptor.slots().len(), words.words().len());
                if expected != got {
                    return Err(Refusal::Slots { expected, got });
                }
            }
            Answer::Reveal(keys) => {
                let expected = epoch.dealers_of(index, present).count();
                let got = keys.len();
                if expected != got {
                    return Err(Refusal::ShareKeys { expected, got });
                }
            }
        }
        Ok(())
    }

    /// Takes all masks and pads off the frames of the last roster.
    pub(super) fn unmask(&self, round: Round, epoch: &InForce) -> Unmasked {
        let slots = self.setup.descriptor.slots().len();
        let mut sum = Superposition::zero(slots);
        let (mut wrong, mut unrecovered, mut at_fault) = (Vec::new(), Vec::new(), Vec::new());
        let state = self.rounds.get(&round);
        let Some((state, last)) = state.and_then(|state| Some((state, state.steps.last()?))) else {
            return Unmasked {
                sum: Err(ClientSet::default()),
                wrong,
                at_fault: ClientSet::default(),
            };
        };
        let present = last.roster.unverified().present();
        let told = state.steps.told_keys(last, epoch);
        let (mut opened, mut dealers) = (Vec::new(), Vec::new());
        for (index, keys) in told.into_iter().enumerate() {
            let member = epoch.members.get(index).filter(|_| present.contains(index));
            let frame = member.and_then(|member| state.frames.get(&member.client));
            let (Some(member), Some(frame)) = (member, frame) else {
                continue;
            };
            // `check_mask` has taken no frame without one.
            let Some(mask) = &frame.mask else {
                unrecovered.push(member.client);
                at_fault.push(member.client);
                continue;
            };
            opened.push(mask.open(&self.place(frame), keys));
            dealers.push((member, frame));
        }
        let recovered = recover_all(opened, slots);
        for ((member, frame), recovery) in dealers.into_iter().zip(recovered) {
            let holders = recovery.wrong.iter();
            let holders = holders.filter_map(|position| member.holders.as_slice().get(*position));
            let before = wrong.len();
            wrong.extend(holders.map(|holder| WrongShare {
                dealer: frame.client,
                holder: *holder,
            }));
            match recovery.words {
                Ok(words) => {
                    // `checked` has compared the number of words when the frame came in.
                    let added = sum.add(&frame.words);
                    debug_assert!(added.is_ok(), "{added:?}");
                    sum.subtract_words(&words);
                }
                Err(error) => {
                    unrecovered.push(member.client);
                    if error == RecoveryError::Commitment || wrong.len() > before {
                        at_fault.push(member.client);
                    }
                }
            }
        }
        for answer in state.steps.answers() {
            if let Answer::Pads(pads) = &answer.answer
                && epoch
                    .index(&answer.client)
                    .is_some_and(|index| present.contains(index))
            {
                sum.subtract_words(pads.words());
            }
        }
        let sum = if unrecovered.is_empty() {
            Ok(sum)
        } else {
            Err(unrecovered.into_iter().collect())
        };
        let at_fault = at_fault.into_iter().collect();
        Unmasked {
            sum,
            wrong,
            at_fault,
        }
    }

    fn place(&self, frame: &FrameRecord) -> Place {
        Place {
            descriptor: self.setup.descriptor.hash(),
            client: frame.client,
            epoch: frame.epoch,
            round: frame.round,
        }
    }

    /// Members of the last roster that have not answered it.
    pub(super) fn unanswered(&self, round: Round, epoch: &EpochRecord) -> ClientSet {
        let Some(state) = self.rounds.get(&round) else {
            return ClientSet::default();
        };
        let Some(last) = state.steps.last() else {
            return ClientSet::default();
        };
        let members = state.steps.members(epoch);
        let silent = members
            .iter()
            .filter(|c| state.steps.answer(last.step, **c).is_none());
        silent.copied().collect()
    }
}
