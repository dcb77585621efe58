//! What a gateway tells its owner, for log and status.

use super::TurnedAway;
use crate::correction;
use crate::envelope::EnvelopeError;
use crate::key_agreement::{KeyPackageError, WeakKey};
use crate::membership::proof::LogProofError;
use crate::merkle::ProofError;
use crate::names::{ClientId, ClientSet};
use crate::round::{Epoch, Round};
use crate::self_mask::DealError;
use crate::signature::BadSignature;
use crate::superposition::ReadingError;

/// Something that happened; its `Display` is a sentence for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// The net is too small to draw from.
    #[error("waiting for more members: {have} are registered, {need} are needed")]
    WaitingForMembers {
        /// Registered now, this gateway included.
        have: usize,
        /// Needed before neighbours are drawn.
        need: usize,
    },
    /// Neighbours are drawn.
    #[error("drew {count} neighbours out of {members} members")]
    Drawn {
        /// How many were drawn.
        count: usize,
        /// Length of the member list.
        members: usize,
    },
    /// An edge is confirmed at this end.
    #[error("shares a key with {client}")]
    EdgeConfirmed {
        /// The other end.
        client: ClientId,
    },
    /// Too few have acknowledged for too long; the draw is given up.
    #[error("only {acknowledged} of {drawn} drawn neighbours have acknowledged; drawing anew")]
    DrawFailed {
        /// How many have.
        acknowledged: usize,
        /// How many were drawn.
        drawn: usize,
    },
    /// Too few neighbours are left.
    #[error("only {left} neighbours are left; registering anew")]
    Emergency {
        /// How many are left.
        left: usize,
    },
    /// The net has grown, or drawn neighbours have left.
    #[error(
        "shares keys with {have} neighbours of its own draw, {wanted} are wanted; drawing more"
    )]
    DrawsMore {
        /// Own drawn neighbours.
        have: usize,
        /// As many as there should be.
        wanted: usize,
    },
    /// A member that was drawn has been silent for very long; another is drawn in its place.
    #[error(
        "{client}, a drawn neighbour, has been in no epoch for very long; another takes its place"
    )]
    PlaceFreed {
        /// Who.
        client: ClientId,
    },
    /// A manifest is accepted.
    #[error(
        "epoch {epoch} from round {first_round} on: {neighbours} neighbours, {members} members"
    )]
    Manifest {
        /// Its epoch.
        epoch: Epoch,
        /// Its first round.
        first_round: Round,
        /// Active neighbours of this gateway.
        neighbours: usize,
        /// Active members of the net.
        members: usize,
    },
    /// Too few of the owner's witnesses have cosigned what was shown of the membership log. It is not
    /// relied on, and asked for again; it is no fault, since witnesses may be away.
    #[error("{cosigned} of {needed} witnesses have cosigned the membership log; asking again")]
    Cosignatures {
        /// Known witnesses that have.
        cosigned: usize,
        /// How many the owner demands.
        needed: usize,
    },
    /// Not active from a round on.
    #[error("not active from round {first_round} on")]
    Inactive {
        /// First round without this gateway.
        first_round: Round,
    },
    /// The provider's operator does not let it take part any more.
    #[error("{0}")]
    TurnedAway(TurnedAway),
    /// The exit is complete.
    #[error("has left the net; all keys of it are erased")]
    Left,
    /// A neighbour leaves.
    #[error("neighbour {client} leaves; its key is discarded when the next manifest is in force")]
    NeighbourLeaves {
        /// Who.
        client: ClientId,
    },
    /// A correction is answered.
    #[error("resends the superposition of round {round} without {} neighbours", missing.len())]
    CorrectionAnswered {
        /// The round.
        round: Round,
        /// Neighbours whose pads were taken out.
        missing: ClientSet,
    },
    /// A correction is refused.
    #[error("does not resend: {0}")]
    CorrectionRefused(#[source] correction::resend::Refusal),
    /// A roster is answered.
    #[error("answers the roster of round {round}: {present} of {members} members are in it")]
    RosterAnswered {
        /// The round.
        round: Round,
        /// Members in the roster.
        present: usize,
        /// Members of the epoch.
        members: usize,
    },
    /// A roster is refused, which is final for the round.
    #[error("does not answer the roster of round {round}: {refusal}")]
    RosterRefused {
        /// The round.
        round: Round,
        /// Why.
        refusal: correction::double_mask::Refusal,
    },
    /// The provider was caught.
    #[error(
        "the provider's own signatures prove that it lied about round {round}; the evidence is kept, and nothing more is sent to this net"
    )]
    Evidence {
        /// The round.
        round: Round,
    },
    /// No frame for a round.
    #[error("sends nothing for round {round}: {reason}")]
    RoundRefused {
        /// The round.
        round: Round,
        /// Why.
        reason: RoundRefusal,
    },
    /// The provider or a member sent something that is not accepted.
    #[error("refused what the provider relayed: {0}")]
    Fault(#[from] Fault),
}

