//! Epochs: from the members' statements to the graph in force, announced in manifests.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::in_force::InForce;
use super::{EpochMember, EpochRecord, MemberRecord, Provider, Record};
use crate::descriptor::CorrectionMode;
use crate::key_agreement::Agreement;
use crate::key_graph::Adjacency;
use crate::membership::MemberStatus;
use crate::message::{Manifest, ManifestEdge, Message, Role};
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
        let closing = self.standing.is_closing();
        let mut records = if closing {
            Vec::new()
        } else {
            self.log_draw_list(round)
        };
        let at_border = round
            .number()
            .is_multiple_of(self.setup.descriptor.epoch_length());
        if !at_border || self.has_frames(round) {
            return records;
        }
        records.extend(self.release_leavers(round));
        // Looking at every edge of a large net takes a tenth of a second.
        if self.is_settled {
            return records;
        }
        let members = if closing {
            Vec::new()
        } else {
            self.desired_members(None)
        };
        let current = self.epochs.last();
        // A member that has entered again may not know where it stands: it gets a manifest.
        let settled = members.iter().all(|member| {
            let known = self.members.get(&member.client);
            known.is_some_and(|known| {
                matches!(known.status, MemberStatus::Active | MemberStatus::Exiting)
            })
        });
        if settled && current.map_or(&[][..], |epoch| &epoch.members) == members.as_slice() {
            self.is_settled = true;
            return records;
        }
        let before = current.map(|epoch| epoch.clients()).unwrap_or_default();
        let epoch = current.map_or(Epoch::new(1), |epoch| epoch.epoch.next());
        let mut record = EpochRecord::new(epoch, round, members);
        if let Some(current) = current {
            record.share(|client| current.get(client).map(EpochMember::sets));
        }
        records.extend(self.set_active(&record));
        records.extend(self.log_epoch(&mut record));
        records.extend(self.announce(&record, &before));
        self.epochs.push(Arc::new(InForce::new(record.clone())));
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
                && !self.standing.is_barred(&member.client)
                && member
                    .neighbourhood
                    .as_ref()
                    .is_some_and(|named| named.unverified().neighbours.contains(client))
        })
    }

    /// Those who have entered, are there, and form a sound graph of at least the minimum size; in a
    /// double-mask net those among them who would submit. Without who is barred, and without `gone`.
    pub(super) fn desired_members(&self, gone: Option<ClientId>) -> Vec<EpochMember> {
        let mut there: Vec<&MemberRecord> = self
            .members
            .values()
            .filter(|member| {
                matches!(
                    member.status,
                    MemberStatus::Entered | MemberStatus::Active | MemberStatus::Exiting
                )
            })
            .filter(|member| {
                !self.standing.is_barred(&member.client) && gone != Some(member.client)
            })
            .collect();
        loop {
            let graph = Self::edges_among(there.iter().copied()).largest_sound_part();
            let Some(graph) = graph.filter(|graph| graph.size() >= self.min_size()) else {
                return Vec::new();
            };
            let members: Vec<EpochMember> = graph
                .adjacency()
                .iter()
                .filter_map(|(client, neighbours)| {
                    let member = self.members.get(&client)?;
                    let (edges, drawn) = (member.edges(), member.holders());
                    // Its active neighbours are some of those that it named, or all of them.
                    let all = edges.is_some_and(|edges| edges.len() == neighbours.len());
                    let active = |client: &ClientId| all || neighbours.contains(client);
                    Some(EpochMember {
                        client,
                        package: member.package_hash(),
                        holders: drawn.map(|drawn| drawn.only(active)).unwrap_or_default(),
                        neighbours: edges.map(|edges| edges.only(active)).unwrap_or_default(),
                    })
                })
                .collect();
            let weak = self.short_of_holders(&members);
            if weak.is_empty() {
                return members;
            }
            there.retain(|member| !weak.contains(&member.client));
        }
    }

    /// Members of a double-mask net with fewer active holders than they need to submit. What they need
    /// follows from the size of the epoch and from how many they have drawn by their own statement.
    fn short_of_holders(&self, members: &[EpochMember]) -> ClientSet {
        let descriptor = &self.setup.descriptor;
        if descriptor.correction_mode() != CorrectionMode::DoubleMask {
            return ClientSet::default();
        }
        let drawn = descriptor.drawn_of(members.len());
        let weak = members.iter().filter(|member| {
            let known = self.members.get(&member.client);
            let stated = known
                .and_then(MemberRecord::holders)
                .map_or(0, ClientSet::len);
            member.holders.len() < descriptor.needed_holders(drawn.max(stated))
        });
        weak.map(|member| member.client).collect()
    }

    pub(super) fn min_size(&self) -> usize {
        self.setup.descriptor.min_size()
    }

    /// The edges among `members` whose ends name each other with the same agreement, both in statements
    /// of the key packages in force.
    pub(super) fn edges_among<'a>(members: impl Iterator<Item = &'a MemberRecord>) -> Adjacency {
        let mut members: Vec<&MemberRecord> = members.collect();
        members.sort_unstable_by_key(|member| member.client);
        let clients: Vec<ClientId> = members.iter().map(|member| member.client).collect();
        // Each name is looked up once. Both ascend, so the indices do.
        let ends: Vec<Vec<(usize, Agreement)>> = members
            .iter()
            .map(|member| {
                let named = member.edges().into_iter().flatten();
                let found = named.filter_map(|end| {
                    let index = clients.binary_search(&end.client).ok()?;
                    Some((index, end.agreement))
                });
                found.collect()
            })
            .collect();
        let agree = |own: usize, peer: usize, agreement: &Agreement| {
            let back = ends.get(peer).map_or(&[][..], Vec::as_slice);
            let found = back.binary_search_by_key(&own, |(index, _)| *index);
            let back = found.ok().and_then(|position| back.get(position));
            back.is_some_and(|(_, other)| other == agreement)
        };
        let mutual = ends.iter().enumerate().map(|(own, named)| {
            let agreed = named
                .iter()
                .filter(|(peer, agreement)| *peer != own && agree(own, *peer, agreement));
            agreed.map(|(peer, _)| *peer).collect()
        });
        let mutual = mutual.collect();
        Adjacency::of_indices(clients, mutual)
    }

    fn set_active(&mut self, record: &EpochRecord) -> Vec<Record> {
        let changes: Vec<(ClientId, MemberStatus)> = self
            .members
            .values()
            .filter_map(|member| {
                let status = match (member.status, record.get(&member.client).is_some()) {
                    (MemberStatus::Entered, true) => MemberStatus::Active,
                    // It was there, and is let in no more unless it says so itself.
                    (MemberStatus::Active, false) if self.turned_away(member.client).is_some() => {
                        MemberStatus::Suspended
                    }
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
        let head = record.head();
        let manifest = |client: &ClientId| Manifest {
            net: descriptor.net(),
            descriptor: descriptor.hash(),
            client: *client,
            head,
            log_index: record.log_index,
            index: record.index(client).map_or(0, to_u32),
            neighbours: edges_of(record, client),
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

/// What was read from a store has each set of its own: those that are equal share their memory again.
pub(super) fn share_sets(epochs: &mut [EpochRecord], members: &BTreeMap<ClientId, MemberRecord>) {
    let mut before: Option<&EpochRecord> = None;
    for epoch in epochs {
        epoch.share(|client| members.get(client)?.stated());
        if let Some(before) = before {
            epoch.share(|client| before.get(client).map(EpochMember::sets));
        }
        before = Some(epoch);
    }
}

/// The active edges of `client`, none if it is not active.
fn edges_of(record: &EpochRecord, client: &ClientId) -> Vec<ManifestEdge> {
    let Some(member) = record.get(client) else {
        return Vec::new();
    };
    let edges = member.neighbours.iter().filter_map(|end| {
        let index = record.index(&end.client)?;
        let other = record.members.get(index)?;
        Some(ManifestEdge {
            end,
            index: to_u32(index),
            role: Role {
                holder: member.holders.contains(&end.client),
                dealer: other.holders.contains(client),
            },
        })
    });
    edges.collect()
}

fn to_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Wire as _;
    use crate::key_agreement::KeyPackageHash;
    use crate::membership::edge::EdgeEnd;

    fn epoch(number: u64, neighbours: &[&str]) -> EpochRecord {
        let end = |name: &&str| EdgeEnd {
            client: name.parse().unwrap(),
            agreement: Agreement::from_bytes([7; 32]),
        };
        let member = EpochMember {
            client: "gw-1".parse().unwrap(),
            package: KeyPackageHash::from_bytes([1; 32]),
            neighbours: neighbours.iter().map(end).collect(),
            holders: neighbours
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
        };
        let record = EpochRecord::new(Epoch::new(number), Round::new(number), vec![member]);
        // As a store gives it.
        EpochRecord::decode(&record.encode()).unwrap()
    }

    #[test]
    fn sets_of_one_epoch_and_the_next_share_memory_if_they_are_equal() {
        let mut epochs = [
            epoch(1, &["a", "b"]),
            epoch(2, &["a", "b"]),
            epoch(3, &["a"]),
        ];
        let before = epochs.clone();
        share_sets(&mut epochs, &BTreeMap::new());
        assert_eq!(epochs, before);
        let edges = |index: usize| &epochs[index].members[0].neighbours;
        let holders = |index: usize| epochs[index].members[0].holders.as_slice();
        assert!(edges(0).shares_with(edges(1)));
        assert_eq!(holders(0).as_ptr(), holders(1).as_ptr());
        assert!(!edges(1).shares_with(edges(2)));
        assert_ne!(holders(1).as_ptr(), holders(2).as_ptr());
    }
}
