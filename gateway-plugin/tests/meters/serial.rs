//! The serial source on real pseudo-terminals.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::device::{self, LineMode, OpenError};
use dcnet_gateway::source::{Feed, SourceEvent, SourceState, push};
use dcnet_obis::Telegram;
use dcnet_obis::sml::encode;
use dcnet_profiles::meter::{DataBits, Parity, SerialLine};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::meter::{Line, telegram};

fn line(device: &Path) -> SerialLine {
    SerialLine {
        device: device.to_owned(),
        baud: Some(9600),
        parity: Some(Parity::None),
        data_bits: Some(DataBits::Eight),
        silence: 1,
        quirks: None,
    }
}

struct Source(mpsc::Receiver<SourceEvent>);

impl Source {
    fn start(line: SerialLine) -> Self {
        let (sender, events) = mpsc::channel(64);
        let feed = Feed::new("cellar", Clock::system(), sender);
        tokio::spawn(push::run_sml(line, feed));
        Self(events)
    }

    async fn next(&mut self) -> SourceEvent {
        timeout(Duration::from_secs(20), self.0.recv())
            .await
            .unwrap_or_else(|_| panic!("no event came"))
            .unwrap()
    }

    async fn state(&mut self) -> SourceState {
        loop {
            if let SourceEvent::State(state) = self.next().await {
                return state;
            }
        }
    }

    async fn telegram(&mut self) -> Telegram {
        loop {
            if let SourceEvent::Telegram { telegram, .. } = self.next().await {
                return telegram;
            }
        }
    }
}

fn write(line: &mut Line, bytes: &[u8]) {
    line.far.write_all(bytes).unwrap();
}

fn file(import: i64) -> Vec<u8> {
    encode::file(&telegram(1, import, 230)).unwrap()
}

#[tokio::test]
async fn telegrams_are_read_exactly_in_whatever_pieces_they_come() {
    let mut line_ends = Line::new();
    let mut source = Source::start(line(&line_ends.device()));
    assert_eq!(source.state().await, SourceState::Open);
    for (number, size) in [(1_i64, 1), (2, 7), (3, 64), (4, 1000)] {
        for piece in file(number).chunks(size) {
            write(&mut line_ends, piece);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(source.telegram().await, telegram(1, number, 230));
    }
}

#[tokio::test]
async fn garbage_and_half_telegrams_do_not_stop_the_good_ones() {
    let mut line_ends = Line::new();
    let mut source = Source::start(line(&line_ends.device()));
    assert_eq!(source.state().await, SourceState::Open);
    write(&mut line_ends, file(1).split_at(40).1); // we came in the middle
    write(&mut line_ends, &file(2));
    write(&mut line_ends, b"/?!\r\n\xff\x00noise\x1b\x1b\x1b");
    let mut broken = file(3);
    let middle = broken.len() / 2;
    broken[middle] ^= 0x10;
    write(&mut line_ends, &broken);
    write(&mut line_ends, &file(4));
    assert_eq!(source.telegram().await, telegram(1, 2, 230));
    assert_eq!(source.telegram().await, telegram(1, 4, 230));
}

#[tokio::test]
async fn a_port_that_vanishes_is_opened_again_and_said_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("meter");
    let mut source = Source::start(line(&link));
    let missing = OpenError::Missing {
        device: link.clone(),
    };
    assert_eq!(source.state().await, SourceState::Unavailable(missing));

    let mut first = Line::new();
    first.link(&link);
    assert_eq!(source.state().await, SourceState::Open);
    write(&mut first, &file(1));
    assert_eq!(source.state().await, SourceState::Receiving);
    assert_eq!(source.telegram().await, telegram(1, 1, 230));

    std::fs::remove_file(&link).unwrap();
    drop(first);
    let lost = source.state().await;
    assert!(
        matches!(&lost, SourceState::Unavailable(OpenError::Lost { device, .. }) if *device == link),
        "{lost:?}"
    );
    // Nothing more is said until it is back.
    let silence = timeout(Duration::from_millis(1500), source.0.recv()).await;
    assert!(silence.is_err(), "{silence:?}");

    let mut second = Line::new();
    second.link(&link);
    assert_eq!(source.state().await, SourceState::Open);
    write(&mut second, &file(2));
    assert_eq!(source.telegram().await, telegram(1, 2, 230));
}

