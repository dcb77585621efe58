//! What can go wrong between the store and a target.

use std::path::PathBuf;

use super::config::ExportConfigError;
use super::mscons::MsconsError;
use crate::files::CreateFileError;
use crate::service::AdminError;

/// Why an export did not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Config(#[from] ExportConfigError),
    #[error(transparent)]
    Mscons(#[from] MsconsError),
    #[error(transparent)]
    File(#[from] CreateFileError),
    #[error("another `dcnet export run` uses the folder {}: each needs a `state` of its own", .0.display())]
    InUse(PathBuf),
    #[error("cannot use the state folder {}: {source}", path.display())]
    State {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the cursor {} cannot be read: {reason}; move it away and the exporter begins anew", path.display())]
    Cursor { path: PathBuf, reason: String },
    #[error("{} was not begun by this exporter; move it away or name another file", .0.display())]
    ForeignFile(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Append {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
    #[error("the MQTT broker {broker} does not take values: {reason}")]
    Mqtt { broker: String, reason: String },
    #[error("PostgreSQL does not take values: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("{url} does not take values: {reason}")]
    Http { url: String, reason: String },
    #[error("{0} exporters did not finish; the reasons are in the log")]
    Unfinished(usize),
}
