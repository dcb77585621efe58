//! How the Modbus source gets on with devices: late, wrong, missing answers.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dcnet_gateway::source::modbus::Fault;
use dcnet_gateway::source::{SourceEvent, SourceState};
use dcnet_obis::{ObisCode, ScaledInteger, Telegram};
use dcnet_profiles::meter::Parity;
use dcnet_profiles::modbus::{Layout, ModbusLine, ModbusSerial, ModbusSource, Template};
use tokio::time::timeout;
use tokio_modbus::Slave;
use tokio_modbus::client::{Reader as _, rtu};

use crate::support::modbus::{Server, Source, Table, Trick, obis, over_tcp};
use crate::support::rtu::{SlowLine, When};

/// Three quantities of one size, far apart, so that an answer to one fits the others.
fn spread() -> (Layout, Table, [(ObisCode, ScaledInteger); 3]) {
    let text = "name: spread\nmaker: Test\nmodel: spread\nregisters:\n  \
                - { obis: 1.8.0, address: 0, function: 4, type: uint32, unit: Wh }\n  \
                - { obis: 2.8.0, address: 100, function: 4, type: uint32, unit: Wh }\n  \
                - { obis: 16.7.0, address: 200, function: 4, type: uint32, unit: W }\n";
    let template = Template::parse(text, Path::new("spread.yaml")).unwrap();
    let mut table = Table::default();
    table.put(4, 0, &[1, 1]);
    table.put(4, 100, &[2, 2]);
    table.put(4, 200, &[3, 3]);
    let values = [
        (obis("1.8.0"), ScaledInteger::new(0x1_0001, 0)),
        (obis("2.8.0"), ScaledInteger::new(0x2_0002, 0)),
        (obis("16.7.0"), ScaledInteger::new(0x3_0003, 0)),
    ];
    (Layout::Template(template), table, values)
}

fn on_a_line(device: &Path, timeout: u64) -> ModbusSource {
    ModbusSource {
        line: ModbusLine::Serial(ModbusSerial {
            device: device.to_owned(),
            baud: 9600,
            parity: Parity::None,
            stop_bits: 1,
        }),
        timeout,
        ..over_tcp("unused:1", "spread")
    }
}

fn assert_right(telegram: &Telegram, values: &[(ObisCode, ScaledInteger); 3]) {
    for (code, value) in values {
        assert_eq!(telegram.number(*code), Some(*value), "{code}");
    }
}

/// Without what our link does, the late answer is taken for the next one. If this ends, the tests
/// below prove nothing.
#[tokio::test]
async fn a_plain_client_takes_a_late_answer_for_the_next_one() {
    let (_, table, _) = spread();
    let late = |number| match number {
        0 => When::After(Duration::from_millis(300)),
        _ => When::Now,
    };
    let device = SlowLine::one(table, late);
    let source = on_a_line(&device.device, 200);
    let ModbusLine::Serial(line) = &source.line else {
        panic!("no line");
    };
    let port = dcnet_gateway::source::device::open_modbus(line).unwrap();
    let mut plain = rtu::attach_slave(port, Slave(1));
    let patience = Duration::from_millis(200);
    assert!(
        timeout(patience, plain.read_input_registers(0, 2))
            .await
            .is_err()
    );
    let energy = timeout(patience, plain.read_input_registers(100, 2)).await;
    assert_eq!(
        energy.unwrap().unwrap().unwrap(),
        [1, 1],
        "asked for the next: [2, 2]"
    );
}

