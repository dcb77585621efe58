//! Requests on their way to the provider: one of a kind at a time, frames of a round first, sent
//! again with the same bytes until their window closes.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::envelope::{Envelope, EnvelopeHeader, EnvelopeKind};
use dcnet_protocol::gateway::Request;
use dcnet_protocol::key_agreement::SignedKeyPackage;
use dcnet_protocol::membership::proof::{CommonLog, DrawListView, ListedMembers, LogProof};
use dcnet_protocol::message::{SignedReceipt, frame_hash};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Round, Schedule, UnixTime};
use dcnet_protocol::signature::Signed;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::random;
use crate::clock::{Clock, Exchange};
use crate::retry::Backoff;
use crate::submit::{Answer, Client, SubmitError};

/// Requests that are under way at once; those of a round do not count.
const MAX_UNDER_WAY: usize = 4;

/// Longest time for which the provider is asked to hold an answer back, in seconds.
pub(super) const LONGEST_WAIT: u64 = 25;

/// What is under way: of each kind one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A frame of a round: it has a window. By its hash, since a round may have several answers.
    Frame(Notification, Round, [u8; 32]),
    /// A frame of notifications 1 to 3.
    Control(Notification),
    Roster(Round),
    Envelope(ClientId, u8),
    DrawList,
    Listed,
    LogProof,
    CommonLog,
    Package(ClientId),
    Descriptor,
}

impl Key {
    fn is_frame(&self) -> bool {
        matches!(self, Self::Frame(..))
    }

    /// What belongs to a round has a window: it neither waits for other requests nor takes their
    /// place, so that a roster that the provider holds back delays nothing. The proof of an epoch
    /// is part of it: its first round is not sealed before.
    fn is_urgent(&self) -> bool {
        self.is_frame() || matches!(self, Self::Roster(_) | Self::LogProof)
    }
}

/// The provider's answer to a request.
#[derive(Debug)]
pub(super) enum Reply {
    Receipt(Box<SignedReceipt>),
    Relayed(EnvelopeHeader),
    DrawList(Box<DrawListView>),
    Listed(Box<ListedMembers>),
    LogProof(Box<LogProof>),
    CommonLog(Box<CommonLog>),
    Package(Box<SignedKeyPackage>),
    /// None: there is none yet.
    Roster(Option<Box<Signed<Roster>>>),
    Descriptor(Box<NetDescriptor>),
}

/// A request that came to its end.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) key: Key,
    /// Round, notification and hash, if it was a frame.
    pub(super) frame: Option<SentFrame>,
    pub(super) outcome: Result<Answer<Reply>, SubmitError>,
}

/// What the consumer's log tells of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentFrame {
    pub(super) round: Round,
    pub(super) notification: Notification,
    pub(super) hash: [u8; 32],
}

#[derive(Debug)]
pub(super) struct Outbox {
    client: Client,
    clock: Clock,
    schedule: Schedule,
    results: mpsc::UnboundedSender<Done>,
    under_way: HashMap<Key, AbortHandle>,
    queue: VecDeque<(Key, Request)>,
}

impl Outbox {
    pub(super) fn new(
        client: Client,
        clock: Clock,
        schedule: Schedule,
    ) -> (Self, mpsc::UnboundedReceiver<Done>) {
        let (results, receiver) = mpsc::unbounded_channel();
        let (under_way, queue) = (HashMap::new(), VecDeque::new());
        (
            Self {
                client,
                clock,
                schedule,
                results,
                under_way,
                queue,
            },
            receiver,
        )
    }

    /// Takes a request, unless one of its kind is under way: what is still due then comes again.
    pub(super) fn send(&mut self, request: Request) {
        if self.has(&request) {
            return;
        }
        let key = key_of(&request);
        if key.is_urgent() {
            self.start(key, request);
        } else {
            self.queue.push_back((key, request));
            self.fill();
        }
    }

    /// Whether one of the kind of `request` is under way or waits for it.
    pub(super) fn has(&self, request: &Request) -> bool {
        let key = key_of(request);
        self.under_way.contains_key(&key) || self.queue.iter().any(|(other, _)| *other == key)
    }

