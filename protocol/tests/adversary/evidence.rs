//! What a lying provider signs is kept, proves the lie to anybody with the net descriptor, and nothing
//! else proves anything.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{NetDescriptor, NetParameters};
use dcnet_protocol::evidence::{Evidence, EvidenceError, EvidenceFile, Proof, ReceiptEvidence};
use dcnet_protocol::gateway::{Input, Report, RoundRefusal};
use dcnet_protocol::message::{Manifest, Receipt, SignedReceipt};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Epoch;
use dcnet_protocol::signature::Signed;

use crate::rosters::{Asked as _, sealed, stage};
use crate::street::stage::{Draft, Said, Stage};

/// Gateway 1 has caught the provider: the evidence, which must be a proof. It takes no part any more.
fn caught(stage: &mut Stage, said: &Said) -> EvidenceFile {
    let [kept] = said.evidence()[..] else {
        panic!("no evidence: {:?}", said.reports);
    };
    assert!(said.frames.is_empty());
    assert_eq!(kept.round, stage.round);
    let told = |report: &Report| matches!(report, Report::Evidence { .. });
    assert!(said.reports.iter().any(told));
    let file = EvidenceFile::from_bytes(&kept.bytes).unwrap();
    assert_eq!(file.to_bytes(), kept.bytes);
    let round = match file.verify() {
        Ok(Proof::Rosters { round } | Proof::Receipt { round }) => round,
        other => panic!("{other:?}"),
    };
    assert_eq!(round, stage.round);
    for restarted in [false, true] {
        if restarted {
            assert!(stage.restart(1).frames.is_empty());
        }
        assert!(
            stage.world.nodes[1]
                .running
                .as_ref()
                .unwrap()
                .is_distrusting()
        );
        assert!(stage.give(1, Input::Retry).frames.is_empty());
        stage.next_round();
        let said = stage.submit(1, Some(5));
        assert!(said.frames.is_empty());
        let reason = said.reports.iter().find_map(|report| match report {
            Report::RoundRefused { reason, .. } => Some(*reason),
            _ => None,
        });
        assert_eq!(reason, Some(RoundRefusal::Distrusted));
        stage.close();
        let draft = stage.draft(1, true);
        assert!(stage.show(1, &draft).frames.is_empty());
    }
    file
}

#[test]
fn two_rosters_are_a_proof() {
    let mut stage = sealed();
    stage.answered(&stage.draft(1, false));
    let said = stage.show(1, &stage.without(1, false, &[3]));
    assert_eq!(said.refusal(), "two-rosters");
    caught(&mut stage, &said);
}

#[test]
fn a_roster_that_grows_is_a_proof() {
    let mut stage = sealed();
    stage.answered(&stage.without(1, false, &[3]));
    let said = stage.show(1, &stage.draft(2, true));
    assert_eq!(said.refusal(), "roster-grew");
    caught(&mut stage, &said);
}

#[test]
fn a_roster_after_a_reveal_is_a_proof() {
    let mut stage = sealed();
    stage.answered(&stage.draft(1, true));
    let said = stage.show(1, &stage.without(2, true, &[3]));
    assert_eq!(said.refusal(), "roster-grew");
    caught(&mut stage, &said);
}

/// The first was refused, and not even answered.
#[test]
fn a_second_roster_after_a_refused_one_is_a_proof() {
    let mut stage = sealed();
    let said = stage.show(1, &stage.without(1, false, &[3, 4]));
    assert_eq!(said.refusal(), "too-many-missing");
    let said = stage.show(1, &stage.draft(1, true));
    assert_eq!(said.refusal(), "two-rosters");
    caught(&mut stage, &said);
}

/// Shown when the window is over, by the gateway's clock or because the provider waited.
#[test]
fn a_second_roster_is_a_proof_at_any_time() {
    let mut stage = sealed();
    stage.answered(&stage.draft(1, false));
    stage.at(15_000);
    let said = stage.show(1, &stage.without(1, false, &[3]));
    caught(&mut stage, &said);
}

#[test]
fn a_receipt_for_who_is_called_missing_is_a_proof() {
    let mut stage = sealed();
    let said = stage.show(1, &stage.without(1, false, &[1]));
    assert_eq!(said.refusal(), "receipted-but-missing");
    caught(&mut stage, &said);
}

fn receipt_file(stage: &mut Stage) -> EvidenceFile {
    let said = stage.show(1, &stage.without(1, false, &[1]));
    caught(stage, &said)
}

fn rosters_file(stage: &mut Stage) -> EvidenceFile {
    stage.answered(&stage.draft(1, false));
    let said = stage.show(1, &stage.without(1, false, &[3]));
    caught(stage, &said)
}

