//! The state machine tied to a ledger whose storage fails, at every sync and in both ways: nothing
//! leaves the gateway that is not on the disk, and of each round there is one frame, ever.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeMap;

use dcnet_gateway::daemon::{Effect, Machine};
use dcnet_gateway::ledger::{Ledger, Matter};
use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::evidence::EvidenceFile;
use dcnet_protocol::gateway::{Input, Policy, Request, Setup};
use dcnet_protocol::membership::witness::Quorum;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::provider;
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::superposition::Reading;
use support::bench::{Once, once};
use support::disk::{Disk, Fault};
use support::net::{Lie, Net, Shape};
use support::pki::{Authority, Issued, signing_key};
use support::rng::Seeded;

struct House {
    client: ClientId,
    issued: Issued,
    authority: Authority,
    net: Net,
    disk: Disk,
    machine: Option<Machine>,
    /// Frames that left, by round, notification and roster.
    left: BTreeMap<Once, Vec<u8>>,
    restarts: u32,
    reading: i64,
    rng: Seeded,
    /// The next frame of this notification is lost with the power, after it is durable.
    cut: Option<Notification>,
    lost: Vec<u8>,
    /// What was asked about members of draw lists.
    asked: Vec<(u64, Vec<u32>)>,
    /// The provider takes no envelopes.
    deaf: bool,
}

impl House {
    fn new(disk: Disk, mode: CorrectionMode) -> Self {
        let authority = Authority::new();
        let shape = Shape {
            mode,
            ..Shape::resend(4, [INTERVAL, 60, 60])
        };
        let net = Net::at(&authority, shape, START);
        let issued = authority.statement("house");
        Self {
            client: "house".parse().unwrap(),
            issued,
            authority,
            net,
            disk,
            machine: None,
            left: BTreeMap::new(),
            restarts: 0,
            reading: 0,
            rng: Seeded(2),
            cut: None,
            lost: Vec::new(),
            asked: Vec::new(),
            deaf: false,
        }
    }

    fn setup(&self) -> Setup {
        Setup {
            descriptor: self.net.descriptor.clone(),
            client: self.client,
            key: signing_key(&self.issued.key),
            chain: vec![self.issued.certificate.der().to_vec()],
            anchor: self.authority.anchor(),
            policy: Policy {
                min_size: 4,
                allow_resend: true,
                witnesses: Quorum::default(),
            },
        }
    }

    /// Opens the ledger on what is left on the disk. `false`: that failed, too.
    fn start(&mut self) -> bool {
        let setup = self.setup();
        let now = self.net.now();
        let opened = Ledger::with_backend(self.disk.clone())
            .map_err(|_| ())
            .and_then(|ledger| Machine::open(ledger, setup, now, &mut self.rng).map_err(|_| ()));
        if let Ok(machine) = opened {
            self.machine = Some(machine);
            self.step(Input::Join);
        } else {
            self.power_loss();
        }
        self.machine.is_some()
    }

