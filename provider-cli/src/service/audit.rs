//! Audit of a net: whether the key graph in force, and in a double-mask net the holders of shares,
//! keep what the protocol promises.

use std::collections::BTreeMap;

use dcnet_protocol::descriptor::{CorrectionMode, MIN_DEGREE, NetDescriptor};
use dcnet_protocol::key_graph::Adjacency;
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::parameters::{Net, Sharing};
use dcnet_protocol::provider::{EpochRecord, MemberRecord};
use dcnet_protocol::signature::Signed;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::mode;
use super::orders::{OrderView, Standing};
use super::replay::Replay;
use super::strength::Strength;

/// Below this many members a sum of 15-minute values tells too much about one household.
pub(crate) const RECOMMENDED_SIZE: u32 = 100;

/// Faults of a log that are told one by one.
const FAULTS: usize = 8;

/// What an audit saw.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Audit {
    pub(crate) net: String,
    pub(crate) mode: &'static str,
    pub(crate) min_size: u32,
    pub(crate) degree: u16,
    /// Epoch in force, none before the first manifest.
    pub(crate) epoch: Option<u64>,
    pub(crate) first_round: Option<u64>,
    /// Members in the sum.
    pub(crate) active: usize,
    pub(crate) edges: usize,
    /// Connected parts of the key graph in force; 1 is sound.
    pub(crate) components: usize,
    pub(crate) smallest_degree: Option<usize>,
    pub(crate) median_degree: Option<usize>,
    pub(crate) largest_degree: Option<usize>,
    /// Members whose loss alone would split the graph.
    pub(crate) articulation_points: Vec<String>,
    /// Shares that recover a self-mask in an epoch of this size; none in a net without self-masks,
    /// or without active members.
    pub(crate) threshold_in_force: Option<usize>,
    /// Active holders that a member needs in an epoch of this size.
    pub(crate) needed_holders: Option<usize>,
    /// What the sharing of self-masks withstands among the active members; none without self-masks, or
    /// if a sum may be about fewer than the minimum size.
    pub(crate) withstands: Option<Strength>,
    /// Number of entries of the membership log.
    pub(crate) log_size: usize,
    /// Root of the checkpoint over them.
    pub(crate) log_root: Option<String>,
    pub(crate) members: Vec<MemberAudit>,
    /// What operators have ordered, from the first on.
    pub(crate) orders: Vec<OrderView>,
    /// What is not as it should be. Empty: the net is sound.
    pub(crate) problems: Vec<Finding>,
    /// What its owner should know.
    pub(crate) warnings: Vec<Finding>,
}

/// One line of the audit's table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct MemberAudit {
    pub(crate) client: String,
    pub(crate) status: &'static str,
    /// Edges in force.
    pub(crate) degree: usize,
    /// Neighbours that it named last, whether or not they named it.
    pub(crate) named: usize,
    /// Its holders: neighbours that it drew itself and that are active, or would be with it. None in a
    /// net without self-masks.
    pub(crate) holders: Option<usize>,
    pub(crate) articulation_point: bool,
}

/// A named finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// Stable name, for programs.
    pub(crate) kind: &'static str,
    /// For people: what is wrong and what to do.
    pub(crate) text: String,
}

