//! The Modbus source beside programs of others: a meter simulated with pymodbus, over TCP and behind
//! a pair of pseudo-terminals of socat, read back with mbpoll.

use std::ffi::OsString;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::{self, Feed, MeterEvent, Meters, SourceEvent};
use dcnet_obis::{ObisCode, ScaledInteger, Telegram, Unit};
use dcnet_profiles::meter::{MeterProfile, Parity, Source};
use dcnet_profiles::modbus::{Direction, ModbusLine, ModbusSerial, ModbusSource};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The port in the simulator's source.
const PORT: u16 = 15020;

/// The simulator, if there is one: then everything else has to be there too.
fn simulator() -> Option<PathBuf> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED names no folder with the simulator of a meter");
        return None;
    };
    Some(Path::new(&shared).join("peers/sdm630_sim.py"))
}

fn python() -> OsString {
    std::env::var_os("DCNET_PYTHON").unwrap_or_else(|| "python3".into())
}

/// Ends with the test.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{}: {error}", name.display())))
    }

    /// Waits for `ready`, as long as the program lives.
    fn until(&mut self, ready: impl Fn() -> bool) {
        let started = Instant::now();
        while !ready() {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(started.elapsed() < Duration::from_secs(30), "not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings(line: ModbusLine, unit: u8) -> ModbusSource {
    ModbusSource {
        line,
        unit,
        template: "eastron-sdm630".parse().unwrap(),
        templates: None,
        every: 1,
        timeout: 1000,
        positive: Direction::Import,
    }
}

async fn telegram(line: ModbusLine) -> Telegram {
    let source = settings(line, 1);
    let (sender, mut events) = mpsc::channel(64);
    let task = tokio::spawn(source::run(
        Source::Modbus(source),
        Feed::new("cellar", Clock::system(), sender),
    ));
    let wait = async {
        loop {
            match events.recv().await.unwrap() {
                SourceEvent::Telegram { telegram, .. } => return telegram,
                SourceEvent::State(state) => eprintln!("{state}"),
            }
        }
    };
    let telegram = timeout(Duration::from_secs(40), wait).await.unwrap();
    drop(events);
    task.await.unwrap();
    telegram
}

/// The float that mbpoll finds at `address`, out of the words as they came.
fn mbpoll(line: &[&str], address: u16) -> f32 {
    let address = address.to_string();
    let reading = [
        "-0", "-1", "-a", "1", "-t", "3:hex", "-c", "2", "-r", &address,
    ];
    let output = Command::new("mbpoll")
        .args(reading)
        .args(line)
        .output()
        .unwrap_or_else(|error| panic!("mbpoll: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<u32> = text
        .lines()
        .filter(|line| line.starts_with('['))
        .filter_map(|line| line.split_once("0x"))
        .map(|(_, digits)| u32::from_str_radix(digits.trim(), 16).unwrap())
        .collect();
    assert_eq!(words.len(), 2, "{text}");
    f32::from_bits(words[0] << 16 | words[1])
}

/// Address, OBIS code and scale of each register that the simulator fills, and what it puts there.
const REGISTERS: [(u16, &str, i8, &str); 8] = [
    (0x48, "1.8.0", 3, "1234.567"),
    (0x4a, "2.8.0", 3, "76.5"),
    (0x34, "16.7.0", 0, "250.0"),
    (0x0c, "36.7.0", 0, "100.5"),
    (0x0e, "56.7.0", 0, "200.25"),
    (0x10, "76.7.0", 0, "-50.75"),
    (0x00, "32.7.0", 0, "230.1"),
    (0x46, "14.7.0", 0, "50.01"),
];

fn compare(telegram: &Telegram, line: &[&str]) {
    assert_eq!(telegram.entries.len(), REGISTERS.len());
    for (address, code, scale, put) in REGISTERS {
        let obis: ObisCode = code.parse().unwrap();
        let number = telegram.number(obis).unwrap();
        // What was put there, to the digit; and the very float that mbpoll reads.
        let unscaled = ScaledInteger::new(number.mantissa(), number.exponent() - scale);
        let read = mbpoll(line, address);
        assert_eq!(
            unscaled.to_string().parse::<f32>().unwrap().to_bits(),
            read.to_bits()
        );
        let (whole, fraction) = put.split_once('.').unwrap();
        let decimals = -i8::try_from(fraction.len()).unwrap();
        let mantissa = format!("{whole}{fraction}").parse().unwrap();
        assert_eq!(unscaled, ScaledInteger::new(mantissa, decimals), "{code}");
    }
    let energy = telegram.entry(ObisCode::ACTIVE_ENERGY_IMPORT).unwrap();
    assert_eq!(energy.unit, Some(Unit::WATT_HOUR));
    assert_eq!(
        telegram.number(ObisCode::ACTIVE_ENERGY_IMPORT),
        Some(1_234_567.into())
    );
}

/// Both ends of a line.
fn line(folder: &Path) -> (PathBuf, PathBuf, Program) {
    let (far, near) = (folder.join("far"), folder.join("near"));
    let mut line = Program::start(
        Command::new("socat")
            .arg(format!("pty,rawer,link={}", far.display()))
            .arg(format!("pty,rawer,link={}", near.display())),
    );
    line.until(|| far.exists() && near.exists());
    (far, near, line)
}

fn serial(device: &Path) -> ModbusLine {
    ModbusLine::Serial(ModbusSerial {
        device: device.to_owned(),
        baud: 9600,
        parity: Parity::None,
        stop_bits: 1,
    })
}

#[tokio::test]
async fn a_meter_of_pymodbus_is_read_over_tcp_like_mbpoll_reads_it() {
    let Some(script) = simulator() else { return };
    let mut meter = Program::start(Command::new(python()).arg(script));
    meter.until(|| TcpStream::connect(("127.0.0.1", PORT)).is_ok());
    let address = format!("127.0.0.1:{PORT}").parse().unwrap();
    let telegram = telegram(ModbusLine::Tcp(address)).await;
    let port = PORT.to_string();
    compare(&telegram, &["-m", "tcp", "-p", &port, "127.0.0.1"]);
}

#[tokio::test]
async fn a_meter_of_pymodbus_is_read_over_a_serial_line_like_mbpoll_reads_it() {
    let Some(script) = simulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (far, near, _line) = line(folder.path());
    let _meter = Program::start(Command::new(python()).arg(script).arg(&far));
    let telegram = telegram(serial(&near)).await;
    let near = near.display().to_string();
    compare(&telegram, &["-m", "rtu", "-b", "9600", "-P", "none", &near]);
}

#[test]
fn a_meter_of_pymodbus_is_found_with_its_template() {
    let Some(script) = simulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (far, near, _line) = line(folder.path());
    let _meter = Program::start(Command::new(python()).arg(script).arg(&far));
    let output = Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .env("LC_ALL", "C")
        .args(["probe", "--listen=1", "--modbus", "--units=1"])
        .arg(&near)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("Modbus RTU, unit 1 ("), "{text}");
    assert!(text.contains("  template eastron-sdm630 fits\n"), "{text}");
}

/// A server of pymodbus with the units 1, 2 and 5, whose registers of energy are their number in kWh; the
/// others stay silent.
const UNITS: &str = r"
import asyncio, struct, sys
from pymodbus import FramerType
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusSerialServer
def unit(number):
    registers = [0] * 0x200
    registers[0x48:0x4a] = struct.unpack('>HH', struct.pack('>f', number))
    return ModbusDeviceContext(ir=ModbusSequentialDataBlock(1, registers))
async def main():
    units = ModbusServerContext(devices={number: unit(number) for number in (1, 2, 5)}, single=False)
    await ModbusSerialServer(units, port=sys.argv[1], framer=FramerType.RTU, baudrate=9600,
        ignore_missing_devices=True).serve_forever()
asyncio.run(main())
";

#[tokio::test]
async fn units_of_pymodbus_on_one_line_are_read_beside_a_silent_one() {
    let Some(_) = simulator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (far, near, _line) = line(folder.path());
    let mut units = Command::new(python());
    // It writes a trace of its own for each request to a unit that it does not have.
    units.args(["-c", UNITS]).arg(&far).stderr(Stdio::null());
    let _units = Program::start(&mut units);
    let meters = [1, 2, 3, 5].map(|unit| MeterProfile {
        name: format!("flat {unit}"),
        device: None,
        sources: vec![Source::Modbus(settings(serial(&near), unit))],
        obis: Vec::new(),
    });
    let (running, mut events) = Meters::start(&meters, &Clock::system());
    let (mut telegrams, mut silent) = ([0; 4], false);
    let wait = async {
        while [0, 1, 3].iter().any(|place| telegrams[*place] < 3) || !silent {
            let MeterEvent { meter, event, .. } = events.recv().await.unwrap();
            match event {
                SourceEvent::Telegram { telegram, .. } => {
                    let kwh = [1, 2, 3, 5][meter];
                    let energy = telegram.number(ObisCode::ACTIVE_ENERGY_IMPORT);
                    assert_eq!(energy, Some(ScaledInteger::new(kwh, 3)));
                    telegrams[meter] += 1;
                }
                SourceEvent::State(state) => {
                    eprintln!("{}: {state}", meters[meter].name);
                    silent |= meter == 2 && state.is_fault();
                }
            }
        }
    };
    timeout(Duration::from_mins(1), wait).await.unwrap();
    assert_eq!(telegrams[2], 0);
    drop(running);
}
