//! What somebody at a terminal sees while the program works, and that programs see nothing of it.

#[path = "screen.rs"]
mod screen;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::provider::RoundStatus;
use dcnet_protocol::round::UnixTime;
use dcnet_provider::Location;
use dcnet_provider::bench::{self, Ending};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use screen::{Screen, Terminal};

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/cmd/plan.in/households.csv"
);

/// Rounds of the net below: a file of them has some KiB.
const ROUNDS: u64 = 300;

/// So wide is the table of its rounds, the sums of both slots in one line.
const WATCHED: u16 = 133;

/// `plan` has a bar as wide as the terminal, which comes to its end and is gone then.
#[test]
fn plan_draws_a_bar_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::of(folder.path(), &["plan", DATA, "--quick"], 60);
    // With two pools of windows and the days: 2·2 + 1 times as many steps as repetitions.
    let steps: Vec<_> = seen.printed.split(char::is_whitespace).collect();
    let steps = steps.iter().filter_map(|word| word.split_once('/'));
    let steps: Vec<(u32, u32)> = steps
        .filter_map(|(done, all)| Some((done.parse().ok()?, all.parse().ok()?)))
        .collect();
    assert_eq!(steps.last(), Some(&(1000, 1000)), "{}", seen.printed);
    assert!(steps.is_sorted(), "{steps:?}");
    assert!(seen.printed.contains("playing █"), "{}", seen.printed);
    assert_eq!(seen.screen.widest, 60, "{}", seen.printed);
}

#[test]
fn tables_fit_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    for columns in [60, 100] {
        let terminal = Terminal::new(columns, 24);
        let mut plan = dcnet(folder.path(), &["plan", DATA, "--quick", "--sizes", "2,5"]);
        let ended = plan.stdout(terminal.stream()).status().unwrap();
        drop(plan);
        assert!(ended.success());
        let (printed, _) = terminal.end();
        let of_table = |line: &&str| line.starts_with(['┌', '│', '╞', '└']);
        let widths = printed.lines().filter(of_table);
        let widths: Vec<usize> = widths.map(|line| line.trim_end().chars().count()).collect();
        assert!(widths.len() > 15, "{printed}");
        // They use it, too: without a terminal one of them has more than 150.
        let widest = widths.iter().max().copied().unwrap_or(0);
        let columns = usize::from(columns);
        assert!((columns - 10..=columns).contains(&widest), "{printed}");
    }
}

/// Whatever takes long on a large store says what it is doing.
#[test]
fn long_work_on_a_store_shows_how_far_it_is() {
    let net = Net::new();
    let folder = net.folder();
    for (args, told) in [
        (&["store", "stats"][..], "measuring rounds, "),
        (&["store", "check"], "checking net elbe-4, "),
        (&["store", "prune", "--keep-rosters", "9"], "net elbe-4, "),
        (&["net", "audit", "elbe-4"], "replaying the membership log "),
        (&["audit-log", "verify"], "audit trail: "),
    ] {
        let seen = Seen::of(folder, args, 80);
        assert!(seen.printed.contains(told), "{args:?}: {}", seen.printed);
    }

    // Rows of all tables, at the end those that the answer names.
    for (args, told) in [
        (&["store", "backup", "b.dcnet"][..], "rounds: "),
        (
            &["store", "restore", "b.dcnet", "--store", "r"],
            "checking net elbe-4: ",
        ),
    ] {
        let seen = Seen::of(folder, args, 80);
        let (_, rows) = seen.stdout.trim_end().rsplit_once(' ').unwrap();
        assert!(rows.parse::<u64>().unwrap() > ROUNDS, "{}", seen.stdout);
        for told in [told, &format!(": {rows} rows in ")] {
            assert!(seen.printed.contains(told), "{args:?}: {}", seen.printed);
        }
    }

    for format in ["csv", "json", "jsonl", "parquet", "influx", "openmetrics"] {
        let file = format!("sums.{format}");
        let args = ["export", format, "elbe-4", "--out", &file];
        let seen = Seen::of(folder, &args, 80);
        let bytes = std::fs::metadata(folder.join(&file)).unwrap().len();
        assert!(bytes > 1024, "{bytes}");
        let kibibytes = f64::from(u32::try_from(bytes).unwrap()) / 1024.0;
        let told = format!("{kibibytes:.2} KiB in ");
        assert!(seen.printed.contains(&told), "{told}: {}", seen.printed);
        // Sums on standard output are progress enough.
        let terminal = Terminal::new(80, 24);
        let mut command = dcnet(folder, &["export", format, "elbe-4"]);
        let export = command.stderr(terminal.stream()).output().unwrap();
        drop(command);
        assert!(export.status.success());
        assert_eq!(terminal.end().0, "", "{format}");
    }
}

