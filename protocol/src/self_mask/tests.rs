//! Self-masks, seeds and shares.

use super::*;

fn place() -> Place {
    Place {
        descriptor: DescriptorHash::from_bytes([7; 32]),
        client: "gw-1".parse().unwrap(),
        epoch: Epoch::new(3),
        round: Round::new(2_000_000),
    }
}

fn keys(count: u8) -> Vec<ShareKey> {
    (0..count)
        .map(|n| ShareKey([n.wrapping_mul(37); 16]))
        .collect()
}

fn dealt(threshold: usize, holders: u8) -> DealtMask {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    DealtMask::deal(&place(), 3, threshold, &keys(holders), &mut rng).unwrap()
}

#[test]
fn any_threshold_of_the_shares_recover_the_mask_and_fewer_do_not() {
    let dealt = dealt(4, 7);
    let keys = keys(7);
    for subset in 0_u32..128 {
        let told = (0..7)
            .filter(|i| subset >> i & 1 == 1)
            .map(|i| (i, keys[i]));
        let recovery = dealt.wire.recover(&place(), 3, told);
        assert_eq!(recovery.wrong, []);
        if subset.count_ones() >= 4 {
            assert_eq!(recovery.words.as_deref(), Ok(dealt.words()));
        } else {
            let got = usize::try_from(subset.count_ones()).unwrap();
            assert_eq!(
                recovery.words,
                Err(RecoveryError::TooFew { got, needed: 4 })
            );
        }
    }
}

#[test]
fn wrong_shares_are_named_and_left_out() {
    let dealt = dealt(3, 5);
    let mut told: Vec<_> = keys(5).into_iter().enumerate().collect();
    told[1].1.0[0] ^= 1;
    told.push((5, ShareKey([0; 16])));
    let recovery = dealt.wire.recover(&place(), 3, told.clone());
    assert_eq!(recovery.wrong, [1, 5]);
    assert_eq!(recovery.words.as_deref(), Ok(dealt.words()));
    told[0].1.0[15] ^= 1;
    told[2].1.0[7] ^= 1;
    let recovery = dealt.wire.recover(&place(), 3, told);
    assert_eq!(recovery.wrong, [0, 1, 2, 5]);
    assert_eq!(
        recovery.words,
        Err(RecoveryError::TooFew { got: 2, needed: 3 })
    );
}

#[test]
fn a_member_that_shares_something_else_is_noticed() {
    let mut dealt = dealt(3, 5);
    dealt.wire.commitment[0] ^= 1;
    let told = keys(5).into_iter().enumerate();
    let recovery = dealt.wire.recover(&place(), 3, told);
    assert_eq!(recovery.words, Err(RecoveryError::Commitment));
}

#[test]
fn shares_of_another_place_do_not_fit() {
    let dealt = dealt(3, 5);
    let elsewhere = Place {
        round: Round::new(2_000_001),
        ..place()
    };
    let told = keys(5).into_iter().enumerate();
    assert_eq!(dealt.wire.recover(&elsewhere, 3, told).wrong.len(), 5);
}

#[test]
fn impossible_thresholds_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    for (threshold, holders) in [(1, 5), (0, 5), (6, 5), (2, 0)] {
        let result = DealtMask::deal(&place(), 1, threshold, &keys(holders), &mut rng);
        assert!(result.is_err(), "{threshold} of {holders}");
    }
}
