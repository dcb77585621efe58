//! `dcnet verify-evidence`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::{CliError, JsonArg, Outcome, output};
use crate::service::Finding;

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

impl VerifyEvidence {
    pub(super) fn run(&self) -> Result<Outcome, CliError> {
        let wanted = self
            .descriptor_hash
            .as_ref()
            .map(|Hash(hash)| hash.as_str());
        let finding = Finding::of_file(&self.file, wanted)?;
        if self.json.json {
            output::json(&finding)?;
        } else {
            print(&finding)?;
        }
        Ok(if finding.proves {
            Outcome::Done
        } else {
            Outcome::ProvesNothing
        })
    }
}

fn print(finding: &Finding) -> Result<(), CliError> {
    let verdict = if finding.proves {
        "PROVED"
    } else {
        "proves nothing"
    };
    let round = finding
        .round
        .map_or("-".to_owned(), |round| round.to_string());
    output::pairs(&[
        ("verdict", format!("{verdict}: {}", finding.text)),
        ("kind", finding.kind.unwrap_or("-").to_owned()),
        ("net", finding.net.clone()),
        ("region", finding.region.clone()),
        ("round", round),
        ("descriptor hash", finding.descriptor_hash.clone()),
        ("provider key", finding.provider_key.clone()),
    ])
}
