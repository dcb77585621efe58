//! The membership log over HTTPS: proofs that clients verify, refusals, and what survives a `kill -9`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use common::{Gateway, Lab, Net, Server, Store, on_both};
use dcnet_protocol::codec::Wire;
use dcnet_protocol::key_agreement::KeyPackageHash;
use dcnet_protocol::membership::checkpoint::{Checkpoint, LogFollower};
use dcnet_protocol::membership::epoch_head::MemberTree;
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::{CommonLog, DrawListView, ListedMembers, LogProof};
use dcnet_protocol::membership::witness::Quorum;
use dcnet_protocol::signature::Signed;

const NAMES: [&str; 4] = ["gw-1", "gw-2", "gw-3", "gw-4"];

/// Somebody who asks about the log.
struct Asker<'a> {
    server: &'a Server,
    net: &'a Net,
    gateway: &'a Gateway,
}

impl Asker<'_> {
    async fn get(&self, path: &str) -> common::Answer {
        let path = format!("/v1/nets/{}/log/{path}", self.net.id);
        self.gateway.get(self.server, &path).await
    }

    async fn fetch<T: Wire>(&self, path: &str) -> T {
        T::decode(&self.get(path).await.ok()).unwrap()
    }

    async fn checkpoint(&self) -> Checkpoint {
        let signed: Signed<Checkpoint> = self.fetch("checkpoint").await;
        let key = self.net.descriptor.provider_key();
        *signed.verify(key).unwrap()
    }

    /// Entries as auditors get them.
    async fn entries(&self, query: &str) -> Vec<Vec<u8>> {
        let bytes = self.get(&format!("entries{query}")).await.ok();
        let (length, mut rest) = bytes.split_at(4);
        assert_eq!(number(length), rest.len());
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (length, behind) = rest.split_at(4);
            let (entry, behind) = behind.split_at(number(length));
            entries.push(entry.to_vec());
            rest = behind;
        }
        entries
    }

    async fn proof(&self, index: u64, follower: &mut LogFollower) -> LogEntry {
        let path = format!("{index}?from={}", follower.size());
        let proof: LogProof = self.fetch(&path).await;
        let entry = proof.verify(follower, &self.net.descriptor, &Quorum::default());
        entry.unwrap().clone()
    }
}

fn number(bytes: &[u8]) -> usize {
    u32::from_be_bytes(bytes.try_into().unwrap())
        .try_into()
        .unwrap()
}

fn list_of(view: &DrawListView) -> dcnet_protocol::membership::log::DrawList {
    match &view.proof.entry {
        LogEntry::DrawList(list) => *list,
        other => panic!("{other:?}"),
    }
}

on_both!(the_log_is_proved_to_whoever_asks_and_outlives_a_kill);
async fn the_log_is_proved_to_whoever_asks_and_outlives_a_kill(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways: Vec<Gateway> = NAMES.iter().map(|name| lab.gateway(name)).collect();
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    let asker = Asker {
        server: &server,
        net: &net,
        gateway: &gateways[0],
    };

    // An auditor builds the tree anew, and finds the epoch in it.
    let mut follower = LogFollower::new();
    asker.proof(0, &mut follower).await;
    let known = *follower.checkpoint().unwrap();
    let entries = asker.entries("").await;
    let log = Log::restore(net.id, net.descriptor.hash(), &entries[..]).unwrap();
    let now = asker.checkpoint().await;
    assert!(now.size >= known.size);
    let size = usize::try_from(known.size).unwrap();
    let start = Log::restore(net.id, net.descriptor.hash(), &entries[..size]).unwrap();
    assert_eq!(start.checkpoint(), known);
    if log.len() == now.size {
        assert_eq!(log.checkpoint(), now);
    }
    let head = asker.proof(manifest.log_index, &mut follower).await;
    assert_eq!(head, LogEntry::Epoch(manifest.head));
    let part = asker.entries("?from=1&count=2").await;
    assert_eq!(part, entries[1..3]);
    let end = asker.entries(&format!("?from={}", log.len())).await;
    assert!(end.len() <= 1, "{end:?}");

    // Two sizes of one log.
    let common: CommonLog = asker
        .fetch(&format!("common?small={}&large={}", known.size, now.size))
        .await;
    common.verify(&known, &now, &net.descriptor).unwrap();

    // The draw list, the place in it of whoever asks, and members out of it.
    let path = format!("draw-list?from={}", follower.size());
    let view: DrawListView = asker.fetch(&path).await;
    let quorum = Quorum::default();
    view.proof
        .verify(&mut follower, &net.descriptor, &quorum)
        .unwrap();
    let list = list_of(&view);
    assert_eq!(list.members, 4);
    let listed: ListedMembers = asker
        .fetch(&format!("{}/members?at=3,0,1,2,9", view.proof.index))
        .await;
    assert_eq!(listed.list, view.proof.index);
    assert_eq!(listed.members.len(), 4);
    let mut leaves = Vec::new();
    for member in &listed.members {
        list.verify(member.index, &member.leaf, &member.path)
            .unwrap();
        let package: KeyPackageHash = member.package.unverified().hash();
        assert_eq!(package, member.leaf.package);
        leaves.push(member.leaf);
    }
    let own = listed
        .members
        .iter()
        .find(|member| member.index == view.own_index);
    assert_eq!(own.unwrap().leaf.client, gateways[0].id);
    list.verify(view.own_index, &own.unwrap().leaf, &view.own_path)
        .unwrap();
    leaves.sort_by_key(|leaf| leaf.client);
    assert_eq!(MemberTree::new(leaves).unwrap().root(), list.root);

    refusals(&asker, &lab, view.proof.index).await;

    // What the provider's owner sees.
    let table = lab.dcnet_json(&["net", "log", "elbe-4", "--json"]);
    assert_eq!(table[0]["index"], 0, "{table}");
    let index = usize::try_from(manifest.log_index).unwrap();
    assert_eq!(table[index]["kind"], "epoch", "{table}");
    assert_eq!(table[index]["members"], 4, "{table}");
    let audit = lab.dcnet(&["net", "audit", "elbe-4", "--json"]);
    let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert!(
        audit["log_size"].as_u64() >= Some(follower.size()),
        "{audit}"
    );
    let problems = audit["problems"].to_string();
    assert!(!problems.contains("log"), "{problems}");

    // The same log after a kill; it may only have grown.
    let kept = asker.entries("").await;
    server.end("-KILL");
    let server = lab.serve();
    let asker = Asker {
        server: &server,
        net: &net,
        gateway: &gateways[0],
    };
    let again = asker.entries("").await;
    assert_eq!(again[..kept.len()], kept);
    let head = asker.proof(manifest.log_index, &mut follower).await;
    assert_eq!(head, LogEntry::Epoch(manifest.head));
    let view: DrawListView = asker
        .fetch(&format!("draw-list?from={}", follower.size()))
        .await;
    let quorum = Quorum::default();
    view.proof
        .verify(&mut follower, &net.descriptor, &quorum)
        .unwrap();
}

