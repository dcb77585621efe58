//! How often a net has to correct, and how often it cannot.

use dcnet_protocol::parameters::{Levels, Net, Sharing, audit};
use schemars::JsonSchema;
use serde::Serialize;

use super::data::DAY;
use super::statistics::{binomial_above, rounded};

/// What the operator expects of the members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Failing {
    /// Probability that a member is missing in a round, each for itself.
    pub(crate) rate: f64,
    /// Members that may be missing in a round, in thousandths.
    pub(crate) loss_permille: u16,
}

/// What a net of one size has to correct for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Corrections {
    /// Most members that may be missing in a round: the loss, rounded down.
    pub(crate) tolerated: u32,
    /// Members missing in a round, on the average.
    pub(crate) missing: f64,
    /// Probability that a round has to be corrected.
    pub(crate) corrected: f64,
    /// Rounds of a day, of 96, that have to be corrected, on the average.
    pub(crate) corrected_a_day: f64,
    /// Probability that more are missing than may be: there is no sum.
    pub(crate) failed: f64,
    pub(crate) failed_a_day: f64,
    /// Neighbours of each member and shares that recover a self-mask; none if no choice is safe.
    pub(crate) degree: Option<u16>,
    pub(crate) threshold: Option<u16>,
    /// The greatest rate at which fewer than one round in a million fails, for want of shares as well.
    pub(crate) bearable: Option<f64>,
}

impl Failing {
    /// Of nets of `size`, in which `sharing` follows from the size.
    pub(super) fn corrections(self, size: u32, sharing: Option<(Net, Sharing)>) -> Corrections {
        let tolerated = u64::from(size) * u64::from(self.loss_permille) / 1000;
        let tolerated = u32::try_from(tolerated).unwrap_or(size);
        let corrected = binomial_above(size, self.rate, 0);
        let failed = binomial_above(size, self.rate, tolerated);
        let a_day = |chance: f64| rounded(chance * DAY as f64);
        let strength =
            sharing.and_then(|(net, sharing)| audit(net, sharing, Levels::default()).ok());
        Corrections {
            tolerated,
            missing: rounded(f64::from(size) * self.rate),
            corrected: rounded(corrected),
            corrected_a_day: a_day(corrected),
            failed: rounded(failed),
            failed_a_day: a_day(failed),
            degree: sharing.map(|(_, sharing)| sharing.holders),
            threshold: sharing.map(|(_, sharing)| sharing.threshold),
            bearable: strength.map(|strength| rounded(f64::from(strength.bearable_ppm) / 1e6)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_by_hand() {
        let failing = Failing {
            rate: 0.1,
            loss_permille: 400,
        };
        // Of three one may be missing: 1 − 0.9³, and 3·0.01·0.9 + 0.001.
        let got = failing.corrections(3, None);
        assert_eq!(
            got,
            Corrections {
                tolerated: 1,
                missing: 0.3,
                corrected: 0.271,
                corrected_a_day: 26.016,
                failed: 0.028,
                failed_a_day: 2.688,
                degree: None,
                threshold: None,
                bearable: None,
            }
        );
    }

    #[test]
    fn what_a_net_bears_is_what_the_parameters_say() {
        let net = Net {
            members: 100,
            loss_permille: 50,
            min_size: 50,
        };
        let sharing = Sharing {
            holders: 99,
            threshold: 94,
        };
        let failing = Failing {
            rate: 0.001,
            loss_permille: 50,
        };
        let got = failing.corrections(100, Some((net, sharing)));
        assert_eq!(
            (got.tolerated, got.degree, got.threshold),
            (5, Some(99), Some(94))
        );
        let bearable = got.bearable.unwrap();
        // At the rate that it bears a round fails less than once in 2^20, by the same tail. The bound of
        // the parameters adds up over all members; a multiple of the rate is beyond it all the same.
        assert!(bearable > 0.0 && binomial_above(100, bearable, 5) <= 2.0_f64.powi(-20));
        assert!(binomial_above(100, 4.0 * bearable, 5) > 2.0_f64.powi(-20));
    }
}
