//! Groups of self-masks, of what recovers them, and of thresholds.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, DescriptorHash, NetDescriptor, NetParameters};
use dcnet_protocol::key_agreement::EpochSecret;
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::self_mask::{Place, Seed, SelfMask, ShareKey};
use dcnet_protocol::word::Word;

use crate::fields;
use crate::group::{Vector, bytes, hex, load, numbers};
use crate::sums::{agreed, party};
use crate::world::accepted;

fn place(vector: &Vector) -> Place {
    Place {
        descriptor: DescriptorHash::from_bytes(vector.array("descriptor")),
        client: vector.text("client").parse().unwrap(),
        epoch: Epoch::new(vector.number("epoch")),
        round: Round::new(vector.number("round")),
    }
}

fn slots(vector: &Vector) -> usize {
    usize::try_from(vector.number("slots")).unwrap()
}

fn words(words: &[Word]) -> Vec<u64> {
    words.iter().map(|word| word.get()).collect()
}

#[test]
fn self_masks() {
    let (mut dealt, mut recovered) = (0, 0);
    for vector in load("self-masks") {
        let encoded = vector.bytes("encoded");
        if vector.has("told") {
            told(&vector);
            recovered += 1;
            continue;
        }
        let Some(mask) = vector.outcome(SelfMask::decode(&encoded)) else {
            continue;
        };
        let shown = fields::self_mask(&mask);
        assert_eq!(shown, *vector.get("fields"), "{}", vector.name);
        assert_eq!(mask.encode(), encoded, "{}: encoded again", vector.name);
        for length in 0..encoded.len() {
            let cut = SelfMask::decode(&encoded[..length]);
            assert!(cut.is_err(), "{}: cut at {length}", vector.name);
        }
        if vector.has("holders") {
            dealing(&vector, &mask);
            dealt += 1;
        }
    }
    assert!(
        dealt > 10 && recovered > 20,
        "{dealt} dealt, {recovered} recovered"
    );
}

/// What the seed gives, the keys of the shares at both ends, and that exactly as many of the shares as
/// the frame says recover the mask.
fn dealing(vector: &Vector, mask: &SelfMask) {
    let (name, place, slots) = (&vector.name, place(vector), slots(vector));
    let seed = Seed::from_bytes(vector.array("seed"));
    let expected = numbers(vector.get("words"));
    assert_eq!(seed.words_for_vectors(&place, slots), expected, "{name}");
    assert_eq!(
        seed.commitment_for_vectors(&place),
        mask.commitment,
        "{name}"
    );

    let head = EpochHead::decode(&vector.bytes("head")).unwrap();
    assert_eq!(head.epoch, place.epoch, "{name}");
    let own = vector.whole();
    let holders = vector.get("holders").as_array().unwrap();
    let mut keys = Vec::new();
    for (holder, sealed) in holders.iter().zip(&mask.shares) {
        let (dealer, other) = (place.client, party(holder).client);
        let (at_both, at_dealer) = agreed(place.descriptor, &head, own, holder);
        let (agreement, at_holder) = agreed(place.descriptor, &head, holder, own);
        assert_eq!(at_both, agreement, "{name}");
        let key = |secret: EpochSecret| secret.shares(dealer, other).key(place.round);
        let (at_dealer, at_holder) = (key(at_dealer), key(at_holder));
        assert_eq!(hex(&at_dealer.to_bytes()), holder["key"], "{name}");
        assert_eq!(hex(&at_holder.to_bytes()), holder["key"], "{name}");
        let share = sealed.ciphertext.iter().zip(at_holder.to_bytes());
        let share: Vec<u8> = share.map(|(byte, key)| byte ^ key).collect();
        assert_eq!(hex(&share), holder["share"], "{name}");
        keys.push(at_holder);
    }
    assert_eq!(keys.len(), mask.shares.len(), "{name}");
    for subset in 0_u32..1 << keys.len() {
        let told = keys.iter().copied().enumerate();
        let recovery = mask.recover(&place, slots, told.filter(|(at, _)| subset >> at & 1 == 1));
        assert!(recovery.wrong.is_empty(), "{name}: {subset:b}");
        let enough = subset.count_ones() >= u32::from(mask.threshold);
        let got = recovery.words.ok().map(|got| words(&got));
        assert_eq!(got, enough.then(|| expected.clone()), "{name}: {subset:b}");
    }
}

/// What the told keys recover, and whose shares are wrong: positions count from 1 in the vectors.
fn told(vector: &Vector) {
    let mask = SelfMask::decode(&vector.bytes("encoded")).unwrap();
    let told = vector.get("told").as_object().unwrap().iter();
    let told = told.map(|(position, key)| {
        let position: usize = position.parse().unwrap();
        (
            position - 1,
            ShareKey::from_bytes(bytes(key).try_into().unwrap()),
        )
    });
    let recovery = mask.recover(&place(vector), slots(vector), told);
    let mut wrong: Vec<u64> = recovery.wrong.iter().map(|at| *at as u64 + 1).collect();
    wrong.sort_unstable();
    assert_eq!(wrong, numbers(vector.get("wrong")), "{}", vector.name);
    if let Some(got) = vector.outcome(recovery.words) {
        let expected = numbers(vector.get("words"));
        assert_eq!(words(&got), expected, "{}", vector.name);
    }
}

#[test]
fn thresholds() {
    let sample = accepted("descriptor", "double mask");
    let sample = NetParameters::decode(&sample.bytes("encoded")).unwrap();
    assert_eq!(sample.correction_mode, CorrectionMode::DoubleMask);
    for vector in load("thresholds") {
        let short = |field: &str| u16::try_from(vector.number(field)).unwrap();
        let size = |field: &str| usize::try_from(vector.number(field)).unwrap();
        let descriptor = NetDescriptor::new(NetParameters {
            out_degree: short("out_degree"),
            threshold: short("threshold"),
            max_loss_permille: short("max_loss_permille"),
            ..sample.clone()
        })
        .unwrap();
        let members = size("members");
        // The gateway takes the greater one of these two.
        let drawn = descriptor.drawn_of(members).max(size("confirmed"));
        assert_eq!(drawn, size("to_be_drawn"), "{}", vector.name);
        let got = (
            descriptor.threshold_of(drawn),
            descriptor.needed_holders(drawn),
        );
        let expected = (size("effective_threshold"), size("needed_holders"));
        assert_eq!(got, expected, "{}", vector.name);
        vector.outcome(if descriptor.is_enough(size("present"), members) {
            Ok(())
        } else {
            Err("too many are missing")
        });
    }
}
