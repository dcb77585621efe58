//! Answering rosters: of one member and round, either its self-mask or its pads become known.
//!
//! Section 7.17 of `docs/spec/protocol.md`. All that a gateway tells about a round follows from the
//! last roster that it answered: pads towards neighbours outside it, share keys of members inside it.
//! The conditions checked here, each with a name, bound what a provider can gather that shows
//! different rosters to different members.

use crate::descriptor::NetDescriptor;
use crate::membership::epoch_head::EpochHead;
use crate::roster::Roster;
use crate::round::{Epoch, Round};

/// What the gateway knows when a roster comes in.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// The net.
    pub descriptor: &'a NetDescriptor,
    /// The round whose correction window is open, if any.
    pub current: Option<Round>,
    /// Round and epoch of the frame that it sealed last.
    pub sealed: Option<(Round, Epoch)>,
    /// Whether there is a receipt for it.
    pub receipted: bool,
    /// The epoch in force in the roster's round.
    pub head: Option<&'a EpochHead>,
    /// This gateway's index in that epoch.
    pub index: usize,
    /// Indices of its active holders in that epoch.
    pub holders: &'a [usize],
    /// Shares that recover the self-mask of the frame sealed last.
    pub threshold: usize,
    /// The larger of the net's and the owner's minimum size.
    pub min_size: usize,
    /// Rosters of the same round that were seen before, with whether they were answered, ascending
    /// by step.
    pub seen: &'a [(&'a Roster, bool)],
    /// Whether a roster of the same round was refused before.
    pub refused: bool,
}

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// With the pads towards those that the roster leaves out.
    Pads,
    /// With the share keys of those in it.
    Reveal,
    /// The same roster was answered before: with the same bytes.
    Repeat,
}

/// Examines a roster whose signature was checked.
///
/// # Errors
/// [`Refusal`], final for the round.
pub fn examine(roster: &Roster, known: &Circumstances<'_>) -> Result<Verdict, Refusal> {
    let round = roster.round();
    let descriptor = known.descriptor;
    if roster.net() != descriptor.net() || roster.descriptor() != descriptor.hash() {
        return Err(Refusal::WrongNet);
    }
    contradiction(roster, known)?;
    if known.current != Some(round) {
        return Err(Refusal::NotCurrent { round });
    }
    if known.refused {
        return Err(Refusal::RefusedBefore { round });
    }
    if known
        .seen
        .iter()
        .any(|(seen, answered)| *answered && *seen == roster)
    {
        return Ok(Verdict::Repeat);
    }
    if known.seen.iter().any(|(seen, _)| seen.reveal()) {
        return Err(Refusal::AlreadyRevealed { round });
    }
    match known.sealed {
        Some((sealed, epoch)) if sealed == round => {
            if epoch != roster.epoch() {
                let (expected, got) = (epoch, roster.epoch());
                return Err(Refusal::WrongEpoch { expected, got });
            }
        }
        _ => return Err(Refusal::NothingSent { round }),
    }
    match known.head {
        Some(head)
            if head.epoch == roster.epoch()
                && head.member_root == roster.member_root()
                && usize::try_from(head.members) == Ok(roster.members()) => {}
        _ => return Err(Refusal::WrongMembers { round }),
    }
    in_roster(roster, known)?;
    sizes(roster, known)?;
    Ok(if roster.reveal() {
        Verdict::Reveal
    } else {
        Verdict::Pads
    })
}

/// Whether an earlier roster of the round says something else: proof that the provider lies.
fn contradiction(roster: &Roster, known: &Circumstances<'_>) -> Result<(), Refusal> {
    let round = roster.round();
    for (seen, _) in known.seen.iter().filter(|(seen, _)| *seen != roster) {
        if contradict(seen, roster) {
            return Err(if seen.step() == roster.step() {
                Refusal::TwoRosters { round }
            } else {
                Refusal::RosterGrew { round }
            });
        }
    }
    Ok(())
}

/// Whether a provider that signed both rosters has broken the protocol: for one round and step there
/// is one, later ones are subsets, and after a reveal there is none.
pub fn contradict(one: &Roster, other: &Roster) -> bool {
    let same_round = one.net() == other.net()
        && one.descriptor() == other.descriptor()
        && one.round() == other.round();
    if !same_round || one == other {
        return false;
    }
    let (first, later) = if one.step() <= other.step() {
        (one, other)
    } else {
        (other, one)
    };
    let same_members = first.epoch() == later.epoch()
        && first.member_root() == later.member_root()
        && first.members() == later.members();
    first.step() == later.step()
        || !same_members
        || first.reveal()
        || !later.present().is_subset(first.present())
        || later.contributors() > first.contributors()
        || (later.present() == first.present() && later.contributors() != first.contributors())
}

