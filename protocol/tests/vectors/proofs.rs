//! Groups of what a provider signs so that it can be held to it: receipts and evidence.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::evidence::{EvidenceFile, Proof};
use dcnet_protocol::message::{Receipt, SignedReceipt};
use dcnet_protocol::signature::SigningKey;

use crate::fields;
use crate::formats::check;
use crate::group::{bytes, load};

#[test]
fn receipts() {
    check("receipts", fields::receipt);
    let mut batches = 0;
    for vector in load("receipts").iter().filter(|v| v.has("signed")) {
        let descriptor = NetDescriptor::decode(&vector.bytes("descriptor")).unwrap();
        let signed: Vec<_> = vector.get("signed").as_array().unwrap().iter().collect();
        for (position, encoded) in signed.iter().enumerate() {
            let encoded = bytes(encoded);
            let verified = SignedReceipt::decode(&encoded)
                .map_err(|error| error.to_string())
                .and_then(|receipt| match receipt.verify(&descriptor) {
                    Ok(_) => Ok(receipt),
                    Err(error) => Err(error.to_string()),
                });
            let Some(receipt) = vector.outcome(verified) else {
                continue;
            };
            let (shown, expected) = (
                fields::signed_receipt(&receipt),
                &vector.get("fields")[position],
            );
            assert!(fields::is_part_of(&shown, expected), "{}", vector.name);
            assert_eq!(receipt.encode(), encoded, "{}: encoded again", vector.name);
            for length in 0..encoded.len() {
                let cut = SignedReceipt::decode(&encoded[..length]);
                assert!(cut.is_err(), "{}: cut at {length}", vector.name);
            }
        }
        if vector.has("receipts") {
            let key = SigningKey::from_scalar(&vector.array("signing_scalar")).unwrap();
            let receipts = vector.get("receipts").as_array().unwrap().iter();
            let receipts = receipts.map(|receipt| Receipt::decode(&bytes(receipt)).unwrap());
            let again = SignedReceipt::sign(receipts.collect(), &descriptor, &key);
            let again: Vec<_> = again.iter().map(SignedReceipt::encode).collect();
            let signed: Vec<_> = signed.into_iter().map(bytes).collect();
            assert_eq!(again, signed, "{}: signed again", vector.name);
            batches += 1;
        }
    }
    assert!(batches > 0, "no batch to sign again");
}

#[test]
fn evidence() {
    for vector in load("evidence") {
        let encoded = vector.bytes("encoded");
        let proven = EvidenceFile::from_bytes(&encoded).and_then(|file| {
            assert_eq!(file.to_bytes(), encoded, "{}: encoded again", vector.name);
            file.verify()
        });
        let Some(proof) = vector.outcome(proven) else {
            continue;
        };
        let (kind, field, number) = match proof {
            Proof::Rosters { round } => (1, "round", round.number()),
            Proof::Receipt { round } => (2, "round", round.number()),
            Proof::Checkpoints { size } => (3, "size", size),
        };
        assert_eq!(kind, vector.number("kind"), "{}", vector.name);
        assert_eq!(number, vector.number(field), "{}", vector.name);
        for length in 0..encoded.len() {
            let cut = EvidenceFile::from_bytes(&encoded[..length]);
            assert!(cut.is_err(), "{}: cut at {length}", vector.name);
        }
    }
}
