//! How far an exporter is: a small file that is replaced after each delivery.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ExportError;
use crate::files::{self, Access};

/// The newest round of each net that has arrived, durably.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    pub(super) reached: Reached,
}

/// What stands in the file.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reached {
    version: u8,
    /// Rounds by net.
    pub(super) rounds: BTreeMap<String, u64>,
    /// How much of a file that grows is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<Extent>,
}

/// A file of ours and how long it was when the cursor was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extent {
    /// By which a file that was moved away is told from the one in its place.
    pub(super) inode: u64,
    pub(super) length: u64,
}

const VERSION: u8 = 1;

impl Cursor {
    /// The cursor of an exporter in the folder `state`; at the beginning if there is none.
    pub(super) fn load(state: &Path, exporter: &str) -> Result<Self, ExportError> {
        let path = state.join(format!("{exporter}.json"));
        let unreadable = |reason: String| ExportError::Cursor {
            path: path.clone(),
            reason,
        };
        let reached = match std::fs::read(&path) {
            Ok(bytes) => {
                let reached: Reached = serde_json::from_slice(&bytes)
                    .map_err(|error| unreadable(error.to_string()))?;
                if reached.version != VERSION {
                    return Err(unreadable(format!("its version is {}", reached.version)));
                }
                reached
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Reached {
                version: VERSION,
                ..Reached::default()
            },
            Err(error) => return Err(unreadable(error.to_string())),
        };
        Ok(Self { path, reached })
    }

    /// Writes it; it is on the disk when this returns.
    pub(super) fn save(&self) -> Result<(), ExportError> {
        let mut text = serde_json::to_vec_pretty(&self.reached).map_err(std::io::Error::from)?;
        text.push(b'\n');
        Ok(files::replace(&self.path, &text, Access::Everybody)?)
    }
}
