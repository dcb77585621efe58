//! Edges: key packages fetched, offers and acceptances exchanged through the tunnel.

use rand_core::CryptoRng;

use super::state::{EdgePhase, Membership, Neighbour, Wanted};
use super::{Fault, Gateway, Output, Report, Request};
use crate::envelope::{EdgeNotice, EdgeReason, Envelope, EnvelopeHeader, EnvelopeKind};
use crate::key_agreement::{PairSecret, Party, SignedKeyPackage, WeakKey};
use crate::names::ClientId;
use crate::round::UnixTime;

/// Most envelopes kept until their senders' key packages are here.
const MAX_WAITING: usize = 256;
/// Of these from one sender.
const MAX_WAITING_PER_SENDER: usize = 2;

impl Gateway {
    /// A key package that was asked for has come.
    pub(super) fn package(
        &mut self,
        now: UnixTime,
        package: &SignedKeyPackage,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let client = package.unverified().client;
        let body = &mut self.state.body;
        let Some(index) = body
            .wanted
            .iter()
            .position(|wanted| wanted.client == client)
        else {
            return Vec::new();
        };
        let wanted = body.wanted.remove(index);
        let (envelopes, others) = std::mem::take(&mut body.waiting)
            .into_iter()
            .partition(|envelope: &Envelope| envelope.header().from == client);
        body.waiting = others;
        let mut outputs = match self.take_package(now, package, wanted.offer) {
            Ok(neighbour) => self.use_package(now, neighbour, wanted.offer, envelopes, rng),
            Err(fault) => vec![Output::Report(fault.into())],
        };
        outputs.extend(self.exit_again(now, client));
        outputs.insert(0, self.persist(None));
        outputs
    }

    /// An exit that waited for its author's newest certificate.
    fn exit_again(&mut self, now: UnixTime, client: ClientId) -> Vec<Output> {
        let waiting = self.state.body.exit_waiting.clone();
        let Some(statement) = waiting.filter(|exit| exit.unverified().client == client) else {
            return Vec::new();
        };
        // Still there while it is looked at: so it is not looked up a second time.
        let outputs = self.neighbour_exits(now, &statement);
        self.state.body.exit_waiting = None;
        outputs
    }

    pub(super) fn take_package(
        &self,
        now: UnixTime,
        package: &SignedKeyPackage,
        offer: Option<EdgeReason>,
    ) -> Result<Neighbour, Fault> {
        let descriptor = &self.setup.descriptor;
        let verified =
            package.verify(&self.setup.anchor, descriptor.net(), descriptor.hash(), now)?;
        let party = Party::from(verified.package());
        // Fails now rather than in a round if no secret can be agreed.
        self.state.agreement.agree(&self.own, &party)?;
        Ok(Neighbour {
            party,
            package_serial: verified.package().serial,
            statement_key: verified.statement_key().to_sec1(),
            phase: EdgePhase::Offered,
            since: now.millis(),
            reason: offer.unwrap_or(EdgeReason::Drawn),
            owed: Some(EnvelopeKind::EdgeOffer),
        })
    }

    pub(super) fn use_package(
        &mut self,
        now: UnixTime,
        neighbour: Neighbour,
        offer: Option<EdgeReason>,
        envelopes: Vec<Envelope>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let client = neighbour.party.client;
        // The same package under a renewed certificate.
        let known = self.state.body.neighbours.iter_mut();
        for known in known.filter(|known| known.party == neighbour.party) {
            known.statement_key = neighbour.statement_key;
        }
        for envelope in envelopes {
            match self.open(&envelope, &neighbour.party) {
                Ok(notice) => {
                    outputs.extend(self.opened(now, &envelope, neighbour.clone()));
                    outputs.extend(self.compare(now, client, notice.checkpoint));
                }
                Err(fault) => outputs.push(Output::Report(fault.into())),
            }
        }
        let same = |known: &Neighbour| known.party == neighbour.party;
        let known = self.state.body.neighbours.iter().any(same);
        if offer.is_some() && !known {
            // Its old key, if there was one, is gone.
            if self
                .neighbour(&client)
                .is_some_and(|old| old.phase == EdgePhase::Confirmed)
            {
                self.statement_is_due(now);
            }
            self.put_neighbour(neighbour);
        } else if offer.is_some() {
            // The other end may not hold it: offered again, it is accepted again.
            let neighbours = self.state.body.neighbours.iter_mut();
            for known in neighbours.filter(|n| n.party.client == client) {
                known.owed.get_or_insert(EnvelopeKind::EdgeOffer);
            }
        }
        outputs.extend(self.send_owed(Some(client), rng));
        outputs
    }

