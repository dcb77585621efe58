//! Several units on one Modbus line: turns, silence, late answers, a port that is lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::modbus::{Bus, Buses, Fault};
use dcnet_gateway::source::{MeterEvent, Meters, SourceEvent, SourceState};
use dcnet_obis::{ScaledInteger, Telegram};
use dcnet_profiles::meter::{self, MeterProfile, Parity};
use dcnet_profiles::modbus::{Layout, ModbusLine, ModbusSerial, ModbusSource, Template};
use tokio::time::timeout;

use crate::support::modbus::{Server, Source, Table, Trick, obis, over_tcp};
use crate::support::rtu::{Frame, SlowLine, Unit, When};

const TIMEOUT: u64 = 300;

/// Three and a half characters at 9600 baud.
const GAP: Duration = Duration::from_micros(4_010);

/// Three quantities of one size, far apart, so that an answer to one fits the others.
const TEMPLATE: &str = "name: spread\nmaker: Test\nmodel: spread\nregisters:\n  \
    - { obis: 1.8.0, address: 0, function: 4, type: uint32, unit: Wh }\n  \
    - { obis: 2.8.0, address: 100, function: 4, type: uint32, unit: Wh }\n  \
    - { obis: 16.7.0, address: 200, function: 4, type: uint32, unit: W }\n";

fn layout() -> Layout {
    Layout::Template(Template::parse(TEMPLATE, Path::new("spread.yaml")).unwrap())
}

/// The registers of a unit; no two units have the same.
fn table(unit: u8) -> Table {
    let mut table = Table::default();
    for place in 1..=3_u16 {
        table.put(4, (place - 1) * 100, &[place, u16::from(unit)]);
    }
    table
}

fn assert_right(unit: u8, telegram: &Telegram) {
    for (place, code) in (1_i128..).zip(["1.8.0", "2.8.0", "16.7.0"]) {
        let expected = ScaledInteger::new(place * 0x1_0000 + i128::from(unit), 0);
        assert_eq!(
            telegram.number(obis(code)),
            Some(expected),
            "unit {unit}: {code}"
        );
    }
}

fn line(device: &Path) -> ModbusLine {
    ModbusLine::Serial(ModbusSerial {
        device: device.to_owned(),
        baud: 9600,
        parity: Parity::None,
        stop_bits: 1,
    })
}

fn settings(line: &ModbusLine, unit: u8, every: u64) -> ModbusSource {
    ModbusSource {
        line: line.clone(),
        unit,
        every,
        timeout: TIMEOUT,
        ..over_tcp("unused:1", "spread")
    }
}

/// The sources of units and pauses on one line.
fn start(line: &ModbusLine, units: &[(u8, u64)]) -> Vec<(u8, Source)> {
    let bus = Arc::new(Bus::new(line.clone()));
    let start = |(unit, every): &(u8, u64)| {
        let source = Source::on(&bus, settings(line, *unit, *every), layout());
        (*unit, source)
    };
    units.iter().map(start).collect()
}

/// What a source told: telegrams, and states that are faults.
#[derive(Debug, Default)]
struct Heard {
    telegrams: usize,
    faults: Vec<SourceState>,
}

/// Listens to all for a time, and looks at each telegram.
async fn listen(sources: Vec<(u8, Source)>, time: Duration) -> Vec<Heard> {
    let listening = sources.into_iter().map(|(unit, mut source)| {
        tokio::spawn(async move {
            let mut heard = Heard::default();
            let until = tokio::time::Instant::now() + time;
            while let Ok(Some(event)) = tokio::time::timeout_at(until, source.0.recv()).await {
                match event {
                    SourceEvent::Telegram { telegram, .. } => {
                        assert_right(unit, &telegram);
                        heard.telegrams += 1;
                    }
                    SourceEvent::State(state) if state.is_fault() => heard.faults.push(state),
                    SourceEvent::State(_) => {}
                }
            }
            heard
        })
    });
    let mut heard = Vec::new();
    for task in listening.collect::<Vec<_>>() {
        heard.push(task.await.unwrap());
    }
    heard
}

/// No request while another one may still be answered, and silence between two frames.
fn assert_in_turn(frames: &[(Instant, Frame)]) {
    for pair in frames.windows(2) {
        let [(before, first), (after, second)] = pair else {
            continue;
        };
        let between = *after - *before;
        match (first, second) {
            (Frame::Request(asked), Frame::Answer(unit)) => assert_eq!(asked, unit),
            (Frame::Answer(_), Frame::Request(_)) => assert!(between >= GAP, "{between:?}"),
            (Frame::Request(_), Frame::Request(_)) => {
                let timeout = Duration::from_millis(TIMEOUT);
                assert!(
                    between + Duration::from_millis(10) >= timeout,
                    "{between:?}"
                );
            }
            (Frame::Answer(_), Frame::Answer(_)) => panic!("two answers"),
        }
    }
}

