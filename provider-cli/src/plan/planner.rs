//! From questions and a file to the answer.

use std::collections::BTreeSet;
use std::path::Path;

use dcnet_protocol::parameters::{Net, Sharing};

use super::data::{Data, Row};
use super::game::{self, Adversary, Draw, Played};
use super::population::{Window, cuts};
use super::random::{Purpose, parallel, stream};
use super::recovery::{self, Day, Recovery};
use super::statistics::{self, Estimate, Pairs};
use super::verdict::Verdict;
use super::{
    Bounds, DataView, Membership, Plan, PlanError, Questions, SizeView, Span, Told, WindowView,
};

/// Every so many readings one goes into the limits of histograms.
const SAMPLED: usize = 7;

/// One part in so many of the households is the exposed one.
const EXPOSED: usize = 10;

/// Windows of one span.
struct Prepared {
    view: WindowView,
    whole: Pool,
    /// With covariances that were learned from others.
    halves: Pool,
}

/// Windows, and how far the households in them stand out, ascending.
struct Pool {
    windows: Vec<Window>,
    distances: Vec<f64>,
}

/// Games on windows of one pool.
struct Games {
    training: Vec<Played>,
    played: Vec<Played>,
    /// From this distance on a household is exposed.
    exposed: f64,
}

/// Load data, read and cut into windows.
pub(crate) struct Planner {
    data: DataView,
    spans: Vec<Prepared>,
    days: Vec<Window>,
    bins: Vec<f64>,
    sizes: Vec<u32>,
    questions: Questions,
}

impl Planner {
    /// Reads load data and prepares what `questions` need.
    ///
    /// # Errors
    /// [`PlanError`]: the file cannot be read, or does not hold what is asked about.
    pub(crate) fn new(path: &Path, questions: Questions) -> Result<Self, PlanError> {
        let data = Data::read(path)?;
        let spans: Vec<Span> = match &questions.spans {
            Some(spans) => spans.iter().copied().collect(),
            None if data.days == Span::Week.days() => vec![Span::Day, Span::Week],
            None => vec![Span::Day],
        };
        if spans.iter().any(|span| span.days() > data.days) {
            return Err(PlanError::NoWeek { days: data.days });
        }
        let windows = |span| windows(&data, span, questions.threads);
        let days = windows(Span::Day)?;
        let mut prepared = Vec::new();
        for span in spans {
            let whole = Pool::new(windows(span)?);
            let view = window_view(&data, span, &whole, questions.bounds);
            let cuts = cuts(&data, span.days());
            let halves = parallel(cuts.len(), questions.threads, |number| {
                cuts.get(number).and_then(|cut| Window::halves(&data, *cut))
            });
            prepared.push(Prepared {
                view,
                whole,
                halves: Pool::new(halves.into_iter().flatten().flatten().collect()),
            });
        }
        let households = prepared
            .iter()
            .flat_map(|span| &span.whole.windows)
            .chain(&days)
            .map(|window| window.households)
            .min();
        let households = u32::try_from(households.unwrap_or(0)).unwrap_or(u32::MAX);
        let sizes: Vec<u32> = match &questions.sizes {
            Some(sizes) => sizes.iter().copied().collect(),
            None => ladder(households),
        };
        if let Some(size) = sizes.iter().find(|size| **size > households) {
            return Err(PlanError::Size {
                size: *size,
                households,
            });
        }
        let readings = data.rows.iter().flat_map(|row| &row.readings).flatten();
        let bins = recovery::bins(readings.step_by(SAMPLED).copied().collect());
        Ok(Self {
            data: view(&data),
            spans: prepared,
            days,
            bins,
            sizes,
            questions,
        })
    }

    /// How often `progress` is called by [`Planner::run`].
    pub(crate) fn steps(&self) -> u64 {
        let pools = self
            .spans
            .iter()
            .flat_map(|span| [&span.whole, &span.halves]);
        let pools = pools.filter(|pool| !pool.windows.is_empty()).count();
        (2 * pools as u64 + 1) * u64::from(self.questions.repetitions)
    }

