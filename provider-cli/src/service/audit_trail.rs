//! The audit trail: who did what with the store, in entries that cannot be changed unnoticed.
//!
//! `docs/adr/0037-an-audit-trail-that-is-only-appended-to.md` says what it protects from.

mod actor;
mod filter;
mod leaving;

use std::fmt;
use std::str::FromStr;

use dcnet_protocol::names::NetId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admin::{hex, rfc3339, unhex};
use super::{Admin, AdminError, now};
use crate::operator::Operator;
use crate::store::{Store, StoreError, TrailHash, TrailRow, trail_hash};

pub(crate) use actor::Actor;
pub(crate) use filter::TrailFilter;

/// Rows that are read at a time.
const PAGE: u32 = 1000;

/// Without what a terminal would obey when the entry is shown.
fn clean(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control())
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// A net was created.
    NetCreated,
    /// An order was given to a net; what came of it `dcnet net audit` tells.
    Ordered,
    /// Old rows were deleted, by hand or by a server as its configuration says.
    StorePruned,
    /// A backup was written.
    BackupWritten,
    /// This store was made out of a backup.
    StoreRestored,
    /// Sums were about to be taken elsewhere: written before they leave.
    Exported,
    /// An export did not come to its end; of one that was killed nobody can say so.
    ExportBrokenOff,
    /// An exporter that goes on by itself was started.
    ExporterStarted,
    /// Somebody asked over HTTPS for what their certificate is not for.
    Refused,
    /// A server began to serve the store. What it takes of nets and ends of rounds is not noted.
    ServerStarted,
    /// A server came to its end in an orderly way; one that was killed has no such entry.
    ServerStopped,
    /// A server goes on with certificates, keys and revocation lists that it has read again.
    CertificatesRead,
}

impl Action {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NetCreated => "net-created",
            Self::Ordered => "ordered",
            Self::StorePruned => "store-pruned",
            Self::BackupWritten => "backup-written",
            Self::StoreRestored => "store-restored",
            Self::Exported => "exported",
            Self::ExportBrokenOff => "export-broken-off",
            Self::ExporterStarted => "exporter-started",
            Self::Refused => "refused",
            Self::ServerStarted => "server-started",
            Self::ServerStopped => "server-stopped",
            Self::CertificatesRead => "certificates-read",
        }
    }
}

/// What is written down of something that was done. Never a secret, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noted {
    /// RFC 3339, UTC.
    at: String,
    actor: Actor,
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    net: Option<String>,
    /// If it is about more than one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    nets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    detail: Option<String>,
}

impl Noted {
    /// Done now by `actor`, with these nets.
    pub(crate) fn new(actor: Actor, action: Action, nets: &[NetId], detail: &str) -> Self {
        let mut nets: Vec<String> = nets.iter().map(NetId::to_string).collect();
        let net = if nets.len() == 1 { nets.pop() } else { None };
        Self {
            at: rfc3339(now()),
            actor,
            action,
            net,
            nets,
            detail: (!detail.is_empty()).then(|| clean(detail).collect()),
        }
    }

    /// As it is stored and hashed.
    pub(crate) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// Writes down what was done; the number of the entry.
///
/// # Errors
/// [`StoreError`] if it is not in the store: then it must not be done, or is told as failed.
pub(crate) async fn note(store: &Store, noted: &Noted) -> Result<u64, StoreError> {
    store.append_to_trail(&noted.text()).await
}

/// An entry as tables and JSON show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TrailEntryView {
    /// 1, 2, 3, …
    pub(crate) number: u64,
    /// RFC 3339, UTC.
    pub(crate) at: String,
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) net: Option<String>,
    /// If it is about more than one net, all of them; otherwise empty.
    pub(crate) nets: Vec<String>,
    pub(crate) detail: Option<String>,
    /// The entry as it is stored and hashed.
    pub(crate) text: String,
    /// Of the trail up to here, in hexadecimal digits: SHA-256 over "dcnet audit trail v1", the number (8
    /// bytes, big endian), the hash before it (32 bytes, zeros before the first) and `text`.
    pub(crate) hash: String,
}

impl TrailEntryView {
    pub(super) fn of(row: &TrailRow) -> Result<Self, StoreError> {
        let noted: Noted = serde_json::from_str(&row.entry).map_err(|error| {
            StoreError::Corrupt(format!("entry {} of the audit trail: {error}", row.number))
        })?;
        Ok(Self {
            number: row.number,
            at: noted.at,
            actor: noted.actor,
            action: noted.action,
            net: noted.net,
            nets: noted.nets,
            detail: noted.detail,
            text: row.entry.clone(),
            hash: hex(&row.hash),
        })
    }
}

/// A trail up to its entry `size`: what an auditor keeps to see later that it was only appended to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrailHead {
    pub(crate) size: u64,
    pub(crate) hash: TrailHash,
}

impl TrailHead {
    /// Of a trail without entries.
    pub(super) const EMPTY: Self = Self {
        size: 0,
        hash: [0; 32],
    };

