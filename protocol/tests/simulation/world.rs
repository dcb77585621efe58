//! Gateways, the provider and its store, and a network that loses and reorders.

use std::collections::BTreeMap;

use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::gateway::{self, Gateway, GatewayState, Policy, Request};
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::membership::witness::Quorum;
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::provider::{self, Provider, RoundOutcome};
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::superposition::Reading;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::pki::{Authority, new_key};
use crate::recorder::Recorder;
use crate::store::Store;

#[path = "world/auditor.rs"]
mod auditor;
#[path = "world/fork.rs"]
mod fork;
#[path = "world/network.rs"]
mod network;
#[path = "stage.rs"]
#[allow(
    dead_code,
    reason = "shared by several test targets, each of which uses a part"
)]
pub(crate) mod stage;

const INTERVAL_S: u32 = 20;
pub(crate) const STEP_MILLIS: u64 = 500;
const SLOTS: usize = 3;

/// Probabilities in thousandths: per message, or per member (provider) and round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    pub(crate) request_lost: u64,
    pub(crate) reply_lost: u64,
    pub(crate) member_dies: u64,
    pub(crate) member_crashes: u64,
    pub(crate) provider_crashes: u64,
    /// per step
    pub(crate) provider_crash_step: u64,
    pub(crate) write_fails: u64,
    pub(crate) write_fails_persisted: u64,
    pub(crate) ledger_lost: u64,
    pub(crate) deliver_twice: u64,
    pub(crate) frame_delayed: u64,
}
#[derive(Debug, Clone, Copy)]
pub(crate) struct Params {
    pub(crate) epoch_length: u32,
    pub(crate) loss: u16,
    pub(crate) skew: i64,
    pub(crate) mode: CorrectionMode,
    /// Shares that recover a self-mask; of use in double-mask mode.
    pub(crate) threshold: u16,
}
impl Default for Params {
    fn default() -> Self {
        Self {
            epoch_length: 1,
            loss: 300,
            skew: 0,
            mode: CorrectionMode::Resend,
            threshold: 0,
        }
    }
}

pub(crate) struct Node {
    pub(crate) skew: i64,
    pub(crate) delayed: Vec<(u64, Request)>,
    pub(crate) setup: gateway::Setup,
    /// What is on disk; `None` before the first start.
    pub(crate) disk: Option<Vec<u8>>,
    pub(crate) running: Option<Gateway>,
    crash_in: Option<u64>,
    /// It was started once, and is to be running when the trouble is over.
    pub(crate) wanted: bool,
    last_poll: u64,
}

pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) now: UnixTime,
    rng: ChaCha8Rng,
    pub(crate) nodes: Vec<Node>,
    pub(crate) provider_setup: provider::Setup,
    pub(crate) provider: Provider,
    pub(crate) store: Store,
    pub(crate) lost_write: bool,
    pub(crate) trouble: Trouble,
    /// Prints what gateways report: set `DCNET_SIMULATION_LOG` and run with `--nocapture`.
    talkative: bool,
    /// What the meters showed, as handed to the gateways that sealed it.
    pub(crate) readings: BTreeMap<(ClientId, Round), Option<Vec<i64>>>,
    /// What was on the wire, for the view checker.
    pub(crate) recorder: Recorder,
    /// Another log for some; then there may be evidence.
    fork: Option<fork::Fork>,
    /// No envelope from or to it is relayed.
    isolated: Option<ClientId>,
    /// When who drew.
    pub(crate) draws: Vec<(UnixTime, ClientId)>,
    /// What gateways kept, and when.
    pub(crate) evidence: Vec<(UnixTime, ClientId, Vec<u8>)>,
}

