//! Epochs in force, with their keys: out of the chains when a manifest is accepted, erased when its last
//! round is over. Section 7.8 of `docs/spec/protocol.md`.

use std::collections::BTreeMap;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::{Gateway, Output};
use crate::key_agreement::{EdgeKey, EdgePlace, EpochSecret, Secret, ShareSecret};
use crate::membership::epoch_head::EpochHead;
use crate::message::{Manifest, ManifestEdge};
use crate::names::{ClientId, ClientSet};
use crate::round::UnixTime;
use crate::signature::Signed;

/// Edges in force from a round on.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct InForce {
    /// As the provider signed it: evidence rests on it.
    signed: Signed<Manifest>,
    /// Keys of the active edges, in its order. They were derived when it was accepted: the chains are
    /// past this epoch, and what is agreed anew does not change the pads of rounds under way.
    #[tls_codec(with = "crate::codec::list32")]
    keys: Vec<EdgeKeys>,
}

/// Keys of one edge in one epoch. Secret.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct EdgeKeys {
    edge: Secret,
    /// Of shares of this gateway's seeds, if the neighbour holds them.
    #[tls_codec(with = "crate::codec::option")]
    dealt: Option<Secret>,
    /// Of shares of the neighbour's seeds, if this gateway holds them.
    #[tls_codec(with = "crate::codec::option")]
    held: Option<Secret>,
}

impl EdgeKeys {
    /// The keys of `own`'s edge.
    pub(super) fn new(secret: &EpochSecret, own: ClientId, edge: &ManifestEdge) -> Self {
        let (peer, role) = (edge.end.client, edge.role);
        let shares = |dealer, holder| secret.shares(dealer, holder).into_secret();
        Self {
            edge: secret.edge_key(own, peer).into_secret(),
            dealt: role.holder.then(|| shares(own, peer)),
            held: role.dealer.then(|| shares(peer, own)),
        }
    }
}

impl InForce {
    /// A manifest that was checked, with the keys of its edges.
    pub(super) fn new(signed: Signed<Manifest>, keys: Vec<EdgeKeys>) -> Self {
        Self { signed, keys }
    }

    pub(super) fn signed(&self) -> &Signed<Manifest> {
        &self.signed
    }

    pub(super) fn manifest(&self) -> &Manifest {
        self.signed.unverified()
    }

    pub(super) fn head(&self) -> &EpochHead {
        &self.manifest().head
    }

    /// Active members of the epoch.
    pub(super) fn members(&self) -> usize {
        usize::try_from(self.head().members).unwrap_or(usize::MAX)
    }

    /// Whether this gateway is active in the epoch.
    pub(super) fn is_active(&self) -> bool {
        !self.manifest().neighbours.is_empty()
    }

    pub(super) fn neighbours(&self) -> ClientSet {
        let edges = self.manifest().neighbours.iter();
        edges.map(|edge| edge.end.client).collect()
    }

    fn edges(&self) -> impl Iterator<Item = (&ManifestEdge, &EdgeKeys)> {
        self.manifest().neighbours.iter().zip(&self.keys)
    }

    /// Keys of the active edges, each with the neighbour's index in the member tree.
    pub(super) fn edge_keys(&self) -> Vec<(usize, EdgeKey)> {
        let own = self.manifest().client;
        let key = |(edge, keys): (&ManifestEdge, &EdgeKeys)| {
            let key = EdgeKey::new(keys.edge.clone(), own, edge.end.client);
            (index_of(edge.index), key)
        };
        self.edges().map(key).collect()
    }

    /// What the keys of shares of this gateway's seeds come from, ascending by holder.
    pub(super) fn dealt(&self) -> Vec<ShareSecret> {
        let secrets = self.keys.iter().filter_map(|keys| keys.dealt.clone());
        secrets.map(ShareSecret::new).collect()
    }

    /// The same of the shares that it holds, each with the dealer's index in the member tree.
    pub(super) fn held(&self) -> Vec<(usize, ShareSecret)> {
        let secret = |(edge, keys): (&ManifestEdge, &EdgeKeys)| {
            let secret = ShareSecret::new(keys.held.clone()?);
            Some((index_of(edge.index), secret))
        };
        self.edges().filter_map(secret).collect()
    }

    /// Indices of those who hold shares of this gateway's seeds.
    pub(super) fn holders(&self) -> Vec<usize> {
        let edges = self.manifest().neighbours.iter();
        edges
            .filter(|edge| edge.role.holder)
            .map(|edge| index_of(edge.index))
            .collect()
    }
}

/// An index in the member tree.
pub(super) fn index_of(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

impl Gateway {
    /// Takes the keys of an epoch out of the chains. All chains go past it, also those of edges that are
    /// not in it: what is over can be derived from none of them.
    pub(super) fn pass_epoch(&mut self, signed: &Signed<Manifest>) -> InForce {
        let manifest = signed.unverified();
        let own = self.setup.client;
        let mut secrets = BTreeMap::new();
        for neighbour in &mut self.state.body.neighbours {
            let Some(chain) = neighbour.link.chain_mut() else {
                continue;
            };
            let client = neighbour.party.client;
            let mut edges = manifest.neighbours.iter();
            let Some(edge) = edges.find(|edge| edge.end.client == client) else {
                chain.skip_to(manifest.head.epoch.next());
                continue;
            };
            let (own, peer) = ((own, manifest.index), (client, edge.index));
            let place = EdgePlace::new(manifest.head, own, peer);
            if let Some(secret) = chain.pass(&place) {
                secrets.insert(client, secret);
            }
        }
        let keys = manifest.neighbours.iter().filter_map(|edge| {
            let secret = secrets.get(&edge.end.client)?;
            Some(EdgeKeys::new(secret, own, edge))
        });
        InForce::new(signed.clone(), keys.collect())
    }

    /// Erases epochs that are over, with their keys, on disk as well.
    pub(super) fn forget_past_epochs(&mut self, now: UnixTime) -> Option<Output> {
        self.drop_past_epochs(now).then(|| self.persist(None))
    }

    /// Keeps what is in force in the round that may still be corrected, and later. Whether anything was
    /// dropped.
    pub(super) fn drop_past_epochs(&mut self, now: UnixTime) -> bool {
        let schedule = self.setup.descriptor.schedule();
        let needed = self
            .correctable(now)
            .unwrap_or_else(|| schedule.round_at(now));
        let manifests = &mut self.state.body.manifests;
        let in_force = manifests
            .iter()
            .rposition(|manifest| manifest.head().first_round <= needed)
            .unwrap_or(0);
        manifests.drain(..in_force);
        in_force > 0
    }
}
