//! The daemon as a process of its own, with its provider and its meter.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::frame::{Frame, FrameBody};
use dcnet_protocol::provider::RoundOutcome;
use dcnet_protocol::round::Round;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::meter::{Line, Meter};
use super::net::{COMPANION, Net, Shape};
use super::pki::Household;
use super::server::Server;

/// Interval, submission and correction window in seconds.
pub const LENGTHS: [u32; 3] = [3, 1, 1];
pub const COMPANIONS: usize = 4;

/// A daemon with its log, killed when dropped.
pub struct Daemon {
    pub child: Child,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    pub fn start(household: &Household) -> Self {
        Self::start_with(household, &[])
    }

    /// With variables of the environment.
    pub fn start_with(household: &Household, variables: &[(&str, String)]) -> Self {
        use std::io::{BufRead as _, BufReader};
        // Files that may not grow give errors then, as full disks do, instead of a signal.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_dcnet-gateway"))
            .args(["--log", "json", "--verbose", "run"])
            .arg(household.profile())
            .envs(variables.iter().cloned())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        std::thread::spawn({
            let log = log.clone();
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        Self { child, log }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// No file may be written beyond `limit` bytes.
    pub fn limit_files(&self, limit: Option<u64>) {
        let id = Pid::from_raw(self.child.id().cast_signed());
        let limit = Rlimit {
            current: limit,
            maximum: None,
        };
        prlimit(id, Resource::Fsize, limit).unwrap();
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    pub fn wait_for(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "no {text} in the log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the daemon:\n{}", self.log());
        }
    }
}

pub struct Bench {
    pub server: Server,
    pub household: Household,
    pub meter: Meter,
}

impl Bench {
    /// A net that corrects by resending.
    pub fn new() -> Self {
        Self::of(Shape::resend(COMPANIONS, LENGTHS))
    }

    /// A net of double-mask rounds, which an owner who does not allow resending enters.
    pub fn double_mask(epoch_length: u32) -> Self {
        Self::double_mask_at(epoch_length, LENGTHS)
    }

    /// The same at another pace: [`LENGTHS`].
    pub fn double_mask_at(epoch_length: u32, lengths: [u32; 3]) -> Self {
        let bench = Self::of(Shape {
            epoch_length,
            ..Shape::double_mask(COMPANIONS, lengths)
        });
        bench
            .household
            .edit("allow_resend: true", "allow_resend: false");
        bench
    }

    pub fn of(shape: Shape) -> Self {
        let server = Server::start(shape);
        let meter = Meter::start(Line::new(), Duration::from_millis(100));
        let household = server.household("house", &meter.device);
        Self {
            server,
            household,
            meter,
        }
    }

    /// Waits for the next round in which the house contributed a reading.
    pub fn contribution_after(&self, round: Round) -> RoundOutcome {
        let house = "house".parse().unwrap();
        self.server.wait("a contribution", |net| {
            let mut outcomes = net.outcomes.iter();
            let fits = |outcome: &&RoundOutcome| {
                outcome.round > round && outcome.contributors.contains(&house)
            };
            outcomes.rfind(fits).cloned()
        })
    }

    pub fn last_round(&self) -> Round {
        self.server
            .net()
            .outcomes
            .last()
            .map_or(Round::new(0), |outcome| outcome.round)
    }
}

/// The house's part of a sum.
pub fn part(outcome: &RoundOutcome) -> Vec<i64> {
    let sum = outcome.sum.as_ref().unwrap();
    let others = i64::try_from(outcome.contributors.len()).unwrap() - 1;
    sum.words()
        .iter()
        .zip(COMPANION)
        .map(|(word, c)| word.to_signed() - others * c)
        .collect()
}

/// What of a round there may be only one of: a frame, an answer to a correction, to a roster.
pub type Once = (Round, u8, Vec<u8>);

pub fn once(round: Round, bytes: &[u8]) -> Once {
    let frame = Frame::decode(bytes).unwrap();
    let roster = match frame.body() {
        FrameBody::Pads { roster, .. } | FrameBody::Reveal { roster, .. } => roster.encode(),
        _ => Vec::new(),
    };
    (round, frame.notification().number(), roster)
}

/// Of every round one frame and one answer, of every roster one answer, whatever happened in
/// between.
pub fn assert_no_round_twice(net: &Net) -> usize {
    let mut frames: BTreeMap<Once, Vec<u8>> = BTreeMap::new();
    for (client, _, round, bytes) in &net.seen {
        assert_eq!(client.as_str(), "house");
        let first = frames
            .entry(once(*round, bytes))
            .or_insert_with(|| bytes.clone());
        assert_eq!(
            first, bytes,
            "two different frames of round {round} left the gateway"
        );
    }
    frames.len()
}

/// What the daemon says when it ends by itself.
pub fn end(household: &Household) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .arg("run")
        .arg(household.profile())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// What `status` shows, with its exit code.
pub fn status(bench: &Bench) -> (Option<i32>, serde_json::Value, String) {
    let run = |json: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
            .arg("status")
            .args(json)
            .arg(bench.household.profile())
            .output()
            .unwrap()
    };
    let json = serde_json::from_slice(&run(&["--json"]).stdout).unwrap();
    let text = run(&[]);
    let shown = String::from_utf8(text.stdout).unwrap();
    (text.status.code(), json, shown)
}

/// How many scenarios of all tests together run at the same time: each has a daemon, a provider and a
/// meter, which keep two cores busy when they all start.
const PLACES: usize = 14;

static FREE: Mutex<usize> = Mutex::new(PLACES);
static LEFT: Condvar = Condvar::new();

/// One of the [`PLACES`].
struct Place;

impl Place {
    /// Waits for one.
    fn take() -> Self {
        let mut free = LEFT
            .wait_while(FREE.lock().unwrap(), |free| *free == 0)
            .unwrap();
        *free -= 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *FREE.lock().unwrap() += 1;
        LEFT.notify_one();
    }
}

/// Runs scenarios at the same time: they mostly wait. Names those that failed.
pub fn side_by_side(scenarios: &[(&str, fn())]) {
    std::thread::scope(|scope| {
        let running = scenarios.iter().map(|(name, scenario)| {
            let thread = std::thread::Builder::new().name((*name).to_owned());
            let timed = move || {
                let _place = Place::take();
                let started = Instant::now();
                scenario();
                println!("{name}: {} s", started.elapsed().as_secs()); // with --nocapture
            };
            (*name, thread.spawn_scoped(scope, timed).unwrap())
        });
        let running: Vec<_> = running.collect();
        let ended = running.into_iter();
        let failed = ended.filter_map(|(name, thread)| thread.join().is_err().then_some(name));
        let failed: Vec<_> = failed.collect();
        assert!(failed.is_empty(), "failed: {failed:?}");
    });
}

/// A test of scenarios that run side by side.
#[macro_export]
macro_rules! side_by_side {
    ($name:ident: $($scenario:ident),+ $(,)?) => {
        #[test]
        fn $name() {
            $crate::support::bench::side_by_side(&[$((stringify!($scenario), $scenario)),+]);
        }
    };
}
