//! Members as those who look after a net see them.

use std::collections::BTreeMap;

use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::provider::{EpochRecord, MemberRecord, RoundOutcome};
use dcnet_protocol::round::{Round, Schedule};
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::{Admin, AdminError, MemberCounts, decode_descriptor, hex, names, rfc3339};
use super::convert;
use super::orders::{OrderedView, Standing};
use crate::store::StoreError;

/// Final rounds in which a member's latest frame is looked for: a day of quarter-hours.
const ROUNDS_SEARCHED: u32 = 96;

/// The members of a net.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct MemberList {
    pub(crate) net: String,
    /// Of all members, whatever is listed.
    pub(crate) counts: MemberCounts,
    pub(crate) members: Vec<MemberLine>,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct MemberLine {
    pub(crate) client: String,
    /// `registered`, `entered`, `active`, `suspended`, `exiting` or `exited`.
    pub(crate) status: &'static str,
    /// That an operator has suspended it: it is in no epoch that is not fixed yet.
    pub(crate) barred: Option<OrderedView>,
    /// Edges in force.
    pub(crate) edges: usize,
    /// Neighbours that it named last, whether or not they named it.
    pub(crate) named: usize,
    /// None if it has no frame of a round that is not final, and none counted in the latest 96 final
    /// ones. Of a failed round the store does not keep whose readings it had.
    pub(crate) last_frame: Option<FrameView>,
}

/// That there was a frame; what is in it nobody can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct FrameView {
    pub(crate) round: u64,
    /// Start of the metered interval, RFC 3339, UTC.
    pub(crate) start: String,
}

/// All that the store knows of one member.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct MemberView {
    pub(crate) net: String,
    #[serde(flatten)]
    pub(crate) line: MemberLine,
    /// Hash of its key package, hexadecimal.
    pub(crate) key_package: String,
    /// Public key of its statements, SEC 1 compressed, hexadecimal.
    pub(crate) statement_key: String,
    /// Neighbours with an edge in force.
    pub(crate) neighbours: Vec<String>,
    /// Neighbours that it named and to which there is no edge in force.
    pub(crate) not_in_force: Vec<String>,
    /// Neighbours in force that hold shares of its seeds, since it drew them itself.
    pub(crate) holders: Vec<String>,
    /// The round that was metered when its exit came in; none if it does not leave.
    pub(crate) exit_round: Option<u64>,
}

impl Admin {
    /// The members of a net, by name.
    pub(crate) async fn member_list(&self, net: NetId) -> Result<MemberList, AdminError> {
        let looker = self.looker(net).await?;
        let members = self.members(net).await?;
        Ok(MemberList {
            net: net.to_string(),
            counts: MemberCounts::of(&members),
            members: members.iter().map(|member| looker.line(member)).collect(),
        })
    }

    /// One member.
    pub(crate) async fn member(
        &self,
        net: NetId,
        client: ClientId,
    ) -> Result<MemberView, AdminError> {
        let looker = self.looker(net).await?;
        let members = self.members(net).await?;
        let member = members
            .iter()
            .find(|member| member.client == client)
            .ok_or(AdminError::UnknownMember { net, client })?;
        Ok(looker.view(net, member))
    }

    async fn looker(&self, net: NetId) -> Result<Looker, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        Ok(Looker {
            schedule: descriptor.schedule(),
            epoch: self.epoch(net).await?,
            latest: self.latest_frames(net).await?,
            standing: self.standing(net).await?,
        })
    }

    /// The latest round of which the store knows a frame of each member.
    async fn latest_frames(&self, net: NetId) -> Result<BTreeMap<ClientId, u64>, StoreError> {
        // Open rounds first: one that ends meanwhile is then among the final ones.
        let open = self.store.latest_frames(net).await?;
        let rows = self
            .store
            .outcomes(net, None, None, Some(ROUNDS_SEARCHED))
            .await?;
        let mut latest = BTreeMap::new();
        for (round, outcome) in rows {
            let outcome: RoundOutcome = convert::decode(&outcome)?;
            let present = outcome.contributors.iter().chain(&outcome.silent);
            latest.extend(present.map(|client| (*client, round)));
        }
        latest.extend(open);
        Ok(latest)
    }
}

/// What members are looked at with.
struct Looker {
    schedule: Schedule,
    epoch: Option<EpochRecord>,
    latest: BTreeMap<ClientId, u64>,
    standing: Standing,
}

impl Looker {
    fn line(&self, member: &MemberRecord) -> MemberLine {
        MemberLine {
            client: member.client.to_string(),
            status: member.status.as_str(),
            barred: self.standing.barred.get(member.client.as_str()).cloned(),
            edges: self.neighbours(member.client).iter().count(),
            named: member.neighbours().iter().count(),
            last_frame: self.latest.get(&member.client).map(|round| FrameView {
                round: *round,
                start: rfc3339(self.schedule.start(Round::new(*round))),
            }),
        }
    }

    fn view(&self, net: NetId, member: &MemberRecord) -> MemberView {
        let neighbours = self.neighbours(member.client);
        let named = member.neighbours();
        let outside = named.iter().filter(|name| !neighbours.contains(name));
        let in_force = self.epoch.as_ref().and_then(|it| it.get(&member.client));
        MemberView {
            net: net.to_string(),
            line: self.line(member),
            key_package: hex(member.package_hash().as_bytes()),
            statement_key: hex(&member.statement_key),
            not_in_force: outside.map(ClientId::to_string).collect(),
            neighbours: names(&neighbours),
            holders: in_force.map_or(Vec::new(), |member| names(&member.holders)),
            exit_round: member.exit.as_ref().map(|_| member.exit_round.number()),
        }
    }

    fn neighbours(&self, client: ClientId) -> ClientSet {
        let member = self.epoch.as_ref().and_then(|epoch| epoch.get(&client));
        member.map_or_else(ClientSet::default, |member| member.neighbours.clients())
    }
}
