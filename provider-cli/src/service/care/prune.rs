//! Retention: what is deleted when it is old enough, by `dcnet store prune` or by a server.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::MemberRecord;
use dcnet_protocol::round::{Round, UnixTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::admin::decode_descriptor;
use crate::service::audit_trail::{Action, Noted, note};
use crate::service::{Admin, AdminError, Service, convert, now};
use crate::store::{Expired, NetRow, Prunable, Store, StoreError, Writer};

/// Milliseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// A server that prunes does it so often.
const AGAIN: Duration = Duration::from_hours(24);

/// Between two transactions: a server has its turn.
const PAUSE: Duration = Duration::from_millis(20);

/// Days for which what is not needed any more is kept; what is not named is kept for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Outcomes of rounds: sums, and who was in them.
    pub keep_rounds_days: Option<u32>,
    /// Rosters of rounds that are final.
    pub keep_rosters_days: Option<u32>,
    /// Epochs that are over, and of which no outcome and no roster is kept.
    pub keep_epochs_days: Option<u32>,
    /// Messages for gateways that have left, since they left.
    pub keep_left_inboxes_days: Option<u32>,
}

impl Retention {
    /// Whether everything is kept.
    pub(crate) fn keeps_all(&self) -> bool {
        *self == Self::default()
    }

    /// What is kept for how long, in one line.
    fn text(&self) -> String {
        let days = |name, days: Option<u32>| days.map(|days| format!("{name} {days} days"));
        let kept: Vec<String> = [
            days("rounds", self.keep_rounds_days),
            days("rosters", self.keep_rosters_days),
            days("epochs", self.keep_epochs_days),
            days("inboxes of those who left", self.keep_left_inboxes_days),
        ]
        .into_iter()
        .flatten()
        .collect();
        kept.join(", ")
    }

    /// The name of one that is 0: what is not even a day old is not deleted.
    pub(crate) fn zero(&self) -> Option<&'static str> {
        [
            ("keep_rounds_days", self.keep_rounds_days),
            ("keep_rosters_days", self.keep_rosters_days),
            ("keep_epochs_days", self.keep_epochs_days),
            ("keep_left_inboxes_days", self.keep_left_inboxes_days),
        ]
        .into_iter()
        .find_map(|(name, days)| (days == Some(0)).then_some(name))
    }
}

/// What was, or would be, deleted of a net.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Pruned {
    pub(crate) net: String,
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
}

impl Admin {
    /// Deletes what is too old, or only counts it; `progress` is told of each net before.
    pub(crate) async fn prune(
        &self,
        retention: &Retention,
        is_dry: bool,
        progress: impl Fn(NetId),
    ) -> Result<Vec<Pruned>, AdminError> {
        let mut all = Vec::new();
        let nets = self.store.nets().await?;
        let mut writer = if is_dry {
            None
        } else {
            if let Some(detail) = about(&self.store, &nets, retention).await? {
                self.note(Action::StorePruned, &[], &detail).await?;
            }
            Some(self.store.writer().await?)
        };
        for row in nets {
            progress(row.net);
            all.extend(net(&self.store, writer.as_mut(), &row, retention).await?);
        }
        if let Some(writer) = writer {
            writer.close().await;
        }
        Ok(all)
    }
}

/// What the audit trail says of it before anything is deleted, if anything will be. Afterwards would be too
/// late: a pruning that fails or is killed on its way has deleted rows as well.
async fn about(
    store: &Store,
    nets: &[NetRow],
    retention: &Retention,
) -> Result<Option<String>, StoreError> {
    let mut rows = 0;
    for row in nets {
        let counted = net(store, None, row, retention).await?;
        rows += counted.iter().map(|pruned| pruned.rows).sum::<u64>();
    }
    Ok((rows > 0).then(|| format!("{rows} rows; {}", retention.text())))
}

