//! Neighbours that were shown different logs: section 7.20 of `docs/spec/protocol.md`.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::evidence::Proof;
use dcnet_protocol::gateway::{Fault, Input, Output, Request, RoundRefusal};
use dcnet_protocol::membership::log::{Log, LogEntry};
use dcnet_protocol::membership::proof::CommonLog;
use dcnet_protocol::message::Message;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::round::Round;

use crate::log::{act, announces, faults, proofs, refusal, requests, restart, state};
use crate::world::Net;
use crate::{EPOCH, ROUND, id, reading, running};

/// Far enough ahead that the manifests of these tests do not matter.
const LATER: Round = Round::new(ROUND.number() + 50);

/// A net of five that all know the same log.
struct Views {
    net: Net,
    base: Log,
}

impl Views {
    fn new() -> Self {
        let net = running();
        let base = net.log.clone();
        assert!(net.gateways.values().all(|g| g.log_size() == base.len()));
        Self { net, base }
    }

    /// The base with these entries behind it.
    fn log(&self, behind: &[LogEntry]) -> Log {
        let mut log = self.base.clone();
        for entry in behind {
            log.append(entry);
        }
        log
    }

    fn epoch(&self, by: u64) -> LogEntry {
        let first_round = Round::new(LATER.number() + by);
        LogEntry::Epoch(self.net.head(EPOCH + by, first_round))
    }

    /// A gateway takes a manifest that `log` proves; whatever it sends then.
    fn follows(&mut self, client: ClientId, log: &Log, by: u64) -> Vec<Output> {
        let first_round = Round::new(LATER.number() + by);
        let mut manifest = self.net.manifest(client, EPOCH + by, first_round);
        let entry = self.epoch(by).encode();
        let index = log.entries().position(|known| known == entry).unwrap();
        manifest.log_index = index.try_into().unwrap();
        let index = manifest.log_index;
        announces(&mut self.net, client, manifest);
        let from = self.net.gateways[&client].log_size();
        self.net.log = log.clone();
        let proof = self.net.log_proof(index, from);
        let now = self.net.schedule().start(ROUND);
        let outputs = act(&mut self.net, now, client, Input::LogProof(Box::new(proof)));
        assert!(faults(&outputs).is_empty(), "{outputs:?}");
        outputs
    }

    fn arrives(&mut self, envelope: &Envelope) -> Vec<Output> {
        let now = self.net.schedule().start(ROUND);
        let to = envelope.header().to;
        let delivery = self.net.delivery(Message::Envelope(envelope.clone()));
        act(&mut self.net, now, to, delivery)
    }

    fn submits(&mut self, client: ClientId, round: Round) -> Option<RoundRefusal> {
        let now = self.net.schedule().border(round);
        let reading = Some(reading(1));
        refusal(&act(
            &mut self.net,
            now,
            client,
            Input::Submit { round, reading },
        ))
    }

    fn common(&self, log: &Log, small: u64, large: u64) -> Input {
        Input::CommonLog(Box::new(CommonLog {
            checkpoint: log.head(&self.net.provider_key),
            small,
            small_path: log.consistency(small).unwrap_or_default(),
            large,
            large_path: log.consistency(large).unwrap_or_default(),
        }))
    }

    fn gets(&mut self, client: ClientId, round: Round, input: Input) -> Vec<Output> {
        let now = self.net.schedule().start(round);
        act(&mut self.net, now, client, input)
    }
}

fn envelope(outputs: &[Output]) -> Envelope {
    let requests = requests(outputs).into_iter();
    let mut envelopes = requests.filter_map(|request| match request {
        Request::Envelope(envelope) => Some(envelope.clone()),
        _ => None,
    });
    envelopes.next().unwrap()
}

fn asks_common(outputs: &[Output]) -> Option<(u64, u64)> {
    requests(outputs)
        .into_iter()
        .find_map(|request| match request {
            Request::CommonLog { small, large } => Some((*small, *large)),
            _ => None,
        })
}

fn nobody() -> LogEntry {
    LogEntry::Suspended {
        client: id("nobody"),
        round: ROUND,
    }
}

