//! Witnesses as processes: what one cosigns and what it refuses, what survives a `kill -9`, and a
//! provider that shows the cosignatures of two.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{Answer, Gateway, Lab, MEDIA_TYPE, Net, Server, four, on_both};
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::membership::checkpoint::LogFollower;
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::{LogProof, LogProofError};
use dcnet_protocol::membership::witness::{CosignRequest, Cosignature, Quorum, Witness};
use dcnet_protocol::merkle::Path;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::{Signed, SigningKey, VerifyingKey};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

fn dcnet() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dcnet"))
}

/// A witness's folder, made by the program.
struct Folder<'a> {
    lab: &'a Lab,
    path: PathBuf,
    witness: Witness,
}

impl<'a> Folder<'a> {
    fn init(lab: &'a Lab, name: &str) -> Self {
        let path = lab.path(name);
        let mut command = dcnet();
        let output = command.args(["witness", "init", "--name", name]).arg(&path);
        let output = output.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let key = text
            .lines()
            .find_map(|line| line.strip_prefix("key"))
            .unwrap();
        let name = name.parse().unwrap();
        let key = point(key.trim());
        let witness = Witness { name, key };
        Self { lab, path, witness }
    }

    fn add(&self, descriptor: &std::path::Path) -> Output {
        let mut command = dcnet();
        let command = command.args(["witness", "add"]).arg(&self.path);
        command.arg(descriptor).output().unwrap()
    }

    fn command(&self, listen: &str) -> Command {
        let mut command = dcnet();
        command
            .args(["witness", "serve"])
            .arg(&self.path)
            .args(["--listen", listen, "--tls-cert"])
            .arg(&self.lab.provider.tls_certificate)
            .arg("--tls-key")
            .arg(&self.lab.provider.tls_key);
        command
    }

    fn serve(&self) -> Server {
        Server::spawn(&mut self.command("127.0.0.1:0"))
    }