    /// That of the trail whose last entry is `row`, as it stands in the store.
    pub(super) fn of(row: &TrailRow) -> Result<Self, StoreError> {
        let number = row.number;
        let hash = row.hash.as_slice().try_into().map_err(|_| {
            StoreError::Corrupt(format!(
                "entry {number} of the audit trail: its hash has {} bytes",
                row.hash.len()
            ))
        })?;
        Ok(Self { size: number, hash })
    }
}

impl fmt::Display for TrailHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.size, hex(&self.hash))
    }
}

/// The head of the trail, as it is shown over HTTPS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TrailHeadView {
    /// Number of entries.
    pub(crate) size: u64,
    pub(crate) hash: String,
    /// `SIZE:HASH`, as `dcnet audit-log verify --seen` takes it.
    pub(crate) head: String,
}

/// Not the head of a trail.
#[derive(Debug, thiserror::Error)]
#[error("a head is SIZE:HASH with 64 hexadecimal digits, as `dcnet audit-log verify` prints it")]
pub(crate) struct NoHead;

impl FromStr for TrailHead {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let (size, digits) = text.split_once(':').ok_or(NoHead)?;
        let size = size.parse().map_err(|_| NoHead)?;
        let hash = unhex(digits).ok_or(NoHead)?;
        Ok(Self { size, hash })
    }
}

/// What a look through the whole trail found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TrailVerified {
    /// Number of entries.
    pub(crate) entries: u64,
    /// `SIZE:HASH`: to be kept, and given to the next look with `--seen`.
    pub(crate) head: String,
    /// Heads seen before that this trail extends.
    pub(crate) extends: usize,
    /// What is wrong, in the order in which it was found.
    pub(crate) problems: Vec<String>,
}

impl Admin {
    /// Writes down what was done at a command line; nothing if the store is a backup, which is only read.
    pub(crate) async fn note(
        &self,
        action: Action,
        nets: &[NetId],
        detail: &str,
    ) -> Result<(), StoreError> {
        if self.store.is_backup() {
            return Ok(());
        }
        let noted = Noted::new(Actor::console(), action, nets, detail);
        note(&self.store, &noted).await.map(drop)
    }

    /// Writes down what somebody did over HTTPS.
    pub(crate) async fn note_of(
        &self,
        operator: &Operator,
        action: Action,
        net: Option<NetId>,
        detail: &str,
    ) -> Result<(), AdminError> {
        let noted = Noted::new(Actor::from(operator), action, net.as_slice(), detail);
        Ok(note(&self.store, &noted).await.map(drop)?)
    }

    /// The last `most` entries that fit, ascending.
    pub(crate) async fn trail(
        &self,
        filter: &TrailFilter,
        most: u32,
    ) -> Result<Vec<TrailEntryView>, AdminError> {
        if filter.is_empty() {
            let rows = self.store.trail_end(most).await?;
            return Ok(rows
                .iter()
                .map(TrailEntryView::of)
                .collect::<Result<_, _>>()?);
        }
        let mut found = std::collections::VecDeque::new();
        let mut after = 0;
        loop {
            let rows = self.store.trail(after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(found.into());
            };
            after = last.number;
            for row in &rows {
                let entry = TrailEntryView::of(row)?;
                if filter.fits(&entry) {
                    found.push_back(entry);
                }
                if found.len() > usize::try_from(most).unwrap_or(usize::MAX) {
                    found.pop_front();
                }
            }
        }
    }

    /// Computes the whole trail anew, and holds it against heads that were seen before.
    pub(crate) async fn verify_trail(
        &self,
        seen: &[TrailHead],
        mut progress: impl FnMut(u64),
    ) -> Result<TrailVerified, AdminError> {
        let mut problems = Vec::new();
        let mut hash = TrailHash::default();
        let (mut last, mut extends) = (0, 0);
        let mut heads = seen.to_vec();
        heads.sort_by_key(|head| head.size);
        heads.dedup();
        let mut heads = heads.into_iter().peekable();
        let mut compare = |size: u64, hash: &TrailHash, problems: &mut Vec<String>| {
            while let Some(head) = heads.next_if(|head| head.size <= size) {
                if head.size == size && head.hash == *hash {
                    extends += 1;
                } else {
                    problems.push(format!(
                        "the first {} entries are not those that were seen before",
                        head.size
                    ));
                }
            }
        };
        compare(0, &hash, &mut problems);
        loop {
            let rows = self.store.trail(last, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if row.number != last + 1 {
                    let missing = last + 1;
                    problems.push(format!(
                        "there is no entry {missing} before entry {}",
                        row.number
                    ));
                }
                last = row.number;
                hash = trail_hash(row.number, &hash, &row.entry);
                if row.hash != hash {
                    problems.push(format!("entry {last} is not the one that was written"));
                    // What follows was bound to what is stored: look whether that holds at least.
                    hash = row.hash.as_slice().try_into().unwrap_or(hash);
                }
                if let Err(error) = TrailEntryView::of(&row) {
                    problems.push(error.to_string());
                }
                compare(last, &hash, &mut problems);
            }
            progress(last);
        }
        for head in heads {
            problems.push(format!(
                "{} entries were seen before, and there are {last} now",
                head.size
            ));
        }
        Ok(TrailVerified {
            entries: last,
            head: TrailHead { size: last, hash }.to_string(),
            extends,
            problems,
        })
    }
}

#[cfg(test)]
mod tests;