/// The table stands where it is, and the next round comes into it.
#[test]
fn watch_redraws_in_place() {
    let net = Net::new();
    let terminal = Terminal::new(WATCHED, 16);
    let mut watch = dcnet(net.folder(), &["round", "watch", "elbe-4"]);
    let mut child = watch.stdout(terminal.stream()).spawn().unwrap();
    drop(watch);
    let before = terminal.wait_for(&net.last.to_string());
    let newest = net.last + 1;
    net.finish(newest..=newest);
    let after = terminal.wait_for(&newest.to_string());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());

    let (printed, screen) = terminal.end();
    assert_eq!((screen.scrolled, screen.wrapped), (0, 0), "{printed:?}");
    assert!(before.homes < after.homes, "{printed:?}");
    for (screen, last) in [(before, net.last), (after, newest)] {
        let (text, rows) = (screen.text(), screen.rows());
        assert!(rows[0].ends_with("elbe-4  (Ctrl-C ends)"), "{text}");
        // As wide as the terminal, the border on the right included; one line is left for the cursor.
        for (row, [left, right]) in [(1, ['┌', '┐']), (4, ['│', '│']), (14, ['└', '┘'])]
        {
            let row = &rows[row];
            assert!(row.starts_with(left) && row.ends_with(right), "{text}");
            assert_eq!(row.chars().count(), usize::from(WATCHED), "{text}");
        }
        // As many rounds as there is room for, the latest at the bottom.
        let numbers = rows.iter().filter_map(|row| row.split('┆').nth(1));
        let numbers: Vec<u64> = numbers
            .filter_map(|number| number.trim().parse().ok())
            .collect();
        let first = last + 1 - u64::try_from(numbers.len()).unwrap();
        assert_eq!(numbers.len(), 10, "{text}");
        assert!(numbers.into_iter().eq(first..=last), "{text}");
    }
}

/// What a command shows on a terminal, its standard output in a pipe.
struct Seen {
    stdout: String,
    printed: String,
    screen: Screen,
}

impl Seen {
    /// Runs it without a terminal and then on one, and says what is the same of all commands: without one nothing
    /// is shown, and on one nothing is left of it.
    #[track_caller]
    fn of(folder: &Path, args: &[&str], columns: u16) -> Self {
        let before = entries(folder);
        let piped = dcnet(folder, args).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&piped.stderr), "", "{args:?}");
        // Files are written once only.
        for name in entries(folder).difference(&before) {
            std::fs::remove_file(folder.join(name)).unwrap();
        }

        let terminal = Terminal::new(columns, 24);
        let mut command = dcnet(folder, args);
        let output = command.stderr(terminal.stream()).output().unwrap();
        drop(command);
        let (printed, screen) = terminal.end();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{printed}");
        assert_eq!(output.status, piped.status);
        assert_eq!(screen.text(), "", "{args:?}: {printed:?}");
        let out = (screen.scrolled, screen.wrapped);
        assert_eq!(out, (0, 0), "{args:?}: {printed:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(!stdout.contains('\x1b'), "{args:?}: {stdout}");
        Self {
            stdout,
            printed,
            screen,
        }
    }
}

fn entries(folder: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// A net of rounds of a minute, of which many are final.
struct Net {
    folder: TempDir,
    descriptor: NetDescriptor,
    /// The newest round that is final.
    last: u64,
}

impl Net {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = "provider/provider-signing.key.pem";
        for args in [
            &["pki", "init", "ca"][..],
            &["pki", "provider", "provider", "--name", "localhost"],
            &[
                &["net", "create", "elbe-4", "--interval", "60s"][..],
                &["--submit-window", "10s", "--correction-window", "10s"],
                &["--slot", "1-0:1.8.0,Wh,-1", "--slot", "1-0:2.8.0,Wh,-1"],
                &["--gateway-ca", "ca/ca.pem", "--signing-key", key],
            ]
            .concat(),
            &["net", "descriptor", "elbe-4", "--out", "elbe-4.bin"],
        ] {
            let output = dcnet(folder.path(), args).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let descriptor = std::fs::read(folder.path().join("elbe-4.bin")).unwrap();
        let descriptor = NetDescriptor::decode(&descriptor).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap().as_millis()).unwrap();
        let last = descriptor.schedule().round_at(UnixTime::from_millis(now));
        let net = Self {
            folder,
            descriptor,
            last: last.number(),
        };
        net.finish(net.last + 1 - ROUNDS..=net.last);
        net
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends rounds as a server does.
    fn finish(&self, rounds: RangeInclusive<u64>) {
        let names = ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5"];
        let ending = |round| Ending {
            round,
            status: RoundStatus::Complete,
            sums: Some(vec![123_456, 654_321]),
            contributors: names.map(|name| name.parse().unwrap()).to_vec(),
            missing: Vec::new(),
        };
        let endings: Vec<Ending> = rounds.map(ending).collect();
        let store = Location::from(self.folder().join("dcnet.sqlite3"));
        let finished = bench::finish(&store, &self.descriptor, &endings);
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(finished)
            .unwrap();
    }
}

/// The program with standard output and standard error in pipes.
fn dcnet(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcnet"));
    command
        .args(args)
        .current_dir(folder)
        .env_remove("DCNET_STORE")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