fn in_roster(roster: &Roster, known: &Circumstances<'_>) -> Result<(), Refusal> {
    let round = roster.round();
    match (roster.present().contains(known.index), known.receipted) {
        (true, _) => Ok(()),
        // In a later roster a member may be left out that has not answered the one before.
        (false, true) if roster.step() == 1 => Err(Refusal::ReceiptedButMissing { round }),
        (false, _) => Err(Refusal::NotInRoster { round }),
    }
}

fn sizes(roster: &Roster, known: &Circumstances<'_>) -> Result<(), Refusal> {
    let (got, needed) = (roster.present().count(), known.min_size);
    if got < needed {
        return Err(Refusal::TooFewMembers { got, needed });
    }
    let got = roster.contributors();
    if got < needed {
        return Err(Refusal::TooFewReadings { got, needed });
    }
    let (present, members) = (roster.present().count(), roster.members());
    if !known.descriptor.is_enough(present, members) {
        return Err(Refusal::TooManyMissing { present, members });
    }
    let alive = known.holders.iter();
    let alive = alive
        .filter(|index| roster.present().contains(**index))
        .count();
    let needed = known.threshold;
    if alive < needed {
        return Err(Refusal::TooFewHolders { alive, needed });
    }
    Ok(())
}

/// Why a gateway does not answer a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// For another net or other parameters.
    #[error("the roster is for another net or for other parameters")]
    WrongNet,
    /// Another roster for the same round and step.
    #[error("two different rosters of round {round} were shown: the provider lies")]
    TwoRosters {
        /// The round.
        round: Round,
    },
    /// Rosters only shrink, and end with a reveal.
    #[error("a roster of round {round} goes beyond an earlier one: the provider lies")]
    RosterGrew {
        /// The round.
        round: Round,
    },
    /// Not the round being corrected now.
    #[error("round {round} is not the one whose correction window is open")]
    NotCurrent {
        /// The roster's round.
        round: Round,
    },
    /// A refusal is final for the round.
    #[error("a roster of round {round} was refused before")]
    RefusedBefore {
        /// The round.
        round: Round,
    },
    /// Share keys were told already.
    #[error("the share keys of round {round} were asked for before")]
    AlreadyRevealed {
        /// The round.
        round: Round,
    },
    /// No frame for that round.
    #[error("no frame was sent for round {round}")]
    NothingSent {
        /// The round.
        round: Round,
    },
    /// Another epoch.
    #[error("the frame was sealed for epoch {expected}, the roster is for epoch {got}")]
    WrongEpoch {
        /// Of the frame.
        expected: Epoch,
        /// Of the roster.
        got: Epoch,
    },
    /// Another member tree than the one in force.
    #[error("the roster of round {round} is not about the members of the epoch in force")]
    WrongMembers {
        /// The round.
        round: Round,
    },
    /// The provider gave a receipt and says that it has nothing.
    #[error(
        "the provider calls this gateway missing in round {round}, for which it gave a receipt"
    )]
    ReceiptedButMissing {
        /// The round.
        round: Round,
    },
    /// Its frame has not arrived, or its answer to the roster before.
    #[error("this gateway is not in the roster of round {round}")]
    NotInRoster {
        /// The round.
        round: Round,
    },
    /// The reading would hide in too small a sum.
    #[error("{got} members are in the roster, at least {needed} are needed")]
    TooFewMembers {
        /// In the roster.
        got: usize,
        /// Needed.
        needed: usize,
    },
    /// The reading would hide among too few readings.
    #[error("{got} members of the roster have a reading, at least {needed} are needed")]
    TooFewReadings {
        /// With a reading.
        got: usize,
        /// Needed.
        needed: usize,
    },
    /// More are missing than the net takes.
    #[error(
        "{present} of {members} members are in the roster: more are missing than the net allows"
    )]
    TooManyMissing {
        /// In the roster.
        present: usize,
        /// Of the epoch.
        members: usize,
    },
    /// Too few of its own holders are there.
    #[error(
        "{alive} of this gateway's own drawn neighbours are in the roster, at least {needed} are needed"
    )]
    TooFewHolders {
        /// In the roster.
        alive: usize,
        /// The threshold.
        needed: usize,
    },
}

impl Refusal {
    /// Stable name for logs, metrics and status.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongNet => "wrong-net",
            Self::TwoRosters { .. } => "two-rosters",
            Self::RosterGrew { .. } => "roster-grew",
            Self::NotCurrent { .. } => "not-current",
            Self::RefusedBefore { .. } => "refused-before",
            Self::AlreadyRevealed { .. } => "already-revealed",
            Self::NothingSent { .. } => "nothing-sent",
            Self::WrongEpoch { .. } => "wrong-epoch",
            Self::WrongMembers { .. } => "wrong-members",
            Self::ReceiptedButMissing { .. } => "receipted-but-missing",
            Self::NotInRoster { .. } => "not-in-roster",
            Self::TooFewMembers { .. } => "too-few-members",
            Self::TooFewReadings { .. } => "too-few-readings",
            Self::TooManyMissing { .. } => "too-many-missing",
            Self::TooFewHolders { .. } => "too-few-holders",
        }
    }
}
