//! A whole round corrected by double masks, at the provider: from the submission deadline to the sum.
//!
//! The provider is the real one, restored from a store: it closes the window, signs rosters, takes
//! every answer as bytes, recovers every self-mask out of real shares and forms the sum, which must
//! be that of the readings. Not real are the key agreements of millions of edges: pads and share
//! keys come from a cheap function of both ends. Not measured is what lies around this core: TLS,
//! HTTP, the store, and receipts.
//!
//! k = 62 and t = 44 carry a loss of 5 % in 10,000 members (docs/adr/0016). With 20 % lost at random
//! about one member in forty would have fewer than 44 holders left, and the round would fail. So
//! that what a round of that size costs can be measured at 20 % too, each member here draws the same
//! part of its holders from the lost as from the net; it changes no amount of work. The last
//! case draws at random and loses 5 %.
//!
//! `cargo bench -p dcnet-protocol --bench masked_round [-- most-members]`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

mod client;
mod net;
#[path = "../../../tests/src/ratio.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "shared with benchmarks that need more of it"
)]
mod ratio;

use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{Input, Provider, Record, RoundOutcome, RoundStatus};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::UnixTime;
use dcnet_protocol::signature::Signed;

use net::{Fate, Net, Plan, ROUND};

/// Milliseconds on one core after the deadline with 10,000 members.
const TARGET_MILLIS: u128 = 1_000;
/// Bytes of each message of a gateway with 10,000 members.
const TARGET_BYTES: usize = 2_048;

/// One processor's time for each step.
#[derive(Clone, Copy)]
struct Times {
    /// The deadline: who is there, whether they hold together, the first roster.
    first: Duration,
    /// All pads but the last.
    pads: Duration,
    /// The last pads and the second roster.
    second: Duration,
    /// All share keys but the last.
    reveal: Duration,
    /// The last share keys, all masks, the sum.
    unmask: Duration,
}

impl Times {
    fn parts(&self) -> [Duration; 5] {
        [self.first, self.pads, self.second, self.reveal, self.unmask]
    }

    fn total(&self) -> Duration {
        self.parts().iter().sum()
    }

    /// What is not spread over the window by when the answers arrive.
    fn at_once(&self) -> Duration {
        self.first + self.second + self.unmask
    }
}

/// Bytes of one kind of message.
#[derive(Clone, Copy, Default)]
struct Sizes {
    most: usize,
    sum: usize,
    count: usize,
}

impl Sizes {
    fn of(answers: &[(ClientId, Vec<u8>)]) -> Self {
        let lengths = answers.iter().map(|(_, bytes)| bytes.len());
        Self {
            most: lengths.clone().max().unwrap_or_default(),
            sum: lengths.sum(),
            count: answers.len(),
        }
    }

    fn text(&self) -> String {
        format!("{} / {}", self.sum / self.count.max(1), self.most)
    }
}

struct Measured {
    times: Times,
    roster: usize,
    pads: Sizes,
    reveal: Sizes,
}

fn main() {
    let most = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let most: usize = most.unwrap_or(100_000);
    println!("k = 62, t = 44, 3 slots, one core, best of the turns; times in ms\n");
    println!(
        "{:<34} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "members, lost, gone before reveal",
        "roster 1",
        "pads",
        "roster 2",
        "reveal",
        "unmask",
        "all",
        "at once"
    );
    let even = |members, turns| {
        let sharing = if members == 100 { (99, 71) } else { (62, 44) };
        (members, sharing, 200, true, turns)
    };
    let cases = [
        even(100, 20),
        even(1_000, 7),
        even(10_000, 5),
        even(100_000, 1),
        (10_000, (62, 44), 50, false, 5),
    ];
    let mut sizes = Vec::new();
    for (members, (holders, threshold), lost, even, turns) in cases {
        if members > most {
            continue;
        }
        let plan = Plan {
            members,
            holders,
            threshold,
            lost,
            gone: 50,
            even,
        };
        let net = Net::new(plan);
        for carried in [false, true] {
            let measured = (0..turns).map(|_| run(&net, carried));
            let best = measured.min_by_key(|m| m.times.total()).unwrap();
            print_times(&plan, carried, &best.times);
            if !carried {
                sizes.push((plan, best));
            }
        }
    }
    println!("\nbytes of each message of a gateway, without TLS and HTTP: mean / most");
    println!(
        "{:<34} {:>14} {:>14} {:>14} {:>14}",
        "members, lost", "frame", "roster", "pads", "reveal"
    );
    for (plan, measured) in &sizes {
        print_sizes(plan, measured);
    }
    println!("the target with 10000 members is at most {TARGET_BYTES} bytes for each of them\n");
    client::measure();
}

