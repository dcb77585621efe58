//! How many holders a member's self-mask needs: out-degree k and threshold t of a double-mask net.
//!
//! [`choose`] gives k and t for a net; [`audit`] says what given k and t withstand. Both are pure
//! arithmetic on probabilities. The decision is in
//! `docs/adr/0016-k-t-and-share-holders.md`.
//!
//! # What is bounded
//!
//! n members, c of them corrupt, h = n − c honest. The corrupt ones are fixed before the draws and
//! tell the provider all they know. Each honest member A draws its k holders D(A) evenly, without
//! replacement, from the n − 1 others; they are its neighbours and hold the shares of its
//! self-mask, any t of which give it. Two members have an edge if one drew the other.
//!
//! A provider that lies may show each honest member A a roster `U_A` of its own. A answers, for one
//! final roster a round, with its pads towards its neighbours outside `U_A` and its share keys for
//! the members of `U_A` that drew it. It refuses a roster without itself, one that leaves out more
//! than `e = ⌊δn⌋` members, and one with fewer than t of D(A). (Earlier steps of the same round
//! change nothing: rosters only shrink, so their pads are among those that the last one gives. They
//! come added up, which the bound does not even use.)
//!
//! **Which sums there are.** Take any linear combination of what the provider has that says
//! something about readings. Where a member's frame stands in it, its self-mask must be known; and
//! where a pad that nobody revealed joins two honest members, both frames stand in it with the same
//! weight, because that pad occurs nowhere else. So the frames of one weight other than 0 are those
//! of a set S of honest members such that
//!
//! 1. of each A in S at least t shares are known, and
//! 2. each pad between S and the honest members outside S was revealed by one of its ends;
//!
//! and what is learned are sums over such sets. The provider singles S out if 0 < |S| < m.
//!
//! **What it takes.** Shares of A come from corrupt holders, from holders in S, and from honest
//! holders outside S. Such an outside holder H gives one only if A is in `U_H`; then H does not reveal
//! the pad of A and H, so by 2 A does: H is outside `U_A`. A leaves out at most `min(k − t, e)` of
//! its holders. Hence, for each A in S,
//!
//! ```text
//! |D(A) ∩ (S ∪ C)|  ≥  t − min(k − t, e)                                                    (*)
//! ```
//!
//! If anybody may be left out at all, that is also enough for |S| = 1: A is shown a roster without
//! k − t honest holders of its own, these are shown one with A, everybody else one without. So no
//! better argument allows a lower threshold; only the union below may be wasteful.
//!
//! **The bound.** For a fixed S of size s the draws of its members are independent, and in each
//! s − 1 + c of the n − 1 others are in S ∪ C. The provider picks S after it has seen the graph:
//!
//! ```text
//! P[some S can be singled out]  ≤  Σ over s = 1 … m−1 of  C(h, s) · p(s)^s
//! p(s) = P[at least t − min(k − t, e) of k drawn are among s − 1 + c marked ones of n − 1]
//! ```
//!
//! This is at most 2^−σ **for a graph, not for a round**: it covers all rosters of all rounds on
//! the same draws. If k = n − 1 the graph is complete and nothing is random; then S must satisfy (*)
//! with |D(A) ∩ (S ∪ C)| = s − 1 + c, and the s·(h − s) pads between S and the rest must come from
//! members of S, at most min(k − t, e) each, and members outside, as many each.
//!
//! **Connectivity** needs no bound of its own. If everybody has the same roster U and the graph
//! among the honest members of U falls apart, a part S has all of its D(A) in S ∪ C and outside U:
//! at least `k − min(k − t, e) ≥ t` of them in S ∪ C, which (*) counts already.
//!
//! **Rounds that fail.** With exactly `e` members lost, picked at random, some member has fewer than
//! t holders left with probability at most `n · P[more than k − t of k drawn are among the e lost]`,
//! to be at most 2^−η. Lost is whoever does not answer to the end of the round, for whatever
//! reason, a corrupt member that refuses included: k is not raised for c members that refuse on top
//! of that. A holder that refuses is named by the round that it spoils and suspended, and a round
//! that fails says nothing about anybody. Nor are losses taken as independent with probability δ:
//! then more than ⌊δn⌋ would be lost, and the gateways refuse, in about every second round,
//! whatever k is. [`Strength::bearable_ppm`] is the independent rate that a net does bear.
//!
//! # What is not in it
//!
//! - *Members, not readings.* S has m members; how many of them had a reading (transmission bit 1)
//!   a gateway must take from the provider's count.
//! - *Honest members.* m counts honest members, a gateway's minimum size all of them. So
//!   n − e − c ≥ m is demanded here; and a gateway must not accept an epoch, nor draw from a list,
//!   that is much smaller than the net: among m members all but one may be corrupt, and
//!   [`Sharing::within`] gives them a smaller t.
//! - *The list that was drawn from.* n is its size. Members that drew when the net was smaller are
//!   bounded by the n of then: k and t must be sound for each size at which members draw.
//! - *Draws that the provider has repeated.* If it can have each member draw R times and keep what
//!   suits it, p(s) becomes R·p(s): log2 R bits less for s = 1.
//! - *Members that are corrupted after the draws*, chosen by who holds whose shares. Members that
//!   register later hold no shares of earlier draws and do no harm here.
//! - *Roles.* A must send shares to those that it drew itself, by its own memory and not by what a
//!   manifest says.
//! - *Several rounds.* The difference of two sums over nearly the same members.

