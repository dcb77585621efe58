//! An epoch with what its rounds look up again and again, by index instead of by name.
//!
//! Between a deadline and what follows from it (a correction, a roster), and between the last share key
//! and the sum, every edge of the net is looked at. By name that would be two searches for each; so the
//! edges are turned into indices once per epoch.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::Deref;

use super::EpochRecord;
use crate::descriptor::MIN_DEGREE;
use crate::names::{ClientId, ClientSet};
use crate::roster::MemberBits;

/// Of members by name. What hashes is the same in every run: this is for speed, and names come out of
/// certificates.
type Indices = HashMap<ClientId, u32, BuildHasherDefault<DefaultHasher>>;

/// An epoch's record, never changed, and its edges by index.
#[derive(Debug)]
pub(super) struct InForce {
    record: EpochRecord,
    /// Those among each member's neighbours that are members themselves and name it as well, ascending.
    neighbours: Lists<u32>,
    /// For each member those who drew it, ascending.
    dealers: Lists<Dealer>,
}

/// Somebody who drew the member in whose list this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dealer {
    /// Its index in the epoch.
    index: u32,
    /// The member's position among its holders, from 0.
    position: u32,
}

impl Dealer {
    pub(super) fn index(self) -> usize {
        widen(self.index)
    }

    pub(super) fn position(self) -> usize {
        widen(self.position)
    }
}

impl Deref for InForce {
    type Target = EpochRecord;
    fn deref(&self) -> &EpochRecord {
        &self.record
    }
}

impl InForce {
    pub(super) fn new(record: EpochRecord) -> Self {
        let numbered = record.members.iter().zip(0..);
        let indices: Indices = numbered
            .map(|(member, index)| (member.client, index))
            .collect();
        let mut neighbours = Lists::default();
        for member in &record.members {
            let ends = member.neighbours.iter();
            neighbours.extend(ends.filter_map(|end| indices.get(&end.client).copied()));
        }
        let neighbours = neighbours.mutual();
        let mut dealers = vec![Vec::new(); record.members.len()];
        for (dealer, index) in record.members.iter().zip(0..) {
            for (holder, position) in dealer.holders.iter().zip(0..) {
                let holder = indices.get(holder).copied().map(widen);
                let holder = holder.filter(|holder| neighbours.has(*holder, index));
                if let Some(list) = holder.and_then(|holder| dealers.get_mut(holder)) {
                    list.push(Dealer { index, position });
                }
            }
        }
        Self {
            record,
            neighbours,
            dealers: dealers.into_iter().collect(),
        }
    }

    /// Those among `present` who drew the member with index `holder`, ascending.
    pub(super) fn dealers_of<'a>(
        &'a self,
        holder: usize,
        present: &'a MemberBits,
    ) -> impl Iterator<Item = Dealer> + 'a {
        let dealers = self.dealers.of(holder).iter().copied();
        dealers.filter(|dealer| present.contains(dealer.index()))
    }

    /// Whether those present are connected by edges among each other: otherwise each part would have
    /// a sum of its own. This runs between deadline and roster.
    pub(super) fn holds_together(&self, missing: &ClientSet) -> bool {
        // Whoever is gone counts as seen, so that nobody is reached through it.
        let mut seen = self.gone(missing);
        let Some(start) = seen.iter().position(|gone| !gone) else {
            return false;
        };
        let mut ahead = vec![start];
        let mut reached = 0;
        while let Some(index) = ahead.pop() {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            reached += 1;
            ahead.extend(
                self.peers(index)
                    .filter(|peer| seen.get(*peer) == Some(&false)),
            );
        }
        reached == self.members.len() - missing.len()
    }

    /// Whether those present form a sound key graph: connected, and nobody with too few neighbours.
    /// This runs between deadline and correction.
    pub(super) fn is_sound_without(&self, missing: &ClientSet) -> bool {
        let gone = self.gone(missing);
        let is_there = |index: usize| gone.get(index) == Some(&false);
        (0..gone.len())
            .filter(|index| is_there(*index))
            .all(|index| self.peers(index).filter(|peer| is_there(*peer)).count() >= MIN_DEGREE)
            && self.holds_together(missing)
    }

    /// Those present with one of `missing` for a neighbour.
    pub(super) fn bereaved_by(&self, missing: &ClientSet) -> ClientSet {
        let left = missing.iter().filter_map(|client| self.index(client));
        let peers = left.flat_map(|index| self.peers(index));
        let peers = peers.filter_map(|index| Some(self.members.get(index)?.client));
        peers.filter(|client| !missing.contains(client)).collect()
    }

    /// For each member whether it is among `missing`.
    fn gone(&self, missing: &ClientSet) -> Vec<bool> {
        let members = self.members.iter();
        members.map(|m| missing.contains(&m.client)).collect()
    }

    fn peers(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.neighbours.of(index).iter().map(|peer| widen(*peer))
    }
}

/// One list for each member, one behind the other.
#[derive(Debug)]
struct Lists<T> {
    items: Vec<T>,
    /// Where each list ends.
    ends: Vec<usize>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl<T> FromIterator<Vec<T>> for Lists<T> {
    fn from_iter<I: IntoIterator<Item = Vec<T>>>(lists: I) -> Self {
        let mut all = Self::default();
        lists.into_iter().for_each(|list| all.extend(list));
        // They live as long as their epoch.
        all.items.shrink_to_fit();
        all
    }
}

impl<T> Lists<T> {
    /// One more list.
    fn extend(&mut self, list: impl IntoIterator<Item = T>) {
        self.items.extend(list);
        self.ends.push(self.items.len());
    }

