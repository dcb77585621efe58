//! The end of a round: the sum, or why there is none, and who is suspended for it.

use std::collections::{BTreeMap, BTreeSet};

use super::in_force::InForce;
use super::rounds::RoundState;
use super::{FrameRecord, Provider, Record, RoundOutcome, RoundStatus, WrongShare};
use crate::descriptor::CorrectionMode;
use crate::membership::MemberStatus;
use crate::names::{ClientId, ClientSet};
use crate::round::Round;
use crate::superposition::Superposition;

/// Hashes of the frames of a final round, kept after the words are erased: a gateway that did not
/// hear the receipt sends the same bytes again.
#[derive(Debug, Clone, Default)]
pub(super) struct Finished {
    pub(super) frames: BTreeMap<ClientId, [u8; 32]>,
    pub(super) resent: BTreeMap<ClientId, [u8; 32]>,
    answers: BTreeSet<(ClientId, [u8; 32])>,
}

impl Finished {
    fn of(state: &RoundState) -> Self {
        let hashes = |frames: &BTreeMap<ClientId, FrameRecord>| {
            let frames = frames.values();
            frames.map(|frame| (frame.client, frame.hash)).collect()
        };
        let answers = state.steps.answers();
        Self {
            frames: hashes(&state.frames),
            resent: hashes(&state.resent),
            answers: answers.map(|answer| (answer.client, answer.hash)).collect(),
        }
    }

    pub(super) fn has_answer(&self, client: ClientId, hash: [u8; 32]) -> bool {
        self.answers.contains(&(client, hash))
    }
}

impl Provider {
    /// All that can come has come: forms the sum, or says why there is none.
    pub(super) fn finalise(&mut self, round: Round) -> Vec<Record> {
        let Some(epoch) = self.in_force(round).cloned() else {
            return Vec::new();
        };
        if self.is_double_mask() {
            let missing = self.missing(round, &epoch);
            let status = if missing.is_empty() {
                RoundStatus::Complete
            } else {
                RoundStatus::Corrected
            };
            return self.end(round, status, &epoch, missing);
        }
        let Some(state) = self.rounds.get(&round) else {
            return Vec::new();
        };
        let (status, missing) = match &state.correction {
            None => (RoundStatus::Complete, ClientSet::default()),
            Some(correction) if state.resent.len() == correction.asked.len() => {
                (RoundStatus::Corrected, correction.missing.clone())
            }
            Some(correction) => (RoundStatus::Unanswered, correction.missing.clone()),
        };
        let readings = state
            .frames
            .values()
            .filter(|frame| frame.transmission)
            .count();
        let status = if status.is_success() && readings < self.setup.descriptor.min_size() {
            RoundStatus::TooFewContributors
        } else {
            status
        };
        self.end(round, status, &epoch, missing)
    }

    pub(super) fn end(
        &mut self,
        round: Round,
        status: RoundStatus,
        epoch: &InForce,
        missing: ClientSet,
    ) -> Vec<Record> {
        let Summed {
            status,
            sum,
            wrong_shares,
            unrecovered,
            at_fault,
        } = self.summed(round, status, epoch);
        let mut state = self.rounds.remove(&round).unwrap_or_default();
        let of = |transmission: bool| -> ClientSet {
            let with = state.frames.values().filter(|frame| {
                frame.transmission == transmission && !missing.contains(&frame.client)
            });
            with.map(|frame| frame.client).collect()
        };
        let (with, without) = (of(true), of(false));
        let mut records = Vec::new();
        if status != RoundStatus::Interrupted {
            let unanswered = state
                .correction
                .iter()
                .flat_map(|correction| &correction.asked)
                .filter(|asked| !state.resent.contains_key(asked));
            let gone: ClientSet = missing
                .iter()
                .chain(unanswered)
                .chain(&at_fault)
                .copied()
                .collect();
            records.extend(self.suspend(&gone));
        }
        let outcome = RoundOutcome {
            round,
            epoch: epoch.epoch,
            status,
            contributors: if sum.is_some() {
                with
            } else {
                ClientSet::default()
            },
            sum,
            silent: without,
            missing,
            members: u32::try_from(epoch.members.len()).unwrap_or(u32::MAX),
            wrong_shares,
            unrecovered,
        };
        records.push(Record::Outcome(Box::new(outcome)));
        let finished = Finished::of(&state);
        self.rounds
            .retain(|kept, state| state.finished.is_none() || kept.next() >= round);
        state.steps.forget_answers();
        self.rounds.insert(
            round,
            RoundState {
                finished: Some(finished),
                steps: state.steps,
                ..RoundState::default()
            },
        );
        self.last_final = self.last_final.max(Some(round));
        records
    }

    /// The sum, if the round is to have one, or why there is none after all.
    fn summed(&self, round: Round, status: RoundStatus, epoch: &InForce) -> Summed {
        let mut summed = Summed {
            status,
            sum: None,
            wrong_shares: Vec::new(),
            unrecovered: ClientSet::default(),
            at_fault: ClientSet::default(),
        };
        let Some(state) = self.rounds.get(&round).filter(|_| status.is_success()) else {
            return summed;
        };
        if !self.is_double_mask() {
            summed.sum = Some(self.sum(state));
            return summed;
        }
        let unmasked = self.unmask(round, epoch);
        summed.wrong_shares = unmasked.wrong;
        match unmasked.sum {
            Ok(sum) => summed.sum = Some(sum),
            Err(unrecovered) => {
                summed.status = RoundStatus::SharesMissing;
                summed.unrecovered = unrecovered;
                // Whoever was asked for share keys and did not tell them has let others down.
                let silent = self.unanswered(round, epoch);
                let at_fault = unmasked.at_fault.iter().chain(&silent);
                summed.at_fault = at_fault.copied().collect();
            }
        }
        summed
    }

    fn suspend(&mut self, gone: &ClientSet) -> Vec<Record> {
        let mut records = Vec::new();
        for client in gone {
            let status = match self.members.get(client).map(|member| member.status) {
                Some(MemberStatus::Active) => MemberStatus::Suspended,
                Some(MemberStatus::Exiting) => MemberStatus::Exited,
                _ => continue,
            };
            records.extend(self.set_status(client, status));
        }
        records
    }

    pub(super) fn is_double_mask(&self) -> bool {
        self.setup.descriptor.correction_mode() == CorrectionMode::DoubleMask
    }

    /// The resent superposition of a member replaces its first one.
    fn sum(&self, state: &RoundState) -> Superposition {
        let mut sum = Superposition::zero(self.setup.descriptor.slots().len());
        for (client, frame) in &state.frames {
            let words = &state.resent.get(client).unwrap_or(frame).words;
            // `checked` has compared the number of words when the frame came in.
            let added = sum.add(words);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        sum
    }
}

/// What became of a round's frames.
struct Summed {
    status: RoundStatus,
    sum: Option<Superposition>,
    wrong_shares: Vec<WrongShare>,
    unrecovered: ClientSet,
    at_fault: ClientSet,
}
