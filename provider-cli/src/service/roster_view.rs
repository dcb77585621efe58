//! The rosters of a round with the names of those whom they mean.

use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::EpochRecord;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::signature::Signed;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::{Admin, AdminError, hex};
use super::convert;
use super::corrections::StepView;

/// A roster, and who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct RosterView {
    pub(crate) net: String,
    pub(crate) round: u64,
    pub(crate) epoch: u64,
    #[serde(flatten)]
    pub(crate) step: StepView,
    /// Members whose frames the provider says that it has; null if the store does not have the epoch any
    /// more, by whose order a roster means members.
    pub(crate) present_names: Option<Vec<String>>,
    /// The other members of the epoch.
    pub(crate) absent_names: Option<Vec<String>>,
    /// As it was signed and shown to gateways, `Signed<Roster>` in hexadecimal digits.
    pub(crate) signed: String,
}

impl Admin {
    /// The rosters of a round, ascending by step; none of a net that corrects by resending, and of a round
    /// of which the store has none yet or none any more.
    pub(crate) async fn rosters(
        &self,
        net: NetId,
        round: u64,
    ) -> Result<Vec<RosterView>, AdminError> {
        self.row(net).await?;
        let mut views = Vec::new();
        let mut epoch: Option<EpochRecord> = None;
        for row in self.store.rosters_between(net, round, Some(round)).await? {
            let signed: Signed<Roster> = convert::decode(&row.roster)?;
            let roster = signed.unverified();
            if epoch.as_ref().map(|epoch| epoch.epoch) != Some(roster.epoch()) {
                let row = self.store.epoch(net, roster.epoch().number()).await?;
                epoch = row.map(|row| convert::decode(&row.record)).transpose()?;
            }
            views.push(view(roster, epoch.as_ref(), hex(&row.roster)));
        }
        Ok(views)
    }
}

fn view(roster: &Roster, epoch: Option<&EpochRecord>, signed: String) -> RosterView {
    // Positions of another member tree would name the wrong ones.
    let epoch = epoch.filter(|epoch| epoch.member_root == roster.member_root());
    let named = |is_present: bool| {
        epoch.map(|epoch| {
            let members = epoch.members.iter().enumerate();
            members
                .filter(|(index, _)| roster.present().contains(*index) == is_present)
                .map(|(_, member)| member.client.to_string())
                .collect()
        })
    };
    RosterView {
        net: roster.net().to_string(),
        round: roster.round().number(),
        epoch: roster.epoch().number(),
        step: StepView::of(roster),
        present_names: named(true),
        absent_names: named(false),
        signed,
    }
}