    /// An envelope out of the inbox.
    pub(super) fn envelope(
        &mut self,
        envelope: Envelope,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let header = envelope.header();
        let (net, hash) = (self.setup.descriptor.net(), self.setup.descriptor.hash());
        let client = header.from;
        if header.to != self.setup.client
            || header.net != net
            || header.descriptor != hash
            || matches!(
                self.state.body.membership,
                Membership::Left | Membership::Leaving
            )
        {
            return vec![Output::Report(Fault::WrongPackages { client }.into())];
        }
        let known = self.neighbour(&client).cloned();
        if let Some(known) = known
            && let Ok(notice) = self.open(&envelope, &known.party)
        {
            let mut outputs = self.opened(now, &envelope, known);
            outputs.extend(self.compare(now, client, notice.checkpoint));
            outputs.insert(0, self.persist(None));
            outputs.extend(self.send_owed(Some(client), rng));
            outputs.extend(self.poll(now, rng));
            return outputs;
        }
        // Its sender is unknown, or has a newer key package: fetch that first.
        let body = &mut self.state.body;
        let from_it = body
            .waiting
            .iter()
            .filter(|waiting| waiting.header().from == client)
            .count();
        if body.waiting.len() >= MAX_WAITING || from_it >= MAX_WAITING_PER_SENDER {
            return vec![Output::Report(Fault::TooManyEnvelopes { client }.into())];
        }
        body.waiting.push(envelope);
        self.want(Wanted {
            client,
            offer: None,
        });
        vec![self.persist(None), Output::Send(Request::Package(client))]
    }

    /// Asks for a package at every poll until it is here.
    pub(super) fn want(&mut self, wanted: Wanted) {
        let list = &mut self.state.body.wanted;
        match list.iter_mut().find(|known| known.client == wanted.client) {
            Some(known) if known.offer.is_none() => *known = wanted,
            Some(_) => {}
            None => list.push(wanted),
        }
    }

    fn open(&self, envelope: &Envelope, peer: &Party) -> Result<EdgeNotice, Fault> {
        let notice = envelope.open(&self.pair(peer)?)?;
        if notice.own_package == peer.package && notice.peer_package == self.own.package {
            Ok(notice)
        } else {
            Err(Fault::WrongPackages {
                client: peer.client,
            })
        }
    }

    /// The envelope is genuine: the edge with its sender stands at this end.
    fn opened(&mut self, now: UnixTime, envelope: &Envelope, neighbour: Neighbour) -> Vec<Output> {
        let client = neighbour.party.client;
        let before = self
            .neighbour(&client)
            .filter(|known| known.party == neighbour.party);
        let (was, offered) = before.map_or((None, None), |n| (Some(n.phase), n.owed));
        let owed = match envelope.header().kind {
            EnvelopeKind::EdgeOffer => Some(EnvelopeKind::EdgeAccept),
            // An acceptance of nothing that was offered.
            EnvelopeKind::EdgeAccept if was.is_none() => return Vec::new(),
            EnvelopeKind::EdgeAccept => offered.filter(|kind| *kind == EnvelopeKind::EdgeAccept),
            EnvelopeKind::Checkpoint => return Vec::new(),
        };
        let phase = match was {
            Some(EdgePhase::Leaving) => EdgePhase::Leaving,
            _ => EdgePhase::Confirmed,
        };
        let since = now.millis();
        self.put_neighbour(Neighbour {
            phase,
            since,
            owed,
            ..neighbour
        });
        if was == Some(EdgePhase::Confirmed) {
            return Vec::new();
        }
        self.statement_is_due(now);
        vec![Output::Report(Report::EdgeConfirmed { client })]
    }

    /// Sends the envelopes that have not reached the provider, to one member or to all.
    pub(super) fn send_owed(
        &self,
        only: Option<ClientId>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        for neighbour in &self.state.body.neighbours {
            let client = neighbour.party.client;
            let Some(kind) = neighbour.owed else { continue };
            if only.is_some_and(|only| only != client) {
                continue;
            }
            match self.seal(neighbour, kind, rng) {
                Ok(envelope) => outputs.push(Output::Send(Request::Envelope(envelope))),
                Err(fault) => outputs.push(Output::Report(fault.into())),
            }
        }
        outputs
    }

    /// The provider has taken an envelope.
    pub(super) fn relayed(&mut self, header: &EnvelopeHeader) -> Vec<Output> {
        let mut changed = false;
        for neighbour in &mut self.state.body.neighbours {
            if neighbour.party.client == header.to && neighbour.owed == Some(header.kind) {
                neighbour.owed = None;
                changed = true;
            }
        }
        if changed {
            vec![self.persist(None)]
        } else {
            Vec::new()
        }
    }

    pub(super) fn seal(
        &self,
        neighbour: &Neighbour,
        kind: EnvelopeKind,
        rng: &mut impl CryptoRng,
    ) -> Result<Envelope, Fault> {
        let header = EnvelopeHeader {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            from: self.setup.client,
            to: neighbour.party.client,
            kind,
        };
        let checkpoint = self.state.body.follower.last().cloned();
        let (own, peer) = (&self.own, &neighbour.party);
        let notice = EdgeNotice::new(neighbour.reason, own, peer, checkpoint);
        Ok(Envelope::seal(
            header,
            &notice,
            &self.pair(&neighbour.party)?,
            rng,
        )?)
    }

    pub(super) fn pair(&self, peer: &Party) -> Result<PairSecret, WeakKey> {
        self.state.agreement.agree(&self.own, peer)
    }

    pub(super) fn neighbour(&self, client: &ClientId) -> Option<&Neighbour> {
        self.state
            .body
            .neighbours
            .iter()
            .find(|neighbour| neighbour.party.client == *client)
    }

    /// Inserts or replaces. A replaced neighbour has a new key package: its old key is gone.
    fn put_neighbour(&mut self, neighbour: Neighbour) {
        let list = &mut self.state.body.neighbours;
        list.retain(|known| known.party.client != neighbour.party.client);
        list.push(neighbour);
    }
}
