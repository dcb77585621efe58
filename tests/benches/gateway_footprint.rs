//! What the gateway daemon takes of the device that it runs on: resident memory, processor time at
//! one telegram per second, size of the stripped program.
//!
//! One of the gateways of a small net is the very program that gets installed, as cargo's release
//! profile builds it; its meter pushes a telegram per second, rounds take ten seconds instead of
//! fifteen minutes. The targets: at most 12 MB resident, under 1 % of a core, at most 10 MB on disk.
//!
//! `cargo bench -p dcnet-tests --bench gateway_footprint`; `DCNET_BENCH_SECONDS` sets for how long it
//! is watched once it is an active member.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dcnet_tests::harness::{Habit, Household, Lab, Meter, NetPlan, Program, Slot, dispatch};

/// Members, the measured one included.
const MEMBERS: u8 = 9;
/// Length of a round in seconds.
const INTERVAL: u32 = 10;

/// Targets: resident kB, hundredths of a percent of a core, bytes on disk.
const MOST_RESIDENT: u64 = 12_000;
const MOST_PROCESSOR: u64 = 100;
const MOST_BYTES: u64 = 10_000_000;

fn main() -> ExitCode {
    // The other members and the provider are this program under another name.
    dispatch(std::env::args_os()).unwrap_or_else(measure)
}

fn measure() -> ExitCode {
    let program = installed_program();
    let bytes = program.metadata().unwrap().len();
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (1..=MEMBERS)
        .map(|number| format!("house-{number}"))
        .collect();
    let plan = NetPlan {
        interval: INTERVAL,
        slots: vec![Slot::IMPORT, Slot::EXPORT, Slot::POWER],
        min_size: 4,
        degree: 8,
        mode: "double-mask",
        max_power: 10_000_000,
    };
    let this = Program::this().unwrap();
    let mut lab = Lab::create(this, folder.path(), plan, &names).unwrap();
    lab.start_provider().unwrap();
    let mut meters = Vec::new();
    for (number, name) in (1..=MEMBERS).zip(&names) {
        let interval = u64::from(INTERVAL) * 1000;
        let household = Household::new(number, Habit::Consumer(200, 900), interval);
        let port = lab.port(name);
        meters.push(Meter::start(household, &port, Duration::from_secs(1)).unwrap());
    }
    let (measured, others) = names.split_last().unwrap();
    for name in others {
        lab.start_gateway(name).unwrap();
    }
    let daemon = Daemon::start(&program, &lab.gateway_folder(measured));
    daemon.wait_for("\"phase\":\"active\"");
    daemon.wait_for("\"reading\":true");

    let seconds = std::env::var("DCNET_BENCH_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(60);
    let (before, started) = (daemon.ticks(), Instant::now());
    sleep(Duration::from_secs(seconds));
    let (ticks, elapsed) = (daemon.ticks() - before, started.elapsed());
    let rounds = daemon.log().matches("round.sealed").count();

    // A tick of the kernel's accounting is a hundredth of a second.
    let processor = ticks * 10_000 * 10 / u64::try_from(elapsed.as_millis()).unwrap();
    let (resident, peak) = (daemon.memory("VmRSS"), daemon.memory("VmHWM"));
    println!(
        "gateway daemon, {seconds} s, a telegram per second, {rounds} rounds of {INTERVAL} s, {} neighbours",
        MEMBERS - 1
    );
    let rows = [
        ("resident memory, kB", resident, MOST_RESIDENT),
        ("its highest value, kB", peak, MOST_RESIDENT),
        ("processor, 1/100 % of a core", processor, MOST_PROCESSOR),
        ("program on disk, bytes", bytes, MOST_BYTES),
    ];
    let mut met = true;
    println!("{:<30} {:>12} {:>12}", "", "measured", "at most");
    for (name, value, most) in rows {
        let verdict = if value <= most { "" } else { "  MISSED" };
        met &= value <= most;
        println!("{name:<30} {value:>12} {most:>12}{verdict}");
    }
    if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The program as it gets installed, built if it is not there or not of today's sources.
fn installed_program() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "dcnet-gateway",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "the gateway does not build");
    // target/release/deps/gateway_footprint-…
    let this = std::env::current_exe().unwrap();
    this.parent()
        .and_then(Path::parent)
        .unwrap()
        .join("dcnet-gateway")
}

struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(program: &Path, folder: &Path) -> Self {
        let log = folder.join("footprint.log");
        let child = Command::new(program)
            .args(["--log", "json", "run"])
            .arg(folder.join("gateway.yaml"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn wait_for(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(
                started.elapsed().as_secs() < 120,
                "no {text} in the log:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(100));
        }
    }

    /// Processor time so far, in hundredths of a second: fields 14 and 15 of proc(5) `stat`.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = fields.split_whitespace().collect();
        [11, 12]
            .iter()
            .map(|field| fields[*field].parse::<u64>().unwrap())
            .sum()
    }

    /// A line of proc(5) `status`, in kB.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