    fn power_loss(&mut self) {
        self.machine = None;
        self.disk = self.disk.after_power_loss();
        self.restarts += 1;
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.net.now();
            let Some(machine) = &mut self.machine else {
                return;
            };
            let Ok(effects) = machine.step(now, Some(now), input, &mut self.rng) else {
                // A machine whose ledger failed takes no further step.
                machine
                    .step(now, None, Input::Poll, &mut self.rng)
                    .unwrap_err();
                self.power_loss();
                return;
            };
            for effect in effects {
                let Effect::Send(request) = effect else {
                    continue;
                };
                if let Request::Frame {
                    notification,
                    bytes,
                    ..
                } = &request
                    && self.cut == Some(*notification)
                {
                    self.cut = None;
                    self.lost.clone_from(bytes);
                    self.power_loss();
                    return;
                }
                inputs.extend(self.send(request));
            }
        }
    }

    fn send(&mut self, request: Request) -> Option<Input> {
        if let Request::Frame {
            notification,
            round,
            bytes,
        } = &request
            && notification.number() >= Notification::Resend.number()
        {
            let once = once(*round, bytes);
            let roster = once.2.clone().try_into().unwrap_or([0; 32]);
            let first = self.left.entry(once).or_insert(bytes.clone());
            assert_eq!(first, bytes, "a second frame of round {round}");
            // What leaves is on the disk: it is still there after a loss of power.
            let ledger = Ledger::with_backend(self.disk.after_power_loss()).unwrap();
            let stored = match notification {
                Notification::Resend => ledger.answered(*round),
                Notification::Pads | Notification::Reveal => {
                    ledger.answered_roster(*round, *notification, &roster)
                }
                _ => ledger.sealed(*round),
            };
            assert_eq!(
                stored.unwrap().as_ref(),
                Some(bytes),
                "sent before it was durable"
            );
        }
        self.is_written_down(&request);
        let from = self.client;
        match request {
            Request::Frame {
                notification,
                bytes,
                ..
            } => match self.net.post(provider::Input::Frame { from, bytes }) {
                Ok(provider::Reply::Receipt(receipt)) => {
                    Some(Input::Accepted(Box::new(self.net.sign(receipt))))
                }
                Ok(provider::Reply::Relayed) => None,
                Err(refusal) => Some(Input::Refused {
                    notification,
                    slug: refusal.slug().to_owned(),
                }),
            },
            Request::Envelope(_) if self.deaf => None,
            Request::Envelope(envelope) => {
                let bytes = envelope.encode();
                self.net
                    .post(provider::Input::Envelope { from, bytes })
                    .ok()?;
                Some(Input::Relayed(envelope.header().clone()))
            }
            Request::DrawList { from: known } => {
                let view = self.net.draw_list(from, known).ok()?;
                Some(Input::DrawList(Box::new(view)))
            }
            Request::Listed { list, at } => {
                self.asked.push((list, at.clone()));
                let members = self.net.listed(from, list, &at).ok()?;
                Some(Input::Listed(Box::new(members)))
            }
            Request::LogProof { index, from: known } => {
                let proof = self.net.log_proof(from, index, known).ok()?;
                Some(Input::LogProof(Box::new(proof)))
            }
            Request::CommonLog { small, large } => {
                let common = self.net.common_log(small, large).ok()?;
                Some(Input::CommonLog(Box::new(common)))
            }
            Request::Package(client) => {
                let package = self.net.provider().package(&client)?.clone();
                Some(Input::Package(Box::new(package)))
            }
            Request::Roster { round, after } => {
                let roster = self.net.roster(from, round, after)?;
                Some(Input::Roster(Box::new(roster)))
            }
        }
    }

    /// What leaves stands in the consumer's log before it does, byte for byte, and a superposition once
    /// and beside a reading.
    fn is_written_down(&self, request: &Request) {
        let (bytes, matter, is_sealed) = match request {
            Request::Frame {
                notification,
                round,
                bytes,
            } => {
                let (notification, round) = (*notification, *round);
                let matter = Matter::Frame {
                    notification,
                    round,
                };
                (bytes.clone(), matter, notification >= Notification::Resend)
            }
            Request::Envelope(envelope) => {
                let to = envelope.header().to;
                (envelope.encode(), Matter::Envelope { to }, false)
            }
            _ => return,
        };
        let ledger = Ledger::with_backend(self.disk.after_power_loss()).unwrap();
        let all = ledger.view().dispatches(None, usize::MAX).unwrap();
        let mut found = all.iter().map(|(_, one)| one);
        let line = found.find(|line| line.bytes == bytes);
        let line = line.unwrap_or_else(|| panic!("left without a line: {matter:?}"));
        assert_eq!(line.matter, matter);
        assert!(!is_sealed || found.all(|line| line.bytes != bytes), "twice");
        let hidden = line.hidden.as_ref();
        let is_superposition = matches!(
            matter,
            Matter::Frame {
                notification: Notification::Transmit,
                ..
            }
        );
        assert_eq!(hidden.is_some(), is_superposition);
        if let Some(hidden) = hidden {
            let [reading, 0] = hidden.values.as_ref().unwrap().as_slice() else {
                panic!("not the reading of a round");
            };
            assert!((1..=self.reading).contains(reading));
            assert!(hidden.members > 0 && hidden.neighbours > 0);
        }
    }

    /// Ten seconds of the life of everybody.
    fn live(&mut self) {
        self.net.advance(10_000);
        self.net.tick();
        if self.machine.is_none() && !self.start() {
            return;
        }
        let Some(machine) = &self.machine else { return };
        let after = machine.gateway().inbox_position();
        for delivery in self.net.inbox(self.client, after).deliveries {
            self.step(Input::Delivery(delivery));
        }
        self.step(Input::Poll);
        self.step(Input::Retry);
        let now = self.net.now();
        let schedule = self.net.schedule;
        if let Some(round) = schedule.submitted_at(now)
            && now < schedule.submit_deadline(round)
        {
            // Another reading at every attempt: if a round were sealed twice, it would show.
            self.reading += 1;
            let reading = Reading::new(vec![self.reading, 0]).ok();
            self.step(Input::Submit { round, reading });
        }
    }

    /// Whether there is evidence, which is sound, and nothing else is believed.
    fn distrusts(&self) -> bool {
        let machine = self.machine.as_ref().unwrap();
        let evidence = machine.ledger().evidence().unwrap();
        for (_, bytes) in &evidence {
            EvidenceFile::from_bytes(bytes).unwrap().verify().unwrap();
        }
        let distrusts = machine.gateway().is_distrusting();
        assert_eq!(distrusts, !evidence.is_empty());
        distrusts
    }

    fn live_rounds(&mut self, rounds: u64) {
        for _ in 0..rounds * u64::from(INTERVAL) / 10 {
            self.live();
        }
    }
}

