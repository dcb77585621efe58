//! `dcnet store check`: whether everything in a store can be read, fits together, and is allowed to be there.

use std::collections::HashMap;

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::message::Message;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{EpochRecord, MemberRecord, OrderEffect, OrderRecord, RoundOutcome};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::signature::Signed;
use schemars::JsonSchema;
use serde::Serialize;

use crate::service::admin::decode_descriptor;
use crate::service::audit::Finding;
use crate::service::{Admin, AdminError, convert};
use crate::store::{NetRow, OrderRow, RosterRow, StoreError};

/// Rounds and messages that are in memory at a time.
const PAGE: u32 = 256;

/// Findings of one kind in one net that are told one by one.
const SHOWN: usize = 8;

/// What a check saw.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Checked {
    pub(crate) nets: u64,
    pub(crate) rounds: u64,
    pub(crate) rosters: u64,
    pub(crate) log_entries: u64,
    pub(crate) messages: u64,
    /// What is not as it should be. Empty: the store is sound.
    pub(crate) problems: Vec<Finding>,
    #[serde(skip)]
    told: HashMap<(NetId, &'static str), usize>,
}

impl Checked {
    fn problem(&mut self, net: NetId, kind: &'static str, text: impl std::fmt::Display) {
        let told = self.told.entry((net, kind)).or_default();
        *told += 1;
        if *told < SHOWN {
            let text = format!("net {net}: {text}");
            self.problems.push(Finding { kind, text });
        } else if *told == SHOWN {
            let text = format!("net {net}: there is more of this kind");
            self.problems.push(Finding { kind, text });
        }
    }
}

impl Admin {
    /// Checks everything; `progress` is told the net that comes next. A server may run beside it.
    pub(crate) async fn check(
        &self,
        mut progress: impl FnMut(NetId),
    ) -> Result<Checked, AdminError> {
        let mut checked = Checked::default();
        for text in self.store.damage().await? {
            let kind = "damaged";
            checked.problems.push(Finding { kind, text });
        }
        for row in self.store.nets().await? {
            progress(row.net);
            checked.nets += 1;
            self.check_net(&row, &mut checked).await?;
        }
        let trail = self.verify_trail(&[], |_| {}).await?;
        for text in trail.problems {
            let kind = "audit-trail";
            checked.problems.push(Finding { kind, text });
        }
        Ok(checked)
    }

    async fn check_net(&self, row: &NetRow, checked: &mut Checked) -> Result<(), AdminError> {
        let net = row.net;
        let descriptor = decode_descriptor(row)
            .map_err(|error| error.to_string())
            .and_then(|descriptor| {
                TrustAnchor::from_der(&row.authority)
                    .map(|_| descriptor)
                    .map_err(|error| format!("the gateways' authority: {error}"))
            });
        let descriptor = match descriptor {
            Ok(descriptor) => descriptor,
            Err(text) => {
                checked.problem(net, "unreadable", text);
                return Ok(());
            }
        };
        if descriptor.net() != net {
            let text = format!("its descriptor is that of net {}", descriptor.net());
            checked.problem(net, "inconsistent", text);
        }
        self.check_members(net, checked).await?;
        self.check_epochs(net, checked).await?;
        self.check_orders(net, checked).await?;
        self.check_open(net, checked).await?;
        self.check_rounds(net, &descriptor, checked).await?;
        self.check_inboxes(net, checked).await?;
        self.check_log(net, checked).await
    }

    async fn check_members(&self, net: NetId, checked: &mut Checked) -> Result<(), AdminError> {
        for row in self.store.members(net).await? {
            match convert::decode::<MemberRecord>(&row.record) {
                Ok(record) if record.client == row.client => {}
                Ok(record) => checked.problem(
                    net,
                    "inconsistent",
                    format!("member {} has the record of {}", row.client, record.client),
                ),
                Err(error) => {
                    checked.problem(net, "unreadable", format!("member {}: {error}", row.client));
                }
            }
        }
        Ok(())
    }

    async fn check_orders(&self, net: NetId, checked: &mut Checked) -> Result<(), AdminError> {
        for row in self.store.orders(net).await? {
            let number = row.number;
            let answered = row.answered != 0;
            if answered == row.outcome.is_empty() {
                let text = format!("order {number} is half answered");
                checked.problem(net, "inconsistent", text);
            }
            if row.record.is_empty() {
                continue;
            }
            match convert::decode::<OrderRecord>(&row.record) {
                Ok(record) if agree(&row, record.effect) => {}
                Ok(_) => {
                    let text = format!("order {number} has the record of another one");
                    checked.problem(net, "inconsistent", text);
                }
                Err(error) => {
                    checked.problem(net, "unreadable", format!("order {number}: {error}"));
                }
            }
        }
        Ok(())
    }

    async fn check_epochs(&self, net: NetId, checked: &mut Checked) -> Result<(), AdminError> {
        let mut before = None;
        for row in self.store.latest_epochs(net, i64::MAX).await? {
            match convert::decode::<EpochRecord>(&row.record) {
                Ok(record)
                    if (record.epoch.number(), record.first_round.number())
                        != (row.epoch, row.first_round) =>
                {
                    let text = format!("epoch {} has the record of {}", row.epoch, record.epoch);
                    checked.problem(net, "inconsistent", text);
                }
                Ok(_) if before > Some(row.first_round) => {
                    let text = format!("epoch {} begins before the one before it", row.epoch);
                    checked.problem(net, "inconsistent", text);
                }
                Ok(_) => {}
                Err(error) => {
                    checked.problem(net, "unreadable", format!("epoch {}: {error}", row.epoch));
                }
            }
            before = Some(row.first_round);
        }
        Ok(())
    }

