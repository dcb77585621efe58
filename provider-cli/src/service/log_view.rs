//! The membership log as tables and JSON show it.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::merkle::MerkleRoot;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::hex;
use crate::store::{LogRow, StoreError};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct EntryView {
    pub(crate) index: u64,
    /// `admitted`, `exited`, `suspended`, `resumed`, `epoch` or `draw-list`.
    pub(crate) kind: &'static str,
    /// Of a member's entry.
    pub(crate) client: Option<String>,
    /// Hash of the key package of whoever was admitted.
    pub(crate) package: Option<String>,
    /// Reason of a suspension or resumption, first round of an epoch, or round of a draw list.
    pub(crate) round: Option<u64>,
    pub(crate) epoch: Option<u64>,
    /// Number of members of an epoch or of a draw list.
    pub(crate) members: Option<u32>,
    /// Root over them.
    pub(crate) root: Option<String>,
}

impl EntryView {
    /// As it stands in the store.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is no entry.
    pub(super) fn of(row: &LogRow) -> Result<Self, StoreError> {
        let entry = LogEntry::decode(&row.entry).map_err(|error| {
            StoreError::Corrupt(format!("entry {} of the log: {error}", row.index))
        })?;
        let index = row.index;
        Ok(match entry {
            LogEntry::Admitted { client, package } => Self {
                package: Some(hex(package.as_bytes())),
                ..Self::member(index, "admitted", client, None)
            },
            LogEntry::Exited(exit) => Self::member(index, "exited", exit.unverified().client, None),
            LogEntry::Suspended { client, round } => {
                Self::member(index, "suspended", client, Some(round))
            }
            LogEntry::Resumed { client, round } => {
                Self::member(index, "resumed", client, Some(round))
            }
            LogEntry::Epoch(head) => Self {
                epoch: Some(head.epoch.number()),
                ..Self::tree(
                    index,
                    "epoch",
                    head.first_round,
                    head.members,
                    head.member_root,
                )
            },
            LogEntry::DrawList(list) => {
                Self::tree(index, "draw-list", list.round, list.members, list.root)
            }
        })
    }

    fn member(index: u64, kind: &'static str, client: ClientId, round: Option<Round>) -> Self {
        Self {
            index,
            kind,
            client: Some(client.to_string()),
            package: None,
            round: round.map(Round::number),
            epoch: None,
            members: None,
            root: None,
        }
    }

    fn tree(index: u64, kind: &'static str, round: Round, members: u32, root: MerkleRoot) -> Self {
        Self {
            index,
            kind,
            client: None,
            package: None,
            round: Some(round.number()),
            epoch: None,
            members: Some(members),
            root: Some(root.to_string()),
        }
    }

    /// Who or what it is about, for people.
    pub(crate) fn subject(&self) -> String {
        let start = |text: &Option<String>| -> String {
            text.iter().flat_map(|text| text.chars().take(16)).collect()
        };
        match (&self.client, self.epoch, self.members) {
            (Some(client), _, _) if self.package.is_some() => {
                format!("{client}, key package {}…", start(&self.package))
            }
            (Some(client), _, _) => client.clone(),
            (None, Some(epoch), Some(members)) => {
                format!(
                    "epoch {epoch}: {members} members, root {}…",
                    start(&self.root)
                )
            }
            (None, _, members) => {
                let members = members.unwrap_or(0);
                format!("{members} may be drawn, root {}…", start(&self.root))
            }
        }
    }
}
