//! Opening serial devices, and what to tell the owner when that fails.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dcnet_profiles::meter::{DataBits, Parity};
use dcnet_profiles::modbus::ModbusSerial;
use tokio_serial::{SerialPortBuilderExt as _, SerialStream};

/// How characters go over a line. Displayed as `9600 8N1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineMode {
    /// Symbols per second.
    pub baud: u32,
    /// Data bits per character.
    pub data_bits: DataBits,
    /// Parity bit.
    pub parity: Parity,
}

impl LineMode {
    /// One stop bit, as all meters have it.
    pub const fn new(baud: u32, data_bits: DataBits, parity: Parity) -> Self {
        Self {
            baud,
            data_bits,
            parity,
        }
    }

    /// Takes out of what was read what is no data: pseudo-terminals and some adapters hand the parity
    /// bit through.
    pub fn strip(self, bytes: &mut [u8]) {
        if self.data_bits == DataBits::Seven {
            for byte in bytes {
                *byte &= 0x7f;
            }
        }
    }
}

impl Default for LineMode {
    fn default() -> Self {
        Self::new(9_600, DataBits::Eight, Parity::None)
    }
}

impl fmt::Display for LineMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}1", self.baud, self.data_bits, self.parity)
    }
}

/// The bits of a character, as people write them: `8N1`, `7E1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Character {
    /// Data bits.
    pub data_bits: DataBits,
    /// Parity bit.
    pub parity: Parity,
}

impl FromStr for Character {
    type Err = CharacterError;
    fn from_str(text: &str) -> Result<Self, CharacterError> {
        let (data_bits, parity) = match text.to_ascii_uppercase().as_str() {
            "8N1" => (DataBits::Eight, Parity::None),
            "8E1" => (DataBits::Eight, Parity::Even),
            "8O1" => (DataBits::Eight, Parity::Odd),
            "7N1" => (DataBits::Seven, Parity::None),
            "7E1" => (DataBits::Seven, Parity::Even),
            "7O1" => (DataBits::Seven, Parity::Odd),
            _ => return Err(CharacterError),
        };
        Ok(Self { data_bits, parity })
    }
}

/// Not a mode of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give data bits, parity and stop bit, such as 8N1 or 7E1")]
pub struct CharacterError;

/// Opens the line for this process alone.
///
/// # Errors
///
/// Why the port cannot be opened.
pub fn open(device: &Path, mode: LineMode) -> Result<SerialStream, OpenError> {
    let device = device.to_owned();
    let data_bits = match mode.data_bits {
        DataBits::Seven => tokio_serial::DataBits::Seven,
        DataBits::Eight => tokio_serial::DataBits::Eight,
    };
    tokio_serial::new(device.to_string_lossy(), mode.baud)
        .parity(parity(mode.parity))
        .data_bits(data_bits)
        .stop_bits(tokio_serial::StopBits::One)
        .flow_control(tokio_serial::FlowControl::None)
        .exclusive(true)
        .open_native_async()
        .map_err(|error| explain(device, &error))
}

/// Opens a line to a Modbus device for this process alone: eight data bits, as RTU has them.
///
/// # Errors
///
/// Why the port cannot be opened.
pub fn open_modbus(line: &ModbusSerial) -> Result<SerialStream, OpenError> {
    let stop_bits = match line.stop_bits {
        2 => tokio_serial::StopBits::Two,
        _ => tokio_serial::StopBits::One,
    };
    tokio_serial::new(line.device.to_string_lossy(), line.baud)
        .parity(parity(line.parity))
        .data_bits(tokio_serial::DataBits::Eight)
        .stop_bits(stop_bits)
        .flow_control(tokio_serial::FlowControl::None)
        .exclusive(true)
        .open_native_async()
        .map_err(|error| explain(line.device.clone(), &error))
}

const fn parity(parity: Parity) -> tokio_serial::Parity {
    match parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    }
}

/// Why a port cannot be read, in words for the owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no such file.
    #[error("the meter's port {} is not there: is the reading head plugged in?", device.display())]
    Missing {
        /// The device.
        device: PathBuf,
    },
    /// The user may not open it.
    #[error(
        "the meter's port {} may not be opened by this user: add it to the group `dialout`, or \
         install the udev rule", device.display()
    )]
    Forbidden {
        /// The device.
        device: PathBuf,
    },
    /// Another process has it.
    #[error(
        "the meter's port {} is in use{}: a port has one reader, stop the other", device.display(),
        holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    InUse {
        /// The device.
        device: PathBuf,
        /// The other process, where the system tells.
        holder: Option<String>,
    },
    /// It was open and is gone.
    #[error("the meter's port {} was lost ({what}): was the reading head unplugged?", device.display())]
    Lost {
        /// The device.
        device: PathBuf,
        /// What the system said.
        what: String,
    },
    /// Anything else.
    #[error("the meter's port {} cannot be used: {what}", device.display())]
    Other {
        /// The device.
        device: PathBuf,
        /// What the system said.
        what: String,
    },
}

fn explain(device: PathBuf, error: &tokio_serial::Error) -> OpenError {
    let missing = !device.exists();
    match error.kind() {
        tokio_serial::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            OpenError::Forbidden { device }
        }
        _ if missing => OpenError::Missing { device },
        tokio_serial::ErrorKind::NoDevice
        | tokio_serial::ErrorKind::Io(io::ErrorKind::ResourceBusy) => OpenError::InUse {
            holder: holder(&device),
            device,
        },
        _ => OpenError::Other {
            device,
            what: error.to_string(),
        },
    }
}

/// The process that has `device` open, as far as this user may see.
fn holder(device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    let own = std::process::id().to_string();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let id = process.file_name().into_string().ok()?;
        if id == own || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let descriptors = fs::read_dir(process.path().join("fd")).ok()?;
        let opened = descriptors
            .flatten()
            .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|file| file == device));
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        opened.then(|| format!("{} (process {id})", name.trim()))
    })
}

/// A name for `device` that stays when it is plugged in elsewhere, if the device goes by one that
/// does not and the system knows a better one.
pub fn stable_name(device: &Path) -> Option<PathBuf> {
    let name = device.file_name()?.to_str()?;
    if device.parent() != Some(Path::new("/dev"))
        || !(name.starts_with("ttyUSB") || name.starts_with("ttyACM"))
    {
        return None;
    }
    let target = device.canonicalize().ok()?;
    fs::read_dir("/dev/serial/by-id")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.canonicalize()
                .is_ok_and(|candidate| candidate == target)
        })
}

/// Whether `device` goes by a name that changes with the order of plugging in.
pub fn has_changing_name(device: &Path) -> bool {
    device.parent() == Some(Path::new("/dev"))
        && device
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("ttyUSB") || name.starts_with("ttyACM"))
}
