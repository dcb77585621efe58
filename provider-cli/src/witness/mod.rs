//! Witnesses of membership logs: asking them, as a provider does, and being one.
//! `docs/spec/membership-log.md`, section 7.3; over HTTPS as `docs/spec/http-api.md` has it, section
//! "Witnesses".

mod client;
mod folder;
mod list;
mod witnessing;

pub use client::ClientError;
pub(crate) use client::{AskError, WitnessClient};
pub(crate) use folder::Folder;
pub use folder::FolderError;
pub use list::{ListError, ListedWitness};
pub(crate) use witnessing::{CosignRefusal, Witnessing};

/// Where a witness is asked.
pub(crate) const COSIGN_PATH: &str = "/v1/witness/cosign";

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    rest.is_empty().then_some(bytes)
}
