//! Replays the whole membership log as an auditor does: `docs/spec/membership-log.md`, section 7.1.

use std::collections::BTreeMap;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::key_agreement::KeyPackageHash;
use dcnet_protocol::membership::epoch_head::{EpochHead, MemberLeaf, MemberTree};
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;

use super::World;

#[derive(Default)]
struct Audit {
    /// Package, and whether it is active.
    members: BTreeMap<ClientId, (KeyPackageHash, bool)>,
    head: Option<EpochHead>,
    list: Option<Round>,
    /// Kind and client of the entry before, within the entries of one epoch.
    before: Option<(u8, ClientId)>,
}

impl Audit {
    /// Exited, admitted, suspended, resumed: each kind ascending by client.
    fn in_order(&mut self, kind: u8, client: ClientId) {
        let now = Some((kind, client));
        assert!(self.before < now, "{:?} before {now:?}", self.before);
        self.before = now;
    }

    fn take(&mut self, world: &World, index: u64, entry: &LogEntry) {
        match entry {
            LogEntry::Exited(signed) => {
                let statement = signed.unverified();
                self.in_order(1, statement.client);
                let descriptor = &world.provider_setup.descriptor;
                assert_eq!(statement.net, descriptor.net());
                assert_eq!(statement.descriptor, descriptor.hash());
                assert!(self.members.remove(&statement.client).is_some());
            }
            LogEntry::Admitted { client, package } => {
                self.in_order(2, *client);
                let known = self.members.insert(*client, (*package, true));
                assert!(known.is_none_or(|(known, _)| known != *package));
            }
            LogEntry::Suspended { client, .. } => {
                self.in_order(3, *client);
                let member = self.members.get_mut(client).unwrap();
                assert!(std::mem::replace(&mut member.1, false), "{client} twice");
            }
            LogEntry::Resumed { client, .. } => {
                self.in_order(4, *client);
                let member = self.members.get_mut(client).unwrap();
                assert!(
                    !std::mem::replace(&mut member.1, true),
                    "{client} was active"
                );
            }
            LogEntry::Epoch(head) => {
                self.before = None;
                self.epoch(world, index, head);
            }
            LogEntry::DrawList(list) => {
                assert_eq!(self.before, None, "a list among the entries of an epoch");
                assert!(self.list <= Some(list.round));
                self.list = Some(list.round);
            }
        }
    }

    fn epoch(&mut self, world: &World, index: u64, head: &EpochHead) {
        let (epoch, round) = self.head.map_or((0, None), |head| {
            (head.epoch.number(), Some(head.first_round))
        });
        assert_eq!(head.epoch.number(), epoch + 1);
        assert!(round < Some(head.first_round));
        self.head = Some(*head);
        let active = self.members.iter().filter(|(_, (_, active))| *active);
        let leaves = active.map(|(client, (package, _))| MemberLeaf {
            client: *client,
            package: *package,
        });
        let leaves: Vec<MemberLeaf> = leaves.collect();
        let tree = MemberTree::new(leaves.clone()).unwrap();
        assert_eq!(tree.epoch_head(head.epoch, head.first_round), *head);
        let manifests: Vec<_> = world.recorder.members(head.epoch.number()).collect();
        let named = manifests.iter().map(|manifest| manifest.client);
        assert!(
            named.eq(leaves.iter().map(|leaf| leaf.client)),
            "epoch {}",
            head.epoch
        );
        for manifest in manifests {
            assert_eq!((manifest.head, manifest.log_index), (*head, index));
            assert_eq!(tree.index_of(&manifest.client), Some(manifest.index));
            for edge in &manifest.neighbours {
                let leaf = tree.leaf(edge.index).unwrap();
                assert_eq!(leaf.client, edge.end.client);
            }
        }
    }
}

impl World {
    /// The log gives exactly the members of each epoch, and the disk has it.
    pub(crate) fn audit(&self) {
        let log = self.provider.log();
        let stored = self.store.snapshot.log.iter().map(Vec::as_slice);
        assert!(
            log.entries().eq(stored),
            "the log is not the one on the disk"
        );
        let mut audit = Audit::default();
        for (encoded, index) in log.entries().zip(0..) {
            audit.take(self, index, &LogEntry::decode(encoded).unwrap());
        }
        assert_eq!(audit.before, None, "entries without an epoch");
    }
}