/// `a` shows its checkpoint under a log to whoever it draws.
fn a_shows(views: &mut Views, log: &Log) -> (ClientId, Envelope) {
    let outputs = views.follows(id("a"), log, 1);
    let shown = envelope(&outputs);
    (shown.header().to, shown)
}

#[test]
fn another_root_of_the_same_size_is_evidence() {
    let mut views = Views::new();
    let one = views.log(&[views.epoch(1), nobody()]);
    let other = views.log(&[nobody(), views.epoch(1)]);
    let (to, shown) = a_shows(&mut views, &one);
    views.follows(to, &other, 1);
    assert_eq!(views.submits(to, ROUND), None);
    let outputs = views.arrives(&shown);
    let size = one.len();
    assert_eq!(proofs(&outputs), [Proof::Checkpoints { size }]);
    assert!(requests(&outputs).is_empty());
    assert!(views.net.gateways[&to].is_distrusting());
    let refused = views.submits(to, ROUND.next());
    assert_eq!(refused, Some(RoundRefusal::Distrusted));
    // Nor after a restart.
    let now = views.net.schedule().start(ROUND);
    let outputs = restart(&mut views.net, now, to, &state(&outputs));
    assert!(requests(&outputs).is_empty());
    let refused = views.submits(to, ROUND.next());
    assert_eq!(refused, Some(RoundRefusal::Distrusted));
}

#[test]
fn the_same_checkpoint_is_nothing_to_speak_of() {
    let mut views = Views::new();
    let log = views.log(&[views.epoch(1)]);
    let (to, shown) = a_shows(&mut views, &log);
    views.follows(to, &log, 1);
    let outputs = views.arrives(&shown);
    assert!(faults(&outputs).is_empty() && requests(&outputs).is_empty());
    assert!(!views.net.gateways[&to].is_comparing());
}

#[test]
fn a_longer_and_a_shorter_log_that_are_one_are_no_fault() {
    for receiver_is_ahead in [false, true] {
        let mut views = Views::new();
        let size = views.base.len();
        let long = views.log(&[views.epoch(1), nobody(), views.epoch(2)]);
        let short = views.log(&[views.epoch(1)]);
        let (to, shown) = a_shows(&mut views, if receiver_is_ahead { &short } else { &long });
        if receiver_is_ahead {
            views.follows(to, &long, 2);
        }
        let outputs = views.arrives(&shown);
        let (small, large) = asks_common(&outputs).unwrap();
        let expected = if receiver_is_ahead {
            (size + 1, size + 3)
        } else {
            (size, size + 3)
        };
        assert_eq!((small, large), expected);
        assert!(views.net.gateways[&to].is_comparing());
        let grown = views.log(&[views.epoch(1), nobody(), views.epoch(2), nobody()]);
        let common = views.common(&grown, small, large);
        let outputs = views.gets(to, ROUND, common);
        assert!(faults(&outputs).is_empty() && requests(&outputs).is_empty());
        assert!(!views.net.gateways[&to].is_comparing());
        assert_eq!(views.submits(to, ROUND.next().next()), None);
    }
}

#[test]
fn what_is_not_shown_splits_the_view_until_it_is() {
    let mut views = Views::new();
    let size = views.base.len();
    let log = views.log(&[views.epoch(1)]);
    let (to, shown) = a_shows(&mut views, &log);
    let outputs = views.arrives(&shown);
    assert_eq!(asks_common(&outputs), Some((size, size + 1)));
    // An interval is the provider's to answer in.
    assert_eq!(views.submits(to, ROUND), None);
    let round = ROUND.next();
    assert_eq!(views.submits(to, round), Some(RoundRefusal::SplitView));
    let outputs = views.gets(to, round, Input::Poll);
    assert_eq!(asks_common(&outputs), Some((size, size + 1)), "asks again");
    // Nor after a restart.
    let stored = views.gets(to, round, Input::Join);
    let now = views.net.schedule().start(round);
    let again = restart(&mut views.net, now, to, &state(&stored));
    assert_eq!(asks_common(&again), Some((size, size + 1)));
    assert_eq!(views.submits(to, round), Some(RoundRefusal::SplitView));
    // About other sizes: an answer that crossed another question.
    let crossed = views.common(&log, size - 1, size);
    assert!(views.gets(to, round, crossed).is_empty());
    // Paths that do not lead there, a log that is another, and another's signature.
    let other = views.log(&[nobody(), views.epoch(1)]);
    let own_key = std::mem::replace(
        &mut views.net.provider_key,
        views.net.statement_keys[&id("a")].clone(),
    );
    let foreign = views.common(&log, size, size + 1);
    views.net.provider_key = own_key;
    for wrong in [views.common(&other, size, size + 1), foreign] {
        let outputs = views.gets(to, round, wrong);
        assert!(matches!(faults(&outputs)[..], [Fault::SplitView { .. }]));
        assert!(proofs(&outputs).is_empty());
        assert!(views.net.gateways[&to].is_comparing());
    }
    let common = views.common(&log, size, size + 1);
    assert!(faults(&views.gets(to, round, common)).is_empty());
    assert_eq!(views.submits(to, round), None);
}

