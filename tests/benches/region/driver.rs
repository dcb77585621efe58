//! The gateways of a region on their way through a round: frames, answers, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::message::Inbox;
use dcnet_protocol::provider::{RoundOutcome, RoundStatus};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::signature::Signed;
use sha2::{Digest as _, Sha256};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use crate::masking::{Masked, Masker, Prepared};
use crate::settings::{Mode, Settings};
use crate::wire::{Kind, Request, Response, answers, send};
use crate::world::{Net, Region, SLOTS};

/// As long as the interface lets a request wait.
const PATIENCE: Duration = Duration::from_secs(25);

/// How the provider says so, of a frame and of a superposition that is sent again.
const TOO_LATE: [&str; 2] = ["was taken until", "no correction is open"];

/// A region with its connections.
pub(crate) struct Driver {
    region: Arc<Region>,
    links: Vec<Link>,
    /// Batches on their way.
    turns: Arc<Semaphore>,
    masker: Arc<Mutex<Masker>>,
    /// The frames of the next round, which are masked while this one ends.
    next: Option<(Round, JoinHandle<Masked>)>,
}

/// The way to the provider of all gateways of a net.
struct Link {
    stream: UnixStream,
    batch: usize,
    /// Messages that each member has fetched.
    fetched: Vec<u64>,
}

/// What one round of all nets took.
pub(crate) struct RoundTimes {
    pub(crate) frames: usize,
    /// What the driver took to mask them, before the border.
    pub(crate) masking: Duration,
    /// From the border to the last receipt.
    pub(crate) intake: Duration,
    /// From the last frame, or the submission deadline if somebody was missing, to the last sum.
    pub(crate) close: Duration,
    /// Of the frames, from the provider's side, in microseconds.
    pub(crate) latencies: Vec<u32>,
    pub(crate) corrected: usize,
    /// Frames that came after the submission window: their members are missing.
    pub(crate) late: usize,
    /// Nets in which so much came too late that there is no sum.
    pub(crate) failed: usize,
}

/// A net after it.
struct Passed {
    link: Link,
    submitted: Instant,
    closed: Instant,
    latencies: Vec<u32>,
    late: usize,
    status: RoundStatus,
}

/// What became of frames that were posted.
#[derive(Default)]
struct Posted {
    latencies: Vec<u32>,
    /// Positions of members whose frames came too late.
    late: Vec<usize>,
}

impl Driver {
    pub(crate) async fn connect(
        region: Arc<Region>,
        socket: &std::path::Path,
        settings: &Settings,
    ) -> Self {
        let nets = region.nets.len();
        let folder = socket.parent().unwrap();
        let masker = Masker::new(Arc::clone(&region), folder, settings.missing);
        let batch = (settings.in_flight / nets).clamp(16, 512);
        let mut links = Vec::new();
        for _ in 0..nets {
            links.push(Link {
                stream: UnixStream::connect(socket).await.unwrap(),
                batch,
                fetched: vec![0; region.members()],
            });
        }
        Self {
            region,
            links,
            turns: Arc::new(Semaphore::new((settings.in_flight / batch).max(1))),
            masker: Arc::new(Mutex::new(masker)),
            next: None,
        }
    }