/// Seconds.
const INTERVAL: u32 = 300;
const START: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Everybody has entered. Under double masks that takes longer: who drew before all had registered
/// lacks a holder, and draws again.
fn joined(disk: Disk, mode: CorrectionMode) -> House {
    let mut house = House::new(disk, mode);
    house.live_rounds(match mode {
        CorrectionMode::Resend => 4,
        CorrectionMode::DoubleMask => 11,
    });
    house
}

/// Long enough for joining, a few rounds, and a correction.
fn story(disk: Disk, mode: CorrectionMode) -> House {
    let mut house = joined(disk, mode);
    house.net.dead.push(0);
    house.live_rounds(2);
    house.net.dead.clear();
    house.live_rounds(2);
    house
}

#[test]
fn at_every_sync_and_in_both_ways() {
    fail_everywhere(CorrectionMode::Resend);
}

#[test]
fn at_every_sync_and_in_both_ways_under_double_masks() {
    fail_everywhere(CorrectionMode::DoubleMask);
}

/// From where on the storage fails.
fn first_sync(mode: CorrectionMode) -> u64 {
    let disk = match mode {
        // A ledger that was never whole has no name yet (see the ledger's own tests).
        CorrectionMode::Resend => {
            let disk = Disk::default();
            drop(Ledger::with_backend(disk.clone()).unwrap());
            disk
        }
        // Joining is the same in both.
        CorrectionMode::DoubleMask => joined(Disk::default(), mode).disk,
    };
    disk.syncs() + 1
}

fn fail_everywhere(mode: CorrectionMode) {
    let calm = story(Disk::default(), mode);
    assert_eq!(calm.restarts, 0);
    let transmitted = |house: &House| {
        house
            .left
            .keys()
            .filter(|(_, n, _)| *n == Notification::Transmit.number())
            .count()
    };
    let resent = |house: &House| house.left.len() - transmitted(house);
    assert!(transmitted(&calm) >= 6, "{:?}", calm.left.keys());
    assert!(resent(&calm) >= 1, "the story holds a correction");
    if mode == CorrectionMode::DoubleMask {
        for kind in [Notification::Pads, Notification::Reveal] {
            let mut kinds = calm.left.keys().map(|(_, number, _)| *number);
            assert!(kinds.any(|number| number == kind.number()), "{kind:?}");
        }
    }
    let (first, last) = (first_sync(mode), calm.disk.syncs());

    let mut answered = 0;
    for fault in [Fault::Failed, Fault::FailedButPersisted] {
        for number in first..=last {
            let disk = Disk::default();
            disk.fail_at(number, fault);
            let house = story(disk, mode);
            assert!(house.restarts >= 1, "{fault} at {number}");
            // One failure costs at most the round it happened in.
            let (got, all) = (transmitted(&house), transmitted(&calm));
            assert!(got + 2 >= all, "{fault} at {number}: {got} of {all}");
            answered += resent(&house);
        }
    }
    assert!(answered > 0);
}