/// Two true forks of different sizes: the provider has nothing that it could show.
#[test]
fn forks_of_different_sizes_are_never_shown_to_be_one() {
    let mut views = Views::new();
    let size = views.base.len();
    let one = views.log(&[views.epoch(1)]);
    let other = views.log(&[nobody(), views.epoch(1), nobody()]);
    let (to, shown) = a_shows(&mut views, &one);
    views.follows(to, &other, 1);
    let outputs = views.arrives(&shown);
    assert_eq!(asks_common(&outputs), Some((size + 1, size + 3)));
    for log in [&one, &other] {
        let common = views.common(log, size + 1, size + 3);
        let outputs = views.gets(to, ROUND, common);
        assert!(matches!(faults(&outputs)[..], [Fault::SplitView { .. }]));
    }
    let refused = views.submits(to, ROUND.next());
    assert_eq!(refused, Some(RoundRefusal::SplitView));
}

#[test]
fn a_checkpoint_that_is_not_the_provider_s_is_the_neighbour_s_fault_and_nothing_else() {
    let mut views = Views::new();
    let a = id("a");
    let log = views.log(&[views.epoch(1), views.epoch(2)]);
    let outputs = views.follows(a, &log, 1);
    // A neighbour whose own disk says that the provider had signed something else.
    let mut stored = state(&outputs);
    let signed = log.head(&views.net.provider_key).encode();
    let place = stored.windows(signed.len()).position(|part| part == signed);
    let last = place.unwrap() + signed.len() - 1;
    stored[last] ^= 1;
    let now = views.net.schedule().start(ROUND);
    restart(&mut views.net, now, a, &stored);
    let shown = envelope(&views.follows(a, &log, 2));
    let to = shown.header().to;
    let outputs = views.arrives(&shown);
    let fault = Fault::ForeignCheckpoint { client: a };
    assert_eq!(faults(&outputs), [&fault]);
    assert!(requests(&outputs).is_empty() && proofs(&outputs).is_empty());
    let gateway = &views.net.gateways[&to];
    assert!(!gateway.is_comparing() && !gateway.is_distrusting());
    assert_eq!(views.submits(to, ROUND.next()), None);
}

/// The provider orders what it delivers. It must not be able to make a gateway forget a checkpoint of
/// another log by an open comparison with one of its own log.
#[test]
fn an_open_comparison_hides_no_other() {
    let mut views = Views::new();
    let size = views.base.len();
    let one = views.log(&[views.epoch(1)]);
    let other = views.log(&[nobody(), views.epoch(1), nobody()]);
    let (to, honest) = a_shows(&mut views, &one);
    // Somebody else, out of the other log, shows it to the same gateway sooner or later.
    let showers = views.net.others(to);
    let mut forked = None;
    for client in showers.iter().filter(|client| **client != id("a")) {
        let shown = envelope(&views.follows(*client, &other, 1));
        if shown.header().to == to {
            forked = Some(shown);
            break;
        }
    }
    let forked = forked.expect("another stream of random numbers: nobody shows it to that gateway");
    views.arrives(&honest);
    views.arrives(&forked);
    let common = views.common(&one, size, size + 1);
    let outputs = views.gets(to, ROUND, common);
    assert_eq!(asks_common(&outputs), Some((size, size + 3)));
    assert!(views.net.gateways[&to].is_comparing());
    let refused = views.submits(to, ROUND.next());
    assert_eq!(refused, Some(RoundRefusal::SplitView));
}
