//! Gateways and meters as real processes on real lines, in the liar's net.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dcnet_protocol::message::Message;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::Round;
use dcnet_tests::harness::{Habit, Household, Lab, Meter, NetPlan, Program, Slot};
use serde_json::Value;
use tempfile::TempDir;

use crate::lies::Lie;
use crate::provider::{Liar, VICTIM, id};
use crate::server::Server;

/// Seconds of a round.
const INTERVAL: u32 = 6;
/// For what takes some rounds on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(150);

/// Dropped in this order: processes before their provider before meters before the folder.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) server: Server,
    meters: BTreeMap<String, Meter<Household>>,
    folder: Option<TempDir>,
}

impl Stage {
    /// A net of `gateways` that all run, with a lie from the beginning.
    pub(crate) fn new(gateways: u8, lie: Option<Lie>) -> Self {
        let plan = NetPlan {
            interval: INTERVAL,
            slots: vec![Slot::IMPORT, Slot::EXPORT, Slot::POWER],
            min_size: 4,
            degree: 4,
            mode: "double-mask",
            max_power: 10_000_000,
        };
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (1..=gateways)
            .map(|number| format!("gw-{number}"))
            .collect();
        let program = Program::at(env!("CARGO_BIN_EXE_dcnet-demo"));
        let mut lab = Lab::create(program, folder.path(), plan, &names).unwrap();
        lab.log_json();
        let server = Server::start(lab.plan(), lab.provider_files(), &lab.ca());
        server.liar().lie = lie;
        lab.use_provider_at(server.address.to_string()).unwrap();
        let mut meters = BTreeMap::new();
        for (name, number) in names.iter().zip(1..) {
            let habit = Habit::Consumer(200, 4_000);
            let household = Household::new(number, habit, lab.plan().millis());
            let meter = Meter::start(household, &lab.port(name), Duration::from_millis(300));
            meters.insert(name.clone(), meter.unwrap());
            lab.start_gateway(name).unwrap();
        }
        Self {
            lab,
            server,
            meters,
            folder: Some(folder),
        }
    }

