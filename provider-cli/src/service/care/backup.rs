//! `dcnet store backup` and `restore`.
//!
//! A restored store is an earlier state of one that went on. What went on must not be decided a second time:
//! two rosters of one round are evidence against the provider, and so is a roster without somebody who has a
//! receipt. So a restored net closes all rounds of which frames may have been taken; it has no sums of them.

use std::path::{Path, PathBuf};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::{ClientSet, NetId};
use dcnet_protocol::provider::{EpochRecord, RoundOutcome, RoundStatus};
use dcnet_protocol::round::Round;

use crate::files::{self, CreateFileError};
use crate::service::admin::decode_descriptor;
use crate::service::audit_trail::Action;
use crate::service::{Admin, AdminError, convert, now};
use crate::store::{Copied, Location, NetRow, OutcomeRow, Store, StoreError};

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] CreateFileError),
    #[error(
        "the backup {file} was not written, and nothing of it is left: {source}; is there room, and are its \
         folder and the store sound?", file = file.display()
    )]
    NotWritten { file: PathBuf, source: StoreError },
    #[error(
        "the backup {file} is not sound, and nothing was restored; `dcnet store check --store {file}` says \
         what is wrong", file = .0.display()
    )]
    Unsound(PathBuf),
    #[error("the restored store is not sound; `dcnet store check` says what is wrong")]
    RestoredUnsound,
}

/// What is done to restore a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A net is checked: in the backup, and at last in the restored store.
    Checks(NetId),
    /// A table is copied.
    Copies(Copied),
}

impl Admin {
    /// Writes a backup to a new file; nothing is there before it is complete.
    pub(crate) async fn backup(
        &self,
        path: &Path,
        progress: impl FnMut(Copied),
    ) -> Result<Vec<Copied>, BackupError> {
        let temporary = files::beside(path)?;
        let dumped = self.store.dump(&temporary, progress).await;
        let result = match dumped {
            Ok(copied) => files::publish(&temporary, path)
                .map(|()| copied)
                .map_err(BackupError::File),
            Err(source) => Err(BackupError::NotWritten {
                file: path.to_owned(),
                source,
            }),
        };
        if result.is_ok() {
            let file = path.display().to_string();
            self.note(Action::BackupWritten, &[], &file).await?;
        } else {
            // What matters is why; a temporary file that stays is only untidy. SQLite has two beside it.
            for end in ["", "-wal", "-shm"] {
                let mut name = temporary.clone().into_os_string();
                name.push(end);
                let _ = std::fs::remove_file(name);
            }
        }
        result
    }

    /// Restores the backup at `path` into this store, which must be empty.
    pub(crate) async fn restore(
        &self,
        path: &Path,
        progress: impl FnMut(Step),
    ) -> Result<Vec<Copied>, BackupError> {
        let backup = Self::open(&Location::from(path)).await?;
        let result = self.restore_from(&backup, path, progress).await;
        backup.close().await;
        result
    }

    async fn restore_from(
        &self,
        backup: &Self,
        path: &Path,
        mut progress: impl FnMut(Step),
    ) -> Result<Vec<Copied>, BackupError> {
        let checked = backup.check(|net| progress(Step::Checks(net))).await?;
        if !checked.problems.is_empty() {
            return Err(BackupError::Unsound(path.to_owned()));
        }
        let mut closed = Vec::new();
        for row in backup.store.nets().await? {
            closed.extend(closing(&backup.store, &row).await?);
        }
        let copied = backup
            .store
            .restore_into(&self.store, &closed, |copied| {
                progress(Step::Copies(copied));
            })
            .await?;
        let checked = self.check(|net| progress(Step::Checks(net))).await?;
        if checked.problems.is_empty() {
            let file = path.display().to_string();
            self.note(Action::StoreRestored, &[], &file).await?;
            Ok(copied)
        } else {
            Err(BackupError::RestoredUnsound)
        }
    }
}

/// The outcome that closes all rounds of a net of which the provider may have taken frames by now. None of a
/// net that never had an epoch, or of which a later round is final.
async fn closing(store: &Store, row: &NetRow) -> Result<Option<OutcomeRow>, StoreError> {
    let descriptor = decode_descriptor(row)?;
    let round = newest_round(&descriptor);
    let last = store.outcomes(row.net, None, None, Some(1)).await?.pop();
    if last.is_some_and(|(last, _)| last >= round.number()) {
        return Ok(None);
    }
    let epochs = store.latest_epochs(row.net, i64::MAX).await?;
    let in_force = epochs
        .iter()
        .rfind(|epoch| epoch.first_round <= round.number());
    let Some(in_force) = in_force else {
        return Ok(None);
    };
    let epoch: EpochRecord = convert::decode(&in_force.record)?;
    let outcome = RoundOutcome {
        round,
        epoch: epoch.epoch,
        status: RoundStatus::Interrupted,
        sum: None,
        contributors: ClientSet::default(),
        silent: ClientSet::default(),
        missing: epoch.members.iter().map(|member| member.client).collect(),
        members: u32::try_from(epoch.members.len()).unwrap_or(u32::MAX),
        wrong_shares: Vec::new(),
        unrecovered: ClientSet::default(),
    };
    Ok(Some(OutcomeRow {
        net: row.net,
        round: round.number(),
        outcome: outcome.encode(),
    }))
}

/// The last round of which frames are taken by now.
fn newest_round(descriptor: &NetDescriptor) -> Round {
    let (schedule, now) = (descriptor.schedule(), now());
    let metered = schedule.round_at(now);
    if schedule.intake_opens(metered.next()) <= now {
        metered.next()
    } else {
        metered
    }
}