mod bounds;

use crate::descriptor::MIN_DEGREE;
use bounds::{Shape, ln_failure, ln_failure_independent, ln_level};

/// Most holders that a member can have: x coordinates of shares are the non-zero bytes.
pub const MAX_HOLDERS: u16 = 255;

/// A net as it is to be, or as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    /// n: members in the list that is drawn from, corrupt ones included; at least 4.
    pub members: u32,
    /// δ in thousandths: the loss up to which gateways answer rosters; below 1000.
    pub loss_permille: u16,
    /// m: fewest honest members that a sum may be about; at least 2.
    pub min_size: u32,
}

/// How sure it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// σ: a lying provider can single out fewer than m honest members in a graph with probability
    /// at most 2^−σ.
    pub privacy_bits: u16,
    /// η: some member has too few holders left in a round with probability at most 2^−η.
    pub failure_bits: u16,
}

impl Default for Levels {
    /// σ = 40, η = 20.
    fn default() -> Self {
        Self {
            privacy_bits: 40,
            failure_bits: 20,
        }
    }
}

/// Holders of shares and how many of them are needed, as in a net descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    /// k: neighbours that a member draws, each a holder of one share of its self-mask.
    pub holders: u16,
    /// t: shares that give the self-mask.
    pub threshold: u16,
}

impl Sharing {
    /// What holds in an epoch of `members`: with k or fewer the graph is complete, all n − 1 others
    /// are holders, and t shrinks in proportion, rounded up, to no less than 2.
    #[must_use]
    pub fn within(self, members: u32) -> Self {
        let others = match u16::try_from(members.saturating_sub(1)) {
            Ok(others) if others < self.holders => others,
            _ => return self,
        };
        let product = u32::from(self.threshold) * u32::from(others);
        let threshold = product.div_ceil(u32::from(self.holders)).max(2);
        Self {
            holders: others,
            threshold: u16::try_from(threshold).unwrap_or(others),
        }
    }

    fn check(self) -> Result<(), ParametersError> {
        let (k, t) = (self.holders, self.threshold);
        let sound = (2..=k).contains(&t) && k <= MAX_HOLDERS && u32::from(t) * 2 > u32::from(k);
        sound.then_some(()).ok_or(ParametersError::Sharing { k, t })
    }
}

/// What a net with given k and t withstands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// Most corrupt members, provider lying, at 2^−σ; `None` if it does not withstand a lying
    /// provider even without any.
    pub corrupt: Option<u32>,
    /// Most members lost in a round, picked at random, so that all others have t holders left at
    /// 2^−η. Gateways refuse beyond ⌊δn⌋ whatever stands here; below it, rounds fail more often
    /// than wanted. `None` if even a round without any loss fails, which takes k < t.
    pub lost: Option<u32>,
    /// The largest rate, in millionths, at which each member may be lost for itself in a round so
    /// that at 2^−η no more than ⌊δn⌋ are lost and all others have t holders left. 0 if none is.
    pub bearable_ppm: u32,
}

