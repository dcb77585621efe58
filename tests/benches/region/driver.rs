//! The gateways of a region on their way through a round: frames, answers, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::provider::{RoundOutcome, RoundStatus};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::signature::Signed;
use sha2::{Digest as _, Sha256};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::settings::{Mode, Settings};
use crate::shelf::{Shelf, Waiting};
use crate::wire::{Kind, Request, Response, answers, send};
use crate::world::{Net, Region, SLOTS};

/// As long as the interface lets a request wait.
const PATIENCE: Duration = Duration::from_secs(25);

/// A region with its connections.
pub(crate) struct Driver {
    region: Arc<Region>,
    links: Vec<Link>,
    /// Batches on their way.
    turns: Arc<Semaphore>,
    shelf: Shelf,
    missing: u64,
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
}

/// A net before a round.
struct Prepared {
    missing: Vec<usize>,
    present: Vec<usize>,
    /// Of those who are present.
    frames: Waiting,
    sum: [u64; SLOTS],
}

/// A net after it.
struct Passed {
    link: Link,
    submitted: Instant,
    closed: Instant,
    latencies: Vec<u32>,
}

impl Driver {
    pub(crate) async fn connect(
        region: Arc<Region>,
        socket: &std::path::Path,
        settings: &Settings,
    ) -> Self {
        let nets = region.nets.len();
        let folder = socket.parent().unwrap();
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
            shelf: Shelf::new(folder),
            missing: settings.missing,
        }
    }

    /// One round from its border to the sums of all nets, which must be those of the readings.
    pub(crate) async fn round(&mut self, round: Round) -> RoundTimes {
        let begin = Instant::now();
        let prepared = self.prepare(round);
        let masking = begin.elapsed();
        let schedule = self.region.nets[0].descriptor.schedule();
        let border = instant(schedule.border(round));
        assert!(
            Instant::now() < border,
            "the frames of the round were not masked before its border: raise DCNET_REGION_PACE, or \
             DCNET_REGION_LEAD_SECONDS for the first"
        );
        let corrected = prepared.iter().filter(|net| !net.missing.is_empty());
        let corrected = corrected.count();
        let frames = prepared.iter().map(|net| net.present.len()).sum();
        let deadline = instant(schedule.submit_deadline(round));
        tokio::time::sleep_until(border.into()).await;
        let mut tasks = JoinSet::new();
        for (number, (link, net)) in self.links.drain(..).zip(prepared).enumerate() {
            let (region, turns) = (Arc::clone(&self.region), Arc::clone(&self.turns));
            tasks.spawn(async move {
                (
                    number,
                    pass(&region, number, round, link, net, &turns).await,
                )
            });
        }
        let mut passed: Vec<(usize, Passed)> = Vec::new();
        while let Some(net) = tasks.join_next().await {
            passed.push(net.unwrap());
        }
        passed.sort_by_key(|(number, _)| *number);
        let last =
            |of: fn(&Passed) -> Instant| passed.iter().map(|(_, net)| of(net)).max().unwrap();
        let (submitted, closed) = (last(|net| net.submitted), last(|net| net.closed));
        let due = if corrected > 0 {
            submitted.max(deadline)
        } else {
            submitted
        };
        let mut latencies = Vec::with_capacity(frames);
        for (_, net) in passed {
            latencies.extend(net.latencies);
            self.links.push(net.link);
        }
        RoundTimes {
            frames,
            masking,
            intake: submitted.saturating_duration_since(border),
            close: closed.saturating_duration_since(due),
            latencies,
            corrected,
        }
    }

    fn prepare(&mut self, round: Round) -> Vec<Prepared> {
        let region = Arc::clone(&self.region);
        self.shelf.clear();
        let nets = region.nets.iter();
        nets.map(|net| self.net(net, round)).collect()
    }

    /// Masks the frames of a net on both cores.
    fn net(&mut self, net: &Net, round: Round) -> Prepared {
        let region = &self.region;
        let (missing, present): (Vec<usize>, Vec<usize>) =
            (0..region.members()).partition(|index| net.is_missing(*index, round, self.missing));
        let mask = |index: &usize| {
            let (frame, reading) = region.frame(net, *index, round);
            (frame.encode(), reading)
        };
        let (left, right) = present.split_at(present.len() / 2);
        let masked = std::thread::scope(|scope| {
            let right = scope.spawn(|| right.iter().map(mask).collect::<Vec<_>>());
            let left: Vec<_> = left.iter().map(mask).collect();
            [left, right.join().unwrap()].concat()
        });
        let (frames, readings): (Vec<_>, Vec<_>) = masked.into_iter().unzip();
        let mut sum = [0_u64; SLOTS];
        for reading in readings {
            for (sum, value) in sum.iter_mut().zip(reading) {
                *sum = sum.wrapping_add(value);
            }
        }
        Prepared {
            frames: self.shelf.put(&frames),
            missing,
            present,
            sum,
        }
    }
}

