//! The source for meters of IEC 62056-21 on real pseudo-terminals.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::{self, Counters, Feed, SourceEvent, SourceState};
use dcnet_obis::d0::{Decoder, Identification, Mode};
use dcnet_obis::{ObisCode, Telegram};
use dcnet_profiles::meter::{D0Line, D0Mode, EnergyUnit, Medium, Source};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::d0::{Asked, Script, apart, block};
use crate::support::meter::Line;

const METER: &[u8] = b"/EMH5eHZ\r\n";
const DATA: &[u8] = b"C.1(12345678)\r\n1.8.0(000285.4*kWh)\r\n2.8.0(000120.1*kWh)\r\n!\r\n";

fn settings(device: &Path, mode: D0Mode) -> D0Line {
    D0Line {
        device: device.to_owned(),
        mode,
        baud: None,
        address: String::new(),
        fastest: None,
        every: 1,
        silence: 3,
        energy_unit: None,
        medium: Medium::Electricity,
    }
}

fn script() -> Script {
    Script {
        request: b"/?!\r\n".to_vec(),
        identification: METER.to_vec(),
        acknowledgement: Some((b"\x06050\r\n".to_vec(), 9_600)),
        message: block(DATA),
        damaged: 0,
        echo: false,
    }
}

struct Running {
    events: mpsc::Receiver<SourceEvent>,
    counters: Arc<Counters>,
}

impl Running {
    fn start(line: D0Line) -> Self {
        let (sender, events) = mpsc::channel(64);
        let feed = Feed::new("cellar", Clock::system(), sender);
        let counters = feed.counters();
        tokio::spawn(source::run(Source::D0(line), feed));
        Self { events, counters }
    }

    async fn next(&mut self) -> SourceEvent {
        timeout(Duration::from_secs(30), self.events.recv())
            .await
            .unwrap_or_else(|_| panic!("no event came"))
            .unwrap()
    }

