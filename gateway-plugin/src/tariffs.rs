//! The registers of a tariff as the ledger keeps them, and as the daemon shows them.
//!
//! The ledger belongs to the daemon alone while it runs; so the daemon puts beside it what
//! `dcnet-gateway export` reads: always what is durable already.

use std::fs;
use std::io;
use std::path::Path;

use dcnet_profiles::TariffProfile;
use dcnet_profiles::tariff::{BillingState, BillingUseCase, ClosedPeriod, DailyValues};
use tls_codec::{Deserialize as _, Serialize as _};
use tls_codec::{TlsByteVecU16, TlsByteVecU24, TlsDeserialize, TlsSerialize, TlsSize, TlsVecU24};

/// File in the state directory. Holds readings: for the owner alone (0600).
const NAME: &str = "tariffs.bin";

const STORED_VERSION: u8 = 1;

/// What a tariff has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registers {
    /// TAF-1 and TAF-2.
    Billing(BillingState),
    /// TAF-6.
    Daily(DailyValues),
}

impl Registers {
    /// Before the first reading.
    pub fn of(tariff: &TariffProfile) -> Self {
        match tariff.taf {
            BillingUseCase::Taf1 | BillingUseCase::Taf2 => Self::Billing(BillingState::default()),
            BillingUseCase::Taf6 => Self::Daily(DailyValues::default()),
        }
    }
}

/// The registers of a tariff, with the definition by which they counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// [`TariffProfile::definition`].
    pub definition: String,
    /// What was counted.
    pub registers: Registers,
}

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredKept {
    version: u8,
    definition: TlsByteVecU24,
    kind: Kind,
    registers: TlsByteVecU16,
}

#[derive(Debug, Clone, Copy, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
enum Kind {
    Billing = 1,
    Daily = 2,
}

impl Kept {
    /// For the ledger.
    ///
    /// # Errors
    ///
    /// Names or stages are longer than a profile allows.
    pub fn encode(&self) -> Result<Vec<u8>, tls_codec::Error> {
        let (kind, registers) = match &self.registers {
            Registers::Billing(state) => (Kind::Billing, state.encode()?),
            Registers::Daily(values) => (Kind::Daily, values.encode()?),
        };
        StoredKept {
            version: STORED_VERSION,
            definition: self.definition.as_bytes().into(),
            kind,
            registers: registers.into(),
        }
        .tls_serialize_detached()
    }

    /// What [`Self::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let stored = StoredKept::tls_deserialize_exact(bytes).ok()?;
        let registers = stored.registers.as_slice();
        let registers = match stored.kind {
            Kind::Billing => Registers::Billing(BillingState::decode(registers)?),
            Kind::Daily => Registers::Daily(DailyValues::decode(registers)?),
        };
        let definition = String::from_utf8(stored.definition.as_slice().to_vec()).ok()?;
        (stored.version == STORED_VERSION).then_some(Self {
            definition,
            registers,
        })
    }
}

/// What is shown of a tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its registers.
    pub kept: Kept,
    /// The billing periods that are over, the oldest first.
    pub closed: Vec<ClosedPeriod>,
}

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredFile {
    version: u8,
    tariffs: TlsVecU24<StoredShown>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredShown {
    name: TlsByteVecU16,
    kept: TlsByteVecU24,
    closed: TlsVecU24<TlsByteVecU24>,
}

/// Replaces the file in `directory`, or removes it if there are no tariffs any more. Only for show: no fsync, the ledger has it all.
///
/// # Errors
///
/// What the system said.
pub fn write<'a>(directory: &Path, tariffs: impl Iterator<Item = &'a Shown>) -> io::Result<()> {
    let path = directory.join(NAME);
    let stored = |shown: &Shown| {
        let closed = shown.closed.iter();
        let closed = closed.map(|period| Ok(period.encode()?.into()));
        Ok(StoredShown {
            name: shown.name.as_bytes().into(),
            kept: shown.kept.encode()?.into(),
            closed: closed.collect::<Result<Vec<_>, tls_codec::Error>>()?.into(),
        })
    };
    let tariffs = tariffs.map(stored).collect::<Result<Vec<_>, _>>();
    if tariffs.as_ref().is_ok_and(Vec::is_empty) {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let bytes = tariffs.and_then(|tariffs| {
        StoredFile {
            version: STORED_VERSION,
            tariffs: tariffs.into(),
        }
        .tls_serialize_detached()
    });
    let bytes = bytes.map_err(io::Error::other)?;
    crate::daemon::status::replace(&path, &bytes, 0o600)
}

/// Reads what a daemon left in `directory`.
///
/// # Errors
///
/// There is none, or it is damaged.
pub fn read(directory: &Path) -> io::Result<Vec<Shown>> {
    let bytes = fs::read(directory.join(NAME))?;
    decode(&bytes).ok_or_else(|| {
        let text = "is damaged or of another version; start the daemon, it writes it anew";
        io::Error::other(format!("{NAME} {text}"))
    })
}

fn decode(bytes: &[u8]) -> Option<Vec<Shown>> {
    let file = StoredFile::tls_deserialize_exact(bytes).ok()?;
    if file.version != STORED_VERSION {
        return None;
    }
    let shown = |stored: &StoredShown| {
        let closed = stored.closed.iter();
        Some(Shown {
            name: String::from_utf8(stored.name.as_slice().to_vec()).ok()?,
            kept: Kept::decode(stored.kept.as_slice())?,
            closed: closed
                .map(|period| ClosedPeriod::decode(period.as_slice()))
                .collect::<Option<_>>()?,
        })
    };
    file.tariffs.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use dcnet_profiles::meter::DeviceId;
    use dcnet_profiles::tariff::RegisterReading;
    use dcnet_protocol::round::UnixTime;

    use super::*;

    /// A tariff of which a period is over and one runs.
    fn shown() -> Shown {
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles/catalog");
        let profile = dcnet_profiles::Profile::load(&catalog.join("tariff-monthly.yaml")).unwrap();
        let tariff = &profile.tariffs[0];
        let reading = |days: u64, value| RegisterReading {
            time: UnixTime::from_secs(1_799_020_800 + days * 86_400),
            device: DeviceId::from([1].as_slice()),
            value,
        };
        let (state, _) = BillingState::default()
            .advance(tariff, &reading(0, 100))
            .unwrap();
        let (state, closed) = state.advance(tariff, &reading(40, 300)).unwrap();
        Shown {
            name: tariff.name.clone(),
            kept: Kept {
                definition: tariff.definition(),
                registers: Registers::Billing(state),
            },
            closed: closed.into_iter().collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let shown = shown();
        assert_eq!(shown.closed.len(), 1);
        write(folder.path(), std::iter::once(&shown)).unwrap();
        assert_eq!(read(folder.path()).unwrap(), [shown]);
        let path = folder.path().join(NAME);
        let bytes = fs::read(&path).unwrap();
        let mut longer = bytes.clone();
        longer.push(0);
        let mut newer = bytes.clone();
        newer[0] += 1;
        for wrong in [&longer[..], &newer, &bytes[..bytes.len() - 1], &[]] {
            fs::write(&path, wrong).unwrap();
            assert!(read(folder.path()).is_err());
        }
    }

    #[test]
    fn no_tariffs_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), std::iter::empty()).unwrap();
        write(folder.path(), std::iter::once(&shown())).unwrap();
        write(folder.path(), std::iter::empty()).unwrap();
        let gone = read(folder.path()).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }
}