fn print_times(plan: &Plan, carried: bool, times: &Times) {
    let millis = |time: Duration| {
        let micros = time.as_micros();
        format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
    };
    let gone = if carried { plan.gone } else { 0 };
    let name = format!(
        "{}, {} %, {} %{}",
        plan.members,
        plan.lost / 10,
        gone / 10,
        if plan.even { "" } else { ", at random" }
    );
    let parts = times.parts().map(|part| format!("{:>8}", millis(part)));
    let verdict = match plan.members {
        10_000 if times.total().as_millis() <= TARGET_MILLIS => "  within 1 s",
        10_000 => "  MORE than 1 s",
        _ => "",
    };
    println!(
        "{name:<34} {} {:>9} {:>9}{verdict}",
        parts.join(" "),
        millis(times.total()),
        millis(times.at_once()),
    );
}

fn print_sizes(plan: &Plan, measured: &Measured) {
    let frame = client::frame_size(plan);
    println!(
        "{:<34} {:>14} {:>14} {:>14} {:>14}",
        format!("{}, {} %", plan.members, plan.lost / 10),
        format!("{frame} / {frame}"),
        format!("{0} / {0}", measured.roster),
        measured.pads.text(),
        measured.reveal.text(),
    );
}

/// One round. With `carried`, some give pads and then no share keys, and the threshold carries them
/// until the correction window closes.
fn run(net: &Net, carried: bool) -> Measured {
    let schedule = net.setup.descriptor.schedule();
    let mut provider = Provider::restore(net.setup.clone(), net.snapshot.clone()).unwrap();
    // It was there while the frames came in.
    let border = schedule.border(ROUND);
    for past in [0, schedule.submit_millis() / 2] {
        provider.handle(border.plus_millis(past), Input::Tick);
    }
    let deadline = schedule.submit_deadline(ROUND);
    let (first, records) = timed(&mut provider, deadline, vec![Input::Tick]);
    let roster = rosters(&records).remove(0);
    let pads = answers(net, &roster, |fate| fate != Fate::Lost);
    let (pads_time, second, records) = taken(&mut provider, deadline.plus_millis(10), &pads);
    let roster = rosters(&records).remove(0);
    assert!(roster.unverified().reveal(), "all pads are here");
    let reveal = answers(net, &roster, |fate| {
        fate == Fate::Stays || fate == Fate::Gone && !carried
    });
    let (mut reveal_time, mut unmask, mut records) =
        taken(&mut provider, deadline.plus_millis(20), &reveal);
    if carried {
        reveal_time += unmask;
        let close = schedule.correction_deadline(ROUND);
        (unmask, records) = timed(&mut provider, close, vec![Input::Tick]);
    }
    check(net, &outcome(&records));
    Measured {
        times: Times {
            first,
            pads: pads_time,
            second,
            reveal: reveal_time,
            unmask,
        },
        roster: roster.encode().len(),
        pads: Sizes::of(&pads),
        reveal: Sizes::of(&reveal),
    }
}

/// Time for all inputs, records of the last.
fn timed(provider: &mut Provider, now: UnixTime, inputs: Vec<Input>) -> (Duration, Vec<Record>) {
    let begin = Instant::now();
    let mut records = Vec::new();
    for input in inputs {
        let handled = provider.handle(now, input);
        assert!(
            !matches!(handled.reply, Some(Err(_))),
            "{:?}",
            handled.reply
        );
        records = handled.records;
    }
    (begin.elapsed(), records)
}

/// Time for all answers but the last, time for the last, and its records.
fn taken(
    provider: &mut Provider,
    now: UnixTime,
    answers: &[(ClientId, Vec<u8>)],
) -> (Duration, Duration, Vec<Record>) {
    let input = |(from, bytes): &(ClientId, Vec<u8>)| Input::Frame {
        from: *from,
        bytes: bytes.clone(),
    };
    let (last, others) = answers.split_last().unwrap();
    let (time, _) = timed(provider, now, others.iter().map(input).collect());
    let (last, records) = timed(provider, now, vec![input(last)]);
    (time, last, records)
}

fn answers(
    net: &Net,
    roster: &Signed<Roster>,
    whose: impl Fn(Fate) -> bool,
) -> Vec<(ClientId, Vec<u8>)> {
    let members = (0..net.plan.members).filter(|index| whose(net.fates[*index]));
    members
        .map(|index| net.answer(index, roster.unverified()))
        .collect()
}

fn rosters(records: &[Record]) -> Vec<Signed<Roster>> {
    let of = |record: &Record| match record {
        Record::Roster(record) => Some(record.roster.clone()),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

fn outcome(records: &[Record]) -> RoundOutcome {
    let of = |record: &Record| match record {
        Record::Outcome(outcome) => Some(RoundOutcome::clone(outcome)),
        _ => None,
    };
    records.iter().find_map(of).unwrap()
}

/// The sum is that of the readings of everybody whose frame is in the roster.
fn check(net: &Net, outcome: &RoundOutcome) {
    let unrecovered = outcome.unrecovered.len();
    assert_eq!(
        outcome.status,
        RoundStatus::Corrected,
        "{unrecovered} unrecovered"
    );
    assert_eq!(outcome.wrong_shares, []);
    assert_eq!(outcome.contributors.len(), net.snapshot.frames.len());
    let sum = outcome.sum.as_ref().unwrap().to_stored();
    assert_eq!(sum, net.sum, "not the sum of the readings");
}