/// The smallest k, and with it the largest t, for which `net` withstands a lying provider with
/// `corrupt_permille` thousandths of corrupt members, rounded down to whole members, at `levels`.
///
/// Of all t the largest that the loss allows is taken: privacy only rises with it. Takes a few
/// milliseconds for a million members.
///
/// # Errors
/// [`ParametersError`]: numbers out of range, too few honest members, or no k up to 255.
pub fn choose(net: Net, corrupt_permille: u16, levels: Levels) -> Result<Sharing, ParametersError> {
    net.check()?;
    let corrupt = part(net.members, corrupt_permille)?;
    net.check_honest(corrupt)?;
    let others = net.members - 1;
    let least = u32::try_from(MIN_DEGREE).unwrap_or(u32::MAX).min(others);
    let found = (least..=others.min(u32::from(MAX_HOLDERS)))
        .find_map(|k| net.threshold_for(k, corrupt, levels).map(|t| (k, t)));
    if let Some((k, t)) = found {
        let narrow = |value| u16::try_from(value).unwrap_or(MAX_HOLDERS);
        return Ok(Sharing {
            holders: narrow(k),
            threshold: narrow(t),
        });
    }
    // How far off is it? Double, then halve the step between.
    let mut too_few = u32::from(MAX_HOLDERS).min(others);
    let mut enough = too_few;
    while net.threshold_for(enough, corrupt, levels).is_none() {
        if enough == others {
            return Err(ParametersError::Impossible);
        }
        too_few = enough;
        enough = enough.saturating_mul(2).min(others);
    }
    let needed = least_where(too_few + 1, enough, |k| {
        net.threshold_for(k, corrupt, levels).is_some()
    });
    Err(ParametersError::TooManyHolders { needed })
}

/// What `net` withstands with `sharing` at `levels`: for the audit of a net that exists.
///
/// In a net of k or fewer members [`Sharing::within`] is what counts.
///
/// # Errors
/// [`ParametersError`]: numbers out of range, or fewer honest members than m even if none is
/// corrupt.
pub fn audit(net: Net, sharing: Sharing, levels: Levels) -> Result<Strength, ParametersError> {
    net.check()?;
    sharing.check()?;
    net.check_honest(0)?;
    let sharing = sharing.within(net.members);
    let (k, t) = (u32::from(sharing.holders), u32::from(sharing.threshold));
    let missing = net.missing();
    let failed = ln_level(levels.failure_bits);
    Ok(Strength {
        corrupt: most_where(net.members - missing - net.min_size, |corrupt| {
            net.withstands(k, t, corrupt, levels)
        }),
        lost: most_where(net.members - 1, |lost| {
            ln_failure(net.members, lost, k, t) <= failed
        }),
        bearable_ppm: most_where(999_999, |ppm| {
            ln_failure_independent(net.members, missing, ppm, k, t) <= failed
        })
        .unwrap_or(0),
    })
}

/// The bound on the probability that a lying provider with `corrupt` corrupt members can single out
/// fewer than m honest members of a graph, as bits: 40.0 stands for 2^−40. Infinite if it never
/// can; 0 or less says that the bound says nothing.
///
/// # Errors
/// As [`audit`], for `corrupt` members.
pub fn privacy_bits(net: Net, sharing: Sharing, corrupt: u32) -> Result<f64, ParametersError> {
    net.check()?;
    sharing.check()?;
    net.check_honest(corrupt)?;
    let sharing = sharing.within(net.members);
    let shape = net.shape(sharing.holders.into(), sharing.threshold.into(), corrupt);
    Ok(bounds::bits(shape.ln_exposure(f64::INFINITY)))
}