#[tokio::test]
async fn a_silent_meter_is_noticed_and_heard_again() {
    let mut line_ends = Line::new();
    let mut source = Source::start(line(&line_ends.device()));
    assert_eq!(source.state().await, SourceState::Open);
    write(&mut line_ends, &file(1));
    assert_eq!(source.state().await, SourceState::Receiving);
    assert_eq!(source.state().await, SourceState::Silent { seconds: 1 });
    // The port is opened again and again; that is no news.
    let news = timeout(Duration::from_secs(3), async {
        source.telegram().await;
    });
    assert!(news.await.is_err());
    let writing = async {
        loop {
            write(&mut line_ends, &file(2));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = writing => unreachable!(),
        state = source.state() => assert_eq!(state, SourceState::Receiving),
    }
}

#[tokio::test]
async fn bytes_without_telegrams_are_noticed() {
    let mut line_ends = Line::new();
    let mut source = Source::start(line(&line_ends.device()));
    assert_eq!(source.state().await, SourceState::Open);
    let mut broken = file(1);
    let middle = broken.len() / 2;
    broken[middle] ^= 0x10;
    let writing = async {
        loop {
            let _ = line_ends.far.write_all(&broken); // nobody reads while the port is reopened
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = writing => unreachable!(),
        state = source.state() => {
            assert!(matches!(state, SourceState::Garbled { last: Some(_), .. }), "{state:?}");
            assert!(state.to_string().contains("baud"), "{state}");
        }
    }
}

/// Seven data bits and parity: pseudo-terminals hand the parity bit through.
#[tokio::test]
async fn the_parity_bit_of_seven_bit_lines_is_no_data() {
    // A telegram whose bytes all happen to have seven bits, the checksums too.
    let candidate = |number: i64| {
        let serial = u8::try_from(number % 128).unwrap();
        let mut telegram = telegram(serial, 0, number / 128);
        telegram.entries.remove(1); // its scaler is -1, and its code ends with 255
        for entry in &mut telegram.entries {
            entry.obis.f = 1;
        }
        let bytes = encode::file(&telegram).unwrap();
        (telegram, bytes)
    };
    let (sent, bytes) = (0..128 * 128)
        .map(candidate)
        .find(|(_, bytes)| bytes.iter().all(|byte| *byte < 0x80))
        .unwrap();
    let mut line_ends = Line::new();
    let mut settings = line(&line_ends.device());
    (settings.data_bits, settings.parity) = (Some(DataBits::Seven), Some(Parity::Even));
    let mut source = Source::start(settings);
    assert_eq!(source.state().await, SourceState::Open);
    let with_parity: Vec<_> = bytes
        .iter()
        .map(|byte| byte | u8::from(byte.count_ones() % 2 == 1) << 7)
        .collect();
    assert_ne!(with_parity, bytes);
    write(&mut line_ends, &with_parity);
    assert_eq!(source.telegram().await, sent);
}

#[tokio::test]
async fn the_mode_of_the_line_is_found_out() {
    let mut line_ends = Line::new();
    let mut settings = line(&line_ends.device());
    (settings.baud, settings.parity, settings.data_bits) = (None, None, None);
    let mut source = Source::start(settings);
    assert_eq!(source.state().await, SourceState::Open);
    // A meter at 57,600 baud: at any other speed there is only noise.
    let meter = std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        let mut number = 0;
        while begun.elapsed() < Duration::from_secs(15) {
            number += 1;
            let mut bytes = file(number);
            if line_ends.baud() != 57_600 {
                for byte in &mut bytes {
                    *byte ^= 0x55;
                }
            }
            if line_ends.far.write_all(&bytes).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let mut tried = Vec::new();
    let telegram = loop {
        match source.next().await {
            SourceEvent::State(SourceState::Trying { failed, .. }) => tried.push(failed.baud),
            SourceEvent::State(_) => {}
            SourceEvent::Telegram { telegram, .. } => break telegram,
        }
    };
    assert_eq!(tried, [9_600, 115_200]);
    assert!(
        telegram
            .number(dcnet_obis::ObisCode::ACTIVE_ENERGY_IMPORT)
            .is_some()
    );
    drop(source);
    meter.join().unwrap();
}

#[tokio::test]
async fn the_owners_rules_are_followed_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quirks.tsv");
    let mut line_ends = Line::new();
    let mut settings = line(&line_ends.device());
    settings.quirks = Some(file.clone());
    let mut source = Source::start(settings);
    // `check` has seen it, but it is gone.
    let state = source.state().await.to_string();
    assert!(state.contains("quirks.tsv: cannot be read"), "{state}");
    let rule = "DZG\t1\t-\tsign-in-status\tcode=16.7.0 register=1.8.0 bit=5\tmy meter\n";
    std::fs::write(&file, rule).unwrap();
    assert_eq!(source.state().await, SourceState::Open);
    let mut sent = telegram(1, 1, 230);
    sent.entries[1].status = Some(1 << 5);
    write(&mut line_ends, &encode::file(&sent).unwrap());
    let power = source
        .telegram()
        .await
        .number(dcnet_obis::ObisCode::ACTIVE_POWER);
    assert_eq!(power.unwrap().exact_to(0), Some(-230));
}

#[tokio::test]
async fn a_port_has_one_reader() {
    let line_ends = Line::new();
    let (path, mode) = (line_ends.device(), LineMode::default());
    let first = device::open(&path, mode).unwrap();
    let error = device::open(&path, mode).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("is in use"), "{error}");
    drop(first);
    device::open(&path, mode).unwrap();
}

#[tokio::test]
async fn what_is_no_port_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let error = device::open(&file, LineMode::default()).unwrap_err();
    assert!(matches!(error, OpenError::Other { .. }), "{error:?}");
}

#[test]
fn names_that_change_are_known() {
    for (name, changes) in [
        ("/dev/ttyUSB0", true),
        ("/dev/ttyACM1", true),
        ("/dev/ttyAMA0", false),
        (
            "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10001-if00-port0",
            false,
        ),
        ("/dev/pts/3", false),
    ] {
        assert_eq!(
            device::has_changing_name(Path::new(name)),
            changes,
            "{name}"
        );
    }
}
