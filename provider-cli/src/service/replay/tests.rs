//! Logs as a provider must not write them.

use dcnet_protocol::descriptor::{CorrectionMode, NetParameters, SlotSpec};
use dcnet_protocol::membership::edge::EdgeSet;
use dcnet_protocol::membership::entry::ExitStatement;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::provider::EpochMember;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::SigningKey;

use super::*;

fn key() -> SigningKey {
    SigningKey::from_scalar(&[3; 32]).unwrap()
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
        ca_fingerprint: [0; 32],
    })
    .unwrap()
}

fn client(number: u8) -> ClientId {
    format!("gw-{number}").parse().unwrap()
}

fn leaf(number: u8) -> MemberLeaf {
    MemberLeaf {
        client: client(number),
        package: KeyPackageHash::from_bytes([number; 32]),
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

fn exited(number: u8, descriptor: &NetDescriptor) -> LogEntry {
    LogEntry::Exited(key().sign(ExitStatement {
        net: descriptor.net(),
        descriptor: descriptor.hash(),
        client: client(number),
        serial: 9,
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
    replay(&descriptor(), &rows(entries), &[], None).faults
}

fn history() -> Vec<LogEntry> {
    vec![
        admitted(1),
        admitted(2),
        admitted(3),
        admitted(4),
        head(1, 8, &[1, 2, 3, 4]),
        suspended(2),
        head(2, 10, &[1, 3, 4]),
        exited(3, &descriptor()),
        resumed(2),
        head(3, 12, &[1, 2, 4]),
    ]
}

#[test]
fn an_orderly_log_has_no_faults_and_the_root_of_its_checkpoint() {
    let descriptor = descriptor();
    let rows = rows(&history());
    let replay = replay(&descriptor, &rows, &[], None);
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
        (4, head(1, 8, &[1, 2, 3]), "entry 4: epoch 1 has 3 members"),
        (4, head(1, 9, &[1, 2, 3, 4]), "cannot begin with round 9"),
        (6, head(2, 8, &[1, 3, 4]), "cannot begin with round 8"),
        (6, head(3, 10, &[1, 3, 4]), "epoch 3 where epoch 2 was due"),
        (5, suspended(9), "gw-9 is suspended without"),
        (8, resumed(4), "gw-4 is resumed a second time"),
        (7, exited(9, &descriptor()), "gw-9 has left without"),
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
    let found = replay(&descriptor(), &gap, &[], None);
    assert_eq!(found.faults, ["entry 3 is missing, 4 follows"]);
    assert_eq!(found.root, None);
    let mut broken = rows(&history());
    broken[9].entry.push(0);
    let found = replay(&descriptor(), &broken, &[], None);
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
    let mut epoch = EpochRecord::new(Epoch::new(3), Round::new(12), members.to_vec());
    epoch.log_index = 9;
    let leaves: Vec<MemberLeaf> = [1, 2, 4, 5].map(leaf).to_vec();
    let tree = MemberTree::new(leaves.clone()).unwrap();
    let mut list = DrawListRecord {
        index: 10,
        round: Round::new(13),
        oldest: 10,
        leaves,
    };
    let mut entries = history();
    entries.push(LogEntry::DrawList(tree.draw_list(list.round)));
    let rows = rows(&entries);
    let found = replay(
        &descriptor(),
        &rows,
        std::slice::from_ref(&list),
        Some(&epoch),
    );
    assert_eq!(found.faults, [""; 0]);
    assert_eq!(found.epoch_missing, None);
    epoch.log_index = 6;
    list.leaves.pop();
    let found = replay(&descriptor(), &rows, &[list], Some(&epoch));
    assert_eq!(
        found.faults,
        ["entry 10: the draw list that is kept is another one"]
    );
    let missing = found.epoch_missing.unwrap();
    assert!(missing.contains("epoch 3 is not entry 6"), "{missing}");
}
