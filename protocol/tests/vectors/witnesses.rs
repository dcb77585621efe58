//! Group `witnesses`: what a witness cosigns, and which cosignatures count.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::membership::checkpoint::{Checkpoint, LogFault, LogFollower};
use dcnet_protocol::membership::witness::{
    CosignError, CosignRequest, Cosignatures, Quorum, Witness, Witnessed,
};
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::{SigningKey, VerifyingKey};

use crate::group::{Vector, bytes, hex, load};

fn of_kind(kind: &str) -> Vec<Vector> {
    let all = load("witnesses").into_iter();
    let vectors: Vec<Vector> = all.filter(|vector| vector.text("kind") == kind).collect();
    assert!(!vectors.is_empty(), "no vector of the kind {kind}");
    vectors
}

#[test]
fn every_kind_is_read() {
    for vector in load("witnesses") {
        let kind = vector.text("kind");
        assert!(matches!(kind, "ask" | "count"), "{}", vector.name);
    }
}

#[test]
fn cosigning() {
    for vector in of_kind("ask") {
        let descriptor = NetDescriptor::decode(&vector.bytes("descriptor")).unwrap();
        let mut follower = LogFollower::new();
        if vector.has("known") {
            let stored = [vec![1], vector.bytes("known")].concat();
            follower = LogFollower::decode(&stored).unwrap();
        }
        let mut witness = Witnessed::new(descriptor, follower);
        let before = witness.clone();
        let key = SigningKey::from_scalar(&vector.array("signing_scalar")).unwrap();
        let request = CosignRequest::decode(&vector.bytes("request")).unwrap();
        assert_eq!(request.encode(), vector.bytes("request"));
        let name = vector.text("witness").parse().unwrap();
        let now = UnixTime::from_millis(vector.number("now"));
        let outcome = witness.cosign(&request, name, &key, now);
        let told = match &outcome {
            Err(CosignError::OldSize { size, .. }) => Some(*size),
            _ => None,
        };
        let size = vector.has("size").then(|| vector.number("size"));
        assert_eq!(told, size, "{}: {outcome:?}", vector.name);
        let fork = matches!(outcome, Err(CosignError::Log(LogFault::Fork(_))));
        assert_eq!(fork, vector.has("evidence"), "{}: {outcome:?}", vector.name);
        let Some(cosignature) = vector.outcome(outcome) else {
            assert_eq!(witness, before, "{}: changed", vector.name);
            continue;
        };
        let encoded = hex(&cosignature.encode());
        assert_eq!(encoded, *vector.get("cosignature"), "{}", vector.name);
        let kept = witness.follower().last();
        assert_eq!(kept, Some(&request.checkpoint), "{}", vector.name);
    }
}

#[test]
fn counting() {
    for vector in of_kind("count") {
        let known = vector.get("witnesses").as_object().unwrap();
        let known = known.iter().map(|(name, key)| Witness {
            name: name.parse().unwrap(),
            key: VerifyingKey::from_sec1(&bytes(key)).unwrap(),
        });
        let needed = usize::try_from(vector.number("needed")).unwrap();
        let quorum = Quorum::new(known.collect(), needed).unwrap();
        let checkpoint = Checkpoint::decode(&vector.bytes("checkpoint")).unwrap();
        let Ok(cosignatures) = Cosignatures::decode(&vector.bytes("cosignatures")) else {
            assert!(!vector.accepted && !vector.has("count"), "{}", vector.name);
            continue;
        };
        let count = quorum.count(&checkpoint, &cosignatures);
        let expected = usize::try_from(vector.number("count")).unwrap();
        assert_eq!(count, expected, "{}", vector.name);
        assert_eq!(count >= quorum.needed(), vector.accepted, "{}", vector.name);
    }
}
