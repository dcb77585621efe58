//! Logs as a provider must not write them.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::descriptor::{CorrectionMode, NetParameters, SlotSpec};
use dcnet_protocol::key_agreement::{KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::edge::EdgeSet;
use dcnet_protocol::membership::entry::ExitStatement;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::provider::EpochMember;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::SigningKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::*;
use crate::pki::Authority;

/// Nobody waits for it.
fn replay(
    descriptor: &NetDescriptor,
    packages: &KeyPackages,
    rows: &[LogRow],
    lists: &[DrawListRecord],
    epoch: Option<&EpochRecord>,
) -> Replay {
    super::replay(descriptor, packages, rows, lists, epoch, || {})
}

/// The provider's.
fn key() -> SigningKey {
    SigningKey::from_scalar(&[3; 32]).unwrap()
}

/// A gateway with a certificate of the authority.
struct Member {
    key: SigningKey,
    chain: Vec<Vec<u8>>,
}

struct Pki {
    authority: Vec<u8>,
    members: Vec<Member>,
}

/// Nine gateways and their authority: made once, since keys take time.
static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path()).unwrap();
    let der = |path: &Path| CertificateDer::from_pem_file(path).unwrap().to_vec();
    let members = (0..=9).map(|number| {
        let out = folder.path().join(number.to_string());
        std::fs::create_dir(&out).unwrap();
        let files = authority.issue(&client(number), &out, 30).unwrap();
        let key = std::fs::read_to_string(&files.sig_key).unwrap();
        Member {
            key: SigningKey::from_pkcs8_pem(&key).unwrap(),
            chain: vec![der(&files.sig_certificate)],
        }
    });
    Pki {
        members: members.collect(),
        authority: der(&authority.certificate_path()),
    }
});

/// Round of the first epoch: certificates are judged by it.
static BORDER: LazyLock<u64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() / 20 * 2
});

fn border() -> u64 {
    *BORDER
}

/// Milliseconds since 1970 at the border of the first epoch.
fn now() -> u64 {
    border() * 10_000
}

fn package(number: u8, serial: u64) -> SignedKeyPackage {
    let member = &PKI.members[usize::from(number)];
    let package = KeyPackage {
        net: descriptor().net(),
        descriptor: descriptor().hash(),
        client: client(number),
        serial,
        public_key: [number; 32],
    };
    SignedKeyPackage::sign(package, &member.chain, &member.key)
}

fn packages() -> KeyPackages {
    let anchor = TrustAnchor::from_der(&PKI.authority).unwrap();
    KeyPackages::new(anchor, (1..=9).map(|number| package(number, 1)))
}

fn descriptor() -> NetDescriptor {
    NetDescriptor::new(NetParameters {
        version: 1,
        net: "elbe-4".parse().unwrap(),
        region: Vec::new(),
        interval_s: 10,
        submit_window_s: 3,
        correction_window_s: 3,
        slots: vec![SlotSpec {
            obis: [1, 0, 1, 8, 0, 255],
            unit: 30,
            scale: -1,
        }],
        min_size: 4,
        out_degree: 3,
        threshold: 2,
        max_loss_permille: 50,
        correction_mode: CorrectionMode::DoubleMask,
        epoch_length: 2,
        provider_key: key().verifying_key().to_sec1(),
        ca_fingerprint: TrustAnchor::from_der(&PKI.authority).unwrap().fingerprint(),
    })
    .unwrap()
}

fn client(number: u8) -> ClientId {
    format!("gw-{number}").parse().unwrap()
}

fn leaf(number: u8) -> MemberLeaf {
    MemberLeaf {
        client: client(number),
        package: package(number, 1).unverified().hash(),
    }
}

fn admitted(number: u8) -> LogEntry {
    let MemberLeaf { client, package } = leaf(number);
    LogEntry::Admitted { client, package }
}

fn head(epoch: u64, first: u64, members: &[u8]) -> LogEntry {
    let tree = MemberTree::new(members.iter().map(|number| leaf(*number)).collect()).unwrap();
    LogEntry::Epoch(tree.epoch_head(Epoch::new(epoch), Round::new(first)))
}

fn suspended(number: u8) -> LogEntry {
    LogEntry::Suspended {
        client: client(number),
        round: Round::new(7),
    }
}

