//! Gateways of a net that was set up honestly, in the hands of a provider that the test scripts: it
//! signs with the provider's key, and nothing that a gateway sends is answered by itself.

use std::collections::BTreeSet;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::frame::Frame;
use dcnet_protocol::gateway::{
    Gateway, GatewayState, Input, KeptEvidence, Outgoing, Output, Report, Request,
};
use dcnet_protocol::message::{Receipt, SignedReceipt, frame_hash};
use dcnet_protocol::names::{ClientId, ClientSet};
use dcnet_protocol::provider::RoundStatus;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round, Schedule, UnixTime};
use dcnet_protocol::signature::Signed;
use dcnet_protocol::superposition::Reading;

use super::World;

/// The rounds of a net after its set-up.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) round: Round,
}

/// What a gateway did about an input, in order.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What it was about to send according to what it persisted, and evidence.
    pub(crate) persisted: Vec<(Option<Outgoing>, Option<KeptEvidence>)>,
    /// Frames of rounds that left.
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) reports: Vec<Report>,
    /// Steps behind which it asked for rosters.
    pub(crate) asked: Vec<u8>,
}

impl Said {
    /// The name of the one refusal of a roster.
    pub(crate) fn refusal(&self) -> &'static str {
        let mut names = self.reports.iter().filter_map(|report| match report {
            Report::RosterRefused { refusal, .. } => Some(refusal.name()),
            _ => None,
        });
        let name = names.next().unwrap_or("none");
        assert_eq!(names.next(), None);
        name
    }

    /// The one frame that left.
    pub(crate) fn frame(&self) -> Frame {
        let [bytes] = &self.frames[..] else {
            panic!("{} frames: {:?}", self.frames.len(), self.reports);
        };
        Frame::decode(bytes).unwrap()
    }

    pub(crate) fn evidence(&self) -> Vec<&KeptEvidence> {
        let evidence = self.persisted.iter();
        evidence.filter_map(|(_, kept)| kept.as_ref()).collect()
    }
}

/// A roster field by field, true or not.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) net: &'static str,
    pub(crate) round: Round,
    pub(crate) epoch: u64,
    pub(crate) members: u32,
    pub(crate) root: [u8; 32],
    pub(crate) step: u8,
    pub(crate) reveal: bool,
    pub(crate) contributors: usize,
    pub(crate) present: BTreeSet<usize>,
}

/// Everybody was in the last sum, and the epoch goes on.
fn is_settled(world: &World) -> bool {
    let Some(last) = world.outcomes().last() else {
        return false;
    };
    let next = world.provider.epoch_at(last.round.next());
    last.status == RoundStatus::Complete
        && usize::try_from(last.members) == Ok(world.nodes.len())
        && next.is_some_and(|epoch| epoch.epoch == last.epoch)
}

impl Stage {
    /// Sets `world` up until all its members complete a round.
    pub(crate) fn new(mut world: World) -> Self {
        world.start_all();
        for _ in 0..20 {
            world.run_rounds(1);
            if is_settled(&world) {
                break;
            }
        }
        assert!(is_settled(&world), "{}", world.describe());
        let round = world.last().round;
        let mut stage = Self { world, round };
        stage.next_round();
        stage
    }

    pub(crate) fn schedule(&self) -> Schedule {
        self.world.provider_setup.descriptor.schedule()
    }

    /// The submission window of the next round opens.
    pub(crate) fn next_round(&mut self) {
        self.round = self.round.next();
        self.world.now = self.schedule().border(self.round);
    }

    /// The submission window closes.
    pub(crate) fn close(&mut self) {
        self.world.now = self.schedule().submit_deadline(self.round);
    }

    pub(crate) fn members(&self) -> std::ops::Range<usize> {
        0..self.world.nodes.len()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.world.last().epoch.number()
    }

    /// Members are numbered by their names, so that a number is an index in the member tree.
    pub(crate) fn id(&self, member: usize) -> ClientId {
        self.world.id(member)
    }

    fn edges(&self, member: usize, wanted: impl Fn(bool, bool) -> bool) -> BTreeSet<usize> {
        let manifest = self.world.recorder.manifest(self.id(member), self.epoch());
        let edges = manifest.neighbours.iter();
        edges
            .filter(|edge| wanted(edge.role.holder, edge.role.dealer))
            .map(|edge| usize::try_from(edge.index).unwrap())
            .collect()
    }

    /// Those that hold shares of this member's seeds.
    pub(crate) fn holders(&self, member: usize) -> BTreeSet<usize> {
        self.edges(member, |holder, _| holder)
    }

    pub(crate) fn dealers(&self, member: usize) -> BTreeSet<usize> {
        self.edges(member, |_, dealer| dealer)
    }

    pub(crate) fn neighbours(&self, member: usize) -> BTreeSet<usize> {
        self.edges(member, |_, _| true)
    }