#[test]
fn evidence_with_any_byte_changed_proves_nothing() {
    for make in [rosters_file, receipt_file] {
        let file = make(&mut sealed()).to_bytes();
        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1 << (index % 8);
            let proof = EvidenceFile::from_bytes(&changed).and_then(|file| file.verify());
            assert!(proof.is_err(), "byte {index} of {}: {proof:?}", file.len());
        }
        for length in 0..file.len() {
            assert!(EvidenceFile::from_bytes(&file[..length]).is_err());
        }
        let longer = [&file[..], &[0]].concat();
        assert!(EvidenceFile::from_bytes(&longer).is_err());
    }
}

fn verified(stage: &Stage, evidence: Evidence) -> Result<Proof, EvidenceError> {
    let descriptor = stage.world.provider_setup.descriptor.clone();
    let file = EvidenceFile::new(descriptor, evidence);
    EvidenceFile::from_bytes(&file.to_bytes()).unwrap().verify()
}

#[test]
fn evidence_about_another_net_proves_nothing_about_this_one() {
    let mut stage = sealed();
    let (one, other) = (stage.draft(1, false), stage.without(1, false, &[3]));
    let both = (stage.sign(&one), stage.sign(&other));
    let evidence = Evidence::Rosters(Box::new(both));
    assert!(verified(&stage, evidence.clone()).is_ok());
    // The same provider's key in another net.
    let parameters = NetParameters {
        epoch_length: 7,
        ..stage.world.provider_setup.descriptor.parameters().clone()
    };
    let other = NetDescriptor::new(parameters).unwrap();
    let proof = EvidenceFile::new(other, evidence).verify();
    assert_eq!(proof, Err(EvidenceError::NoContradiction));
    // Two nets of another name.
    let both = [&one, &stage.without(1, false, &[3])].map(|draft| Draft {
        net: "elsewhere",
        ..draft.clone()
    });
    let both = both.map(|draft| stage.sign(&draft));
    let [one, other] = both;
    let proof = verified(&stage, Evidence::Rosters(Box::new((one, other))));
    assert_eq!(proof, Err(EvidenceError::NoContradiction));
}

#[test]
fn rosters_that_can_all_be_true_prove_nothing() {
    let mut stage = sealed();
    let next = Draft {
        round: stage.round.next(),
        ..stage.without(1, false, &[3])
    };
    for (one, other) in [
        (stage.draft(1, false), stage.draft(1, false)),
        (stage.draft(1, false), stage.without(2, false, &[3])),
        (stage.without(2, true, &[3]), stage.draft(1, false)),
        (stage.draft(1, false), next),
    ] {
        let both = (stage.sign(&one), stage.sign(&other));
        let proof = verified(&stage, Evidence::Rosters(Box::new(both)));
        assert_eq!(proof, Err(EvidenceError::NoContradiction));
    }
    // Forged by a member.
    let (one, other) = (stage.draft(1, false), stage.without(1, false, &[3]));
    let (one, other) = (stage.sign(&one), stage.sign(&other));
    let key = &stage.world.nodes[1].setup.key;
    let forged = key.sign(other.unverified().clone());
    let proof = verified(&stage, Evidence::Rosters(Box::new((one, forged))));
    assert!(matches!(proof, Err(EvidenceError::Signature(_))));
}

/// A case of kind 2, which proves a lie, and what changes it.
struct Case {
    receipt: Receipt,
    roster: Signed<Roster>,
    manifest: Manifest,
}

fn proof_of(change: impl FnOnce(&mut Stage, &mut Case)) -> Result<Proof, EvidenceError> {
    let mut stage = stage();
    let frames = stage.submit_all();
    let roster = stage.sign(&stage.without(1, false, &[1]));
    let manifest = stage.world.recorder.manifest(stage.id(1), stage.epoch());
    let mut case = Case {
        receipt: stage.receipt_body(&frames[1]),
        roster,
        manifest: manifest.clone(),
    };
    change(&mut stage, &mut case);
    let setup = &stage.world.provider_setup;
    let receipts = SignedReceipt::sign(vec![case.receipt], &setup.descriptor, &setup.key);
    let evidence = ReceiptEvidence {
        receipt: receipts.into_iter().next().unwrap(),
        roster: case.roster,
        manifest: setup.key.sign(case.manifest),
    };
    verified(&stage, Evidence::Receipt(Box::new(evidence)))
}