impl World {
    pub(crate) fn new(size: usize, min_size: u32, out_degree: u16, seed: u64) -> Self {
        Self::with(size, min_size, out_degree, seed, Params::default())
    }
    pub(crate) fn with(
        size: usize,
        min_size: u32,
        out_degree: u16,
        seed: u64,
        params: Params,
    ) -> Self {
        let mut skews = ChaCha8Rng::seed_from_u64(seed.wrapping_add(77));
        let authority = Authority::new();
        let key = new_key();
        let slot = |c: u8| SlotSpec {
            obis: [1, 0, c, 8, 0, 255],
            unit: 30,
            scale: -1,
        };
        let descriptor = NetDescriptor::new(NetParameters {
            version: 1,
            net: "street-1".parse().unwrap(),
            region: b"test".to_vec(),
            interval_s: INTERVAL_S,
            submit_window_s: 6,
            correction_window_s: 6,
            slots: [1, 2, 16].map(slot).to_vec(),
            min_size,
            out_degree,
            threshold: params.threshold,
            max_loss_permille: params.loss,
            correction_mode: params.mode,
            epoch_length: params.epoch_length,
            provider_key: key.verifying_key().to_sec1(),
            ca_fingerprint: authority.anchor().fingerprint(),
        })
        .unwrap();
        let mut node = |number: usize| {
            let client = format!("gw-{number:02}");
            let (key, chain) = authority.issue(&client);
            let setup = gateway::Setup {
                descriptor: descriptor.clone(),
                client: client.parse().unwrap(),
                key,
                chain,
                anchor: authority.anchor(),
                policy: Policy {
                    min_size,
                    allow_resend: true,
                    witnesses: Quorum::default(),
                },
            };
            Node {
                skew: if params.skew == 0 {
                    0
                } else {
                    i64::try_from(skews.next_u64() % (2 * params.skew.unsigned_abs() + 1)).unwrap()
                        - params.skew
                },
                delayed: Vec::new(),
                setup,
                disk: None,
                running: None,
                crash_in: None,
                wanted: false,
                last_poll: 0,
            }
        };
        let provider_setup = provider::Setup {
            descriptor: descriptor.clone(),
            key,
            anchor: authority.anchor(),
        };
        Self {
            // Between the correction window and the border: whole rounds are run from here on.
            now: UnixTime::from_secs(1_800_000_014),
            rng: ChaCha8Rng::seed_from_u64(seed),
            nodes: (0..size).map(&mut node).collect(),
            provider: Provider::new(provider_setup.clone()).unwrap(),
            provider_setup,
            authority,
            store: Store::default(),
            lost_write: false,
            trouble: Trouble::default(),
            talkative: std::env::var_os("DCNET_SIMULATION_LOG").is_some(),
            readings: BTreeMap::new(),
            recorder: Recorder::new(descriptor),
            fork: None,
            isolated: None,
            draws: Vec::new(),
            evidence: Vec::new(),
        }
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble) {
        self.trouble = trouble;
    }

    pub(crate) fn outcomes(&self) -> &[RoundOutcome] {
        &self.store.outcomes
    }

    pub(crate) fn last(&self) -> &RoundOutcome {
        self.store.outcomes.last().unwrap()
    }

    pub(crate) fn id(&self, member: usize) -> ClientId {
        self.nodes[member].setup.client
    }

    pub(crate) fn index_of(&self, client: &ClientId) -> usize {
        self.nodes
            .iter()
            .position(|node| node.setup.client == *client)
            .unwrap()
    }

    pub(crate) fn living(&self) -> usize {
        self.provider
            .members()
            .filter(|m| m.status == MemberStatus::Active)
            .count()
    }

    pub(crate) fn neighbours_of(&self, member: usize) -> ClientSet {
        self.nodes[member].running.as_ref().unwrap().neighbours()
    }

    pub(crate) fn neighbours_of_id(&self, client: &ClientId) -> ClientSet {
        self.neighbours_of(self.index_of(client))
    }

    pub(crate) fn status_of(&self, member: usize) -> Option<MemberStatus> {
        let client = self.id(member);
        self.provider
            .members()
            .find(|m| m.client == client)
            .map(|m| m.status)
    }

    pub(crate) fn has_left(&self, member: usize) -> bool {
        let running = self.nodes[member].running.as_ref().unwrap();
        running.phase(self.now) == gateway::Phase::Left
    }

