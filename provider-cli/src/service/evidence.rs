//! Evidence of a provider's lies: files that gateways have kept, read and judged; one, or a folder.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use dcnet_protocol::evidence::{EvidenceError, EvidenceFile, Proof};
use schemars::JsonSchema;
use serde::Serialize;

use super::hex;
use crate::files;

/// Largest file that is looked at, in bytes: two rosters, or a manifest, of the largest nets fit.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Files of a folder that are looked at; there is something very wrong long before.
const MOST_FILES: usize = 1000;

/// Why a file was not judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadableError {
    #[error("cannot read the evidence {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the evidence {} has more than {MAX_FILE} bytes", .0.display())]
    Size(PathBuf),
    #[error("the evidence {}: {source}", path.display())]
    Evidence {
        path: PathBuf,
        source: EvidenceError,
    },
}

/// What was found in a file, for programs and people.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Judgement")]
pub(crate) struct Finding {
    pub(crate) proves: bool,
    /// Stable name of what is proved.
    pub(crate) kind: Option<&'static str>,
    /// A sentence: what is proved, or why nothing is.
    pub(crate) text: String,
    pub(crate) net: String,
    pub(crate) region: String,
    pub(crate) round: Option<u64>,
    pub(crate) descriptor_hash: String,
    pub(crate) provider_key: String,
}

impl Finding {
    /// Judges the file at `path`; its net descriptor must have the hash `wanted`, if one is given.
    pub(crate) fn of_file(path: &Path, wanted: Option<&str>) -> Result<Self, UnreadableError> {
        let bytes = read(path)?;
        let file =
            EvidenceFile::from_bytes(&bytes).map_err(|source| UnreadableError::Evidence {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self::of(&file, wanted))
    }

    fn of(file: &EvidenceFile, wanted: Option<&str>) -> Self {
        let descriptor = file.descriptor();
        let hash = descriptor.hash().to_string();
        let of_other_net = wanted.filter(|wanted| *wanted != hash);
        let (proves, kind, round, text) = match (of_other_net, file.verify()) {
            (Some(wanted), _) => {
                let text = format!("the net descriptor in it has the hash {hash}, not {wanted}");
                (false, None, None, text)
            }
            (None, Err(error)) => (false, None, None, error.to_string()),
            (None, Ok(proof)) => {
                let (kind, round) = match proof {
                    Proof::Rosters { round } => ("two-rosters", Some(round.number())),
                    Proof::Receipt { round } => ("receipt-against-roster", Some(round.number())),
                    Proof::Checkpoints { .. } => ("two-logs", None),
                };
                (true, Some(kind), round, proof.to_string())
            }
        };
        Self {
            proves,
            kind,
            text,
            net: descriptor.net().to_string(),
            region: descriptor.region().to_owned(),
            round,
            descriptor_hash: hash,
            provider_key: hex(&descriptor.parameters().provider_key),
        }
    }
}

/// A folder into which the operator puts evidence that was received. Only names that end in `.bin` are
/// looked at.
#[derive(Debug)]
pub(crate) struct EvidenceFolder {
    path: PathBuf,
    /// What was found, while the file stays as it is: signatures are not verified twice.
    known: Mutex<HashMap<PathBuf, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    length: u64,
    changed: Option<SystemTime>,
    found: Result<Finding, String>,
}

/// A file of the folder.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Name of the file.
    pub(crate) name: String,
    /// What it says, or why it cannot be read.
    pub(crate) found: Result<Finding, String>,
}

impl EvidenceFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// What the operating system says if it cannot be listed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        Ok(Self {
            path: path.to_owned(),
            known: Mutex::default(),
        })
    }

    /// All files by name, and whether there are more than are looked at.
    ///
    /// # Errors
    /// What the operating system says if it cannot be listed.
    pub(crate) fn look(&self) -> io::Result<(Vec<Received>, bool)> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "bin") {
                paths.push(path);
            }
        }
        paths.sort();
        let has_more = paths.len() > MOST_FILES;
        paths.truncate(MOST_FILES);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path, _| paths.binary_search(path).is_ok());
        let received = paths.into_iter().map(|path| {
            let state = fs::metadata(&path);
            let (length, changed) =
                state.map_or((0, None), |state| (state.len(), state.modified().ok()));
            let is_known = known
                .get(&path)
                .is_some_and(|known| (known.length, known.changed) == (length, changed));
            if !is_known {
                let found = Finding::of_file(&path, None).map_err(|error| error.to_string());
                let news = Known {
                    length,
                    changed,
                    found,
                };
                known.insert(path.clone(), news);
            }
            let name = path.file_name().unwrap_or_default();
            Received {
                name: name.to_string_lossy().into_owned(),
                found: known.get(&path).map_or_else(
                    || Err("it has gone".to_owned()),
                    |known| known.found.clone(),
                ),
            }
        });
        Ok((received.collect(), has_more))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, UnreadableError> {
    let bytes = files::read_at_most(path, MAX_FILE).map_err(|source| UnreadableError::Read {
        path: path.to_owned(),
        source,
    })?;
    bytes.ok_or_else(|| UnreadableError::Size(path.to_owned()))
}
