//! What was measured, as a table and as JSON, and how many gateways follow from it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::course::Course;
use crate::driver::RoundTimes;
use crate::epochs::Epochs;
use crate::settings::{Engine, Mode, Run};
use crate::tls::Https;
use crate::world::Region;

/// What the question is about.
const CORES: u64 = 2;
const INTERVAL_SECONDS: u64 = 900;
/// Both windows of a net that is created without saying otherwise: all work falls into them.
const WINDOWS_SECONDS: u64 = 120;
/// Of the cores this part is planned with, in percent.
const SAFETY: u64 = 70;

/// A line of the table.
pub(crate) struct Measured {
    pub(crate) run: Run,
    pub(crate) degree: u16,
    nets: usize,
    corrected: usize,
    /// Medians and extremes over all rounds.
    pub(crate) frames_per_second: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) close: Duration,
    pub(crate) slowest_close: Duration,
    /// The driver's, most of all rounds: windows that are to be kept leave time for it.
    masking: Duration,
    /// Of the provider for each gateway and round, in nanoseconds.
    pub(crate) cpu: u64,
    /// Of PostgreSQL's processes, the same.
    pub(crate) database: u64,
    resident: u64,
    pub(crate) peak: u64,
    restored: Duration,
    seeded: u64,
    after: u64,
    journal: u64,
    course: Course,
}

impl Measured {
    pub(crate) fn new(run: Run, region: &Region, rounds: Vec<RoundTimes>) -> Self {
        let rate = |round: &RoundTimes| {
            let micros = u64::try_from(round.intake.as_micros()).unwrap().max(1);
            round.frames as u64 * 1_000_000 / micros
        };
        let mut closes: Vec<Duration> = rounds.iter().map(|round| round.close).collect();
        closes.sort_unstable();
        let mut rates: Vec<u64> = rounds.iter().map(rate).collect();
        rates.sort_unstable();
        let masking = rounds.iter().map(|round| round.masking).max();
        let corrected = rounds.iter().map(|round| round.corrected).sum();
        let mut latencies: Vec<u32> = rounds
            .into_iter()
            .flat_map(|round| round.latencies)
            .collect();
        latencies.sort_unstable();
        let share = |part: usize| u64::from(latencies[latencies.len() * part / 100]);
        Self {
            run,
            degree: region.degree,
            nets: region.nets.len(),
            corrected,
            frames_per_second: rates[rates.len() / 2],
            p50: share(50),
            p99: share(99),
            close: closes[closes.len() / 2],
            slowest_close: closes[closes.len() - 1],
            masking: masking.unwrap_or_default(),
            cpu: 0,
            database: 0,
            resident: 0,
            peak: 0,
            restored: Duration::ZERO,
            seeded: 0,
            after: 0,
            journal: 0,
            course: Course::default(),
        }
    }

    /// Processor time of the provider and of the database in microseconds, memory in bytes.
    pub(crate) fn with_costs(
        self,
        (cpu, database): (u64, u64),
        (resident, peak): (u64, u64),
        restored: Duration,
    ) -> Self {
        let each = |micros: u64| micros * 1_000 / (self.run.size as u64 * self.run.rounds);
        Self {
            cpu: each(cpu),
            database: each(database),
            resident,
            peak,
            restored,
            ..self
        }
    }

    pub(crate) fn with_disk(self, seeded: u64, after: u64, journal: u64) -> Self {
        Self {
            seeded,
            after,
            journal,
            ..self
        }
    }

    pub(crate) fn with_course(self, course: Course) -> Self {
        Self { course, ..self }
    }

    fn per_gateway(&self, bytes: u64) -> u64 {
        bytes / self.run.size as u64
    }

    fn line(&self) -> String {
        format!(
            "{:>8} {:<11} {:<10} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
            self.run.size,
            self.run.mode.as_str(),
            self.run.engine.as_str(),
            self.run.rounds,
            self.frames_per_second,
            millis(self.p50),
            millis(self.p99),
            self.close.as_millis(),
            self.slowest_close.as_millis(),
            tenths(self.cpu / 100),
            tenths(self.database / 100),
            self.per_gateway(self.peak),
            self.per_gateway(self.seeded),
            self.per_round(self.after.saturating_sub(self.seeded)),
            self.per_round(self.journal),
        )
    }

    /// For each gateway and round.
    fn per_round(&self, bytes: u64) -> u64 {
        bytes / (self.run.size as u64 * self.run.rounds)
    }