/// Prunes the nets that `service` serves, now and once a day, until it is gone.
pub(in crate::service) fn start(service: &Arc<Service>, retention: Retention) {
    if retention.keeps_all() {
        return;
    }
    let service = Arc::downgrade(service);
    tokio::spawn(async move {
        while let Some(service) = Weak::upgrade(&service) {
            let mut stopping = service.stopping.subscribe();
            tokio::select! {
                result = served(&service, &retention) => report(result),
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            drop(service);
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    });
}

async fn served(service: &Service, retention: &Retention) -> Result<Vec<Pruned>, StoreError> {
    let mut nets = Vec::new();
    for (id, _) in service.all_running() {
        nets.extend(service.store.net(id).await?);
    }
    if let Some(detail) = about(&service.store, &nets, retention).await? {
        let actor = service.actor.clone();
        let noted = Noted::new(actor, Action::StorePruned, &[], &detail);
        note(&service.store, &noted).await?;
    }
    let mut writer = service.store.writer().await?;
    let mut all = Vec::new();
    for row in &nets {
        all.extend(net(&service.store, Some(&mut writer), row, retention).await?);
    }
    writer.close().await;
    Ok(all)
}

fn report(result: Result<Vec<Pruned>, StoreError>) {
    match result {
        Ok(all) => {
            for Pruned { net, table, rows } in all.iter().filter(|pruned| pruned.rows > 0) {
                tracing::info!(%net, table, rows, "deleted what is older than it is to be kept");
            }
        }
        Err(error) => {
            tracing::error!(%error, "cannot delete what is too old; tried again in a day");
        }
    }
}

/// Prunes a net, or without a writer counts.
async fn net(
    store: &Store,
    mut writer: Option<&mut Writer>,
    row: &NetRow,
    retention: &Retention,
) -> Result<Vec<Pruned>, StoreError> {
    let descriptor = decode_descriptor(row)?;
    let mut totals = [
        ("rounds", retention.keep_rounds_days.map(|_| 0)),
        ("rosters", retention.keep_rosters_days.map(|_| 0)),
        ("epochs", retention.keep_epochs_days.map(|_| 0)),
        ("inbox", retention.keep_left_inboxes_days.map(|_| 0)),
    ];
    for expired in expired(store, row.net, &descriptor, retention).await? {
        let table = match expired.what {
            Prunable::Rounds => "rounds",
            Prunable::Rosters => "rosters",
            Prunable::Epochs => "epochs",
            Prunable::Inbox(_) => "inbox",
        };
        let rows = match &mut writer {
            None => store.count_expired(&expired).await?,
            Some(writer) => all_of(writer, &expired).await?,
        };
        for (_, total) in totals.iter_mut().filter(|(name, _)| *name == table) {
            *total = total.map(|total| total + rows);
        }
    }
    let pruned = totals.into_iter().filter_map(|(table, rows)| {
        let net = row.net.to_string();
        rows.map(|rows| Pruned { net, table, rows })
    });
    Ok(pruned.collect())
}

async fn all_of(writer: &mut Writer, expired: &Expired) -> Result<u64, StoreError> {
    let mut rows = 0;
    loop {
        match writer.prune(expired).await? {
            0 => return Ok(rows),
            gone => rows += gone,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is too old; outcomes and rosters before the epochs that they are of.
async fn expired(
    store: &Store,
    net: NetId,
    descriptor: &NetDescriptor,
    retention: &Retention,
) -> Result<Vec<Expired>, StoreError> {
    let at = |days: u32| now().minus_millis(u64::from(days) * DAY);
    // The first round that is not over by then.
    let round_at = |time: UnixTime| descriptor.schedule().round_at(time).number();
    let mut all: Vec<Expired> = [
        (retention.keep_rounds_days, Prunable::Rounds),
        (retention.keep_rosters_days, Prunable::Rosters),
        (retention.keep_epochs_days, Prunable::Epochs),
    ]
    .into_iter()
    .filter_map(|(days, what)| {
        let before = round_at(at(days?));
        Some(Expired { net, what, before })
    })
    .collect();
    let Some(days) = retention.keep_left_inboxes_days else {
        return Ok(all);
    };
    let before = Round::new(round_at(at(days)));
    for row in store.members(net).await? {
        let member: MemberRecord = convert::decode(&row.record)?;
        if member.status == MemberStatus::Exited && member.exit_round < before {
            all.push(Expired {
                net,
                what: Prunable::Inbox(row.client),
                before: u64::try_from(i64::MAX).unwrap_or(0),
            });
        }
    }
    Ok(all)
}
