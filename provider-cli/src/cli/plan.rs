//! `dcnet plan`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::progress::Progress;
use super::{CliError, JsonArg, Outcome, net, output};
use crate::files::{self, Access, CreateFileError};
use crate::plan::{Adversary, Bounds, Estimate, Failing, Planner, Questions, SizeView, Span, html};

/// Members that are taken to be corrupt where neighbours follow from the size, as `dcnet net create` does.
const CORRUPT_PERMILLE: u16 = 50;

/// Repetitions with `--quick`.
const QUICK: u32 = 200;

const AFTER_HELP: &str = "\
The file has one line for each household and week, with the header household,week,q001,q002,…
and kWh per quarter-hour: 672 for a week, or 96 for each of fewer days. An empty field is a
reading that is missing. The household is then left out of that day and week, never taken for 0.

Adversaries, of which the best one counts:
  correlation  of the household's curve with the sum
  deviation    of its deviation from the mean with that of the sum
  variances    likelihood ratio with means and variances of the population
  covariances  the same with covariances of the very households of which nets are drawn; of few
               households (fewer than 200) that is more than anybody knows
  learned      the same with covariances that were learned from the other half of them

Exposed tenth: the advantage against the tenth of the households that stands out most.
If normal: the advantage that normal sums would give; computed, not measured.

Examples:
  dcnet plan households.csv.gz --report net-size.html
  dcnet plan households.csv --sizes 50,100,150 --windows week --repetitions 10000
  dcnet plan households.csv --failure 0.01 --max-loss 100 --quick
  dcnet plan households.csv --json | jq .verdict";

/// Load data, and what is to be small enough.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Plan {
    /// Load data of households, CSV, plain or in gzip.
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Members of nets that are tried [default: 2,5,10,20,50,… up to the households in the data].
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    sizes: Vec<u32>,
    /// How long the adversary sees sums [default: day, and week if rows are weeks].
    #[arg(long, value_enum, value_name = "SPAN", value_delimiter = ',')]
    windows: Vec<Window>,
    /// Nets that are drawn for each number; before that as many for the adversary to learn from.
    #[arg(long, value_name = "NUMBER", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    repetitions: u32,
    /// Fewer repetitions, 200: for a first look.
    #[arg(long, conflicts_with = "repetitions")]
    quick: bool,
    /// Where the randomness begins.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Threads; the numbers do not depend on it.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// A net is large enough if the best adversary's advantage is below this, the interval included.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = share)]
    max_advantage: f64,
    /// And if regression recovers no more than this of the variance of a household's day.
    #[arg(long, value_name = "SHARE", default_value = "0.02", value_parser = share)]
    max_recovered: f64,
    /// Probability that a member is missing in a round, each for itself.
    #[arg(long, value_name = "SHARE", default_value = "0.001", value_parser = share)]
    failure: f64,
    /// Members that may be missing in one round, in thousandths, as of `dcnet net create`.
    #[arg(long, value_name = "PERMILLE", default_value_t = 50, value_parser = clap::value_parser!(u16).range(..1000))]
    max_loss: u16,
    /// File for a report with charts, HTML; never overwritten.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Window {
    /// 96 sums.
    Day,
    /// 672 sums.
    Week,
}

impl From<Window> for Span {
    fn from(window: Window) -> Self {
        match window {
            Window::Day => Self::Day,
            Window::Week => Self::Week,
        }
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "write a number from 0 to 1, like 0.05".to_owned())?;
    (0.0..=1.0)
        .contains(&value)
        .then_some(value)
        .ok_or_else(|| "it must be from 0 to 1".to_owned())
}

impl Plan {
    pub(super) fn run(&self) -> Result<Outcome, CliError> {
        if let Some(path) = &self.report {
            refuse_taken(path)?;
        }
        let questions = Questions {
            sizes: some(self.sizes.iter().copied().collect()),
            spans: some(self.windows.iter().copied().map(Span::from).collect()),
            repetitions: if self.quick { QUICK } else { self.repetitions },
            seed: self.seed,
            threads: self.threads.into(),
            bounds: Bounds {
                advantage: self.max_advantage,
                recovered: self.max_recovered,
            },
            failing: Failing {
                rate: self.failure,
                loss_permille: self.max_loss,
            },
        };
        let progress = Progress::bar("reading");
        let planner = Planner::new(&self.data, questions)?;
        progress.steps(planner.steps());
        progress.at("playing");
        let sharing = |size| net::of_members(size, self.max_loss, CORRUPT_PERMILLE);
        let plan = planner.run(sharing, &|| progress.more(1));
        progress.end();
        if let Some(path) = &self.report {
            files::create(path, html(&plan).as_bytes(), Access::Everybody)?;
        }
        if self.json.json {
            output::json(&plan)?;
        } else {
            print(&plan)?;
        }
        Ok(Outcome::Done)
    }
}

