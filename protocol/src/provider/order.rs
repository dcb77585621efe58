//! What an operator may order, and what is said to it.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::Record;
use crate::names::{ClientId, ClientSet};
use crate::round::Round;

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Takes part in no epoch that is not fixed yet, until it is resumed.
    Suspend(ClientId),
    /// May take part again.
    Resume(ClientId),
    /// The net ends with the rounds whose epoch is fixed, for good.
    Close,
    /// The request to resend goes once more to those who have not answered it.
    Remind(Round),
}

/// What an order that was taken brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderTaken {
    /// Barred.
    Suspended {
        /// Who.
        client: ClientId,
        /// It is in no epoch from this round on; earlier than that it is where it was.
        from: Round,
        /// Members of the next epoch as things stand.
        left: usize,
    },
    /// Not barred any more: it comes back when it states its neighbourhood again.
    Resumed {
        /// Who.
        client: ClientId,
    },
    /// No epoch has members from this round on.
    Closing {
        /// The first round that is not held any more.
        from: Round,
    },
    /// The request was put into inboxes again.
    Reminded {
        /// The round.
        round: Round,
        /// Whose inboxes.
        clients: ClientSet,
    },
}

/// Why an order was not taken. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// Nobody of that name.
    #[error("{client} is no member of this net and never was")]
    UnknownMember {
        /// Who.
        client: ClientId,
    },
    /// It has left by itself.
    #[error("{client} has left this net by itself")]
    Exited {
        /// Who.
        client: ClientId,
    },
    /// Twice.
    #[error("{client} is suspended by an operator already, since round {since}")]
    AlreadyBarred {
        /// Who.
        client: ClientId,
        /// The round being metered when that was taken.
        since: Round,
    },
    /// Nothing to lift. One that was absent needs no order to come back.
    #[error("{client} is not suspended by an operator; who was only absent comes back by itself")]
    NotBarred {
        /// Who.
        client: ClientId,
    },
    /// The net would stand still.
    #[error(
        "without {client} the net has no epoch with {min_size} members that hold together any more: \
         close the net instead, if it is to end"
    )]
    NoEpochLeft {
        /// Who.
        client: ClientId,
        /// Fewest members of an epoch.
        min_size: usize,
    },
    /// So fast nobody is to be left alone among others.
    #[error(
        "{taken} of {members} members were suspended within {span} rounds, more are not taken before \
         round {next}: a net shrinks slowly, so that its members can see it"
    )]
    TooMany {
        /// Suspended within that time, resumed or not.
        taken: usize,
        /// Members of the epoch in force.
        members: usize,
        /// Length of that time in rounds.
        span: u64,
        /// When it may be asked for again.
        next: Round,
    },
    /// It is over.
    #[error("the net is closed since round {since}, and stays closed")]
    Closed {
        /// The round being metered when that was taken.
        since: Round,
    },
    /// Nobody is asked to resend.
    #[error(
        "no correction is open for round {round}: everybody was there, or the round is over, or not yet"
    )]
    NoCorrection {
        /// The round.
        round: Round,
    },
    /// The correction window has closed.
    #[error("the correction window of round {round} is over; what is answered later is refused")]
    WindowOver {
        /// The round.
        round: Round,
    },
    /// In a net with double masks nothing lies in inboxes.
    #[error(
        "gateways of this net ask for the rosters of round {round} themselves until they have answered: \
         there is no message that could be sent again"
    )]
    AskedFor {
        /// The round.
        round: Round,
    },
}

impl OrderRefusal {
    /// Stable name for programs.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::UnknownMember { .. } => "unknown-member",
            Self::Exited { .. } => "exited",
            Self::AlreadyBarred { .. } => "already-suspended",
            Self::NotBarred { .. } => "not-suspended",
            Self::NoEpochLeft { .. } => "no-epoch-left",
            Self::TooMany { .. } => "too-many-suspensions",
            Self::Closed { .. } => "net-closed",
            Self::NoCorrection { .. } => "no-correction",
            Self::WindowOver { .. } => "window-over",
            Self::AskedFor { .. } => "asked-for",
        }
    }
}

/// An order that changes who may take part, to be given back to [`super::Provider::restore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct OrderRecord {
    /// The round being metered when it was taken.
    pub round: Round,
    /// What it changes.
    pub effect: OrderEffect,
}

/// What an order changes for good, or until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum OrderEffect {
    /// The member is barred.
    #[tls_codec(discriminant = 1)]
    Barred(ClientId),
    /// It is not any more.
    #[tls_codec(discriminant = 2)]
    Lifted(ClientId),
    /// The net is closed.
    #[tls_codec(discriminant = 3)]
    Closed,
}

/// The answer to an order.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// To be made durable, in this order, in one transaction with the answer.
    pub records: Vec<Record>,
    /// What the operator is told.
    pub answer: Result<OrderTaken, OrderRefusal>,
}