#[test]
fn an_answer_that_was_durable_and_not_sent_is_sent_after_the_restart() {
    for kind in [
        Notification::Transmit,
        Notification::Pads,
        Notification::Reveal,
    ] {
        let mut house = joined(Disk::default(), CorrectionMode::DoubleMask);
        house.cut = Some(kind);
        house.net.dead.push(0);
        house.live_rounds(2);
        assert_eq!(house.restarts, 1, "{kind:?}");
        let sent = house.left.values().filter(|bytes| **bytes == house.lost);
        assert_eq!(sent.count(), 1, "{kind:?}: the same bytes, and once each");
        let outcome = house.net.outcomes.last().unwrap();
        assert!(outcome.sum.is_some(), "{kind:?}: {outcome:?}");
        assert!(outcome.contributors.contains(&house.client), "{kind:?}");
    }
}

/// A log that a provider out of reach could fill with the same in other words would soon hold nothing
/// else, and be written day and night.
#[test]
fn an_envelope_that_is_not_taken_is_one_message_however_often_it_is_sent() {
    let mut house = House::new(Disk::default(), CorrectionMode::Resend);
    house.deaf = true;
    house.live_rounds(1);
    let machine = house.machine.as_ref().unwrap();
    let written = machine.ledger().view().dispatches(None, 1_000).unwrap();
    let mut envelopes = BTreeMap::new();
    for (_, line) in written {
        if let Matter::Envelope { to } = line.matter {
            *envelopes.entry(to).or_insert(0) += 1;
        }
    }
    assert!(!envelopes.is_empty());
    assert!(envelopes.values().all(|lines| *lines <= 5), "{envelopes:?}");
}

/// The draw is durable before anything about it is asked, and whatever is lost, there is one.
#[test]
fn a_loss_of_power_in_the_draw_brings_the_same_indices_again() {
    let mut questions = 0;
    for number in 3.. {
        let disk = Disk::default();
        disk.fail_at(number, Fault::FailedButPersisted);
        let mut house = House::new(disk, CorrectionMode::DoubleMask);
        house.net.lie = Some(Lie::NoList);
        house.live_rounds(2);
        let first = house.asked.first().cloned();
        assert!(
            house
                .asked
                .iter()
                .all(|asked| Some(asked) == first.as_ref())
        );
        questions += house.asked.len();
        if house.restarts == 0 {
            break;
        }
    }
    assert!(questions > 10, "{questions}");
}

/// Evidence and the distrust that follows from it are durable together or not at all, and a gateway
/// that has it sends nothing of a reading.
#[test]
fn evidence_and_distrust_are_one_at_every_sync_and_in_both_ways() {
    let joined = |disk: Disk| joined(disk, CorrectionMode::DoubleMask);
    let caught = |mut house: House, lie: Lie| {
        house.net.lie = Some(lie);
        house.live_rounds(2);
        house
    };
    for lie in [Lie::TwoRosters, Lie::WithoutTheHouse] {
        let calm = joined(Disk::default());
        let first = calm.disk.syncs() + 1;
        let calm = caught(calm, lie);
        let last = calm.disk.syncs();
        assert!(calm.distrusts(), "{lie:?}");
        for fault in [Fault::Failed, Fault::FailedButPersisted] {
            for number in first..=last {
                let house = joined(Disk::default());
                house.disk.fail_at(number, fault);
                let mut house = caught(house, lie);
                assert!(house.restarts >= 1, "{lie:?}, {fault} at {number}");
                assert!(house.distrusts(), "{lie:?}, {fault} at {number}");
                let transmitted = |house: &House| {
                    let mut keys = house.left.keys();
                    keys.rfind(|(_, n, _)| *n == Notification::Transmit.number())
                        .cloned()
                };
                let before = transmitted(&house);
                house.live_rounds(1);
                assert_eq!(transmitted(&house), before, "{lie:?}, {fault} at {number}");
            }
        }
    }
}
