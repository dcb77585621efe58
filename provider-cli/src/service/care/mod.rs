//! Care of the store: what is in it, whether it is sound, what may go, backups.

mod backup;
mod check;
mod prune;
mod stats;

pub(crate) use backup::{BackupError, Step};
pub(crate) use check::Checked;
pub(crate) use prune::Pruned;
pub use prune::Retention;
pub(super) use prune::start as start_pruning;
pub(crate) use stats::StoreStats;

pub(crate) use crate::store::Copied;
