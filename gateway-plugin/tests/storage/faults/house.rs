//! A gateway whose storage fails, in a net that goes on.

use std::collections::BTreeMap;

use crate::support::bench::{Once, once};
use crate::support::disk::Disk;
use crate::support::net::{Net, Shape};
use crate::support::pki::{Authority, Issued, signing_key};
use crate::support::rng::Seeded;
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
use dcnet_protocol::superposition::Reading;

use super::{INTERVAL, START};

pub(crate) struct House {
    pub client: ClientId,
    pub issued: Issued,
    pub authority: Authority,
    pub net: Net,
    pub disk: Disk,
    pub machine: Option<Machine>,
    /// Frames that left, by round, notification and roster.
    pub left: BTreeMap<Once, Vec<u8>>,
    pub restarts: u32,
    pub reading: i64,
    pub rng: Seeded,
    /// The next frame of this notification is lost with the power, after it is durable.
    pub cut: Option<Notification>,
    pub lost: Vec<u8>,
    /// What was asked about members of draw lists.
    pub asked: Vec<(u64, Vec<u32>)>,
    /// The provider takes no envelopes.
    pub deaf: bool,
}

impl House {
    pub(crate) fn new(disk: Disk, mode: CorrectionMode) -> Self {
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

    pub(crate) fn setup(&self) -> Setup {
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
    pub(crate) fn start(&mut self) -> bool {
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

    pub(crate) fn power_loss(&mut self) {
        self.machine = None;
        self.disk = self.disk.after_power_loss();
        self.restarts += 1;
    }

    pub(crate) fn step(&mut self, input: Input) {
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

    pub(crate) fn send(&mut self, request: Request) -> Option<Input> {
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
    pub(crate) fn is_written_down(&self, request: &Request) {
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
    pub(crate) fn live(&mut self) {
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
    pub(crate) fn distrusts(&self) -> bool {
        let machine = self.machine.as_ref().unwrap();
        let evidence = machine.ledger().evidence().unwrap();
        for (_, bytes) in &evidence {
            EvidenceFile::from_bytes(bytes).unwrap().verify().unwrap();
        }
        let distrusts = machine.gateway().is_distrusting();
        assert_eq!(distrusts, !evidence.is_empty());
        distrusts
    }

    pub(crate) fn live_rounds(&mut self, rounds: u64) {
        for _ in 0..rounds * u64::from(INTERVAL) / 10 {
            self.live();
        }
    }
}