#[test]
fn a_receipt_proves_a_lie_about_its_own_frame_only() {
    type Change = fn(&mut Stage, &mut Case);
    assert!(proof_of(|_, _| {}).is_ok());
    let changes: [Change; 9] = [
        |_, case| case.receipt.notification = Notification::Entered,
        |_, case| case.receipt.round = case.receipt.round.next(),
        |_, case| case.receipt.epoch = Epoch::new(99),
        |stage, case| case.receipt.client = stage.id(2),
        |stage, case| case.roster = stage.sign(&stage.without(2, false, &[1])),
        |stage, case| case.roster = stage.sign(&stage.without(1, false, &[2])),
        |stage, case| {
            let manifest = stage.world.recorder.manifest(stage.id(2), stage.epoch());
            case.manifest = manifest.clone();
        },
        |_, case| case.manifest.neighbours.clear(),
        |_, case| case.manifest.head.epoch = Epoch::new(99),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let proof = proof_of(change);
        assert_eq!(proof, Err(EvidenceError::NoContradiction), "{number}");
    }
    let other_net: Change = |_, case| case.receipt.net = "elsewhere".parse().unwrap();
    assert!(matches!(
        proof_of(other_net),
        Err(EvidenceError::Signature(_))
    ));
}

/// What gateway 1 does about a roster without it, after a receipt that is not one for its frame.
fn after(make: impl FnOnce(&mut Stage, &[Vec<u8>]) -> SignedReceipt) -> Said {
    let mut stage = stage();
    let frames = stage.submit_all();
    let receipt = make(&mut stage, &frames);
    stage.give(1, Input::Accepted(Box::new(receipt)));
    stage.close();
    stage.show(1, &stage.without(1, false, &[1]))
}

fn signed(stage: &Stage, receipt: Receipt) -> SignedReceipt {
    let setup = &stage.world.provider_setup;
    SignedReceipt::sign(vec![receipt], &setup.descriptor, &setup.key).remove(0)
}

/// Otherwise the gateway would believe that it holds a proof, and hold none.
#[test]
fn receipts_that_prove_nothing_are_not_kept() {
    type Make = fn(&mut Stage, &[Vec<u8>]) -> SignedReceipt;
    let makes: [Make; 9] = [
        // By another key.
        |stage, frames| {
            let setup = &stage.world.provider_setup;
            let key = &stage.world.nodes[0].setup.key;
            let receipt = stage.receipt_body(&frames[1]);
            SignedReceipt::sign(vec![receipt], &setup.descriptor, key).remove(0)
        },
        // With the path of another one in its batch.
        |stage, frames| {
            let setup = &stage.world.provider_setup;
            let receipts = [0, 1].map(|member| stage.receipt_body(&frames[member]));
            let both = SignedReceipt::sign(receipts.to_vec(), &setup.descriptor, &setup.key);
            let (zero, one) = (both[0].encode(), both[1].encode());
            let receipt = both[1].unverified().encode();
            let mixed = [&receipt[..], &zero[both[0].unverified().encode().len()..]].concat();
            assert_ne!(mixed, one);
            SignedReceipt::decode(&mixed).unwrap()
        },
        // For another net's parameters.
        |stage, frames| {
            let parameters = NetParameters {
                epoch_length: 7,
                ..stage.world.provider_setup.descriptor.parameters().clone()
            };
            let other = NetDescriptor::new(parameters).unwrap();
            let mut receipt = stage.receipt_body(&frames[1]);
            receipt.descriptor = other.hash();
            SignedReceipt::sign(vec![receipt], &other, &stage.world.provider_setup.key).remove(0)
        },
        // Of somebody else's frame.
        |stage, frames| stage.receipt(&frames[2]),
        // With this frame's hash, and not true in the rest.
        |stage, frames| {
            let mut receipt = stage.receipt_body(&frames[1]);
            receipt.round = receipt.round.next();
            signed(stage, receipt)
        },
        |stage, frames| {
            let mut receipt = stage.receipt_body(&frames[1]);
            receipt.epoch = receipt.epoch.next();
            signed(stage, receipt)
        },
        |stage, frames| {
            let mut receipt = stage.receipt_body(&frames[1]);
            receipt.client = stage.id(2);
            signed(stage, receipt)
        },
        |stage, frames| {
            let mut receipt = stage.receipt_body(&frames[1]);
            receipt.notification = Notification::Pads;
            signed(stage, receipt)
        },
        |stage, frames| {
            let mut receipt = stage.receipt_body(&frames[1]);
            receipt.frame_hash[0] ^= 1;
            signed(stage, receipt)
        },
    ];
    for (number, make) in makes.into_iter().enumerate() {
        let said = after(make);
        assert_eq!(said.refusal(), "not-in-roster", "{number}");
        assert!(said.evidence().is_empty());
    }
    let said = after(|stage, frames| stage.receipt(&frames[1]));
    assert_eq!(said.refusal(), "receipted-but-missing");
}
