//! A net of simulated households to which things are done.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use dcnet_tests::harness::{
    Habit, Household, Lab, Meter, NetPlan, Program, Published, Slot, now_millis, truth, wait_for,
};
use serde_json::Value;
use tempfile::TempDir;

/// Rounds that a machine with other things to do may take for what needs one.
const PATIENCE: u64 = 25;

/// Dropped in this order: processes before meters before the folder.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) meters: BTreeMap<String, Meter<Household>>,
    folder: Option<TempDir>,
    judged: Vec<Published>,
}

/// The executable that can be every program.
pub(crate) fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_dcnet-demo").into()
}

impl Stage {
    /// A net of `gateways` that all run, with rounds of `interval` seconds.
    pub(crate) fn new(gateways: u8, interval: u32) -> Self {
        Self::watched(gateways, interval, &[], &[])
    }

    /// As [`Self::new`], with a provider that looks at revocation lists.
    pub(crate) fn revoking(gateways: u8, interval: u32) -> Self {
        Self::begin(None, gateways, interval, |lab| {
            lab.look_at_revocations().unwrap();
            lab.start_provider().unwrap();
        })
    }

    /// As [`Self::new`], with witnesses all of which the gateways demand, but of which those in `away`
    /// do not run.
    pub(crate) fn watched(gateways: u8, interval: u32, present: &[&str], away: &[&str]) -> Self {
        Self::begin(None, gateways, interval, |lab| {
            for witness in present.iter().chain(away) {
                lab.add_witness(witness).unwrap();
            }
            for witness in away {
                lab.kill_witness(witness).unwrap();
            }
            lab.start_provider().unwrap();
        })
    }

    /// As [`Self::new`], on a store of one's own, with what `provide` starts as the provider.
    pub(crate) fn begin(
        store: Option<PathBuf>,
        gateways: u8,
        interval: u32,
        provide: impl FnOnce(&mut Lab),
    ) -> Self {
        let plan = NetPlan {
            interval,
            slots: vec![Slot::IMPORT, Slot::EXPORT, Slot::POWER],
            min_size: 4,
            degree: 100,
            mode: "double-mask",
            max_power: 10_000_000,
        };
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (1..=gateways)
            .map(|number| format!("gw-{number}"))
            .collect();
        let millis = plan.millis();
        let (program, path) = (Program::at(program()), folder.path());
        let created = match store {
            Some(store) => Lab::create_on(store, program, path, plan, &names),
            None => Lab::create(program, path, plan, &names),
        };
        let mut lab = created.unwrap();
        lab.log_json();
        let meters = (1..)
            .zip(&names)
            .map(|(number, name)| {
                let habit = if number % 2 == 0 {
                    Habit::Roof(500, 6_000)
                } else {
                    Habit::Consumer(200, 4_000)
                };
                let household = Household::new(number, habit, millis);
                let period = Duration::from_millis(200);
                let meter = Meter::start(household, &lab.port(name), period).unwrap();
                (name.clone(), meter)
            })
            .collect();
        provide(&mut lab);
        for name in &names {
            lab.start_gateway(name).unwrap();
        }
        Self {
            lab,
            meters,
            folder: Some(folder),
            judged: Vec::new(),
        }
    }

    /// Milliseconds since 1970 UTC at which the submission window of `round` opens.
    pub(crate) fn border(&self, round: u64) -> u64 {
        (round + 1) * self.lab.plan().millis()
    }

    /// The round being metered.
    pub(crate) fn round(&self) -> u64 {
        now_millis() / self.lab.plan().millis()
    }

    /// Kills a gateway. Its port can be opened again.
    pub(crate) fn kill(&mut self, name: &str) {
        self.lab.kill_gateway(name).unwrap();
        self.meters[name].forget_owner();
    }

    /// Waits for a round that is as wanted; every round on the way must be the truth or nothing.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Published) -> bool) -> Published {
        let deadline = now_millis() + PATIENCE * self.lab.plan().millis();
        while now_millis() < deadline {
            let news = self.judge();
            if let Some(found) = news.into_iter().find(|published| wanted(published)) {
                return found;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("no {what}; there were {:#?}", self.judged);
    }

    /// A round in which everybody gave a reading.
    pub(crate) fn wait_for_everybody(&mut self) -> Published {
        let all = self.meters.len();
        self.wait("round with everybody", |published| {
            published.is_complete() && published.contributors.len() == all
        })
    }

    /// Compares the rounds that are new with the truth.
    pub(crate) fn judge(&mut self) -> Vec<Published> {
        let last = self.judged.last().map(|published| published.round);
        let mut news = self.lab.rounds(64).unwrap();
        news.retain(|published| last.is_none_or(|last| published.round > last));
        for published in &news {
            let plan = self.lab.plan();
            let shown = |name: &str, time| self.meters[name].shown_at(time);
            let verdict = truth(published, &plan.slots, plan.millis(), shown).unwrap();
            assert!(!verdict.is_wrong(), "{published:#?}\n{verdict:?}");
        }
        self.judged.extend(news.clone());
        news
    }

    /// All rounds judged.
    pub(crate) fn judged(&self) -> &[Published] {
        &self.judged
    }

    /// Number of judged rounds with a sum.
    pub(crate) fn sums(&self) -> usize {
        self.judged
            .iter()
            .filter(|published| published.sums.is_some())
            .count()
    }

    /// Starts a gateway that must give up because of its configuration. The last line of its log.
    pub(crate) fn end_of(&mut self, name: &str) -> String {
        self.lab.start_gateway(name).unwrap();
        let patience = Duration::from_secs(30);
        let end = wait_for("the gateway to give up", patience, || {
            self.lab.gateway_end(name)
        });
        let log = std::fs::read_to_string(self.lab.gateway_log(name)).unwrap();
        let code = Some(i32::from(dcnet_gateway::EXIT_CONFIG));
        assert_eq!(end.unwrap().code(), code, "{log}");
        log.lines().last().unwrap().to_owned()
    }

    /// The lines of a gateway's log that have this `event`.
    pub(crate) fn events(&self, name: &str, event: &str) -> Vec<Value> {
        let log = std::fs::read_to_string(self.lab.gateway_log(name)).unwrap();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["event"] == event)
            .collect()
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
