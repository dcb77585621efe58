//! Corrections as those who look after a net see them: those under way, and what came of those that
//! are over.

use std::collections::BTreeMap;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::{ClientSet, NetId};
use dcnet_protocol::provider::{EpochRecord, RoundOutcome, RoundStatus};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::Signed;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::admin::{
    Admin, AdminError, RoundView, WrongShareView, decode_descriptor, names, rfc3339, view_round,
};
use super::convert;
use super::pages::{Listing, Page};
use super::rounds::numbers;
use crate::store::{CorrectionRow, RosterRow, StoreError};

/// Final rounds that are looked through at once.
const PAGE: u32 = 256;

/// Final rounds that are looked through for one page of a list.
const MOST_ROUNDS: usize = 4096;

/// Epochs whose members may be named: those that a round that is not final can be of.
const EPOCHS: i64 = 4;

/// A round in which not everybody was there, or that has no sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct CorrectionView {
    pub(crate) net: String,
    pub(crate) round: u64,
    /// Start of the metered interval, RFC 3339, UTC.
    pub(crate) start: String,
    /// `open`, `corrected` or `failed`.
    pub(crate) status: &'static str,
    /// Why there is no sum.
    pub(crate) reason: Option<String>,
    /// Members of the round; none of an open correction by resending.
    pub(crate) members: Option<u64>,
    /// Members without a frame, or left out since they did not answer.
    pub(crate) missing: Vec<String>,
    /// Who is to resend, while a correction by resending is open.
    pub(crate) asked: Vec<String>,
    /// The rosters of the round, in a net that corrects by double masks.
    pub(crate) steps: Vec<StepView>,
    /// Shares of self-masks that did not fit.
    pub(crate) wrong_shares: Vec<WrongShareView>,
    /// Members whose self-mask was not recovered.
    pub(crate) unrecovered: Vec<String>,
}

/// One roster of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct StepView {
    /// Counts the rosters of a round, from 1.
    pub(crate) step: u8,
    /// `pads` or `share-keys`.
    pub(crate) asks_for: &'static str,
    pub(crate) members: usize,
    pub(crate) present: usize,
    /// How many of those present hide a reading.
    pub(crate) contributors: usize,
}

impl Admin {
    /// The corrections of rounds whose metered interval begins in `from..to`, ascending; the latest
    /// `limit`.
    pub(crate) async fn corrections(
        &self,
        net: NetId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<CorrectionView>, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let Some((first, last)) = numbers(&descriptor, from, to) else {
            return Ok(Vec::new());
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut latest, last_final) = self.under_way(&descriptor).await?;
        latest.retain(|it| it.round >= first.unwrap_or(0) && last.is_none_or(|to| it.round <= to));
        latest.reverse();
        let mut upper = last_final.map(|final_| last.map_or(final_, |last| last.min(final_)));
        while let (Some(to), true) = (upper, latest.len() < limit) {
            let page = self
                .store
                .outcomes(net, first, Some(to), Some(PAGE))
                .await?;
            upper = page.first().and_then(|(round, _)| round.checked_sub(1));
            for (_, outcome) in page.iter().rev() {
                let outcome: RoundOutcome = convert::decode(outcome)?;
                if outcome.status != RoundStatus::Complete && latest.len() < limit {
                    latest.push(self.ended(&descriptor, &outcome).await?);
                }
            }
        }
        latest.truncate(limit);
        latest.reverse();
        Ok(latest)
    }

