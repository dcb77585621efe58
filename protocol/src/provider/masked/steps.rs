//! Rosters that were shown in a round, and the answers to them.

use std::collections::BTreeMap;

use crate::names::{ClientId, ClientSet};
use crate::provider::in_force::InForce;
use crate::provider::{Answer, AnswerRecord, EpochRecord, RosterRecord};
use crate::roster::RosterHash;
use crate::self_mask::ShareKey;

/// Rosters and answers of one round.
#[derive(Debug, Clone, Default)]
pub(in crate::provider) struct Steps {
    /// Ascending by step.
    pub(super) rosters: Vec<Shown>,
    /// By step.
    pub(super) answers: BTreeMap<u8, BTreeMap<ClientId, AnswerRecord>>,
}

/// A roster that was shown, with what every answer to it is compared with.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) record: RosterRecord,
    pub(super) hash: RosterHash,
    /// Members in it.
    pub(super) present: usize,
}

impl Steps {
    pub(in crate::provider) fn restore_roster(&mut self, record: RosterRecord) {
        let body = record.roster.unverified();
        self.rosters.push(Shown {
            hash: body.hash(),
            present: body.present().count(),
            record,
        });
        self.rosters.sort_by_key(|shown| shown.record.step);
    }

    pub(in crate::provider) fn last(&self) -> Option<&RosterRecord> {
        self.rosters.last().map(|shown| &shown.record)
    }

    /// The first roster behind `step`.
    pub(in crate::provider) fn behind(&self, step: u8) -> Option<&RosterRecord> {
        let mut records = self.rosters.iter().map(|shown| &shown.record);
        records.find(|record| record.step > step)
    }

    pub(in crate::provider) fn answer(&self, step: u8, client: ClientId) -> Option<&AnswerRecord> {
        self.answers.get(&step)?.get(&client)
    }

    pub(in crate::provider) fn answers(&self) -> impl Iterator<Item = &AnswerRecord> {
        self.answers.values().flat_map(BTreeMap::values)
    }

    pub(in crate::provider) fn insert(&mut self, record: AnswerRecord) {
        let of_step = self.answers.entry(record.step).or_default();
        of_step.insert(record.client, record);
    }

    /// Whether `client` has sent these bytes in any step.
    pub(super) fn has_answer(&self, client: ClientId, hash: [u8; 32]) -> bool {
        let mut steps = self.answers.values();
        steps.any(|step| step.get(&client).is_some_and(|answer| answer.hash == hash))
    }

    /// Answers hold share keys: they go with the frames.
    pub(in crate::provider) fn forget_answers(&mut self) {
        self.answers.clear();
    }

    pub(super) fn answered(&self, step: u8) -> usize {
        self.answers.get(&step).map_or(0, BTreeMap::len)
    }

    /// The share keys that were told in answer to `last`: for each member of the epoch those of its
    /// own shares, each with its holder's position.
    pub(super) fn told_keys(
        &self,
        last: &RosterRecord,
        epoch: &InForce,
    ) -> Vec<Vec<(usize, ShareKey)>> {
        let present = last.roster.unverified().present();
        let mut told = vec![Vec::new(); epoch.members.len()];
        for answer in self.answers.get(&last.step).into_iter().flatten() {
            let (holder, answer) = (epoch.index(answer.0), &answer.1.answer);
            let (Some(holder), Answer::Reveal(keys)) = (holder, answer) else {
                continue;
            };
            for (dealer, key) in epoch.dealers_of(holder, present).zip(keys) {
                if let Some(told) = told.get_mut(dealer.index()) {
                    told.push((dealer.position(), *key));
                }
            }
        }
        told
    }

    /// Those of the last roster; everybody before the first.
    pub(in crate::provider) fn members(&self, epoch: &EpochRecord) -> ClientSet {
        match self.last() {
            None => epoch.clients(),
            Some(last) => {
                let present = last.roster.unverified().present();
                let members = epoch.members.iter().enumerate();
                members
                    .filter(|(index, _)| present.contains(*index))
                    .map(|(_, member)| member.client)
                    .collect()
            }
        }
    }
}
