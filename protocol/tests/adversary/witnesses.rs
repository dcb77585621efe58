//! Gateways that demand cosignatures, and logs that too few witnesses have cosigned.

use dcnet_protocol::gateway::{
    Gateway, GatewayState, Input, Output, Report, Request, RoundRefusal, Setup,
};
use dcnet_protocol::membership::checkpoint::Checkpoint;
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::membership::proof::LogProof;
use dcnet_protocol::membership::witness::{Cosignature, Cosignatures, Quorum, Witness};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::{Signed, SigningKey};

use crate::log::{act, announces, proof_of, proofs, refusal, requests, rewritten, state};
use crate::world::{Net, members, setup, state as fresh};
use crate::{EPOCH, ROUND, id, reading, running};

const LATER: Round = Round::new(ROUND.number() + 2);

fn key(witness: u8) -> SigningKey {
    SigningKey::from_scalar(&[witness + 40; 32]).unwrap()
}

fn cosign(witness: u8, checkpoint: &Checkpoint) -> Signed<Cosignature> {
    key(witness).sign(Cosignature {
        witness: format!("w-{witness}").parse().unwrap(),
        net: checkpoint.net,
        descriptor: checkpoint.descriptor,
        size: checkpoint.size,
        root: checkpoint.root,
        time_s: 0,
    })
}

fn by(witnesses: &[u8], checkpoint: &Checkpoint) -> Cosignatures {
    let mut cosignatures = Cosignatures::default();
    for witness in witnesses {
        assert!(cosignatures.insert(cosign(*witness, checkpoint)));
    }
    cosignatures
}

fn cosigned(proof: LogProof, witnesses: &[u8]) -> LogProof {
    let cosignatures = by(witnesses, proof.checkpoint.unverified());
    LogProof {
        cosignatures,
        ..proof
    }
}

/// A member's setup, whose owner demands two of three witnesses.
fn demanding(net: &Net, client: ClientId) -> (Setup, GatewayState) {
    let found = members().into_iter().find_map(|vector| {
        let (setup, _) = setup(&net.descriptor, &vector);
        (setup.client == client).then(|| (setup, fresh(&vector)))
    });
    let (mut setup, state) = found.unwrap();
    let witnesses = (1..=3).map(|witness| Witness {
        name: format!("w-{witness}").parse().unwrap(),
        key: key(witness).verifying_key(),
    });
    setup.policy.witnesses = Quorum::new(witnesses.collect(), 2).unwrap();
    (setup, state)
}

fn counted(outputs: &[Output]) -> Option<(usize, usize)> {
    outputs.iter().find_map(|output| match output {
        Output::Report(Report::Cosignatures { cosigned, needed }) => Some((*cosigned, *needed)),
        _ => None,
    })
}

fn accepts(outputs: &[Output]) -> bool {
    let accepted = |output: &Output| matches!(output, Output::Report(Report::Manifest { .. }));
    outputs.iter().any(accepted)
}

/// A net of five in which `gw-1`, which demands witnesses, has an announced manifest.
struct Announced {
    net: Net,
    client: ClientId,
    index: u64,
    known: u64,
}

impl Announced {
    fn new() -> Self {
        let mut net = running();
        let client = id("gw-1");
        let now = net.schedule().start(ROUND);
        let stored = state(&act(&mut net, now, client, Input::Join));
        let (setup, _) = demanding(&net, client);
        let gateway = Gateway::new(setup, GatewayState::decode(&stored).unwrap()).unwrap();
        net.gateways.insert(client, gateway);
        let known = net.gateways[&client].log_size();
        let mut manifest = net.manifest(client, EPOCH + 1, LATER);
        let index = net.append(&LogEntry::Epoch(manifest.head));
        manifest.log_index = index;
        announces(&mut net, client, manifest);
        Self {
            net,
            client,
            index,
            known,
        }
    }

    fn proves(&mut self, proof: LogProof) -> Vec<Output> {
        let now = self.net.schedule().start(ROUND);
        let input = Input::LogProof(Box::new(proof));
        act(&mut self.net, now, self.client, input)
    }

    fn genuine(&self) -> LogProof {
        self.net.log_proof(self.index, self.known)
    }

    fn submits(&mut self, round: Round) -> Option<RoundRefusal> {
        let now = self.net.schedule().border(round);
        let reading = Some(reading(1));
        let input = Input::Submit { round, reading };
        refusal(&act(&mut self.net, now, self.client, input))
    }
}