fn resumed(number: u8) -> LogEntry {
    LogEntry::Resumed {
        client: client(number),
        round: Round::new(7),
    }
}

fn exited(number: u8, signer: u8, serial: u64) -> LogEntry {
    let descriptor = descriptor();
    let key = &PKI.members[usize::from(signer)].key;
    LogEntry::Exited(key.sign(ExitStatement {
        net: descriptor.net(),
        descriptor: descriptor.hash(),
        client: client(number),
        serial,
        neighbours: ClientSet::default(),
    }))
}

fn rows(entries: &[LogEntry]) -> Vec<LogRow> {
    let rows = entries.iter().zip(0..).map(|(entry, index)| LogRow {
        net: "elbe-4".parse().unwrap(),
        index,
        entry: entry.encode(),
    });
    rows.collect()
}

fn faults(entries: &[LogEntry]) -> Vec<String> {
    replay(&descriptor(), &packages(), &rows(entries), &[], None).faults
}

fn history() -> Vec<LogEntry> {
    vec![
        admitted(1),
        admitted(2),
        admitted(3),
        admitted(4),
        head(1, border(), &[1, 2, 3, 4]),
        suspended(2),
        head(2, border() + 2, &[1, 3, 4]),
        exited(3, 3, now()),
        resumed(2),
        head(3, border() + 4, &[1, 2, 4]),
    ]
}

#[test]
fn an_orderly_log_has_no_faults_and_the_root_of_its_checkpoint() {
    let descriptor = descriptor();
    let rows = rows(&history());
    let replay = replay(&descriptor, &packages(), &rows, &[], None);
    assert_eq!(replay.faults, [""; 0]);
    assert_eq!(replay.size, 10);
    let mut log = Log::new(descriptor.net(), descriptor.hash());
    for entry in &history() {
        log.append(entry);
    }
    assert_eq!(replay.root, Some(log.checkpoint().root));
}

#[test]
fn what_does_not_follow_is_told_with_its_index() {
    let with = |at: usize, entry| {
        let mut entries = history();
        entries[at] = entry;
        faults(&entries)
    };
    for (at, entry, text) in [
        (1, admitted(1), "entry 1: gw-1 was admitted already"),
        (
            4,
            head(1, border(), &[1, 2, 3]),
            "entry 4: epoch 1 has 3 members",
        ),
        (
            4,
            head(1, border() + 1, &[1, 2, 3, 4]),
            "epoch 1 cannot begin with round",
        ),
        (
            6,
            head(2, border(), &[1, 3, 4]),
            "epoch 2 cannot begin with round",
        ),
        (
            6,
            head(3, border() + 2, &[1, 3, 4]),
            "epoch 3 where epoch 2 was due",
        ),
        (5, suspended(9), "gw-9 is suspended without"),
        (8, resumed(4), "gw-4 is resumed a second time"),
        (7, exited(9, 9, now()), "gw-9 has left without"),
    ] {
        let faults = with(at, entry);
        assert!(
            faults.iter().any(|fault| fault.contains(text)),
            "{faults:?}"
        );
    }
}

#[test]
fn gaps_and_bytes_that_are_no_entries_leave_no_root() {
    let mut gap = rows(&history());
    gap.remove(3);
    let found = replay(&descriptor(), &packages(), &gap, &[], None);
    assert_eq!(found.faults, ["entry 3 is missing, 4 follows"]);
    assert_eq!(found.root, None);
    let mut broken = rows(&history());
    broken[9].entry.push(0);
    let found = replay(&descriptor(), &packages(), &broken, &[], None);
    assert!(found.faults[0].starts_with("entry 9: no entry"));
    assert_eq!(found.root, None);
}

