//! The membership log at the provider: what is appended when, and what is shown of it.
//!
//! `docs/spec/membership-log.md`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{DrawListRecord, EpochRecord, LogRecord, Provider, Record, Refusal};
use crate::codec::Wire as _;
use crate::key_agreement::KeyPackageHash;
use crate::membership::MemberStatus;
use crate::membership::checkpoint::Checkpoint;
use crate::membership::epoch_head::{MemberLeaf, MemberTree};
use crate::membership::log::{Log, LogEntry};
use crate::membership::proof::{CommonLog, DrawListView, ListedMember, ListedMembers, LogProof};
use crate::membership::witness::{
    CosignRequest, Cosignature, CosignatureError, Cosignatures, Witness,
};
use crate::names::ClientId;
use crate::round::Round;
use crate::signature::Signed;

/// Draw lists that can still be asked about.
const LISTS_KEPT: usize = 8;
/// Rounds after which a list is made again although it would be the same: gateways refuse old ones.
const LIST_LIFETIME: u64 = 48;
/// Members of a list in one answer at most.
pub const MOST_LISTED: usize = 64;

/// What the entries so far say of a member.
#[derive(Debug, Clone, Copy)]
struct Logged {
    package: KeyPackageHash,
    present: bool,
}

/// The log, what follows from it, and the lists that may be drawn from.
#[derive(Debug, Clone)]
pub(super) struct MembershipLog {
    log: Log,
    /// Signed once for each size.
    head: OnceLock<Signed<Checkpoint>>,
    /// Of the log as it is; none of an earlier size is of use to anybody.
    cosignatures: Cosignatures,
    members: BTreeMap<ClientId, Logged>,
    lists: Vec<List>,
}

#[derive(Debug, Clone)]
struct List {
    index: u64,
    round: Round,
    tree: MemberTree,
}

impl MembershipLog {
    pub(super) fn new(log: Log, lists: Vec<DrawListRecord>) -> Self {
        let mut members = BTreeMap::new();
        for entry in log
            .entries()
            .filter_map(|entry| LogEntry::decode(entry).ok())
        {
            note(&mut members, &entry);
        }
        let mut lists: Vec<List> = lists
            .into_iter()
            .filter_map(|record| {
                Some(List {
                    index: record.index,
                    round: record.round,
                    tree: MemberTree::new(record.leaves).ok()?,
                })
            })
            .collect();
        lists.sort_by_key(|list| list.index);
        Self {
            log,
            head: OnceLock::new(),
            cosignatures: Cosignatures::default(),
            members,
            lists,
        }
    }

    fn append(&mut self, entry: &LogEntry) -> (u64, Record) {
        note(&mut self.members, entry);
        self.head = OnceLock::new();
        self.cosignatures = Cosignatures::default();
        let index = self.log.append(entry);
        let entry = entry.encode();
        (index, Record::Log(LogRecord { index, entry }))
    }
}

fn note(members: &mut BTreeMap<ClientId, Logged>, entry: &LogEntry) {
    match entry {
        LogEntry::Admitted { client, package } => {
            let (package, present) = (*package, true);
            members.insert(*client, Logged { package, present });
        }
        LogEntry::Exited(statement) => {
            members.remove(&statement.unverified().client);
        }
        LogEntry::Suspended { client, .. } | LogEntry::Resumed { client, .. } => {
            if let Some(logged) = members.get_mut(client) {
                logged.present = matches!(entry, LogEntry::Resumed { .. });
            }
        }
        LogEntry::Epoch(_) | LogEntry::DrawList(_) => {}
    }
}

impl Provider {
    /// Entries that lead to the members of `record`, and its head. Sets the index of the head.
    pub(super) fn log_epoch(&mut self, record: &mut EpochRecord) -> Vec<Record> {
        let mut entries = self.exits();
        let round = record.first_round;
        let logged = &self.membership.members;
        entries.extend(record.members.iter().filter_map(|member| {
            let (client, package) = (member.client, member.package);
            let known = logged
                .get(&client)
                .is_some_and(|known| known.package == package);
            (!known).then_some(LogEntry::Admitted { client, package })
        }));
        let gone = logged.iter().filter(|(client, logged)| {
            let exited = self.members.get(client).map(|m| m.status) == Some(MemberStatus::Exited);
            logged.present && !exited && record.get(client).is_none()
        });
        entries.extend(gone.map(|(client, _)| LogEntry::Suspended {
            client: *client,
            round,
        }));
        let back = record.members.iter().filter(|member| {
            let logged = logged.get(&member.client);
            logged.is_some_and(|known| !known.present && known.package == member.package)
        });
        entries.extend(back.map(|member| LogEntry::Resumed {
            client: member.client,
            round,
        }));
        let mut records = Vec::new();
        for entry in entries {
            records.push(self.membership.append(&entry).1);
        }
        let (index, head) = self.membership.append(&LogEntry::Epoch(record.head()));
        record.log_index = index;
        records.push(head);
        records
    }

    /// Exits of members that the log still knows.
    fn exits(&self) -> Vec<LogEntry> {
        let known = self.membership.members.keys();
        let exited = known.filter_map(|client| self.members.get(client));
        let exited = exited.filter(|member| member.status == MemberStatus::Exited);
        exited
            .filter_map(|member| member.exit.clone().map(LogEntry::Exited))
            .collect()
    }

