//! Registers for the bill: the daemon keeps them with a provider and without, through kills and
//! restarts, and gives them out while it runs.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dcnet_gateway::clock::Clock;
use dcnet_gateway::config::Config;
use dcnet_gateway::daemon;
use dcnet_gateway::ledger::{Change, KEEP_PERIODS, Ledger, StateDirectory};
use dcnet_profiles::export::UsagePoint;
use tokio::sync::{oneshot, watch};

use crate::side_by_side;
use crate::support::meter::{Line, Meter};
use crate::support::net::Shape;
use crate::support::pki::{Authority, Household};
use crate::support::server::Server;

side_by_side!(registers_for_the_bill_are_kept:
    registers_survive_kills_and_need_no_provider,
    registers_are_kept_in_a_net_and_after_it_is_gone,
);

const TARIFFS: &str = "\
tariffs:
  - name: day-night
    taf: 2
    obis: 1.8.0
    unit: Wh
    scale: -1
    stages: [high, low]
    days:
      - name: workday
        switches:
          - { at: \"00:00\", stage: low }
          - { at: \"06:00\", stage: high }
          - { at: \"22:00\", stage: low }
    seasons:
      - from: \"01-01\"
        week: [workday, workday, workday, workday, workday, workday, workday]
    customer: \"44332211\"
    supplier: North & South
    gateway: EXXX0012345678
  - { name: daily, taf: 6, obis: 1.8.0, unit: Wh, scale: -1 }
communication:
";

/// 2027-01-04T00:00:00Z, a Monday; Berlin is an hour ahead.
const MONDAY: u64 = 1_799_020_800;

/// A daemon whose clock stands where the test wants it.
struct Running {
    thread: JoinHandle<()>,
    kill: oneshot::Sender<()>,
}

impl Running {
    /// The clock shows a second and a half before the border.
    fn start(household: &Household, (day, hour, minute): (u64, u64, u64)) -> Self {
        let seconds = day * 86_400 + hour * 3600 + minute * 60;
        let now = i64::try_from(crate::support::net::now().millis()).unwrap();
        let then = i64::try_from((MONDAY + seconds) * 1000).unwrap() - 1_500;
        let clock = Clock::shifted(Arc::new(AtomicI64::new(then - now)));
        let config = Config::load(&household.profile(), clock.now()).unwrap();
        let (kill, killed) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let (_stop, stopped) = watch::channel(false);
            runtime.block_on(async {
                tokio::select! {
                    end = daemon::run(config, clock, stopped) => panic!("{end:?}"),
                    _ = killed => {} // dropped wherever it is, as by a kill
                }
            });
            runtime.shutdown_background();
        });
        Self { thread, kill }
    }

    fn kill(self) {
        self.kill.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

fn export(household: &Household, options: &[&str]) -> Output {
    command(household, &[&["export"], options].concat())
}

fn command(household: &Household, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .args(arguments)
        .arg(household.profile())
        .output()
        .unwrap()
}

/// Lines of CSV as fields; no field of these has a comma.
fn lines(household: &Household, tariff: &str) -> Vec<Vec<String>> {
    let output = export(household, &["--tariff", tariff]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().skip(1);
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

/// Waits until the registers of the period that runs go to `time` (local), and answers total, high,
/// low, error.
fn registers_at(household: &Household, time: &str) -> Vec<String> {
    let started = Instant::now();
    loop {
        let lines = lines(household, "day-night");
        let running: Vec<_> = lines.iter().filter(|line| line[9].is_empty()).collect();
        if running.iter().any(|line| line[4].starts_with(time)) {
            let names: Vec<_> = running.iter().map(|line| line[5].as_str()).collect();
            assert_eq!(names, ["total", "high", "low", "error"]);
            return running.iter().map(|line| line[7].clone()).collect();
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{time}: {lines:?}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What stands on the disk.
fn image(household: &Household) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(household.state()).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file()) // a socket has no content
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// As [`over`], and the next daemon finds what stood on the disk in the middle of this one's life,
/// as after a loss of power. Only for daemons that write at borders alone.
fn over_and_out(household: &Household, border: (u64, u64, u64), local: &str) -> Vec<String> {
    let daemon = Running::start(household, border);
    let registers = registers_at(household, local);
    let image = image(household);
    daemon.kill();
    for (path, bytes) in image {
        fs::write(path, bytes).unwrap();
    }
    registers
}

/// The daemon runs over one border, `hour` and `minute` of that many days after [`MONDAY`] in UTC.
fn over(household: &Household, border: (u64, u64, u64), local: &str) -> Vec<String> {
    let daemon = Running::start(household, border);
    let registers = registers_at(household, local);
    daemon.kill();
    registers
}

fn registers_survive_kills_and_need_no_provider() {
    // Nobody listens there, and nobody else will while the test holds the address.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let meter = Meter::start(Line::new(), Duration::from_millis(100));
    let household = Household::new(
        &Authority::new(),
        &Authority::new(),
        "house",
        nobody.local_addr().unwrap(),
        &meter.device,
    );
    household.edit("communication:\n", TARIFFS);
    let output = export(&household, &["--tariff", "daily"]);
    assert_eq!(output.status.code(), Some(1));
    let output = export(&household, &[]);
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("day-night, daily"));

    let first = over_and_out(&household, (0, 4, 45), "2027-01-04T05:45");
    assert_eq!(first, ["0.0", "0.0", "0.0", "0.0"]);
    meter.count(1_000); // up to 06:00: low
    let registers = over_and_out(&household, (0, 5, 0), "2027-01-04T06:00");
    assert_eq!(registers, ["100.0", "0.0", "100.0", "0.0"]);
    meter.count(47); // the daemon is away for some quarters, but not at a switch: high
    let registers = over_and_out(&household, (0, 6, 30), "2027-01-04T07:30");
    assert_eq!(registers, ["104.7", "4.7", "100.0", "0.0"]);
    meter.count(10_000); // away at 22:00: nobody knows
    let registers = over_and_out(&household, (0, 21, 15), "2027-01-04T22:15");
    assert_eq!(registers, ["1104.7", "4.7", "100.0", "1000.0"]);
    // No period is over.
    let xml = ["--tariff", "day-night", "--format", "xml"];
    assert_eq!(export(&household, &xml).status.code(), Some(1));
    // The end of January in Berlin.
    meter.count(3);
    let registers = over_and_out(&household, (27, 23, 0), "2027-02-01T00:00");
    assert_eq!(registers, ["0.0", "0.0", "0.0", "0.0"]);

    let out = household.path("bill.xml");
    let mut options = xml.to_vec();
    options.extend(["--out", out.to_str().unwrap()]);
    assert!(export(&household, &options).status.success());
    assert_eq!(
        fs::metadata(&out).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let point = UsagePoint::read(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(point.tariff_name, "day-night");
    assert_eq!(point.customer_id, "44332211");
    assert_eq!(point.invoicing_party_id, "North & South");
    assert_eq!(point.smgw_id, "EXXX0012345678");
    let values: Vec<_> = point
        .series
        .iter()
        .map(|series| (series.obis.e, series.readings[0].value))
        .collect();
    // What the meter counted since the first reading, to the last tenth.
    assert_eq!(values, [(0, 11_050), (1, 47), (2, 1_000), (63, 10_003)]);
    let daily = lines(&household, "daily");
    assert_eq!(daily.len(), 1, "{daily:?}");
    assert_eq!(daily[0][4], "101105.0");

    // Another tariff by the same name: what was counted so far is closed.
    household.edit("at: \"22:00\"", "at: \"21:00\"");
    let output = export(&household, &["--tariff", "day-night"]);
    assert_eq!(output.status.code(), Some(1), "by which definition?");
    meter.count(500);
    let registers = over_and_out(&household, (28, 4, 45), "2027-02-01T05:45");
    assert_eq!(registers, ["0.0", "0.0", "0.0", "0.0"]);
    let lines = lines(&household, "day-night");
    let totals: Vec<_> = lines.iter().filter(|line| line[5] == "total").collect();
    let closed: Vec<_> = totals.iter().map(|line| line[9].as_str()).collect();
    assert_eq!(closed, ["end", "changed", ""]);
    let shown = household.state().join("tariffs.bin");
    assert_eq!(
        fs::metadata(shown).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

fn registers_are_kept_in_a_net_and_after_it_is_gone() {
    let server = Server::start(Shape::resend(4, [3, 1, 1]));
    let meter = Meter::start(Line::new(), Duration::from_millis(100));
    let household = server.household("house", &meter.device);
    household.edit("communication:\n", TARIFFS);
    let first = over(&household, (0, 11, 0), "2027-01-04T12:00");
    assert_eq!(first, ["0.0", "0.0", "0.0", "0.0"]);
    meter.count(123);
    let registers = over(&household, (0, 11, 15), "2027-01-04T12:15");
    assert_eq!(registers, ["12.3", "12.3", "0.0", "0.0"]);
    let ledger = Ledger::open(StateDirectory::acquire(&household.state()).unwrap()).unwrap();
    assert!(ledger.binding().unwrap().is_some(), "it was in contact");
    drop(ledger);
    let shown = status(&household);
    let day_night = &shown["tariffs"][0];
    assert_eq!(day_night["stage"], "high");
    assert_eq!(day_night["since"], (MONDAY + 11 * 3600) * 1000);
    assert_eq!(day_night["closed"], 0);
    // A meter that is replaced: what it counted stays, what the other one counts begins.
    drop(server);
    meter.serial.store(2, std::sync::atomic::Ordering::Relaxed);
    let registers = over(&household, (0, 11, 30), "2027-01-04T12:30");
    assert_eq!(registers, ["0.0", "0.0", "0.0", "0.0"]);
    let lines = lines(&household, "day-night");
    let replaced = lines.iter().find(|line| line[9] == "replaced").unwrap();
    assert_eq!(
        (replaced[5].as_str(), replaced[7].as_str()),
        ("total", "12.3")
    );
    let shown = status(&household);
    let half_past = (MONDAY + 11 * 3600 + 1800) * 1000;
    // These keys and no other: the status has nothing that was counted.
    let expected = serde_json::json!([
        { "name": "day-night", "taf": 2, "stage": "high", "since": half_past, "closed": 1,
          "fault": null },
        { "name": "daily", "taf": 6, "stage": null, "since": null, "closed": 0, "fault": null },
    ]);
    assert_eq!(shown["tariffs"], expected);
    let text = command(&household, &["status"]).stdout;
    let text = String::from_utf8(text).unwrap();
    for line in [
        "tariff      day-night (TAF-2): stage high, counts since 2027-01-04T12:30:00+01:00, 1 period is over",
        "tariff      daily (TAF-6): no reading yet",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    let metrics = fs::read_to_string(household.state().join("metrics.prom")).unwrap();
    assert!(metrics.contains("tariff=\"day-night\"} 1\n"), "{metrics}");
}

/// What `status` says as JSON.
fn status(household: &Household) -> serde_json::Value {
    serde_json::from_slice(&command(household, &["status", "--json"]).stdout).unwrap()
}

#[test]
fn the_ledger_keeps_so_many_periods_of_each_tariff() {
    let household = tempfile::tempdir().unwrap();
    let open = || {
        let state = household.path().join("state");
        Ledger::open(StateDirectory::acquire(&state).unwrap()).unwrap()
    };
    let ledger = open();
    ledger
        .commit(&[Change::TariffPeriod {
            name: "another",
            bytes: b"one",
        }])
        .unwrap();
    for number in 0..KEEP_PERIODS + 2 {
        let text = number.to_string();
        let (name, bytes) = ("grid", text.as_bytes());
        let period = Change::TariffPeriod { name, bytes };
        ledger
            .commit(&[period, Change::Tariff { name, bytes }])
            .unwrap();
    }
    drop(ledger);
    let ledger = open();
    let periods = ledger.tariff_periods("grid").unwrap();
    assert_eq!(periods.len(), KEEP_PERIODS);
    assert_eq!(periods[0], b"2");
    let last = (KEEP_PERIODS + 1).to_string().into_bytes();
    assert_eq!(periods.last(), Some(&last));
    assert_eq!(ledger.tariff("grid").unwrap(), Some(last));
    assert_eq!(ledger.tariff_periods("another").unwrap(), [b"one"]);
    assert_eq!(ledger.tariff("another").unwrap(), None);
}

#[test]
fn a_ledger_from_before_there_were_tariffs_opens() {
    let household = tempfile::tempdir().unwrap();
    let state = household.path().join("state");
    let open = || Ledger::open(StateDirectory::acquire(&state).unwrap()).unwrap();
    let ledger = open();
    let path = ledger.path().to_owned();
    ledger.commit(&[Change::State(b"kept")]).unwrap();
    drop(ledger);
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let tariffs: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("tariffs");
    let periods: redb::TableDefinition<'_, (&str, u64), &[u8]> =
        redb::TableDefinition::new("tariff-periods");
    assert!(transaction.delete_table(tariffs).unwrap());
    assert!(transaction.delete_table(periods).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let ledger = open();
    assert_eq!(ledger.state().unwrap().unwrap().as_slice(), b"kept");
    assert_eq!(ledger.tariff("grid").unwrap(), None);
    assert!(ledger.tariff_periods("grid").unwrap().is_empty());
}
