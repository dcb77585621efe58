//! Why the provider refuses a message. Each has a name that stays stable for programs.

use crate::codec::DecodeError;
use crate::key_agreement::KeyPackageError;
use crate::names::{ClientId, NetId};
use crate::round::{Epoch, Round, UnixTime};
use crate::signature::BadSignature;

/// A refusal; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a message of this protocol.
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Another net, or other parameters.
    #[error("the message is for net {got} or for other parameters than those of net {expected}")]
    WrongNet {
        /// This net.
        expected: NetId,
        /// Named in the message.
        got: NetId,
    },
    /// Sender and certificate differ.
    #[error("the certificate names {expected}, the message {got}")]
    WrongClient {
        /// In the certificate.
        expected: ClientId,
        /// In the message.
        got: ClientId,
    },
    /// Never sent notification 1.
    #[error("{client} is not registered in this net")]
    NotRegistered {
        /// Who.
        client: ClientId,
    },
    /// A key package that does not verify.
    #[error(transparent)]
    KeyPackage(#[from] KeyPackageError),
    /// A key package older than the one in force.
    #[error("the key package has serial {got}, a new one must be above {last}")]
    StaleKeyPackage {
        /// Serial of the package in force.
        last: u64,
        /// Serial found.
        got: u64,
    },
    /// A statement not signed by its author.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A statement that is not newer than the last one.
    #[error("the statement has serial {got}, it must be above {last}")]
    StaleStatement {
        /// Serial of the newest statement.
        last: u64,
        /// Serial found.
        got: u64,
    },
    /// A serial from the future: it would lock its author out once its clock is right again.
    #[error("the serial {got} lies more than a day ahead of the time: check the gateway's clock")]
    SerialAhead {
        /// Serial found.
        got: u64,
    },
    /// A neighbourhood stated with another key package than the one registered.
    #[error(
        "the neighbourhood of {client} is stated with another key package than the registered one"
    )]
    StaleNeighbourhoodPackage {
        /// Who.
        client: ClientId,
    },
    /// More envelopes than key agreement takes.
    #[error("{to} was sent enough envelopes by this gateway for now")]
    TooManyEnvelopes {
        /// Addressee.
        to: ClientId,
    },
    /// A neighbour nobody knows, or the member itself.
    #[error("{client} cannot be a neighbour: it is not in this net, or it is the sender")]
    UnknownNeighbour {
        /// Who.
        client: ClientId,
    },
    /// It left.
    #[error("{client} has left this net; it can register again with a new key package")]
    Exited {
        /// Who.
        client: ClientId,
    },
    /// An operator has suspended it.
    #[error(
        "{client} is suspended by the operator of this net; it takes part again when it is resumed"
    )]
    Barred {
        /// Who.
        client: ClientId,
    },
    /// The net has ended.
    #[error("this net was closed by its operator and forms no more sums")]
    NetClosed,
    /// Before the window.
    #[error("round {round} is not taken before {} ms since 1970", opens.millis())]
    TooEarly {
        /// The frame's round.
        round: Round,
        /// When intake opens.
        opens: UnixTime,
    },
    /// After the window.
    #[error("round {round} was taken until {} ms since 1970; the reading is never sent later", deadline.millis())]
    TooLate {
        /// The frame's round.
        round: Round,
        /// When intake closed.
        deadline: UnixTime,
    },
    /// Not in the manifest in force.
    #[error("{client} is not active in round {round}")]
    NotActive {
        /// Who.
        client: ClientId,
        /// The frame's round.
        round: Round,
    },
    /// Another epoch than the one in force.
    #[error("round {round} is in epoch {expected}, the frame is masked for epoch {got}")]
    WrongEpoch {
        /// The frame's round.
        round: Round,
        /// In force.
        expected: Epoch,
        /// In the frame.
        got: Epoch,
    },
    /// Wrong number of words.
    #[error("this net has {expected} slots, the frame has {got}")]
    Slots {
        /// The net's.
        expected: usize,
        /// Found.
        got: usize,
    },
    /// A second, different frame of one round.
    #[error("another frame of {client} for round {round} is here already")]
    DifferentFrame {
        /// Who.
        client: ClientId,
        /// The frame's round.
        round: Round,
    },
    /// Nothing to correct.
    #[error("no correction is open for round {round}")]
    NoCorrection {
        /// The frame's round.
        round: Round,
    },
    /// Not a neighbour of a missing member.
    #[error("{client} was not asked to resend in round {round}")]
    NotAsked {
        /// Who.
        client: ClientId,
        /// The frame's round.
        round: Round,
    },
    /// For another set of missing members, or with another transmission bit.
    #[error("the resent superposition is not the one asked for in round {round}")]
    DifferentCorrection {
        /// The frame's round.
        round: Round,
    },
    /// An answer to another roster than the last one.
    #[error("the answer is not to the roster of round {round} that was shown last")]
    DifferentRoster {
        /// The frame's round.
        round: Round,
    },
    /// Wrong number of shares in a frame.
    #[error("the frame needs shares for {expected} holders, it has {got}")]
    Shares {
        /// Active holders; 0 in a net without self-masks.
        expected: usize,
        /// Found.
        got: usize,
    },
    /// Wrong number of share keys in an answer.
    #[error("keys of {expected} shares were asked for, {got} came")]
    ShareKeys {
        /// Members of the roster that drew the sender.
        expected: usize,
        /// Found.
        got: usize,
    },
    /// More holders than the net's out-degree, or some that are no neighbours.
    #[error("{got} holders are named: at most {most}, all of them neighbours")]
    Holders {
        /// Found.
        got: usize,
        /// The net's out-degree.
        most: usize,
    },
    /// Beyond the log.
    #[error("the log has {size} entries, and {index} is not among them or not kept any more")]
    LogIndex {
        /// Asked for.
        index: u64,
        /// Number of entries.
        size: u64,
    },
    /// Not among those who may be drawn.
    #[error("{client} is not in the draw list yet; it is made anew once in each interval")]
    NotListed {
        /// Who.
        client: ClientId,
    },
    /// An envelope for nobody.
    #[error("{client} is not in this net")]
    UnknownAddressee {
        /// Whom the envelope names.
        client: ClientId,
    },
}