async fn refusals(asker: &Asker<'_>, lab: &Lab, list: u64) {
    for path in [
        "1000",
        "0?from=1000",
        "entries?from=1000",
        "1000/members?at=0",
    ] {
        asker.get(path).await.problem(404, "log-index");
    }
    let path = format!("{}/members?at=0", list + 1000);
    asker.get(&path).await.problem(404, "log-index");
    let common = "common?small=1&large=1000";
    asker.get(common).await.problem(404, "log-index");
    let stranger = lab.gateway("gw-9");
    let outside = Asker {
        gateway: &stranger,
        ..*asker
    };
    let problem = outside.get("draw-list").await;
    problem.problem(404, "not-listed");
    let many = vec!["0"; 65].join(",");
    for path in [
        "x",
        "0?from=-1",
        "0?form=1",
        "common?small=2&large=1",
        "common?small=2",
        "0/members",
        "0/members?at=",
        &format!("{list}/members?at={many}"),
    ] {
        asker.get(path).await.problem(400, "bad-request");
    }
}

on_both!(an_audit_finds_what_was_done_to_the_log, beside others);
/// What an owner does to the store behind the provider's back, or a backup brings about.
async fn an_audit_finds_what_was_done_to_the_log(lab: Lab) {
    lab.create_net("elbe-4");
    let server = lab.serve();
    let gateways: Vec<Gateway> = NAMES.iter().map(|name| lab.gateway(name)).collect();
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    server.end("-TERM");

    let problems = || {
        let audit = lab.dcnet(&["net", "audit", "elbe-4", "--json"]);
        let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
        audit["problems"].to_string()
    };
    assert!(!problems().contains("log"), "{}", problems());
    // Where rows go that are to be missing; no server has begun its log.
    lab.create_net("elbe-5");
    let index = manifest.log_index;
    let has_third = match &lab.store {
        Store::Sqlite(_) => "instr(package, CAST('gw-3' AS BLOB)) > 0",
        Store::Postgres(_) => "position(CAST('gw-3' AS BYTEA) IN package) > 0",
    };
    let taken_away = |table: &str, rows: &str| {
        format!("UPDATE {table} SET net = 'elbe-5' WHERE net = 'elbe-4' AND {rows}")
    };
    let given_back = |table: &str| format!("UPDATE {table} SET net = 'elbe-4'");
    for (damage, repair, told) in [
        (
            taken_away("key_packages", has_third),
            given_back("key_packages"),
            "the key package of gw-3 is not kept",
        ),
        (
            taken_away("membership_log", "idx = 0"),
            given_back("membership_log"),
            "entry 0 is missing",
        ),
        (
            taken_away("membership_log", &format!("idx >= {index}")),
            given_back("membership_log"),
            "epoch-not-in-log",
        ),
        (
            format!("UPDATE membership_log SET entry = substr(entry, 1, 20) WHERE idx = {index}"),
            given_back("membership_log"),
            "no entry",
        ),
    ] {
        assert!(lab.store.execute(&damage).await > 0, "{damage}");
        let found = problems();
        assert!(found.contains(told), "{damage}: {found}");
        assert!(lab.store.execute(&repair).await > 0, "{repair}");
    }
}