/// What is late, and when the n-th request is answered.
type Case = (&'static str, fn(usize) -> When);

#[tokio::test]
async fn a_late_answer_is_never_taken_for_another() {
    let patience = 200;
    let cases: [Case; 5] = [
        (
            "while the port is closed or drained",
            |number| match number {
                0 => When::After(Duration::from_millis(300)),
                _ => When::Now,
            },
        ),
        ("in the middle of a cycle", |number| match number {
            4 => When::After(Duration::from_millis(350)),
            _ => When::Now,
        }),
        (
            "after the silence, with the next request",
            |number| match number {
                0 => When::WithNext,
                _ => When::Now,
            },
        ),
        (
            "after the silence, and none is quick",
            |number| match number {
                0 => When::WithNext,
                _ => When::After(Duration::from_millis(50)),
            },
        ),
        ("every second time", |number| match number % 5 {
            1 => When::WithNext,
            3 => When::After(Duration::from_millis(260)),
            _ => When::Now,
        }),
    ];
    for (case, late) in cases {
        let (layout, table, values) = spread();
        let device = SlowLine::one(table, late);
        let mut source = Source::start(on_a_line(&device.device, patience), layout);
        let (mut telegrams, mut faults) = (0, 0);
        let started = std::time::Instant::now();
        // The last device is late for ever; it has to be wrong never, and may be silent always.
        let enough = |telegrams, faults| telegrams >= 3 && faults >= 1;
        while !enough(telegrams, faults) && started.elapsed() < Duration::from_secs(12) {
            let Ok(Some(event)) = timeout(Duration::from_secs(5), source.0.recv()).await else {
                continue;
            };
            match event {
                SourceEvent::Telegram { telegram, .. } => {
                    assert_right(&telegram, &values);
                    telegrams += 1;
                }
                SourceEvent::State(state) => faults += u32::from(state.is_fault()),
            }
        }
        assert!(faults >= 1, "{case}: nothing was late");
        if case != "every second time" {
            assert!(telegrams >= 3, "{case}: it does not recover");
        }
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_are_refused_and_the_line_is_opened_anew() {
    for (trick, what) in [
        (Trick::WrongNumber, "unit or number of the request"),
        (Trick::TooShort, "number of registers"),
    ] {
        let (layout, table, values) = spread();
        let server = Server::start(table, trick).await;
        let mut source = Source::start(over_tcp(&server.address, "spread"), layout);
        assert_eq!(source.state().await, SourceState::Open);
        assert_eq!(
            source.state().await,
            SourceState::Modbus(Fault::Mismatch { what })
        );
        assert_right(&source.telegram().await, &values);
        assert_eq!(server.connections.load(Ordering::Relaxed), 2);
    }
    let (layout, table, _) = spread();
    let server = Server::start(table, Trick::OtherUnit).await;
    let mut source = Source::start(over_tcp(&server.address, "spread"), layout);
    assert_eq!(source.state().await, SourceState::Open);
    assert!(matches!(
        source.state().await,
        SourceState::Modbus(Fault::Mismatch { .. })
    ));
}

#[tokio::test]
async fn a_device_that_refuses_what_lies_between_is_asked_one_by_one() {
    let text = "name: holes\nmaker: Test\nmodel: holes\nserial: { address: 9000, registers: 2, \
                type: number }\nregisters:\n  \
                - { obis: 1.8.0, address: 0, type: uint16, unit: Wh }\n  \
                - { obis: 2.8.0, address: 5, type: uint16, unit: Wh }\n";
    let layout = Layout::Template(Template::parse(text, Path::new("holes.yaml")).unwrap());
    let mut table = Table::default();
    table.put(3, 0, &[11]);
    table.put(3, 5, &[22]);
    let server = Server::start(table.clone(), Trick::None).await;
    let mut source = Source::start(over_tcp(&server.address, "holes"), layout.clone());
    for _ in 0..2 {
        let telegram = source.telegram().await;
        assert_eq!(telegram.number(obis("1.8.0")), Some(11.into()));
        assert_eq!(telegram.number(obis("2.8.0")), Some(22.into()));
        assert!(
            telegram.server_id.is_empty(),
            "this device has no serial number"
        );
    }
    let asked = server.requests.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            (3, 9000, 2),
            (3, 0, 6),
            (3, 0, 1),
            (3, 5, 1),
            (3, 0, 1),
            (3, 5, 1)
        ]
    );

    table.put(3, 0, &[11, 0, 0, 0, 0, 22]);
    table.put(3, 9000, &[0x00ab, 0xcdef]);
    let server = Server::start(table, Trick::None).await;
    let mut source = Source::start(over_tcp(&server.address, "holes"), layout);
    assert_eq!(source.telegram().await.server_id, [0x00, 0xab, 0xcd, 0xef]);
    assert_eq!(
        *server.requests.lock().unwrap(),
        [(3, 9000, 2), (3, 0, 6)],
        "one request for both"
    );
}

#[tokio::test]
async fn a_template_that_does_not_fit_and_a_host_that_is_not_there_are_told() {
    let server = Server::start(Table::default(), Trick::None).await;
    let mut source = Source::catalogue(over_tcp(&server.address, "eastron-sdm120"));
    assert_eq!(source.state().await, SourceState::Open);
    let state = source.state().await;
    assert!(
        matches!(state, SourceState::Modbus(Fault::Refused { code: 2, .. })),
        "{state:?}"
    );
    let mut source = Source::catalogue(over_tcp("127.0.0.1:9", "eastron-sdm120"));
    let state = source.state().await;
    assert!(
        matches!(state, SourceState::Modbus(Fault::Unreachable { .. })),
        "{state:?}"
    );
    let line = on_a_line(Path::new("/dev/no-such-port"), 200);
    let mut source = Source::start(line, spread().0);
    assert!(matches!(source.state().await, SourceState::Unavailable(_)));
}