    fn json(&self) -> Value {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap();
        json!({
            "gateways": self.run.size,
            "nets": self.nets,
            "correction": self.run.mode.as_str(),
            "degree": self.degree,
            "store": self.run.engine.as_str(),
            "rounds": self.run.rounds,
            "rounds_of_nets_corrected": self.corrected,
            "frames_per_second": self.frames_per_second,
            "intake_p50_us": self.p50,
            "intake_p99_us": self.p99,
            "close_median_us": micros(self.close),
            "close_most_us": micros(self.slowest_close),
            "cpu_ns_per_gateway_and_round": self.cpu,
            "database_cpu_ns_per_gateway_and_round": self.database,
            "driver_masking_us": micros(self.masking),
            "restore_us": micros(self.restored),
            "resident_restored_bytes": self.resident,
            "resident_most_bytes": self.peak,
            "disk_seeded_bytes": self.seeded,
            "disk_after_bytes": self.after,
            "journal_bytes": self.journal,
            "each_round": self.course.json(),
        })
    }
}

/// All of it.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) runs: Vec<Measured>,
    pub(crate) epochs: Option<Epochs>,
    pub(crate) https: Option<Https>,
}

pub(crate) fn print_head() {
    println!(
        "The service without TLS. Times in ms, CPU in us of the provider and of PostgreSQL for a \
         gateway and round, bytes for a gateway"
    );
    println!(
        "{:>8} {:<11} {:<10} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "gateways",
        "correction",
        "store",
        "rounds",
        "frames/s",
        "p50",
        "p99",
        "close",
        "slowest",
        "CPU",
        "database",
        "memory",
        "disk",
        "+a round",
        "journal"
    );
}

impl Report {
    /// Prints a line as soon as it is known: the next one may take minutes.
    pub(crate) fn add(&mut self, measured: Measured) {
        println!("{}", measured.line());
        self.runs.push(measured);
    }

    pub(crate) fn print(&self) {
        println!("\nagainst the smallest region with the same correction and store:");
        for measured in &self.runs {
            if let Some(base) = self.base(measured) {
                println!(
                    "{:>8} {:<11} {:<10} frames/s x {}, CPU x {}, memory x {}, close x {}",
                    measured.run.size,
                    measured.run.mode.as_str(),
                    measured.run.engine.as_str(),
                    ratio(measured.frames_per_second, base.frames_per_second),
                    ratio(measured.cpu, base.cpu),
                    ratio(
                        measured.per_gateway(measured.peak),
                        base.per_gateway(base.peak)
                    ),
                    ratio(micros(measured.close), micros(base.close)),
                );
            }
        }
        if let Some(epochs) = &self.epochs {
            println!(
                "\na net of {}: {} us to see at a border that its members are the same, {} us to \
                 announce other ones, with {} bytes of manifests; pure core, one core",
                epochs.members,
                epochs.same.as_micros(),
                epochs.other.as_micros(),
                epochs.bytes
            );
        }
        let Some(https) = &self.https else { return };
        println!(
            "\nHTTPS: {} gateways with a certificate and a connection each, double-mask, SQLite; {} \
             bytes of memory for each connection that is kept",
            https.gateways, https.connection
        );
        for way in &https.ways {
            println!(
                "{:<24} {} us of the provider for a gateway and round; frame to receipt p50 {} ms, p99 {} ms",
                way.name,
                way.cpu,
                millis(way.p50),
                millis(way.p99)
            );
        }
        println!(
            "a look into an empty inbox {} us over a connection that is kept; sessions are not resumed: \
             the provider gives out no tickets",
            https.look
        );
        println!(
            "\ngateways on {CORES} cores at {INTERVAL_SECONDS} s, {SAFETY} % of the cores used, by the \
             CPU of the largest region and that of HTTPS:"
        );
        for carried in self.carried() {
            println!(
                "{:<11} {:<10} {:<24} {:>9} us and {:>9} us of looks, {:>9} gateways if the work is spread over the interval, \
                 {:>9} in windows of {WINDOWS_SECONDS} s together",
                carried.mode.as_str(),
                carried.engine.as_str(),
                carried.way,
                tenths(carried.cpu / 100),
                tenths(carried.looks / 100),
                carried.over(INTERVAL_SECONDS),
                carried.over(WINDOWS_SECONDS),
            );
        }
    }