    /// One round from its border to the sums of all nets, which must be those of the readings. The frames
    /// of the `next` one are masked when those of this have been taken: until the end of the submission
    /// window there is nothing else to do.
    pub(crate) async fn round(&mut self, round: Round, next: Option<Round>) -> RoundTimes {
        let is_first = self.next.is_none();
        let masked = match self.next.take() {
            Some((masked, frames)) if masked == round => frames,
            _ => self.mask(round),
        };
        let Masked {
            nets: prepared,
            took: masking,
        } = masked.await.unwrap();
        let schedule = self.region.nets[0].descriptor.schedule();
        let border = instant(schedule.border(round));
        // Those of a later round are sent late then, and some of them too late.
        assert!(
            !is_first || Instant::now() < border,
            "the frames were not masked before the first border: raise DCNET_REGION_LEAD_SECONDS"
        );
        let deadline = instant(schedule.submit_deadline(round));
        tokio::time::sleep_until(border.into()).await;
        let (taking, mut taken) = mpsc::channel::<()>(1);
        let mut tasks = JoinSet::new();
        for (number, (link, net)) in self.links.drain(..).zip(prepared).enumerate() {
            let (region, turns) = (Arc::clone(&self.region), Arc::clone(&self.turns));
            let taking = taking.clone();
            tasks.spawn(async move {
                let passed = pass(&region, number, round, (link, taking), net, &turns).await;
                (number, passed)
            });
        }
        drop(taking);
        taken.recv().await;
        self.next = next.map(|next| (next, self.mask(next)));
        let mut passed: Vec<(usize, Passed)> = Vec::new();
        while let Some(net) = tasks.join_next().await {
            passed.push(net.unwrap());
        }
        passed.sort_by_key(|(number, _)| *number);
        let last =
            |of: fn(&Passed) -> Instant| passed.iter().map(|(_, net)| of(net)).max().unwrap();
        let (submitted, closed) = (last(|net| net.submitted), last(|net| net.closed));
        let count = |is: fn(RoundStatus) -> bool| {
            let nets = passed.iter().filter(|(_, net)| is(net.status));
            nets.count()
        };
        let corrected = count(|status| status == RoundStatus::Corrected);
        let failed = count(|status| !status.is_success());
        let due = if corrected + failed > 0 {
            submitted.max(deadline)
        } else {
            submitted
        };
        let late = passed.iter().map(|(_, net)| net.late).sum();
        let mut latencies = Vec::new();
        for (_, net) in passed {
            latencies.extend(net.latencies);
            self.links.push(net.link);
        }
        RoundTimes {
            frames: latencies.len(),
            masking,
            intake: submitted.saturating_duration_since(border),
            close: closed.saturating_duration_since(due),
            latencies,
            corrected,
            late,
            failed,
        }
    }

    /// The first round behind `round` whose border is still to come: gateways do not send what is past.
    pub(crate) fn behind(&self, round: Round) -> Round {
        let schedule = self.region.nets[0].descriptor.schedule();
        schedule.round_at(now()).max(round.next())
    }

    fn mask(&self, round: Round) -> JoinHandle<Masked> {
        let masker = Arc::clone(&self.masker);
        spawn_blocking(move || masker.lock().unwrap().mask(round))
    }
}

async fn pass(
    region: &Region,
    number: usize,
    round: Round,
    (mut link, taking): (Link, mpsc::Sender<()>),
    prepared: Prepared,
    turns: &Semaphore,
) -> Passed {
    let net = &region.nets[number];
    let Prepared {
        mut missing,
        mut present,
        frames,
        mut sum,
    } = prepared;
    let frames = present.iter().copied().zip(frames.take());
    let Posted { latencies, late } = link.post(net, round, frames, turns).await;
    let submitted = Instant::now();
    drop(taking);
    for index in &late {
        for (sum, value) in sum.iter_mut().zip(net.reading(*index, round)) {
            *sum = sum.wrapping_sub(value);
        }
    }
    let mut was_late = !late.is_empty();
    present.retain(|index| !late.contains(index));
    missing.extend(&late);
    missing.sort_unstable();
    match region.mode {
        Mode::DoubleMask => {
            link.follow_rosters(region, net, round, &present, turns)
                .await;
        }
        Mode::Resend if missing.is_empty() => {}
        Mode::Resend => {
            was_late |= link.resend(region, net, round, &missing, turns).await;
        }
    }
    let outcome = link.outcome(net, round, region.nets.len()).await;
    let closed = Instant::now();
    if outcome.status.is_success() || !was_late {
        check(net, &outcome, &missing, sum);
    } else if region.mode == Mode::Resend {
        link.empty_inboxes(region, net, &missing, turns).await;
    }
    Passed {
        link,
        submitted,
        closed,
        latencies,
        late: late.len(),
        status: outcome.status,
    }
}