    fn of(&self, index: usize) -> &[T] {
        let before = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let begin = before.copied().unwrap_or_default();
        let end = self.ends.get(index).copied().unwrap_or(begin);
        self.items.get(begin..end).unwrap_or_default()
    }
}

impl Lists<u32> {
    /// Without those whose own list does not name the one in whose list they are. Lists ascend.
    fn mutual(&self) -> Self {
        let kept = (0..self.ends.len()).map(|own| {
            let (back, named) = (narrow(own), self.of(own).iter().copied());
            named
                .filter(|peer| *peer != back && self.has(widen(*peer), back))
                .collect()
        });
        kept.collect::<Self>()
    }

    /// Whether `item` is in the list of `index`, which ascends.
    fn has(&self, index: usize, item: u32) -> bool {
        self.of(index).binary_search(&item).is_ok()
    }
}

/// A net has fewer than 2³² members: `EpochHead` counts them in 32 bits.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn widen(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_agreement::{Agreement, KeyPackageHash};
    use crate::key_graph::{Adjacency, KeyGraph};
    use crate::membership::edge::EdgeEnd;
    use crate::provider::EpochMember;
    use crate::round::{Epoch, Round};

    fn id(number: usize) -> ClientId {
        format!("m{number:02}").parse().unwrap()
    }

    /// `drawn[i]` are those whom member i drew; `others` are neighbours that are no members.
    fn epoch(drawn: &[Vec<usize>], others: &[ClientId]) -> InForce {
        let members = (0..drawn.len()).map(|own| {
            let drawers = (0..drawn.len()).filter(|peer| drawn[*peer].contains(&own));
            let peers = drawn[own].iter().copied().chain(drawers).map(id);
            let end = |client| EdgeEnd {
                client,
                agreement: Agreement::from_bytes([0; 32]),
            };
            EpochMember {
                client: id(own),
                package: KeyPackageHash::from_bytes([0; 32]),
                neighbours: peers.chain(others.iter().copied()).map(end).collect(),
                holders: drawn[own].iter().copied().map(id).collect(),
            }
        });
        InForce::new(EpochRecord::new(
            Epoch::new(1),
            Round::new(1),
            members.collect(),
        ))
    }

    /// Draws that differ from member to member.
    fn drawn(members: usize) -> Vec<Vec<usize>> {
        let of = |own: usize| {
            let peers = (1..=3).map(|step| (own + step * step * 2) % members);
            peers.filter(|peer| *peer != own).collect()
        };
        (0..members).map(of).collect()
    }

    #[test]
    fn dealers_are_those_present_who_drew_a_member_with_its_position() {
        let drawn = drawn(23);
        let epoch = epoch(&drawn, &["a".parse().unwrap(), "z".parse().unwrap()]);
        let mut present = MemberBits::none(23);
        (0..23)
            .filter(|i| i % 5 != 0)
            .for_each(|i| present.insert(i));
        for holder in 0..23 {
            let expected = (0..23)
                .filter(|dealer| dealer % 5 != 0)
                .filter_map(|dealer| {
                    let holders = epoch.members[dealer].holders.as_slice();
                    Some((dealer, holders.binary_search(&id(holder)).ok()?))
                });
            let got = epoch.dealers_of(holder, &present);
            let got: Vec<_> = got.map(|d| (d.index(), d.position())).collect();
            assert_eq!(got, expected.collect::<Vec<_>>(), "holder {holder}");
        }
        assert_eq!(epoch.dealers_of(23, &present).count(), 0);
    }

    /// Against the same by name, with edges that one end only names.
    #[test]
    fn what_is_left_is_sound_if_its_graph_by_name_is() {
        let drawn = drawn(17);
        let mut epoch = epoch(&drawn, &[]).record;
        for own in [2, 9] {
            let member = &mut epoch.members[own];
            member.neighbours = member.neighbours.only(|client| *client != id(own + 2));
        }
        let named = epoch.members.iter();
        let named = named.map(|member| (member.client, member.neighbours.clients()));
        let graph = Adjacency::mutual(&named.collect());
        let epoch = InForce::new(epoch);
        let mut sound = [0, 0];
        for chosen in 0_usize..1 << 12 {
            let gone = (0..12).filter(|bit| chosen >> bit & 1 == 1);
            let missing: ClientSet = gone.map(id).collect();
            let expected = KeyGraph::new(graph.without(&missing)).is_ok();
            assert_eq!(epoch.is_sound_without(&missing), expected, "{missing:?}");
            sound[usize::from(expected)] += 1;
            let bereaved = missing.iter().flat_map(|client| {
                let peers = graph.neighbours(client);
                peers.iter().copied().collect::<Vec<_>>()
            });
            let bereaved: ClientSet = bereaved.filter(|peer| !missing.contains(peer)).collect();
            assert_eq!(epoch.bereaved_by(&missing), bereaved);
        }
        assert!(sound.iter().all(|count| *count > 100), "{sound:?}");
    }

    #[test]
    fn those_present_hold_together_by_edges_among_each_other() {
        // A ring: without one it holds together, without two that are no neighbours it does not.
        let ring: Vec<Vec<usize>> = (0..8).map(|own| vec![(own + 1) % 8]).collect();
        let epoch = epoch(&ring, &["z".parse().unwrap()]);
        let without =
            |gone: &[usize]| epoch.holds_together(&gone.iter().copied().map(id).collect());
        assert!(without(&[]));
        assert!(without(&[3]));
        assert!(without(&[3, 4]));
        assert!(!without(&[3, 5]));
        assert!(without(&[0, 1, 2, 3, 4, 5, 6]));
        assert!(!without(&[0, 1, 2, 3, 4, 5, 6, 7]), "nobody");
    }
}
