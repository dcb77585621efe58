//! Notifications 4 and 5, and the windows: from frames to a sum.

use std::collections::BTreeMap;

use super::finish::Finished;
use super::masked::Steps;
use super::{
    CorrectionRecord, EpochRecord, FrameRecord, Provider, Record, Refusal, RoundStatus, Snapshot,
};
use crate::frame::FrameHeader;
use crate::membership::MemberStatus;
use crate::message::{Correction, Message};
use crate::names::{ClientId, ClientSet};
use crate::round::{Round, UnixTime};
use crate::self_mask::{MIN_THRESHOLD, SelfMask};
use crate::superposition::Superposition;

/// A round that is not final yet, or whose frames may still be sent again.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundState {
    pub(super) frames: BTreeMap<ClientId, FrameRecord>,
    pub(super) resent: BTreeMap<ClientId, FrameRecord>,
    pub(super) correction: Option<CorrectionRecord>,
    /// In a double-mask net: rosters, which stay until the next round is final, and answers.
    pub(super) steps: Steps,
    pub(super) finished: Option<Finished>,
}

impl Provider {
    pub(super) fn restore_rounds(&mut self, snapshot: Snapshot) {
        let Snapshot {
            frames,
            resent,
            corrections,
            rosters,
            answers,
            last_final,
            ..
        } = snapshot;
        for roster in rosters {
            let state = self.rounds.entry(roster.round).or_default();
            // Rosters of a final round can still be asked for.
            if last_final.is_some_and(|last| roster.round <= last) {
                state.finished.get_or_insert_default();
            }
            state.steps.restore_roster(roster);
        }
        for answer in answers {
            let state = self.rounds.entry(answer.round).or_default();
            state.steps.insert(answer);
        }
        for frame in frames {
            self.rounds
                .entry(frame.round)
                .or_default()
                .frames
                .insert(frame.client, frame);
        }
        for frame in resent {
            self.rounds
                .entry(frame.round)
                .or_default()
                .resent
                .insert(frame.client, frame);
        }
        for correction in corrections {
            let state = self.rounds.entry(correction.round).or_default();
            state.correction = Some(correction);
        }
    }

    /// Everything that is due at `now`, oldest first.
    pub(super) fn tick(&mut self, now: UnixTime) -> Vec<Record> {
        let schedule = self.setup.descriptor.schedule();
        let mut records = Vec::new();
        let mut due: Vec<Round> = self
            .rounds
            .iter()
            .filter(|(_, s)| s.finished.is_none())
            .map(|(r, _)| *r)
            .collect();
        due.extend(schedule.submitted_at(now));
        due.sort_unstable();
        due.dedup();
        for round in due {
            if self.last_final.is_some_and(|last| round <= last) {
                continue;
            }
            if now >= schedule.submit_deadline(round) {
                records.extend(self.close(now, round));
            }
            if self.is_double_mask() {
                records.extend(self.advance(now, round));
            } else if now >= schedule.correction_deadline(round) && self.is_open(round) {
                records.extend(self.finalise(round));
            }
        }
        records.extend(self.decide(now));
        records
    }

    /// Notification 5.
    pub(super) fn transmit(
        &mut self,
        now: UnixTime,
        header: &FrameHeader,
        words: Superposition,
        mask: Option<SelfMask>,
        hash: [u8; 32],
    ) -> Result<Vec<Record>, Refusal> {
        let (client, round) = (header.client, header.round);
        if !self.members.contains_key(&client) {
            return Err(Refusal::NotRegistered { client });
        }
        if self.is_repeated(round, client, false, hash)? {
            return Ok(Vec::new());
        }
        let schedule = self.setup.descriptor.schedule();
        let deadline = schedule.submit_deadline(round);
        if now >= deadline || self.last_final.is_some_and(|last| round <= last) {
            return Err(Refusal::TooLate { round, deadline });
        }
        let opens = schedule.intake_opens(round);
        if now < opens || self.decided.is_none_or(|decided| decided < round) {
            let opens = opens.max(schedule.correction_deadline(round.previous()));
            return Err(Refusal::TooEarly { round, opens });
        }
        let mut record = self.checked(header, words, hash)?;
        self.check_mask(round, client, mask.as_ref())?;
        record.mask = mask;
        if self
            .rounds
            .get(&round)
            .is_some_and(|state| state.steps.last().is_some())
        {
            return Err(Refusal::TooLate { round, deadline });
        }
        let members = self.epoch_at(round).map_or(0, |epoch| epoch.members.len());
        let state = self.rounds.entry(round).or_default();
        state.frames.insert(client, record.clone());
        let complete = state.frames.len() == members;
        let mut records = vec![Record::Frame(record)];
        // Missed an earlier round of this epoch, and is here with the same edges.
        if self.members.get(&client).map(|m| m.status) == Some(MemberStatus::Suspended) {
            records.extend(self.set_status(&client, MemberStatus::Active));
        }
        if complete && now >= schedule.border(round) {
            records.extend(self.complete(round));
        }
        Ok(records)
    }

