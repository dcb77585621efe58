//! A provider, and what its members may send it.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::{EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::frame::{Frame, FrameBody, FrameHeader};
use dcnet_protocol::key_agreement::{AgreementKey, KeyPackage, SignedKeyPackage};
use dcnet_protocol::membership::entry::{ExitStatement, Neighbourhood};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Input, Provider, Record, Refusal, Reply, Setup};
use dcnet_protocol::round::{Epoch, Round, UnixTime};

use crate::world::{self, Net};
use crate::{EPOCH, ROUND};

/// A provider with the keys of the vectors, and the material of its five members.
pub(crate) struct Fixture {
    pub(crate) net: Net,
    pub(crate) provider: Provider,
    pub(crate) now: UnixTime,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let net = Net::new();
        let setup = setup(&net);
        let now = net.schedule().start(ROUND);
        Self {
            provider: Provider::new(setup).unwrap(),
            net,
            now,
        }
    }

    pub(crate) fn setup(&self) -> Setup {
        setup(&self.net)
    }

    /// All five are registered.
    pub(crate) fn registered() -> Self {
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

    pub(crate) fn header(&self, client: ClientId) -> FrameHeader {
        FrameHeader {
            net: self.net.descriptor.net(),
            descriptor: self.net.descriptor.hash(),
            client,
            transmission: false,
            epoch: Epoch::new(EPOCH),
            round: ROUND,
        }
    }

    pub(crate) fn register(&self, client: ClientId, package: SignedKeyPackage) -> Frame {
        let body = FrameBody::Register {
            package: Box::new(package),
            emergency: false,
        };
        Frame::control(self.header(client), body).unwrap()
    }

    pub(crate) fn neighbourhood(&self, client: ClientId, serial: u64) -> Neighbourhood {
        Neighbourhood {
            net: self.net.descriptor.net(),
            descriptor: self.net.descriptor.hash(),
            client,
            package: self.net.packages[&client].unverified().hash(),
            serial,
            neighbours: self.net.ends(client, &self.net.others(client)),
            holders: self.net.others(client),
        }
    }

    /// Notification 2 as `sender`, with a statement signed by the key of `by`.
    pub(crate) fn entered(
        &self,
        sender: ClientId,
        by: ClientId,
        statement: Neighbourhood,
    ) -> Frame {
        let signed = self.net.statement_keys[&by].sign(statement);
        Frame::control(self.header(sender), FrameBody::Entered(signed)).unwrap()
    }

    pub(crate) fn exiting(&self, sender: ClientId, by: ClientId, client: ClientId) -> Frame {
        let signed = self.net.statement_keys[&by].sign(self.exit(client, 9));
        Frame::control(self.header(sender), FrameBody::Exiting(signed)).unwrap()
    }

    pub(crate) fn exit(&self, client: ClientId, serial: u64) -> ExitStatement {
        ExitStatement {
            net: self.net.descriptor.net(),
            descriptor: self.net.descriptor.hash(),
            client,
            serial,
            neighbours: self.net.others(client),
        }
    }

    /// A newer package of `client`, which the fixture's statements refer to from now on.
    pub(crate) fn renew(&mut self, client: ClientId) -> Frame {
        let known = &self.net.packages[&client];
        let chain: Vec<Vec<u8>> = known.chain().map(<[u8]>::to_vec).collect();
        let serial = known.unverified().serial + 1;
        let body = KeyPackage {
            serial,
            public_key: AgreementKey::from_bytes([6; 32]).public_key(),
            ..known.unverified().clone()
        };
        let newer = SignedKeyPackage::sign(body, &chain, &self.net.statement_keys[&client]);
        self.net.packages.insert(client, newer.clone());
        self.register(client, newer)
    }

    /// States all edges of `client` with the packages that the fixture knows.
    pub(crate) fn state(&mut self, client: ClientId, serial: u64) -> Result<(), Refusal> {
        let statement = self.neighbourhood(client, serial);
        self.post(client, &self.entered(client, client, statement))
    }

    /// An envelope of the right form.
    pub(crate) fn send(&mut self, from: ClientId, to: ClientId) -> Result<Reply, Refusal> {
        let header = EnvelopeHeader {
            net: self.net.descriptor.net(),
            descriptor: self.net.descriptor.hash(),
            from,
            to,
            kind: EnvelopeKind::EdgeOffer,
        };
        let bytes = envelope(&header, 84);
        let input = Input::Envelope { from, bytes };
        self.provider.handle(self.now, input).reply.unwrap()
    }

    /// All five have entered with all edges.
    pub(crate) fn entered_all() -> Self {
        let mut fixture = Self::registered();
        for client in &fixture.net.everybody() {
            assert_eq!(fixture.state(*client, 5), Ok(()));
        }
        fixture
    }

    /// Notification 5 with words of 0.
    pub(crate) fn transmit(&self, client: ClientId, epoch: Epoch, round: Round) -> Vec<u8> {
        let header = FrameHeader {
            transmission: true,
            epoch,
            round,
            ..self.header(client)
        };
        let mut bytes = b"DCN1".to_vec();
        bytes.extend(header.encode());
        bytes.extend([5, 0, 24]);
        bytes.extend([0; 24]);
        bytes.push(0); // no self-mask
        bytes
    }

    /// Posts as the client of a TLS certificate.
    pub(crate) fn post(&mut self, from: ClientId, frame: &Frame) -> Result<(), Refusal> {
        self.post_bytes(from, frame.encode())
    }

    pub(crate) fn post_bytes(&mut self, from: ClientId, bytes: Vec<u8>) -> Result<(), Refusal> {
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

/// What the provider relays it cannot read: any ciphertext of that length will do.
pub(crate) fn envelope(header: &EnvelopeHeader, length: u32) -> Vec<u8> {
    let mut bytes = header.encode();
    bytes.extend([7; 24]);
    bytes.extend(length.to_be_bytes());
    bytes.extend((0..length).map(|_| 1));
    bytes
}

fn setup(net: &Net) -> Setup {
    let (gateway, _) = world::setup(&net.descriptor, &world::members()[0]);
    Setup {
        descriptor: net.descriptor.clone(),
        key: net.provider_key.clone(),
        anchor: gateway.anchor,
    }
}
