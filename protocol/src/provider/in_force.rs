//! An epoch with what its rounds look up again and again, by index instead of by name.
//!
//! Between a deadline and its roster, and between the last share key and the sum, every edge of the
//! net is looked at. By name that would be two searches for each; so the edges are turned into
//! indices once per epoch.

use std::ops::Deref;

use super::EpochRecord;
use crate::names::{ClientId, ClientSet};
use crate::roster::MemberBits;

/// An epoch's record, never changed, and its edges by index.
#[derive(Debug)]
pub(super) struct InForce {
    record: EpochRecord,
    /// Those among each member's neighbours that are members themselves.
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
        let (mut neighbours, mut dealers) = (Lists::default(), Lists::default());
        for member in &record.members {
            for end in &member.neighbours {
                let Some(index) = record.index(&end.client) else {
                    continue;
                };
                neighbours.push(narrow(index));
                let holders = record.members.get(index).map(|peer| &peer.holders);
                let position =
                    holders.and_then(|h| h.as_slice().binary_search(&member.client).ok());
                if let Some(position) = position {
                    dealers.push(Dealer {
                        index: narrow(index),
                        position: narrow(position),
                    });
                }
            }
            neighbours.close();
            dealers.close();
        }
        Self {
            record,
            neighbours,
            dealers,
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
        let gone = |client: &ClientId| missing.contains(client);
        // Whoever is gone counts as seen, so that nobody is reached through it.
        let mut seen: Vec<bool> = self.members.iter().map(|m| gone(&m.client)).collect();
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
            let neighbours = self.neighbours.of(index).iter().map(|peer| widen(*peer));
            ahead.extend(neighbours.filter(|peer| seen.get(*peer) == Some(&false)));
        }
        reached == self.members.len() - missing.len()
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

impl<T> Lists<T> {
    fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// The list that was being filled is complete.
    fn close(&mut self) {
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
