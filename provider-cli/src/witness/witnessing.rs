//! A witness that runs: it persists, then answers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::membership::checkpoint::LogFault;
use dcnet_protocol::membership::witness::{CosignError, CosignRequest, Cosignature, Witnessed};
use dcnet_protocol::names::{NetId, WitnessName};
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::Signed;

use super::folder::{Folder, FolderError};

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CosignRefusal {
    /// The owner has not added it.
    #[error("net {0} with these parameters is not followed here")]
    UnknownNet(NetId),
    /// What it says.
    #[error(transparent)]
    Cosign(#[from] CosignError),
    /// The disk.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A witness and the nets that it was asked about.
pub(crate) struct Witnessing {
    folder: Folder,
    nets: Mutex<HashMap<DescriptorHash, Arc<Mutex<Witnessed>>>>,
    _lock: File,
}

impl Witnessing {
    /// Opens the folder of a witness and keeps other servers away from it.
    ///
    /// # Errors
    /// [`FolderError`] if that is not possible, or the last checkpoint of a net cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = Folder::open(path)?;
        let lock = folder.lock()?;
        // What is wrong is said to whoever starts it, rather than when it is asked.
        for hash in folder.nets()? {
            folder.load(hash)?;
        }
        Ok(Self {
            folder,
            nets: Mutex::default(),
            _lock: lock,
        })
    }

    pub(crate) fn name(&self) -> WitnessName {
        self.folder.name
    }

    /// Cosigns at `now`. What is cosigned is on the disk when this returns. Blocks.
    ///
    /// # Errors
    /// [`CosignRefusal`]; then nothing is cosigned.
    pub(crate) fn cosign(
        &self,
        request: &CosignRequest,
        now: UnixTime,
    ) -> Result<Signed<Cosignature>, CosignRefusal> {
        let shown = request.checkpoint.unverified();
        let known = self
            .net(shown.descriptor)?
            .ok_or(CosignRefusal::UnknownNet(shown.net))?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ahead = known.clone();
        let cosigned = ahead.cosign(request, self.folder.name, &self.folder.key, now);
        let cosignature = cosigned.inspect_err(|error| self.refused(&known, error))?;
        if ahead.follower() != known.follower() {
            let stored = self.folder.store(shown.descriptor, ahead.follower());
            stored.inspect_err(|error| tracing::error!(%error, "nothing is cosigned"))?;
        }
        *known = ahead;
        tracing::info!(net = %shown.net, size = shown.size, "cosigned");
        Ok(cosignature)
    }

    fn refused(&self, known: &Witnessed, error: &CosignError) {
        let net = known.descriptor().net();
        match error {
            CosignError::Log(LogFault::Fork(conflict)) => {
                match self.folder.keep_evidence(known.descriptor(), conflict) {
                    Ok(path) => {
                        let evidence = path.display();
                        tracing::error!(%net, %evidence, "the provider has signed two logs");
                    }
                    Err(failed) => tracing::error!(%net, %failed, "evidence is not kept"),
                }
            }
            // As after every start of a provider.
            CosignError::OldSize { .. } => tracing::debug!(%net, %error, "not cosigned"),
            CosignError::Shrunk { .. } | CosignError::Log(_) => {
                tracing::warn!(%net, %error, "not cosigned");
            }
        }
    }

    /// Nets may be added while the witness runs.
    fn net(&self, hash: DescriptorHash) -> Result<Option<Arc<Mutex<Witnessed>>>, FolderError> {
        let mut nets = self.nets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match nets.entry(hash) {
            Entry::Occupied(known) => Some(Arc::clone(known.get())),
            Entry::Vacant(place) => self
                .folder
                .load(hash)
                .inspect_err(|error| tracing::error!(%error, "nothing of a net is cosigned"))?
                .map(|net| Arc::clone(place.insert(Arc::new(Mutex::new(net))))),
        })
    }
}
