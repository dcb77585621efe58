//! A day of telegrams in a minute or two: the real daemon at a line that floods it, is unplugged, and
//! hums; on a disk that fills up; with a browser at its page all the time. Memory and file handles must not grow, and no round be lost that
//! could have been sent.
//!
//! `cargo bench -p dcnet-gateway --bench soak [-- SECONDS]`. Exit code 1 if something grew or was lost.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dcnet_obis::sml::encode;
use dcnet_protocol::round::Round;
use support::bench::{COMPANIONS, Daemon, LENGTHS};
use support::meter::{Line, telegram};
use support::net::Shape;
use support::port::free_port;
use support::server::Server;

/// One telegram a second.
const DAY: u64 = 86_400;
/// Memory and handles count from here on: until then the daemon takes what it needs.
const WARM: Duration = Duration::from_secs(20);
/// How long a head stays plugged in, and for how long it is out.
const PLUGGED: Duration = Duration::from_secs(33);
const OUT: Duration = Duration::from_secs(1);
/// When the disk is full, and for how long.
const FULL_EVERY: Duration = Duration::from_secs(50);
const FULL: Duration = Duration::from_secs(4);
/// After trouble has ended, the daemon has this long to be back, in milliseconds.
const RECOVERY: u64 = 6_000;

/// When something was wrong, in Unix milliseconds.
type Troubles = Arc<Mutex<Vec<(u64, u64)>>>;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(150)).max(WARM * 2);
    let server = Server::start(Shape::resend(COMPANIONS, LENGTHS));
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("head");
    let household = server.household("house", &link);
    let port = free_port();
    let page = format!("state: state\nhome: {{ page: {{ listen: 127.0.0.1:{port} }} }}\n");
    household.edit("state: state\n", &page);
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let troubles = Troubles::default();
    let meter = thread::spawn({
        let (link, stop, written, troubles) =
            (link, stop.clone(), written.clone(), troubles.clone());
        move || flood(&link, &stop, &written, &troubles)
    });
    let daemon = Daemon::start(&household);
    let process = daemon.child.id();
    daemon.wait_for("this gateway is active");
    let visitor = thread::spawn({
        let stop = stop.clone();
        move || visits(port, &stop)
    });
    let begun = Instant::now();
    let first_round = now();
    let mut samples = Vec::new();
    let mut full_since: Option<(Instant, u64)> = None;
    let mut next_full = begun + FULL_EVERY;
    while begun.elapsed() < length {
        thread::sleep(Duration::from_millis(500));
        samples.push((begun.elapsed(), memory(process), handles(process)));
        match full_since {
            None if Instant::now() >= next_full && begun.elapsed() + FULL * 4 < length => {
                daemon.limit_files(Some(4_096));
                full_since = Some((Instant::now(), now()));
            }
            Some((since, millis)) if since.elapsed() >= FULL => {
                daemon.limit_files(None);
                troubles.lock().unwrap().push((millis, now()));
                full_since = None;
                next_full = Instant::now() + FULL_EVERY;
            }
            _ => {}
        }
    }
    let last_round = now();
    thread::sleep(Duration::from_secs(u64::from(LENGTHS[0]) * 2));
    stop.store(true, Ordering::Relaxed);
    meter.join().unwrap();
    let seen = visitor.join().unwrap();
    let read = telegrams(&household.state());
    let seconds = length.as_secs();
    println!(
        "{} telegrams written, {read} read in {seconds} s",
        written.load(Ordering::Relaxed)
    );
    println!(
        "that is {}.{:02} days at one telegram a second",
        read / DAY,
        read % DAY * 100 / DAY
    );
    println!("the page was shown {seen} times");
    let lost = rounds(&server, first_round, last_round, &troubles.lock().unwrap());
    let grew = growth(&samples);
    if grew || lost > 0 || seen == 0 {
        std::process::exit(1);
    }
}

/// Looks at one page after the other, a few times a second; how many were shown.
fn visits(port: u16, stop: &AtomicBool) -> usize {
    let mut seen = 0;
    for path in ["/", "/days", "/sent", "/logbooks/system", "/metrics"]
        .iter()
        .cycle()
    {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut answer = Vec::new();
        let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )?;
            stream.read_to_end(&mut answer)
        });
        seen += usize::from(asked.is_ok() && answer.starts_with(b"HTTP/1.1 200"));
        thread::sleep(Duration::from_millis(200));
    }
    seen
}

