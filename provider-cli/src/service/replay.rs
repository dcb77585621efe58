//! Replays a membership log as an auditor does: section 7.1 of `docs/spec/membership-log.md`, as far as
//! the store has what it takes.

mod packages;

use std::collections::BTreeMap;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::key_agreement::KeyPackageHash;
use dcnet_protocol::membership::epoch_head::{EpochHead, MemberLeaf, MemberTree};
use dcnet_protocol::membership::log::{DrawList, Log, LogEntry};
use dcnet_protocol::merkle::MerkleRoot;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{DrawListRecord, EpochRecord};

pub(crate) use packages::KeyPackages;

use crate::store::LogRow;

/// What a replay found.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Number of entries.
    pub(super) size: usize,
    /// Root of the checkpoint over all of them; none if they are not all entries.
    pub(super) root: Option<MerkleRoot>,
    /// What the log says that it must not say.
    pub(super) faults: Vec<String>,
    /// Why the epoch in force does not stand in the log.
    pub(super) epoch_missing: Option<String>,
}

/// Where the entries so far leave a client.
#[derive(Debug, Clone, Copy)]
struct Standing {
    package: KeyPackageHash,
    /// Of the key package, once it is verified.
    serial: Option<u64>,
    active: bool,
}

/// The map A of section 4, and what the last heads said.
struct State<'a> {
    descriptor: &'a NetDescriptor,
    packages: &'a KeyPackages,
    clients: BTreeMap<ClientId, Standing>,
    /// Admitted for the next epoch: client, and serial of the package replaced.
    admitted: Vec<(ClientId, Option<u64>)>,
    head: Option<EpochHead>,
    list: Option<DrawList>,
}

/// How often [`replay`] calls `progress`: for each entry, and for each key package of a list.
pub(super) fn steps(rows: &[LogRow], lists: &[DrawListRecord]) -> u64 {
    let leaves = lists.iter().map(|list| list.leaves.len());
    let steps = leaves.fold(rows.len(), usize::saturating_add);
    u64::try_from(steps).unwrap_or(u64::MAX)
}

/// Replays the entries `rows`, with the key packages and the lists that are kept and the latest epoch.
pub(super) fn replay(
    descriptor: &NetDescriptor,
    packages: &KeyPackages,
    rows: &[LogRow],
    lists: &[DrawListRecord],
    epoch: Option<&EpochRecord>,
    mut progress: impl FnMut(),
) -> Replay {
    let mut replay = Replay {
        size: rows.len(),
        ..Replay::default()
    };
    let mut state = State {
        descriptor,
        packages,
        clients: BTreeMap::new(),
        admitted: Vec::new(),
        head: None,
        list: None,
    };
    let mut entries = BTreeMap::new();
    for (row, index) in rows.iter().zip(0..) {
        progress();
        if row.index != index {
            let text = format!("entry {index} is missing, {} follows", row.index);
            replay.faults.push(text);
            break;
        }
        let result = LogEntry::decode(&row.entry)
            .map_err(|error| format!("no entry: {error}"))
            .and_then(|entry| {
                let allowed = state.apply(&entry);
                entries.insert(index, entry);
                allowed
            });
        if let Err(text) = result {
            replay.faults.push(format!("entry {index}: {text}"));
        }
    }
    if entries.len() == rows.len() {
        let encoded = rows.iter().map(|row| &row.entry);
        let log = Log::restore(descriptor.net(), descriptor.hash(), encoded);
        replay.root = log.ok().map(|log| log.checkpoint().root);
    }
    for list in lists {
        let tree = MemberTree::new(list.leaves.clone()).ok();
        let kept = tree.map(|tree| LogEntry::DrawList(tree.draw_list(list.round)));
        if entries.get(&list.index) != kept.as_ref() {
            replay.faults.push(format!(
                "entry {}: the draw list that is kept is another one",
                list.index
            ));
        }
        for leaf in &list.leaves {
            progress();
            let verified = packages.verify(descriptor, &leaf.client, &leaf.package, list.round);
            if let Err(text) = verified {
                replay.faults.push(format!("entry {}: {text}", list.index));
            }
        }
    }
    replay.epoch_missing = epoch.and_then(|epoch| {
        let head = LogEntry::Epoch(epoch.head());
        (entries.get(&epoch.log_index) != Some(&head)).then(|| {
            format!(
                "the head of epoch {} is not entry {} of the log",
                epoch.epoch, epoch.log_index
            )
        })
    });
    replay
}

