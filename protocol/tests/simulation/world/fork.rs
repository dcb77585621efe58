//! A provider that keeps a second membership log and shows it to some.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::gateway::Input;
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::{CommonLog, LogProof};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::round::Round;

use super::World;

/// Another log from some entry on, for some members.
pub(super) struct Fork {
    /// Entries before are the same.
    behind: u64,
    shown_to: ClientSet,
    /// Envelopes between those and the others are taken and go nowhere.
    severed: bool,
}

impl World {
    /// From the next entry on that is not about an epoch or a list, these members are shown a log in
    /// which something else stands in its place.
    pub(crate) fn fork(&mut self, shown_to: impl IntoIterator<Item = usize>) {
        let shown_to = shown_to.into_iter().map(|member| self.id(member)).collect();
        let behind = self.provider.log().len();
        self.fork = Some(Fork {
            behind,
            shown_to,
            severed: false,
        });
    }

    /// From now on nothing is relayed between those who see different logs.
    pub(crate) fn sever(&mut self) {
        self.fork.as_mut().unwrap().severed = true;
    }

    /// From now on no envelope of this member is relayed, nor any to it, although they are taken.
    pub(crate) fn isolate(&mut self, member: usize) {
        self.isolated = Some(self.id(member));
    }

    /// And on again.
    pub(crate) fn mend(&mut self) {
        self.fork.as_mut().unwrap().severed = false;
    }

    /// Gateways that hold evidence.
    pub(crate) fn distrusting(&self) -> usize {
        let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        running.filter(|gateway| gateway.is_distrusting()).count()
    }

    pub(super) fn is_severed(&self, one: &ClientId, other: &ClientId) -> bool {
        let isolated = self.isolated.as_ref();
        if isolated.is_some_and(|isolated| isolated == one || isolated == other) {
            return true;
        }
        self.fork.as_ref().is_some_and(|fork| {
            fork.severed && fork.shown_to.contains(one) != fork.shown_to.contains(other)
        })
    }

    /// Whether the two logs are of different content by now.
    pub(crate) fn has_forked(&self) -> bool {
        self.other_log()
            .is_some_and(|other| other.checkpoint() != self.provider.log().checkpoint())
    }

    fn other_log(&self) -> Option<Log> {
        let fork = self.fork.as_ref()?;
        let descriptor = &self.provider_setup.descriptor;
        let mut log = Log::new(descriptor.net(), descriptor.hash());
        let mut replaced = false;
        for (encoded, index) in self.provider.log().entries().zip(0..) {
            let mut entry = LogEntry::decode(encoded).unwrap();
            let free = !matches!(entry, LogEntry::Epoch(_) | LogEntry::DrawList(_));
            if free && index >= fork.behind && !replaced {
                let client = "nobody".parse().unwrap();
                let round = Round::new(1);
                entry = LogEntry::Suspended { client, round };
                replaced = true;
            }
            log.append(&entry);
        }
        Some(log)
    }

    /// What `member` is shown in the place of this answer.
    pub(super) fn shown(&self, member: usize, answer: Input) -> Input {
        let id = self.id(member);
        let deceived = self
            .fork
            .as_ref()
            .is_some_and(|fork| fork.shown_to.contains(&id));
        let Some(log) = self.other_log().filter(|_| deceived) else {
            return answer;
        };
        let checkpoint = log.head(&self.provider_setup.key);
        let proof = |proof: LogProof| LogProof {
            checkpoint: checkpoint.clone(),
            consistency: log.consistency(proof.from).unwrap(),
            inclusion: log.inclusion(proof.index).unwrap(),
            ..proof
        };
        match answer {
            Input::DrawList(mut view) => {
                view.proof = proof(view.proof);
                Input::DrawList(view)
            }
            Input::LogProof(shown) => Input::LogProof(Box::new(proof(*shown))),
            Input::CommonLog(common) => Input::CommonLog(Box::new(CommonLog {
                checkpoint: checkpoint.clone(),
                small_path: log.consistency(common.small).unwrap(),
                large_path: log.consistency(common.large).unwrap(),
                ..*common
            })),
            other => other,
        }
    }
}