    pub(crate) fn liar(&self) -> std::sync::MutexGuard<'_, Liar> {
        self.server.liar()
    }

    pub(crate) fn tell(&self, lie: impl Into<Option<Lie>>) {
        self.liar().lie = lie.into();
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.lab.gateway_log(name)).unwrap_or_default()
    }

    pub(crate) fn wait<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            let folder = self.lab.folder().display();
            assert!(
                started.elapsed() < PATIENCE,
                "waited too long for {what} in {folder}"
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits for this in the log of the victim, from byte `from` on.
    pub(crate) fn wait_for(&self, text: &str, from: usize) {
        self.wait(text, || {
            self.log(VICTIM)[from..].contains(text).then_some(())
        });
    }

    /// Waits for a round, from now on, whose sum has the readings of so many.
    pub(crate) fn wait_for_sum(&self, members: usize) -> Round {
        let known = self.liar().outcomes.len();
        self.wait("a sum", || {
            let liar = self.liar();
            let mut news = liar.outcomes[known.min(liar.outcomes.len())..].iter();
            news.find(|o| o.status.is_success() && o.contributors.len() == members)
                .map(|outcome| outcome.round)
        })
    }

    /// Waits for as long as so many rounds last.
    pub(crate) fn wait_rounds(&self, rounds: u32) {
        sleep(self.lab.plan().round() * rounds);
    }

    pub(crate) fn status(&self, name: &str) -> Value {
        let path = self.lab.gateway_folder(name).join("state/status.json");
        let text = fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Tells this lie until the victim refuses a roster for this reason. Not one further word about
    /// that round comes from it.
    pub(crate) fn refused(&self, lie: Lie, reason: &str) {
        let from = self.log(VICTIM).len();
        self.tell(lie);
        let event = self.wait(reason, || self.refusal("roster.refused", reason, from));
        self.tell(None);
        let round = Round::new(event["round"].as_u64().unwrap());
        sleep(Duration::from_secs(2));
        let kinds = self.liar().wiretap.kinds(id(VICTIM), round);
        // Of a past round there may be an answer to another roster from before.
        let answers = [Notification::Pads, Notification::Reveal];
        let answered = kinds.iter().any(|kind| answers.contains(kind));
        assert!(reason == "not-current" || !answered, "{reason}: {kinds:?}");
        assert!(self.status(VICTIM)["refusals"][reason].as_u64() >= Some(1));
        let metrics = self.lab.gateway_folder(VICTIM).join("state/metrics.prom");
        let metrics = fs::read_to_string(metrics).unwrap();
        let label = format!("reason=\"{reason}\"}} ");
        let mut counted = metrics.lines().filter(|line| line.contains(&label));
        assert!(counted.any(|line| line.starts_with("dcnet_gateway_requests_refused_total")));
        assert!(self.evidence(VICTIM).is_none());
    }

    /// A refusal for this reason in the log of the victim.
    pub(crate) fn refusal(&self, event: &str, reason: &str, from: usize) -> Option<Value> {
        let log = self.log(VICTIM);
        let lines = log[from..].lines();
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["event"] == event && line["reason"] == reason)
    }

    /// Into the victim's inbox.
    pub(crate) fn deliver(&self, message: Message) {
        self.liar().deliver(id(VICTIM), message);
    }

    /// The first file of evidence that the gateway has.
    pub(crate) fn evidence(&self, name: &str) -> Option<PathBuf> {
        let folder = self.lab.gateway_folder(name).join("state");
        let files = fs::read_dir(folder).ok()?;
        let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
        paths.find(|path| path.extension().is_some_and(|end| end == "dcnet"))
    }

    /// What `dcnet verify-evidence` finds in a file that proves something of this net.
    pub(crate) fn verified(&self, file: &std::path::Path) -> String {
        let hash = self.liar().descriptor.hash().to_string();
        let words = ["verify-evidence", file.to_str().unwrap(), "--json"];
        let words = words.into_iter().chain(["--descriptor-hash", &hash]);
        let output = self.lab.program().dcnet(&words.collect::<Vec<_>>(), &[0]);
        let finding: Value = serde_json::from_slice(&output.unwrap()).unwrap();
        assert_eq!(finding["proves"], true, "{finding}");
        finding["kind"].as_str().unwrap().to_owned()
    }

    /// The victim has evidence of this kind, and sends nothing more of a reading, for two rounds and
    /// after a restart.
    pub(crate) fn is_caught(&mut self, name: &str, kind: &str) {
        let file = self.wait("evidence", || self.evidence(name));
        assert_eq!(self.verified(&file), kind);
        self.wait("distrust", || {
            self.log(name)
                .contains("\"reason\":\"distrusted\"")
                .then_some(())
        });
        let sent = |stage: &Self| {
            let liar = stage.liar();
            let heard = liar.wiretap.heard.iter();
            heard.filter(|heard| heard.client == id(name)).count()
        };
        let before = sent(self);
        self.tell(None);
        self.restart(name);
        self.wait_rounds(2);
        assert_eq!(
            sent(self),
            before,
            "{name} goes on in spite of its evidence"
        );
        let shown = self.status(name)["evidence"][0].as_str().map(PathBuf::from);
        assert_eq!(shown.unwrap().file_name(), file.file_name());
    }

    /// Kills a gateway and starts it again.
    pub(crate) fn restart(&mut self, name: &str) {
        self.lab.kill_gateway(name).unwrap();
        self.meters[name].forget_owner();
        self.lab.start_gateway(name).unwrap();
    }

    /// What the liar got out of everything: nothing about fewer than the minimum.
    pub(crate) fn judge(&self) {
        let liar = self.liar();
        let rounds = liar.wiretap.judge();
        assert!(rounds > 0, "the liar heard nothing");
        println!("{rounds} rounds, {} frames", liar.wiretap.heard.len());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!(
                "{}\nall of it is in {}",
                self.lab.logs(),
                folder.keep().display()
            );
        }
    }
}
