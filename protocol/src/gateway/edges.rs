//! Edges: key packages fetched, offers and acceptances exchanged through the tunnel.

use rand_core::CryptoRng;

use super::in_force::InForce;
use super::link::{Answer, Heard, Here, Link};
use super::state::{EdgePhase, Membership, Neighbour, Wanted};
use super::{Fault, Gateway, Output, Report, Request};
use crate::envelope::{EdgeNotice, EdgeReason, Envelope, EnvelopeHeader, EnvelopeKind};
#[cfg(feature = "exposed")]
use crate::key_agreement::{Agreement, Ephemeral, EphemeralKey};
use crate::key_agreement::{PairSecret, Party, SignedKeyPackage, WeakKey};
use crate::names::ClientId;
use crate::round::{Epoch, UnixTime};

/// Most envelopes kept until their senders' key packages are here.
const MAX_WAITING: usize = 256;
/// Of these from one sender.
const MAX_WAITING_PER_SENDER: usize = 2;

/// A key package that was checked, of whoever may become a neighbour.
pub(super) struct Candidate {
    pub(super) party: Party,
    package_serial: u64,
    statement_key: [u8; 33],
}

impl Candidate {
    fn offered(self, now: UnixTime, reason: EdgeReason, rng: &mut impl CryptoRng) -> Neighbour {
        Neighbour {
            party: self.party,
            package_serial: self.package_serial,
            statement_key: self.statement_key,
            phase: EdgePhase::Offered,
            since: now.millis(),
            reason,
            owed: Some(EnvelopeKind::EdgeOffer),
            link: Link::offer(now, rng),
        }
    }
}

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
        let mut outputs = match self.take_package(now, package) {
            Ok(candidate) => self.use_package(now, candidate, wanted.offer, envelopes, rng),
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
    ) -> Result<Candidate, Fault> {
        let descriptor = &self.setup.descriptor;
        let verified =
            package.verify(&self.setup.anchor, descriptor.net(), descriptor.hash(), now)?;
        let party = Party::from(verified.package());
        // Fails now rather than later if no secret can be agreed.
        self.state.agreement.agree(&self.own, &party)?;
        Ok(Candidate {
            party,
            package_serial: verified.package().serial,
            statement_key: verified.statement_key().to_sec1(),
        })
    }

    pub(super) fn use_package(
        &mut self,
        now: UnixTime,
        candidate: Candidate,
        offer: Option<EdgeReason>,
        envelopes: Vec<Envelope>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let party = candidate.party.clone();
        let client = party.client;
        let statement_key = candidate.statement_key;
        let reason = offer.unwrap_or(EdgeReason::Drawn);
        let mut newcomer = Some(candidate.offered(now, reason, rng));
        for envelope in envelopes {
            match self.open(&envelope, &party) {
                Ok(notice) => {
                    let kind = envelope.header().kind;
                    outputs.extend(self.opened(now, kind, &party, &notice, &mut newcomer, rng));
                    outputs.extend(self.compare(now, client, notice.checkpoint));
                }
                Err(fault) => outputs.push(Output::Report(fault.into())),
            }
        }
        let known = self.state.body.neighbours.iter_mut();
        if let Some(known) = known.into_iter().find(|known| known.party == party) {
            // Perhaps under a renewed certificate.
            known.statement_key = statement_key;
            if offer.is_some() {
                // The other end may not hold it: offered again, it is accepted again.
                known.owed.get_or_insert(EnvelopeKind::EdgeOffer);
            }
        } else if let Some(newcomer) = newcomer.filter(|_| offer.is_some()) {
            // Its old key, if there was one, is gone.
            if self
                .neighbour(&client)
                .is_some_and(|old| old.phase == EdgePhase::Confirmed)
            {
                self.statement_is_due(now);
            }
            self.put_neighbour(newcomer);
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
        let known = self.neighbour(&client).map(|known| known.party.clone());
        if let Some(party) = known
            && let Ok(notice) = self.open(&envelope, &party)
        {
            let kind = envelope.header().kind;
            let mut outputs = self.opened(now, kind, &party, &notice, &mut None, rng);
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

    /// The envelope is genuine: this end agrees with its sender, or tells what it has itself. An offer of
    /// somebody who is no neighbour makes one of `newcomer`.
    fn opened(
        &mut self,
        now: UnixTime,
        kind: EnvelopeKind,
        party: &Party,
        notice: &EdgeNotice,
        newcomer: &mut Option<Neighbour>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let Some(theirs) = notice.own.filter(|_| kind != EnvelopeKind::Checkpoint) else {
            return Vec::new();
        };
        let heard = Heard {
            accepts: kind == EnvelopeKind::EdgeAccept,
            theirs,
            ours: notice.peer,
        };
        let known = self.state.body.neighbours.iter();
        let mut neighbour = match known.into_iter().find(|known| known.party == *party) {
            // It leaves: what was agreed serves until it is gone, and nothing is agreed any more.
            Some(known) if known.phase == EdgePhase::Leaving => return Vec::new(),
            Some(known) => known.clone(),
            // An acceptance of nothing that was offered.
            None if heard.accepts => return Vec::new(),
            None => match newcomer.take() {
                Some(newcomer) => newcomer,
                None => return Vec::new(),
            },
        };
        let before = neighbour.link.agreement();
        let answer = match self.hear(now, &mut neighbour, &heard, rng) {
            Ok(answer) => answer,
            Err(weak) => return vec![Output::Report(Fault::from(weak).into())],
        };
        let after = neighbour.link.agreement();
        neighbour.owed = answer.owed(neighbour.owed);
        neighbour.since = now.millis();
        neighbour.phase = match after {
            Some(_) => EdgePhase::Confirmed,
            None => EdgePhase::Offered,
        };
        self.put_neighbour(neighbour);
        if before == after {
            return Vec::new();
        }
        self.statement_is_due(now);
        let client = party.client;
        let confirmed = after.map(|_| Output::Report(Report::EdgeConfirmed { client }));
        confirmed.into_iter().collect()
    }

    fn hear(
        &self,
        now: UnixTime,
        neighbour: &mut Neighbour,
        heard: &Heard,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, WeakKey> {
        let pair = self.pair(&neighbour.party)?;
        neighbour.link.hear(heard, &self.here(now, &pair), rng)
    }

    fn here<'a>(&self, now: UnixTime, pair: &'a PairSecret) -> Here<'a> {
        let last = self.state.body.manifests.last().map(InForce::head);
        Here {
            descriptor: self.setup.descriptor.hash(),
            pair,
            now,
            next: last.map_or(Epoch::new(0), |head| head.epoch.next()),
        }
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
        let mut notice = EdgeNotice::new(neighbour.reason, own, peer, checkpoint);
        if kind != EnvelopeKind::Checkpoint {
            notice.own = Some(neighbour.link.own());
            notice.peer = neighbour.link.peer();
        }
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

    /// Replaces what was agreed with a neighbour by what comes of these ephemeral keys. `None` if there is
    /// no such neighbour, or nothing can be agreed.
    #[cfg(feature = "exposed")]
    pub fn agree_for_vectors(
        &mut self,
        peer: &ClientId,
        own: EphemeralKey,
        theirs: &Ephemeral,
    ) -> Option<Agreement> {
        let mut neighbour = self.neighbour(peer)?.clone();
        let pair = self.pair(&neighbour.party).ok()?;
        let here = self.here(UnixTime::from_millis(0), &pair);
        neighbour.link = Link::agreed(own, *theirs, &here).ok()?;
        neighbour.phase = EdgePhase::Confirmed;
        let agreement = neighbour.link.agreement();
        self.put_neighbour(neighbour);
        agreement
    }

    /// Inserts or replaces. What a replaced neighbour had and this one has not is gone.
    fn put_neighbour(&mut self, neighbour: Neighbour) {
        let list = &mut self.state.body.neighbours;
        list.retain(|known| known.party.client != neighbour.party.client);
        list.push(neighbour);
    }
}
