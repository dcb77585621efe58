//! `dcnet verify-evidence` on files as gateways keep them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;

use common::Lab;
use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::evidence::{Evidence, EvidenceFile, ReceiptEvidence};
use dcnet_protocol::key_agreement::{Agreement, KeyPackageHash};
use dcnet_protocol::membership::checkpoint::{Checkpoint, Conflict};
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::merkle::MerkleRoot;
use dcnet_protocol::message::{Manifest, ManifestEdge, Receipt, Role, SignedReceipt};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider::{EpochMember, EpochRecord};
use dcnet_protocol::roster::{MemberBits, Roster};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::{Signed, SigningKey};

struct World {
    lab: Lab,
    descriptor: NetDescriptor,
    key: SigningKey,
    epoch: EpochRecord,
}

impl World {
    async fn new() -> Self {
        let lab = Lab::new();
        lab.create_masked_net("elbe-5");
        let server = lab.serve();
        let gateway = lab.gateway("gw-1");
        let net = common::Net::fetch(&server, &gateway, "elbe-5").await;
        let pem = std::fs::read_to_string(&lab.provider.signing_key).unwrap();
        let member = |index: usize| EpochMember {
            client: format!("gw-{index}").parse().unwrap(),
            package: KeyPackageHash::decode(&[u8::try_from(index).unwrap(); 32]).unwrap(),
            neighbours: [].into_iter().collect(),
            holders: [].into_iter().collect(),
        };
        Self {
            lab,
            descriptor: net.descriptor,
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
            epoch: EpochRecord::new(Epoch::new(3), Round::new(70), (1..=6).map(member).collect()),
        }
    }

    /// A roster of round 77 without the member with index `missing`.
    fn roster(&self, key: &SigningKey, step: u8, missing: usize) -> Signed<Roster> {
        let mut present = MemberBits::none(6);
        for index in (0..6).filter(|index| *index != missing) {
            present.insert(index);
        }
        let kind = (step, false);
        let head = self.epoch.head();
        let roster = Roster::new(&self.descriptor, &head, Round::new(77), kind, present, 5);
        key.sign(roster.unwrap())
    }

    fn receipt_against_roster(&self, missing: usize) -> Evidence {
        let member = self.epoch.members.get(2).unwrap();
        let neighbour = self.epoch.members.first().unwrap();
        let receipt = Receipt {
            net: self.descriptor.net(),
            descriptor: self.descriptor.hash(),
            client: member.client,
            epoch: self.epoch.epoch,
            round: Round::new(77),
            notification: Notification::Transmit,
            frame_hash: [4; 32],
        };
        let manifest = Manifest {
            net: self.descriptor.net(),
            descriptor: self.descriptor.hash(),
            client: member.client,
            log_index: 0,
            head: self.epoch.head(),
            index: 2,
            neighbours: vec![ManifestEdge {
                end: EdgeEnd {
                    client: neighbour.client,
                    agreement: Agreement::from_bytes([5; 32]),
                },
                index: 0,
                role: Role::default(),
            }],
        };
        let mut receipts = SignedReceipt::sign(vec![receipt], &self.descriptor, &self.key);
        Evidence::Receipt(Box::new(ReceiptEvidence {
            receipt: receipts.pop().unwrap(),
            roster: self.roster(&self.key, 1, missing),
            manifest: self.key.sign(manifest),
        }))
    }

    /// Exit code, standard output and standard error of `dcnet verify-evidence`.
    fn verify(&self, evidence: Evidence, args: &[&str]) -> (i32, String, String) {
        let file = EvidenceFile::new(self.descriptor.clone(), evidence);
        self.verify_bytes(&file.to_bytes(), args)
    }

    fn verify_bytes(&self, bytes: &[u8], args: &[&str]) -> (i32, String, String) {
        let path = self.lab.path("evidence.bin");
        std::fs::write(&path, bytes).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_dcnet"))
            .arg("verify-evidence")
            .arg(&path)
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }
}

fn rosters(one: Signed<Roster>, other: Signed<Roster>) -> Evidence {
    Evidence::Rosters(Box::new((one, other)))
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_are_proved_and_nothing_else_is() {
    let world = World::new().await;
    let hash = world.descriptor.hash().to_string();
    let one = || world.roster(&world.key, 1, 4);

    // Two rosters of one step.
    let two = || rosters(one(), world.roster(&world.key, 1, 5));
    let (code, text, _) = world.verify(two(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("PROVED: the provider signed two rosters of round 77"),
        "{text}"
    );
    assert!(text.contains("net              elbe-5\n"), "{text}");
    assert!(text.contains(&hash), "{text}");
    let (code, text, _) = world.verify(two(), &["--json", "--descriptor-hash", &hash]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["proves"]), (0, &true.into()), "{text}");
    let fault = common::published::fault("verify-evidence", &json);
    assert_eq!(fault, None, "{text}");
    assert_eq!(json["kind"], "two-rosters", "{text}");
    assert_eq!(json["round"], 77, "{text}");
    let key = json["provider_key"].as_str().unwrap();
    assert_eq!(key.len(), 66, "{text}");

    // A receipt, and a roster without its owner.
    let (code, text, _) = world.verify(world.receipt_against_roster(2), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 0, "{text}");
    assert_eq!(json["kind"], "receipt-against-roster", "{text}");

    // Two logs.
    let two_logs = |one: u8, other: u8| {
        let checkpoint = |byte| {
            world.key.sign(Checkpoint {
                net: world.descriptor.net(),
                descriptor: world.descriptor.hash(),
                size: 9,
                root: MerkleRoot::from_bytes([byte; 32]),
            })
        };
        Evidence::Checkpoints(Box::new(Conflict {
            known: checkpoint(one),
            shown: checkpoint(other),
        }))
    };
    let (code, text, _) = world.verify(two_logs(1, 2), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 0, "{text}");
    assert_eq!(json["kind"], "two-logs", "{text}");
    assert_eq!(json["round"], serde_json::Value::Null, "{text}");
    let (code, text, _) = world.verify(two_logs(1, 2), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("PROVED: "), "{text}");

    // What can be true: the same roster twice, a smaller one later, a roster with the owner in it.
    let smaller = rosters(one(), world.roster(&world.key, 2, 4));
    for harmless in [
        rosters(one(), one()),
        smaller,
        world.receipt_against_roster(3),
        two_logs(1, 1),
    ] {
        let (code, text, _) = world.verify(harmless, &[]);
        assert_eq!(code, 1, "{text}");
        assert!(
            text.contains("proves nothing: the statements are"),
            "{text}"
        );
    }

    // What the provider has not said.
    let stranger = SigningKey::from_scalar(&[3; 32]).unwrap();
    let forged = rosters(one(), world.roster(&stranger, 1, 5));
    let (code, text, _) = world.verify(forged, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["proves"]), (1, &false.into()), "{text}");
    assert!(
        json["text"].as_str().unwrap().contains("signature"),
        "{text}"
    );

    // About another net than the one in question.
    let other = "5f".repeat(32);
    let (code, text, _) = world.verify(two(), &["--descriptor-hash", &other]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("proves nothing: the net descriptor in it"),
        "{text}"
    );

    // What is no evidence.
    let whole = EvidenceFile::new(world.descriptor.clone(), two()).to_bytes();
    for bytes in [&whole[1..], &whole[..whole.len() - 1], b""] {
        let (code, text, error) = world.verify_bytes(bytes, &["--json"]);
        assert_eq!((code, text.as_str()), (2, ""), "{error}");
        assert!(error.starts_with("dcnet: the evidence "), "{error}");
    }
}
