//! A line of the consumer's log (TR-03109-1): what was sent, when, to whom.

use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use tls_codec::{
    Deserialize as _, Serialize as _, TlsByteVecU16, TlsDeserialize, TlsSerialize, TlsSize,
};

/// What was sent, when, to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEntry {
    /// When the answer came, or the attempt was given up.
    pub time: UnixTime,
    /// To whom: the provider's address.
    pub recipient: String,
    /// For which round.
    pub round: Round,
    /// What the frame was for.
    pub notification: Notification,
    /// SHA-256 of the frame.
    pub hash: [u8; 32],
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a frame that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum Outcome {
    /// The provider has it on disk.
    Acknowledged = 1,
    /// The provider refused it.
    Refused = 2,
    /// No answer came in time, or none that the provider has signed.
    Unanswered = 3,
}

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct Stored {
    time: u64,
    recipient: TlsByteVecU16,
    round: Round,
    notification: Notification,
    hash: [u8; 32],
    outcome: Outcome,
}

impl SentEntry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut recipient = self.recipient.clone().into_bytes();
        recipient.truncate(1024); // an address is shorter; the prefix holds 65,535
        let stored = Stored {
            time: self.time.millis(),
            recipient: recipient.into(),
            round: self.round,
            notification: self.notification,
            hash: self.hash,
            outcome: self.outcome,
        };
        stored.tls_serialize_detached().unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let stored = Stored::tls_deserialize_exact(bytes).ok()?;
        Some(Self {
            time: UnixTime::from_millis(stored.time),
            recipient: String::from_utf8(stored.recipient.into_vec()).ok()?,
            round: stored.round,
            notification: stored.notification,
            hash: stored.hash,
            outcome: stored.outcome,
        })
    }
}
