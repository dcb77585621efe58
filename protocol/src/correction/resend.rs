//! The thesis' correction: neighbours of missing members resend without their pads.
//!
//! Safe against a provider that is curious but honest. A lying one that keeps a frame and calls its
//! sender missing gets that reading (`docs/threat-model.md`); so a gateway takes part only if its
//! owner's profile says so, and answers under the conditions checked here, each with a name.

use crate::descriptor::{DescriptorHash, MIN_DEGREE};
use crate::message::Correction;
use crate::names::{ClientId, ClientSet, NetId};
use crate::round::{Epoch, Round};

/// What the gateway knows when it is asked to resend.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// This gateway.
    pub client: ClientId,
    /// Its net.
    pub net: NetId,
    /// The net's parameters.
    pub descriptor: DescriptorHash,
    /// The round whose correction window is open, if any.
    pub current: Option<Round>,
    /// Round and epoch of the frame that it sealed last.
    pub sealed: Option<(Round, Epoch)>,
    /// The correction that it answered last.
    pub answered: Option<(Round, &'a ClientSet)>,
    /// Its neighbours in that epoch.
    pub neighbours: &'a ClientSet,
    /// Active members in that epoch.
    pub members: usize,
    /// The larger of the net's and the owner's minimum size.
    pub min_size: usize,
    /// Whether the owner allows corrections by resending.
    pub allowed: bool,
}

/// What to do about a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Resend without the pads towards these neighbours.
    Answer(ClientSet),
    /// The same was asked before: send the same bytes.
    Repeat,
}

/// Examines a correction whose signature was checked.
///
/// # Errors
/// [`Refusal`], final for the round.
pub fn examine(request: &Correction, known: &Circumstances<'_>) -> Result<Verdict, Refusal> {
    if request.net != known.net || request.descriptor != known.descriptor {
        return Err(Refusal::WrongNet);
    }
    let round = request.round;
    if known.current != Some(round) {
        return Err(Refusal::NotCurrent { round });
    }
    match known.answered {
        Some((answered, missing)) if answered == round => {
            return if *missing == request.missing {
                Ok(Verdict::Repeat)
            } else {
                Err(Refusal::AlreadyAnswered { round })
            };
        }
        _ => {}
    }
    if !known.allowed {
        return Err(Refusal::NotAllowed);
    }
    match known.sealed {
        Some((sealed, epoch)) if sealed == round => {
            if epoch != request.epoch {
                return Err(Refusal::WrongEpoch {
                    expected: epoch,
                    got: request.epoch,
                });
            }
        }
        _ => return Err(Refusal::NothingSent { round }),
    }
    if request.missing.contains(&known.client) {
        return Err(Refusal::NamesSelf { round });
    }
    let gone: ClientSet = known
        .neighbours
        .iter()
        .filter(|peer| request.missing.contains(peer))
        .copied()
        .collect();
    if gone.is_empty() {
        return Err(Refusal::NoneOfMine { round });
    }
    let alive = known.neighbours.len() - gone.len();
    if alive < MIN_DEGREE {
        return Err(Refusal::TooFewNeighbours { alive });
    }
    let left = known.members.saturating_sub(request.missing.len());
    if left < known.min_size {
        return Err(Refusal::TooFewMembers {
            left,
            needed: known.min_size,
        });
    }
    Ok(Verdict::Answer(gone))
}

/// Why a gateway does not resend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// For another net or other parameters.
    #[error("the correction is for another net or for other parameters")]
    WrongNet,
    /// Not the round being corrected now.
    #[error("round {round} is not the one whose correction window is open")]
    NotCurrent {
        /// Round asked for.
        round: Round,
    },
    /// One answer per round, ever.
    #[error("another correction of round {round} was answered already")]
    AlreadyAnswered {
        /// Round asked for.
        round: Round,
    },
    /// The owner does not allow it.
    #[error(
        "the communication profile does not allow corrections by resending (accept.allow_resend)"
    )]
    NotAllowed,
    /// No frame for that round.
    #[error("no frame was sent for round {round}")]
    NothingSent {
        /// Round asked for.
        round: Round,
    },
    /// Another key graph.
    #[error("the frame was sealed for epoch {expected}, the correction is for epoch {got}")]
    WrongEpoch {
        /// Of the frame.
        expected: Epoch,
        /// Of the correction.
        got: Epoch,
    },
    /// This gateway is said to be missing.
    #[error("the provider calls this gateway missing in round {round} and asks it to resend")]
    NamesSelf {
        /// Round asked for.
        round: Round,
    },
    /// No neighbour is missing.
    #[error("none of the members missing in round {round} is a neighbour")]
    NoneOfMine {
        /// Round asked for.
        round: Round,
    },
    /// The reading would hide behind too few pads.
    #[error("only {alive} neighbours would be left, at least {MIN_DEGREE} are needed")]
    TooFewNeighbours {
        /// How many would be left.
        alive: usize,
    },
    /// The reading would hide in too small a sum.
    #[error("only {left} members would be left, at least {needed} are needed")]
    TooFewMembers {
        /// How many would be left.
        left: usize,
        /// How many are needed.
        needed: usize,
    },
}

