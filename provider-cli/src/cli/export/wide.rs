//! Rounds as they are shown elsewhere: one line or object each, with the names of members.

use std::io::Write as _;

use serde::Serialize;

use super::super::{CliError, Outcome};
use super::{Output, What};
use crate::service::{FinalRound, RoundView, Series, SlotText};

/// One line per round. Slots are columns, so that nets of one file have to have the same ones.
pub(super) async fn csv(what: What) -> Result<Outcome, CliError> {
    let mut read = what.open().await?;
    let admin = read.admin().clone();
    let slots = read
        .series
        .first()
        .map_or(Vec::new(), |series| series.slots.clone());
    if let Some(other) = read.series.iter().find(|series| series.slots != slots) {
        return Err(CliError::Columns(other.net));
    }
    let mut writer = csv::Writer::from_writer(what.begin()?);
    let writing = async {
        writer.write_record(head(&slots))?;
        for index in 0..read.series.len() {
            read.rewind();
            while let Some((series, page)) = read.page(index).await? {
                for round in page.iter().filter_map(|round| round.view(series)) {
                    writer.write_record(record(&slots, &round))?;
                }
            }
        }
        let out = writer
            .into_inner()
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        out.finish()
    };
    what.noted(&admin, "csv", writing).await
}

fn head(slots: &[SlotText]) -> Vec<String> {
    let head = [
        "net",
        "round",
        "start",
        "end",
        "epoch",
        "status",
        "reason",
        "members",
        "contributors",
    ];
    let sums = slots
        .iter()
        .map(|slot| format!("{} [{}]", slot.obis, slot.unit));
    let lists = ["contributor_names", "silent_names", "missing_names"].map(str::to_owned);
    head.map(str::to_owned)
        .into_iter()
        .chain(sums)
        .chain(lists)
        .collect()
}

fn record(slots: &[SlotText], round: &RoundView) -> Vec<String> {
    let head = [
        round.net.clone(),
        round.round.to_string(),
        round.start.clone(),
        round.end.clone(),
        round.epoch.to_string(),
        round.status.to_owned(),
        round.reason.clone().unwrap_or_default(),
        round.members.to_string(),
        round.contributors.len().to_string(),
    ];
    let sums = slots.iter().enumerate().map(|(index, _)| {
        let sum = round.sums.as_ref().and_then(|sums| sums.get(index));
        sum.map(|sum| sum.value.clone()).unwrap_or_default()
    });
    let lists = [&round.contributors, &round.silent, &round.missing].map(|names| names.join(" "));
    head.into_iter().chain(sums).chain(lists).collect()
}

/// A JSON array whose items are written one after the other.
pub(super) struct Items {
    out: Output,
    is_empty: bool,
}

impl Items {
    /// Writes the next item, indented as if the array had been written at once.
    pub(super) fn write(&mut self, item: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(item)?;
        write!(self.out, "{}", if self.is_empty { "[" } else { "," })?;
        self.is_empty = false;
        for line in text.lines() {
            write!(self.out, "\n  {line}")?;
        }
        Ok(())
    }
}

/// One array of what `items` writes of each round.
pub(super) async fn array(
    what: What,
    items: impl Fn(&Series, &FinalRound, &mut Items) -> Result<(), CliError>,
) -> Result<Outcome, CliError> {
    let mut read = what.open().await?;
    let admin = read.admin().clone();
    let mut array = Items {
        out: what.begin()?,
        is_empty: true,
    };
    let writing = async {
        for index in 0..read.series.len() {
            read.rewind();
            while let Some((series, page)) = read.page(index).await? {
                for round in &page {
                    items(series, round, &mut array)?;
                }
            }
        }
        writeln!(array.out, "{}", if array.is_empty { "[]" } else { "\n]" })?;
        array.out.finish()
    };
    what.noted(&admin, "json", writing).await
}
