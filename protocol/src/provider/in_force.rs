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
            for peer in &member.neighbours {
                let Some(index) = record.index(peer) else {
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