/// Sends as fast as the line takes it; with noise, and with the head unplugged now and then.
fn flood(link: &Path, stop: &AtomicBool, written: &AtomicU64, troubles: &Troubles) {
    let begun = Instant::now();
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut wire = Line::new();
        wire.link(link);
        let plugged = Instant::now();
        let mut next_noise = plugged + Duration::from_secs(4);
        while plugged.elapsed() < PLUGGED && !stop.load(Ordering::Relaxed) {
            // 3.6 kW, whatever the number of telegrams.
            let import = 1_000_000 + i64::try_from(begun.elapsed().as_millis() / 100).unwrap();
            let bytes = encode::file(&telegram(1, import, 230)).unwrap();
            if send(&mut wire, &bytes) {
                written.fetch_add(1, Ordering::Relaxed);
            }
            if Instant::now() >= next_noise {
                next_noise += Duration::from_secs(4);
                for _ in 0..512 {
                    noise ^= noise << 13;
                    noise ^= noise >> 7;
                    noise ^= noise << 17;
                    send(&mut wire, &noise.to_le_bytes());
                }
            }
        }
        let since = now();
        let _ = std::fs::remove_file(link);
        drop(wire);
        thread::sleep(OUT);
        troubles.lock().unwrap().push((since, now()));
    }
}

/// True if all bytes went out; what nobody reads is waited for a moment.
fn send(line: &mut Line, mut bytes: &[u8]) -> bool {
    for _ in 0..200 {
        match line.far.write(bytes) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(_) => thread::sleep(Duration::from_micros(300)),
        }
        if bytes.is_empty() {
            return true;
        }
    }
    false
}

/// How many rounds are missing in which nothing was wrong.
fn rounds(server: &Server, from: u64, to: u64, troubles: &[(u64, u64)]) -> usize {
    let interval = u64::from(LENGTHS[0]) * 1_000;
    let house = "house".parse().unwrap();
    let net = server.net();
    let contributed = |round: u64| {
        let mut outcomes = net.outcomes.iter();
        outcomes.any(|outcome| {
            outcome.round == Round::new(round) && outcome.contributors.contains(&house)
        })
    };
    let (mut quiet, mut all, mut lost) = (0, 0, Vec::new());
    // Round r lies between its borders r and r + 1; what is read at both is needed for it.
    for round in from / interval + 2..to / interval - 1 {
        all += usize::from(contributed(round));
        let (begin, end) = ((round - 1) * interval, (round + 2) * interval);
        let overlaps = |(since, until): &(u64, u64)| *since < end && until + RECOVERY > begin;
        if !troubles.iter().any(overlaps) {
            quiet += 1;
            if !contributed(round) {
                lost.push(round);
            }
        }
    }
    println!("{all} rounds with a reading; of {quiet} in which nothing was wrong, lost: {lost:?}");
    lost.len()
}

/// Whether the second half of the run took more than the first.
fn growth(samples: &[(Duration, u64, usize)]) -> bool {
    let warm: Vec<_> = samples.iter().filter(|(at, ..)| *at > WARM).collect();
    let (first, second) = warm.split_at(warm.len() / 2);
    let most = |part: &[&(Duration, u64, usize)]| {
        let memory = part.iter().map(|(_, memory, _)| *memory).max();
        let handles = part.iter().map(|(.., handles)| *handles).max();
        (memory.unwrap_or(0), handles.unwrap_or(0))
    };
    let (before, after) = (most(first), most(second));
    println!(
        "memory: {} kB at most in the first half, {} kB in the second",
        before.0, after.0
    );
    println!(
        "file handles: {} at most in the first half, {} in the second",
        before.1, after.1
    );
    // A page here and there is no growth.
    after.0 > before.0 + before.0 / 20 || after.1 > before.1
}

/// Resident memory in kB.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

fn handles(process: u32) -> usize {
    let folder = PathBuf::from(format!("/proc/{process}/fd"));
    std::fs::read_dir(folder).unwrap().count()
}

fn telegrams(state: &Path) -> u64 {
    let text = std::fs::read_to_string(state.join("status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    status["meters"][0]["sources"][0]["telegrams"]
        .as_u64()
        .unwrap()
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}