    /// Everybody is here.
    fn complete(&mut self, round: Round) -> Vec<Record> {
        match self.in_force(round).cloned() {
            Some(epoch) if self.is_double_mask() => self.open_roster(round, &epoch),
            _ => self.finalise(round),
        }
    }

    /// A self-mask is there if and only if the net corrects by double masks, with a share for each
    /// active holder, of which at least 2 and at most all recover it.
    fn check_mask(
        &self,
        round: Round,
        client: ClientId,
        mask: Option<&SelfMask>,
    ) -> Result<(), Refusal> {
        let member = self.epoch_at(round).and_then(|epoch| epoch.get(&client));
        let holders = member.map_or(0, |member| member.holders.len());
        let expected = if self.is_double_mask() { holders } else { 0 };
        let got = mask.map_or(0, |mask| mask.shares.len());
        let threshold = mask.is_none_or(|mask| {
            let threshold = usize::from(mask.threshold);
            (MIN_THRESHOLD..=got).contains(&threshold)
        });
        if mask.is_some() == self.is_double_mask() && expected == got && threshold {
            Ok(())
        } else {
            Err(Refusal::Shares { expected, got })
        }
    }

    /// Notification 4.
    pub(super) fn resend(
        &mut self,
        now: UnixTime,
        header: &FrameHeader,
        missing: &ClientSet,
        words: Superposition,
        hash: [u8; 32],
    ) -> Result<Vec<Record>, Refusal> {
        let (client, round) = (header.client, header.round);
        if self.is_repeated(round, client, true, hash)? {
            return Ok(Vec::new());
        }
        let deadline = self.setup.descriptor.schedule().correction_deadline(round);
        if now >= deadline || self.last_final.is_some_and(|last| round <= last) {
            return Err(Refusal::TooLate { round, deadline });
        }
        let record = self.checked(header, words, hash)?;
        let open = self.rounds.get_mut(&round);
        let Some((state, correction)) = open.and_then(|state| {
            state
                .correction
                .clone()
                .map(|correction| (state, correction))
        }) else {
            return Err(Refusal::NoCorrection { round });
        };
        if !correction.asked.contains(&client) {
            return Err(Refusal::NotAsked { client, round });
        }
        let original = state.frames.get(&client).map(|frame| frame.transmission);
        if correction.missing != *missing || original != Some(header.transmission) {
            return Err(Refusal::DifferentCorrection { round });
        }
        state.resent.insert(client, record.clone());
        let complete = state.resent.len() == correction.asked.len();
        let mut records = vec![Record::Resent(record)];
        if complete {
            records.extend(self.finalise(round));
        }
        Ok(records)
    }

    /// Whether these bytes are here already. Other bytes for the same place are refused.
    fn is_repeated(
        &self,
        round: Round,
        client: ClientId,
        resent: bool,
        hash: [u8; 32],
    ) -> Result<bool, Refusal> {
        let Some(state) = self.rounds.get(&round) else {
            return Ok(false);
        };
        let frames = if resent { &state.resent } else { &state.frames };
        let known = frames.get(&client).map(|frame| frame.hash).or_else(|| {
            state.finished.as_ref().and_then(|finished| {
                let hashes = if resent {
                    &finished.resent
                } else {
                    &finished.frames
                };
                hashes.get(&client).copied()
            })
        });
        match known {
            Some(known) if known == hash => Ok(true),
            Some(_) => Err(Refusal::DifferentFrame { client, round }),
            None => Ok(false),
        }
    }

