//! A provider that lies about the membership log, towards one gateway: in draws, and in manifests.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::evidence::{EvidenceFile, Proof};
use dcnet_protocol::frame::Frame;
use dcnet_protocol::gateway::{
    Fault, Gateway, GatewayState, Input, Output, Report, Request, RoundRefusal,
};
use dcnet_protocol::membership::checkpoint::LogFault;
use dcnet_protocol::membership::epoch_head::MemberLeaf;
use dcnet_protocol::membership::log::{DrawList, Log, LogEntry};
use dcnet_protocol::membership::proof::{
    DrawListView, ListedMember, ListedMembers, LogProof, LogProofError,
};
use dcnet_protocol::membership::witness::Cosignatures;
use dcnet_protocol::merkle::{Path, Tree};
use dcnet_protocol::message::{Manifest, MemberList, Message, Receipt, SignedReceipt, frame_hash};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::signature::SigningKey;

use crate::world::{Net, setup};
use crate::{EPOCH, ROUND, id};

/// What a gateway does about an input; nothing is carried out.
pub(crate) fn act(net: &mut Net, now: UnixTime, client: ClientId, input: Input) -> Vec<Output> {
    let gateway = net.gateways.get_mut(&client).unwrap();
    gateway.handle(now, input, &mut net.rng)
}

pub(crate) fn faults(outputs: &[Output]) -> Vec<&Fault> {
    let faults = outputs.iter().filter_map(|output| match output {
        Output::Report(Report::Fault(fault)) => Some(fault),
        _ => None,
    });
    faults.collect()
}

pub(crate) fn requests(outputs: &[Output]) -> Vec<&Request> {
    let requests = outputs.iter().filter_map(|output| match output {
        Output::Send(request) => Some(request),
        _ => None,
    });
    requests.collect()
}

/// What the evidence that is kept proves.
pub(crate) fn proofs(outputs: &[Output]) -> Vec<Proof> {
    let kept = outputs.iter().filter_map(|output| match output {
        Output::Persist(persist) => persist.evidence.as_ref(),
        _ => None,
    });
    kept.map(|kept| {
        EvidenceFile::from_bytes(&kept.bytes)
            .unwrap()
            .verify()
            .unwrap()
    })
    .collect()
}

/// The state that was persisted last.
pub(crate) fn state(outputs: &[Output]) -> Vec<u8> {
    let mut states = outputs.iter().filter_map(|output| match output {
        Output::Persist(persist) => Some(persist.state.expose().to_vec()),
        _ => None,
    });
    states.next_back().unwrap()
}

