//! Stores whose rounds ended as the test wants.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};

use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::RoundStatus;
use dcnet_provider::bench::{self, Ending};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::descriptor::descriptor;
use crate::stores;

/// Seconds of a round.
const INTERVAL: u64 = 900;

pub struct Lab {
    pub folder: TempDir,
    /// Where the store is, as `--store` takes it.
    pub store: String,
    nets: Vec<NetDescriptor>,
}

impl Lab {
    /// A store in a file with these nets, of which nothing is final.
    pub async fn new(nets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.sqlite3");
        let store = store.to_str().unwrap().to_owned();
        Self::with(folder, store, nets).await
    }

    /// The same in a database; none where there is no PostgreSQL server.
    pub async fn in_database(nets: &[&str]) -> Option<Self> {
        let store = stores::Store::postgres()?.location().to_owned();
        Some(Self::with(tempfile::tempdir().unwrap(), store, nets).await)
    }

    async fn with(folder: TempDir, store: String, nets: &[&str]) -> Self {
        let descriptor = |net: &&str| descriptor(net, CorrectionMode::Resend);
        let nets: Vec<_> = nets.iter().map(descriptor).collect();
        for net in &nets {
            let Ok(location) = store.parse();
            bench::create(&location, net).await.unwrap();
        }
        Self {
            folder,
            store,
            nets,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Ends rounds of a net as [`ending`] says; some of them are absent.
    pub async fn finish(&self, net: usize, rounds: impl Iterator<Item = u64>) {
        let endings: Vec<_> = rounds.filter_map(ending).collect();
        self.finish_as(net, &endings).await;
    }

    pub async fn finish_as(&self, net: usize, endings: &[Ending]) {
        let Ok(location) = self.store.parse();
        bench::finish(&location, &self.nets[net], endings)
            .await
            .unwrap();
    }

    /// Runs `dcnet export` to its end.
    pub fn export(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcnet"));
        command
            .arg("export")
            .args(args)
            .arg("--store")
            .arg(&self.store)
            .env("TEST_SECRET", "s3cret-of-the-test");
        command
    }

    /// Starts `dcnet export`; its log can be read.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        Running(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    /// Runs `dcnet export` into a file, which has to work.
    pub fn export_to(&self, name: &str, args: &[&str]) -> PathBuf {
        let path = self.path(name);
        let output = self.export(&[args, &["--out", path.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{output:?}");
        path
    }
}

/// A process that does not outlive the test, however it ends.
pub struct Running(Child);

impl Running {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn stderr(&mut self) -> &mut ChildStderr {
        self.0.stderr.as_mut().unwrap()
    }

    /// Its log, for whoever reads it as it is written.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.0.stderr.take().unwrap()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    /// Kills it as a power cut does; what it logged.
    pub fn kill(mut self) -> Vec<u8> {
        self.0.kill().unwrap();
        let mut log = Vec::new();
        self.stderr().read_to_end(&mut log).unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a round ends: some are corrected, some fail, some have no outcome at all.
pub fn ending(round: u64) -> Option<Ending> {
    let name = |number: u64| -> ClientId { format!("gw-{number}").parse().unwrap() };
    let (status, there) = match round % 11 {
        3 => (RoundStatus::Corrected, 4),
        5 => (RoundStatus::TooFewPresent, 0),
        8 => return None,
        _ => (RoundStatus::Complete, 5),
    };
    Some(Ending {
        round,
        status,
        sums: status.is_success().then(|| sums(round).to_vec()),
        contributors: (0..there).map(name).collect(),
        missing: (there..5).map(name).collect(),
    })
}

/// Large, small and negative ones.
fn sums(round: u64) -> [i64; 2] {
    let number = i64::try_from(round).unwrap();
    let odd = 9_007_199_254_740_993_i64; // no floating-point number of 64 bits
    [
        odd + number * 7,
        if round.is_multiple_of(2) {
            number % 90
        } else {
            -(number % 90)
        },
    ]
}

/// What has to arrive of a round, one object per slot, written down a second time from [`ending`].
pub fn truth(net: &str, round: u64) -> Vec<Value> {
    let ending = ending(round);
    let (quality, reason) = match round % 11 {
        3 => ("corrected", Value::Null),
        5 => ("failed", json!("too few members present")),
        8 => ("failed", json!("no outcome")),
        _ => ("complete", Value::Null),
    };
    let time = |round: u64| {
        let seconds = i64::try_from(round * INTERVAL).unwrap();
        jiff::Timestamp::from_second(seconds).unwrap().to_string()
    };
    let slots = [("1-0:1.8.0*255", "Wh", -1), ("1-0:16.7.0*255", "W", 2)];
    slots
        .iter()
        .enumerate()
        .map(|(slot, (obis, unit, scale))| {
            let value = ending.as_ref().and_then(|e| Some(e.sums.as_ref()?[slot]));
            let value = value.map(|sum| match slot {
                0 => format!("{}.{}", sum / 10, sum % 10),
                _ => (sum * 100).to_string(),
            });
            json!({
                "net": net, "region": "Neustadt, \"Süd\" = 1", "obis": obis, "unit": unit,
                "scale": scale, "round": round, "start": time(round), "end": time(round + 1),
                "value": value, "quality": quality, "reason": reason,
                "contributors": ending.as_ref().map_or(0, |e| e.contributors.len()),
                "members": if ending.is_some() { 5 } else { 0 },
            })
        })
        .collect()
}

/// The JSON Lines of a file.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The Python of the house, with the modules that `.ci/run` installs.
pub fn python(script: &str, args: &[&Path]) -> Option<Vec<u8>> {
    let Some(python) = std::env::var_os("DCNET_PYTHON") else {
        eprintln!("skipped: DCNET_PYTHON names no Python");
        return None;
    };
    let output = Command::new(python)
        .args(["-c", script])
        .args(args)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(output.stdout)
}

/// Whether a program is there; where there are recordings, it has to be.
pub fn has(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        assert!(
            std::env::var_os("DCNET_SHARED").is_none(),
            "{program} is not installed"
        );
        eprintln!("skipped: {program} is not installed");
    }
    is_there
}