    /// A new draw list, if there are others to be drawn than before, or the last one is old.
    pub(super) fn log_draw_list(&mut self, round: Round) -> Vec<Record> {
        let leaves: Vec<MemberLeaf> = self
            .member_list()
            .as_slice()
            .iter()
            .map(|summary| MemberLeaf {
                client: summary.client,
                package: summary.package,
            })
            .collect();
        let fresh = self.membership.lists.last().is_some_and(|last| {
            last.tree.leaves() == leaves.as_slice()
                && round.number() < last.round.number().saturating_add(LIST_LIFETIME)
        });
        if fresh || leaves.is_empty() {
            return Vec::new();
        }
        let Ok(tree) = MemberTree::new(leaves.clone()) else {
            return Vec::new();
        };
        let (index, record) = self
            .membership
            .append(&LogEntry::DrawList(tree.draw_list(round)));
        let lists = &mut self.membership.lists;
        lists.push(List { index, round, tree });
        lists.drain(..lists.len().saturating_sub(LISTS_KEPT));
        let oldest = lists.first().map_or(index, |list| list.index);
        vec![
            record,
            Record::DrawList(DrawListRecord {
                index,
                round,
                oldest,
                leaves,
            }),
        ]
    }

    /// The checkpoint of the log as it is.
    pub fn checkpoint(&self) -> Signed<Checkpoint> {
        let head = &self.membership.head;
        head.get_or_init(|| self.membership.log.head(&self.setup.key))
            .clone()
    }

    /// What a witness is to be asked to cosign, whose last cosignature is of the first `old_size` entries.
    ///
    /// # Errors
    /// [`Refusal::LogIndex`] if the log has never had so many entries.
    pub fn cosign_request(&self, old_size: u64) -> Result<CosignRequest, Refusal> {
        let log = &self.membership.log;
        let path = log.consistency(old_size).ok_or(Refusal::LogIndex {
            index: old_size,
            size: log.len(),
        })?;
        Ok(CosignRequest {
            old_size,
            path,
            checkpoint: self.checkpoint(),
        })
    }

    /// Takes a witness's cosignature of the log as it is, to be shown with it until the log grows.
    /// `false` if there are as many of others as an answer holds.
    ///
    /// Whoever drives the provider keeps it, if it is to be shown after a restart.
    ///
    /// # Errors
    /// [`CosignatureError`] if it is not by `witness`, or not of the log as it is.
    pub fn cosigned(
        &mut self,
        witness: &Witness,
        cosignature: Signed<Cosignature>,
    ) -> Result<bool, CosignatureError> {
        witness.verify(&cosignature, self.checkpoint().unverified())?;
        Ok(self.membership.cosignatures.insert(cosignature))
    }

    /// Cosignatures of the log as it is.
    pub fn cosignatures(&self) -> &Cosignatures {
        &self.membership.cosignatures
    }

    /// The membership log.
    pub fn log(&self) -> &Log {
        &self.membership.log
    }

    /// The entry at `index`, for a gateway that knows the first `from`.
    ///
    /// # Errors
    /// [`Refusal::LogIndex`] if there are not so many.
    pub fn log_proof(&self, index: u64, from: u64) -> Result<LogProof, Refusal> {
        let log = &self.membership.log;
        let missing = || Refusal::LogIndex {
            index: index.max(from),
            size: log.len(),
        };
        let entry = log.entry(index).ok_or_else(missing)?;
        Ok(LogProof {
            checkpoint: self.checkpoint(),
            cosignatures: self.membership.cosignatures.clone(),
            from,
            consistency: log.consistency(from).ok_or_else(missing)?,
            index,
            entry: LogEntry::decode(entry)?,
            inclusion: log.inclusion(index).ok_or_else(missing)?,
        })
    }

    /// That two earlier sizes are of one log, in ascending order.
    ///
    /// # Errors
    /// [`Refusal::LogIndex`] if the log has never had so many entries.
    pub fn common_log(&self, small: u64, large: u64) -> Result<CommonLog, Refusal> {
        let log = &self.membership.log;
        let path = |index| {
            let size = log.len();
            log.consistency(index)
                .ok_or(Refusal::LogIndex { index, size })
        };
        Ok(CommonLog {
            checkpoint: self.checkpoint(),
            small,
            small_path: path(small)?,
            large,
            large_path: path(large)?,
        })
    }

    /// The newest draw list as `client` is to see it.
    ///
    /// # Errors
    /// [`Refusal::NotListed`] if it is not in it; as [`Provider::log_proof`].
    pub fn draw_list(&self, client: ClientId, from: u64) -> Result<DrawListView, Refusal> {
        let list = self.membership.lists.last();
        let list = list.ok_or(Refusal::NotListed { client })?;
        let own_index = list.tree.index_of(&client);
        let own_index = own_index.ok_or(Refusal::NotListed { client })?;
        let own_path = list.tree.inclusion(own_index);
        Ok(DrawListView {
            proof: self.log_proof(list.index, from)?,
            own_index,
            own_path: own_path.ok_or(Refusal::NotListed { client })?,
        })
    }

    /// Members of the list whose entry has that index in the log, at most [`MOST_LISTED`] of them, each
    /// with its key package in force.
    ///
    /// # Errors
    /// [`Refusal::LogIndex`] if there is no such list any more.
    pub fn listed(&self, list: u64, at: &[u32]) -> Result<ListedMembers, Refusal> {
        let known = self
            .membership
            .lists
            .iter()
            .find(|known| known.index == list);
        let known = known.ok_or(Refusal::LogIndex {
            index: list,
            size: self.membership.log.len(),
        })?;
        let members = at.iter().take(MOST_LISTED).filter_map(|index| {
            let leaf = *known.tree.leaf(*index)?;
            let member = self.members.get(&leaf.client)?;
            Some(ListedMember {
                index: *index,
                leaf,
                path: known.tree.inclusion(*index)?,
                package: member.package.clone(),
            })
        });
        Ok(ListedMembers {
            list,
            members: members.collect(),
        })
    }
}
