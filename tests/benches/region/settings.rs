//! What is measured: sizes, rounds, ways of correction, stores.

use std::path::PathBuf;

/// How a net corrects, as in its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    DoubleMask,
    Resend,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::DoubleMask => "double-mask",
            Self::Resend => "resend",
        }
    }
}

/// The engine below a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// The lengths of a round, in seconds. They are as short as the size allows: what does not depend on
/// them is what a round costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) interval: u32,
    pub(crate) submit: u32,
    pub(crate) correction: u32,
    /// Rounds from one border of an epoch to the next.
    pub(crate) epoch: u32,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) size: usize,
    pub(crate) mode: Mode,
    pub(crate) engine: Engine,
    pub(crate) rounds: u64,
}

/// What the environment asks for.
pub(crate) struct Settings {
    pub(crate) runs: Vec<Run>,
    /// Members of a net.
    pub(crate) net: usize,
    /// Requests that are on their way at a time.
    pub(crate) in_flight: usize,
    /// Members out of a million without a frame in a round.
    pub(crate) missing: u64,
    /// Gateways on real connections; none leaves that part out.
    pub(crate) tls: usize,
    pub(crate) tls_rounds: u64,
    /// Stretches the windows, for a slow or busy machine, in percent.
    pace: u64,
    /// Seconds to submit, to correct and to mask before the next border, instead of what follows from it.
    windows: Option<[u32; 3]>,
    epoch: u32,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    /// Reports of earlier runs, which the chart shows as well.
    pub(crate) beside: Vec<PathBuf>,
}

impl Settings {
    pub(crate) fn read() -> Self {
        let sizes = list("DCNET_REGION_SIZES", &[1_000, 10_000, 100_000, 1_000_000]);
        let rounds = std::env::var("DCNET_REGION_ROUNDS").ok();
        let rounds: Option<u64> = rounds.map(|text| text.parse().expect("DCNET_REGION_ROUNDS"));
        let most = number("DCNET_REGION_DOUBLE_MASK_MOST", 1_000_000);
        let postgres_most = number("DCNET_REGION_POSTGRES_MOST", 10_000);
        let has_postgres = std::env::var_os("DCNET_POSTGRES").is_some();
        let smallest = sizes.iter().min().copied().unwrap_or_default();
        let largest = sizes.iter().max().copied().unwrap_or_default();
        let mut runs = Vec::new();
        for &size in &sizes {
            let default = |most: u64| match size {
                ..=1_000 => most,
                1_001..=10_000 => 4,
                _ => 2,
            };
            let mut add = |mode, engine, most| {
                runs.push(Run {
                    size,
                    mode,
                    engine,
                    rounds: rounds.unwrap_or_else(|| default(most)),
                });
            };
            if size <= most {
                // A day of quarter hours.
                add(Mode::DoubleMask, Engine::Sqlite, 96);
            }
            // What is too large for double masks has a smallest size to be compared with.
            if size > most || size == smallest && largest > most {
                add(Mode::Resend, Engine::Sqlite, 8);
            }
            if has_postgres && size <= postgres_most {
                add(Mode::DoubleMask, Engine::Postgres, 8);
            }
        }
        Self {
            runs,
            net: number("DCNET_REGION_NET", 1_000),
            in_flight: number("DCNET_REGION_IN_FLIGHT", 512),
            missing: number("DCNET_REGION_MISSING_PER_MILLION", 1_000) as u64,
            tls: number(
                "DCNET_REGION_TLS",
                if smallest == largest { 100 } else { 1_000 },
            ),
            tls_rounds: number("DCNET_REGION_TLS_ROUNDS", 3) as u64,
            pace: number("DCNET_REGION_PACE", 100) as u64,
            windows: windows(),
            epoch: u32::try_from(number("DCNET_REGION_EPOCH_ROUNDS", 96)).unwrap(),
            folder: std::env::var_os("DCNET_REGION_DIR").map(PathBuf::from),
            json: std::env::var_os("DCNET_REGION_JSON").map(PathBuf::from),
            svg: std::env::var_os("DCNET_REGION_SVG").map(PathBuf::from),
            beside: std::env::var_os("DCNET_REGION_BESIDE")
                .iter()
                .flat_map(std::env::split_paths)
                .collect(),
        }
    }

    /// Windows that a run of this size keeps on two cores, and in which its frames can be masked before.
    pub(crate) fn pace(&self, run: &Run) -> Pace {
        // Microseconds that are allowed for each gateway.
        let (mask, submit, answers) = match run.mode {
            Mode::DoubleMask => (250, 400, 700),
            Mode::Resend => (60, 300, 200),
        };
        let slower = if run.engine == Engine::Postgres { 3 } else { 1 };
        let seconds = |micros: u64| {
            let micros = micros * run.size as u64 * slower * self.pace / 100;
            u32::try_from(micros.div_ceil(1_000_000).max(1)).unwrap()
        };
        let [submit, correction, mask] = self.windows.unwrap_or_else(|| {
            let [submit, answers, mask] = [submit, answers, mask].map(seconds);
            // Pads are awaited for a quarter of it, and a disk may need longer than that of a second.
            [submit, answers.max(4), mask]
        });
        Pace {
            interval: submit + correction + mask,
            submit,
            correction,
            epoch: self.epoch,
        }
    }

    /// The same for gateways that make a connection each round.
    pub(crate) fn tls_pace(&self) -> Pace {
        let seconds = |micros: u64| {
            let micros = micros * self.tls as u64 * self.pace / 100;
            u32::try_from(micros.div_ceil(1_000_000).max(2)).unwrap()
        };
        let (submit, correction) = (seconds(8_000), seconds(4_000));
        Pace {
            interval: submit + correction + seconds(1_000),
            submit,
            correction,
            epoch: self.epoch,
        }
    }

    /// Seconds until the provider runs on the seeded state.
    pub(crate) fn lead(&self, size: usize) -> u64 {
        let default = 3 + size as u64 * 300 * self.pace / 100 / 1_000_000;
        number(
            "DCNET_REGION_LEAD_SECONDS",
            usize::try_from(default).unwrap(),
        ) as u64
    }
}

fn windows() -> Option<[u32; 3]> {
    let name = "DCNET_REGION_WINDOWS";
    std::env::var_os(name)?;
    let seconds = list(name, &[]);
    let seconds = seconds
        .into_iter()
        .map(|seconds| u32::try_from(seconds).expect(name));
    let seconds: Vec<u32> = seconds.collect();
    Some(seconds.try_into().expect(name))
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect(name))
}

fn list(name: &str, default: &[usize]) -> Vec<usize> {
    let Ok(text) = std::env::var(name) else {
        return default.to_vec();
    };
    text.split(',')
        .filter(|size| !size.is_empty())
        .map(|size| size.trim().parse().expect(name))
        .collect()
}
