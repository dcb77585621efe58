//! Writing: one batch, one transaction.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::insert::{Insert, Query};
use super::rows::{AnswerRow, Batch, FrameRow, NetRow, PlainRow};
use super::{StoreError, integer};

static MEMBERS: Insert = Insert::new(
    "INSERT INTO members (net, client, record)",
    3,
    "ON CONFLICT (net, client) DO UPDATE SET record = excluded.record",
);
static EPOCHS: Insert = Insert::new(
    "INSERT INTO epochs (net, epoch, first_round, record)",
    4,
    "",
);
static FRAMES: Insert = Insert::new(
    "INSERT INTO frames (net, round, client, epoch, transmission, words, hash, mask)",
    8,
    "",
);
static RESENT: Insert = Insert::new(
    "INSERT INTO resent (net, round, client, epoch, transmission, words, hash)",
    7,
    "",
);
static ANSWERS: Insert = Insert::new(
    "INSERT INTO answers (net, round, step, client, answer, hash)",
    6,
    "",
);
static ROSTERS: Insert = Insert::new("INSERT INTO rosters (net, round, step, roster)", 4, "");
static CORRECTIONS: Insert = Insert::new(
    "INSERT INTO corrections (net, round, missing, asked)",
    4,
    "",
);
static INBOX: Insert = Insert::new("INSERT INTO inbox (net, client, sequence, message)", 4, "");
static HEADS: Insert = Insert::new(
    "INSERT INTO inbox_heads (net, client, last)",
    3,
    "ON CONFLICT (net, client) DO UPDATE SET last = excluded.last",
);
static ROUNDS: Insert = Insert::new("INSERT INTO rounds (net, round, outcome)", 3, "");
static PLAIN: Insert = Insert::new(
    "INSERT INTO plain_readings (net, round, pseudonym, readings, hash)",
    5,
    "",
);

/// The connection that writes.
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    /// `None` after a failure, until the next attempt has opened a new one.
    connection: Option<SqliteConnection>,
}

impl Writer {
    pub(super) async fn connect(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let mut writer = Self {
            options,
            connection: None,
        };
        writer.connection().await?;
        Ok(writer)
    }

    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options)
                .await
                .map_err(StoreError::database("be opened for writing"))?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Writes all of `batches` in one transaction. Durable when it returns `Ok`.
    ///
    /// After an error nothing or everything of it may be in the store: a commit that reports a
    /// failure may still have reached the disk. Whoever asked must look into the store again.
    pub(crate) async fn commit(&mut self, batches: &[&Batch]) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        let result = transaction(connection, batches).await;
        if result.is_err() {
            // The state of a connection after a failed commit is anybody's guess: take a new one.
            self.discard().await;
        }
        result
    }

    /// Adds a net.
    pub(crate) async fn insert_net(&mut self, row: &NetRow) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        let done = sqlx::query(
            "INSERT INTO nets (net, descriptor, authority, created) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (net) DO NOTHING",
        )
        .bind(row.net.as_str())
        .bind(row.descriptor.as_slice())
        .bind(row.authority.as_slice())
        .bind(integer(row.created)?)
        .execute(connection)
        .await
        .map_err(StoreError::database("add the net"))?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::NetExists(row.net.to_string()))
        }
    }

    /// Makes the table of the benchmark's plain readings, in the manner of `frames`.
    pub(crate) async fn create_plain_table(&mut self) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS plain_readings (net TEXT NOT NULL REFERENCES nets (net), \
             round BIGINT NOT NULL, pseudonym TEXT NOT NULL, readings BYTEA NOT NULL, \
             hash BYTEA NOT NULL, PRIMARY KEY (net, round, pseudonym)) WITHOUT ROWID",
        )
        .execute(connection)
        .await
        .map(drop)
        .map_err(StoreError::database("make the benchmark's table"))
    }

    pub(super) async fn discard(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Closing rolls back what is open; if even that fails there is nothing left to do.
            let _ = connection.close().await;
        }
    }

    /// Closes the connection.
    pub(crate) async fn close(mut self) {
        self.discard().await;
    }
}