    /// Ends at once, with what it says.
    fn refuses_to_serve(&self) -> String {
        let output = self.command("127.0.0.1:0").output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn status(&self) -> serde_json::Value {
        let mut command = dcnet();
        let command = command
            .args(["witness", "status", "--json"])
            .arg(&self.path);
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
    }
}

fn point(text: &str) -> VerifyingKey {
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
        .collect();
    VerifyingKey::from_sec1(&bytes).unwrap()
}

/// The descriptor of a net as the program writes it for witnesses.
fn descriptor_file(lab: &Lab, net: &str) -> PathBuf {
    let path = lab.path(&format!("{net}.bin"));
    let written = lab.dcnet(&["net", "descriptor", net, "--out", path.to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    path
}

/// A provider that a test plays: it may keep as many logs as it likes.
struct Liar {
    descriptor: NetDescriptor,
    key: SigningKey,
    http: reqwest::Client,
}

impl Liar {
    fn log(&self, rounds: std::ops::Range<u64>) -> Log {
        let mut log = Log::new(self.descriptor.net(), self.descriptor.hash());
        let client: ClientId = "gw-1".parse().unwrap();
        for round in rounds.map(Round::new) {
            log.append(&LogEntry::Suspended { client, round });
        }
        log
    }

    fn request(&self, log: &Log, old_size: u64) -> CosignRequest {
        CosignRequest {
            old_size,
            path: log.consistency(old_size).unwrap_or_default(),
            checkpoint: log.head(&self.key),
        }
    }

    async fn post(&self, server: &Server, body: Vec<u8>) -> Answer {
        let url = format!("{}/v1/witness/cosign", server.url);
        let request = self.http.post(url).header(CONTENT_TYPE, MEDIA_TYPE);
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    async fn ask(&self, server: &Server, log: &Log, old_size: u64) -> Answer {
        self.post(server, self.request(log, old_size).encode())
            .await
    }

    /// Asserts that it is cosigned, by `witness` and for this checkpoint.
    async fn cosigned(&self, server: &Server, witness: &Witness, log: &Log, old_size: u64) {
        let bytes = self.ask(server, log, old_size).await.ok();
        let cosignature = Signed::<Cosignature>::decode(&bytes).unwrap();
        witness.verify(&cosignature, &log.checkpoint()).unwrap();
        let apart = common::now().millis() / 1000 - cosignature.unverified().time_s;
        assert!(apart <= 5, "{apart} s");
    }
}

fn size(answer: &Answer) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    body["size"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_cosigns_one_history_and_outlives_a_kill() {
    let lab = Lab::new();
    lab.create_net("elbe-4");
    let file = descriptor_file(&lab, "elbe-4");
    let liar = Liar {
        descriptor: NetDescriptor::decode(&fs::read(&file).unwrap()).unwrap(),
        key: SigningKey::from_pkcs8_pem(&fs::read_to_string(&lab.provider.signing_key).unwrap())
            .unwrap(),
        http: lab.http(None),
    };
    let folder = Folder::init(&lab, "w-1");
    let witness = &folder.witness;
    let server = folder.serve();
    let log = liar.log(0..3);

    // Only what its owner chose; that may be while it runs, and once.
    let stranger = liar.ask(&server, &log, 0).await;
    stranger.problem(404, "unknown-net");
    assert!(folder.add(&file).status.success());
    let again = folder.add(&file);
    assert_eq!(again.status.code(), Some(1));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("followed already"), "{said}");

    liar.cosigned(&server, witness, &log, 0).await;
    // The answer may have been lost.
    liar.cosigned(&server, witness, &log, 3).await;
    assert_eq!(folder.status()["nets"][0]["size"], 3);

    let ahead = liar.log(0..6);
    for wrong in [0, 2, 5] {
        let refused = liar.ask(&server, &ahead, wrong).await;
        refused.problem(409, "old-size");
        assert_eq!(size(&refused), 3);
    }
    let shrunk = liar.ask(&server, &liar.log(0..2), 3).await;
    shrunk.problem(409, "shrunk");
    let fork = liar.log(1..4);
    liar.ask(&server, &fork, 3).await.problem(409, "fork");
    let branch = liar.log(1..7);
    let refused = liar.ask(&server, &branch, 3).await;
    refused.problem(422, "not-extended");
    let mut pathless = liar.request(&ahead, 3);
    pathless.path = Path::default();
    let refused = liar.post(&server, pathless.encode()).await;
    refused.problem(422, "not-extended");
    let mut foreign = liar.request(&ahead, 3);
    foreign.checkpoint = ahead.head(&SigningKey::from_scalar(&[7; 32]).unwrap());
    let refused = liar.post(&server, foreign.encode()).await;
    refused.problem(403, "signature");
    let mut trailing = liar.request(&ahead, 3).encode();
    trailing.push(0);
    let refused = liar.post(&server, trailing).await;
    refused.problem(400, "malformed");
    let refused = liar.post(&server, vec![0; 9000]).await;
    refused.problem(413, "body-too-large");
    let url = format!("{}/v1/witness/cosign", server.url);
    let got = Answer::of(liar.http.get(url).send().await.unwrap()).await;
    got.problem(405, "method-not-allowed");

    // Nothing of that has changed anything; the proof of the fork is kept, and proves it.
    let status = folder.status();
    assert_eq!(status["nets"][0]["size"], 3, "{status}");
    let evidence = status["nets"][0]["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 1, "{status}");
    let mut judge = dcnet();
    let judge = judge
        .arg("verify-evidence")
        .arg(evidence[0].as_str().unwrap());
    let judged = judge.output().unwrap();
    assert!(judged.status.success(), "{judged:?}");

    let said = folder.refuses_to_serve();
    assert!(said.contains("another process serves"), "{said}");

    // The provider never hears of what was cosigned before the kill.
    let lost = liar.ask(&server, &ahead, 3).await;
    assert_eq!(lost.status, StatusCode::OK);
    server.end("-KILL");
    let server = folder.serve();
    let refused = liar.ask(&server, &ahead, 3).await;
    refused.problem(409, "old-size");
    assert_eq!(size(&refused), 6);
    liar.ask(&server, &branch, 6).await.problem(409, "fork");
    liar.ask(&server, &log, 6).await.problem(409, "shrunk");
    liar.cosigned(&server, witness, &ahead, 6).await;
    liar.cosigned(&server, witness, &liar.log(0..7), 6).await;
    let (status, told) = server.end("-TERM");
    assert!(status.success(), "{told}");
    assert!(told.contains("the provider has signed two logs"), "{told}");

    // Without its memory it says nothing rather than to begin anew.
    let net = folder
        .path
        .join("nets")
        .join(liar.descriptor.hash().to_string());
    fs::remove_file(net.join("log.bin")).unwrap();
    let said = folder.refuses_to_serve();
    assert!(said.contains("does not tell what was cosigned"), "{said}");
}

/// Waits for a log of more than `size` entries with `count` cosignatures; the proof is of its first
/// entry, for whoever knows `size` of them.
async fn wait_for(
    server: &Server,
    gateway: &Gateway,
    net: &Net,
    quorum: &Quorum,
    (size, count): (u64, usize),
) -> LogProof {
    let path = format!("/v1/nets/{}/log/0?from={size}", net.id);
    let started = Instant::now();
    loop {
        let proof = LogProof::decode(&gateway.get(server, &path).await.ok()).unwrap();
        let checkpoint = proof.checkpoint.unverified();
        let counted = quorum.count(checkpoint, &proof.cosignatures);
        if checkpoint.size > size && counted == count {
            return proof;
        }
        let size = checkpoint.size;
        assert!(
            started.elapsed() < Duration::from_secs(40),
            "{counted} of {count} witnesses have cosigned {size} entries"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

on_both!(a_provider_shows_the_cosignatures_of_its_witnesses, beside others);
async fn a_provider_shows_the_cosignatures_of_its_witnesses(lab: Lab) {
    lab.create_net("elbe-4");
    let file = descriptor_file(&lab, "elbe-4");
    let folders = ["w-1", "w-2"].map(|name| Folder::init(&lab, name));
    let mut list = String::new();
    let mut witnesses: Vec<Server> = Vec::new();
    for folder in &folders {
        assert!(folder.add(&file).status.success());
        let server = folder.serve();
        let (name, key) = (folder.witness.name, folder.witness.key.to_sec1());
        let mut digits = String::new();
        for byte in key {
            write!(digits, "{byte:02x}").unwrap();
        }
        let (url, ca) = (&server.url, lab.provider.root_certificate.display());
        writeln!(
            list,
            "- {{ name: {name}, url: \"{url}\", key: \"{digits}\", ca: {ca} }}"
        )
        .unwrap();
        witnesses.push(server);
    }
    let path = lab.path("witnesses.yaml");
    fs::write(&path, list).unwrap();
    let known = folders.iter().map(|folder| folder.witness).collect();
    let quorum = Quorum::new(known, 2).unwrap();
    let ca = lab.authority.certificate_path();
    let arguments = ["--witnesses", path.to_str().unwrap()];
    let server = lab.serve_with(&ca, &arguments);
    let gateways = four(&lab);
    let (gateway, others) = (&gateways[0], &gateways[1..]);
    let net = Net::fetch(&server, gateway, "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    gateway.manifest(&server, &net).await;

    let shown = wait_for(&server, gateway, &net, &quorum, (0, 2)).await;
    let mut follower = LogFollower::new();
    shown
        .verify(&mut follower, &net.descriptor, &quorum)
        .unwrap();
    let size = follower.size();

    // One is away when the log grows. The provider goes on and shows the cosignature of the other.
    let second = witnesses.pop().unwrap();
    let address = second.url.trim_start_matches("https://").to_owned();
    second.end("-KILL");
    let frame = others[0].exit_frame(&net, 2);
    others[0].frame(&server, &net, &frame).await.ok();
    let shown = wait_for(&server, gateway, &net, &quorum, (size, 1)).await;
    let mut ahead = follower.clone();
    let unmet = shown.verify(&mut ahead, &net.descriptor, &quorum);
    assert!(
        matches!(unmet, Err(LogProofError::Cosignatures { cosigned: 1, .. })),
        "{unmet:?}"
    );
    let lone = Quorum::new(quorum.witnesses()[..1].to_vec(), 1).unwrap();
    shown.verify(&mut follower, &net.descriptor, &lone).unwrap();

    // It comes back and cosigns what it has missed.
    let second = Server::spawn(&mut folders[1].command(&address));
    wait_for(&server, gateway, &net, &quorum, (size, 2)).await;
    server.signal("-TERM");
    let mut server = server;
    let (_, told) = server.wait();
    let lines = |text: &str| {
        let of = |line: &&str| line.contains(text) && line.contains("w-2");
        told.lines().filter(of).count()
    };
    assert_eq!(
        lines("not cosigned; the witness is asked again"),
        1,
        "{told}"
    );
    assert_eq!(lines("witness is back"), 1, "{told}");

    // Cosignatures are not stored; whoever starts again asks again.
    let server = lab.serve_with(&ca, &arguments);
    wait_for(&server, gateway, &net, &quorum, (size, 2)).await;
    server.end("-KILL");
    for witness in [second].into_iter().chain(witnesses) {
        let (status, told) = witness.end("-TERM");
        assert!(status.success(), "{told}");
        assert!(!told.contains("WARN"), "{told}");
    }
}
