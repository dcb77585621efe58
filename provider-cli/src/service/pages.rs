//! What operators are shown over HTTPS: lists page by page, and sums without names for consumers.

use std::collections::BTreeSet;

use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::RoundOutcome;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::{
    Admin, AdminError, NetView, RoundView, SlotSum, SlotText, decode_descriptor, hex, view_round,
};
use super::audit_trail::{TrailEntryView, TrailHead, TrailHeadView};
use super::log_view::EntryView;
use super::members::MemberLine;
use super::overview::{Extras, Overview};
use super::rounds::numbers;
use super::{Service, convert};
use crate::store::StoreError;

/// The greatest number of a round that a store can hold.
pub(crate) const LAST_ROUND: u64 = i64::MAX.unsigned_abs();

/// Part of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// What `after` has to be for those that follow; null if there are none now.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// The first `limit` of these, each with what names it.
    pub(super) fn of(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Self {
        let is_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| is_more).map(name);
        Self { items, next }
    }

    /// The same page of something else.
    pub(crate) fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(each).collect(),
            next: self.next,
        }
    }
}

/// Which rounds of a net are listed: those whose metered interval begins in `from..to`, ascending,
/// behind the round `after`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) after: Option<u64>,
    pub(crate) limit: u16,
}

/// What a consumer is shown of a round: counts, and no names of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct RoundSums {
    pub(crate) net: String,
    pub(crate) round: u64,
    /// Start of the metered interval, RFC 3339, UTC.
    pub(crate) start: String,
    /// End of the metered interval, exclusive.
    pub(crate) end: String,
    /// `complete`, `corrected` or `failed`.
    pub(crate) status: &'static str,
    /// Why there is no sum.
    pub(crate) reason: Option<String>,
    pub(crate) members: u32,
    /// Number of readings in the sums.
    pub(crate) contributors: usize,
    /// One per slot; none if the round failed.
    pub(crate) sums: Option<Vec<SlotSum>>,
}

impl From<RoundView> for RoundSums {
    fn from(round: RoundView) -> Self {
        Self {
            contributors: round.contributors.len(),
            net: round.net,
            round: round.round,
            start: round.start,
            end: round.end,
            status: round.status,
            reason: round.reason,
            members: round.members,
            sums: round.sums,
        }
    }
}

/// What a consumer is shown of a net.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NetSums {
    pub(crate) net: String,
    pub(crate) region: String,
    pub(crate) descriptor_hash: String,
    pub(crate) created: String,
    pub(crate) interval_s: u32,
    pub(crate) submit_window_s: u32,
    pub(crate) correction_window_s: u32,
    pub(crate) slots: Vec<SlotText>,
    pub(crate) min_size: u32,
    pub(crate) mode: &'static str,
    pub(crate) last_round: Option<RoundSums>,
}

impl From<NetView> for NetSums {
    fn from(net: NetView) -> Self {
        Self {
            net: net.net,
            region: net.region,
            descriptor_hash: net.descriptor_hash,
            created: net.created,
            interval_s: net.interval_s,
            submit_window_s: net.submit_window_s,
            correction_window_s: net.correction_window_s,
            slots: net.slots,
            min_size: net.min_size,
            mode: net.mode,
            last_round: net.last_round.map(RoundSums::from),
        }
    }
}

/// How a net is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct HealthView {
    pub(crate) net: String,
    /// `late`, `failed`, `small`, `corrected`, `waiting` or `well`: the worst that is to be said of it.
    pub(crate) health: &'static str,
    /// Rounds that should be final by now and are not there.
    pub(crate) late: u64,
    /// Members in the sum.
    pub(crate) active: usize,
    pub(crate) min_size: usize,
    /// Number of the newest final round.
    pub(crate) last_round: Option<u64>,
    pub(crate) last_day: DayView,
}

/// Rounds of the last 24 hours by how they ended.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DayView {
    pub(crate) complete: u64,
    pub(crate) corrected: u64,
    pub(crate) failed: u64,
}

impl Service {
    /// A look into its store, whichever server serves the nets. Nobody has to close it.
    pub(crate) fn admin(&self) -> Admin {
        Admin {
            store: self.store.clone(),
        }
    }
}

impl Admin {
    /// Nets by name, of `only` those if it is given, behind `after`.
    pub(crate) async fn nets_after(
        &self,
        only: Option<&BTreeSet<NetId>>,
        after: Option<NetId>,
        limit: u16,
    ) -> Result<Page<NetView>, AdminError> {
        let limit = usize::from(limit);
        let mut rows = self.store.nets().await?;
        // A database may sort names as people do.
        rows.sort_by_key(|row| row.net);
        rows.retain(|row| only.is_none_or(|only| only.contains(&row.net)));
        rows.retain(|row| after.is_none_or(|after| row.net > after));
        let page = Page::of(rows, limit, |row| row.net.to_string());
        let mut items = Vec::with_capacity(page.items.len());
        for row in &page.items {
            items.push(self.view(row).await?);
        }
        Ok(Page {
            items,
            next: page.next,
        })
    }

