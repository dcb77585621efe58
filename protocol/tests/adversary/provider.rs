//! A provider against members that lie, and against chance: who may say what, and when.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::{EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{Agreement, AgreementKey, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::edge::EdgeEnd;
use dcnet_protocol::membership::entry::Neighbourhood;
use dcnet_protocol::message::Message;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Input, Provider, Record, Refusal, Reply, Setup, SetupError};

use crate::fixture::{Fixture, envelope};
use crate::world::{self, Net};
use crate::{id, set};

#[test]
fn a_member_speaks_for_itself_only() {
    let mut fixture = Fixture::registered();
    let (alice, mallory) = (id("a"), id("gw-2"));
    let package = fixture.net.packages[&alice].clone();
    // Another TLS certificate than the frame's client.
    let frame = fixture.register(alice, package.clone());
    assert!(matches!(
        fixture.post(mallory, &frame),
        Err(Refusal::WrongClient { .. })
    ));
    // Its own frame around somebody else's package or statement.
    let frame = fixture.register(mallory, package);
    assert!(matches!(
        fixture.post(mallory, &frame),
        Err(Refusal::WrongClient { .. })
    ));
    let statement = fixture.neighbourhood(alice, 5);
    let frame = fixture.entered(mallory, mallory, statement.clone());
    assert!(matches!(
        fixture.post(mallory, &frame),
        Err(Refusal::WrongClient { .. })
    ));
    let frame = fixture.entered(alice, mallory, statement);
    assert!(matches!(
        fixture.post(alice, &frame),
        Err(Refusal::Signature(_))
    ));
}

#[test]
fn only_the_leaver_can_exit() {
    let mut fixture = Fixture::registered();
    let (alice, mallory) = (id("a"), id("gw-2"));
    for (sender, signer, leaver) in [
        (mallory, mallory, alice),
        (alice, mallory, alice),
        (mallory, alice, alice),
    ] {
        let frame = fixture.exiting(sender, signer, leaver);
        let refusal = fixture.post(sender, &frame).unwrap_err();
        assert!(matches!(
            refusal,
            Refusal::WrongClient { .. } | Refusal::Signature(_)
        ));
    }
    let frame = fixture.exiting(alice, alice, alice);
    assert_eq!(fixture.post(alice, &frame), Ok(()));
}

#[test]
fn statements_do_not_come_twice_in_another_order() {
    let mut fixture = Fixture::registered();
    let alice = id("a");
    let (old, new) = (
        fixture.neighbourhood(alice, 5),
        fixture.neighbourhood(alice, 6),
    );
    let old = fixture.entered(alice, alice, old);
    let new = fixture.entered(alice, alice, new);
    assert_eq!(fixture.post(alice, &old), Ok(()));
    assert_eq!(fixture.post(alice, &new), Ok(()));
    assert_eq!(
        fixture.post(alice, &new),
        Ok(()),
        "the same again is receipted"
    );
    let stale = Refusal::StaleStatement { last: 6, got: 5 };
    assert_eq!(fixture.post(alice, &old), Err(stale));
}

#[test]
fn strangers_are_no_neighbours() {
    let mut fixture = Fixture::registered();
    let alice = id("a");
    for neighbours in [
        set(&["gw-1", "gw-2", "mallory"]),
        set(&["a", "gw-1", "gw-2"]),
    ] {
        let stranger = |client: &ClientId| EdgeEnd {
            client: *client,
            agreement: Agreement::from_bytes([7; 32]),
        };
        let statement = Neighbourhood {
            neighbours: neighbours.iter().map(stranger).collect(),
            ..fixture.neighbourhood(alice, 5)
        };
        let frame = fixture.entered(alice, alice, statement);
        assert!(matches!(
            fixture.post(alice, &frame),
            Err(Refusal::UnknownNeighbour { .. })
        ));
    }
}

#[test]
fn who_has_left_is_not_heard_any_more() {
    let mut fixture = Fixture::registered();
    let (alice, bob) = (id("a"), id("gw-1"));
    let first = fixture.exiting(alice, alice, alice);
    assert_eq!(fixture.post(alice, &first), Ok(()));
    assert_eq!(
        fixture.post(alice, &first),
        Ok(()),
        "the same again is receipted"
    );
    let other = fixture.net.statement_keys[&alice].sign(fixture.exit(alice, 10));
    let other = Frame::control(fixture.header(alice), FrameBody::Exiting(other)).unwrap();
    let refusal = Refusal::Exited { client: alice };
    assert_eq!(refusal.status(), 410);
    assert_eq!(fixture.post(alice, &other), Err(refusal.clone()));
    assert_eq!(fixture.state(alice, 11), Err(refusal.clone()));
    let sent = fixture.send(alice, bob);
    assert_eq!(sent, Err(refusal));
}

#[test]
fn an_exit_reaches_those_who_name_the_leaver() {
    let mut fixture = Fixture::registered();
    let alice = id("a");
    assert_eq!(fixture.state(alice, 5), Ok(()));
    assert_eq!(fixture.state(id("gw-1"), 5), Ok(()));
    let without = fixture
        .net
        .ends(id("gw-2"), &set(&["Zwinger.3", "gw-1", "gw-10"]));
    let statement = Neighbourhood {
        neighbours: without,
        holders: set(&["gw-1"]),
        ..fixture.neighbourhood(id("gw-2"), 5)
    };
    let frame = fixture.entered(id("gw-2"), id("gw-2"), statement);
    assert_eq!(fixture.post(id("gw-2"), &frame), Ok(()));
    let bytes = fixture.exiting(alice, alice, alice).encode();
    let input = Input::Frame { from: alice, bytes };
    let handled = fixture.provider.handle(fixture.now, input);
    let mut told = Vec::new();
    for record in handled.records {
        if let Record::Deliver { to, message } = record {
            assert!(matches!(
                Message::decode(&message).unwrap(),
                Message::Exit(_)
            ));
            told.push(to);
        }
    }
    assert_eq!(told, [id("gw-1")], "the others hold no key of the leaver");
}