    /// The corrections of a net, ascending. A page may have fewer than the limit, or none, and be followed
    /// by others: so many rounds are looked through for one.
    pub(crate) async fn corrections_after(
        &self,
        net: NetId,
        which: Listing,
    ) -> Result<Page<CorrectionView>, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let limit = usize::from(which.limit);
        let mut items = Vec::new();
        let Some((first, last)) = which.numbers(&descriptor) else {
            return Ok(Page { items, next: None });
        };
        let (mut open, last_final) = self.under_way(&descriptor).await?;
        let upper = last_final.map(|final_| last.map_or(final_, |last| last.min(final_)));
        let (mut from, mut looked) = (first, 0);
        while let Some(to) = upper.filter(|to| from <= *to) {
            let page = self.store.outcomes_from(net, from, PAGE).await?;
            for (round, outcome) in page.iter().filter(|(round, _)| *round <= to) {
                let outcome: RoundOutcome = convert::decode(outcome)?;
                if outcome.status != RoundStatus::Complete {
                    items.push(self.ended(&descriptor, &outcome).await?);
                }
                if items.len() > limit {
                    return Ok(Page::of(items, limit, |it| it.round.to_string()));
                }
                from = round.saturating_add(1);
            }
            match page.last() {
                Some((round, _)) if *round < to => {}
                _ => break,
            }
            looked += page.len();
            if looked >= MOST_ROUNDS {
                return Ok(Page {
                    items,
                    next: from.checked_sub(1).map(|round| round.to_string()),
                });
            }
        }
        open.retain(|it| it.round >= first && last.is_none_or(|last| it.round <= last));
        items.append(&mut open);
        Ok(Page::of(items, limit, |it| it.round.to_string()))
    }

    /// The correction of one round.
    pub(crate) async fn correction(
        &self,
        net: NetId,
        round: u64,
    ) -> Result<CorrectionView, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let (open, _) = self.under_way(&descriptor).await?;
        if let Some(open) = open.into_iter().find(|it| it.round == round) {
            return Ok(open);
        }
        let none = AdminError::NoCorrection { net, round };
        let ended = self
            .store
            .outcomes(net, Some(round), Some(round), Some(1))
            .await?
            .pop();
        let Some((_, ended)) = ended else {
            return Err(none);
        };
        let outcome: RoundOutcome = convert::decode(&ended)?;
        if outcome.status == RoundStatus::Complete {
            return Err(none);
        }
        Ok(self.ended(&descriptor, &outcome).await?)
    }

    /// The corrections under way, ascending, and the last final round, before which there are none.
    async fn under_way(
        &self,
        descriptor: &NetDescriptor,
    ) -> Result<(Vec<CorrectionView>, Option<u64>), AdminError> {
        let net = descriptor.net();
        let first = self.last_final(net).await?.unwrap_or(0);
        let mut open = Vec::new();
        for row in self.store.corrections(net).await? {
            open.push(resending(descriptor, &row)?);
        }
        let mut rosters: BTreeMap<u64, Vec<Roster>> = BTreeMap::new();
        for row in self.store.rosters_between(net, first, None).await? {
            rosters.entry(row.round).or_default().push(roster(&row)?);
        }
        let epochs = self
            .store
            .latest_epochs(net, EPOCHS)
            .await?
            .iter()
            .map(|row| convert::decode(&row.record))
            .collect::<Result<Vec<EpochRecord>, _>>()?;
        open.extend(
            rosters
                .values()
                .filter_map(|it| masked(descriptor, &epochs, it)),
        );
        open.sort_by_key(|it| it.round);
        // Read last: what has ended meanwhile is among the final rounds, and nowhere else.
        let last_final = self.last_final(net).await?;
        open.retain(|it| last_final.is_none_or(|last| it.round > last));
        Ok((open, last_final))
    }

    async fn ended(
        &self,
        descriptor: &NetDescriptor,
        outcome: &RoundOutcome,
    ) -> Result<CorrectionView, StoreError> {
        let round = outcome.round.number();
        let rows = self
            .store
            .rosters_between(descriptor.net(), round, Some(round))
            .await?;
        let rosters = rows.iter().map(roster).collect::<Result<Vec<_>, _>>()?;
        let RoundView {
            net,
            round,
            start,
            status,
            reason,
            members,
            missing,
            wrong_shares,
            unrecovered,
            ..
        } = view_round(descriptor, outcome);
        Ok(CorrectionView {
            net,
            round,
            start,
            status,
            reason,
            members: Some(members.into()),
            missing,
            asked: Vec::new(),
            steps: rosters.iter().map(StepView::of).collect(),
            wrong_shares,
            unrecovered,
        })
    }
}

impl StepView {
    pub(super) fn of(roster: &Roster) -> Self {
        Self {
            step: roster.step(),
            asks_for: if roster.reveal() {
                "share-keys"
            } else {
                "pads"
            },
            members: roster.members(),
            present: roster.present().count(),
            contributors: roster.contributors(),
        }
    }
}

fn roster(row: &RosterRow) -> Result<Roster, StoreError> {
    let signed: Signed<Roster> = convert::decode(&row.roster)?;
    Ok(signed.unverified().clone())
}

/// A correction by resending that is under way.
fn resending(
    descriptor: &NetDescriptor,
    row: &CorrectionRow,
) -> Result<CorrectionView, StoreError> {
    let missing: ClientSet = convert::decode(&row.missing)?;
    let asked: ClientSet = convert::decode(&row.asked)?;
    Ok(CorrectionView {
        missing: names(&missing),
        asked: names(&asked),
        ..nothing_yet(descriptor, Round::new(row.round))
    })
}

/// A round with rosters that is not final; none if everybody is in all of them, so that there is
/// nothing to correct.
fn masked(
    descriptor: &NetDescriptor,
    epochs: &[EpochRecord],
    rosters: &[Roster],
) -> Option<CorrectionView> {
    let last = rosters.last()?;
    if last.present().count() == last.members() {
        return None;
    }
    let members = epochs.iter().find(|epoch| epoch.epoch == last.epoch());
    let missing = members
        .into_iter()
        .flat_map(|epoch| epoch.members.iter().enumerate())
        .filter(|(index, _)| !last.present().contains(*index))
        .map(|(_, member)| member.client.to_string())
        .collect();
    Some(CorrectionView {
        members: u64::try_from(last.members()).ok(),
        missing,
        steps: rosters.iter().map(StepView::of).collect(),
        ..nothing_yet(descriptor, last.round())
    })
}

fn nothing_yet(descriptor: &NetDescriptor, round: Round) -> CorrectionView {
    CorrectionView {
        net: descriptor.net().to_string(),
        round: round.number(),
        start: rfc3339(descriptor.schedule().start(round)),
        status: "open",
        reason: None,
        members: None,
        missing: Vec::new(),
        asked: Vec::new(),
        steps: Vec::new(),
        wrong_shares: Vec::new(),
        unrecovered: Vec::new(),
    }
}
