//! `dcnet export`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use dcnet_protocol::names::NetId;

use super::progress::Progress;
use super::round::RangeArgs;
use super::{CliError, Outcome, StoreArg};
use crate::export::{FileFormat, Format, Pieces, Range, Reading, values};
use crate::files::Pending;
use crate::service::audit_trail::Actor;
use crate::service::{Admin, AdminError, RoundView};

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
    /// Gauges `dcnet_round_value`, `dcnet_round_contributors`, `dcnet_round_members`, `dcnet_round_failed`,
    /// `dcnet_round_corrected` and `dcnet_round_end`, each at the start of its round. Prometheus itself computes with
    /// floating-point numbers.
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
            Self::Csv(wide) if wide.values => {
                whole(wide.what, FileFormat::Lines(Format::Csv)).await
            }
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
            Self::Jsonl(what) => whole(what, FileFormat::Lines(Format::Jsonl)).await,
            Self::Influx(what) => whole(what, FileFormat::Lines(Format::Influx)).await,
            Self::Parquet(what) => whole(what, FileFormat::Parquet).await,
            Self::Openmetrics(what) => whole(what, FileFormat::OpenMetrics).await,
            Self::Mscons(mscons) => mscons.run().await,
            Self::Run(run) => run.run().await,
            Self::Status(status) => status.run().await,
        }
    }
}

/// One file, in whatever pieces it is made.
async fn whole(what: What, format: FileFormat) -> Result<Outcome, CliError> {
    let reading = what.open().await?;
    let admin = reading.admin().clone();
    let mut pieces = Pieces::begin(format, reading)?;
    let mut out = what.begin()?;
    let writing = async {
        while let Some(piece) = pieces.next().await? {
            out.write_all(&piece)?;
        }
        out.finish()
    };
    what.noted(&admin, format.word(), writing).await
}

impl What {
    /// All nets are there before anything is written.
    async fn open(&self) -> Result<Reading, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let RangeArgs { from, to } = self.range;
        Ok(Reading::open(admin, &self.nets, Range { from, to }).await?)
    }

    /// Where it goes. What is in the way there is found before anything is said of sums that leave.
    fn begin(&self) -> Result<Output, CliError> {
        Output::begin(self.out.clone())
    }

    /// Has it written by `writing`, when the audit trail has that it is about to leave; if it breaks off,
    /// the trail has that, too. `format` is how the trail names it.
    async fn noted(
        &self,
        admin: &Admin,
        format: &str,
        writing: impl Future<Output = Result<Outcome, CliError>>,
    ) -> Result<Outcome, CliError> {
        let to = self.out.as_ref().map(|path| path.display().to_string());
        let to = to.unwrap_or_else(|| "standard output".to_owned());
        let detail = format!("{format} to {to}");
        let leaving = admin.note_leaving(Actor::console(), &self.nets, detail);
        let leaving = leaving.await.map_err(AdminError::from)?;
        let written = writing.await;
        if let Err(error) = &written
            && let Err(unnoted) = leaving.broke_off(&error.to_string()).await
        {
            // What matters more is why it broke off.
            eprintln!(
                "dcnet: the audit trail does not have it that the export broke off: {unnoted}"
            );
        }
        written
    }
}

/// Standard output, or a file that is there when all of it is.
enum Output {
    Stdout(io::BufWriter<io::Stdout>),
    File(io::BufWriter<Pending>, Progress),
}

impl Output {
    fn begin(path: Option<PathBuf>) -> Result<Self, CliError> {
        Ok(match path {
            None => Self::Stdout(io::BufWriter::new(io::stdout())),
            Some(path) => {
                let file = io::BufWriter::new(Pending::begin(&path)?);
                Self::File(file, Progress::bytes())
            }
        })
    }

    fn finish(mut self) -> Result<Outcome, CliError> {
        self.flush()?;
        if let Self::File(file, progress) = self {
            let pending = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            pending.finish()?;
            progress.end();
        }
        Ok(Outcome::Done)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out, progress) => {
                let written = out.write(bytes)?;
                progress.more(u64::try_from(written).unwrap_or(0));
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out, _) => out.flush(),
        }
    }
}
