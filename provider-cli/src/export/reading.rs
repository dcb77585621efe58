//! The rounds of some nets, page by page.

use dcnet_protocol::names::NetId;
use jiff::Timestamp;

use super::PAGE;
use crate::service::{Admin, AdminError, FinalRound, Part, Series};

/// Rounds whose metered interval begins in `from..to`; without a bound all of them on that side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

/// Reads nets one after the other, and one of them as often as it is wanted.
pub(crate) struct Reading {
    admin: Admin,
    range: Range,
    pub(crate) series: Vec<Series>,
    /// The next round of the net that is being read; none at its beginning.
    next: Option<u64>,
}

impl Reading {
    /// All nets are there before anything is read.
    pub(crate) async fn open(
        admin: Admin,
        nets: &[NetId],
        range: Range,
    ) -> Result<Self, AdminError> {
        let mut series = Vec::new();
        for net in nets {
            series.push(admin.series(*net).await?);
        }
        Ok(Self {
            admin,
            range,
            series,
            next: None,
        })
    }

    /// What it reads with.
    pub(crate) const fn admin(&self) -> &Admin {
        &self.admin
    }

    /// From the beginning of the range.
    pub(crate) const fn rewind(&mut self) {
        self.next = None;
    }

    /// The next rounds of one of the nets; none when there are no more.
    pub(crate) async fn page(
        &mut self,
        index: usize,
    ) -> Result<Option<(&Series, Vec<FinalRound>)>, AdminError> {
        let Some(series) = self.series.get(index) else {
            return Ok(None);
        };
        let last = self.range.to.map(|to| series.last_before(to));
        if last == Some(None) {
            return Ok(None);
        }
        let part = Part {
            from: self
                .next
                .unwrap_or_else(|| self.range.from.map_or(0, |from| series.first_from(from))),
            goes_on: self.next.is_some(),
            to: last.flatten(),
        };
        let page = self.admin.final_rounds(series, part, PAGE).await?;
        let Some(newest) = page.last() else {
            return Ok(None);
        };
        self.next = Some(newest.round.saturating_add(1));
        Ok(Some((series, page)))
    }
}
