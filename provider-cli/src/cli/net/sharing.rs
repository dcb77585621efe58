//! How many neighbours a member draws, and how many of them recover its self-mask.

use dcnet_protocol::parameters::{Levels, Net, ParametersError, Sharing, choose};

use super::create::CreateError;
use crate::service::Strength;

/// Nets up to this size get the complete graph: nothing is left to chance there, and it is small.
const COMPLETE: u32 = 100;

/// In a net without self-masks nothing follows from the number of members.
const RESEND: Sharing = Sharing {
    holders: 52,
    threshold: 37,
};

/// What the operator expects of a net.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) net: Net,
    pub(super) corrupt_permille: u16,
}

/// What the operator has decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) degree: Option<u16>,
    pub(super) threshold: Option<u16>,
}

/// What `dcnet net create` would choose for so many members, with sums over at least half of them; none
/// if it would refuse.
pub(in crate::cli) fn of_members(
    members: u32,
    loss_permille: u16,
    corrupt_permille: u16,
) -> Option<(Net, Sharing)> {
    let net = Net {
        members,
        loss_permille,
        min_size: members.div_ceil(2),
    };
    let expected = Expected {
        net,
        corrupt_permille,
    };
    Some((net, expected.choose().ok()?))
}

/// In a net that corrects by resending.
pub(super) fn resend(given: Given) -> Sharing {
    let holders = given.degree.unwrap_or(RESEND.holders);
    let threshold = given.threshold.unwrap_or(RESEND.threshold.min(holders));
    Sharing { holders, threshold }
}

impl Expected {
    /// In a net that corrects by double masks: as given, or else as the numbers demand.
    ///
    /// # Errors
    /// [`CreateError`] if only one of both is given, or none will do.
    pub(super) fn double_mask(self, given: Given) -> Result<Sharing, CreateError> {
        match (given.degree, given.threshold) {
            (Some(holders), Some(threshold)) => Ok(Sharing { holders, threshold }),
            (None, None) => self.choose().map_err(CreateError::Sharing),
            _ => Err(CreateError::OnlyOne),
        }
    }

    fn choose(self) -> Result<Sharing, String> {
        let chosen = choose(self.net, self.corrupt_permille, Levels::default())
            .map_err(|error| self.advice(error))?;
        Ok(self.complete().unwrap_or(chosen))
    }

    /// The complete graph of a small net, with the largest threshold that the loss allows: exactly that
    /// many are lost of everybody's holders at most.
    fn complete(self) -> Option<Sharing> {
        let members = self.net.members;
        let part = |permille: u16| members * u32::from(permille) / 1000;
        let others = members.checked_sub(1).filter(|_| members <= COMPLETE)?;
        let threshold = others.checked_sub(part(self.net.loss_permille))?;
        let sharing = Sharing {
            holders: u16::try_from(others).ok()?,
            threshold: u16::try_from(threshold).ok()?,
        };
        let strength = Strength::of(self.net, sharing).ok()?;
        (strength.corrupt? >= part(self.corrupt_permille)).then_some(sharing)
    }

    fn advice(self, error: ParametersError) -> String {
        let Net {
            members,
            loss_permille,
            min_size,
        } = self.net;
        let corrupt = self.corrupt_permille;
        let of = format!(
            "of {members} members {corrupt} in 1000 corrupt (--corrupt) and {loss_permille} in 1000 \
             missing (--max-loss)"
        );
        match error {
            ParametersError::TooFewHonest { honest, .. } => format!(
                "{of}: a sum may be about {honest} honest households only, and --min-size asks for \
                 {min_size}. Expect more members (--members), allow smaller sums (--min-size), or \
                 expect fewer to be corrupt or missing"
            ),
            ParametersError::TooManyHolders { needed } => format!(
                "{of}: each member would have to draw {needed} neighbours, 255 are possible. Expect \
                 fewer to be corrupt (--corrupt) or missing (--max-loss)"
            ),
            ParametersError::Impossible => format!(
                "{of}: no number of neighbours is enough. Expect fewer to be corrupt (--corrupt) or \
                 missing (--max-loss), or more members (--members)"
            ),
            ParametersError::Permille { got } => {
                format!("--corrupt and --max-loss are thousandths below 1000, not {got}")
            }
            ParametersError::TooSmall { .. } => format!(
                "--members is {members} and --min-size {min_size}: at least 4 and 2 are needed"
            ),
            error @ ParametersError::Sharing { .. } => error.to_string(),
        }
    }

    /// What `sharing` withstands, and what falls short of what is expected.
    pub(super) fn judge(self, sharing: Sharing) -> (Option<Strength>, Option<String>) {
        let strength = match Strength::of(self.net, sharing) {
            Ok(strength) => strength,
            Err(error) => return (None, Some(self.advice(error))),
        };
        let part = |permille: u16| u64::from(self.net.members) * u64::from(permille) / 1000;
        let (corrupt, lost) = (part(self.corrupt_permille), part(self.net.loss_permille));
        let weak = strength
            .corrupt
            .is_none_or(|most| u64::from(most) < corrupt);
        let fragile = strength.lost.is_none_or(|most| u64::from(most) < lost);
        let text = (weak || fragile).then(|| {
            format!(
                "It withstands, {}.\nExpected are {corrupt} corrupt and {lost} lost (--members, --corrupt, \
                 --max-loss).",
                strength.text()
            )
        });
        (Some(strength), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(members: u32, min_size: u32, permille: u16) -> Expected {
        Expected {
            net: Net {
                members,
                loss_permille: permille,
                min_size,
            },
            corrupt_permille: permille,
        }
    }

    const NOTHING: Given = Given {
        degree: None,
        threshold: None,
    };

    #[test]
    fn what_is_chosen_withstands_what_is_expected() {
        for (members, min_size) in [(20, 4), (50, 20), (100, 50), (101, 50), (1000, 100)] {
            let expected = expected(members, min_size, 50);
            let sharing = expected.double_mask(NOTHING).unwrap();
            let complete = u32::from(sharing.holders) == members - 1;
            assert_eq!(complete, members <= COMPLETE, "{members}: {sharing:?}");
            let (strength, warning) = expected.judge(sharing);
            assert_eq!(warning, None, "{members}: {sharing:?} {strength:?}");
        }
    }

    #[test]
    fn what_is_given_wins_and_is_judged() {
        let given = Given {
            degree: Some(4),
            threshold: Some(3),
        };
        let expected = expected(1000, 4, 50);
        let sharing = expected.double_mask(given).unwrap();
        assert_eq!((sharing.holders, sharing.threshold), (4, 3));
        assert!(expected.judge(sharing).1.is_some());
        let only = Given {
            degree: Some(4),
            threshold: None,
        };
        assert!(matches!(
            expected.double_mask(only),
            Err(CreateError::OnlyOne)
        ));
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_what_to_do() {
        for (expected, advice) in [
            (expected(1000, 951, 50), "--min-size"),
            (expected(1000, 100, 200), "255 are possible"),
            (expected(1000, 100, 1000), "below 1000"),
            (expected(3, 4, 50), "at least 4"),
        ] {
            let error = expected.double_mask(NOTHING).unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
    }
}
