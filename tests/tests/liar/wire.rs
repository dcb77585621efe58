//! Everything of readings that reached the liar, and what it can compute of it.
//!
//! What is in a frame follows from the manifests and rosters that its sender was shown.

use std::collections::{BTreeMap, BTreeSet};

use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::message::{Manifest, frame_hash};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::roster::{Roster, RosterHash};
use dcnet_protocol::round::Round;

use crate::view::{Seen, View};

/// A frame as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) client: ClientId,
    pub(crate) round: Round,
    pub(crate) notification: Notification,
    hash: [u8; 32],
    frame: Frame,
}

pub(crate) struct Wiretap {
    min_size: usize,
    manifests: BTreeMap<(ClientId, u64), Manifest>,
    rosters: Vec<Roster>,
    pub(crate) heard: Vec<Heard>,
}

impl Wiretap {
    pub(crate) fn new(min_size: usize) -> Self {
        Self {
            min_size,
            manifests: BTreeMap::new(),
            rosters: Vec::new(),
            heard: Vec::new(),
        }
    }

    pub(crate) fn announced(&mut self, to: ClientId, manifest: &Manifest) {
        let key = (to, manifest.head.epoch.number());
        self.manifests
            .entry(key)
            .or_insert_with(|| manifest.clone());
    }

    pub(crate) fn shown(&mut self, roster: &Roster) {
        if !self.rosters.contains(roster) {
            self.rosters.push(roster.clone());
        }
    }

    pub(crate) fn heard(&mut self, client: ClientId, bytes: &[u8], frame: &Frame) {
        if frame.notification() < Notification::Resend {
            return;
        }
        let hash = frame_hash(bytes);
        if self.heard.iter().any(|heard| heard.hash == hash) {
            return;
        }
        self.heard.push(Heard {
            client,
            round: frame.header().round,
            notification: frame.notification(),
            hash,
            frame: frame.clone(),
        });
    }

    /// Notifications that `client` sent for `round`.
    pub(crate) fn kinds(&self, client: ClientId, round: Round) -> Vec<Notification> {
        let of = self.heard.iter();
        of.filter(|heard| heard.client == client && heard.round == round)
            .map(|heard| heard.notification)
            .collect()
    }

    /// No member sent two frames of one notification in a round (of pads, one for each roster), and
    /// no round is a leak. The number of rounds judged.
    pub(crate) fn judge(&self) -> usize {
        let rounds: BTreeSet<Round> = self.heard.iter().map(|heard| heard.round).collect();
        for round in &rounds {
            let mut sent = BTreeSet::new();
            for heard in self.heard.iter().filter(|heard| heard.round == *round) {
                let once = heard.notification == Notification::Pads
                    || sent.insert((heard.client, heard.notification));
                assert!(once, "{} says two things of round {round}", heard.client);
            }
            let verdict = self.view(*round).verdict();
            assert!(verdict.is_safe(), "round {round}: {verdict:?}");
        }
        rounds.len()
    }

    fn roster(&self, hash: RosterHash) -> &Roster {
        let found = self.rosters.iter().find(|roster| roster.hash() == hash);
        found.expect("an answer to a roster that was shown")
    }

    fn view(&self, round: Round) -> View {
        let mut view = View::new(self.min_size, []);
        let mut answered: BTreeMap<ClientId, RosterHash> = BTreeMap::new();
        for heard in self.heard.iter().filter(|heard| heard.round == round) {
            let (client, header) = (heard.client, heard.frame.header());
            assert_eq!(header.client, client);
            let epoch = header.epoch.number();
            let edges = &self.manifests[&(client, epoch)].neighbours;
            for edge in edges {
                view.edge(epoch, client, edge.end.client);
            }
            let place = |index: u32| usize::try_from(index).unwrap();
            match heard.frame.body() {
                FrameBody::Transmit { mask, .. } => {
                    let neighbours = edges.iter().map(|edge| edge.end.client);
                    let mut seen = Seen::frame(client, epoch, neighbours);
                    if let Some(mask) = mask {
                        seen = seen.masked();
                        let holders = edges.iter().filter(|edge| edge.role.holder);
                        let holders = holders.map(|edge| edge.end.client);
                        view.deal(client, epoch, mask.threshold.into(), holders);
                    }
                    view.see(if header.transmission {
                        seen
                    } else {
                        seen.silent()
                    });
                }
                FrameBody::Resend { missing, .. } => {
                    let neighbours = edges.iter().map(|edge| edge.end.client);
                    let seen = Seen::frame(client, epoch, neighbours);
                    view.see(seen.without(missing.iter()).masked());
                }
                FrameBody::Pads { roster, .. } => {
                    let before = answered.insert(client, *roster);
                    let before = before.map(|hash| self.roster(hash).present());
                    let present = self.roster(*roster).present();
                    let gone = edges.iter().filter(|edge| {
                        let index = place(edge.index);
                        before.is_none_or(|before| before.contains(index))
                            && !present.contains(index)
                    });
                    let gone = gone.map(|edge| edge.end.client);
                    view.see(Seen::pads(client, epoch, gone));
                }
                FrameBody::Reveal { roster, keys } => {
                    let present = self.roster(*roster).present();
                    let dealers = edges
                        .iter()
                        .filter(|edge| edge.role.dealer && present.contains(place(edge.index)));
                    let mut told = 0;
                    for edge in dealers {
                        view.reveal(edge.end.client, client, epoch);
                        told += 1;
                    }
                    assert_eq!(told, keys.len());
                }
                _ => unreachable!("not a frame of a round"),
            }
        }
        view
    }
}