    fn base(&self, measured: &Measured) -> Option<&Measured> {
        self.runs
            .iter()
            .filter(|other| {
                other.run.mode == measured.run.mode && other.run.engine == measured.run.engine
            })
            .min_by_key(|other| other.run.size)
            .filter(|base| base.run.size < measured.run.size)
    }

    /// What HTTPS takes beyond the service is what it takes beyond the smallest region of double masks.
    fn carried(&self) -> Vec<Carried> {
        let of = |mode, engine| {
            let same = self.runs.iter();
            same.filter(move |run| run.run.mode == mode && run.run.engine == engine)
        };
        let smallest = of(Mode::DoubleMask, Engine::Sqlite).min_by_key(|run| run.run.size);
        let (Some(https), Some(smallest)) = (&self.https, smallest) else {
            return Vec::new();
        };
        let mut carried = Vec::new();
        for (mode, engine) in [
            (Mode::DoubleMask, Engine::Sqlite),
            (Mode::Resend, Engine::Sqlite),
            (Mode::DoubleMask, Engine::Postgres),
        ] {
            let Some(largest) = of(mode, engine).max_by_key(|run| run.run.size) else {
                continue;
            };
            for way in &https.ways {
                // In resend mode there is one request where double masks have three; the handshake is
                // the same. This counts three: what is said is rather too low.
                let beyond = (way.cpu * 1_000).saturating_sub(smallest.cpu);
                carried.push(Carried {
                    mode,
                    engine,
                    way: way.name,
                    cpu: largest.cpu + largest.database + beyond,
                    looks: looks(mode) * (https.look + way.handshake) * 1_000,
                });
            }
        }
        carried
    }

    pub(crate) fn json(&self) -> Value {
        let epochs = self.epochs.as_ref().map(|epochs| {
            json!({
                "members": epochs.members,
                "same_us": u64::try_from(epochs.same.as_micros()).unwrap(),
                "other_us": u64::try_from(epochs.other.as_micros()).unwrap(),
                "manifest_bytes": epochs.bytes,
            })
        });
        let https = self.https.as_ref().map(|https| {
            let way = |way: &crate::tls::Way| {
                json!({
                    "connections": way.name,
                    "cpu_us_per_gateway_and_round": way.cpu,
                    "frame_p50_us": way.p50,
                    "frame_p99_us": way.p99,
                })
            };
            json!({
                "gateways": https.gateways,
                "bytes_per_connection": https.connection,
                "cpu_us_of_a_look": https.look,
                "ways": https.ways.iter().map(way).collect::<Vec<_>>(),
            })
        });
        let carried = |carried: &Carried| {
            json!({
                "correction": carried.mode.as_str(),
                "store": carried.engine.as_str(),
                "connections": carried.way,
                "cpu_ns_per_gateway_and_round": carried.cpu,
                "cpu_ns_of_looks_in_an_interval": carried.looks,
                "gateways_over_interval": carried.over(INTERVAL_SECONDS),
                "gateways_in_default_windows": carried.over(WINDOWS_SECONDS),
            })
        };
        json!({
            "service": self.runs.iter().map(Measured::json).collect::<Vec<_>>(),
            "epoch_border": epochs,
            "https": https,
            "carried": self.carried().iter().map(carried).collect::<Vec<_>>(),
        })
    }
}

/// Looks of an active gateway into its inbox in an interval of a quarter of an hour: every quarter of
/// the interval, in resend mode every eighth.
fn looks(mode: Mode) -> u64 {
    match mode {
        Mode::DoubleMask => 4,
        Mode::Resend => 8,
    }
}

/// How many gateways a way of connecting lets the cores carry.
struct Carried {
    mode: Mode,
    engine: Engine,
    way: &'static str,
    /// For each gateway and round, in nanoseconds.
    cpu: u64,
    /// The same for its looks into the inbox, which are spread over the interval.
    looks: u64,
}

impl Carried {
    /// Gateways whose rounds have so many seconds of the interval, in all of which they look for
    /// messages.
    fn over(&self, seconds: u64) -> u64 {
        let looks = self.looks * seconds / INTERVAL_SECONDS;
        CORES * seconds * SAFETY * 10_000_000 / (self.cpu + looks).max(1)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}

fn millis(micros: u64) -> String {
    tenths(micros / 100)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

fn ratio(part: u64, whole: u64) -> String {
    let hundredths = part * 100 / whole.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