    /// Checks what notifications 4 and 5 have in common.
    fn checked(
        &self,
        header: &FrameHeader,
        words: Superposition,
        hash: [u8; 32],
    ) -> Result<FrameRecord, Refusal> {
        let FrameHeader {
            client,
            round,
            epoch,
            transmission,
            ..
        } = *header;
        let not_active = || {
            let turned_away = self.turned_away(client);
            turned_away.unwrap_or(Refusal::NotActive { client, round })
        };
        let in_force = self.epoch_at(round).ok_or_else(not_active)?;
        if in_force.get(&client).is_none() {
            return Err(not_active());
        }
        if in_force.epoch != epoch {
            return Err(Refusal::WrongEpoch {
                round,
                expected: in_force.epoch,
                got: epoch,
            });
        }
        let expected = self.setup.descriptor.slots().len();
        if words.words().len() != expected {
            return Err(Refusal::Slots {
                expected,
                got: words.words().len(),
            });
        }
        Ok(FrameRecord {
            round,
            epoch,
            client,
            transmission,
            words,
            mask: None,
            hash,
        })
    }

    /// Whether a frame of `round` has come in: its epoch must not change any more.
    pub(super) fn has_frames(&self, round: Round) -> bool {
        self.rounds
            .get(&round)
            .is_some_and(|state| !state.frames.is_empty())
    }

    fn is_open(&self, round: Round) -> bool {
        self.rounds
            .get(&round)
            .is_some_and(|state| state.finished.is_none())
    }

    /// The submission window of `round` is over: final, failed, or a correction begins.
    fn close(&mut self, now: UnixTime, round: Round) -> Vec<Record> {
        let schedule = self.setup.descriptor.schedule();
        let Some(epoch) = self
            .in_force(round)
            .filter(|epoch| !epoch.members.is_empty())
            .cloned()
        else {
            self.rounds.remove(&round);
            return Vec::new();
        };
        let state = self.rounds.entry(round).or_default();
        if state.correction.is_some() || state.finished.is_some() || state.steps.last().is_some() {
            return Vec::new();
        }
        let present: ClientSet = state.frames.keys().copied().collect();
        let missing: ClientSet = epoch
            .clients()
            .iter()
            .filter(|client| !present.contains(client))
            .copied()
            .collect();
        if missing.is_empty() {
            return self.complete(round);
        }
        if !self.presence.was_there(round, &schedule) {
            // With no frame at all there is nothing to say about the round: a gap.
            if present.is_empty() {
                self.rounds.remove(&round);
                return Vec::new();
            }
            return self.end(round, RoundStatus::Interrupted, &epoch, missing);
        }
        if present.len() < self.setup.descriptor.min_size() {
            return self.end(round, RoundStatus::TooFewPresent, &epoch, missing);
        }
        if now >= schedule.correction_deadline(round) {
            return self.end(round, RoundStatus::Unanswered, &epoch, missing);
        }
        if self.is_double_mask() {
            return if epoch.holds_together(&missing) {
                self.open_roster(round, &epoch)
            } else {
                self.end(round, RoundStatus::GraphBroken, &epoch, missing)
            };
        }
        if !epoch.is_sound_without(&missing) {
            return self.end(round, RoundStatus::GraphBroken, &epoch, missing);
        }
        let asked = epoch.bereaved_by(&missing);
        self.open_correction(
            &epoch,
            CorrectionRecord {
                round,
                missing,
                asked,
            },
        )
    }

    fn open_correction(&mut self, epoch: &EpochRecord, opened: CorrectionRecord) -> Vec<Record> {
        let message = self.correction_request(epoch, &opened);
        let mut records = vec![Record::CorrectionOpened(opened.clone())];
        records.extend(
            opened
                .asked
                .iter()
                .map(|peer| Self::deliver(*peer, &message)),
        );
        let state = self.rounds.entry(opened.round).or_default();
        state.correction = Some(opened);
        records
    }

    /// The request that `opened` stands for: always of the same bytes, since signing is deterministic.
    pub(super) fn correction_request(
        &self,
        epoch: &EpochRecord,
        opened: &CorrectionRecord,
    ) -> Message {
        Message::Correction(self.setup.key.sign(Correction {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            epoch: epoch.epoch,
            round: opened.round,
            missing: opened.missing.clone(),
        }))
    }
}
