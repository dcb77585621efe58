//! A provider whose operator does not let the gateway take part any more: it waits, and asks now and then.

use super::{Gateway, Output, Report};
use crate::notification::Notification;
use crate::round::UnixTime;

/// Why the provider lets a gateway take part no more. Neither is a fault of the gateway, and there is
/// nothing about it that the household could repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// `barred`: until the operator resumes it.
    #[error(
        "the operator of this net has suspended this gateway: it takes part again by itself when the \
         operator resumes it; ask the operator for the reason"
    )]
    Barred,
    /// `net-closed`: for good.
    #[error("the operator has closed this net: no more sums are formed, and nothing more is sent")]
    Closed,
}

impl TurnedAway {
    /// What the name of a refusal stands for, if it is one of these.
    pub(super) fn named(slug: &str) -> Option<Self> {
        match slug {
            "barred" => Some(Self::Barred),
            "net-closed" => Some(Self::Closed),
            _ => None,
        }
    }

    /// Intervals after which it asks again. A net that is closed stays closed; but that is the word of
    /// the provider alone.
    pub(super) const fn patience(self) -> u64 {
        match self {
            Self::Barred => 1,
            Self::Closed => 96,
        }
    }
}

impl Gateway {
    /// The provider's word alone: nothing is given up for it, and it is asked again now and then.
    pub(super) fn turn_away(
        &mut self,
        now: UnixTime,
        notification: Notification,
        reason: TurnedAway,
    ) -> Vec<Output> {
        let before = self.turned_away.replace((reason, now));
        self.registered = false;
        self.stated = false;
        self.frame_done |= notification == Notification::Transmit;
        if before.is_some_and(|(before, _)| before == reason) {
            return Vec::new();
        }
        vec![Output::Report(Report::TurnedAway(reason))]
    }

    /// Whether it was turned away so short a time ago that it does not ask to be let in.
    pub(super) fn waits_outside(&self, now: UnixTime) -> bool {
        let said = self.turned_away.as_ref();
        said.is_some_and(|(reason, at)| self.intervals_since(at.millis(), now) < reason.patience())
    }
}
