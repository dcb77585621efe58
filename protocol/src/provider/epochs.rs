//! Epochs: from the members' statements to the graph in force, announced in manifests.

use std::collections::BTreeMap;

use super::{EpochMember, EpochRecord, MemberRecord, Provider, Record};
use crate::key_agreement::KeyPackageHash;
use crate::key_graph::Adjacency;
use crate::membership::MemberStatus;
use crate::membership::edge::{EdgeEnd, EdgeSet};
use crate::message::{Manifest, Message};
use crate::names::{ClientId, ClientSet};
use crate::round::{Epoch, Round, UnixTime};

/// After this many rounds a leaver is released although a neighbour has not confirmed.
const EXIT_PATIENCE: u64 = 3;

impl Provider {
    /// Fixes the epoch of the round being metered, once, when the round before it is final.
    pub(super) fn decide(&mut self, now: UnixTime) -> Vec<Record> {
        let schedule = self.setup.descriptor.schedule();
        let round = schedule.round_at(now);
        // Behind its border a round's epoch cannot change any more: gateways have sealed for it.
        self.decided = self.decided.max(schedule.submitted_at(now));
        if now < schedule.correction_deadline(round.previous())
            || self.decided.is_some_and(|decided| decided >= round)
        {
            return Vec::new();
        }
        self.decided = Some(round);
        let at_border = round
            .number()
            .is_multiple_of(self.setup.descriptor.epoch_length());
        if !at_border || self.has_frames(round) {
            return Vec::new();
        }
        let mut records = self.release_leavers(round);
        let members = self.desired_members();
        let current = self.epochs.last();
        // A member that has entered again may not know where it stands: it gets a manifest.
        let settled = members.iter().all(|member| {
            let known = self.members.get(&member.client);
            known.is_some_and(|known| {
                matches!(known.status, MemberStatus::Active | MemberStatus::Exiting)
            })
        });
        if settled && current.map_or(&[][..], |epoch| &epoch.members) == members.as_slice() {
            return records;
        }
        let before = current.map(EpochRecord::clients).unwrap_or_default();
        let epoch = current.map_or(Epoch::new(1), |epoch| epoch.epoch.next());
        let record = EpochRecord {
            epoch,
            first_round: round,
            members,
        };
        records.extend(self.set_active(&record));
        records.extend(self.announce(&record, &before));
        self.epochs.push(record.clone());
        self.drop_past_epochs();
        records.push(Record::Epoch(record));
        records
    }

    /// Leavers whose neighbours have all discarded their keys, or who have waited long enough.
    fn release_leavers(&mut self, round: Round) -> Vec<Record> {
        let leavers: Vec<ClientId> = self
            .members
            .values()
            .filter(|member| member.status == MemberStatus::Exiting)
            .filter(|leaver| {
                let waited = round.number().saturating_sub(leaver.exit_round.number());
                waited >= EXIT_PATIENCE || !self.is_named_by_anybody(&leaver.client)
            })
            .map(|leaver| leaver.client)
            .collect();
        leavers
            .iter()
            .flat_map(|leaver| self.set_status(leaver, MemberStatus::Exited))
            .collect()
    }

    fn is_named_by_anybody(&self, client: &ClientId) -> bool {
        self.members.values().any(|member| {
            matches!(member.status, MemberStatus::Active | MemberStatus::Entered)
                && member
                    .neighbourhood
                    .as_ref()
                    .is_some_and(|named| named.unverified().neighbours.contains(client))
        })
    }

    /// Those who have entered, are there, and form a sound graph of at least the minimum size.
    fn desired_members(&self) -> Vec<EpochMember> {
        let there = self.members.values().filter(|member| {
            matches!(
                member.status,
                MemberStatus::Entered | MemberStatus::Active | MemberStatus::Exiting
            )
        });
        let graph = self.edges_among(there).largest_sound_part();
        graph
            .filter(|graph| graph.size() >= self.setup.descriptor.min_size())
            .map(|graph| {
                let members = graph.adjacency().iter();
                members
                    .filter_map(|(client, neighbours)| {
                        let package = self.members.get(&client)?.package_hash();
                        Some(EpochMember {
                            client,
                            package,
                            neighbours,
                        })
                    })
                    .collect()
            })
            .unwrap_or_default()
    }

    /// The edges among `members` whose ends name each other with the key packages in force.
    pub(super) fn edges_among<'a>(
        &self,
        members: impl Iterator<Item = &'a MemberRecord>,
    ) -> Adjacency {
        let in_force: BTreeMap<ClientId, KeyPackageHash> = self
            .members
            .values()
            .map(|member| (member.client, member.package_hash()))
            .collect();
        let named = |member: &MemberRecord| -> ClientSet {
            let edges = member.edges().into_iter().flatten();
            edges
                .filter(|end| in_force.get(&end.client) == Some(&end.package))
                .map(|end| end.client)
                .collect()
        };
        Adjacency::mutual(
            &members
                .map(|member| (member.client, named(member)))
                .collect(),
        )
    }

    fn set_active(&mut self, record: &EpochRecord) -> Vec<Record> {
        let changes: Vec<(ClientId, MemberStatus)> = self
            .members
            .values()
            .filter_map(|member| {
                let status = match (member.status, record.get(&member.client).is_some()) {
                    (MemberStatus::Entered, true) => MemberStatus::Active,
                    (MemberStatus::Active, false) => MemberStatus::Entered,
                    (MemberStatus::Exiting, false) => MemberStatus::Exited,
                    _ => return None,
                };
                Some((member.client, status))
            })
            .collect();
        changes
            .iter()
            .flat_map(|(client, status)| self.set_status(client, *status))
            .collect()
    }

    /// A manifest for everybody who is active from now on, or was until now.
    fn announce(&self, record: &EpochRecord, before: &ClientSet) -> Vec<Record> {
        let descriptor = &self.setup.descriptor;
        let everybody: ClientSet = record.clients().iter().chain(before).copied().collect();
        let manifest = |client: &ClientId| Manifest {
            net: descriptor.net(),
            descriptor: descriptor.hash(),
            client: *client,
            epoch: record.epoch,
            first_round: record.first_round,
            members: u32::try_from(record.members.len()).unwrap_or(u32::MAX),
            neighbours: ends_of(record, client),
        };
        everybody
            .iter()
            .map(|client| {
                let signed = self.setup.key.sign(manifest(client));
                Self::deliver(*client, &Message::Manifest(signed))
            })
            .collect()
    }

    /// Epochs before the one in force in the last final round are of no use any more.
    fn drop_past_epochs(&mut self) {
        let Some(last) = self.last_final else { return };
        if let Some(in_force) = self
            .epochs
            .iter()
            .rposition(|epoch| epoch.first_round <= last)
        {
            self.epochs.drain(..in_force);
        }
    }
}

/// The active edges of `client`, none if it is not active.
fn ends_of(record: &EpochRecord, client: &ClientId) -> EdgeSet {
    let neighbours = record.get(client).map(|member| &member.neighbours);
    let ends = neighbours.into_iter().flatten().filter_map(|peer| {
        let package = record.get(peer)?.package;
        Some(EdgeEnd {
            client: *peer,
            package,
        })
    });
    ends.collect()
}