/// The gateway goes on from these bytes, and registers unless it distrusts.
pub(crate) fn restart(net: &mut Net, now: UnixTime, client: ClientId, state: &[u8]) -> Vec<Output> {
    let vector = crate::world::members().into_iter().find(|vector| {
        let (setup, _) = setup(&net.descriptor, vector);
        setup.client == client
    });
    let (setup, _) = setup(&net.descriptor, &vector.unwrap());
    let gateway = Gateway::new(setup, GatewayState::decode(state).unwrap()).unwrap();
    net.gateways.insert(client, gateway);
    let outputs = act(net, now, client, Input::Join);
    let mut frames = requests(&outputs)
        .into_iter()
        .filter_map(|request| match request {
            Request::Frame { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
    let Some(bytes) = frames.next_back() else {
        return outputs;
    };
    let header = Frame::decode(&bytes).unwrap();
    let receipt = Receipt {
        net: header.header().net,
        descriptor: header.header().descriptor,
        client,
        epoch: header.header().epoch,
        round: header.header().round,
        notification: header.notification(),
        frame_hash: frame_hash(&bytes),
    };
    let receipt = SignedReceipt::sign(vec![receipt], &net.descriptor, &net.provider_key).remove(0);
    act(net, now, client, Input::Accepted(Box::new(receipt)))
}

/// A gateway that is registered and has found the net too small: it asks for the list anew.
struct Drawing {
    net: Net,
    client: ClientId,
    now: UnixTime,
}

impl Drawing {
    fn new() -> Self {
        let mut net = Net::new();
        let client = id("gw-1");
        let whole = net.list.clone();
        let some = whole.as_slice().iter().rev().take(3).copied();
        net.list = MemberList::new(some.collect());
        assert!(net.list.as_slice().iter().any(|one| one.client == client));
        let now = net.schedule().start(ROUND);
        net.give(now, client, Input::Join);
        net.list = whole;
        let mut drawing = Self { net, client, now };
        let outputs = drawing.act(Input::Poll);
        let asked = |request: &&Request| matches!(request, Request::DrawList { from: 1 });
        assert!(requests(&outputs).iter().any(asked));
        drawing
    }

    fn act(&mut self, input: Input) -> Vec<Output> {
        act(&mut self.net, self.now, self.client, input)
    }

    fn view(&mut self) -> DrawListView {
        self.net.draw_list(self.client, 1)
    }

    fn shows(&mut self, view: DrawListView) -> Vec<Output> {
        self.act(Input::DrawList(Box::new(view)))
    }

    /// A view that must not be drawn from.
    fn refuses(&mut self, view: DrawListView) -> Fault {
        let outputs = self.shows(view);
        let drawn = |output: &Output| matches!(output, Output::Report(Report::Drawn { .. }));
        assert!(!outputs.iter().any(drawn));
        assert!(asked(&outputs).is_none());
        let [fault] = faults(&outputs)[..] else {
            panic!("{outputs:?}");
        };
        fault.clone()
    }

    /// Draws out of a true list; the list and the indices that it asks for.
    fn draws(&mut self) -> (u64, Vec<u32>) {
        let view = self.view();
        asked(&self.shows(view)).unwrap()
    }

    fn lists(&mut self, list: u64, members: Vec<ListedMember>) -> Vec<Output> {
        self.act(Input::Listed(Box::new(ListedMembers { list, members })))
    }
}

fn asked(outputs: &[Output]) -> Option<(u64, Vec<u32>)> {
    requests(outputs)
        .into_iter()
        .find_map(|request| match request {
            Request::Listed { list, at } => Some((*list, at.clone())),
            _ => None,
        })
}

fn confirmed_or_offered(outputs: &[Output]) -> usize {
    let offers = requests(outputs).into_iter();
    offers
        .filter(|request| matches!(request, Request::Envelope(_)))
        .count()
}

#[test]
fn indices_are_on_disk_before_they_are_asked_for() {
    let mut drawing = Drawing::new();
    let view = drawing.view();
    let outputs = drawing.shows(view);
    let is_persist = |output: &Output| matches!(output, Output::Persist(_));
    let is_ask = |output: &Output| matches!(output, Output::Send(Request::Listed { .. }));
    let persisted = outputs.iter().position(is_persist).unwrap();
    assert!(persisted < outputs.iter().position(is_ask).unwrap());
    let first = asked(&outputs).unwrap();
    assert_eq!(first.1.len(), 4);
    let stored = state(&outputs[..=persisted]);
    let (now, client) = (drawing.now, drawing.client);
    let again = restart(&mut drawing.net, now, client, &stored);
    assert_eq!(
        asked(&again),
        Some(first.clone()),
        "the same after a restart"
    );
    // Another list changes nothing of it.
    let view = drawing.view();
    assert!(drawing.shows(view).is_empty());
    assert_eq!(asked(&drawing.act(Input::Poll)), Some(first));
}

#[test]
fn a_leaf_that_is_withheld_is_waited_for_and_never_passed_over() {
    let mut drawing = Drawing::new();
    let (list, at) = drawing.draws();
    let mut shown = drawing.net.listed(list, &at).members;
    let first = shown.remove(0);
    let outputs = drawing.lists(list, shown.clone());
    assert_eq!(
        confirmed_or_offered(&outputs),
        0,
        "nobody behind it is taken"
    );
    assert_eq!(asked(&outputs), None, "no loop");
    let later = drawing.act(Input::Poll);
    assert_eq!(asked(&later), Some((list, at.clone())));
    let (now, client) = (drawing.now, drawing.client);
    let again = restart(&mut drawing.net, now, client, &state(&outputs));
    assert_eq!(asked(&again), Some((list, at.clone())));
    let other_list = drawing.lists(list + 1, vec![first.clone()]);
    assert_eq!(confirmed_or_offered(&other_list), 0);
    let outputs = drawing.lists(list, vec![first]);
    assert_eq!(confirmed_or_offered(&outputs), 1);
    assert_eq!(asked(&outputs), Some((list, at[1..].to_vec())));
    let outputs = drawing.lists(list, shown);
    assert_eq!(confirmed_or_offered(&outputs), 3);
}

#[test]
fn a_forged_leaf_is_a_fault_and_settles_nothing() {
    let mut drawing = Drawing::new();
    let (list, at) = drawing.draws();
    let genuine = drawing.net.listed(list, &at).members;
    let (first, second) = (genuine[0].clone(), genuine[1].clone());
    let index = first.index;
    let forged = [
        ListedMember {
            path: second.path.clone(),
            ..first.clone()
        },
        ListedMember {
            index,
            ..second.clone()
        },
        ListedMember {
            leaf: MemberLeaf {
                client: second.leaf.client,
                ..first.leaf
            },
            ..first.clone()
        },
        ListedMember {
            leaf: MemberLeaf {
                package: second.leaf.package,
                ..first.leaf
            },
            ..first.clone()
        },
        ListedMember {
            path: Path::default(),
            ..first.clone()
        },
    ];
    for member in forged {
        // Behind it, the genuine one of another index: it does not jump the queue.
        let outputs = drawing.lists(list, vec![member, second.clone()]);
        let [fault] = faults(&outputs)[..] else {
            panic!("{outputs:?}");
        };
        assert!(
            matches!(fault, Fault::ForgedLeaf { index: at, .. } if *at == index),
            "{fault}"
        );
        assert_eq!(confirmed_or_offered(&outputs), 0);
        assert_eq!(asked(&outputs), None, "no loop");
        let later = drawing.act(Input::Poll);
        assert_eq!(asked(&later), Some((list, at.clone())));
    }
    let outputs = drawing.lists(list, genuine);
    assert!(faults(&outputs).is_empty());
    assert_eq!(confirmed_or_offered(&outputs), 4);
}

/// A list over these leaves, whatever they are, and the paths of them.
fn raw_list(round: Round, leaves: &[MemberLeaf]) -> (DrawList, Vec<Path>) {
    let mut tree = Tree::new();
    for leaf in leaves {
        tree.push(leaf.encode());
    }
    // A list cannot be built over leaves out of order: from its encoding it can.
    let mut bytes = round.encode();
    bytes.extend(u32::try_from(leaves.len()).unwrap().to_be_bytes());
    bytes.extend(tree.root().as_bytes());
    let paths = (0..tree.len()).map(|index| tree.inclusion(index).unwrap());
    (DrawList::decode(&bytes).unwrap(), paths.collect())
}

#[test]
fn a_client_that_is_listed_twice_is_drawn_once() {
    let mut drawing = Drawing::new();
    let leaves = drawing.net.tree().leaves().to_vec();
    let (client, now) = (drawing.client, drawing.now);
    let own = *leaves.iter().find(|leaf| leaf.client == client).unwrap();
    let twice = *leaves.iter().find(|leaf| leaf.client != client).unwrap();
    // Itself twice, and another three times.
    let leaves = [own, twice, twice, own, twice];
    let round = drawing.net.schedule().round_at(now);
    let (draw_list, paths) = raw_list(round, &leaves);
    let index = drawing.net.append(&LogEntry::DrawList(draw_list));
    let view = DrawListView {
        proof: drawing.net.log_proof(index, 1),
        own_index: 0,
        own_path: paths[0].clone(),
    };
    let (list, at) = asked(&drawing.shows(view)).unwrap();
    let members = at.iter().map(|index| {
        let place = usize::try_from(*index).unwrap();
        ListedMember {
            index: *index,
            leaf: leaves[place],
            path: paths[place].clone(),
            package: drawing.net.packages[&leaves[place].client].clone(),
        }
    });
    let members = members.collect();
    let outputs = drawing.lists(list, members);
    let named: Vec<ClientId> = faults(&outputs)
        .into_iter()
        .map(|fault| match fault {
            Fault::ListedTwice { client } => *client,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(named.iter().filter(|named| **named == client).count(), 1);
    assert_eq!(
        named.iter().filter(|named| **named == twice.client).count(),
        2
    );
    assert_eq!(confirmed_or_offered(&outputs), 1);
}

#[test]
fn a_list_with_another_package_of_the_gateway_is_not_drawn_from() {
    let mut drawing = Drawing::new();
    let mut view = drawing.view();
    let genuine = view.clone();
    view.own_index = (view.own_index + 1) % 5;
    assert_eq!(drawing.refuses(view), Fault::NotListed);
    // A fault does not stop it from asking again.
    drawing.act(Input::Poll);
    let outputs = drawing.shows(genuine);
    assert!(asked(&outputs).is_some());
}

#[test]
fn a_list_of_another_time_is_not_drawn_from() {
    for offset in [-97_i64, 97] {
        let mut drawing = Drawing::new();
        let present = drawing.net.schedule().round_at(drawing.now).number();
        let round = Round::new(present.checked_add_signed(offset).unwrap());
        let tree = drawing.net.tree();
        let index = drawing
            .net
            .append(&LogEntry::DrawList(tree.draw_list(round)));
        let own_index = tree.index_of(&drawing.client).unwrap();
        let view = DrawListView {
            proof: drawing.net.log_proof(index, 1),
            own_index,
            own_path: tree.inclusion(own_index).unwrap(),
        };
        assert_eq!(drawing.refuses(view), Fault::OldDrawList { round });
    }
}

#[test]
fn an_epoch_is_not_drawn_from() {
    let mut drawing = Drawing::new();
    let mut view = drawing.view();
    let head = drawing.net.head(EPOCH, ROUND);
    let index = drawing.net.append(&LogEntry::Epoch(head));
    view.proof = drawing.net.log_proof(index, 1);
    assert_eq!(drawing.refuses(view), Fault::NotListed);
}

/// The log with another entry in a place.
pub(crate) fn rewritten(log: &Log, net: &Net, place: usize) -> Log {
    let mut entries: Vec<Vec<u8>> = log.entries().map(<[u8]>::to_vec).collect();
    let other = LogEntry::Suspended {
        client: id("nobody"),
        round: ROUND,
    };
    entries[place] = other.encode();
    Log::restore(net.descriptor.net(), net.descriptor.hash(), entries).unwrap()
}

pub(crate) fn proof_of(log: &Log, key: &SigningKey, index: u64, from: u64) -> LogProof {
    LogProof {
        checkpoint: log.head(key),
        cosignatures: Cosignatures::default(),
        from,
        consistency: log.consistency(from).unwrap_or_default(),
        index,
        entry: LogEntry::decode(log.entry(index).unwrap()).unwrap(),
        inclusion: log.inclusion(index).unwrap(),
    }
}

#[test]
fn a_list_in_another_log_is_not_drawn_from() {
    let mut drawing = Drawing::new();
    let genuine = drawing.view();
    let index = genuine.proof.index;
    let with = |proof: LogProof| DrawListView {
        proof,
        ..genuine.clone()
    };
    let key = drawing.net.provider_key.clone();
    let log = drawing.net.log.clone();
    // Rewritten behind the gateway's back.
    let other = rewritten(&log, &drawing.net, 0);
    let fault = drawing.refuses(with(proof_of(&other, &key, index, 1)));
    let not_extended = |fault: &Fault| {
        matches!(
            fault,
            Fault::Log(LogProofError::Log(LogFault::NotExtended { .. }))
        )
    };
    assert!(not_extended(&fault), "{fault}");
    // By another key.
    drawing.act(Input::Poll);
    let foreign = drawing.net.statement_keys[&id("a")].clone();
    let fault = drawing.refuses(with(proof_of(&log, &foreign, index, 1)));
    let signature = |fault: &Fault| {
        matches!(
            fault,
            Fault::Log(LogProofError::Log(LogFault::Signature(_)))
        )
    };
    assert!(signature(&fault), "{fault}");
    // Of another net, and of other parameters.
    let (net, hash) = (drawing.net.descriptor.net(), drawing.net.descriptor.hash());
    drawing.act(Input::Poll);
    let other = Log::restore("street-2".parse().unwrap(), hash, log.entries()).unwrap();
    let fault = drawing.refuses(with(proof_of(&other, &key, index, 1)));
    let wrong_net = |fault: &Fault| {
        matches!(
            fault,
            Fault::Log(LogProofError::Log(LogFault::WrongNet { .. }))
        )
    };
    assert!(wrong_net(&fault), "{fault}");
    drawing.act(Input::Poll);
    let foreign = dcnet_protocol::descriptor::DescriptorHash::from_bytes([3; 32]);
    let other = Log::restore(net, foreign, log.entries()).unwrap();
    let fault = drawing.refuses(with(proof_of(&other, &key, index, 1)));
    assert_eq!(fault, Fault::Log(LogFault::WrongDescriptor.into()));
    // An entry that is not in it.
    drawing.act(Input::Poll);
    let mut proof = genuine.proof.clone();
    proof.inclusion = Path::from_bytes(vec![1; 32]).unwrap();
    let fault = drawing.refuses(with(proof));
    assert!(
        matches!(fault, Fault::Log(LogProofError::Entry(_))),
        "{fault}"
    );
    // The truth is still believed.
    drawing.act(Input::Poll);
    assert!(asked(&drawing.shows(genuine)).is_some());
}

#[test]
fn answers_that_cross_and_shorter_logs_are_no_fault_and_no_draw() {
    let mut drawing = Drawing::new();
    let genuine = drawing.view();
    for from in [0, 7] {
        let mut view = genuine.clone();
        view.proof = drawing.net.log_proof(genuine.proof.index, from);
        assert!(drawing.shows(view).is_empty());
        drawing.act(Input::Poll);
    }
    // It knows two entries by now.
    drawing.shows(genuine);
    let mut net = drawing.net;
    let client = drawing.client;
    assert_eq!(net.gateways[&client].log_size(), 2);
    let short = Log::restore(
        net.descriptor.net(),
        net.descriptor.hash(),
        net.log.entries().take(1),
    );
    let proof = proof_of(&short.unwrap(), &net.provider_key, 0, 2);
    let outputs = act(
        &mut net,
        drawing.now,
        client,
        Input::LogProof(Box::new(proof)),
    );
    assert!(outputs.is_empty());
    assert_eq!(net.gateways[&client].log_size(), 2);
}

/// A manifest of the next epoch, in force from `first_round` on, and its outputs.
pub(crate) fn announces(net: &mut Net, client: ClientId, manifest: Manifest) -> Vec<Output> {
    let now = net.schedule().start(ROUND);
    let signed = net.provider_key.sign(manifest);
    let delivery = net.delivery(Message::Manifest(signed));
    act(net, now, client, delivery)
}

/// Why nothing was sealed.
pub(crate) fn refusal(outputs: &[Output]) -> Option<RoundRefusal> {
    outputs.iter().find_map(|output| match output {
        Output::Report(Report::RoundRefused { reason, .. }) => Some(*reason),
        _ => None,
    })
}
