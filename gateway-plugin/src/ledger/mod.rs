//! The ledger: what must survive, on disk before anything that follows from it leaves the gateway.
//!
//! One file in the state directory (mode 0700, the file 0600), durable transactions: a commit that
//! returned `Ok` is on the disk (fsync). A commit that returned an error may or may not be there:
//! the caller drops its in-memory state and starts anew from a ledger opened again
//! (`docs/spec/protocol.md`, section "Persistence").
//!
//! The rules that no caller can break: for one round there is one sealed frame and one answer to a
//! correction, ever; for one roster there is one answer, and after share keys were told none to any
//! other roster of the round; and no round at or before the last one entered is sealed anew.

mod change;
mod directory;
mod dispatch;
mod entry;
mod error;
mod logbook;
mod queries;
mod view;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dcnet_profiles::home::Retention;
use dcnet_protocol::names::{ClientId, NetId};
use redb::{Database, Durability, ReadableTable as _, StorageBackend};

use change::{
    ACKNOWLEDGED, ANSWERED, ANSWERED_ROSTERS, BORDERS, CALIBRATION, DISPATCHES, EVIDENCE, META,
    PERIODS, SEALED, SENT, STATE, SYSTEM, TARIFFS, apply,
};
pub use change::{Change, KEEP_PERIODS};
pub use directory::{StateDirectory, is_running};
pub use dispatch::{Dispatch, Hidden, Matter};
pub use entry::{Outcome, SentEntry};
pub use error::LedgerError;
pub use logbook::{Book, Gravity, Line};
pub use view::{Numbered, View};

/// The file in the state directory.
const NAME: &str = "ledger.redb";
/// The same while it is made.
const NEW: &str = "ledger.redb.new";

/// Format of the file.
const VERSION: u32 = 1;

/// Pages held in memory, in bytes. The file is small, the kernel caches it as well.
const CACHE: usize = 256 * 1024;

/// The ledger of one gateway, opened by this process alone.
#[derive(Debug)]
pub struct Ledger {
    database: Arc<Database>,
    path: PathBuf,
    keep: Retention,
    _lock: Option<File>,
}

/// Whose ledger it is, and for what net: a ledger serves no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The net.
    pub net: NetId,
    /// This gateway.
    pub client: ClientId,
    /// The net's parameters as first seen, encoded.
    pub descriptor: Vec<u8>,
}

impl Ledger {
    /// Whether there is a ledger in the directory at `path`.
    pub fn is_in(path: &Path) -> bool {
        path.join(NAME).exists()
    }

    /// Opens the ledger in `directory`, or begins one.
    ///
    /// # Errors
    ///
    /// The file is damaged, of a newer version, or cannot be written.
    pub fn open(directory: StateDirectory) -> Result<Self, LedgerError> {
        let path = directory.path().join(NAME);
        let fault = |source| LedgerError::File {
            path: path.clone(),
            source,
        };
        if !path.try_exists().map_err(fault)? {
            // A file that a loss of power left half begun is none: the name comes last.
            let new = directory.path().join(NEW);
            directory.remove(NEW).map_err(fault)?;
            drop(Self::open_file(&directory, NEW, &new)?);
            std::fs::rename(&new, &path).map_err(fault)?;
            directory.sync().map_err(fault)?;
        }
        let database = Self::open_file(&directory, NAME, &path)?;
        Ok(Self {
            database,
            path,
            keep: Retention::default(),
            _lock: Some(directory.into_lock()),
        })
    }

    fn open_file(
        directory: &StateDirectory,
        name: &str,
        path: &Path,
    ) -> Result<Arc<Database>, LedgerError> {
        let file = directory
            .open_private(name)
            .map_err(|source| LedgerError::File {
                path: path.to_owned(),
                source,
            })?;
        let database = redb::backends::FileBackend::new(file)
            .and_then(|backend| builder().create_with_backend(backend))
            .map_err(|source| LedgerError::database(path, source))?;
        Self::begin(database, path.to_owned(), None).map(|ledger| ledger.database)
    }