/// Said before a minute of work, not after it.
fn refuse_taken(path: &Path) -> Result<(), CreateFileError> {
    match path.symlink_metadata() {
        Ok(_) => Err(CreateFileError::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

fn some<T>(set: BTreeSet<T>) -> Option<BTreeSet<T>> {
    (!set.is_empty()).then_some(set)
}

fn print(plan: &crate::plan::Plan) -> Result<(), CliError> {
    let data = &plan.data;
    output::pairs(&[
        ("households", data.households.to_string()),
        ("weeks", data.weeks.to_string()),
        (
            "readings",
            format!(
                "{}, {} missing; {} to {} kWh",
                data.readings, data.missing, data.lowest, data.highest
            ),
        ),
        ("repetitions", plan.repetitions.to_string()),
        ("seed", plan.seed.to_string()),
    ])?;
    for window in &plan.windows {
        output::text(&format!(
            "\nIs a household in the net? From the sums of a {} ({} households and windows, {} left out)",
            window.span.text(),
            window.used,
            window.left_out
        ))?;
        let rows = plan.sizes.iter().filter_map(|size| {
            let mut each = size.membership.iter();
            let row = each.find(|row| row.span == window.span)?;
            let best = row.best()?;
            Some([
                size.size.to_string(),
                interval(Some(best.advantage)),
                row.best.text().to_owned(),
                interval(row.advantage(Adversary::Learned)),
                interval(row.exposed),
                format!("{:.3}", row.by_model),
            ])
        });
        let head = [
            "members",
            "advantage",
            "adversary",
            "learned",
            "exposed tenth",
            "if normal",
        ];
        output::table(head, rows)?;
    }
    print_recovery(&plan.sizes)?;
    print_corrections(plan)?;
    output::text(&format!("\n{}", plan.verdict.reason))
}

fn print_recovery(sizes: &[SizeView]) -> Result<(), CliError> {
    output::text("\nWhat of a household's day is in the sum? (in parentheses: by chance)")?;
    let rows = sizes.iter().map(|size| {
        let found = &size.recovery;
        let edges = &found.edges;
        [
            size.size.to_string(),
            interval(found.explained),
            beside(found.correlation, found.correlation_chance),
            beside(found.entropy, found.entropy_mean),
            beside(edges.precision, edges.precision_chance),
            beside(edges.recall, edges.recall_chance),
        ]
    });
    let head = [
        "members",
        "recovered",
        "correlation",
        "entropy, bits",
        "edges: precision",
        "recall",
    ];
    output::table(head, rows)
}

fn print_corrections(plan: &crate::plan::Plan) -> Result<(), CliError> {
    output::text(&format!(
        "\nHow often is there something to correct? (missing with {}, up to {} of 1000, 96 rounds a day)",
        plan.failure_rate, plan.loss_permille
    ))?;
    let rows = plan.sizes.iter().map(|size| {
        let found = &size.corrections;
        let sharing = found.degree.zip(found.threshold);
        let sharing = sharing.map(|(degree, threshold)| format!("{threshold} of {degree}"));
        [
            size.size.to_string(),
            found.tolerated.to_string(),
            format!("{:.2}", found.corrected_a_day),
            format!("{:.4}", found.failed_a_day),
            sharing.unwrap_or_else(|| "-".to_owned()),
            found
                .bearable
                .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.6}")),
        ]
    });
    let head = [
        "members",
        "may be missing",
        "corrected a day",
        "without sum a day",
        "shares",
        "bearable rate",
    ];
    output::table(head, rows)
}

fn interval(value: Option<Estimate>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |Estimate { value, low, high }| format!("{value:.3} [{low:.3}, {high:.3}]"),
    )
}

/// A number, its interval, and what it would be by chance.
fn beside(value: Option<Estimate>, chance: Option<Estimate>) -> String {
    let chance = chance.map_or_else(|| "-".to_owned(), |chance| format!("{:.3}", chance.value));
    format!("{} ({chance})", interval(value))
}