async fn pass(
    region: &Region,
    number: usize,
    round: Round,
    mut link: Link,
    prepared: Prepared,
    turns: &Semaphore,
) -> Passed {
    let net = &region.nets[number];
    let Prepared {
        missing,
        present,
        frames,
        sum,
    } = prepared;
    let frames = present.iter().copied().zip(frames.take());
    let latencies = link.post(net, round, frames, turns).await;
    let submitted = Instant::now();
    match region.mode {
        Mode::DoubleMask => {
            link.follow_rosters(region, net, round, &present, turns)
                .await;
        }
        Mode::Resend if missing.is_empty() => {}
        Mode::Resend => link.resend(region, net, round, &missing, turns).await,
    }
    let outcome = link.outcome(net, round, region.nets.len()).await;
    let closed = Instant::now();
    check(net, &outcome, &missing, sum);
    Passed {
        link,
        submitted,
        closed,
        latencies,
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

    /// Posts frames; each must be answered by its receipt.
    async fn post(
        &mut self,
        net: &Net,
        round: Round,
        frames: impl Iterator<Item = (usize, Vec<u8>)>,
        turns: &Semaphore,
    ) -> Vec<u32> {
        let mut latencies = Vec::new();
        let mut requests = frames
            .map(|(index, body)| request(net, index, Kind::Frame, round.number(), body))
            .fuse();
        loop {
            // Made when it is their turn, not all at once.
            let batch: Vec<Request> = requests.by_ref().take(self.batch).collect();
            if batch.is_empty() {
                return latencies;
            }
            let _turn = turns.acquire().await.unwrap();
            for (response, asked) in self.ask(&batch).await.into_iter().zip(&batch) {
                let receipt = response.body.unwrap_or_else(|text| {
                    panic!(
                        "{}: {text}; a slow machine needs a higher DCNET_REGION_PACE",
                        asked.client
                    )
                });
                let hash: [u8; 32] = Sha256::digest(&asked.body).into();
                assert!(
                    receipt.windows(32).any(|part| part == hash),
                    "a receipt for the frame"
                );
                latencies.push(u32::try_from(response.took.as_micros()).unwrap());
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
            self.post(net, round, answers, turns).await;
            if roster.reveal() {
                return;
            }
            step = roster.step();
        }
    }

    /// Those who are asked for a correction fetch the request and send their superposition again.
    async fn resend(
        &mut self,
        region: &Region,
        net: &Net,
        round: Round,
        missing: &[usize],
        turns: &Semaphore,
    ) {
        let deadline = instant(net.descriptor.schedule().submit_deadline(round));
        tokio::time::sleep_until(deadline.into()).await;
        for batch in region.asked(missing).chunks(self.batch) {
            let fetched = &self.fetched;
            let looks: Vec<Request> = batch
                .iter()
                .map(|index| Request {
                    wait: PATIENCE,
                    ..request(net, *index, Kind::Inbox, fetched[*index], Vec::new())
                })
                .collect();
            {
                let _turn = turns.acquire().await.unwrap();
                for (response, index) in self.ask(&looks).await.into_iter().zip(batch) {
                    // Behind the length of the list stands the number of its first message.
                    let inbox = response.body.unwrap();
                    let number = inbox.get(4..12).expect("a request for a correction");
                    self.fetched[*index] = u64::from_be_bytes(number.try_into().unwrap());
                }
            }
            let again = batch.iter().map(|index| {
                let frame = region.resend(net, *index, round, missing);
                (*index, frame.encode())
            });
            self.post(net, round, again, turns).await;
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