    /// Gives a gateway an input; what it does about it is recorded and goes nowhere.
    pub(crate) fn give(&mut self, member: usize, input: Input) -> Said {
        let client = self.id(member);
        let clock = self.world.clock(member);
        let mut said = Said::default();
        for output in self.world.handle(member, clock, input) {
            match output {
                Output::Persist(persist) => {
                    self.world.nodes[member].disk = Some(persist.state.expose().to_vec());
                    if let Some(sending) = &persist.sending {
                        self.world.recorder.persisted(client, sending);
                    }
                    said.persisted.push((persist.sending, persist.evidence));
                }
                Output::Send(Request::Frame { bytes, round, .. }) => {
                    self.world.recorder.sent(client, &bytes);
                    let frame = Frame::decode(&bytes).unwrap();
                    if frame.notification().number() >= 4 {
                        assert_eq!(frame.header().round, round);
                        said.frames.push(bytes);
                    }
                }
                Output::Send(Request::Roster { after, .. }) => said.asked.push(after),
                Output::Send(_) => {}
                Output::Report(report) => said.reports.push(report),
            }
        }
        said
    }

    /// A gateway seals a frame with or without a reading.
    pub(crate) fn submit(&mut self, member: usize, reading: Option<i64>) -> Said {
        let reading = reading.map(|value| Reading::new(vec![value, -value, 7]).unwrap());
        let round = self.round;
        self.give(member, Input::Submit { round, reading })
    }

    /// Everybody seals a reading; the frames.
    pub(crate) fn submit_all(&mut self) -> Vec<Vec<u8>> {
        let members = self.members();
        let submit = |member: usize| {
            let value = 1000 + i64::try_from(member).unwrap();
            self.submit(member, Some(value)).frames.remove(0)
        };
        members.map(submit).collect()
    }

    /// The provider's receipt for a frame.
    pub(crate) fn receipt(&self, bytes: &[u8]) -> SignedReceipt {
        let setup = &self.world.provider_setup;
        let receipt = self.receipt_body(bytes);
        SignedReceipt::sign(vec![receipt], &setup.descriptor, &setup.key).remove(0)
    }

    pub(crate) fn receipt_body(&self, bytes: &[u8]) -> Receipt {
        let setup = &self.world.provider_setup;
        let frame = Frame::decode(bytes).unwrap();
        Receipt {
            net: setup.descriptor.net(),
            descriptor: setup.descriptor.hash(),
            client: frame.header().client,
            epoch: frame.header().epoch,
            round: frame.header().round,
            notification: frame.notification(),
            frame_hash: frame_hash(bytes),
        }
    }

    /// The true first roster of the round, with everybody in it.
    pub(crate) fn draft(&self, step: u8, reveal: bool) -> Draft {
        let manifest = self.world.recorder.manifest(self.id(0), self.epoch());
        let members = self.members();
        Draft {
            net: "street-1",
            round: self.round,
            epoch: self.epoch(),
            members: manifest.head.members,
            root: manifest.head.member_root.encode().try_into().unwrap(),
            step,
            reveal,
            contributors: members.len(),
            present: members.collect(),
        }
    }

    /// The same without these.
    pub(crate) fn without(&self, step: u8, reveal: bool, gone: &[usize]) -> Draft {
        let mut draft = self.draft(step, reveal);
        draft.present.retain(|member| !gone.contains(member));
        draft.contributors = draft.present.len();
        draft
    }

    /// Signs a draft with the provider's key.
    pub(crate) fn sign(&mut self, draft: &Draft) -> Signed<Roster> {
        let setup = &self.world.provider_setup;
        let bits = draft.members.div_ceil(8);
        let mut present = vec![0_u8; usize::try_from(bits).unwrap()];
        for member in &draft.present {
            present[member / 8] |= 1 << (member % 8);
        }
        let mut bytes = draft
            .net
            .parse::<dcnet_protocol::names::NetId>()
            .unwrap()
            .encode();
        bytes.extend(setup.descriptor.hash().as_bytes());
        bytes.extend(Epoch::new(draft.epoch).encode());
        bytes.extend(draft.round.encode());
        bytes.extend(draft.root);
        bytes.extend(draft.members.to_be_bytes());
        bytes.extend([draft.step, u8::from(draft.reveal)]);
        bytes.extend(u32::try_from(draft.contributors).unwrap().to_be_bytes());
        bytes.extend(u16::try_from(bits).unwrap().to_be_bytes());
        bytes.extend(present);
        let roster = Roster::decode(&bytes).unwrap();
        self.world.recorder.shown(&roster);
        self.world.provider_setup.key.sign(roster)
    }

    /// Shows a roster to a gateway.
    pub(crate) fn show(&mut self, member: usize, draft: &Draft) -> Said {
        let signed = self.sign(draft);
        self.give(member, Input::Roster(Box::new(signed)))
    }

    /// The gateway stops and goes on from its disk; what it sends at its start.
    pub(crate) fn restart(&mut self, member: usize) -> Said {
        let node = &mut self.world.nodes[member];
        let state = GatewayState::decode(node.disk.as_ref().unwrap()).unwrap();
        node.running = Some(Gateway::new(node.setup.clone(), state).unwrap());
        self.give(member, Input::Join)
    }

    /// A later time in the round: milliseconds behind its border.
    pub(crate) fn at(&mut self, millis: u64) -> UnixTime {
        self.world.now = self.schedule().border(self.round).plus_millis(millis);
        self.world.now
    }

    /// Names of these members.
    pub(crate) fn set(&self, members: impl IntoIterator<Item = usize>) -> ClientSet {
        members.into_iter().map(|member| self.id(member)).collect()
    }
}
