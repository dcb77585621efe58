//! A look into the provider's store behind its back: what somebody finds who takes the disk.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dcnet_protocol::codec::Wire;
use dcnet_protocol::provider::{EpochRecord, MemberRecord};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::runtime::Runtime;

use super::{HarnessError, NetPlan};

/// Who has a key with whom.
pub type Edges = BTreeMap<String, Vec<String>>;

/// A reader of the store's file.
pub struct Peek {
    runtime: Runtime,
    connection: SqliteConnection,
    path: PathBuf,
}

/// One member's frame as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredFrame {
    /// Whose.
    pub client: String,
    /// The words as they came.
    pub words: Vec<u64>,
    /// Whether it is an answer to a correction.
    pub resent: bool,
}

impl Peek {
    /// Opens the store for reading only.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(path: &Path) -> Result<Self, HarnessError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(HarnessError::system("start", "a runtime"))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .disable_statement_logging();
        let connection = runtime.block_on(SqliteConnection::connect_with(&options))?;
        Ok(Self {
            runtime,
            connection,
            path: path.to_owned(),
        })
    }

    /// The frames that the store holds of `round`, originals first.
    ///
    /// # Errors
    /// SQLite refuses.
    pub fn frames(&mut self, round: u64) -> Result<Vec<StoredFrame>, HarnessError> {
        let query = "SELECT client, words, 0 AS resent FROM frames WHERE net = $1 AND round = $2 \
                     UNION ALL \
                     SELECT client, words, 1 FROM resent WHERE net = $1 AND round = $2 \
                     ORDER BY resent, client";
        let query = sqlx::query(query)
            .bind(NetPlan::NET)
            .bind(round.cast_signed())
            .fetch_all(&mut self.connection);
        let rows = self.runtime.block_on(query)?;
        rows.iter()
            .map(|row| {
                let words: Vec<u8> = row.try_get("words")?;
                let (words, _) = words.as_chunks();
                Ok(StoredFrame {
                    client: row.try_get("client")?,
                    words: words.iter().map(|word| u64::from_be_bytes(*word)).collect(),
                    resent: row.try_get::<i64, _>("resent")? != 0,
                })
            })
            .collect()
    }

    /// The edges of the newest epoch.
    ///
    /// # Errors
    /// SQLite refuses, or the record cannot be read.
    pub fn edges(&mut self) -> Result<Edges, HarnessError> {
        let query = "SELECT record FROM epochs WHERE net = $1 ORDER BY epoch DESC LIMIT 1";
        let records: Vec<EpochRecord> = self.records(query)?;
        let members = records.into_iter().flat_map(|epoch| epoch.members);
        Ok(members
            .map(|member| {
                let neighbours = member.neighbours.iter().map(|end| end.client.to_string());
                (member.client.to_string(), neighbours.collect())
            })
            .collect())
    }

    /// Each member's public key for agreements, in hexadecimal: an edge is the same edge only with
    /// the same keys at both ends.
    ///
    /// # Errors
    /// As for [`Self::edges`].
    pub fn keys(&mut self) -> Result<BTreeMap<String, String>, HarnessError> {
        let records: Vec<MemberRecord> =
            self.records("SELECT record FROM members WHERE net = $1 ORDER BY client")?;
        Ok(records
            .into_iter()
            .map(|member| {
                let key = member.package.unverified().public_key;
                let text = key.iter().fold(String::new(), |mut text, byte| {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{byte:02x}");
                    text
                });
                (member.client.to_string(), text)
            })
            .collect())
    }

    /// Which of `words` stand anywhere in the files of the store, as the bytes that they are.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn traces(&self, words: &[u64]) -> Result<Vec<u64>, HarnessError> {
        let mut bytes = Vec::new();
        for end in ["", "-wal", "-journal"] {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            let path = PathBuf::from(name);
            match fs::read(&path) {
                Ok(content) => bytes.extend(content),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(HarnessError::system("read", path)(error)),
            }
        }
        let words: HashSet<[u8; 8]> = words.iter().map(|word| word.to_be_bytes()).collect();
        let found = bytes
            .array_windows::<8>()
            .filter(|window| words.contains(*window))
            .map(|window| u64::from_be_bytes(*window))
            .collect::<HashSet<_>>();
        Ok(found.into_iter().collect())
    }

    fn records<T: Wire>(&mut self, query: &'static str) -> Result<Vec<T>, HarnessError> {
        let query = sqlx::query(query)
            .bind(NetPlan::NET)
            .fetch_all(&mut self.connection);
        let rows = self.runtime.block_on(query)?;
        rows.iter()
            .map(|row| {
                let bytes: Vec<u8> = row.try_get("record")?;
                T::decode(&bytes).map_err(|error| HarnessError::Answer {
                    what: "a record of the store",
                    got: error.to_string(),
                })
            })
            .collect()
    }
}