async fn transaction(
    connection: &mut SqliteConnection,
    batches: &[&Batch],
) -> Result<(), StoreError> {
    // IMMEDIATE takes the lock for writing at once and waits for it, where a deferred transaction
    // would fail at its first write.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(StoreError::database("begin a transaction"))?;
    let mut frames = Vec::new();
    let mut answers = Vec::new();
    let mut plain = Vec::new();
    for batch in batches {
        // Frames of many batches go into one statement: this is where the rate is made. Answers too.
        frames.extend(&batch.frames);
        answers.extend(&batch.answers);
        plain.extend(&batch.plain);
        if has_more_than_answers(batch) {
            // An outcome erases both: they must be there before.
            insert_frames(&mut transaction, &frames).await?;
            frames.clear();
            insert_answers(&mut transaction, &answers).await?;
            answers.clear();
            write_rest(&mut transaction, batch).await?;
        }
    }
    insert_frames(&mut transaction, &frames).await?;
    insert_answers(&mut transaction, &answers).await?;
    insert_plain(&mut transaction, &plain).await?;
    transaction
        .commit()
        .await
        .map_err(StoreError::database("commit"))
}

fn has_more_than_answers(batch: &Batch) -> bool {
    !(batch.members.is_empty()
        && batch.log.is_empty()
        && batch.draw_lists.is_empty()
        && batch.epochs.is_empty()
        && batch.resent.is_empty()
        && batch.corrections.is_empty()
        && batch.rosters.is_empty()
        && batch.deliveries.is_empty()
        && batch.outcomes.is_empty()
        && batch.forgets.is_empty())
}

async fn write_rest(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let failed = StoreError::database;
    MEMBERS
        .run(connection, &batch.members, |query, row| {
            query
                .bind(row.net.as_str())
                .bind(row.client.as_str())
                .bind(row.record.as_slice())
        })
        .await
        .map_err(failed("store a member"))?;
    super::membership_log::write(connection, batch).await?;
    for row in &batch.epochs {
        let (epoch, first) = (integer(row.epoch)?, integer(row.first_round)?);
        EPOCHS
            .run(connection, std::slice::from_ref(row), |query, row| {
                query
                    .bind(row.net.as_str())
                    .bind(epoch)
                    .bind(first)
                    .bind(row.record.as_slice())
            })
            .await
            .map_err(failed("store an epoch"))?;
    }
    insert_resent(connection, &batch.resent).await?;
    for row in &batch.rosters {
        let round = integer(row.round)?;
        ROSTERS
            .run(connection, std::slice::from_ref(row), |query, row| {
                query
                    .bind(row.net.as_str())
                    .bind(round)
                    .bind(i64::from(row.step))
                    .bind(row.roster.as_slice())
            })
            .await
            .map_err(failed("store a roster"))?;
    }
    for row in &batch.corrections {
        let round = integer(row.round)?;
        CORRECTIONS
            .run(connection, std::slice::from_ref(row), |query, row| {
                query
                    .bind(row.net.as_str())
                    .bind(round)
                    .bind(row.missing.as_slice())
                    .bind(row.asked.as_slice())
            })
            .await
            .map_err(failed("store a correction"))?;
    }
    write_inboxes(connection, batch).await?;
    for row in &batch.outcomes {
        let round = integer(row.round)?;
        ROUNDS
            .run(connection, std::slice::from_ref(row), |query, row| {
                query
                    .bind(row.net.as_str())
                    .bind(round)
                    .bind(row.outcome.as_slice())
            })
            .await
            .map_err(failed("store the outcome of a round"))?;
        super::erase::round(connection, row.net, round).await?;
    }
    Ok(())
}

