//! Groups of chains and edge keys, envelopes opened by their addressee, and pads.

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::envelope::{EdgeNotice, Envelope};
use dcnet_protocol::key_agreement::{
    Agreement, AgreementKey, Chain, EdgeKey, EdgePlace, Ephemeral, EphemeralKey, EpochSecret,
    KeyPackage, PairSecret, Party, WeakKey,
};
use dcnet_protocol::membership::epoch_head::EpochHead;
use dcnet_protocol::pad::Pad;
use dcnet_protocol::round::Round;

use crate::fields;
use crate::group::{Vector, bytes, hex, load, number, numbers};

fn party(vector: &Vector, field: &str) -> Party {
    Party::from(&KeyPackage::decode(&vector.bytes(field)).unwrap())
}

fn pair(vector: &Vector) -> Result<PairSecret, WeakKey> {
    let own = party(vector, "own_package");
    let key = AgreementKey::from_bytes(vector.array("own_secret"));
    assert_eq!(key.public_key(), own.public_key, "{}", vector.name);
    key.agree(&own, &party(vector, "peer_package"))
}

/// What the vector's ends have agreed, its head, and where the edge stands.
fn chain(vector: &Vector) -> Result<(Agreement, Chain, EpochHead, EdgePlace), WeakKey> {
    let own = vector.get("own_ephemeral");
    let secret = bytes(&own["secret"]).try_into().unwrap();
    let own = EphemeralKey::from_bytes(number(&own["serial"]), secret);
    let peer = Ephemeral::decode(&vector.bytes("peer_ephemeral")).unwrap();
    let descriptor = DescriptorHash::from_bytes(vector.array("descriptor"));
    let pair = pair(vector)?;
    let named = pair.agreement(&descriptor, &own.public(), &peer);
    let (agreement, chain) = pair.chain(&descriptor, own, &peer)?;
    assert_eq!(agreement, named, "{}", vector.name);
    let head = EpochHead::decode(&vector.bytes("head")).unwrap();
    let ends = ["own", "peer"].map(|end| {
        let index = vector.get(&format!("{end}_index")).as_u64().unwrap();
        let client = party(vector, &format!("{end}_package")).client;
        (client, u32::try_from(index).unwrap())
    });
    let place = EdgePlace::new(head, ends[0], ends[1]);
    Ok((agreement, chain, head, place))
}

fn edge_key(vector: &Vector, secret: &EpochSecret) -> EdgeKey {
    let ends = ["own_package", "peer_package"].map(|field| party(vector, field).client);
    secret.edge_key(ends[0], ends[1])
}

#[test]
fn edge_keys() {
    for vector in load("edge-keys") {
        let derived = chain(&vector).map_err(|weak| weak.to_string()).and_then(
            |(agreement, mut chain, head, place)| {
                let mut there = chain.clone();
                there.skip_to(head.epoch);
                let secret = chain.pass(&place).ok_or("no keys for that epoch")?;
                assert_eq!(chain.next(), head.epoch.next(), "{}", vector.name);
                Ok((agreement, there.expose_for_vectors(), secret))
            },
        );
        let Some((agreement, (step, block), secret)) = vector.outcome(derived) else {
            continue;
        };
        let key = edge_key(&vector, &secret).expose_for_vectors();
        for (field, bytes) in [
            ("agreement", *agreement.as_bytes()),
            ("step", step),
            ("block", block),
            ("key", key),
        ] {
            assert_eq!(hex(&bytes), *vector.get(field), "{}: {field}", vector.name);
        }
    }
}

#[test]
fn tunnel() {
    for vector in load("tunnel") {
        let pair = pair(&vector).unwrap();
        let opened = Envelope::decode(&vector.bytes("envelope"))
            .map_err(|error| error.to_string())
            .and_then(|envelope| match envelope.open(&pair) {
                Ok(notice) => Ok((envelope, notice)),
                Err(error) => Err(error.to_string()),
            });
        let Some((envelope, notice)) = vector.outcome(opened) else {
            continue;
        };
        let shown = fields::edge_notice(&notice);
        assert!(
            fields::is_part_of(&shown, vector.get("fields")),
            "{}: {shown}",
            vector.name
        );
        assert_eq!(
            hex(&notice.encode()),
            *vector.get("plaintext"),
            "{}",
            vector.name
        );
        assert_eq!(
            EdgeNotice::decode(&vector.bytes("plaintext")).unwrap(),
            notice
        );
        let descriptor = DescriptorHash::from_bytes(vector.array("descriptor"));
        assert_eq!(
            hex(&*pair.receiving_key(&descriptor)),
            *vector.get("key"),
            "{}",
            vector.name
        );

        let sender = AgreementKey::from_bytes(vector.array("sender_secret"))
            .agree(
                &party(&vector, "peer_package"),
                &party(&vector, "own_package"),
            )
            .unwrap();
        assert_eq!(
            hex(&*sender.sending_key(&descriptor)),
            *vector.get("key"),
            "{}",
            vector.name
        );
        // The nonce stands behind the header.
        let at = envelope.header().encode().len();
        let nonce = vector.bytes("envelope")[at..at + 24].try_into().unwrap();
        let sealed = Envelope::seal_with_nonce(envelope.header().clone(), &notice, &sender, nonce);
        assert_eq!(sealed.unwrap(), envelope, "{}: sealed again", vector.name);
    }
}

#[test]
fn pads() {
    for vector in load("pads") {
        let (_, mut chain, _, place) = vector.outcome(chain(&vector)).unwrap();
        let edge = edge_key(&vector, &chain.pass(&place).unwrap());
        assert_eq!(
            hex(&edge.expose_for_vectors()),
            *vector.get("key"),
            "{}",
            vector.name
        );
        let slots = usize::try_from(vector.number("slots")).unwrap();
        let words = Pad::words_for_vectors(&edge, Round::new(vector.number("round")), slots);
        assert_eq!(
            words,
            numbers(vector.get("signed_words")),
            "{}",
            vector.name
        );
    }
}