    async fn fault(&mut self) -> SourceState {
        loop {
            match self.next().await {
                SourceEvent::State(state) if state.is_fault() => return state,
                _ => {}
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

fn import(telegram: &Telegram) -> Option<i128> {
    telegram
        .number(ObisCode::ACTIVE_ENERGY_IMPORT)
        .and_then(|energy| energy.exact_to(0))
        .map(i128::from)
}

#[tokio::test]
async fn a_meter_is_asked_again_and_again_at_the_rate_that_it_offers() {
    let meter = Asked::start(Line::new(), script());
    let mut source = Running::start(settings(&meter.device, D0Mode::Request));
    for _ in 0..3 {
        let telegram = source.telegram().await;
        assert_eq!(import(&telegram), Some(285_400));
        assert_eq!(telegram.server_id, b"12345678");
    }
    assert_eq!(source.counters.refused(), 0);
    assert!(meter.requests() >= 3);
}

#[tokio::test]
async fn what_the_head_hears_of_itself_is_passed_over() {
    let echoing = Script {
        echo: true,
        ..script()
    };
    let meter = Asked::start(Line::new(), echoing);
    let mut source = Running::start(settings(&meter.device, D0Mode::Request));
    assert_eq!(import(&source.telegram().await), Some(285_400));
    assert_eq!(import(&source.telegram().await), Some(285_400));
    assert_eq!(source.counters.refused(), 0);
}

#[tokio::test]
async fn a_slow_head_stays_at_the_first_rate_and_an_address_is_asked_for() {
    let slow = Script {
        request: b"/?0012ab!\r\n".to_vec(),
        acknowledgement: Some((b"\x06000\r\n".to_vec(), 300)),
        ..script()
    };
    let meter = Asked::start(Line::new(), slow);
    let mut source = Running::start(D0Line {
        fastest: Some(2_400),
        address: "0012ab".to_owned(),
        ..settings(&meter.device, D0Mode::Request)
    });
    assert_eq!(import(&source.telegram().await), Some(285_400));
}

#[tokio::test]
async fn a_damaged_readout_is_asked_for_again_at_once() {
    let damaged = Script {
        damaged: 1,
        ..script()
    };
    let meter = Asked::start(Line::new(), damaged);
    let mut source = Running::start(D0Line {
        every: 3_600,
        ..settings(&meter.device, D0Mode::Request)
    });
    assert_eq!(import(&source.telegram().await), Some(285_400));
    assert_eq!((source.counters.refused(), meter.requests()), (1, 2));
}

#[tokio::test]
async fn a_readout_that_stays_damaged_waits_for_its_next_time() {
    let damaged = Script {
        damaged: 2,
        ..script()
    };
    let meter = Asked::start(Line::new(), damaged);
    let mut source = Running::start(D0Line {
        every: 5,
        ..settings(&meter.device, D0Mode::Request)
    });
    let state = source.fault().await;
    assert!(
        matches!(&state, SourceState::Garbled { last: Some(last), .. } if last.contains("block check")),
        "{state:?}"
    );
    assert_eq!((source.counters.refused(), meter.requests()), (2, 2));
    assert_eq!(import(&source.telegram().await), Some(285_400));
    assert_eq!(meter.requests(), 3);
}

#[tokio::test]
async fn a_readout_that_breaks_off_is_noticed_and_the_first_rate_comes_back() {
    let mut broken = script();
    broken.message.truncate(30);
    let meter = Asked::start(Line::new(), broken);
    let mut source = Running::start(D0Line {
        every: 3_600,
        ..settings(&meter.device, D0Mode::Request)
    });
    let state = source.fault().await.to_string();
    assert!(state.contains("broke off after 30 bytes"), "{state}");
    // The second request was understood at 300 baud, or the meter would have failed.
    assert_eq!(meter.requests(), 2);
}

#[tokio::test]
async fn a_silent_meter_and_one_that_talks_nonsense_are_told_apart() {
    let quiet = Line::new();
    let mut source = Running::start(settings(&quiet.device(), D0Mode::Request));
    assert_eq!(source.fault().await, SourceState::Silent { seconds: 3 });

    let mut talking = Line::new();
    let mut source = Running::start(settings(&talking.device(), D0Mode::Request));
    let nonsense = async {
        loop {
            let _ = talking
                .far
                .write_all(b"\x55\xaa nothing that anyone asked for"); // may be full
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        () = nonsense => unreachable!(),
        state = source.fault() => {
            assert!(matches!(state, SourceState::Garbled { protocol: "D0", .. }), "{state:?}");
            assert!(state.to_string().contains("does not answer a request at 300 7E1"), "{state}");
        }
    }
}

#[tokio::test]
async fn a_port_that_is_not_there_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttyUSB0");
    let mut source = Running::start(settings(&path, D0Mode::Request));
    let state = source.fault().await;
    assert!(matches!(state, SourceState::Unavailable(_)), "{state:?}");
    let line = Line::new();
    line.link(&path);
    let _meter = Asked::start(line, script());
    assert_eq!(import(&source.telegram().await), Some(285_400));
}

#[tokio::test]
async fn a_meter_that_sends_on_its_own_is_found_at_its_rate() {
    // Meters of EMH: no check, no unit.
    const PUSHED: &[u8] = b"/EMH5----eHZ\r\n\r\n1-0:1.8.0*255(000285.4)\r\n!\r\n";
    let mut line = Line::new();
    let mut source = Running::start(D0Line {
        energy_unit: Some(EnergyUnit::KilowattHour),
        ..settings(&line.device(), D0Mode::Push)
    });
    let sending = async {
        loop {
            let bytes: Vec<u8> = match line.baud() {
                115_200 => PUSHED.to_vec(),
                _ => PUSHED.iter().map(|byte| byte ^ 0x55).collect(),
            };
            let _ = line.far.write_all(&bytes); // nobody reads while the port is reopened
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = sending => unreachable!(),
        telegram = source.telegram() => assert_eq!(import(&telegram), Some(285_400)),
    }
}

#[tokio::test]
async fn registers_without_a_medium_are_of_what_the_meter_measures() {
    let heat = Script {
        message: block(b"6.8(0029.055*MWh)\r\n!\r\n"),
        ..script()
    };
    let meter = Asked::start(Line::new(), heat);
    let mut source = Running::start(D0Line {
        medium: Medium::Heat,
        ..settings(&meter.device, D0Mode::Request)
    });
    let telegram = source.telegram().await;
    assert_eq!(
        telegram.entries[0].obis,
        ObisCode::new([6, 0, 6, 8, 0, 255])
    );
}

/// Every recording of an answer, spoken by a meter that keeps to the standard.
#[tokio::test]
async fn recorded_meters_are_read_as_their_recordings_say() {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not name the folder with the recordings");
        return;
    };
    let folder = PathBuf::from(shared).join("captures/d0");
    let mut read = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let recording = std::fs::read(&path).unwrap_or_default();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // Those with a block; the others are of meters that send on their own.
        if !name.contains("RequestResponse") || !recording.contains(&2) {
            continue;
        }
        let (identification, data) = apart(&recording);
        let message = block(&data);
        let expected = Decoder::new()
            .push(&[identification.as_slice(), &message].concat())
            .remove(0)
            .unwrap();
        let told = Identification::parse(&identification).unwrap();
        let acknowledgement = match told.mode {
            Mode::A | Mode::B => None,
            _ => Some((told.acknowledge().unwrap().to_vec(), told.baud().unwrap())),
        };
        let meter = Asked::start(
            Line::new(),
            Script {
                identification,
                acknowledgement,
                message,
                ..script()
            },
        );
        let mut source = Running::start(settings(&meter.device, D0Mode::Request));
        assert_eq!(source.telegram().await, expected, "{name}");
        assert!(!expected.entries.is_empty(), "{name}");
        read.push(name);
    }
    assert!(read.len() >= 6, "{read:?}");
}