async fn write_inboxes(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    let failed = StoreError::database;
    let deliveries: Vec<_> = batch
        .deliveries
        .iter()
        .map(|row| Ok((integer(row.sequence)?, row)))
        .collect::<Result<_, StoreError>>()?;
    INBOX
        .run(connection, &deliveries, |query, (sequence, row)| {
            query
                .bind(row.net.as_str())
                .bind(row.client.as_str())
                .bind(sequence)
                .bind(row.message.as_slice())
        })
        .await
        .map_err(failed("store a message"))?;
    HEADS
        .run(connection, &deliveries, |query, (sequence, row)| {
            query
                .bind(row.net.as_str())
                .bind(row.client.as_str())
                .bind(sequence)
        })
        .await
        .map_err(failed("store the head of an inbox"))?;
    for row in &batch.forgets {
        sqlx::query("DELETE FROM inbox WHERE net = $1 AND client = $2 AND sequence <= $3")
            .bind(row.net.as_str())
            .bind(row.client.as_str())
            .bind(integer(row.sequence)?)
            .execute(&mut *connection)
            .await
            .map_err(failed("delete confirmed messages"))?;
    }
    Ok(())
}

async fn insert_frames(
    connection: &mut SqliteConnection,
    frames: &[&FrameRow],
) -> Result<(), StoreError> {
    let rows: Vec<_> = frames
        .iter()
        .map(|row| Columns::of(row))
        .collect::<Result<_, _>>()?;
    FRAMES
        .run(connection, &rows, |query, columns| {
            columns.bind(query).bind(columns.row.mask.as_deref())
        })
        .await
        .map_err(StoreError::database("store frames"))
}

async fn insert_resent(
    connection: &mut SqliteConnection,
    frames: &[FrameRow],
) -> Result<(), StoreError> {
    let rows: Vec<_> = frames.iter().map(Columns::of).collect::<Result<_, _>>()?;
    RESENT
        .run(connection, &rows, |query, columns| columns.bind(query))
        .await
        .map_err(StoreError::database("store resent frames"))
}

/// What `frames` and `resent` have in common, in the order of their columns.
struct Columns<'a> {
    round: i64,
    epoch: i64,
    words: Vec<u8>,
    row: &'a FrameRow,
}

impl<'a> Columns<'a> {
    fn of(row: &'a FrameRow) -> Result<Self, StoreError> {
        Ok(Self {
            round: integer(row.round)?,
            epoch: integer(row.epoch)?,
            words: to_bytes(&row.words),
            row,
        })
    }

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query
            .bind(self.row.net.as_str())
            .bind(self.round)
            .bind(self.row.client.as_str())
            .bind(self.epoch)
            .bind(self.row.transmission)
            .bind(self.words.as_slice())
            .bind(self.row.hash.as_slice())
    }
}

async fn insert_answers(
    connection: &mut SqliteConnection,
    answers: &[&AnswerRow],
) -> Result<(), StoreError> {
    let rows: Vec<_> = answers
        .iter()
        .map(|row| Ok((integer(row.round)?, *row)))
        .collect::<Result<_, StoreError>>()?;
    ANSWERS
        .run(connection, &rows, |query, (round, row)| {
            query
                .bind(row.net.as_str())
                .bind(round)
                .bind(i64::from(row.step))
                .bind(row.client.as_str())
                .bind(row.answer.as_slice())
                .bind(row.hash.as_slice())
        })
        .await
        .map_err(StoreError::database("store answers to a roster"))
}

async fn insert_plain(
    connection: &mut SqliteConnection,
    readings: &[&PlainRow],
) -> Result<(), StoreError> {
    let rows: Vec<_> = readings
        .iter()
        .map(|row| Ok((integer(row.round)?, to_bytes(&row.values), *row)))
        .collect::<Result<_, StoreError>>()?;
    PLAIN
        .run(connection, &rows, |query, (round, values, row)| {
            query
                .bind(row.net.as_str())
                .bind(round)
                .bind(row.pseudonym.as_str())
                .bind(values.as_slice())
                .bind(row.hash.as_slice())
        })
        .await
        .map_err(StoreError::database("store plain readings"))
}

/// Words as they stand in frames: big endian.
fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