    /// Opens a ledger on any storage; the tests bring storage that fails.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, LedgerError> {
        let path = PathBuf::from("(storage)");
        let database = builder()
            .create_with_backend(backend)
            .map_err(|source| LedgerError::database(&path, source))?;
        Self::begin(database, path, None)
    }

    fn begin(database: Database, path: PathBuf, lock: Option<File>) -> Result<Self, LedgerError> {
        let ledger = Self {
            database: Arc::new(database),
            path,
            keep: Retention::default(),
            _lock: lock,
        };
        ledger.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            let version = meta.get("version")?.map(|version| version.value().to_vec());
            match version.as_deref().map(<[u8; 4]>::try_from) {
                None => {
                    meta.insert("version", VERSION.to_be_bytes().as_slice())?;
                }
                Some(Ok(bytes)) if u32::from_be_bytes(bytes) == VERSION => {}
                Some(other) => {
                    let got = other.map_or(u32::MAX, u32::from_be_bytes);
                    return Ok(Err(LedgerError::Version {
                        path: ledger.path.clone(),
                        expected: VERSION,
                        got,
                    }));
                }
            }
            transaction.open_table(STATE)?;
            transaction.open_table(SEALED)?;
            transaction.open_table(ANSWERED)?;
            transaction.open_table(ANSWERED_ROSTERS)?;
            transaction.open_table(EVIDENCE)?;
            transaction.open_table(ACKNOWLEDGED)?;
            transaction.open_table(BORDERS)?;
            transaction.open_table(SENT)?;
            // Files from before there were tariffs get their tables here.
            transaction.open_table(TARIFFS)?;
            transaction.open_table(PERIODS)?;
            // And from before there were logbooks.
            transaction.open_table(DISPATCHES)?;
            transaction.open_table(SYSTEM)?;
            transaction.open_table(CALIBRATION)?;
            Ok(Ok(()))
        })?;
        Ok(ledger)
    }

    /// Keeps the logbooks for so long, from the next line on.
    #[must_use]
    pub fn keeping(self, keep: Retention) -> Self {
        Self { keep, ..self }
    }

    /// Where the ledger lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ties the ledger to a gateway and a net, or checks that it is tied to these.
    ///
    /// # Errors
    ///
    /// It belongs to another gateway or net, or the net's parameters are not those of the first
    /// contact.
    pub fn bind(&self, binding: &Binding) -> Result<(), LedgerError> {
        if let Some(bound) = self.binding()? {
            return if bound == *binding {
                Ok(())
            } else if bound.net != binding.net || bound.client != binding.client {
                Err(LedgerError::Foreign {
                    path: self.path.clone(),
                    expected: format!("{} in {}", binding.client, binding.net),
                    got: format!("{} in {}", bound.client, bound.net),
                })
            } else {
                Err(LedgerError::DescriptorChanged { net: bound.net })
            };
        }
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert("net", binding.net.as_str().as_bytes())?;
            meta.insert("client", binding.client.as_str().as_bytes())?;
            meta.insert("descriptor", binding.descriptor.as_slice())?;
            Ok(Ok(()))
        })
    }

    /// To whom the ledger belongs, if it has been used.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is damaged.
    pub fn binding(&self) -> Result<Option<Binding>, LedgerError> {
        let (Some(net), Some(client), Some(descriptor)) = (
            self.meta("net")?,
            self.meta("client")?,
            self.meta("descriptor")?,
        ) else {
            return Ok(None);
        };
        let damaged = || LedgerError::Damaged {
            path: self.path.clone(),
            what: "owner",
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| damaged());
        Ok(Some(Binding {
            net: text(net)?.parse().map_err(|_| damaged())?,
            client: text(client)?.parse().map_err(|_| damaged())?,
            descriptor,
        }))
    }

    /// Makes `changes` durable, all of them or none.
    ///
    /// # Errors
    ///
    /// A change breaks a rule of the ledger, and nothing was written; or the disk failed, and
    /// whether they are there shows when the ledger is opened again.
    pub fn commit(&self, changes: &[Change<'_>]) -> Result<(), LedgerError> {
        self.write(|transaction| {
            for change in changes {
                if let Err(refusal) = apply(transaction, change, self.keep)? {
                    return Ok(Err(refusal));
                }
            }
            Ok(Ok(()))
        })
    }

    /// Commits what `body` wrote, unless it refuses: then nothing of it stays.
    fn write(
        &self,
        body: impl FnOnce(&redb::WriteTransaction) -> Result<Result<(), LedgerError>, redb::Error>,
    ) -> Result<(), LedgerError> {
        let fault = |source| LedgerError::storage(&self.path, source);
        let mut transaction = self
            .database
            .begin_write()
            .map_err(|error| fault(error.into()))?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|error| fault(error.into()))?;
        match body(&transaction).map_err(fault)? {
            Ok(()) => transaction.commit().map_err(|error| fault(error.into())),
            Err(refusal) => {
                transaction.abort().map_err(|error| fault(error.into()))?;
                Err(refusal)
            }
        }
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}
