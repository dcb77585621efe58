//! The play in acts: complete rounds, a killing, a correction, a return.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;

use super::Ending;
use super::follow::follow;
use super::options::Options;
use super::point::Point;
use super::show::Show;
use super::street::Street;
use crate::harness::{
    Edges, HarnessError, Lab, Peek, Program, Published, Verdict, Witness, now_millis, truth,
};

/// Rounds without the killed gateway before it is started again.
const SHORT_ROUNDS: u32 = 1;
/// Complete rounds after its return.
const LAST_ROUNDS: u32 = 2;
/// Rounds beyond the necessary ones before it is given up: machines are busy at times, and a frame
/// that comes too late fails a round.
const PATIENCE: u64 = 30;
/// Times that the killing is tried: its round may fail, too.
const ATTEMPTS: u32 = 3;
/// `SIGKILL`.
const KILLED: i32 = 9;

/// Everything on stage.
pub(super) struct Play {
    show: Show,
    options: Options,
    interrupted: Arc<AtomicBool>,
    // In this order they end: first those who read from the meters.
    lab: Lab,
    street: Street,
    witness: Option<Witness>,
    act: Act,
    victim: String,
    history: Vec<(Published, Verdict)>,
    before: Option<KeyGraph>,
    attempts: u32,
    checks: Checks,
}

/// Where the play is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// So many complete rounds seen.
    Complete(u32),
    /// Killed in this round.
    Killed(u64),
    /// So many rounds without it seen.
    Short(u32),
    /// So many complete rounds seen after its return.
    Returned(u32),
    Over,
}

/// Who has a key with whom, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyGraph {
    edges: Edges,
    keys: std::collections::BTreeMap<String, String>,
}

/// What the verdict rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own"
)]
pub(super) struct Checks {
    /// Sums compared with the truth.
    pub(super) sums: usize,
    /// Those that differed.
    pub(super) wrong: usize,
    /// The wanted number of complete rounds was there.
    pub(super) complete: bool,
    /// A process was ended by a signal that it cannot catch.
    pub(super) killed: bool,
    /// Its round was corrected.
    pub(super) corrected: bool,
    /// There were rounds without it.
    pub(super) went_on: bool,
    /// The key graph is the same as before, with the same keys, and the audit finds no problem.
    pub(super) restored: bool,
    /// Complete rounds after its return.
    pub(super) returned: bool,
    /// No superposition was a reading, and none is left.
    pub(super) private: bool,
}

impl Checks {
    pub(super) fn passed(&self) -> bool {
        self.sums > 0
            && self.wrong == 0
            && self.complete
            && self.killed
            && self.corrected
            && self.went_on
            && self.restored
            && self.returned
            && self.private
    }
}

