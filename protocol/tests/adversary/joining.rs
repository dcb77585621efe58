//! A provider that meddles with the relayed exchange of keys, the list, and exits.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::{Envelope, EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::gateway::{Fault, Input, Output, Report};
use dcnet_protocol::key_agreement::{AgreementKey, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::entry::ExitStatement;
use dcnet_protocol::message::{MemberList, Message};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::signature::SigningKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::world::Net;
use crate::{EPOCH, ROUND, faults, id, running};

/// A package for `client` with a public key of the provider's, signed by `key`.
fn substitute(net: &Net, client: ClientId, key: &SigningKey) -> SignedKeyPackage {
    let genuine = &net.packages[&client];
    let chain: Vec<Vec<u8>> = genuine.chain().map(<[u8]>::to_vec).collect();
    let body = KeyPackage {
        public_key: AgreementKey::from_bytes([9; 32]).public_key(),
        serial: 2,
        ..genuine.unverified().clone()
    };
    SignedKeyPackage::sign(body, &chain, key)
}

fn first_joins(net: &mut Net) -> ClientId {
    let client = id("gw-1");
    let now = net.schedule().start(ROUND);
    net.give(now, client, Input::Join);
    client
}

#[test]
fn a_swapped_key_is_refused() {
    let mut net = Net::new();
    let forged = substitute(&net, id("a"), &net.statement_keys[&id("gw-2")]);
    net.packages.insert(id("a"), forged);
    let client = first_joins(&mut net);
    assert!(
        faults(&mut net)
            .iter()
            .any(|(_, fault)| matches!(fault, Fault::KeyPackage(_)))
    );
    assert!(!net.gateways[&client].neighbours().contains(&id("a")));
}

#[test]
fn a_package_of_another_member_is_refused() {
    let mut net = Net::new();
    let other = net.packages[&id("gw-10")].clone();
    net.packages.insert(id("a"), other);
    let client = first_joins(&mut net);
    let swapped = |fault: &Fault| matches!(fault, Fault::PackageSwapped { .. });
    assert!(
        faults(&mut net)
            .iter()
            .any(|(at, fault)| *at == client && swapped(fault))
    );
    assert!(!net.gateways[&client].neighbours().contains(&id("a")));
}

#[test]
fn a_public_key_of_low_order_is_refused() {
    let mut net = Net::new();
    let genuine = &net.packages[&id("a")];
    let chain: Vec<Vec<u8>> = genuine.chain().map(<[u8]>::to_vec).collect();
    let body = KeyPackage {
        public_key: [0; 32],
        ..genuine.unverified().clone()
    };
    let weak = SignedKeyPackage::sign(body, &chain, &net.statement_keys[&id("a")]);
    let summary = |summary: &dcnet_protocol::message::MemberSummary| {
        let mut summary = *summary;
        if summary.client == id("a") {
            summary.package = weak.unverified().hash();
        }
        summary
    };
    net.list = MemberList::new(net.list.as_slice().iter().map(summary).collect());
    net.packages.insert(id("a"), weak);
    first_joins(&mut net);
    assert!(
        faults(&mut net)
            .iter()
            .any(|(_, fault)| matches!(fault, Fault::WeakKey(_)))
    );
}

#[test]
fn a_list_without_the_gateway_itself_is_not_drawn_from() {
    let mut net = Net::new();
    let others = net
        .list
        .as_slice()
        .iter()
        .filter(|summary| summary.client != id("gw-1"));
    net.list = MemberList::new(others.copied().collect());
    let client = first_joins(&mut net);
    assert!(faults(&mut net).contains(&(client, Fault::NotListed)));
    assert!(
        !net.reports
            .iter()
            .any(|(_, report)| matches!(report, Report::Drawn { .. }))
    );
}

#[test]
fn a_net_below_the_minimum_size_is_not_drawn_from() {
    let mut net = Net::new();
    net.list = MemberList::new(net.list.as_slice().iter().take(3).copied().collect());
    let client = net.list.as_slice()[0].client;
    let now = net.schedule().start(ROUND);
    net.give(now, client, Input::Join);
    let waiting = Report::WaitingForMembers { have: 3, need: 4 };
    assert!(net.reports.contains(&(client, waiting)));
}

/// One bit of the ciphertext.
fn damaged(envelope: &Envelope) -> Vec<Envelope> {
    let mut bytes = envelope.encode();
    *bytes.last_mut().unwrap() ^= 1;
    vec![Envelope::decode(&bytes).unwrap()]
}

#[test]
fn an_envelope_changed_on_its_way_makes_no_edge() {
    let mut net = Net::new();
    net.relay = damaged;
    net.join(ROUND);
    assert!(
        net.gateways
            .values()
            .all(|gateway| gateway.neighbours().is_empty())
    );
    assert!(
        faults(&mut net)
            .iter()
            .any(|(_, fault)| matches!(fault, Fault::Envelope(_)))
    );
}

#[test]
fn withheld_envelopes_make_no_edge() {
    let mut net = Net::new();
    net.relay = |_| Vec::new();
    net.join(ROUND);
    assert!(
        net.gateways
            .values()
            .all(|gateway| gateway.neighbours().is_empty())
    );
}

fn exit(net: &Net, client: ClientId) -> ExitStatement {
    ExitStatement {
        net: net.descriptor.net(),
        descriptor: net.descriptor.hash(),
        client,
        serial: u64::MAX,
        neighbours: net.others(client),
    }
}

#[test]
fn an_exit_that_the_leaver_did_not_sign_is_refused() {
    let mut net = running();
    let (client, victim) = (id("gw-1"), id("a"));
    let statement = exit(&net, victim);
    for forger in [
        net.provider_key.clone(),
        net.statement_keys[&id("gw-2")].clone(),
    ] {
        let delivery = net.delivery(Message::Exit(forger.sign(statement.clone())));
        net.give(net.schedule().border(ROUND), client, delivery);
        assert!(matches!(faults(&mut net)[..], [(_, Fault::Signature(_))]));
        assert!(net.gateways[&client].neighbours().contains(&victim));
    }
}

#[test]
fn the_exit_of_a_stranger_or_for_another_net_is_refused() {
    let mut net = running();
    let client = id("gw-1");
    let now = net.schedule().border(ROUND);
    let stranger = ExitStatement {
        client: id("mallory"),
        ..exit(&net, id("a"))
    };
    let elsewhere = ExitStatement {
        net: "elsewhere".parse().unwrap(),
        ..exit(&net, id("a"))
    };
    for statement in [stranger, elsewhere] {
        let signed = net.statement_keys[&id("a")].sign(statement);
        let delivery = net.delivery(Message::Exit(signed));
        net.give(now, client, delivery);
        assert!(matches!(faults(&mut net)[..], [(_, Fault::Exit { .. })]));
    }
    assert_eq!(net.gateways[&client].neighbours().len(), 4);
    let manifest = net.manifest(client, EPOCH + 1, ROUND.next());
    net.announce(manifest);
    assert!(faults(&mut net).is_empty());
}

/// An exit statement from before the member came back with a new key package is history.
#[test]
fn an_old_exit_of_a_member_that_came_back_is_not_believed() {
    let mut net = running();
    let (client, returned) = (id("gw-1"), id("a"));
    let before_its_package = ExitStatement {
        serial: 0,
        ..exit(&net, returned)
    };
    let signed = net.statement_keys[&returned].sign(before_its_package);
    let delivery = net.delivery(Message::Exit(signed));
    net.give(net.schedule().border(ROUND), client, delivery);
    assert_eq!(
        faults(&mut net),
        [(client, Fault::Exit { client: returned })]
    );
    assert!(net.gateways[&client].neighbours().contains(&returned));
}

/// Whoever floods a gateway does not take the room of others who wait for their packages.
#[test]
fn two_envelopes_of_one_sender_wait_for_its_package() {
    let mut net = Net::new();
    let client = id("gw-1");
    let header = EnvelopeHeader {
        net: net.descriptor.net(),
        descriptor: net.descriptor.hash(),
        from: id("a"),
        to: client,
        kind: EnvelopeKind::EdgeOffer,
    };
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let now = net.schedule().start(ROUND);
    let mut send = |from: &str, number: u8| {
        let mut bytes = EnvelopeHeader {
            from: id(from),
            ..header.clone()
        }
        .encode();
        bytes.extend([number; 24]);
        bytes.extend([0, 0, 0, 84]);
        bytes.extend([number; 84]);
        let delivery = net.delivery(Message::Envelope(Envelope::decode(&bytes).unwrap()));
        let gateway = net.gateways.get_mut(&client).unwrap();
        // Nobody answers: no package comes.
        let outputs = gateway.handle(now, delivery, &mut rng);
        let faults = outputs.into_iter().filter_map(|output| match output {
            Output::Report(Report::Fault(fault)) => Some(fault),
            _ => None,
        });
        faults.collect::<Vec<_>>()
    };
    assert_eq!(send("a", 1), []);
    assert_eq!(send("a", 2), []);
    assert_eq!(send("a", 3), [Fault::TooManyEnvelopes { client: id("a") }]);
    assert_eq!(send("gw-2", 4), []);
}