    /// Members of a net by name, behind `after`.
    pub(crate) async fn members_after(
        &self,
        net: NetId,
        after: Option<ClientId>,
        limit: u16,
    ) -> Result<Page<MemberLine>, AdminError> {
        let mut members = self.member_list(net).await?.members;
        members.sort_by(|a, b| a.client.cmp(&b.client));
        if let Some(after) = after {
            members.retain(|member| member.client.as_str() > after.as_str());
        }
        let limit = usize::from(limit);
        Ok(Page::of(members, limit, |member| member.client.clone()))
    }

    /// Final rounds of a net.
    pub(crate) async fn rounds_after(
        &self,
        net: NetId,
        which: Listing,
    ) -> Result<Page<RoundView>, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let mut rows = Vec::new();
        if let Some((first, last)) = which.numbers(&descriptor) {
            let most = u32::from(which.limit).saturating_add(1);
            rows = self.store.outcomes_from(net, first, most).await?;
            rows.retain(|(round, _)| last.is_none_or(|last| *round <= last));
        }
        let page = Page::of(rows, usize::from(which.limit), |row| row.0.to_string());
        let items = page
            .items
            .iter()
            .map(|(_, outcome)| {
                let outcome: RoundOutcome = convert::decode(outcome)?;
                Ok(view_round(&descriptor, &outcome))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Page {
            items,
            next: page.next,
        })
    }

    /// The entries of a net's membership log behind the one with the index `after`, ascending; without it
    /// from the first on.
    pub(crate) async fn log_after(
        &self,
        net: NetId,
        after: Option<u64>,
        limit: u16,
    ) -> Result<Page<EntryView>, AdminError> {
        self.row(net).await?;
        let from = after.map_or(0, |after| after.saturating_add(1));
        let mut rows = Vec::new();
        if from <= LAST_ROUND {
            let most = u32::from(limit).saturating_add(1);
            rows = self.store.log_entries(net, from, Some(most)).await?;
        }
        let entries = rows.iter().map(EntryView::of);
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        Ok(Page::of(entries, limit.into(), |entry| {
            entry.index.to_string()
        }))
    }

    /// The entries of the audit trail behind `after`, ascending.
    pub(crate) async fn trail_after(
        &self,
        after: u64,
        limit: u16,
    ) -> Result<Page<TrailEntryView>, AdminError> {
        let rows = self.store.trail(after, u32::from(limit).saturating_add(1));
        let rows = rows.await?;
        let entries = rows.iter().map(TrailEntryView::of);
        let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
        Ok(Page::of(entries, limit.into(), |entry| {
            entry.number.to_string()
        }))
    }

    /// The head of the trail as it stands in the store; whether it fits to the entries, `verify` finds out.
    pub(crate) async fn trail_head(&self) -> Result<TrailHeadView, AdminError> {
        let last = self.store.trail_end(1).await?.pop();
        let head = last.map_or(Ok(TrailHead::EMPTY), |row| TrailHead::of(&row))?;
        Ok(TrailHeadView {
            size: head.size,
            hash: hex(&head.hash),
            head: head.to_string(),
        })
    }

    /// How a net is.
    pub(crate) async fn health(&self, net: NetId) -> Result<HealthView, AdminError> {
        let row = self.row(net).await?;
        let overview = Overview::new(self.store.clone(), Extras::none());
        let state = overview.one(&row).await?;
        let last = state.latest.first();
        Ok(HealthView {
            net: net.to_string(),
            health: state.health().word(),
            late: state.late,
            active: state.active,
            min_size: state.min_size(),
            last_round: last.map(|last| last.round.number()),
            last_day: DayView {
                complete: state.day.complete,
                corrected: state.day.corrected,
                failed: state.day.failed,
            },
        })
    }
}

impl Listing {
    /// Numbers of the first and the last round that may be listed; none if there can be none.
    pub(super) fn numbers(
        &self,
        descriptor: &dcnet_protocol::descriptor::NetDescriptor,
    ) -> Option<(u64, Option<u64>)> {
        let (first, last) = numbers(descriptor, self.from, self.to)?;
        let behind = self.after.map_or(0, |after| after.saturating_add(1));
        let first = first.unwrap_or(0).max(behind);
        (first <= LAST_ROUND).then_some((first, last))
    }
}
