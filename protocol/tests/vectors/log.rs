//! Group `log`: member trees, entries, checkpoints, logs, and following them.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::DescriptorHash;
use dcnet_protocol::key_agreement::KeyPackageHash;
use dcnet_protocol::membership::checkpoint::{Checkpoint, LogFault, LogFollower, Step};
use dcnet_protocol::membership::epoch_head::{EpochHead, MemberLeaf, MemberTree};
use dcnet_protocol::membership::log::{DrawList, Log, LogEntry};
use dcnet_protocol::merkle::Path;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::{Signed, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use crate::fields;
use crate::group::{Vector, bytes, hex, load};

fn of_kind(kind: &str) -> Vec<Vector> {
    let all = load("log").into_iter();
    let vectors: Vec<Vector> = all.filter(|vector| vector.text("kind") == kind).collect();
    assert!(!vectors.is_empty(), "no vector of the kind {kind}");
    vectors
}

#[test]
fn every_kind_is_read() {
    let kinds = ["members", "entry", "checkpoint", "log", "follow"];
    for vector in load("log") {
        assert!(kinds.contains(&vector.text("kind")), "{}", vector.name);
    }
}

fn signing_key(vector: &Vector) -> SigningKey {
    SigningKey::from_scalar(&vector.array("signing_scalar")).unwrap()
}

fn net(vector: &Vector) -> (NetId, DescriptorHash) {
    let descriptor = DescriptorHash::from_bytes(vector.array("descriptor"));
    (vector.text("net").parse().unwrap(), descriptor)
}

/// A path in hex, as a list holds it.
fn path(value: &Value) -> Path {
    Path::decode(&bytes(value)).unwrap()
}

/// The leaves of a vector in its order, which may be none that a list could have.
fn leaves(vector: &Vector) -> Vec<MemberLeaf> {
    let encoded = vector.bytes("leaves");
    let mut rest = &encoded[4..];
    let mut leaves = Vec::new();
    while let Some(length) = rest.first() {
        let (name, behind) = rest[1..].split_at(usize::from(*length));
        let (package, behind) = behind.split_at(32);
        let client: ClientId = std::str::from_utf8(name).unwrap().parse().unwrap();
        let package = KeyPackageHash::from_bytes(package.try_into().unwrap());
        leaves.push(MemberLeaf { client, package });
        rest = behind;
    }
    leaves
}

#[test]
fn members() {
    for vector in of_kind("members") {
        let leaves = leaves(&vector);
        let Some(tree) = vector.outcome(MemberTree::new(leaves.clone())) else {
            continue;
        };
        let epoch = Epoch::new(vector.number("epoch"));
        let head = tree.epoch_head(epoch, Round::new(vector.number("first_round")));
        assert_eq!(
            hex(&head.encode()),
            *vector.get("encoded"),
            "{}",
            vector.name
        );
        let paths = vector.get("paths").as_array().unwrap();
        assert_eq!(paths.len(), leaves.len());
        for ((leaf, shown), index) in leaves.iter().zip(paths).zip(0..) {
            assert_eq!(tree.inclusion(index), Some(path(shown)), "{}", vector.name);
            head.verify(index, leaf, &path(shown)).unwrap();
        }
    }
}

fn epoch_head(value: &EpochHead) -> Value {
    json!({
        "epoch": value.epoch.to_string(),
        "first_round": value.first_round.to_string(),
        "members": value.members,
        "member_root": hex(value.member_root.as_bytes()),
    })
}

fn draw_list(value: &DrawList) -> Value {
    json!({
        "round": value.round.to_string(),
        "members": value.members,
        "root": hex(value.root.as_bytes()),
    })
}

fn moment(client: ClientId, round: Round) -> Value {
    json!({"client": client.as_str(), "round": round.to_string()})
}

fn entry(value: &LogEntry) -> Value {
    match value {
        LogEntry::Admitted { client, package } => {
            json!({"kind": 1, "body": {
                "client": client.as_str(), "package": hex(package.as_bytes())}})
        }
        LogEntry::Exited(signed) => {
            json!({"kind": 2, "body": {"body": fields::exit(signed.unverified())}})
        }
        LogEntry::Suspended { client, round } => {
            json!({"kind": 3, "body": moment(*client, *round)})
        }
        LogEntry::Resumed { client, round } => {
            json!({"kind": 4, "body": moment(*client, *round)})
        }
        LogEntry::Epoch(head) => json!({"kind": 5, "body": epoch_head(head)}),
        LogEntry::DrawList(list) => json!({"kind": 6, "body": draw_list(list)}),
    }
}

#[test]
fn entries() {
    for vector in of_kind("entry") {
        let encoded = vector.bytes("encoded");
        let Some(value) = vector.outcome(LogEntry::decode(&encoded)) else {
            continue;
        };
        let (shown, fields) = (entry(&value), vector.get("fields"));
        assert!(
            fields::is_part_of(&shown, fields),
            "{}: {shown}",
            vector.name
        );
        assert_eq!(value.encode(), encoded, "{}: encoded again", vector.name);
        for length in 0..encoded.len() {
            assert!(LogEntry::decode(&encoded[..length]).is_err());
        }
    }
}

fn checkpoint(value: &Checkpoint) -> Value {
    json!({
        "net": value.net.as_str(),
        "descriptor": hex(value.descriptor.as_bytes()),
        "size": value.size.to_string(),
        "root": hex(value.root.as_bytes()),
    })
}

#[test]
fn checkpoints() {
    for vector in of_kind("checkpoint") {
        let key = VerifyingKey::from_sec1(&vector.bytes("key")).unwrap();
        let encoded = vector.bytes("encoded");
        let verified = Signed::<Checkpoint>::decode(&encoded)
            .map_err(|error| error.to_string())
            .and_then(|signed| {
                let body = signed.verify(&key).copied();
                body.map_err(|error| error.to_string())
            });
        let Some(body) = vector.outcome(verified) else {
            continue;
        };
        let shown = json!({"body": checkpoint(&body)});
        assert!(
            fields::is_part_of(&shown, vector.get("fields")),
            "{}: {shown}",
            vector.name
        );
        let again = signing_key(&vector).sign(body).encode();
        assert_eq!(again, encoded, "{}: signed again", vector.name);
    }
}

#[test]
fn logs() {
    for vector in of_kind("log") {
        let (net, descriptor) = net(&vector);
        let list = |field: &str| vector.get(field).as_array().unwrap().clone();
        let (key, heads) = (signing_key(&vector), list("heads"));
        let entries: Vec<Vec<u8>> = list("entries").iter().map(bytes).collect();
        let mut log = Log::new(net, descriptor);
        let mut follower = LogFollower::new();
        for (encoded, size) in entries.iter().map(Some).chain([None]).zip(0..) {
            assert_eq!(log.len(), size);
            let head = log.head(&key);
            assert_eq!(hex(&head.encode()), heads[usize::try_from(size).unwrap()]);
            let path = log.consistency(follower.size()).unwrap();
            let verifying = key.verifying_key();
            follower
                .accept(&head, &path, &verifying, net, descriptor)
                .unwrap();
            if let Some(encoded) = encoded {
                assert_eq!(log.append(&LogEntry::decode(encoded).unwrap()), size);
            }
        }
        for (shown, from) in list("consistency").iter().zip(0..) {
            assert_eq!(log.consistency(from), Some(path(shown)), "from {from}");
        }
        let head = log.checkpoint();
        for ((shown, encoded), index) in list("inclusion").iter().zip(&entries).zip(0..) {
            assert_eq!(log.inclusion(index), Some(path(shown)), "entry {index}");
            let entry = LogEntry::decode(encoded).unwrap();
            head.verify_entry(index, &entry, &path(shown)).unwrap();
            assert_eq!(log.entry(index), Some(encoded.as_slice()));
        }
        let restored = Log::restore(net, descriptor, &entries).unwrap();
        assert_eq!(restored.checkpoint(), head);
    }
}

/// Replays the entries of the vectors' history as an auditor does: who is a member at each head.
#[test]
fn heads_follow_from_the_entries() {
    for vector in of_kind("log") {
        let mut members = std::collections::BTreeMap::new();
        for encoded in vector.get("entries").as_array().unwrap() {
            match LogEntry::decode(&bytes(encoded)).unwrap() {
                LogEntry::Admitted { client, package } => {
                    members.insert(client, (package, true));
                }
                LogEntry::Exited(signed) => {
                    members.remove(&signed.unverified().client).unwrap();
                }
                LogEntry::Suspended { client, .. } => members.get_mut(&client).unwrap().1 = false,
                LogEntry::Resumed { client, .. } => members.get_mut(&client).unwrap().1 = true,
                LogEntry::Epoch(head) => {
                    let active = members.iter().filter(|(_, (_, active))| *active);
                    let leaves = active.map(|(client, (package, _))| MemberLeaf {
                        client: *client,
                        package: *package,
                    });
                    let tree = MemberTree::new(leaves.collect()).unwrap();
                    assert_eq!(tree.epoch_head(head.epoch, head.first_round), head);
                }
                LogEntry::DrawList(_) => {}
            }
        }
    }
}

#[test]
fn following() {
    for vector in of_kind("follow") {
        let key = VerifyingKey::from_sec1(&vector.bytes("key")).unwrap();
        let (net, descriptor) = net(&vector);
        let mut follower = LogFollower::new();
        if vector.has("known") {
            // Restored as it would have been persisted: one byte 1, then the checkpoint.
            let stored = [vec![1], vector.bytes("known")].concat();
            follower = LogFollower::decode(&stored).unwrap();
        }
        let before = follower.clone();
        let shown = Signed::<Checkpoint>::decode(&vector.bytes("shown")).unwrap();
        let Ok(path) = Path::decode(&vector.bytes("path")) else {
            assert!(!vector.accepted, "{}: path", vector.name);
            continue;
        };
        let outcome = follower.accept(&shown, &path, &key, net, descriptor);
        let fork = matches!(outcome, Err(LogFault::Fork(_)));
        assert_eq!(fork, vector.has("evidence"), "{}: {outcome:?}", vector.name);
        let Some(step) = vector.outcome(outcome) else {
            assert_eq!(follower, before, "{}: changed", vector.name);
            continue;
        };
        let (word, taken) = match step {
            Step::First => ("first", true),
            Step::Extended { from } => {
                assert_eq!(from, before.size(), "{}", vector.name);
                ("extended", true)
            }
            Step::Same => ("same", false),
            Step::Older => ("older", false),
        };
        assert_eq!(word, vector.text("step"), "{}", vector.name);
        let kept = if taken { Some(&shown) } else { before.last() };
        assert_eq!(follower.last(), kept, "{}", vector.name);
    }
}
