use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::key_agreement::{AgreementKey, KeyPackage, Party};
use crate::merkle::MerkleRoot;

const H: DescriptorHash = DescriptorHash::from_bytes([9; 32]);

/// Both ends' pair secrets, of members called `a` and `b`.
fn pairs() -> [PairSecret; 2] {
    let keys = [[3; 32], [4; 32]].map(AgreementKey::from_bytes);
    let party = |name: &str, key: &AgreementKey| {
        Party::from(&KeyPackage {
            net: "street-1".parse().unwrap(),
            descriptor: H,
            client: name.parse().unwrap(),
            serial: 1,
            public_key: key.public_key(),
        })
    };
    let parties = [party("a", &keys[0]), party("b", &keys[1])];
    [
        keys[0].agree(&parties[0], &parties[1]).unwrap(),
        keys[1].agree(&parties[1], &parties[0]).unwrap(),
    ]
}

fn chains() -> [Chain; 2] {
    let [a, b] = pairs();
    let [one, other] = [
        EphemeralKey::from_bytes(5, [5; 32]),
        EphemeralKey::from_bytes(6, [6; 32]),
    ];
    let (ours, theirs) = (one.public(), other.public());
    let (agreement, chain) = a.chain(&H, one, &theirs).unwrap();
    let (same, other) = b.chain(&H, other, &ours).unwrap();
    assert_eq!(agreement, same);
    [chain, other]
}

fn place(epoch: u64) -> EdgePlace {
    let head = EpochHead {
        epoch: Epoch::new(epoch),
        first_round: Round::new(1),
        members: 4,
        member_root: MerkleRoot::empty(),
    };
    let ends = [("a", 1), ("b", 2)].map(|(client, index)| (client.parse().unwrap(), index));
    EdgePlace::new(head, ends[0], ends[1])
}

fn key(secret: &EpochSecret) -> [u8; 32] {
    *secret
        .edge_key("a".parse().unwrap(), "b".parse().unwrap())
        .bytes()
}

#[test]
fn both_ends_have_one_chain() {
    let [a, b] = chains();
    assert_eq!(a, b);
}

/// Over several blocks: one end passes every epoch, the other comes at the last one.
#[test]
fn whoever_comes_late_has_the_same_keys() {
    let [mut steady, newcomer] = chains();
    for epoch in 0..=1_030 {
        let secret = steady.pass(&place(epoch)).unwrap();
        if [
            0, 1, 2, 254, 255, 256, 257, 511, 512, 513, 1_023, 1_024, 1_030,
        ]
        .contains(&epoch)
        {
            let mut late = newcomer.clone();
            assert_eq!(
                key(&late.pass(&place(epoch)).unwrap()),
                key(&secret),
                "{epoch}"
            );
            assert_eq!(late, steady, "{epoch}");
            // By way of another epoch, too.
            let mut by_way = newcomer.clone();
            by_way.skip_to(Epoch::new(epoch / 2));
            assert_eq!(key(&by_way.pass(&place(epoch)).unwrap()), key(&secret));
        }
    }
}

#[test]
fn every_epoch_has_other_keys() {
    let [mut chain, _] = chains();
    let mut seen = std::collections::BTreeSet::new();
    for epoch in 0..600 {
        let secret = chain.pass(&place(epoch)).unwrap();
        let (step, block) = (*chain.step.bytes(), *chain.block.bytes());
        assert!(seen.insert(key(&secret)) && seen.insert(step), "{epoch}");
        assert!(
            seen.insert(block) == (epoch % 256 == 255 || epoch == 0),
            "{epoch}"
        );
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(seen.insert(*secret.shares(a, b).into_secret().bytes()));
        assert!(seen.insert(*secret.shares(b, a).into_secret().bytes()));
    }
}

/// Two members that are told different heads of one epoch, or different indices of one of them, have pads
/// that do not cancel.
#[test]
fn keys_are_bound_to_the_place() {
    let [chain, _] = chains();
    let own = place(3);
    let mut other = own.head;
    other.members = 5;
    let other = EdgePlace { head: other, ..own };
    let (low, high) = (own.low, own.high);
    let places = [
        own,
        other,
        EdgePlace { low: 3, ..own },
        EdgePlace { high: 3, ..own },
        EdgePlace {
            low: high,
            high: low,
            ..own
        },
    ];
    let keys = places.map(|place| {
        let secret = chain.clone().pass(&place).unwrap();
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        (key(&secret), *secret.shares(a, b).into_secret().bytes())
    });
    let edge: std::collections::BTreeSet<_> = keys.iter().map(|keys| keys.0).collect();
    let share: std::collections::BTreeSet<_> = keys.iter().map(|keys| keys.1).collect();
    assert_eq!((edge.len(), share.len()), (places.len(), places.len()));
}

#[test]
fn what_is_past_is_gone() {
    let [mut chain, _] = chains();
    chain.pass(&place(7)).unwrap();
    assert_eq!(chain.next(), Epoch::new(8));
    let before = chain.clone();
    for epoch in 0..=7 {
        assert!(chain.pass(&place(epoch)).is_none());
    }
    chain.skip_to(Epoch::new(3));
    assert_eq!(chain, before);
}

#[test]
fn chains_end_at_the_limit() {
    let [mut chain, _] = chains();
    for epoch in [EPOCH_LIMIT, EPOCH_LIMIT + 1, u64::MAX] {
        assert!(chain.pass(&place(epoch)).is_none(), "{epoch}");
    }
    assert_eq!(chain.next(), Epoch::new(0));
    assert!(chain.pass(&place(EPOCH_LIMIT - 1)).is_some());
    assert_eq!(chain.next(), Epoch::new(EPOCH_LIMIT));
    chain.skip_to(Epoch::new(u64::MAX));
    assert_eq!(chain.next(), Epoch::new(EPOCH_LIMIT));
    assert!(chain.pass(&place(EPOCH_LIMIT)).is_none());
}

#[test]
fn other_ephemeral_keys_or_serials_are_other_agreements() {
    let [pair, _] = pairs();
    let theirs = EphemeralKey::from_bytes(6, [6; 32]).public();
    let mut seen = Vec::new();
    for (own, theirs) in [
        (EphemeralKey::from_bytes(5, [5; 32]), theirs),
        (EphemeralKey::from_bytes(6, [5; 32]), theirs),
        (EphemeralKey::from_bytes(5, [7; 32]), theirs),
        (
            EphemeralKey::from_bytes(5, [5; 32]),
            Ephemeral {
                serial: 7,
                ..theirs
            },
        ),
    ] {
        let (agreement, chain) = pair.chain(&H, own.clone(), &theirs).unwrap();
        assert_eq!(agreement, pair.agreement(&H, &own.public(), &theirs));
        let (elsewhere, of_it) = pair
            .chain(&DescriptorHash::from_bytes([8; 32]), own, &theirs)
            .unwrap();
        for known in &seen {
            assert_ne!(*known, (agreement, chain.clone()));
        }
        seen.extend([(agreement, chain), (elsewhere, of_it)]);
    }
    for (i, one) in seen.iter().enumerate() {
        let others = seen.iter().skip(i + 1);
        assert!(
            others
                .into_iter()
                .all(|other| other.0 != one.0 && other.1 != one.1)
        );
    }
}

#[test]
fn a_weak_ephemeral_key_is_refused() {
    let [pair, _] = pairs();
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    for key in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let theirs = Ephemeral { serial: 1, key };
        let refused = pair.chain(&H, EphemeralKey::generate(1, &mut rng), &theirs);
        assert!(refused.is_err());
    }
}
