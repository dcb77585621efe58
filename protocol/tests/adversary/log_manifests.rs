//! A provider that announces epochs which its membership log does not have.

use dcnet_protocol::evidence::Proof;
use dcnet_protocol::gateway::{Fault, Input, Output, Report, Request, RoundRefusal};
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::membership::proof::LogProof;
use dcnet_protocol::merkle::Path;
use dcnet_protocol::message::Manifest;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;

use crate::log::{
    act, announces, faults, proof_of, proofs, refusal, requests, restart, rewritten, state,
};
use crate::world::Net;
use crate::{EPOCH, ROUND, id, reading, running};

/// A net of five in which `gw-1` has an announced manifest for the round after the next.
struct Announced {
    net: Net,
    client: ClientId,
    manifest: Manifest,
    known: u64,
}

const LATER: Round = Round::new(ROUND.number() + 2);

impl Announced {
    fn new() -> Self {
        let mut net = running();
        let client = id("gw-1");
        let known = net.gateways[&client].log_size();
        let mut manifest = net.manifest(client, EPOCH + 1, LATER);
        manifest.log_index = net.append(&LogEntry::Epoch(manifest.head));
        let outputs = announces(&mut net, client, manifest.clone());
        let (index, from) = (manifest.log_index, known);
        let asks = requests(&outputs).into_iter().any(|request| {
            matches!(request, Request::LogProof { index: i, from: f } if (*i, *f) == (index, from))
        });
        assert!(asks, "{outputs:?}");
        Self {
            net,
            client,
            manifest,
            known,
        }
    }

    fn proves(&mut self, proof: LogProof) -> Vec<Output> {
        let now = self.net.schedule().start(ROUND);
        act(
            &mut self.net,
            now,
            self.client,
            Input::LogProof(Box::new(proof)),
        )
    }

    fn genuine(&self) -> LogProof {
        self.net.log_proof(self.manifest.log_index, self.known)
    }

    /// Why nothing is sealed for a round, if nothing is.
    fn submits(&mut self, round: Round) -> Option<RoundRefusal> {
        let now = self.net.schedule().border(round);
        let reading = Some(reading(1));
        let outputs = act(
            &mut self.net,
            now,
            self.client,
            Input::Submit { round, reading },
        );
        refusal(&outputs)
    }
}

fn accepts(outputs: &[Output]) -> bool {
    outputs
        .iter()
        .any(|output| matches!(output, Output::Report(Report::Manifest { .. })))
}

#[test]
fn a_manifest_without_its_proof_blocks_rounds_from_its_first_on() {
    let mut case = Announced::new();
    assert_eq!(case.submits(ROUND), None);
    assert_eq!(case.submits(ROUND.next()), None);
    assert_eq!(case.submits(LATER), Some(RoundRefusal::Unproved));
    let stored = {
        let now = case.net.schedule().start(LATER);
        act(&mut case.net, now, case.client, Input::Join)
    };
    let (now, client) = (case.net.schedule().start(LATER), case.client);
    let again = restart(&mut case.net, now, client, &state(&stored));
    let asks = |request: &&Request| matches!(request, Request::LogProof { .. });
    assert!(
        requests(&again).iter().any(asks),
        "asks again after a restart"
    );
    assert_eq!(case.submits(LATER), Some(RoundRefusal::Unproved));
    let proof = case.genuine();
    assert!(accepts(&case.proves(proof)));
    assert_eq!(case.submits(LATER), None);
}

#[test]
fn a_manifest_of_another_epoch_than_in_the_log_is_refused() {
    for kind in 0..4 {
        let mut net = running();
        let client = id("gw-1");
        let known = net.gateways[&client].log_size();
        let mut manifest = net.manifest(client, EPOCH + 1, LATER);
        let mut head = manifest.head;
        let entry = match kind {
            0 => {
                head.members += 1;
                LogEntry::Epoch(head)
            }
            1 => {
                head.first_round = head.first_round.next();
                LogEntry::Epoch(head)
            }
            2 => LogEntry::DrawList(net.tree().draw_list(ROUND)),
            _ => LogEntry::Resumed {
                client,
                round: ROUND,
            },
        };
        manifest.log_index = net.append(&entry);
        announces(&mut net, client, manifest.clone());
        let proof = net.log_proof(manifest.log_index, known);
        let now = net.schedule().start(ROUND);
        let outputs = act(&mut net, now, client, Input::LogProof(Box::new(proof)));
        let epoch = manifest.head.epoch;
        assert_eq!(faults(&outputs), [&Fault::OtherEpoch { epoch }]);
        assert!(!accepts(&outputs));
        assert!(!net.gateways[&client].waits_for_proof(LATER));
    }
}

#[test]
fn a_proof_that_proves_nothing_leaves_the_manifest_waiting() {
    let mut case = Announced::new();
    let genuine = case.genuine();
    let mut not_in_it = genuine.clone();
    not_in_it.inclusion = Path::default();
    let mut other_entry = genuine.clone();
    let LogEntry::Epoch(head) = &mut other_entry.entry else {
        panic!("not an epoch");
    };
    head.members += 1;
    let key = case.net.provider_key.clone();
    let log = case.net.log.clone();
    let index = case.manifest.log_index;
    let behind_its_back = proof_of(&rewritten(&log, &case.net, 0), &key, index, case.known);
    let foreign = proof_of(&log, &case.net.statement_keys[&id("a")], index, case.known);
    for proof in [not_in_it, other_entry, behind_its_back, foreign] {
        let outputs = case.proves(proof);
        assert!(
            matches!(faults(&outputs)[..], [Fault::Log(_)]),
            "{outputs:?}"
        );
        assert!(proofs(&outputs).is_empty());
        assert!(case.net.gateways[&case.client].waits_for_proof(LATER));
        assert_eq!(case.net.gateways[&case.client].log_size(), case.known);
    }
    // Crossed, or about another entry: nobody's fault.
    let crossed = case.net.log_proof(index, case.known - 1);
    let other = case.net.log_proof(index - 1, case.known);
    for proof in [crossed, other] {
        assert!(case.proves(proof).is_empty());
    }
    assert!(accepts(&case.proves(genuine)));
}

#[test]
fn two_logs_of_one_size_are_evidence_and_end_it() {
    let mut case = Announced::new();
    let genuine = case.genuine();
    assert!(accepts(&case.proves(genuine)));
    let size = case.net.log.len();
    let mut manifest = case.net.manifest(case.client, EPOCH + 2, LATER.next());
    manifest.log_index = size - 1;
    let client = case.client;
    announces(&mut case.net, client, manifest);
    let other = rewritten(&case.net.log, &case.net, 1);
    let key = case.net.provider_key.clone();
    let outputs = case.proves(proof_of(&other, &key, size - 1, size));
    assert_eq!(proofs(&outputs), [Proof::Checkpoints { size }]);
    assert!(case.net.gateways[&client].is_distrusting());
    assert_eq!(case.submits(ROUND), Some(RoundRefusal::Distrusted));
}
