//! `dcnet verify-evidence`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use dcnet_protocol::evidence::{EvidenceError, EvidenceFile, Proof};
use schemars::JsonSchema;
use serde::Serialize;

use super::{CliError, JsonArg, Outcome, output};
use crate::service::hex;

/// Largest file that is looked at, in bytes: two rosters, or a manifest, of the largest nets fit.
const MAX_FILE: u64 = 16 * 1024 * 1024;

const AFTER_HELP: &str = "\
Exit codes of this command:
  0  the file proves that the provider lied
  1  it proves nothing; the reason is told
  2  it cannot be read, or the command line is wrong

The net descriptor in the file names the provider's key. Whoever checks the file has to know from
elsewhere that this is the descriptor of the net in question: --descriptor-hash compares it with the
hash that `dcnet net show` prints and every gateway knows.

Examples:
  dcnet verify-evidence evidence-1984023.bin
  dcnet verify-evidence evidence-1984023.bin --json --descriptor-hash \"$HASH\"";

/// Arguments of `dcnet verify-evidence`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct VerifyEvidence {
    /// Evidence that a gateway has kept.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Hash that the net descriptor in the file must have.
    #[arg(long, value_name = "HEX")]
    descriptor_hash: Option<Hash>,
    #[command(flatten)]
    json: JsonArg,
}

/// 64 hexadecimal digits, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hash(String);

impl FromStr for Hash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("a descriptor hash has 64 hexadecimal digits")
        }
    }
}

/// Why a file was not judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnreadableError {
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

/// What was found, for programs and people.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Judgement")]
pub(super) struct Finding {
    proves: bool,
    /// Stable name of what is proved.
    kind: Option<&'static str>,
    /// A sentence: what is proved, or why nothing is.
    text: String,
    net: String,
    region: String,
    round: Option<u64>,
    descriptor_hash: String,
    provider_key: String,
}

impl VerifyEvidence {
    pub(super) fn run(&self) -> Result<Outcome, CliError> {
        let bytes = read(&self.file)?;
        let file =
            EvidenceFile::from_bytes(&bytes).map_err(|source| UnreadableError::Evidence {
                path: self.file.clone(),
                source,
            })?;
        let finding = self.judge(&file);
        if self.json.json {
            output::json(&finding)?;
        } else {
            finding.print()?;
        }
        Ok(if finding.proves {
            Outcome::Done
        } else {
            Outcome::ProvesNothing
        })
    }

    fn judge(&self, file: &EvidenceFile) -> Finding {
        let descriptor = file.descriptor();
        let hash = descriptor.hash().to_string();
        let of_other_net = self
            .descriptor_hash
            .as_ref()
            .filter(|Hash(wanted)| *wanted != hash);
        let (proves, kind, round, text) = match (of_other_net, file.verify()) {
            (Some(Hash(wanted)), _) => {
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
        Finding {
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

impl Finding {
    fn print(&self) -> Result<(), CliError> {
        let verdict = if self.proves {
            "PROVED"
        } else {
            "proves nothing"
        };
        let round = self.round.map_or("-".to_owned(), |round| round.to_string());
        output::pairs(&[
            ("verdict", format!("{verdict}: {}", self.text)),
            ("kind", self.kind.unwrap_or("-").to_owned()),
            ("net", self.net.clone()),
            ("region", self.region.clone()),
            ("round", round),
            ("descriptor hash", self.descriptor_hash.clone()),
            ("provider key", self.provider_key.clone()),
        ])
    }
}

fn read(path: &Path) -> Result<Vec<u8>, UnreadableError> {
    let failed = |source| UnreadableError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(UnreadableError::Size(path.to_owned()));
    }
    Ok(bytes)
}
