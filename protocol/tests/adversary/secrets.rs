//! What a frame shows, and what secrets show of themselves.

use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::key_agreement::{AgreementKey, EdgePlace, EphemeralKey, Party, SecretBytes};
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::merkle::MerkleRoot;
use dcnet_protocol::round::Epoch;
use dcnet_protocol::superposition::Reading;

use crate::group::hex;
use crate::world::{members, setup, state};
use crate::{ROUND, frame_of, reading, running, submit_all, words};

/// A generator that filled the first bytes only has been seen in the field.
#[test]
fn every_word_of_a_frame_is_masked() {
    let mut net = running();
    let mut seen = std::collections::BTreeSet::new();
    let mut round = ROUND;
    for _ in 0..20 {
        submit_all(&mut net, round);
        for (number, client) in net.everybody().iter().enumerate() {
            let clear = reading(number);
            for (word, value) in words(frame_of(&net, *client))
                .into_iter()
                .zip(clear.values())
            {
                assert_ne!(word, value.cast_unsigned());
                assert!(
                    seen.insert(word.wrapping_sub(value.cast_unsigned())),
                    "a pad twice"
                );
            }
        }
        net.sent.clear();
        round = round.next();
    }
    assert_eq!(seen.len(), 20 * 5 * 3);
}

#[test]
fn pads_cancel_and_the_sum_is_exact() {
    let mut net = running();
    submit_all(&mut net, ROUND);
    for slot in 0..3 {
        let sum = net
            .sent
            .iter()
            .fold(0_u64, |sum, frame| sum.wrapping_add(words(frame)[slot]));
        let expected: i64 = (0..5).map(|number| reading(number).values()[slot]).sum();
        assert_eq!(sum.cast_signed(), expected);
    }
}

#[test]
fn secrets_do_not_show_themselves() {
    let vectors = members();
    let (setup_, package) = setup(&crate::world::descriptor(), &vectors[0]);
    let key = AgreementKey::from_bytes(vectors[0].array("agreement_secret"));
    let (_, other) = setup(&crate::world::descriptor(), &vectors[1]);
    let (own, peer) = (
        Party::from(package.unverified()),
        Party::from(other.unverified()),
    );
    let pair = key.agree(&own, &peer).unwrap();
    let hash = DescriptorHash::from_bytes([1; 32]);
    let ephemeral = EphemeralKey::from_bytes(7, [42; 32]);
    let theirs = EphemeralKey::from_bytes(8, [43; 32]).public();
    let (_, mut chain) = pair.chain(&hash, ephemeral.clone(), &theirs).unwrap();
    let head = EpochHead {
        epoch: Epoch::new(1),
        first_round: ROUND,
        members: 4,
        member_root: MerkleRoot::empty(),
    };
    let place = EdgePlace::new(head, (own.client, 0), (peer.client, 1));
    let epoch_secret = chain.pass(&place).unwrap();
    let edge = epoch_secret.edge_key(own.client, peer.client);
    let (step, block) = chain.expose_for_vectors();
    let reading = Reading::new(vec![123_456_789]).unwrap();
    let state = state(&vectors[0]);
    let shown = [
        format!("{key:?}"),
        format!("{pair:?}"),
        format!("{edge:?}"),
        format!("{ephemeral:?}"),
        format!("{chain:?}"),
        format!("{epoch_secret:?}"),
        format!("{:?}", epoch_secret.shares(own.client, peer.client)),
        format!("{reading:?}"),
        format!("{state:?}"),
        format!("{:?}", setup_.key),
        format!("{:?}", SecretBytes::new(vec![0xab, 0xcd])),
    ];
    let secrets = [
        key.to_bytes().to_vec(),
        edge.expose_for_vectors().to_vec(),
        vec![42; 32],
        step.to_vec(),
        block.to_vec(),
        vectors[0].bytes("statement_scalar"),
    ];
    for text in &shown {
        assert!(!text.contains("123456789"), "{text}");
        for secret in &secrets {
            let hex = hex(secret);
            let hex = hex.as_str().unwrap();
            let list = format!("{secret:?}");
            assert!(
                !text.contains(&hex[..16]) && !text.contains(&list[..20]),
                "{text}"
            );
        }
        assert!(
            text.contains("redacted") || text.starts_with("GatewayState"),
            "{text}"
        );
    }
}
