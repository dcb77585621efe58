//! The membership log as the provider of the tests shows it: truly, or with a lie to the house.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::{CommonLog, DrawListView, ListedMembers, LogProof};
use dcnet_protocol::membership::witness::Cosignatures;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::Refusal;
use dcnet_protocol::round::Round;

use super::net::{Lie, Net};

/// Rounds back from which [`Lie::OldList`] has its list.
const AGES_AGO: u64 = 1_000;

impl Net {
    fn lie_to(&self, client: ClientId) -> Option<Lie> {
        self.lie.filter(|_| client.as_str() == "house")
    }

    pub fn draw_list(&self, client: ClientId, from: u64) -> Result<DrawListView, Refusal> {
        let mut view = self.provider().draw_list(client, from)?;
        if self.lie_to(client) != Some(Lie::OldList) {
            view.proof = self.log_proof(client, view.proof.index, from)?;
            return Ok(view);
        }
        let LogEntry::DrawList(mut list) = view.proof.entry else {
            unreachable!("a draw list");
        };
        list.round = Round::new(list.round.number() - AGES_AGO);
        let mut entries = self.entries();
        let index = entries.len() as u64;
        entries.push(LogEntry::DrawList(list));
        view.proof = self.prove(&self.log_of(entries), index, from);
        Ok(view)
    }

    pub fn listed(
        &self,
        client: ClientId,
        list: u64,
        at: &[u32],
    ) -> Result<ListedMembers, Refusal> {
        let mut listed = self.provider().listed(list, at)?;
        match self.lie_to(client) {
            Some(Lie::ForgedLeaf) => listed.members[0].leaf.client = "mallory".parse().unwrap(),
            Some(Lie::WithheldLeaf) => drop(listed.members.remove(0)),
            Some(Lie::NoList) => {
                let size = self.provider().log().len();
                return Err(Refusal::LogIndex { index: list, size });
            }
            _ => {}
        }
        Ok(listed)
    }

    pub fn log_proof(&self, client: ClientId, index: u64, from: u64) -> Result<LogProof, Refusal> {
        let genuine = self.provider().log_proof(index, from)?;
        Ok(match self.lie_to(client) {
            Some(Lie::ShorterLog) => {
                let mut entries = self.entries();
                entries.truncate(usize::try_from(from).unwrap() - 1);
                let log = self.log_of(entries);
                LogProof {
                    checkpoint: log.head(self.key()),
                    consistency: log.consistency(log.len()).unwrap(),
                    ..genuine
                }
            }
            Some(Lie::LateProof) => {
                let round = self.schedule.submitted_at(self.now()).unwrap();
                let into = self.now().millis_since(self.schedule.border(round));
                let window = self.schedule.submit_millis();
                if !(window * 2 / 5..window).contains(&into) {
                    let size = self.provider().log().len();
                    return Err(Refusal::LogIndex { index, size });
                }
                genuine
            }
            Some(Lie::Fork { at }) => {
                let mut entries = self.entries();
                for entry in entries.iter_mut().skip(usize::try_from(at).unwrap()) {
                    if let LogEntry::Suspended { round, .. } | LogEntry::Resumed { round, .. } =
                        entry
                    {
                        *round = round.next();
                    }
                }
                self.prove(&self.log_of(entries), index, from)
            }
            _ => genuine,
        })
    }

    pub fn common_log(&self, small: u64, large: u64) -> Result<CommonLog, Refusal> {
        self.provider().common_log(small, large)
    }

    fn entries(&self) -> Vec<LogEntry> {
        let entries = self.provider().log().entries();
        entries
            .map(|entry| LogEntry::decode(entry).unwrap())
            .collect()
    }

    fn log_of(&self, entries: Vec<LogEntry>) -> Log {
        let mut log = Log::new(self.descriptor.net(), self.descriptor.hash());
        for entry in entries {
            log.append(&entry);
        }
        log
    }

    fn prove(&self, log: &Log, index: u64, from: u64) -> LogProof {
        LogProof {
            checkpoint: log.head(self.key()),
            cosignatures: Cosignatures::default(),
            from,
            consistency: log.consistency(from).unwrap(),
            index,
            entry: LogEntry::decode(log.entry(index).unwrap()).unwrap(),
            inclusion: log.inclusion(index).unwrap(),
        }
    }
}
