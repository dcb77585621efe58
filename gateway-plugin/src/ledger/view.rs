//! What the household sees of the ledger, while the daemon has it open.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Weak;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::round::UnixTime;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::change::{BORDERS, CALIBRATION, DISPATCHES, META, SENT, SYSTEM};
use super::{Book, Dispatch, Ledger, LedgerError, Line, SentEntry};

/// A way to read the ledger from elsewhere than the task that writes it. Does not keep it open: a
/// ledger that failed is opened anew by the daemon, and shown anew.
#[derive(Debug, Clone, Default)]
pub struct View {
    database: Weak<Database>,
    path: PathBuf,
}

/// A number and what stands there.
pub type Numbered<T> = (u64, T);

impl Ledger {
    /// A way to read this ledger.
    pub fn view(&self) -> View {
        View {
            database: std::sync::Arc::downgrade(&self.database),
            path: self.path.clone(),
        }
    }
}

impl View {
    /// Messages that left the house, the newest first: those before number `before`, at most
    /// `limit`. Empty as well while the ledger is not open; so for all that follow.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is damaged; so for all that follow.
    pub fn dispatches(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Numbered<Dispatch>>, LedgerError> {
        self.newest(DISPATCHES, before, limit, Dispatch::decode)
    }

    /// The message with this number.
    ///
    /// # Errors
    ///
    /// As for [`Self::dispatches`].
    pub fn dispatch(&self, number: u64) -> Result<Option<Dispatch>, LedgerError> {
        self.read(|transaction| {
            let row = transaction.open_table(DISPATCHES)?.get(number)?;
            Ok(row.and_then(|bytes| Dispatch::decode(bytes.value())))
        })
    }

    /// What became of the frames with these hashes, oldest first: all that was written down at or
    /// after `since`.
    ///
    /// # Errors
    ///
    /// As for [`Self::dispatches`].
    pub fn outcomes(
        &self,
        since: UnixTime,
        frames: &HashSet<[u8; 32]>,
    ) -> Result<HashMap<[u8; 32], Vec<SentEntry>>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(SENT)?;
            let mut found: HashMap<_, Vec<_>> = HashMap::new();
            for row in table.iter()?.rev() {
                let Some(entry) = SentEntry::decode(row?.1.value()) else {
                    continue;
                };
                if entry.time < since {
                    break;
                }
                // Of 20,000 lines a page shows a few, and a gateway has little memory.
                if frames.contains(&entry.hash) {
                    found.entry(entry.hash).or_default().push(entry);
                }
            }
            for entries in found.values_mut() {
                entries.reverse();
            }
            Ok(found)
        })
    }

    /// Readings at borders from `from` up to and including `to`, encoded, oldest first.
    ///
    /// # Errors
    ///
    /// As for [`Self::dispatches`].
    pub fn borders(&self, from: UnixTime, to: UnixTime) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(BORDERS)?;
            let mut found = Vec::new();
            if from <= to {
                for row in table.range(from.millis()..=to.millis())? {
                    found.push(row?.1.value().to_vec());
                }
            }
            Ok(found)
        })
    }

    /// The oldest border of which a reading is kept.
    ///
    /// # Errors
    ///
    /// As for [`Self::dispatches`].
    pub fn first_border(&self) -> Result<Option<UnixTime>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(BORDERS)?;
            let first = table.first()?;
            Ok(first.map(|(border, _)| UnixTime::from_millis(border.value())))
        })
    }

    /// The net's descriptor as first seen; `None` before that.
    ///
    /// # Errors
    ///
    /// As for [`Self::dispatches`].
    pub fn descriptor(&self) -> Result<Option<NetDescriptor>, LedgerError> {
        self.read(|transaction| {
            let bytes = transaction.open_table(META)?.get("descriptor")?;
            // One that cannot be read keeps the daemon from running; here it is none.
            Ok(bytes.and_then(|bytes| NetDescriptor::decode(bytes.value()).ok()))
        })
    }

    /// Lines of a logbook, the newest first: those before number `before`, at most `limit`.
    ///
    /// # Errors
    ///
    /// As for [`Self::dispatches`].
    pub fn lines(
        &self,
        book: Book,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Numbered<Line>>, LedgerError> {
        let table = match book {
            Book::System => SYSTEM,
            Book::Calibration => CALIBRATION,
        };
        self.newest(table, before, limit, Line::decode)
    }

    /// Rows, the newest first: those before number `before`, at most `limit`.
    fn newest<T>(
        &self,
        table: TableDefinition<'_, u64, &[u8]>,
        before: Option<u64>,
        limit: usize,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<Numbered<T>>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(table)?;
            let mut found = Vec::new();
            for row in table.range(..before.unwrap_or(u64::MAX))?.rev().take(limit) {
                let (number, bytes) = row?;
                found.extend(decode(bytes.value()).map(|one| (number.value(), one)));
            }
            Ok(found)
        })
    }

    fn read<T: Default>(
        &self,
        body: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, LedgerError> {
        let Some(database) = self.database.upgrade() else {
            return Ok(T::default());
        };
        let outcome = database.begin_read().map_err(redb::Error::from);
        outcome
            .and_then(|transaction| body(&transaction))
            .map_err(|source| LedgerError::storage(&self.path, source))
    }
}

#[cfg(test)]
mod tests;
