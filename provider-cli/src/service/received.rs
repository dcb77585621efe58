//! Evidence that was received, as operators are shown it over HTTPS.

use std::collections::HashMap;
use std::io;

use dcnet_protocol::names::NetId;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::{Admin, AdminError, decode_descriptor};
use super::evidence::{EvidenceFolder, Finding};

/// What is in the folder of evidence.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct EvidenceView {
    /// By name; null if this server was given no folder.
    pub(crate) files: Option<Vec<ReceivedView>>,
    /// That there are more files than are looked at.
    pub(crate) more: bool,
}

/// A file of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ReceivedView {
    /// Name of the file.
    pub(crate) file: String,
    /// The net of this store whose very descriptor the file has, not only its name; null if there is none.
    pub(crate) net: Option<String>,
    /// As `dcnet verify-evidence` prints it; null if the file cannot be read.
    pub(crate) judgement: Option<Finding>,
    /// Why the file cannot be read; null if it can.
    pub(crate) error: Option<String>,
}

/// The nets of a store by the hash of their descriptor, as evidence names it.
pub(crate) struct NetsByHash(HashMap<String, NetId>);

impl Admin {
    /// By what evidence names a net.
    pub(crate) async fn nets_by_hash(&self) -> Result<NetsByHash, AdminError> {
        let mut nets = HashMap::new();
        for row in self.store.nets().await? {
            nets.insert(decode_descriptor(&row)?.hash().to_string(), row.net);
        }
        Ok(NetsByHash(nets))
    }
}

impl EvidenceView {
    /// Where there is no folder.
    pub(crate) const fn nothing() -> Self {
        Self {
            files: None,
            more: false,
        }
    }

    /// Looks into the folder. It verifies signatures of files that have come or changed: not to be called
    /// where others wait.
    ///
    /// # Errors
    /// What the operating system says if it cannot be listed.
    pub(crate) fn of(folder: &EvidenceFolder, nets: &NetsByHash) -> io::Result<Self> {
        let (received, more) = folder.look()?;
        let files = received.into_iter().map(|received| {
            let (judgement, error) = match received.found {
                Ok(judgement) => (Some(judgement), None),
                Err(error) => (None, Some(error)),
            };
            let hash = judgement.as_ref().map(|found| &found.descriptor_hash);
            let net = hash.and_then(|hash| nets.0.get(hash));
            ReceivedView {
                file: received.name,
                net: net.map(NetId::to_string),
                judgement,
                error,
            }
        });
        Ok(Self {
            files: Some(files.collect()),
            more,
        })
    }
}