impl Refusal {
    /// Stable name: `urn:dcnet:problem:<slug>` in problem details.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::WrongNet { .. } => "wrong-net",
            Self::WrongClient { .. } => "wrong-client",
            Self::NotRegistered { .. } => "not-registered",
            Self::KeyPackage(_) => "key-package",
            Self::StaleKeyPackage { .. } => "stale-key-package",
            Self::Signature(_) => "signature",
            Self::StaleStatement { .. } => "stale-statement",
            Self::SerialAhead { .. } => "serial-ahead",
            Self::StaleNeighbourhoodPackage { .. } => "stale-neighbourhood-package",
            Self::TooManyEnvelopes { .. } => "too-many-envelopes",
            Self::UnknownNeighbour { .. } => "unknown-neighbour",
            Self::Exited { .. } => "exited",
            Self::Barred { .. } => "barred",
            Self::NetClosed => "net-closed",
            Self::TooEarly { .. } => "too-early",
            Self::TooLate { .. } => "too-late",
            Self::NotActive { .. } => "not-active",
            Self::WrongEpoch { .. } => "wrong-epoch",
            Self::Slots { .. } => "slots",
            Self::DifferentFrame { .. } => "different-frame",
            Self::NoCorrection { .. } => "no-correction",
            Self::NotAsked { .. } => "not-asked",
            Self::DifferentCorrection { .. } => "different-correction",
            Self::DifferentRoster { .. } => "different-roster",
            Self::Shares { .. } => "shares",
            Self::ShareKeys { .. } => "share-keys",
            Self::Holders { .. } => "holders",
            Self::LogIndex { .. } => "log-index",
            Self::NotListed { .. } => "not-listed",
            Self::UnknownAddressee { .. } => "unknown-addressee",
        }
    }

    /// HTTP status that goes with it (RFC 9110).
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_)
            | Self::Slots { .. }
            | Self::Shares { .. }
            | Self::ShareKeys { .. }
            | Self::Holders { .. } => 400,
            Self::WrongClient { .. }
            | Self::KeyPackage(_)
            | Self::Signature(_)
            | Self::Barred { .. }
            | Self::NotAsked { .. } => 403,
            Self::NotRegistered { .. }
            | Self::UnknownAddressee { .. }
            | Self::LogIndex { .. }
            | Self::NotListed { .. } => 404,
            Self::Exited { .. } | Self::NetClosed | Self::TooLate { .. } => 410,
            Self::TooEarly { .. } => 425,
            Self::TooManyEnvelopes { .. } => 429,
            Self::WrongNet { .. }
            | Self::StaleKeyPackage { .. }
            | Self::StaleStatement { .. }
            | Self::SerialAhead { .. }
            | Self::StaleNeighbourhoodPackage { .. }
            | Self::UnknownNeighbour { .. }
            | Self::NotActive { .. }
            | Self::WrongEpoch { .. }
            | Self::DifferentFrame { .. }
            | Self::NoCorrection { .. }
            | Self::DifferentRoster { .. }
            | Self::DifferentCorrection { .. } => 409,
        }
    }
}