    /// Plays, recovers and computes. `sharing` says which net and sharing follow from a size; `progress` is
    /// called when a step is done.
    pub(crate) fn run(
        &self,
        sharing: impl Fn(u32) -> Option<(Net, Sharing)>,
        progress: &(impl Fn() + Sync),
    ) -> Plan {
        let membership: Vec<Vec<Membership>> = self
            .spans
            .iter()
            .map(|span| self.membership(span, progress))
            .collect();
        let recovery = self.recovery(progress);
        let Questions {
            bounds, failing, ..
        } = self.questions;
        let sizes = self.sizes.iter().zip(recovery).enumerate();
        let sizes: Vec<SizeView> = sizes
            .map(|(index, (size, recovery))| SizeView {
                size: *size,
                membership: membership
                    .iter()
                    .filter_map(|of_span| of_span.get(index).cloned())
                    .collect(),
                recovery,
                corrections: failing.corrections(*size, sharing(*size)),
            })
            .collect();
        let windows: Vec<WindowView> = self.spans.iter().map(|span| span.view.clone()).collect();
        Plan {
            seed: self.questions.seed,
            repetitions: self.questions.repetitions,
            bounds,
            failure_rate: failing.rate,
            loss_permille: failing.loss_permille,
            data: self.data.clone(),
            verdict: Verdict::of(&sizes, &windows, bounds),
            windows,
            sizes,
        }
    }

    fn membership(&self, span: &Prepared, progress: &(impl Fn() + Sync)) -> Vec<Membership> {
        let whole = self.games(&span.whole, progress);
        let halves = self.games(&span.halves, progress);
        let each = self.sizes.iter().enumerate().map(|(index, size)| {
            let judged = Adversary::ALL.into_iter().filter_map(|adversary| {
                let games = match adversary {
                    Adversary::Learned => &halves,
                    _ => &whole,
                };
                games.judge(adversary, index)
            });
            let judged: Vec<(Told, Option<Estimate>)> = judged.collect();
            let best = judged
                .iter()
                .max_by(|(a, _), (b, _)| a.advantage.value.total_cmp(&b.advantage.value));
            let (best, exposed) = match best {
                Some((told, exposed)) => (told.adversary, *exposed),
                None => (Adversary::Covariances, None),
            };
            let by_model = game::expected(&span.whole.distances, f64::from(*size));
            Membership {
                span: span.view.span,
                best,
                exposed,
                adversaries: judged.into_iter().map(|(told, _)| told).collect(),
                by_model: statistics::rounded(by_model),
            }
        });
        each.collect()
    }

    fn games(&self, pool: &Pool, progress: &(impl Fn() + Sync)) -> Games {
        let play = |purpose| {
            self.repeat(purpose, &pool.windows, progress, |draw| {
                game::play(draw, &self.sizes)
            })
        };
        Games {
            training: play(Purpose::Training),
            played: play(Purpose::Game),
            exposed: pool.exposed(),
        }
    }

    fn recovery(&self, progress: &(impl Fn() + Sync)) -> Vec<Recovery> {
        let days = self.repeat(Purpose::Recovery, &self.days, progress, |draw| {
            recovery::recover(draw, &self.sizes, &self.bins)
        });
        let of_size = |index: usize| -> Vec<Day> {
            let of_size = days.iter().filter_map(|days| days.get(index));
            of_size.copied().collect()
        };
        (0..self.sizes.len())
            .map(|index| Recovery::of(&of_size(index), self.questions.seed))
            .collect()
    }

    fn repeat<T: Send>(
        &self,
        purpose: Purpose,
        windows: &[Window],
        progress: &(impl Fn() + Sync),
        work: impl Fn(Draw<'_>) -> T + Sync,
    ) -> Vec<T> {
        let Questions {
            repetitions,
            seed,
            threads,
            ..
        } = self.questions;
        if windows.is_empty() {
            return Vec::new();
        }
        let results = parallel(repetitions as usize, threads, |number| {
            let rng = stream(seed, purpose, number as u64);
            let result = Draw::new(windows, rng).map(&work);
            progress();
            result
        });
        results.into_iter().flatten().collect()
    }
}

impl Pool {
    fn new(windows: Vec<Window>) -> Self {
        let each = windows
            .iter()
            .flat_map(|window| (0..window.households).map(|household| window.distance(household)));
        let mut distances: Vec<f64> = each.collect();
        distances.sort_by(f64::total_cmp);
        Self { windows, distances }
    }