impl Refusal {
    /// Stable name for logs, metrics and status.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongNet => "wrong-net",
            Self::NotCurrent { .. } => "not-current",
            Self::AlreadyAnswered { .. } => "already-answered",
            Self::NotAllowed => "not-allowed",
            Self::NothingSent { .. } => "nothing-sent",
            Self::WrongEpoch { .. } => "wrong-epoch",
            Self::NamesSelf { .. } => "names-self",
            Self::NoneOfMine { .. } => "none-of-mine",
            Self::TooFewNeighbours { .. } => "too-few-neighbours",
            Self::TooFewMembers { .. } => "too-few-members",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u8]) -> ClientSet {
        numbers
            .iter()
            .map(|n| format!("m{n}").parse().unwrap())
            .collect()
    }

    fn request(missing: &[u8]) -> Correction {
        Correction {
            net: "n".parse().unwrap(),
            descriptor: DescriptorHash::from_bytes([1; 32]),
            epoch: Epoch::new(2),
            round: Round::new(7),
            missing: set(missing),
        }
    }

    fn known(neighbours: &ClientSet) -> Circumstances<'_> {
        Circumstances {
            client: "m0".parse().unwrap(),
            net: "n".parse().unwrap(),
            descriptor: DescriptorHash::from_bytes([1; 32]),
            current: Some(Round::new(7)),
            sealed: Some((Round::new(7), Epoch::new(2))),
            answered: None,
            neighbours,
            members: 6,
            min_size: 4,
            allowed: true,
        }
    }

    #[test]
    fn each_condition_has_its_refusal() {
        let neighbours = set(&[1, 2, 3, 4]);
        let answered = set(&[2]);
        let base = || known(&neighbours);
        let ask = |missing: &[u8], known: Circumstances<'_>| examine(&request(missing), &known);
        assert_eq!(ask(&[1], base()), Ok(Verdict::Answer(set(&[1]))));
        assert_eq!(ask(&[1, 9], base()), Ok(Verdict::Answer(set(&[1]))));
        assert_eq!(
            ask(
                &[1],
                Circumstances {
                    net: "o".parse().unwrap(),
                    ..base()
                }
            ),
            Err(Refusal::WrongNet)
        );
        let descriptor = DescriptorHash::from_bytes([2; 32]);
        assert_eq!(
            ask(
                &[1],
                Circumstances {
                    descriptor,
                    ..base()
                }
            ),
            Err(Refusal::WrongNet)
        );
        let round = Round::new(7);
        assert_eq!(
            ask(
                &[1],
                Circumstances {
                    current: Some(Round::new(8)),
                    ..base()
                }
            ),
            Err(Refusal::NotCurrent { round })
        );
        let before = || Circumstances {
            answered: Some((round, &answered)),
            ..base()
        };
        assert_eq!(ask(&[1], before()), Err(Refusal::AlreadyAnswered { round }));
        assert_eq!(ask(&[2], before()), Ok(Verdict::Repeat));
        assert_eq!(
            ask(
                &[1],
                Circumstances {
                    allowed: false,
                    ..base()
                }
            ),
            Err(Refusal::NotAllowed)
        );
        assert_eq!(
            ask(
                &[1],
                Circumstances {
                    sealed: None,
                    ..base()
                }
            ),
            Err(Refusal::NothingSent { round })
        );
        assert_eq!(
            ask(
                &[1],
                Circumstances {
                    sealed: Some((round, Epoch::new(1))),
                    ..base()
                }
            ),
            Err(Refusal::WrongEpoch {
                expected: Epoch::new(1),
                got: Epoch::new(2)
            })
        );
        assert_eq!(ask(&[0, 1], base()), Err(Refusal::NamesSelf { round }));
        assert_eq!(ask(&[9], base()), Err(Refusal::NoneOfMine { round }));
        assert_eq!(ask(&[], base()), Err(Refusal::NoneOfMine { round }));
        assert_eq!(
            ask(&[1, 2], base()),
            Err(Refusal::TooFewNeighbours { alive: 2 })
        );
        assert_eq!(
            ask(&[1, 8, 9], base()),
            Err(Refusal::TooFewMembers { left: 3, needed: 4 })
        );
    }
}
