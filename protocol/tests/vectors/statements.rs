//! Groups of signed statements, key packages and certificates.

use dcnet_protocol::certificate::{TrustAnchor, Usage};
use dcnet_protocol::codec::Wire;
use dcnet_protocol::correction::double_mask::contradict;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::key_agreement::SignedKeyPackage;
use dcnet_protocol::membership::entry::{ExitStatement, Neighbourhood};
use dcnet_protocol::message::{Correction, Manifest};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::{Signed, SigningKey, Statement, VerifyingKey};
use serde_json::{Value, json};

use crate::fields;
use crate::group::{bytes, hex, load};

/// Decodes and verifies; signs again where the vector gives the private key.
fn check<T: Statement + Clone>(group: &str, show: impl Fn(&T) -> Value) {
    let mut signed_again = 0;
    for vector in load(group).iter().filter(|vector| vector.has("encoded")) {
        let key = VerifyingKey::from_sec1(&vector.bytes("key")).unwrap();
        let encoded = vector.bytes("encoded");
        let verified = Signed::<T>::decode(&encoded)
            .map_err(|error| error.to_string())
            .and_then(|signed| {
                signed
                    .verify(&key)
                    .cloned()
                    .map_err(|error| error.to_string())
            });
        let Some(body) = vector.outcome(verified) else {
            continue;
        };
        let shown = json!({"body": show(&body)});
        assert!(
            fields::is_part_of(&shown, vector.get("fields")),
            "{}: {shown}",
            vector.name
        );
        for length in 0..encoded.len() {
            assert!(
                Signed::<T>::decode(&encoded[..length]).is_err(),
                "{group}: {}: cut at {length}",
                vector.name
            );
        }
        if vector.has("signing_scalar") {
            let key = SigningKey::from_scalar(&vector.array("signing_scalar")).unwrap();
            assert_eq!(
                key.sign(body).encode(),
                encoded,
                "{}: signed again",
                vector.name
            );
            signed_again += 1;
        }
    }
    assert!(signed_again > 0, "{group}: no vector to sign again");
}

#[test]
fn neighbourhoods() {
    check::<Neighbourhood>("neighbourhoods", fields::neighbourhood);
}

#[test]
fn exits() {
    check::<ExitStatement>("exits", fields::exit);
}

#[test]
fn manifests() {
    check::<Manifest>("manifests", fields::manifest);
}

#[test]
fn corrections() {
    check::<Correction>("corrections", fields::correction);
}

#[test]
fn rosters() {
    check::<Roster>("rosters", fields::roster);
    for vector in load("rosters") {
        if vector.has("hash") {
            let encoded = vector.bytes("encoded");
            let roster = Signed::<Roster>::decode(&encoded).unwrap();
            let hash = roster.unverified().hash().encode();
            assert_eq!(hex(&hash), *vector.get("hash"), "{}", vector.name);
        }
        if vector.has("one") {
            let [one, other] =
                ["one", "other"].map(|field| Roster::decode(&vector.bytes(field)).unwrap());
            let both = [contradict(&one, &other), contradict(&other, &one)];
            assert_eq!(both[0], both[1], "{}", vector.name);
            vector.outcome(if both[0] {
                Err("they contradict")
            } else {
                Ok(())
            });
        }
    }
}

#[test]
fn certificates() {
    for vector in load("certificates") {
        let anchor = TrustAnchor::from_der(&vector.bytes("anchor")).unwrap();
        let chain: Vec<Vec<u8>> = vector
            .get("chain")
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect();
        let usage = match vector.text("usage") {
            "tls" => Usage::Tls,
            "statement" => Usage::Statement,
            other => panic!("unknown usage {other}"),
        };
        let now = UnixTime::from_millis(vector.number("now_ms"));
        let Some(identity) = vector.outcome(anchor.verify(&chain, usage, now)) else {
            continue;
        };
        assert_eq!(
            identity.client.as_str(),
            vector.text("client"),
            "{}",
            vector.name
        );
        assert_eq!(
            hex(&identity.key.to_sec1()),
            *vector.get("key"),
            "{}",
            vector.name
        );
    }
}

#[test]
fn key_packages() {
    for vector in load("key-packages") {
        let anchor = TrustAnchor::from_der(&vector.bytes("anchor")).unwrap();
        let net = vector.text("net").parse().unwrap();
        let descriptor = DescriptorHash::from_bytes(vector.array("descriptor"));
        let now = UnixTime::from_millis(vector.number("now_ms"));
        let encoded = vector.bytes("encoded");
        let verified = SignedKeyPackage::decode(&encoded)
            .map_err(|error| error.to_string())
            .and_then(|signed| {
                assert_eq!(signed.encode(), encoded, "{}: encoded again", vector.name);
                signed
                    .verify(&anchor, net, descriptor, now)
                    .map_err(|error| error.to_string())
            });
        let Some(verified) = vector.outcome(verified) else {
            continue;
        };
        assert_eq!(
            fields::key_package(verified.package()),
            *vector.get("fields"),
            "{}",
            vector.name
        );
        assert_eq!(
            hex(verified.package().hash().as_bytes()),
            *vector.get("hash"),
            "{}",
            vector.name
        );
    }
}
