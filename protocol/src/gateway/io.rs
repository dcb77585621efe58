//! What goes into a gateway's state machine, and what comes out.

use crate::envelope::{Envelope, EnvelopeHeader};
use crate::key_agreement::{SecretBytes, SignedKeyPackage};
use crate::membership::proof::{CommonLog, DrawListView, ListedMembers, LogProof};
use crate::message::{Delivery, SignedReceipt};
use crate::names::ClientId;
use crate::notification::Notification;
use crate::roster::Roster;
use crate::round::Round;
use crate::signature::Signed;
use crate::superposition::Reading;

use super::Report;

/// What happens to a gateway.
#[derive(Debug, Clone)]
pub enum Input {
    /// The programme has started.
    Join,
    /// Some seconds have passed, or an inbox was worked through.
    Poll,
    /// The provider gave a receipt for a frame.
    Accepted(Box<SignedReceipt>),
    /// The provider refused a frame.
    Refused {
        /// Which.
        notification: Notification,
        /// The problem's stable name.
        slug: String,
    },
    /// The provider took an envelope.
    Relayed(EnvelopeHeader),
    /// The draw list that was asked for.
    DrawList(Box<DrawListView>),
    /// Members of a draw list that were asked for.
    Listed(Box<ListedMembers>),
    /// The entry of the membership log that was asked for.
    LogProof(Box<LogProof>),
    /// What shows that two checkpoints are of one log.
    CommonLog(Box<CommonLog>),
    /// A key package that was asked for.
    Package(Box<SignedKeyPackage>),
    /// A roster that was asked for.
    Roster(Box<Signed<Roster>>),
    /// From the inbox, in the order of the sequence numbers.
    Delivery(Delivery),
    /// The submission window of `round` is open; this is the reading, if the meter gave one.
    Submit {
        /// The round.
        round: Round,
        /// Its reading.
        reading: Option<Reading>,
    },
    /// Send again what was sealed and has no receipt, if its window is open.
    Retry,
    /// The owner wants to leave the net.
    Leave,
}

/// What is to be done, in this order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Make this durable before doing anything behind it.
    Persist(Persist),
    /// Send this to the provider.
    Send(Request),
    /// Tell the owner.
    Report(Report),
}

/// One transaction of the ledger.
#[derive(Debug, Clone)]
pub struct Persist {
    /// Replaces the state.
    pub state: SecretBytes,
    /// A frame that is about to leave, for the owner's log of what left the house.
    pub sending: Option<Outgoing>,
    /// Proof that the provider lies, to be kept for the owner and for third parties.
    pub evidence: Option<KeptEvidence>,
}

/// The content of an evidence file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvidence {
    /// The round that it is about.
    pub round: Round,
    /// As [`crate::evidence::EvidenceFile::from_bytes`] reads it.
    pub bytes: Vec<u8>,
}

/// A frame of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What it is for: 4 to 7.
    pub notification: Notification,
    /// The round.
    pub round: Round,
    /// The bytes, as they are on the wire.
    pub bytes: Vec<u8>,
}

/// What to ask of the provider.
#[derive(Debug, Clone)]
pub enum Request {
    /// Post a frame.
    Frame {
        /// Its notification.
        notification: Notification,
        /// Its round.
        round: Round,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Post an envelope.
    Envelope(Envelope),
    /// Get the newest draw list.
    DrawList {
        /// Number of entries of the membership log that are known.
        from: u64,
    },
    /// Get members of a draw list.
    Listed {
        /// Index of the list's entry in the log.
        list: u64,
        /// Indices in the list.
        at: Vec<u32>,
    },
    /// Get what shows that two sizes are of one membership log.
    CommonLog {
        /// The smaller size.
        small: u64,
        /// The larger size.
        large: u64,
    },
    /// Get an entry of the membership log.
    LogProof {
        /// Its index.
        index: u64,
        /// Number of entries that are known.
        from: u64,
    },
    /// Get a key package.
    Package(ClientId),
    /// Wait for the first roster of `round` behind step `after`.
    Roster {
        /// The round.
        round: Round,
        /// The step seen last, 0 if none was.
        after: u8,
    },
}