    /// The distance of the least exposed of those who stand out most.
    fn exposed(&self) -> f64 {
        let most = self.distances.len() / EXPOSED;
        let first = self.distances.iter().rev().nth(most);
        first.copied().unwrap_or(f64::INFINITY)
    }
}

impl Games {
    /// What `adversary` achieved in nets of the size `index`, and against exposed households.
    fn judge(&self, adversary: Adversary, index: usize) -> Option<(Told, Option<Estimate>)> {
        let scores = |game: &Played| -> Option<(f64, f64)> {
            game.scores.get(index)?.get(adversary.column()).copied()
        };
        let limit = game::limit(self.training.iter().filter_map(scores));
        let pairs = game::judge(self.played.iter().filter_map(scores), limit);
        let exposed = self.played.iter();
        let exposed = exposed.filter(|game| game.distance >= self.exposed);
        let exposed = game::judge(exposed.filter_map(scores), limit);
        Some((told(adversary, pairs)?, exposed.difference()))
    }
}

fn told(adversary: Adversary, pairs: Pairs) -> Option<Told> {
    let advantage = pairs.difference()?;
    let half = |value: f64| statistics::rounded(f64::midpoint(1.0, value));
    let games = pairs.both + pairs.first + pairs.second + pairs.neither;
    Some(Told {
        adversary,
        advantage,
        accuracy: Estimate {
            value: half(advantage.value),
            low: half(advantage.low),
            high: half(advantage.high),
        },
        in_with: statistics::rate(pairs.both + pairs.first, games),
        in_without: statistics::rate(pairs.both + pairs.second, games),
    })
}

fn windows(data: &Data, span: Span, threads: usize) -> Result<Vec<Window>, PlanError> {
    let cuts = cuts(data, span.days());
    let windows = parallel(cuts.len(), threads, |number| {
        cuts.get(number).and_then(|cut| Window::new(data, *cut))
    });
    let windows: Vec<Window> = windows.into_iter().flatten().collect();
    if windows.is_empty() {
        return Err(PlanError::TooFew(span));
    }
    Ok(windows)
}

fn window_view(data: &Data, span: Span, pool: &Pool, bounds: Bounds) -> WindowView {
    let Pool { windows, distances } = pool;
    let used = windows.iter().map(|window| window.households).sum();
    let all = data.rows.len() * (data.days / span.days());
    let middle = distances.get(distances.len() / 2).copied();
    WindowView {
        span,
        windows: windows.len(),
        used,
        left_out: all.saturating_sub(used),
        median_distance: statistics::rounded(middle.unwrap_or(0.0)),
        size_by_model: game::size_for(distances, bounds.advantage),
    }
}

fn view(data: &Data) -> DataView {
    let of = |name: fn(&Row) -> &str| data.rows.iter().map(name).collect::<BTreeSet<_>>();
    let readings = || {
        let cells = data.rows.iter().flat_map(|row| &row.readings);
        cells.filter_map(|reading| *reading)
    };
    DataView {
        households: of(|row| &row.household).len(),
        weeks: of(|row| &row.week).len(),
        days_a_row: data.days,
        readings: readings().count(),
        missing: data.missing(),
        lowest: readings().fold(f64::INFINITY, f64::min),
        highest: readings().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// 2, 5, 10, 20, 50, … up to `most`.
pub(super) fn ladder(most: u32) -> Vec<u32> {
    let decades = (0..).map_while(|power| 10_u32.checked_pow(power));
    let steps = decades.flat_map(|ten| [1, 2, 5].map(|step| ten.checked_mul(step)));
    let steps = steps.flatten().skip(1);
    steps.take_while(|size| *size <= most).collect()
}
