//! `dcnet export`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use dcnet_protocol::names::NetId;

use super::round::RangeArgs;
use super::{CliError, Outcome, StoreArg};
use crate::export::openmetrics::{self, Family};
use crate::export::parquet::Rows;
use crate::export::{Format, PAGE, Value, values};
use crate::files::Pending;
use crate::service::audit_trail::Action;
use crate::service::{Admin, AdminError, FinalRound, RoundView, Series};

mod mscons;
mod run;
mod wide;

/// Sums for other programs. Energy is written as exact decimals, never as floating-point numbers.
#[derive(Debug, Subcommand)]
pub(super) enum Export {
    /// One line per round, one column per slot; or one line per value.
    ///
    /// Columns: net, round, start, end, epoch, status, reason, members, contributors (their
    /// number), then one per slot named after its OBIS code and unit, then the names of
    /// contributors, silent and missing members, separated by spaces. A failed round has empty
    /// sums: a missing value is never 0.
    ///
    /// With --values one line for each slot of each round, in the columns net, region, obis, unit,
    /// scale, round, start, end, value, contributors, members, quality, reason.
    #[command(
        after_help = "Examples:\n  dcnet export csv elbe-4 --from 2026-11-01T00:00:00Z --out november.csv\n  \
                      dcnet export csv --values elbe-4 elbe-5 --out all.csv"
    )]
    Csv(Wide),
    /// One array of rounds, or of values; sums are strings, since JSON's numbers are not exact
    /// everywhere.
    #[command(
        after_help = "Examples:\n  dcnet export json elbe-4 | jq '.[].sums'\n  \
                      dcnet export json --values elbe-4 | jq '.[] | select(.quality == \"failed\")'"
    )]
    Json(Wide),
    /// One JSON object per value and line.
    #[command(after_help = "Example:\n  dcnet export jsonl elbe-4 elbe-5 | jq -r .value")]
    Jsonl(What),
    /// Parquet: decimals as DECIMAL, times as TIMESTAMP in UTC, compressed with Snappy.
    #[command(
        after_help = "Example:\n  dcnet export parquet elbe-4 --out elbe-4.parquet\n  \
                      duckdb -c \"SELECT obis, sum(value) FROM 'elbe-4.parquet' GROUP BY obis\""
    )]
    Parquet(What),
    /// InfluxDB line protocol: measurement `dcnet`, integers only, times in nanoseconds.
    ///
    /// The field `value` counts in units of ten to the power of the tag `scale`. A failed round has
    /// no such field.
    #[command(after_help = "Example:\n  dcnet export influx elbe-4 | \
                      curl --data-binary @- 'http://localhost:8086/write?db=grid'")]
    Influx(What),
    /// OpenMetrics text with times, for `promtool tsdb create-blocks-from openmetrics`.
    ///
    /// Gauges `dcnet_round_value`, `dcnet_round_contributors`, `dcnet_round_members` and
    /// `dcnet_round_failed`, each at the start of its round. Prometheus itself computes with floating-point numbers.
    #[command(
        after_help = "Example:\n  dcnet export openmetrics elbe-4 --out elbe-4.om\n  \
                      promtool tsdb create-blocks-from openmetrics elbe-4.om data"
    )]
    Openmetrics(What),
    /// EDIFACT MSCONS 2.5, for licensed roles of the German energy market.
    Mscons(mscons::Mscons),
    /// Follow the nets, and keep targets up to date.
    Run(run::Run),
    /// Show how far each exporter is.
    Status(run::Status),
}

#[derive(Debug, Args)]
pub(super) struct What {
    /// Names of the nets.
    #[arg(value_name = "NET", required = true)]
    nets: Vec<NetId>,
    #[command(flatten)]
    range: RangeArgs,
    /// File to write [default: standard output]; never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
}

#[derive(Debug, Args)]
pub(super) struct Wide {
    #[command(flatten)]
    what: What,
    /// Write values, as the other formats do, instead of rounds.
    #[arg(long)]
    values: bool,
}

impl Export {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::Csv(wide) if wide.values => lines(wide.what, Format::Csv).await,
            Self::Csv(wide) => wide::csv(wide.what).await,
            Self::Json(wide) if wide.values => {
                wide::array(wide.what, |series, round, items| {
                    let values = values(series, round);
                    values
                        .iter()
                        .try_for_each(|value| items.write(&value.line()))
                })
                .await
            }
            Self::Json(wide) => {
                wide::array(wide.what, |series, round, items| {
                    let view: Option<RoundView> = round.view(series);
                    view.iter().try_for_each(|view| items.write(view))
                })
                .await
            }
            Self::Jsonl(what) => lines(what, Format::Jsonl).await,
            Self::Influx(what) => lines(what, Format::Influx).await,
            Self::Parquet(what) => parquet(what).await,
            Self::Openmetrics(what) => open_metrics(what).await,
            Self::Mscons(mscons) => mscons.run().await,
            Self::Run(run) => run.run().await,
            Self::Status(status) => status.run().await,
        }
    }
}

