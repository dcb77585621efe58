//! A house in which something has happened: six weeks of readings, messages, logbooks, tariffs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use dcnet_obis::ObisCode;
use dcnet_profiles::Profile;
use dcnet_profiles::evaluation::{BorderReading, BorderValue, MeterBorder};
use dcnet_profiles::meter::DeviceId;
use dcnet_profiles::tariff::{BillingState, DailyValues, RegisterReading, TariffProfile};
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use redb::backends::InMemoryBackend;
use tempfile::TempDir;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::super::parts::tests::transmit;
use super::now::{status, telegram};
use crate::clock::Clock;
use crate::daemon::status::Status;
use crate::home::page::House;
use crate::ledger::{
    Binding, Book, Change, Dispatch, Gravity, Hidden, Ledger, Line, Matter, Outcome, SentEntry,
};
use crate::source::Latest;
use crate::tariffs::{self, Kept, Registers, Shown};

/// 2026-11-26 13:20:07 in Berlin.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_795_695_607);
pub(super) const QUARTER: u64 = 900_000;

/// A house, and what has to live as long as it does.
pub(crate) struct Fixture {
    pub(crate) house: Arc<House>,
    pub(crate) ledger: Ledger,
    pub(crate) status: watch::Sender<Status>,
    _meters: Vec<watch::Sender<Option<Latest>>>,
    _view: watch::Sender<crate::ledger::View>,
    _folder: TempDir,
}

fn profile(state: &Path) -> Profile {
    let text = format!(
        r#"
meters:
  - name: cellar
    source: {{ sml: {{ device: /dev/ttyUSB0 }} }}
    obis: [1.8.0, 2.8.0, 16.7.0]
  - name: <b>roof</b>
    source: {{ sml: {{ device: /dev/ttyUSB1 }} }}
evaluation:
  taf: 7
  slots:
    - {{ obis: 1.8.0, unit: Wh, scale: -1, clip: {{ max: 99999 }} }}
    - {{ obis: 2.8.0, unit: Wh, scale: -1, absent: zero }}
    - {{ obis: 16.7.0, unit: W, scale: 0 }}
tariffs:
  - name: day-night
    taf: 2
    obis: 1.8.0
    unit: Wh
    scale: -1
    stages: [high, low]
    days:
      - name: workday
        switches: [{{ at: "00:00", stage: low }}, {{ at: "06:00", stage: high }}, {{ at: "22:00", stage: low }}]
    seasons:
      - {{ from: "01-01", week: [workday, workday, workday, workday, workday, workday, workday] }}
  - {{ name: midnights, taf: 6, obis: 1.8.0, unit: Wh, scale: -1 }}
communication:
  provider: https://provider.example:8443
  net: quarter-7
  provider_ca: /etc/dcnet-gateway/provider-ca.pem
  tls: {{ certificate: /etc/dcnet-gateway/tls.pem, key: /etc/dcnet-gateway/tls.key }}
  signature: {{ certificate: /etc/dcnet-gateway/sig.pem, key: /etc/dcnet-gateway/sig.key }}
home: {{ language: de, page: {{}} }}
state: {}
"#,
        state.display()
    );
    Profile::parse(&text, Path::new("gateway.yaml")).unwrap()
}

/// What the house uses or feeds in a quarter of an hour, in tenths of Wh.
fn load(quarter: u64) -> (i64, i64) {
    let hour = i64::try_from(quarter % 96).unwrap() / 4 + 1;
    let noise = i64::try_from(quarter * 7_919 % 331).unwrap();
    let base = match hour % 24 {
        0..6 => 350,
        6..9 => 1_900,
        9..17 => 700,
        17..22 => 2_600,
        _ => 900,
    };
    let sun = (36 - (hour - 13) * (hour - 13)).max(0) * 55;
    let imported = (base + noise * 2 - sun / 2).max(40);
    (
        imported,
        if sun > 0 {
            (sun - 300 + noise).max(0)
        } else {
            0
        },
    )
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = profile(folder.path());
        let ledger = Ledger::with_backend(InMemoryBackend::new()).unwrap();
        let descriptor = crate::testing::descriptor(900, 60, 60);
        let binding = Binding {
            net: "quarter-7".parse().unwrap(),
            client: "gateway-1".parse().unwrap(),
            descriptor: descriptor.encode(),
        };
        ledger.bind(&binding).unwrap();
        borders(&ledger);
        messages(&ledger);
        lines(&ledger);
        tariffs(&profile, folder.path());
        let system = Clock::system().now().millis();
        let shift = i64::try_from(NOW.millis()).unwrap() - i64::try_from(system).unwrap();
        let meters = [Some(telegram(0)), Some(telegram(1))].map(watch::Sender::new);
        let status = watch::Sender::new(status());
        let view = watch::Sender::new(ledger.view());
        let house = Arc::new(House {
            profile,
            client: "gateway-1".to_owned(),
            clock: Clock::shifted(Arc::new(AtomicI64::new(shift))),
            meters: meters.iter().map(watch::Sender::subscribe).collect(),
            status: status.subscribe(),
            ledger: view.subscribe(),
        });
        Self {
            house,
            ledger,
            status,
            _meters: meters.into(),
            _view: view,
            _folder: folder,
        }
    }
}