impl Play {
    /// Builds the stage in `folder` and lets everything begin.
    pub(super) fn prepare(
        options: &Options,
        folder: &Path,
        show: Show,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Self, HarnessError> {
        let (mut street, plan) = Street::plan(options)?;
        let names = street.names();
        let victim = street.victim().ok_or_else(|| HarnessError::Answer {
            what: "the folder of recordings",
            got: "none of them shows 1.8.0".to_owned(),
        })?;
        let mut lab = Lab::create(Program::this()?, folder, plan, &names)?;
        if options.log {
            let gateways = names
                .iter()
                .map(|name| (name.clone(), lab.gateway_log(name)));
            let provider = ("provider".to_owned(), lab.provider_log());
            follow(std::iter::once(provider).chain(gateways).collect());
        }
        street.start(&lab)?;
        lab.start_provider()?;
        for name in &names {
            lab.start_gateway(name)?;
        }
        let witness = Some(Witness::start(&lab.store(), lab.plan())?);
        Ok(Self {
            show,
            options: options.clone(),
            interrupted,
            lab,
            street,
            witness,
            act: Act::Complete(0),
            victim,
            history: Vec::new(),
            before: None,
            attempts: 0,
            checks: Checks::default(),
        })
    }

    /// Plays it to the end.
    pub(super) fn run(&mut self) -> Result<Ending, HarnessError> {
        self.show.opening(&self.lab, &self.street);
        let interval = self.lab.plan().millis();
        let rounds = u64::from(self.options.rounds + SHORT_ROUNDS + LAST_ROUNDS) + PATIENCE;
        let deadline = now_millis() + rounds * interval;
        while self.act != Act::Over && now_millis() < deadline {
            if self.interrupted.load(Ordering::Relaxed) {
                self.show.event("interrupted", "interrupted");
                return Ok(Ending::Interrupted);
            }
            self.lab.check()?;
            for published in self.news()? {
                self.judge(published)?;
            }
            sleep(Duration::from_millis(200));
        }
        self.curtain()
    }

    /// Rounds that are new.
    fn news(&self) -> Result<Vec<Published>, HarnessError> {
        // Asking costs a process: only when an answer may have changed.
        let now = now_millis() % self.lab.plan().millis();
        let quiet = u64::from(self.lab.plan().window()) * 2000 + 1000;
        if now > quiet && !self.history.is_empty() {
            return Ok(Vec::new());
        }
        let last = self.history.last().map(|(published, _)| published.round);
        let mut rounds = self.lab.rounds(16)?;
        rounds.retain(|published| last.is_none_or(|last| published.round > last));
        Ok(rounds)
    }

    fn judge(&mut self, published: Published) -> Result<(), HarnessError> {
        let plan = self.lab.plan();
        let shown = |name: &str, time| self.street.shown(name, time);
        let verdict = truth(&published, &plan.slots, plan.millis(), shown)?;
        self.show.round(plan, &published, &verdict);
        match &verdict {
            Verdict::NoSum => {}
            Verdict::Exact(_) => self.checks.sums += 1,
            Verdict::Wrong { .. } => {
                self.checks.sums += 1;
                self.checks.wrong += 1;
            }
        }
        self.street.advance_from(published.round + 2);
        self.act = self.next(&published)?;
        self.history.push((published, verdict));
        Ok(())
    }

    /// What follows from a round.
    fn next(&mut self, published: &Published) -> Result<Act, HarnessError> {
        let victim = self.victim.clone();
        Ok(match self.act {
            Act::Complete(seen) if self.is_full(published) => {
                let seen = seen + 1;
                if seen < self.options.rounds {
                    return Ok(Act::Complete(seen));
                }
                self.checks.complete = true;
                self.before = Some(self.key_graph()?);
                self.kill()?
            }
            Act::Killed(round) if published.round >= round => {
                if published.is_corrected() && published.missing == [victim] {
                    self.checks.corrected = true;
                    Act::Short(0)
                } else if self.attempts < ATTEMPTS {
                    self.show.event(
                        "retry",
                        "that round was not corrected in time; from the beginning of this act",
                    );
                    self.restart()?;
                    Act::Complete(self.options.rounds - 1)
                } else {
                    Act::Over
                }
            }
            Act::Short(seen) if self.is_short(published) => {
                if seen + 1 < SHORT_ROUNDS {
                    return Ok(Act::Short(seen + 1));
                }
                self.checks.went_on = true;
                self.restart()?;
                Act::Returned(0)
            }
            Act::Returned(seen)
                if self.is_full(published) && published.contributors.contains(&victim) =>
            {
                if seen == 0 {
                    self.compare_graphs()?;
                }
                if seen + 1 < LAST_ROUNDS {
                    return Ok(Act::Returned(seen + 1));
                }
                self.checks.returned = true;
                Act::Over
            }
            act => act,
        })
    }

    fn kill(&mut self) -> Result<Act, HarnessError> {
        // Well within the round, so that it is there for the one before and missing in this one.
        let interval = self.lab.plan().millis();
        let into = now_millis() % interval;
        sleep(Duration::from_millis((interval / 3).saturating_sub(into)));
        let id = self.lab.gateway_id(&self.victim).unwrap_or_default();
        let status = self.lab.kill_gateway(&self.victim)?;
        self.street.forget_owner(&self.victim);
        self.attempts += 1;
        self.checks.killed = status.is_some_and(|status| status.signal() == Some(KILLED));
        let victim = &self.victim;
        self.show.event(
            "killed",
            &format!("{victim} (process {id}) is killed with SIGKILL, in the middle of a round"),
        );
        Ok(Act::Killed(now_millis() / interval))
    }

    fn restart(&mut self) -> Result<(), HarnessError> {
        let victim = self.victim.clone();
        self.lab.start_gateway(&victim)?;
        let id = self.lab.gateway_id(&victim).unwrap_or_default();
        self.show.event(
            "started",
            &format!("{victim} is started again (process {id})"),
        );
        Ok(())
    }

    fn compare_graphs(&mut self) -> Result<(), HarnessError> {
        let audit = self.lab.audit()?;
        let same = self.before.as_ref() == Some(&self.key_graph()?);
        self.checks.restored = same && audit.problems.is_empty();
        let (edges, active) = (audit.edges, audit.active);
        let text = if self.checks.restored {
            format!("{active} members, {edges} edges: the same key graph as before, the same keys")
        } else {
            format!("{active} members, {edges} edges: NOT the key graph of before")
        };
        self.show.event("graph", &text);
        Ok(())
    }

    fn key_graph(&self) -> Result<KeyGraph, HarnessError> {
        let mut peek = Peek::open(&self.lab.store())?;
        Ok(KeyGraph {
            edges: peek.edges()?,
            keys: peek.keys()?,
        })
    }

    /// Everybody was there, and everybody whose meter can be read at all gave a reading. Recorded
    /// meters have telegrams that are damaged, so some of them may be silent.
    fn is_full(&self, published: &Published) -> bool {
        let readable = self.street.readable().len();
        let enough = match self.options.recordings {
            Some(_) => !published.contributors.is_empty(),
            None => published.contributors.len() == readable,
        };
        published.is_complete() && published.members == self.lab.names().len() && enough
    }

    /// Everybody else was there.
    fn is_short(&self, published: &Published) -> bool {
        published.is_complete()
            && published.members + 1 == self.lab.names().len()
            && !published.contributors.contains(&self.victim)
    }

    fn curtain(&mut self) -> Result<Ending, HarnessError> {
        let seen = self.witness.take().map(Witness::finish).unwrap_or_default();
        let point = Point::find(&self.lab, &self.street, &self.history, &seen, &self.victim)?;
        self.checks.private = point.as_ref().is_some_and(Point::is_private);
        if let Some(point) = &point {
            self.show.point(self.lab.plan(), point);
        }
        self.show.verdict(&self.checks, &self.victim);
        Ok(if self.checks.passed() {
            Ending::Well
        } else {
            Ending::Badly
        })
    }
}