/// Why a gateway sends nothing for a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoundRefusal {
    /// The window is not open at this time.
    #[error("its submission window is not open, or about to close")]
    NotOpen,
    /// The clock was set back, or the round is done.
    #[error("round {last} was sealed already; a round is never entered twice")]
    Past {
        /// The round sealed last.
        last: Round,
    },
    /// No manifest names this gateway.
    #[error("this gateway is not active in it")]
    NotActive,
    /// The sum would be too small.
    #[error("the net has {members} members, at least {needed} are needed")]
    TooFewMembers {
        /// Active members.
        members: usize,
        /// Needed.
        needed: usize,
    },
    /// The pads would be too few.
    #[error("{neighbours} neighbours are active, at least 3 are needed")]
    TooFewNeighbours {
        /// Active neighbours.
        neighbours: usize,
    },
    /// Too few of its own draw are active: shares of the self-mask would not suffice.
    #[error(
        "{holders} of this gateway's own drawn neighbours are active, at least {needed} are needed"
    )]
    TooFewHolders {
        /// Own drawn neighbours that are active.
        holders: usize,
        /// Needed.
        needed: usize,
    },
    /// A neighbour was shown another membership log.
    #[error(
        "a neighbour was shown a membership log that the provider has not shown to be this one"
    )]
    SplitView,
    /// A manifest of the epoch is here, and not the proof that the epoch is in the membership log.
    #[error("the provider has not proved yet that the epoch is in the membership log")]
    Unproved,
    /// There is evidence against the provider.
    #[error("there is evidence that the provider lies; this gateway takes no part any more")]
    Distrusted,
    /// The self-mask cannot be shared.
    #[error(transparent)]
    Shares(DealError),
    /// The reading does not fit the net's slots.
    #[error(transparent)]
    Reading(ReadingError),
}

impl RoundRefusal {
    /// Stable name for logs, metrics and status.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotOpen => "not-open",
            Self::Past { .. } => "past",
            Self::NotActive => "not-active",
            Self::TooFewMembers { .. } => "too-few-members",
            Self::TooFewNeighbours { .. } => "too-few-neighbours",
            Self::TooFewHolders { .. } => "too-few-holders",
            Self::SplitView => "split-view",
            Self::Unproved => "unproved",
            Self::Distrusted => "distrusted",
            Self::Shares(_) => "shares",
            Self::Reading(_) => "reading",
        }
    }
}

/// Something that a correct provider does not show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The draw list does not contain this gateway as it registered.
    #[error("the draw list does not show this gateway's own key package")]
    NotListed,
    /// The provider calls this gateway exited, or its key package stale, sooner than a new key is made.
    #[error(
        "the provider says that this gateway has left, or that its key is old; a new key, and with it a \
         new draw, is made once in 96 intervals only"
    )]
    CalledGone,
    /// A key package that does not verify.
    #[error(transparent)]
    KeyPackage(#[from] KeyPackageError),
    /// Not a package of the member that the list names.
    #[error("the key package shown for {client} in the draw list is another member's")]
    PackageSwapped {
        /// Whose.
        client: ClientId,
    },
    /// A leaf of a draw list that does not prove to be one.
    #[error("the provider forged the member at {index} of the draw list: {source}")]
    ForgedLeaf {
        /// Index in the list.
        index: u32,
        /// What is wrong with its path.
        source: ProofError,
    },
    /// A member that stands in a draw list twice.
    #[error("the provider's draw list has {client} twice")]
    ListedTwice {
        /// Who.
        client: ClientId,
    },
    /// A draw list from long ago.
    #[error("the provider shows a draw list of round {round}, which is too old to draw from")]
    OldDrawList {
        /// When it was made.
        round: Round,
    },
    /// The membership log.
    #[error("the provider's membership log: {0}")]
    Log(#[source] LogProofError),
    /// A checkpoint that a neighbour shows and that is not the provider's.
    #[error("{client} shows a checkpoint that is not the provider's")]
    ForeignCheckpoint {
        /// The neighbour.
        client: ClientId,
    },
    /// A neighbour's log and this gateway's are not shown to be one.
    #[error("the provider does not show that {client} and this gateway see the same log: {source}")]
    SplitView {
        /// The neighbour.
        client: ClientId,
        /// What is wrong with what it shows.
        source: LogProofError,
    },
    /// An entry of the log that is another than the manifest says.
    #[error("the manifest of epoch {epoch} is not what the membership log says of it")]
    OtherEpoch {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A point of low order.
    #[error(transparent)]
    WeakKey(#[from] WeakKey),
    /// An envelope that does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An envelope about other key packages, or for somebody else.
    #[error("the envelope from {client} is not for this gateway's key package")]
    WrongPackages {
        /// Sender.
        client: ClientId,
    },
    /// More unopened envelopes than are kept.
    #[error("too many unopened envelopes wait; the one from {client} is dropped")]
    TooManyEnvelopes {
        /// Sender.
        client: ClientId,
    },
    /// A signature.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A manifest for another net, member, or time.
    #[error(
        "the manifest of epoch {epoch} is not for this gateway, or not newer than the last one"
    )]
    Manifest {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A manifest of an epoch for which no chain has keys.
    #[error("the manifest says epoch {epoch}: there are no keys for epochs from 16777216 on")]
    EpochLimit {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A manifest with somebody with whom no key is shared.
    #[error("the manifest of epoch {epoch} names {client}, with whom no key is shared")]
    ForeignNeighbour {
        /// Its epoch.
        epoch: Epoch,
        /// Who.
        client: ClientId,
    },
    /// A manifest that calls somebody a holder who was not drawn, or the other way round.
    #[error(
        "the manifest of epoch {epoch} does not say rightly whether this gateway drew {client}"
    )]
    ForeignHolder {
        /// Its epoch.
        epoch: Epoch,
        /// Who.
        client: ClientId,
    },
    /// An exit of somebody unknown, or for another net.
    #[error("the exit statement of {client} is not by a neighbour, or not for this net")]
    Exit {
        /// Who.
        client: ClientId,
    },
}