/// Since 2026-10-24, so the day of 25 hours is among them; some were not read.
fn borders(ledger: &Ledger) {
    let last = NOW.millis() / QUARTER;
    let first = 1_792_792_800_000 / QUARTER;
    let (mut imported, mut exported) = (172_000_000, 31_000_000);
    let mut encoded = Vec::new();
    for quarter in first..=last {
        let (more_imported, more_exported) = load(quarter);
        imported += more_imported;
        exported += more_exported;
        let ago = last - quarter;
        if (20..24).contains(&ago) || (900..1_040).contains(&ago) {
            continue;
        }
        let border = UnixTime::from_millis(quarter * QUARTER);
        let value = |obis, value| BorderValue {
            obis,
            scale: -1,
            value,
            resolution: -1,
        };
        let reading = BorderReading {
            border,
            meters: vec![MeterBorder {
                meter: "cellar".to_owned(),
                time: border,
                device: DeviceId::from([1].as_slice()),
                values: vec![
                    value(ObisCode::ACTIVE_ENERGY_IMPORT, imported),
                    value(ObisCode::ACTIVE_ENERGY_EXPORT, exported),
                ],
                lacking: Vec::new(),
            }],
        };
        encoded.push((border, reading.encode().unwrap()));
    }
    let changes = encoded.iter().map(|(border, bytes)| Change::Border {
        border: *border,
        bytes,
    });
    ledger.commit(&changes.collect::<Vec<_>>()).unwrap();
}

/// Numbers 1 to 62: a registration, an envelope, superpositions.
fn messages(ledger: &Ledger) {
    let last = NOW.millis() / QUARTER - 1;
    let frame = |notification, round, bytes, hidden| Dispatch {
        time: UnixTime::from_millis((round + 1) * QUARTER + 2_000),
        matter: Matter::Frame {
            notification,
            round: Round::new(round),
        },
        bytes,
        hidden,
    };
    let mut dispatches = vec![
        frame(
            Notification::Register,
            last - 60,
            b"no frame".to_vec(),
            None,
        ),
        Dispatch {
            time: UnixTime::from_millis((last - 60) * QUARTER),
            matter: Matter::Envelope {
                to: "gateway-2".parse().unwrap(),
            },
            bytes: envelope(),
            hidden: None,
        },
    ];
    for round in last - 59..=last {
        let (imported, exported) = load(round + 1);
        let word = |n: u64| (round * n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let values = Zeroizing::new(vec![imported, exported, 432]);
        let hidden = Hidden {
            members: 1_248,
            neighbours: 21,
            values: (round % 9 != 0).then_some(values),
        };
        let bytes = transmit(round, &[word(1), word(3), word(5)], 8);
        dispatches.push(frame(Notification::Transmit, round, bytes, Some(hidden)));
    }
    let fates: Vec<_> = dispatches
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != 61)
        .filter_map(|(number, dispatch)| {
            let Matter::Frame {
                notification,
                round,
            } = dispatch.matter
            else {
                return None;
            };
            Some(SentEntry {
                time: dispatch.time.plus_millis(300),
                recipient: "https://provider.example:8443".to_owned(),
                round,
                notification,
                hash: frame_hash(&dispatch.bytes),
                outcome: match number {
                    60 => Outcome::Refused,
                    57 => Outcome::Unanswered,
                    _ => Outcome::Acknowledged,
                },
            })
        })
        .collect();
    let changes = dispatches.iter().map(Change::Dispatch);
    let changes = changes.chain(fates.iter().map(Change::Sent));
    ledger.commit(&changes.collect::<Vec<_>>()).unwrap();
}

fn envelope() -> Vec<u8> {
    let mut bytes = b"\x09quarter-7".to_vec();
    bytes.extend([7; 32]);
    bytes.extend(b"\x09gateway-1\x09gateway-2\x01");
    bytes.extend([5; 24]);
    bytes.extend(100_u32.to_be_bytes());
    bytes.extend([6; 100]);
    bytes
}

fn lines(ledger: &Ledger) {
    let line = |number: u64| Line {
        time: NOW.minus_millis((230 - number) * 60_000),
        gravity: match number % 50 {
            0 => Gravity::Error,
            7 => Gravity::Warning,
            _ => Gravity::Info,
        },
        event: "frame.acknowledged".to_owned(),
        text: format!("line {number}: the provider has the frame <script>"),
    };
    let lines: Vec<_> = (0..230).map(line).collect();
    let system = lines.iter().map(|line| Change::Line(Book::System, line));
    let calibration = lines.iter().take(3);
    let calibration = calibration.map(|line| Change::Line(Book::Calibration, line));
    ledger
        .commit(&system.chain(calibration).collect::<Vec<_>>())
        .unwrap();
}

fn tariffs(profile: &Profile, folder: &Path) {
    let kept = |tariff: &TariffProfile, registers| Kept {
        definition: tariff.definition(),
        registers,
    };
    let [billed, midnights] = profile.tariffs.as_slice() else {
        panic!("two tariffs");
    };
    let mut state = BillingState::default();
    let (mut closed, mut daily) = (Vec::new(), DailyValues::default());
    let last = NOW.millis() / QUARTER;
    let mut value = 172_000_000;
    for quarter in last - 40 * 96..=last {
        value += load(quarter).0;
        let reading = RegisterReading {
            time: UnixTime::from_millis(quarter * QUARTER),
            device: DeviceId::from([1].as_slice()),
            value,
        };
        daily = daily.advance(midnights, &reading);
        if last - quarter == 200 {
            continue;
        }
        let (next, over) = state.advance(billed, &reading).unwrap();
        state = next;
        closed.extend(over);
    }
    let shown = [
        Shown {
            name: billed.name.clone(),
            kept: kept(billed, Registers::Billing(state)),
            closed,
        },
        Shown {
            name: midnights.name.clone(),
            kept: kept(midnights, Registers::Daily(daily)),
            closed: Vec::new(),
        },
    ];
    tariffs::write(folder, shown.iter()).unwrap();
}