impl State<'_> {
    /// Changes the map, whether or not that is allowed: one fault must not bring about a hundred.
    fn apply(&mut self, entry: &LogEntry) -> Result<(), String> {
        match entry {
            LogEntry::Admitted { client, package } => {
                let standing = Standing {
                    package: *package,
                    serial: None,
                    active: true,
                };
                let before = self.clients.insert(*client, standing);
                let serial = before.and_then(|before| before.serial);
                self.admitted.push((*client, serial));
                let again = before.is_some_and(|before| before.package == *package);
                allowed(!again, || format!("{client} was admitted already"))
            }
            LogEntry::Exited(statement) => {
                let exit = statement.unverified();
                let known = self.clients.remove(&exit.client);
                let ours =
                    exit.net == self.descriptor.net() && exit.descriptor == self.descriptor.hash();
                let known = known
                    .ok_or_else(|| format!("{} has left without having been in", exit.client))?;
                allowed(ours, || {
                    format!("the exit of {} is from another net", exit.client)
                })?;
                self.packages
                    .verify_exit(self.descriptor, &known.package, statement)
            }
            LogEntry::Suspended { client, .. } => self.switch(client, false),
            LogEntry::Resumed { client, .. } => self.switch(client, true),
            LogEntry::Epoch(head) => self.epoch(head),
            LogEntry::DrawList(list) => {
                let before = self.list.replace(*list);
                let behind = before.is_some_and(|before| before.round > list.round);
                allowed(!behind, || {
                    format!("a draw list of round {} behind a later one", list.round)
                })
            }
        }
    }

    fn switch(&mut self, client: &ClientId, active: bool) -> Result<(), String> {
        let what = if active { "resumed" } else { "suspended" };
        let Some(standing) = self.clients.get_mut(client) else {
            return Err(format!("{client} is {what} without having been admitted"));
        };
        let before = std::mem::replace(&mut standing.active, active);
        allowed(before != active, || {
            format!("{client} is {what} a second time")
        })
    }

    fn epoch(&mut self, head: &EpochHead) -> Result<(), String> {
        let number = head.epoch;
        let before = self.head.replace(*head);
        let verified = self.verify_admitted(head);
        let expected = before.map_or(1, |before| before.epoch.number().saturating_add(1));
        allowed(number.number() == expected, || {
            format!("epoch {number} where epoch {expected} was due")
        })?;
        let later = before.is_none_or(|before| before.first_round < head.first_round);
        let border = head.first_round.number();
        allowed(
            later && border.is_multiple_of(self.descriptor.epoch_length()),
            || format!("epoch {number} cannot begin with round {border}"),
        )?;
        let active = self
            .clients
            .iter()
            .filter(|(_, standing)| standing.active)
            .map(|(client, standing)| MemberLeaf {
                client: *client,
                package: standing.package,
            })
            .collect();
        let tree = MemberTree::new(active).map_err(|error| error.to_string())?;
        let follows = tree.epoch_head(number, head.first_round);
        allowed(follows == *head, || {
            format!(
                "epoch {number} has {} members with the root {}; {} with the root {} follow from the \
                 entries",
                head.members, head.member_root, follows.members, follows.member_root
            )
        })?;
        verified
    }

    /// The key packages of those who are in this epoch for the first time, or with a new package.
    fn verify_admitted(&mut self, head: &EpochHead) -> Result<(), String> {
        let mut result = Ok(());
        for (client, before) in std::mem::take(&mut self.admitted) {
            let Some(standing) = self.clients.get_mut(&client) else {
                continue;
            };
            let (descriptor, hash) = (self.descriptor, &standing.package);
            let verified = self
                .packages
                .verify(descriptor, &client, hash, head.first_round);
            standing.serial = verified.as_ref().ok().copied();
            let newer = verified.and_then(|serial| {
                allowed(before.is_none_or(|before| before < serial), || {
                    format!("{client} is admitted with an older key package than before")
                })
            });
            result = result.and(newer);
        }
        result
    }
}

fn allowed(holds: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text()) }
}

#[cfg(test)]
mod tests;