impl Audit {
    /// Looks at a net.
    pub(super) fn of(
        descriptor: &NetDescriptor,
        members: &[MemberRecord],
        epoch: Option<&EpochRecord>,
        replay: &Replay,
        standing: &Standing,
    ) -> Self {
        let parameters = descriptor.parameters();
        let graph = graph(epoch);
        let cut = graph.articulation_points();
        let active = graph.members().len();
        let masked = descriptor.correction_mode() == CorrectionMode::DoubleMask;
        let in_force = masked && active > 0;
        let mut degrees: Vec<usize> = graph.degrees().map(|(_, degree)| degree).collect();
        degrees.sort_unstable();
        let drawn = descriptor.drawn_of(active);
        let holders = |member| masked.then(|| holders_of(member, members, epoch));
        let mut audit = Self {
            net: descriptor.net().to_string(),
            mode: mode(descriptor),
            min_size: parameters.min_size,
            degree: parameters.out_degree,
            epoch: epoch.map(|epoch| epoch.epoch.number()),
            first_round: epoch.map(|epoch| epoch.first_round.number()),
            active,
            edges: graph.edges(),
            components: graph.components().len(),
            smallest_degree: degrees.first().copied(),
            median_degree: degrees.get(degrees.len() / 2).copied(),
            largest_degree: degrees.last().copied(),
            articulation_points: cut.iter().map(ClientId::to_string).collect(),
            members: members
                .iter()
                .map(|member| line(member, &graph, &cut, holders(member)))
                .collect(),
            threshold_in_force: in_force.then(|| descriptor.threshold_of(drawn)),
            needed_holders: in_force.then(|| descriptor.needed_holders(drawn)),
            withstands: in_force.then(|| strength(descriptor, active)).flatten(),
            log_size: replay.size,
            log_root: replay.root.map(|root| root.to_string()),
            orders: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        audit.find_ordered(standing);
        if standing.closed.is_none() || audit.active > 0 {
            audit.find_problems(&graph);
        }
        audit.find_short_of_holders(descriptor, members);
        audit.find_log_problems(replay);
        audit.find_warnings(descriptor, members, &graph, standing);
        audit
    }

    fn problem(&mut self, kind: &'static str, text: String) {
        self.problems.push(Finding { kind, text });
    }

    fn warning(&mut self, kind: &'static str, text: String) {
        self.warnings.push(Finding { kind, text });
    }

    fn find_problems(&mut self, graph: &Adjacency) {
        if self.active == 0 {
            let waiting = self.members.len();
            self.problem(
                "not-operational",
                format!(
                    "no member is active ({waiting} known): the net forms no sums before {} have \
                     entered",
                    self.min_size
                ),
            );
            return;
        }
        if self.active < usize::try_from(self.min_size).unwrap_or(usize::MAX) {
            self.problem(
                "below-minimum-size",
                format!(
                    "{} members are active, the net's minimum is {}: no sum may be formed",
                    self.active, self.min_size
                ),
            );
        }
        for (client, degree) in graph.degrees().filter(|(_, degree)| *degree < MIN_DEGREE) {
            self.problem(
                "below-minimum-degree",
                format!("{client} has {degree} neighbours, the least is {MIN_DEGREE}"),
            );
        }
        if self.components > 1 {
            self.problem(
                "disconnected",
                format!(
                    "the key graph falls into {} parts: the provider can form the sum of each",
                    self.components
                ),
            );
        }
        if !self.articulation_points.is_empty() {
            self.problem(
                "articulation-points",
                format!(
                    "the loss of any one of these splits the key graph: {}; more neighbours per \
                     member (--degree of a new net) prevent it",
                    self.articulation_points.join(" ")
                ),
            );
        }
    }

    /// What was the operator's doing, and not the members'. In the membership log both look the same.
    fn find_ordered(&mut self, standing: &Standing) {
        if let Some(closed) = &standing.closed {
            let text = format!("the net is closed {}", closed.text());
            self.warning("net-closed", text);
        }
        for (client, barred) in &standing.barred {
            let text = format!("{client} is suspended {}", barred.text());
            self.warning("suspended-by-operator", text);
        }
    }

    /// Members of which the net will take no frame, or take one and not recover its mask.
    fn find_short_of_holders(&mut self, descriptor: &NetDescriptor, members: &[MemberRecord]) {
        if self.threshold_in_force.is_none() {
            return;
        }
        let drawn = descriptor.drawn_of(self.active);
        let lines = self.members.iter().zip(members);
        let short: Vec<String> = lines
            .filter(|(_, member)| {
                matches!(
                    member.status,
                    MemberStatus::Entered | MemberStatus::Active | MemberStatus::Exiting
                )
            })
            .filter_map(|(line, member)| {
                // Whoever drew more needs more of them: its shares are made for all that it drew.
                let needed = descriptor.needed_holders(drawn.max(drawn_by(member)));
                let held = line.holders.filter(|held| *held < needed)?;
                Some(format!("{} ({held} of {needed})", line.client))
            })
            .collect();
        if !short.is_empty() {
            self.problem(
                "short-of-holders",
                format!(
                    "too few active holders to recover a self-mask after the expected loss: {}; \
                     such members are left out until they have drawn anew",
                    short.join(", ")
                ),
            );
        }
    }

    /// What an auditor would tell of the log.
    fn find_log_problems(&mut self, replay: &Replay) {
        if !replay.faults.is_empty() {
            let shown: Vec<&str> = replay
                .faults
                .iter()
                .take(FAULTS)
                .map(String::as_str)
                .collect();
            let more = match replay.faults.len().saturating_sub(FAULTS) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            self.problem(
                "log-inconsistent",
                format!(
                    "{}{more}; whoever audits the net sees the same. Restore the store from a backup \
                     that has all entries, or end the net",
                    shown.join("; ")
                ),
            );
        }
        if let Some(text) = &replay.epoch_missing {
            self.problem(
                "epoch-not-in-log",
                format!("{text}: gateways refuse its manifest; restore the store from a backup"),
            );
        }
    }

    fn find_warnings(
        &mut self,
        descriptor: &NetDescriptor,
        members: &[MemberRecord],
        graph: &Adjacency,
        standing: &Standing,
    ) {
        if self.min_size < RECOMMENDED_SIZE {
            self.warning(
                "small-minimum-size",
                format!(
                    "the minimum size is {}: sums over fewer than {RECOMMENDED_SIZE} households \
                     tell a lot about each",
                    self.min_size
                ),
            );
        }
        if self
            .withstands
            .as_ref()
            .is_some_and(|strength| strength.corrupt.is_none())
        {
            self.warning(
                "weak-sharing",
                format!(
                    "among {} members neither degree nor threshold withstand a provider that lies; more \
                     members, or a new net with more neighbours per member, do",
                    self.active
                ),
            );
        }
        let few = descriptor
            .out_degree()
            .min(graph.members().len().saturating_sub(1));
        let poor: Vec<String> = graph
            .degrees()
            .filter(|(_, degree)| (MIN_DEGREE..few).contains(degree))
            .map(|(client, degree)| format!("{client} ({degree})"))
            .collect();
        if !poor.is_empty() {
            let text = format!("fewer than {few} neighbours: {}", poor.join(", "));
            self.warning("few-neighbours", text);
        }
        for (status, kind, what) in [
            (
                MemberStatus::Suspended,
                "suspended",
                "missed a round and did not come back yet",
            ),
            (
                MemberStatus::Entered,
                "waiting",
                "wait for the next manifest",
            ),
            (
                MemberStatus::Registered,
                "not-entered",
                "registered and have not entered",
            ),
        ] {
            let those: Vec<String> = members
                .iter()
                .filter(|member| member.status == status)
                .filter(|member| !standing.barred.contains_key(member.client.as_str()))
                .map(|member| member.client.to_string())
                .collect();
            if !those.is_empty() {
                self.warning(
                    kind,
                    format!("{} members {what}: {}", those.len(), those.join(" ")),
                );
            }
        }
    }
}

/// What the sharing withstands among `active` members.
fn strength(descriptor: &NetDescriptor, active: usize) -> Option<Strength> {
    let parameters = descriptor.parameters();
    let net = Net {
        members: u32::try_from(active).ok()?,
        loss_permille: parameters.max_loss_permille,
        min_size: parameters.min_size,
    };
    let sharing = Sharing {
        holders: parameters.out_degree,
        threshold: parameters.threshold,
    };
    Strength::of(net, sharing).ok()
}

/// How many holders `member` named last, if that was with the key package in force.
fn drawn_by(member: &MemberRecord) -> usize {
    let named = member.neighbourhood.as_ref().map(Signed::unverified);
    named
        .filter(|named| named.package == member.package_hash())
        .map_or(0, |named| named.holders.len())
}

fn graph(epoch: Option<&EpochRecord>) -> Adjacency {
    let named: BTreeMap<ClientId, ClientSet> = epoch
        .map(|epoch| {
            epoch
                .members
                .iter()
                .map(|m| (m.client, m.neighbours.clients()))
                .collect()
        })
        .unwrap_or_default();
    Adjacency::mutual(&named)
}

/// The holders of `member`: those of the epoch in force, or, if it is not active, those it named
/// that have entered and name it, too.
fn holders_of(
    member: &MemberRecord,
    members: &[MemberRecord],
    epoch: Option<&EpochRecord>,
) -> usize {
    if let Some(active) = epoch.and_then(|epoch| epoch.get(&member.client)) {
        return active.holders.len();
    }
    let Some(named) = &member.neighbourhood else {
        return 0;
    };
    let drawn = &named.unverified().holders;
    members
        .iter()
        .filter(|other| {
            drawn.contains(&other.client)
                && matches!(
                    other.status,
                    MemberStatus::Entered | MemberStatus::Active | MemberStatus::Exiting
                )
                && other.neighbours().contains(&member.client)
        })
        .count()
}

fn line(
    member: &MemberRecord,
    graph: &Adjacency,
    cut: &ClientSet,
    holders: Option<usize>,
) -> MemberAudit {
    MemberAudit {
        client: member.client.to_string(),
        status: member.status.as_str(),
        degree: graph.neighbours(&member.client).len(),
        named: member.neighbours().len(),
        holders,
        articulation_point: cut.contains(&member.client),
    }
}