#[test]
fn an_older_key_package_does_not_come_back() {
    let mut fixture = Fixture::registered();
    let alice = id("a");
    let chain: Vec<Vec<u8>> = fixture.net.packages[&alice]
        .chain()
        .map(<[u8]>::to_vec)
        .collect();
    let with = |serial| KeyPackage {
        serial,
        public_key: AgreementKey::from_bytes([3; 32]).public_key(),
        ..fixture.net.packages[&alice].unverified().clone()
    };
    let key = &fixture.net.statement_keys[&alice];
    let same_serial = SignedKeyPackage::sign(with(1), &chain, key);
    let newer = SignedKeyPackage::sign(with(2), &chain, key);
    let frame = fixture.register(alice, same_serial);
    let stale = Refusal::StaleKeyPackage { last: 1, got: 1 };
    assert_eq!(fixture.post(alice, &frame), Err(stale));
    let frame = fixture.register(alice, newer);
    assert_eq!(fixture.post(alice, &frame), Ok(()));
    let old = fixture.net.packages[&alice].clone();
    let frame = fixture.register(alice, old);
    assert!(matches!(
        fixture.post(alice, &frame),
        Err(Refusal::StaleKeyPackage { .. })
    ));
}

#[test]
fn envelopes_are_relayed_between_members_and_for_their_sender_only() {
    let mut fixture = Fixture::registered();
    let (alice, bob) = (id("a"), id("gw-1"));
    let header = EnvelopeHeader {
        net: fixture.net.descriptor.net(),
        descriptor: fixture.net.descriptor.hash(),
        from: alice,
        to: bob,
        kind: EnvelopeKind::EdgeOffer,
    };
    let mut send = |from: ClientId, header: EnvelopeHeader| {
        let bytes = envelope(&header, 84);
        fixture
            .provider
            .handle(fixture.now, Input::Envelope { from, bytes })
            .reply
            .unwrap()
    };
    assert_eq!(send(alice, header.clone()), Ok(Reply::Relayed));
    let forged = send(bob, header.clone());
    assert!(matches!(forged, Err(Refusal::WrongClient { .. })));
    let stranger = send(
        alice,
        EnvelopeHeader {
            to: id("mallory"),
            ..header.clone()
        },
    );
    assert!(matches!(stranger, Err(Refusal::UnknownAddressee { .. })));
    let itself = send(
        alice,
        EnvelopeHeader {
            to: alice,
            ..header.clone()
        },
    );
    assert!(matches!(itself, Err(Refusal::UnknownAddressee { .. })));
    let elsewhere = send(
        alice,
        EnvelopeHeader {
            net: "x".parse().unwrap(),
            ..header
        },
    );
    assert!(matches!(elsewhere, Err(Refusal::WrongNet { .. })));
}

/// The provider relays what key agreement needs and nothing else: it is no way to fill an inbox.
#[test]
fn other_things_than_sealed_notices_are_not_relayed() {
    let mut fixture = Fixture::registered();
    let (alice, bob) = (id("a"), id("gw-1"));
    let header = EnvelopeHeader {
        net: fixture.net.descriptor.net(),
        descriptor: fixture.net.descriptor.hash(),
        from: alice,
        to: bob,
        kind: EnvelopeKind::EdgeOffer,
    };
    for length in [0, 83, 336, 65_536] {
        let bytes = envelope(&header, length);
        let input = Input::Envelope { from: alice, bytes };
        let reply = fixture.provider.handle(fixture.now, input).reply.unwrap();
        assert!(matches!(reply, Err(Refusal::Malformed(_))), "{length}");
    }
    let mut relayed = 0;
    while fixture.send(alice, bob).is_ok() {
        relayed += 1;
        assert!(relayed < 100, "as many as it likes");
    }
    assert_eq!(relayed, 8);
    assert_eq!(
        fixture.send(alice, bob),
        Err(Refusal::TooManyEnvelopes { to: bob })
    );
    assert_eq!(fixture.send(alice, id("gw-2")), Ok(Reply::Relayed));
}

#[test]
fn frames_for_another_net_or_of_no_format_are_refused() {
    let mut fixture = Fixture::registered();
    let alice = id("a");
    let package = fixture.net.packages[&alice].clone();
    let header = FrameHeader {
        net: "elsewhere".parse().unwrap(),
        ..fixture.header(alice)
    };
    let body = FrameBody::Register {
        package: Box::new(package.clone()),
        emergency: false,
    };
    let frame = Frame::control(header, body).unwrap();
    assert!(matches!(
        fixture.post(alice, &frame),
        Err(Refusal::WrongNet { .. })
    ));
    let mut bytes = fixture.register(alice, package).encode();
    bytes.push(0);
    assert!(matches!(
        fixture.post_bytes(alice, bytes),
        Err(Refusal::Malformed(_))
    ));
}

#[test]
fn a_provider_serves_its_own_nets_only() {
    let net = Net::new();
    let (gateway, _) = world::setup(&net.descriptor, &world::members()[0]);
    let setup = Setup {
        descriptor: net.descriptor.clone(),
        key: net.statement_keys[&id("a")].clone(),
        anchor: gateway.anchor,
    };
    assert!(matches!(Provider::new(setup), Err(SetupError::Key { .. })));
}
