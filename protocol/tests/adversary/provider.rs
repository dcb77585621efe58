//! A provider against members that lie, and against chance: who may say what, and when.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::{Envelope, EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{AgreementKey, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::entry::{ExitStatement, Neighbourhood};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Input, Provider, Record, Refusal, Reply, Setup, SetupError};
use dcnet_protocol::round::{Epoch, UnixTime};

use crate::world::{self, Net};
use crate::{EPOCH, ROUND, id, set};

/// A provider with the keys of the vectors, and the material of its five members.
struct Fixture {
    net: Net,
    provider: Provider,
    now: UnixTime,
}

impl Fixture {
    fn new() -> Self {
        let net = Net::new();
        let (gateway, _) = world::setup(&net.descriptor, &world::members()[0]);
        let setup = Setup {
            descriptor: net.descriptor.clone(),
            key: net.provider_key.clone(),
            anchor: gateway.anchor,
        };
        let now = net.schedule().start(ROUND);
        Self {
            provider: Provider::new(setup).unwrap(),
            net,
            now,
        }
    }

    /// All five are registered.
    fn registered() -> Self {
        let mut fixture = Self::new();
        for client in &fixture.net.everybody() {
            let package = fixture.net.packages[client].clone();
            assert_eq!(
                fixture.post(*client, &fixture.register(*client, package)),
                Ok(())
            );
        }
        fixture
    }

    fn header(&self, client: ClientId) -> FrameHeader {
        FrameHeader {
            net: self.net.descriptor.net(),
            descriptor: self.net.descriptor.hash(),
            client,
            transmission: false,
            epoch: Epoch::new(EPOCH),
            round: ROUND,
        }
    }

    fn register(&self, client: ClientId, package: SignedKeyPackage) -> Frame {
        let body = FrameBody::Register {
            package: Box::new(package),
            emergency: false,
        };
        Frame::control(self.header(client), body).unwrap()
    }

    fn neighbourhood(&self, client: ClientId, serial: u64) -> Neighbourhood {
        Neighbourhood {
            net: self.net.descriptor.net(),
            descriptor: self.net.descriptor.hash(),
            client,
            serial,
            neighbours: self.net.others(client),
        }
    }

    /// Notification 2 as `sender`, with a statement signed by the key of `by`.
    fn entered(&self, sender: ClientId, by: ClientId, statement: Neighbourhood) -> Frame {
        let signed = self.net.statement_keys[&by].sign(statement);
        Frame::control(self.header(sender), FrameBody::Entered(signed)).unwrap()
    }

    fn exiting(&self, sender: ClientId, by: ClientId, client: ClientId) -> Frame {
        let Neighbourhood {
            net,
            descriptor,
            serial,
            neighbours,
            ..
        } = self.neighbourhood(client, 9);
        let statement = ExitStatement {
            net,
            descriptor,
            client,
            serial,
            neighbours,
        };
        let signed = self.net.statement_keys[&by].sign(statement);
        Frame::control(self.header(sender), FrameBody::Exiting(signed)).unwrap()
    }

    /// Posts as the client of a TLS certificate.
    fn post(&mut self, from: ClientId, frame: &Frame) -> Result<(), Refusal> {
        self.post_bytes(from, frame.encode())
    }

    fn post_bytes(&mut self, from: ClientId, bytes: Vec<u8>) -> Result<(), Refusal> {
        let handled = self.provider.handle(self.now, Input::Frame { from, bytes });
        let reply = handled.reply.unwrap();
        if reply.is_err() {
            let stored = |record: &Record| !matches!(record, Record::Outcome(_));
            assert!(
                !handled.records.iter().any(stored),
                "a refusal stores nothing"
            );
        }
        reply.map(|reply| assert!(matches!(reply, Reply::Receipt(_))))
    }
}

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
        let statement = Neighbourhood {
            neighbours,
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
    // What the provider relays it cannot read: any ciphertext will do.
    let envelope = |header: &EnvelopeHeader| {
        let mut bytes = header.encode();
        bytes.extend([7; 24]);
        bytes.extend([0, 0, 0, 3, 1, 2, 3]);
        Envelope::decode(&bytes).unwrap().encode()
    };
    let mut send = |from: ClientId, header: EnvelopeHeader| {
        let bytes = envelope(&header);
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
