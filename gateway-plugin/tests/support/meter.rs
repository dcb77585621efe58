//! A simulated meter behind a real pseudo-terminal.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use dcnet_obis::sml::encode;
use dcnet_obis::{Entry, ObisCode, ScaledInteger, Telegram, Unit};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io::Write as _;

/// Import in tenths of Wh, power in W.
pub fn telegram(serial: u8, import: i64, power: i64) -> Telegram {
    Telegram {
        server_id: vec![10, 1, b'D', b'Z', b'G', 0, 0, 0, 0, serial],
        sensor_time: None,
        entries: vec![
            Entry::bytes(ObisCode::MAKER, *b"DZG"),
            Entry::number(
                ObisCode::ACTIVE_ENERGY_IMPORT,
                ScaledInteger::new(import.into(), -1),
                Unit::WATT_HOUR,
            ),
            Entry::number(
                ObisCode::ACTIVE_POWER,
                ScaledInteger::new(power.into(), 0),
                Unit::WATT,
            ),
        ],
    }
}

/// What a meter sends before its PIN was entered: whole kWh, no power.
pub fn locked_telegram(serial: u8) -> Telegram {
    let mut locked = telegram(serial, 0, 0);
    locked.entries.truncate(1);
    locked.entries.push(Entry::number(
        ObisCode::ACTIVE_ENERGY_IMPORT,
        ScaledInteger::new(2324, 3),
        Unit::WATT_HOUR,
    ));
    locked
}

/// The real program, recording what comes at `device` for an hour.
pub fn recorder(device: &Path, out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .args(["record", "--seconds=3600", "--device"])
        .arg(device)
        .arg("--out")
        .arg(out)
        .spawn()
        .unwrap()
}

/// Both ends of a pseudo-terminal.
pub struct Line {
    pub far: File,
    near: File,
    device: PathBuf,
}

impl Line {
    pub fn new() -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let device = PathBuf::from(ptsname(&far, Vec::new()).unwrap().into_string().unwrap());
        // Held open, so that the terminal stays while nobody else has it open; raw, so that it
        // echoes nothing until the daemon has set it up.
        let near = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&device)
            .unwrap();
        let mut settings = tcgetattr(&near).unwrap();
        settings.make_raw();
        tcsetattr(&near, OptionalActions::Now, &settings).unwrap();
        fcntl_setfl(&far, OFlags::NONBLOCK).unwrap();
        Self {
            far: File::from(far),
            near,
            device,
        }
    }

    pub fn device(&self) -> PathBuf {
        self.device.clone()
    }

    /// The speed at which the near end was opened, in symbols per second.
    pub fn baud(&self) -> u32 {
        tcgetattr(&self.near).unwrap().output_speed()
    }

    /// Lets `link` point to the near end, as udev does.
    pub fn link(&self, link: &Path) {
        let _ = std::fs::remove_file(link);
        std::os::unix::fs::symlink(self.device(), link).unwrap();
    }
}

/// Pushes a telegram every `period` until dropped.
pub struct Meter {
    /// Register in tenths of Wh.
    pub import: Arc<AtomicI64>,
    /// Last digit of the serial number.
    pub serial: Arc<AtomicI64>,
    paused: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pub device: PathBuf,
}

impl Meter {
    pub fn start(line: Line, period: Duration) -> Self {
        let device = line.device();
        let import = Arc::new(AtomicI64::new(1_000_000));
        let serial = Arc::new(AtomicI64::new(1));
        let (stop, paused) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let thread = std::thread::spawn({
            let (import, serial, stop, paused) =
                (import.clone(), serial.clone(), stop.clone(), paused.clone());
            move || {
                let Line { mut far, near, .. } = line;
                let _near = near; // keeps the terminal alive while nobody has it open
                while !stop.load(Ordering::Relaxed) {
                    if !paused.load(Ordering::Relaxed) {
                        let serial = u8::try_from(serial.load(Ordering::Relaxed)).unwrap();
                        let telegram = telegram(serial, import.load(Ordering::Relaxed), 230);
                        // A full buffer means that nobody reads.
                        let _ = far.write_all(&encode::file(&telegram).unwrap());
                    }
                    std::thread::sleep(period);
                }
            }
        });
        Self {
            import,
            serial,
            paused,
            stop,
            thread: Some(thread),
            device,
        }
    }

    pub fn count(&self, tenths: i64) {
        self.import.fetch_add(tenths, Ordering::Relaxed);
    }

    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