    /// Asks for the net's parameters, to compare them with those of the first contact.
    pub(super) fn ask_descriptor(&mut self) {
        let key = Key::Descriptor;
        if self.under_way.contains_key(&key) {
            return;
        }
        let (client, results) = (self.client.clone(), self.results.clone());
        let task = tokio::spawn(async move {
            let outcome = client.descriptor().await;
            let outcome = outcome.map(|a| a.map(|shown| Reply::Descriptor(Box::new(shown))));
            let _ = results.send(Done {
                key,
                frame: None,
                outcome,
            });
        });
        self.under_way.insert(key, task.abort_handle());
    }

    /// To be called for each [`Done`].
    pub(super) fn finished(&mut self, key: &Key) {
        self.under_way.remove(key);
        self.fill();
    }

    /// Whether a frame of a round is still on its way.
    pub(super) fn has_frames(&self) -> bool {
        self.under_way.keys().any(Key::is_frame)
    }

    fn fill(&mut self) {
        while self.under_way.keys().filter(|key| !key.is_urgent()).count() < MAX_UNDER_WAY {
            let Some((key, request)) = self.queue.pop_front() else {
                return;
            };
            self.start(key, request);
        }
    }

    fn start(&mut self, key: Key, request: Request) {
        let (client, results) = (self.client.clone(), self.results.clone());
        let (clock, schedule) = (self.clock.clone(), self.schedule);
        let task = tokio::spawn(async move {
            let done = match request {
                Request::Frame {
                    notification,
                    round,
                    bytes,
                } => {
                    let hash = frame_hash(&bytes);
                    let frame = Some(SentFrame {
                        round,
                        notification,
                        hash,
                    });
                    let deadline = deadline(&schedule, notification, round);
                    let outcome = post(&client, &clock, bytes, hash, deadline).await;
                    Done {
                        key,
                        frame,
                        outcome: outcome.map(|a| a.map(receipt)),
                    }
                }
                other => Done {
                    key,
                    frame: None,
                    outcome: ask(&client, &clock, &schedule, other).await,
                },
            };
            // Nobody listens any more when the daemon stops.
            let _ = results.send(done);
        });
        self.under_way.insert(key, task.abort_handle());
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.under_way.values().for_each(AbortHandle::abort);
    }
}

fn key_of(request: &Request) -> Key {
    match request {
        Request::Frame {
            notification,
            round,
            bytes,
        } => match notification {
            Notification::Register | Notification::Entered | Notification::Exiting => {
                Key::Control(*notification)
            }
            Notification::Resend
            | Notification::Transmit
            | Notification::Pads
            | Notification::Reveal => Key::Frame(*notification, *round, frame_hash(bytes)),
        },
        Request::Envelope(envelope) => Key::Envelope(envelope.header().to, kind(envelope)),
        Request::DrawList { .. } => Key::DrawList,
        Request::Listed { .. } => Key::Listed,
        Request::LogProof { .. } => Key::LogProof,
        Request::CommonLog { .. } => Key::CommonLog,
        Request::Package(client) => Key::Package(*client),
        Request::Roster { round, .. } => Key::Roster(*round),
    }
}

fn kind(envelope: &Envelope) -> u8 {
    match envelope.header().kind {
        EnvelopeKind::EdgeOffer => 1,
        EnvelopeKind::EdgeAccept => 2,
        EnvelopeKind::Checkpoint => 3,
    }
}

/// Until when it makes sense to try again; `None`: once, the protocol asks again by itself.
fn deadline(schedule: &Schedule, notification: Notification, round: Round) -> Option<UnixTime> {
    match notification {
        Notification::Transmit => Some(schedule.last_call(round)),
        Notification::Resend | Notification::Pads | Notification::Reveal => {
            Some(schedule.correction_deadline(round))
        }
        Notification::Register | Notification::Entered | Notification::Exiting => None,
    }
}