#[tokio::test]
async fn units_on_one_line_are_asked_in_turn_each_at_its_own_pace() {
    let slow = |_| When::After(Duration::from_millis(30));
    let bus = SlowLine::start(
        (1..=4)
            .map(|unit| Unit::new(unit, table(unit), slow))
            .collect(),
    );
    let sources = start(&line(&bus.device), &[(1, 1), (2, 1), (3, 2), (4, 60)]);
    let heard = listen(sources, Duration::from_millis(6_900)).await;
    assert!(
        heard.iter().all(|heard| heard.faults.is_empty()),
        "{heard:?}"
    );
    let telegrams: Vec<_> = heard.iter().map(|heard| heard.telegrams).collect();
    // The first at about 0.6 s, or the time of silence after it.
    assert!((6..=7).contains(&telegrams[0]), "{telegrams:?}");
    assert!((6..=7).contains(&telegrams[1]), "{telegrams:?}");
    assert!((3..=4).contains(&telegrams[2]), "{telegrams:?}");
    assert_eq!(telegrams[3], 1);
    let frames = bus.frames();
    assert_in_turn(&frames);
    assert_eq!(frames.len() % 2, 0, "each was answered");
    // Nobody has the line for a whole reading of several requests.
    let asked: Vec<_> = frames.iter().step_by(2).map(|(_, frame)| *frame).collect();
    let changes = asked.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes * 2 > asked.len(), "{asked:?}");
}

#[tokio::test]
async fn a_silent_unit_costs_the_others_its_timeout_and_is_asked_less_and_less() {
    let now = |_| When::Now;
    let bus = SlowLine::start(vec![
        Unit::new(1, table(1), now),
        Unit::new(3, table(3), now),
        Unit::new(4, table(4), |number| match number {
            0..6 => When::Now,
            _ => When::Never,
        }),
    ]);
    // Nobody has the number 2.
    let sources = start(&line(&bus.device), &[(1, 1), (2, 1), (3, 1), (4, 1)]);
    let heard = listen(sources, Duration::from_secs(10)).await;
    for place in [0, 2] {
        assert_eq!(heard[place].faults, [], "{heard:?}");
        assert!(heard[place].telegrams >= 9, "{heard:?}");
    }
    let silent = |unit| {
        [SourceState::Modbus(Fault::NoAnswer {
            unit,
            millis: TIMEOUT,
        })]
    };
    assert_eq!(heard[1].faults, silent(2));
    assert_eq!(
        (heard[3].telegrams, &heard[3].faults[..]),
        (2, &silent(4)[..])
    );
    assert_in_turn(&bus.frames());
    let asked = bus.asked(2);
    let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((3..=5).contains(&pauses.len()), "{pauses:?}");
    assert!(
        pauses.windows(2).all(|pair| pair[0] < pair[1]),
        "{pauses:?}"
    );
    // A second and at most two silent units that were before in the queue.
    let asked = bus.asked(1);
    for pair in asked.windows(2) {
        let pause = pair[1] - pair[0];
        let longest = Duration::from_millis(1_000 + 2 * TIMEOUT + 150);
        assert!(pause < longest, "{pause:?}");
    }
}