    pub(crate) fn describe(&self) -> String {
        let states = self
            .provider
            .members()
            .map(|m| format!("{}:{}", m.client, m.status));
        states.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|member| self.start(member));
    }

    pub(crate) fn start_dead(&mut self) {
        for member in 0..self.nodes.len() {
            if self.nodes[member].running.is_none() && self.nodes[member].wanted {
                self.start(member);
            }
        }
    }

    pub(crate) fn kill(&mut self, member: usize) {
        self.nodes[member].running = None;
    }

    /// Starts from what is on disk.
    pub(crate) fn start(&mut self, member: usize) {
        let node = &mut self.nodes[member];
        let state = match &node.disk {
            Some(bytes) => GatewayState::decode(bytes).unwrap(),
            None => GatewayState::fresh(
                UnixTime::from_millis(self.now.millis().checked_add_signed(node.skew).unwrap()),
                &mut self.rng,
            ),
        };
        node.running = Some(Gateway::new(node.setup.clone(), state).unwrap());
        node.crash_in = None;
        node.wanted = true;
        self.input(member, gateway::Input::Join);
    }

    pub(crate) fn leave(&mut self, member: usize) {
        if self.nodes[member].running.is_none() {
            self.start(member);
        }
        self.input(member, gateway::Input::Leave);
    }

    pub(crate) fn run_rounds(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.accidents();
            for _ in 0..u64::from(INTERVAL_S) * 1000 / STEP_MILLIS {
                self.step();
            }
        }
    }

    /// Every published sum against what the meters showed, what the provider saw of each round against
    /// what it may learn, and the membership log against the epochs.
    pub(crate) fn check(&self) {
        assert!(!self.store.outcomes.is_empty());
        for outcome in &self.store.outcomes {
            let Some(sum) = &outcome.sum else {
                assert!(!outcome.status.is_success());
                continue;
            };
            let mut expected = [0_i64; SLOTS];
            for client in &outcome.contributors {
                let reading = self.readings[&(*client, outcome.round)].as_ref();
                for (total, value) in expected.iter_mut().zip(reading.unwrap()) {
                    *total += value;
                }
            }
            for client in &outcome.silent {
                assert_eq!(self.readings[&(*client, outcome.round)], None);
            }
            let published: Vec<i64> = sum.words().iter().map(|word| word.to_signed()).collect();
            assert_eq!(published, expected, "round {}", outcome.round);
            let everybody =
                outcome.contributors.len() + outcome.silent.len() + outcome.missing.len();
            assert_eq!(everybody, usize::try_from(outcome.members).unwrap());
        }
        self.recorder.judge(&self.store.outcomes);
        self.audit();
    }

    pub(crate) fn clock(&self, member: usize) -> UnixTime {
        UnixTime::from_millis(
            self.now
                .millis()
                .checked_add_signed(self.nodes[member].skew)
                .unwrap(),
        )
    }
    /// runs until `millis` after the start of the current interval
    pub(crate) fn run_to_phase(&mut self, millis: u64) {
        loop {
            self.step();
            if self.now.millis() % (u64::from(INTERVAL_S) * 1000) == millis {
                return;
            }
        }
    }

    fn chance(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && self.rng.next_u64() % 1000 < thousandths
    }

    fn accidents(&mut self) {
        for member in 0..self.nodes.len() {
            if self.nodes[member].running.is_some() && self.chance(self.trouble.member_dies) {
                self.kill(member);
            } else if self.nodes[member].running.is_none()
                && self.nodes[member].wanted
                && self.trouble.member_dies > 0
                && self.chance(300)
            {
                self.start(member);
            }
            if self.nodes[member].wanted && self.chance(self.trouble.ledger_lost) {
                self.nodes[member].disk = None;
                self.start(member);
            }
            if self.chance(self.trouble.member_crashes) {
                self.nodes[member].crash_in = Some(self.rng.next_u64() % 12);
            }
        }
        if self.chance(self.trouble.provider_crashes) {
            self.restart_provider();
        }
    }

    pub(crate) fn restart_provider(&mut self) {
        let snapshot = self.store.snapshot.clone();
        self.provider = Provider::restore(self.provider_setup.clone(), snapshot).unwrap();
    }

    /// The provider looks at its clock.
    pub(crate) fn tick_provider(&mut self) {
        let handled = self.provider.handle(self.now, provider::Input::Tick);
        let _ = self.store_all(handled);
    }

    /// Half a second: everybody acts, in random order.
    pub(crate) fn step(&mut self) {
        self.now = self.now.plus_millis(STEP_MILLIS);
        if self.chance(self.trouble.provider_crash_step) {
            self.restart_provider();
        }
        self.tick_provider();
        for member in 0..self.nodes.len() {
            let now = self.now.millis();
            let due: Vec<Request> = {
                let d = &mut self.nodes[member].delayed;
                let (a, b): (Vec<_>, Vec<_>) =
                    std::mem::take(d).into_iter().partition(|(t, _)| *t <= now);
                *d = b;
                a.into_iter().map(|x| x.1).collect()
            };
            for r in due {
                self.really_send(member, r, false);
            }
        }
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        for index in (1..order.len()).rev() {
            let other = usize::try_from(self.rng.next_u64() % (index as u64 + 1)).unwrap();
            order.swap(index, other);
        }
        for member in order {
            self.act(member);
        }
    }

    fn act(&mut self, member: usize) {
        if self.nodes[member].running.is_none() || self.chance(200) {
            return;
        }
        self.fetch_inbox(member);
        if self.now.millis() >= self.nodes[member].last_poll + 2000 {
            self.nodes[member].last_poll = self.now.millis();
            self.input(member, gateway::Input::Poll);
        }
        let schedule = self.provider_setup.descriptor.schedule();
        let clock = self.clock(member);
        let Some(round) = schedule.submitted_at(clock) else {
            return;
        };
        let sealed = self.nodes[member]
            .running
            .as_ref()
            .and_then(Gateway::last_sealed);
        if clock >= schedule.submit_deadline(round) || self.chance(100) {
            self.input(member, gateway::Input::Retry);
        } else if sealed.is_none_or(|last| last < round) {
            let reading = (!self.chance(30)).then(|| self.random_reading());
            self.input(member, gateway::Input::Submit { round, reading });
        } else {
            self.input(member, gateway::Input::Retry);
        }
    }

    /// What a running gateway does about an input at a time.
    pub(crate) fn handle(
        &mut self,
        member: usize,
        clock: UnixTime,
        input: gateway::Input,
    ) -> Vec<gateway::Output> {
        let running = self.nodes[member].running.as_mut().unwrap();
        running.handle(clock, input, &mut self.rng)
    }

    fn random_reading(&mut self) -> Reading {
        let mut value = || i64::try_from(self.rng.next_u64() % 2_000_001).unwrap() - 1_000_000;
        Reading::new((0..SLOTS).map(|_| value()).collect()).unwrap()
    }
}