#[test]
fn the_epoch_in_force_and_the_lists_that_are_kept_must_stand_in_the_log() {
    let members = [1, 2, 4].map(|number| EpochMember {
        client: client(number),
        package: leaf(number).package,
        neighbours: EdgeSet::default(),
        holders: ClientSet::default(),
    });
    let mut epoch = EpochRecord::new(Epoch::new(3), Round::new(border() + 4), members.to_vec());
    epoch.log_index = 9;
    let leaves: Vec<MemberLeaf> = [1, 2, 4, 5].map(leaf).to_vec();
    let tree = MemberTree::new(leaves.clone()).unwrap();
    let mut list = DrawListRecord {
        index: 10,
        round: Round::new(border() + 5),
        oldest: 10,
        leaves,
    };
    let mut entries = history();
    entries.push(LogEntry::DrawList(tree.draw_list(list.round)));
    let rows = rows(&entries);
    let found = replay(
        &descriptor(),
        &packages(),
        &rows,
        std::slice::from_ref(&list),
        Some(&epoch),
    );
    assert_eq!(found.faults, [""; 0]);
    assert_eq!(found.epoch_missing, None);
    epoch.log_index = 6;
    list.leaves.pop();
    let found = replay(&descriptor(), &packages(), &rows, &[list], Some(&epoch));
    assert_eq!(
        found.faults,
        ["entry 10: the draw list that is kept is another one"]
    );
    let missing = found.epoch_missing.unwrap();
    assert!(missing.contains("epoch 3 is not entry 6"), "{missing}");
}

#[test]
fn nobody_but_the_leaver_ends_a_membership() {
    let with = |entry| {
        let mut entries = history();
        entries[7] = entry;
        faults(&entries)
    };
    assert_eq!(
        with(exited(3, 4, now())),
        ["entry 7: gw-3 has not signed the exit that is entered for it"]
    );
    // A statement of before its key package was made says nothing about that one.
    let mut entries = vec![admitted(1), admitted(2), admitted(4)];
    let later = package(3, now() + 1);
    let (client, hash) = (client(3), later.unverified().hash());
    entries.push(LogEntry::Admitted {
        client,
        package: hash,
    });
    entries.push(exited(3, 3, now()));
    let anchor = TrustAnchor::from_der(&PKI.authority).unwrap();
    let packages = KeyPackages::new(anchor, [later]);
    let found = replay(&descriptor(), &packages, &rows(&entries), &[], None);
    assert_eq!(
        found.faults,
        ["entry 4: the exit of gw-3 is older than its key package"]
    );
}

#[test]
fn who_is_admitted_has_a_key_package_that_verifies() {
    let anchor = || TrustAnchor::from_der(&PKI.authority).unwrap();
    let told = |packages: KeyPackages| {
        let found = replay(&descriptor(), &packages, &rows(&history()), &[], None);
        found.faults.join("\n")
    };
    let without_4 = (1..4).map(|number| package(number, 1));
    let text = told(KeyPackages::new(anchor(), without_4.clone()));
    assert!(
        text.contains("the key package of gw-4 is not kept"),
        "{text}"
    );
    // One that another member signed, under the same hash.
    let member = &PKI.members[5];
    let body = package(4, 1).unverified().clone();
    let foreign = SignedKeyPackage::sign(body, &member.chain, &member.key);
    let text = told(KeyPackages::new(anchor(), without_4.chain([foreign])));
    assert!(
        text.contains("entry 4: the key package of gw-4: "),
        "{text}"
    );
}

#[test]
fn an_older_key_package_does_not_come_back() {
    let newer = package(2, 2);
    let mut entries = history();
    let package_of = |package: &SignedKeyPackage| LogEntry::Admitted {
        client: client(2),
        package: package.unverified().hash(),
    };
    entries[1] = package_of(&newer);
    let own = MemberLeaf {
        client: client(2),
        package: newer.unverified().hash(),
    };
    let tree = MemberTree::new(vec![leaf(1), own, leaf(3), leaf(4)]).unwrap();
    let first = tree.epoch_head(Epoch::new(1), Round::new(border()));
    entries.truncate(4);
    entries.push(LogEntry::Epoch(first));
    entries.push(package_of(&package(2, 1)));
    entries.push(head(2, border() + 2, &[1, 2, 3, 4]));
    let anchor = TrustAnchor::from_der(&PKI.authority).unwrap();
    let all = (1..=4).map(|number| package(number, 1)).chain([newer]);
    let packages = KeyPackages::new(anchor, all);
    let found = replay(&descriptor(), &packages, &rows(&entries), &[], None);
    assert_eq!(
        found.faults,
        ["entry 6: gw-2 is admitted with an older key package than before"]
    );
}