/// What is late, and when the n-th request to the late unit is answered.
type Case = (&'static str, fn(usize) -> When);

const LATE: [Case; 5] = [
    ("a little", |number| match number {
        0 | 7 => When::After(Duration::from_millis(TIMEOUT + 60)),
        _ => When::Now,
    }),
    ("with its next request", |number| match number {
        0 => When::WithNext,
        _ => When::Now,
    }),
    ("with the next request to another", |number| match number {
        0 | 4 => When::WithNextOfLine,
        _ => When::Now,
    }),
    // The answer to request 1 is taken for that to 2, and what is left over meets another unit's
    // question before the reading is over: then nothing follows it.
    (
        "and then once more, between two requests",
        |number| match number {
            1 => When::WithNext,
            2 => When::WithNextOfLine,
            _ => When::Now,
        },
    ),
    ("often", |number| match number % 5 {
        1 => When::WithNext,
        3 => When::WithNextOfLine,
        _ => When::Now,
    }),
];

async fn hear_a_late_one(case: &str, late: fn(usize) -> When) {
    // Others that keep the line busy, so that each request of the late one is between theirs.
    let busy = |_| When::After(Duration::from_millis(55));
    let others = (2..=6).map(|unit| Unit::new(unit, table(unit), busy));
    let unit = std::iter::once(Unit::new(1, table(1), late));
    let bus = SlowLine::start(unit.chain(others).collect());
    let units: Vec<_> = (1..=6).map(|unit| (unit, 1)).collect();
    let heard = listen(start(&line(&bus.device), &units), Duration::from_secs(12)).await;
    assert!(!heard[0].faults.is_empty(), "{case}: nothing was late");
    if case != "often" {
        assert!(heard[0].telegrams >= 3, "{case}: {heard:?}");
    }
    for heard in heard.iter().skip(1) {
        assert!(heard.telegrams >= 4, "{case}: {heard:?}");
        let mild = |fault: &SourceState| {
            matches!(
                fault,
                SourceState::Modbus(Fault::OtherUnit | Fault::Unsolicited)
            )
        };
        assert!(heard.faults.iter().all(mild), "{case}: {heard:?}");
    }
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_that_of_another_unit_or_request() {
    let cases = LATE.map(|(case, late)| tokio::spawn(hear_a_late_one(case, late)));
    for case in cases {
        case.await.unwrap();
    }
}

async fn until(source: &mut Source, is_it: impl Fn(&SourceState) -> bool) -> Vec<SourceState> {
    let mut told = Vec::new();
    let wait = async {
        loop {
            let state = source.state().await;
            let found = is_it(&state);
            told.push(state);
            if found {
                return;
            }
        }
    };
    let found = timeout(Duration::from_secs(15), wait).await;
    assert!(found.is_ok(), "{told:?}");
    told
}

#[tokio::test]
async fn a_lost_port_is_told_to_each_meter_and_opened_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    let line = line(&port);
    let units = || {
        (1..=2)
            .map(|unit| Unit::new(unit, table(unit), |_| When::Now))
            .collect()
    };
    let first = SlowLine::start(units());
    std::os::unix::fs::symlink(&first.device, &port).unwrap();
    // The second has no reason to ask for a minute, the third is silent and between two attempts.
    let mut sources = start(&line, &[(1, 1), (2, 60), (3, 1)]);
    for (unit, source) in &mut sources[..2] {
        assert_right(*unit, &source.telegram().await);
    }
    let silent = |state: &SourceState| matches!(state, SourceState::Modbus(Fault::NoAnswer { .. }));
    until(&mut sources[2].1, silent).await;
    std::fs::remove_file(&port).unwrap();
    drop(first);
    for (_, source) in &mut sources {
        until(source, |state| matches!(state, SourceState::Unavailable(_))).await;
    }
    let second = SlowLine::start(units());
    std::os::unix::fs::symlink(&second.device, &port).unwrap();
    for (unit, source) in &mut sources[..2] {
        let told = until(source, |state| *state == SourceState::Receiving).await;
        // A port that somebody else has opened says that it is in use.
        assert_eq!(told, [SourceState::Open, SourceState::Receiving]);
        assert_right(*unit, &source.telegram().await);
    }
    let told = until(&mut sources[2].1, silent).await;
    assert_eq!(told[0], SourceState::Open);
}

#[tokio::test]
async fn units_behind_one_address_share_a_connection() {
    let server = Server::start(table(9), Trick::None).await;
    let line = over_tcp(&server.address, "spread").line;
    let mut sources = start(&line, &[(9, 1), (9, 1), (9, 2)]);
    for _ in 0..3 {
        for (unit, source) in &mut sources {
            assert_right(*unit, &source.telegram().await);
        }
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_lost_connection_is_told_to_each_meter() {
    let mut sources = start(&over_tcp("127.0.0.1:9", "spread").line, &[(1, 1), (2, 1)]);
    for (_, source) in &mut sources {
        let state = source.state().await;
        let unreachable = matches!(state, SourceState::Modbus(Fault::Unreachable { .. }));
        assert!(unreachable, "{state:?}");
    }
}

#[test]
fn a_line_is_the_same_if_it_is_reached_the_same_way() {
    let mut buses = Buses::default();
    let first = buses.of(&line(Path::new("/dev/a")));
    let connection = over_tcp("10.0.0.1:502", "spread").line;
    assert!(Arc::ptr_eq(&first, &buses.of(&line(Path::new("/dev/a")))));
    assert!(!Arc::ptr_eq(&first, &buses.of(&line(Path::new("/dev/b")))));
    assert!(Arc::ptr_eq(&buses.of(&connection), &buses.of(&connection)));
}

#[tokio::test]
async fn the_meters_of_a_profile_share_their_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spread.yaml"), TEMPLATE).unwrap();
    let now = |_| When::Now;
    let bus = SlowLine::start(
        (1..=3)
            .map(|unit| Unit::new(unit, table(unit), now))
            .collect(),
    );
    let line = line(&bus.device);
    let meters = (1..=3).map(|unit| MeterProfile {
        name: format!("flat {unit}"),
        device: None,
        sources: vec![meter::Source::Modbus(ModbusSource {
            templates: Some(folder.path().to_owned()),
            ..settings(&line, unit, 1)
        })],
        obis: Vec::new(),
    });
    let meters: Vec<_> = meters.collect();
    let (running, mut events) = Meters::start(&meters, &Clock::system());
    let mut telegrams = [0; 3];
    while telegrams.iter().any(|count| *count < 2) {
        let event = timeout(Duration::from_secs(10), events.recv()).await;
        let MeterEvent { meter, event, .. } = event.unwrap().unwrap();
        match event {
            SourceEvent::Telegram { telegram, .. } => {
                assert_right(u8::try_from(meter + 1).unwrap(), &telegram);
                telegrams[meter] += 1;
            }
            SourceEvent::State(state) => assert!(!state.is_fault(), "{state}"),
        }
    }
    assert_in_turn(&bus.frames());
    drop(running);
}