fn check(net: &Net, outcome: &RoundOutcome, missing: &[usize], sum: [u64; SLOTS]) {
    let expected = if missing.is_empty() {
        RoundStatus::Complete
    } else {
        RoundStatus::Corrected
    };
    let name = net.descriptor.net();
    assert_eq!(outcome.status, expected, "{name}: {outcome:?}");
    let gone = missing.iter().map(|index| net.names[*index]).collect();
    assert_eq!(outcome.missing, gone, "{name}");
    let words = outcome.sum.as_ref().unwrap().words().iter();
    let words: Vec<u64> = words.map(|word| word.get()).collect();
    assert_eq!(words, sum, "{name}: the sum is that of the readings");
}

impl Link {
    async fn ask(&mut self, requests: &[Request]) -> Vec<Response> {
        send(&mut self.stream, requests).await.unwrap();
        answers(&mut self.stream).await.unwrap()
    }

    /// Posts frames; each must be answered by its receipt, or come too late.
    async fn post(
        &mut self,
        net: &Net,
        round: Round,
        frames: impl Iterator<Item = (usize, Vec<u8>)>,
        turns: &Semaphore,
    ) -> Posted {
        let mut posted = Posted::default();
        let mut requests = frames
            .map(|(index, body)| {
                let request = request(net, index, Kind::Frame, round.number(), body);
                (index, request)
            })
            .fuse();
        loop {
            // Made when it is their turn, not all at once.
            let (members, batch): (Vec<usize>, Vec<Request>) =
                requests.by_ref().take(self.batch).unzip();
            if batch.is_empty() {
                return posted;
            }
            let _turn = turns.acquire().await.unwrap();
            let responses = self.ask(&batch).await;
            for ((response, asked), member) in responses.into_iter().zip(&batch).zip(members) {
                let receipt = match response.body {
                    Ok(receipt) => receipt,
                    Err(text) if TOO_LATE.iter().any(|late| text.contains(late)) => {
                        posted.late.push(member);
                        continue;
                    }
                    Err(text) => panic!("{}: {text}", asked.client),
                };
                let hash: [u8; 32] = Sha256::digest(&asked.body).into();
                assert!(
                    receipt.windows(32).any(|part| part == hash),
                    "a receipt for the frame"
                );
                let took = u32::try_from(response.took.as_micros()).unwrap();
                posted.latencies.push(took);
            }
        }
    }

    /// Asks for each roster and answers it, until the last.
    async fn follow_rosters(
        &mut self,
        region: &Region,
        net: &Net,
        round: Round,
        present: &[usize],
        turns: &Semaphore,
    ) {
        let mut step = 0;
        loop {
            let ask = |index: &usize| Request {
                step,
                wait: PATIENCE,
                ..request(net, *index, Kind::Roster, round.number(), Vec::new())
            };
            // One waits; the others are told at once then.
            let bytes = loop {
                let first = self.ask(&[ask(&present[0])]).await.remove(0).body.unwrap();
                if !first.is_empty() {
                    break first;
                }
            };
            for batch in present[1..].chunks(self.batch) {
                let batch: Vec<Request> = batch.iter().map(ask).collect();
                let _turn = turns.acquire().await.unwrap();
                for response in self.ask(&batch).await {
                    assert_eq!(response.body.unwrap(), bytes, "one roster for all");
                }
            }
            let roster = Signed::<Roster>::decode(&bytes).unwrap();
            let roster = roster.verify(net.descriptor.provider_key()).unwrap();
            let answers = present
                .iter()
                .map(|index| (*index, region.answer(net, *index, round, roster)));
            let posted = self.post(net, round, answers, turns).await;
            assert!(
                posted.late.is_empty(),
                "{}: answers came too late; a slow machine needs a higher DCNET_REGION_PACE",
                net.descriptor.net()
            );
            if roster.reveal() {
                return;
            }
            step = roster.step();
        }
    }