    /// What is held of open rounds, and nothing of final ones.
    async fn check_open(&self, net: NetId, checked: &mut Checked) -> Result<(), AdminError> {
        for (table, rows) in self.store.left_over(net).await? {
            if rows > 0 {
                let text = format!("{rows} rows of {table} are of rounds that are over");
                checked.problem(net, "not-erased", text);
            }
        }
        let restored = self.store.restore(net).await;
        let held = restored.and_then(|restored| convert::snapshot(&restored).map(drop));
        if let Err(error) = unreadable(held)? {
            checked.problem(net, "unreadable", error);
        }
        Ok(())
    }

    async fn check_rounds(
        &self,
        net: NetId,
        descriptor: &NetDescriptor,
        checked: &mut Checked,
    ) -> Result<(), AdminError> {
        let mut from = 0;
        loop {
            let page = self.store.outcomes_from(net, from, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            let rosters = self.store.rosters_between(net, from, Some(*last)).await?;
            from = last.saturating_add(1);
            for row in &rosters {
                checked.rosters += 1;
                if let Err(text) = roster(descriptor, row) {
                    let text = format!("roster {} of round {}: {text}", row.step, row.round);
                    checked.problem(net, "inconsistent", text);
                }
            }
            for (round, bytes) in page {
                checked.rounds += 1;
                let of_round = rosters.iter().filter(|row| row.round == round);
                match convert::decode::<RoundOutcome>(&bytes) {
                    Ok(outcome) if outcome.round.number() == round => {
                        if let Err(text) = fits(&outcome, of_round) {
                            checked.problem(net, "inconsistent", format!("round {round}: {text}"));
                        }
                    }
                    Ok(outcome) => checked.problem(
                        net,
                        "inconsistent",
                        format!("round {round} has the outcome of {}", outcome.round),
                    ),
                    Err(error) => {
                        checked.problem(net, "unreadable", format!("round {round}: {error}"));
                    }
                }
            }
        }
    }

    async fn check_inboxes(&self, net: NetId, checked: &mut Checked) -> Result<(), AdminError> {
        let beyond = self.store.beyond_heads(net).await?;
        if beyond > 0 {
            let text = format!("{beyond} messages are beyond the head of their inbox");
            checked.problem(net, "inconsistent", text);
        }
        let mut after = (String::new(), 0);
        loop {
            let page = self.store.messages_from(net, &after, PAGE).await?;
            let Some((client, sequence, _)) = page.last() else {
                return Ok(());
            };
            after = (client.clone(), *sequence);
            for (client, sequence, message) in page {
                checked.messages += 1;
                if let Err(error) = convert::decode::<Message>(&message) {
                    let text = format!("message {sequence} for {client}: {error}");
                    checked.problem(net, "unreadable", text);
                }
            }
        }
    }

    async fn check_log(&self, net: NetId, checked: &mut Checked) -> Result<(), AdminError> {
        let audit = match self.audit(net, |_, _| {}).await {
            Ok(audit) => audit,
            Err(AdminError::Store(error @ StoreError::Corrupt(_))) => {
                checked.problem(net, "unreadable", error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        checked.log_entries += u64::try_from(audit.log_size).unwrap_or(u64::MAX);
        // What else an audit finds is about the net, not about its store.
        for finding in audit.problems {
            if ["log-inconsistent", "epoch-not-in-log"].contains(&finding.kind) {
                checked.problem(net, finding.kind, finding.text);
            }
        }
        Ok(())
    }
}

/// A row that cannot be read is what is looked for; everything else ends the check.
fn unreadable(result: Result<(), StoreError>) -> Result<Result<(), StoreError>, StoreError> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error @ StoreError::Corrupt(_)) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// Whether a roster is the provider's word on the round that it stands under.
fn roster(descriptor: &NetDescriptor, row: &RosterRow) -> Result<(), String> {
    let signed = Signed::<Roster>::decode(&row.roster).map_err(|error| error.to_string())?;
    let roster = signed
        .verify(descriptor.provider_key())
        .map_err(|error| error.to_string())?;
    if (roster.round().number(), roster.step()) == (row.round, row.step) {
        Ok(())
    } else {
        Err(format!(
            "it is roster {} of round {}",
            roster.step(),
            roster.round()
        ))
    }
}

/// Whether the rosters of a round shrink to those who are in its outcome.
fn fits<'a>(
    outcome: &RoundOutcome,
    rosters: impl Iterator<Item = &'a RosterRow>,
) -> Result<(), String> {
    let mut last: Option<Roster> = None;
    for row in rosters {
        // One that cannot be read is told already.
        let Ok(signed) = Signed::<Roster>::decode(&row.roster) else {
            return Ok(());
        };
        let roster = signed.unverified().clone();
        if let Some(last) = &last
            && !roster.present().is_subset(last.present())
        {
            return Err(format!(
                "roster {} names more than the one before",
                row.step
            ));
        }
        last = Some(roster);
    }
    let summed = outcome.contributors.len() + outcome.silent.len();
    match last {
        Some(last) if outcome.sum.is_some() && last.present().count() != summed => Err(format!(
            "its last roster names {} members, and {summed} are in its outcome",
            last.present().count()
        )),
        _ => Ok(()),
    }
}

/// Whether what an order changed is what was asked for.
fn agree(row: &OrderRow, effect: OrderEffect) -> bool {
    match effect {
        OrderEffect::Barred(client) => row.kind == "suspend" && row.member == client.as_str(),
        OrderEffect::Lifted(client) => row.kind == "resume" && row.member == client.as_str(),
        OrderEffect::Closed => row.kind == "close",
    }
}