#[test]
fn an_epoch_is_relied_on_as_soon_as_enough_witnesses_have_cosigned() {
    let mut case = Announced::new();
    for (witnesses, count) in [(&[][..], 0), (&[2], 1), (&[2, 4, 5], 1)] {
        let outputs = case.proves(cosigned(case.genuine(), witnesses));
        assert_eq!(counted(&outputs), Some((count, 2)), "{witnesses:?}");
        assert!(!accepts(&outputs), "{witnesses:?}");
        let gateway = &case.net.gateways[&case.client];
        assert_eq!(gateway.log_size(), case.known, "nothing is taken over");
        assert!(gateway.waits_for_proof(LATER) && !gateway.is_distrusting());
    }
    // The epoch before goes on; the new one does not begin.
    assert_eq!(case.submits(ROUND), None);
    assert_eq!(case.submits(LATER), Some(RoundRefusal::Unproved));
    let outputs = case.proves(cosigned(case.genuine(), &[3, 4, 1]));
    assert_eq!(counted(&outputs), None);
    assert!(accepts(&outputs));
    let size = case.net.gateways[&case.client].log_size();
    assert_eq!(size, case.net.log.len());
    assert_eq!(case.submits(LATER), None);
}

#[test]
fn cosignatures_of_another_checkpoint_or_by_another_key_do_not_count() {
    let mut case = Announced::new();
    let genuine = case.genuine();
    let checkpoint = *genuine.checkpoint.unverified();
    let older = Checkpoint {
        size: checkpoint.size - 1,
        ..checkpoint
    };
    let stolen = key(4).sign(*cosign(2, &checkpoint).unverified());
    for second in [cosign(2, &older), stolen, cosign(1, &checkpoint)] {
        let mut cosignatures = by(&[1], &checkpoint);
        assert!(cosignatures.insert(second));
        let outputs = case.proves(LogProof {
            cosignatures,
            ..genuine.clone()
        });
        assert_eq!(counted(&outputs), Some((1, 2)));
    }
}

#[test]
fn a_fork_is_evidence_with_cosignatures_and_without() {
    for witnesses in [&[][..], &[1, 2, 3]] {
        let mut case = Announced::new();
        let genuine = cosigned(case.genuine(), &[1, 2]);
        assert!(accepts(&case.proves(genuine)));
        let mut manifest = case.net.manifest(case.client, EPOCH + 2, LATER.next());
        manifest.log_index = case.index;
        announces(&mut case.net, case.client, manifest);
        let other = rewritten(&case.net.log, &case.net, 1);
        let size = other.len();
        let proof = proof_of(&other, &case.net.provider_key, case.index, size);
        let outputs = case.proves(cosigned(proof, witnesses));
        assert_eq!(proofs(&outputs).len(), 1, "{witnesses:?}: {outputs:?}");
        assert!(case.net.gateways[&case.client].is_distrusting());
    }
}

#[test]
fn a_draw_waits_for_cosignatures() {
    let mut net = Net::new();
    let client = id("gw-1");
    let now = net.schedule().start(ROUND);
    let (setup, state) = demanding(&net, client);
    let gateway = Gateway::new(setup, state).unwrap();
    net.gateways.insert(client, gateway);
    net.give(now, client, Input::Join);
    let waiting = Report::Cosignatures {
        cosigned: 0,
        needed: 2,
    };
    assert!(net.reports.contains(&(client, waiting)));
    let is_drawn = |reports: &[(ClientId, Report)]| {
        let mut reports = reports.iter();
        reports.any(|(_, report)| matches!(report, Report::Drawn { .. }))
    };
    assert!(!is_drawn(&net.reports));
    assert_eq!(net.gateways[&client].log_size(), 0);

    let outputs = act(&mut net, now, client, Input::Poll);
    let asks = |request: &&Request| matches!(request, Request::DrawList { from: 0 });
    assert!(requests(&outputs).iter().any(asks), "asked again");
    let mut view = net.draw_list(client, 0);
    view.proof = cosigned(view.proof, &[1, 3]);
    let outputs = act(&mut net, now, client, Input::DrawList(Box::new(view)));
    let listed = |request: &&Request| matches!(request, Request::Listed { .. });
    assert!(requests(&outputs).iter().any(listed));
    assert_eq!(net.gateways[&client].log_size(), net.log.len());
}