impl Net {
    fn check(self) -> Result<(), ParametersError> {
        part(self.members, self.loss_permille)?;
        if self.members < 4 || self.min_size < 2 {
            return Err(ParametersError::TooSmall {
                members: self.members,
                min_size: self.min_size,
            });
        }
        Ok(())
    }

    /// Even with the largest loss, and the corrupt members' readings known, m honest ones remain.
    fn check_honest(self, corrupt: u32) -> Result<(), ParametersError> {
        let honest = (self.members - self.missing()).saturating_sub(corrupt);
        if honest < self.min_size {
            return Err(ParametersError::TooFewHonest {
                honest,
                min_size: self.min_size,
            });
        }
        Ok(())
    }

    /// e: how many members a roster may leave out.
    fn missing(self) -> u32 {
        part(self.members, self.loss_permille).unwrap_or(0)
    }

    fn shape(self, holders: u32, threshold: u32, corrupt: u32) -> Shape {
        Shape {
            members: self.members,
            corrupt,
            missing: self.missing(),
            min_size: self.min_size,
            holders,
            threshold,
        }
    }

    fn withstands(self, k: u32, t: u32, corrupt: u32, levels: Levels) -> bool {
        let level = ln_level(levels.privacy_bits);
        self.shape(k, t, corrupt).ln_exposure(level) <= level
    }

    /// The largest t that the loss allows with k holders, if it is also private.
    fn threshold_for(self, k: u32, corrupt: u32, levels: Levels) -> Option<u32> {
        let failed = ln_level(levels.failure_bits);
        let missing = self.missing();
        let least = (k / 2 + 1).max(2);
        let above = most_where(k - least, |step| {
            ln_failure(self.members, missing, k, least + step) <= failed
        })?;
        let threshold = least + above;
        self.withstands(k, threshold, corrupt, levels)
            .then_some(threshold)
    }
}

/// `permille` thousandths of `members`, rounded down.
fn part(members: u32, permille: u16) -> Result<u32, ParametersError> {
    if permille >= 1000 {
        return Err(ParametersError::Permille { got: permille });
    }
    Ok(u32::try_from(u64::from(members) * u64::from(permille) / 1000).unwrap_or(members))
}

/// The largest number up to `most` for which `holds`, which must not hold again once it does not.
fn most_where(most: u32, holds: impl Fn(u32) -> bool) -> Option<u32> {
    if !holds(0) {
        return None;
    }
    Some(
        least_where(1, most.saturating_add(1), |value| {
            value > most || !holds(value)
        }) - 1,
    )
}

/// The smallest number from `low` to `high` for which `holds`; it must hold for `high`, and from
/// there on where it holds once.
fn least_where(mut low: u32, mut high: u32, holds: impl Fn(u32) -> bool) -> u32 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

/// Why there is no k and t, or no audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// A fraction of all or more.
    #[error("a fraction is {got} thousandths, it must be below 1000")]
    Permille {
        /// Thousandths.
        got: u16,
    },
    /// Less than the smallest net, or a sum over one.
    #[error("{members} members with sums over {min_size}: at least 4 and 2 are needed")]
    TooSmall {
        /// n.
        members: u32,
        /// m.
        min_size: u32,
    },
    /// A round with the largest loss could be about fewer honest members than m.
    #[error("{honest} honest members may be all that a sum is about, it must be {min_size}")]
    TooFewHonest {
        /// n − ⌊δn⌋ − c.
        honest: u32,
        /// m.
        min_size: u32,
    },
    /// k and t that no descriptor may have.
    #[error("k = {k}, t = {t}: 2 to k of at most 255 holders, and more than half, are needed")]
    Sharing {
        /// k.
        k: u16,
        /// t.
        t: u16,
    },
    /// It would take more holders than there are x coordinates in GF(2⁸).
    #[error("{needed} holders would be needed, more than the 255 that GF(2^8) has")]
    TooManyHolders {
        /// About the smallest k that would do.
        needed: u32,
    },
    /// Not even if everybody were everybody's holder.
    #[error("no number of holders is enough for so many corrupt and lost members")]
    Impossible,
}

#[cfg(test)]
mod tests;