async fn lines(what: What, format: Format) -> Result<Outcome, CliError> {
    let name = match format {
        Format::Csv => "csv --values",
        Format::Jsonl => "jsonl",
        Format::Influx => "influx",
    };
    let mut read = Reading::open(&what, name).await?;
    let mut out = Output::begin(what.out)?;
    format.begin(&mut out)?;
    for index in 0..read.series.len() {
        read.rewind();
        while let Some((series, page)) = read.page(index).await? {
            let values: Vec<Value> = page
                .iter()
                .flat_map(|round| values(series, round))
                .collect();
            format.write(&values, &mut out)?;
        }
    }
    out.finish()
}

async fn parquet(what: What) -> Result<Outcome, CliError> {
    let mut read = Reading::open(&what, "parquet").await?;
    let out = Output::begin(what.out)?;
    let slots = read.series.iter().flat_map(|series| &series.slots);
    let mut rows = Rows::begin(out, slots.map(|slot| slot.scale))?;
    for index in 0..read.series.len() {
        read.rewind();
        while let Some((series, page)) = read.page(index).await? {
            let values: Vec<Value> = page
                .iter()
                .flat_map(|round| values(series, round))
                .collect();
            rows.write(&values)?;
        }
    }
    rows.finish()?.finish()
}

async fn open_metrics(what: What) -> Result<Outcome, CliError> {
    let mut read = Reading::open(&what, "openmetrics").await?;
    let mut out = Output::begin(what.out)?;
    for family in Family::ALL {
        family.begin(&mut out)?;
        for index in 0..read.series.len() {
            let slots = read
                .series
                .get(index)
                .map_or(0, |series| series.slots.len());
            for slot in 0..if family.is_per_slot() { slots } else { 1 } {
                read.rewind();
                while let Some((series, page)) = read.page(index).await? {
                    for round in page {
                        if let Some(value) = values(series, &round).get(slot) {
                            family.write(value, &mut out)?;
                        }
                    }
                }
            }
        }
    }
    openmetrics::end(&mut out)?;
    out.finish()
}

/// The rounds of some nets, page by page.
struct Reading {
    admin: Admin,
    range: RangeArgs,
    series: Vec<Series>,
    /// The next round of the net that is being read; none at its beginning.
    next: Option<u64>,
}

impl Reading {
    /// All nets are there before anything is written; `format` is how the audit trail names it.
    async fn open(what: &What, format: &str) -> Result<Self, CliError> {
        let admin = Admin::open(&what.store.store).await?;
        let mut series = Vec::new();
        for net in &what.nets {
            series.push(admin.series(*net).await?);
        }
        for net in &what.nets {
            let to = what.out.as_ref().map(|path| path.display().to_string());
            let to = to.unwrap_or_else(|| "standard output".to_owned());
            admin
                .note(Action::Exported, Some(*net), &format!("{format} to {to}"))
                .await
                .map_err(AdminError::from)?;
        }
        Ok(Self {
            admin,
            range: what.range,
            series,
            next: None,
        })
    }

    /// From the beginning of the range.
    const fn rewind(&mut self) {
        self.next = None;
    }

    /// The next rounds of one of the nets; none when there are no more.
    async fn page(&mut self, index: usize) -> Result<Option<(&Series, Vec<FinalRound>)>, CliError> {
        let Some(series) = self.series.get(index) else {
            return Ok(None);
        };
        let last = self.range.to.map(|to| series.last_before(to));
        if last == Some(None) {
            return Ok(None);
        }
        let from = self
            .next
            .unwrap_or_else(|| self.range.from.map_or(0, |from| series.first_from(from)));
        let page = self
            .admin
            .final_rounds(series, from, last.flatten(), PAGE)
            .await?;
        let Some(newest) = page.last() else {
            return Ok(None);
        };
        self.next = Some(newest.round.saturating_add(1));
        Ok(Some((series, page)))
    }
}

/// Standard output, or a file that is there when all of it is.
enum Output {
    Stdout(io::BufWriter<io::Stdout>),
    File(io::BufWriter<Pending>),
}

impl Output {
    fn begin(path: Option<PathBuf>) -> Result<Self, CliError> {
        Ok(match path {
            None => Self::Stdout(io::BufWriter::new(io::stdout())),
            Some(path) => Self::File(io::BufWriter::new(Pending::begin(&path)?)),
        })
    }

    fn finish(mut self) -> Result<Outcome, CliError> {
        self.flush()?;
        if let Self::File(file) = self {
            let pending = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            pending.finish()?;
        }
        Ok(Outcome::Done)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}
