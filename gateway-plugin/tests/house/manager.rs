//! What a service manager hears from the daemon, through a socket as systemd's.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use dcnet_protocol::round::Round;

use crate::support::bench::{Bench, Daemon, LENGTHS};
use crate::support::net::Shape;
use crate::support::pki::Household;
use crate::support::port::free_port;
use crate::support::server::Server;

/// After so long without a sign of life systemd would end the daemon.
const WATCHDOG: Duration = Duration::from_millis(1_500);

struct Manager {
    lines: Receiver<(Instant, String)>,
    path: PathBuf,
    heard: Vec<String>,
}

impl Manager {
    fn new(household: &Household) -> Self {
        let path = household.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (sender, lines) = channel();
        // Always listening, as a manager is: the socket holds few messages.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let line = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Self {
            lines,
            path,
            heard: Vec::new(),
        }
    }

    fn start(&self, household: &Household) -> Daemon {
        let path = self.path.to_str().unwrap().to_owned();
        let limit = WATCHDOG.as_micros().to_string();
        Daemon::start_with(
            household,
            &[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", limit)],
        )
    }

    /// The next line, if there is one within `patience`.
    fn next(&mut self, patience: Duration) -> Option<(Instant, String)> {
        let (time, line) = self.lines.recv_timeout(patience).ok()?;
        let line = line.trim_end().to_owned();
        assert!(!line.contains('\n'), "one assignment in a message: {line}");
        self.heard.push(line.clone());
        Some((time, line))
    }

    fn wait_for(&mut self, beginning: &str) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_mins(1) {
            match self.next(Duration::from_secs(1)) {
                Some((_, line)) if line.starts_with(beginning) => return,
                _ => {}
            }
        }
        panic!("no {beginning}: {:?}", self.heard);
    }

    /// Listens for a while: the longest time without a sign of life.
    fn longest_silence(&mut self, time: Duration) -> Duration {
        self.drain();
        let started = Instant::now();
        let (mut last, mut longest) = (started, Duration::ZERO);
        while started.elapsed() < time {
            match self.next(Duration::from_millis(50)) {
                Some((at, line)) if line == "WATCHDOG=1" => {
                    longest = longest.max(at - last);
                    last = at;
                }
                _ => {}
            }
        }
        longest.max(last.elapsed())
    }

    /// Everything that has been said and not been heard.
    fn drain(&mut self) {
        while self.next(Duration::from_millis(20)).is_some() {}
    }
}

#[test]
fn the_manager_hears_readiness_signs_of_life_trouble_and_the_end() {
    let bench = Bench::new();
    let mut manager = Manager::new(&bench.household);
    let mut daemon = manager.start(&bench.household);
    manager.wait_for("READY=1");
    assert!(
        !manager.heard.iter().any(|line| line == "WATCHDOG=1"),
        "ready comes first: {:?}",
        manager.heard
    );
    bench.contribution_after(Round::new(0));
    manager.wait_for("STATUS=house in bench: active, round ");
    let silence = manager.longest_silence(Duration::from_secs(6));
    assert!(silence < WATCHDOG, "{silence:?}: {:?}", manager.heard);

    daemon.signal("-STOP");
    let silence = manager.longest_silence(WATCHDOG * 2);
    assert!(silence >= WATCHDOG * 2, "a stopped daemon gets on");
    daemon.signal("-CONT");
    manager.wait_for("WATCHDOG=1");

    // A full disk is waited for, and to begin anew would not make it larger.
    daemon.limit_files(Some(8_192));
    manager.wait_for("STATUS=nothing is sent: ");
    let silence = manager.longest_silence(Duration::from_secs(4));
    assert!(silence < WATCHDOG, "{silence:?}: {:?}", manager.heard);
    daemon.limit_files(None);
    manager.wait_for("STATUS=house in bench: active");

    daemon.signal("-TERM");
    manager.wait_for("STOPPING=1");
    assert!(daemon.child.wait().unwrap().success());
    manager.drain();
    let count = |wanted: &str| manager.heard.iter().filter(|line| *line == wanted).count();
    assert_eq!((count("READY=1"), count("STOPPING=1")), (1, 1));
}

#[test]
fn a_provider_that_is_away_makes_no_failed_start() {
    let server = Server::start(Shape::resend(0, LENGTHS));
    let household = server.household("house", Path::new("/dev/null"));
    household.edit(
        &format!("127.0.0.1:{}", server.address.port()),
        &format!("127.0.0.1:{}", free_port()),
    );
    let mut manager = Manager::new(&household);
    let mut daemon = manager.start(&household);
    manager.wait_for("READY=1");
    assert!(
        manager
            .heard
            .iter()
            .any(|line| line.starts_with("STATUS=waiting for the provider")),
        "{:?}",
        manager.heard
    );
    let silence = manager.longest_silence(Duration::from_secs(4));
    assert!(silence < WATCHDOG, "{silence:?}: {:?}", manager.heard);
    daemon.signal("-TERM");
    manager.wait_for("STOPPING=1");
    assert!(daemon.child.wait().unwrap().success());
}

#[test]
fn a_ledger_that_cannot_be_opened_is_no_readiness() {
    let bench = Bench::new();
    fs::create_dir_all(bench.household.state()).unwrap();
    fs::write(bench.household.state().join("ledger.redb"), "no ledger").unwrap();
    let mut manager = Manager::new(&bench.household);
    let mut daemon = manager.start(&bench.household);
    assert_eq!(daemon.child.wait().unwrap().code(), Some(78));
    manager.drain();
    assert!(
        manager.heard[0].starts_with("STATUS=cannot run: "),
        "{:?}",
        manager.heard
    );
    assert_eq!(manager.heard[1..], ["STOPPING=1"]);
}
