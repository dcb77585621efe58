//! Groups of edge keys, envelopes opened by their addressee, and pads.

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::envelope::{EdgeNotice, Envelope};
use dcnet_protocol::key_agreement::{AgreementKey, KeyPackage, PairSecret, Party, WeakKey};
use dcnet_protocol::pad::Pad;
use dcnet_protocol::round::{Epoch, Round};

use crate::fields;
use crate::group::{Vector, hex, load, numbers};

fn party(vector: &Vector, field: &str) -> Party {
    Party::from(&KeyPackage::decode(&vector.bytes(field)).unwrap())
}

fn pair(vector: &Vector) -> Result<PairSecret, WeakKey> {
    let own = party(vector, "own_package");
    let key = AgreementKey::from_bytes(vector.array("own_secret"));
    assert_eq!(key.public_key(), own.public_key, "{}", vector.name);
    key.agree(&own, &party(vector, "peer_package"))
}

#[test]
fn edge_keys() {
    for vector in load("edge-keys") {
        let Some(pair) = vector.outcome(pair(&vector)) else {
            continue;
        };
        let descriptor = DescriptorHash::from_bytes(vector.array("descriptor"));
        let key = pair.edge_key(&descriptor, Epoch::new(vector.number("epoch")));
        assert_eq!(
            hex(&key.expose_for_vectors()),
            *vector.get("key"),
            "{}",
            vector.name
        );
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
        let pair = vector.outcome(pair(&vector)).unwrap();
        let descriptor = DescriptorHash::from_bytes(vector.array("descriptor"));
        let edge = pair.edge_key(&descriptor, Epoch::new(vector.number("epoch")));
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