    /// Those who are asked for a correction fetch the request and send their superposition again. Says
    /// whether one of them came too late.
    async fn resend(
        &mut self,
        region: &Region,
        net: &Net,
        round: Round,
        missing: &[usize],
        turns: &Semaphore,
    ) -> bool {
        let mut was_late = false;
        let deadline = instant(net.descriptor.schedule().submit_deadline(round));
        tokio::time::sleep_until(deadline.into()).await;
        for batch in region.asked(missing).chunks(self.batch) {
            for (inbox, index) in self.inboxes(net, batch, PATIENCE, turns).await.zip(batch) {
                // Behind the length of the list stands the number of its first message.
                let Some(number) = inbox.get(4..12) else {
                    // Too few are there for a correction to be asked for.
                    return was_late;
                };
                self.fetched[*index] = u64::from_be_bytes(number.try_into().unwrap());
            }
            let again = batch.iter().map(|index| {
                let frame = region.resend(net, *index, round, missing);
                (*index, frame.encode())
            });
            was_late |= !self.post(net, round, again, turns).await.late.is_empty();
        }
        was_late
    }

    /// What `members` have not fetched yet, whose first message may be awaited.
    async fn inboxes(
        &mut self,
        net: &Net,
        members: &[usize],
        wait: Duration,
        turns: &Semaphore,
    ) -> impl Iterator<Item = Vec<u8>> + use<> {
        let look = |index: &usize| Request {
            wait,
            ..request(net, *index, Kind::Inbox, self.fetched[*index], Vec::new())
        };
        let looks: Vec<Request> = members.iter().map(look).collect();
        let _turn = turns.acquire().await.unwrap();
        let responses = self.ask(&looks).await.into_iter();
        responses.map(|response| response.body.unwrap())
    }

    /// What was not read in time is not to be taken for a request of the next round.
    async fn empty_inboxes(
        &mut self,
        region: &Region,
        net: &Net,
        missing: &[usize],
        turns: &Semaphore,
    ) {
        for batch in region.asked(missing).chunks(self.batch) {
            let none = Duration::ZERO;
            for (inbox, index) in self.inboxes(net, batch, none, turns).await.zip(batch) {
                let inbox = Inbox::decode(&inbox).unwrap();
                if let Some(last) = inbox.deliveries.last() {
                    self.fetched[*index] = last.sequence;
                }
            }
        }
    }

    async fn outcome(&mut self, net: &Net, round: Round, nets: usize) -> RoundOutcome {
        // All nets together look at most a few thousand times in a second.
        let pause = Duration::from_micros(5_000 + 200 * nets as u64);
        loop {
            let ask = request(net, 0, Kind::Outcome, round.number(), Vec::new());
            let bytes = self.ask(&[ask]).await.remove(0).body.unwrap();
            if !bytes.is_empty() {
                return RoundOutcome::decode(&bytes).unwrap();
            }
            tokio::time::sleep(pause).await;
        }
    }
}

fn request(net: &Net, index: usize, kind: Kind, number: u64, body: Vec<u8>) -> Request {
    Request {
        kind,
        client: net.names[index],
        net: net.descriptor.net(),
        number,
        step: 0,
        wait: Duration::ZERO,
        body,
    }
}

/// The clock as the protocol reads it.
pub(crate) fn now() -> UnixTime {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixTime::from_millis(u64::try_from(elapsed.as_millis()).unwrap())
}

/// When the clock will show `time`; now, if it has shown it.
pub(crate) fn instant(time: UnixTime) -> Instant {
    Instant::now() + Duration::from_millis(time.millis_since(now()))
}

/// Distinguishes the stores of one run of the benchmark.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