/// Posts the same bytes again and again until there is an answer or the window closes.
async fn post(
    client: &Client,
    clock: &Clock,
    bytes: Vec<u8>,
    hash: [u8; 32],
    deadline: Option<UnixTime>,
) -> Result<Answer<SignedReceipt>, SubmitError> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(8));
    loop {
        let left = deadline.map_or(u64::MAX, |deadline| deadline.millis_since(clock.now()));
        if left == 0 {
            return Err(SubmitError::Timeout);
        }
        let patience = Duration::from_millis(left);
        let error = match client.frame(bytes.clone(), patience).await {
            Ok(answer) if answer.value.unverified().frame_hash == hash => return Ok(answer),
            Ok(_) => {
                let what = "the receipt is for another frame".to_owned();
                return Err(SubmitError::Answer { what });
            }
            Err(error) => error,
        };
        let pause = backoff.pause(random());
        let later = clock
            .now()
            .plus_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        if !may_try_again(&error) || deadline.is_none_or(|deadline| later >= deadline) {
            return Err(error);
        }
        tracing::debug!(
            event = "frame.again",
            "{error}; sending the same bytes again"
        );
        sleep(pause).await;
    }
}

/// Clocks differ: what comes too early for the provider comes right a moment later.
fn may_try_again(error: &SubmitError) -> bool {
    let early =
        matches!(error, SubmitError::Refused { problem, .. } if problem.slug == "too-early");
    early || error.is_transient()
}

/// Waits for a roster, as long as its round can be corrected by this gateway's clock.
async fn roster(
    client: &Client,
    clock: &Clock,
    schedule: &Schedule,
    round: Round,
    after: u8,
) -> Result<Answer<Reply>, SubmitError> {
    let left = schedule
        .correction_deadline(round)
        .millis_since(clock.now());
    let wait = (left / 1000).min(LONGEST_WAIT);
    // An answer that comes a little late is refused by the protocol, not by the line.
    let patience = Duration::from_millis(left.saturating_add(1_000));
    let answer = client.roster(round, after, wait, patience).await?;
    Ok(answer.map(|roster| Reply::Roster(roster.map(Box::new))))
}

/// A question for a proof that hangs must not cost the round: it is asked again while the window is
/// open.
fn proof_patience(schedule: &Schedule) -> Duration {
    Duration::from_millis((schedule.submit_millis() / 3).max(300))
}

fn receipt(receipt: SignedReceipt) -> Reply {
    Reply::Receipt(Box::new(receipt))
}

async fn ask(
    client: &Client,
    clock: &Clock,
    schedule: &Schedule,
    request: Request,
) -> Result<Answer<Reply>, SubmitError> {
    Ok(match request {
        Request::Frame { bytes, .. } => client.frame(bytes, Duration::MAX).await?.map(receipt),
        Request::Envelope(envelope) => {
            let header = envelope.header().clone();
            client
                .envelope(&envelope)
                .await?
                .map(|()| Reply::Relayed(header))
        }
        Request::DrawList { from } => client
            .draw_list(from)
            .await?
            .map(|view| Reply::DrawList(Box::new(view))),
        Request::Listed { list, at } => client
            .listed(list, &at)
            .await?
            .map(|members| Reply::Listed(Box::new(members))),
        Request::LogProof { index, from } => client
            .log_proof(index, from, proof_patience(schedule))
            .await?
            .map(|proof| Reply::LogProof(Box::new(proof))),
        Request::CommonLog { small, large } => client
            .common_log(small, large)
            .await?
            .map(|common| Reply::CommonLog(Box::new(common))),
        Request::Package(member) => client
            .package(member)
            .await?
            .map(|package| Reply::Package(Box::new(package))),
        Request::Roster { round, after } => roster(client, clock, schedule, round, after).await?,
    })
}

/// Date of an outcome, whether it is an answer or a refusal.
pub(super) fn date_of<T>(outcome: &Result<Answer<T>, SubmitError>) -> Option<Exchange> {
    match outcome {
        Ok(answer) => answer.date,
        Err(SubmitError::Refused { date, .. }) => *date,
        Err(_) => None,
    }
}
