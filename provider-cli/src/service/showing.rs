//! What is shown of the membership log: section 7.2 of `docs/spec/membership-log.md`.
//!
//! The machine signs the checkpoint of the log as it has it, which may be ahead of the store: the
//! answer leaves once everything that it rests on is durable, and not at all if that fails.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::{Provider, Refusal};

use super::net::Net;
use super::{Client, Service, ServiceError};

/// Entries for auditors in one answer at most.
pub(crate) const MOST_ENTRIES: u64 = 1024;

/// Bytes of entries in one answer, beyond which no further entry is added.
const ANSWER: usize = 1024 * 1024;

/// A question about the membership log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The newest draw list, for whoever knows `from` entries.
    DrawList { from: u64 },
    /// One entry, for whoever knows `from` entries.
    Entry { index: u64, from: u64 },
    /// Members of the draw list whose entry has that index.
    Listed { list: u64, at: Vec<u32> },
    /// That two sizes are of one log, in ascending order.
    Common { small: u64, large: u64 },
    /// The log as it is.
    Checkpoint,
    /// Up to `count` entries from index `from` on.
    Entries { from: u64, count: u64 },
}

impl Question {
    fn answer(&self, provider: &Provider, asker: ClientId) -> Result<Vec<u8>, Refusal> {
        Ok(match self {
            Self::DrawList { from } => provider.draw_list(asker, *from)?.encode(),
            Self::Entry { index, from } => provider.log_proof(*index, *from)?.encode(),
            Self::Listed { list, at } => provider.listed(*list, at)?.encode(),
            Self::Common { small, large } => provider.common_log(*small, *large)?.encode(),
            Self::Checkpoint => provider.checkpoint().encode(),
            Self::Entries { from, count } => entries(provider, *from, *count)?,
        })
    }
}

/// The encoding of `LogEntries`, as `docs/spec/http-api.md` has it: around entries that are encoded
/// already.
fn entries(provider: &Provider, from: u64, count: u64) -> Result<Vec<u8>, Refusal> {
    let log = provider.log();
    if from > log.len() {
        let (index, size) = (from, log.len());
        return Err(Refusal::LogIndex { index, size });
    }
    let mut body = Vec::new();
    let last = from.saturating_add(count.min(MOST_ENTRIES));
    for entry in (from..last).map_while(|index| log.entry(index)) {
        if body.len() > ANSWER {
            break;
        }
        body.extend(length(entry));
        body.extend(entry);
    }
    let mut bytes = length(&body).to_vec();
    bytes.append(&mut body);
    Ok(bytes)
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

impl Net {
    async fn answer(&self, asker: ClientId, question: Question) -> Result<Vec<u8>, ServiceError> {
        let answer = self
            .ask(|machine, _| question.answer(&machine.provider, asker))
            .await?;
        Ok(answer?)
    }
}

impl Service {
    /// The encoded answer to a question about the membership log.
    pub(crate) async fn log(
        &self,
        client: Client,
        net: NetId,
        question: Question,
    ) -> Result<Vec<u8>, ServiceError> {
        self.net(client, net)
            .await?
            .answer(client.id, question)
            .await
    }
}
