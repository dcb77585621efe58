//! Writing: one batch, one transaction.

use super::database::{Connection, Value, Writing};
use super::insert::{Insert, Kind};
use super::open::Opener;
use super::rows::{AnswerRow, Batch, FrameRow, NetRow, PlainRow};
use super::{StoreError, audit_trail, integer, leases};

const NET: (&str, Kind) = ("net", Kind::Text);
const CLIENT: (&str, Kind) = ("client", Kind::Text);
const ROUND: (&str, Kind) = ("round", Kind::Integer);

pub(super) static MEMBERS: Insert<3> = Insert::replacing(
    "store a member",
    "members",
    [NET, CLIENT, ("record", Kind::Bytes)],
    "ON CONFLICT (net, client) DO UPDATE SET record = excluded.record",
);
pub(super) static EPOCHS: Insert<4> = Insert::new(
    "store an epoch",
    "epochs",
    [
        NET,
        ("epoch", Kind::Integer),
        ("first_round", Kind::Integer),
        ("record", Kind::Bytes),
    ],
);
static FRAMES: Insert<8> = Insert::new(
    "store frames",
    "frames",
    [
        NET,
        ROUND,
        CLIENT,
        ("epoch", Kind::Integer),
        ("transmission", Kind::Bool),
        ("words", Kind::Bytes),
        ("hash", Kind::Bytes),
        ("mask", Kind::Maybe),
    ],
);
static RESENT: Insert<7> = Insert::new(
    "store resent frames",
    "resent",
    [
        NET,
        ROUND,
        CLIENT,
        ("epoch", Kind::Integer),
        ("transmission", Kind::Bool),
        ("words", Kind::Bytes),
        ("hash", Kind::Bytes),
    ],
);
static ANSWERS: Insert<6> = Insert::new(
    "store answers to a roster",
    "answers",
    [
        NET,
        ROUND,
        ("step", Kind::Integer),
        CLIENT,
        ("answer", Kind::Bytes),
        ("hash", Kind::Bytes),
    ],
);
pub(super) static ROSTERS: Insert<4> = Insert::new(
    "store a roster",
    "rosters",
    [NET, ROUND, ("step", Kind::Integer), ("roster", Kind::Bytes)],
);
static CORRECTIONS: Insert<4> = Insert::new(
    "store a correction",
    "corrections",
    [NET, ROUND, ("missing", Kind::Bytes), ("asked", Kind::Bytes)],
);
pub(super) static INBOX: Insert<4> = Insert::new(
    "store a message",
    "inbox",
    [
        NET,
        CLIENT,
        ("sequence", Kind::Integer),
        ("message", Kind::Bytes),
    ],
);
pub(super) static HEADS: Insert<3> = Insert::replacing(
    "store the head of an inbox",
    "inbox_heads",
    [NET, CLIENT, ("last", Kind::Integer)],
    "ON CONFLICT (net, client) DO UPDATE SET last = excluded.last",
);
pub(super) static ROUNDS: Insert<3> = Insert::new(
    "store the outcome of a round",
    "rounds",
    [NET, ROUND, ("outcome", Kind::Bytes)],
);
static PLAIN: Insert<5> = Insert::new(
    "store plain readings",
    "plain_readings",
    [
        NET,
        ROUND,
        ("pseudonym", Kind::Text),
        ("readings", Kind::Bytes),
        ("hash", Kind::Bytes),
    ],
);

/// The connection that writes.
pub(crate) struct Writer {
    opener: Opener,
    /// `None` after a failure, until the next attempt has opened a new one.
    connection: Option<Connection>,
}

impl Writer {
    pub(super) async fn connect(opener: Opener) -> Result<Self, StoreError> {
        let mut writer = Self {
            opener,
            connection: None,
        };
        writer.connection().await?;
        Ok(writer)
    }

    pub(super) async fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.opener.connect().await?,
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

    /// Adds a net, and what is noted of it to the audit trail.
    pub(crate) async fn insert_net(
        &mut self,
        row: &NetRow,
        noted: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut writing = self.connection().await?.begin().await?;
        let added = writing
            .execute(
                "add the net",
                "INSERT INTO nets (net, descriptor, authority, created) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (net) DO NOTHING",
                &[
                    row.net.as_str().into(),
                    row.descriptor.as_slice().into(),
                    row.authority.as_slice().into(),
                    integer(row.created)?.into(),
                ],
            )
            .await?;
        if added != 1 {
            return Err(StoreError::NetExists(row.net.to_string()));
        }
        if let Some(entry) = noted {
            audit_trail::append(&mut writing, entry).await?;
        }
        writing.commit().await
    }

    /// Makes the table of the benchmark's plain readings, in the manner of `frames`.
    pub(crate) async fn create_plain_table(&mut self) -> Result<(), StoreError> {
        let mut writing = self.connection().await?.begin().await?;
        let statement = match writing {
            Writing::Sqlite(_) => concat!(
                "CREATE TABLE IF NOT EXISTS plain_readings (net TEXT NOT NULL REFERENCES nets (net), ",
                "round BIGINT NOT NULL, pseudonym TEXT NOT NULL, readings BYTEA NOT NULL, ",
                "hash BYTEA NOT NULL, PRIMARY KEY (net, round, pseudonym)) WITHOUT ROWID"
            ),
            Writing::Postgres(_) => concat!(
                "CREATE TABLE IF NOT EXISTS plain_readings (net TEXT NOT NULL REFERENCES nets (net), ",
                "round BIGINT NOT NULL, pseudonym TEXT NOT NULL, readings BYTEA NOT NULL, ",
                "hash BYTEA NOT NULL, PRIMARY KEY (net, round, pseudonym))"
            ),
        };
        writing
            .execute("make the benchmark's table", statement, &[])
            .await?;
        writing.commit().await
    }

    pub(super) async fn discard(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Closes the connection.
    pub(crate) async fn close(mut self) {
        self.discard().await;
    }
}

async fn transaction(connection: &mut Connection, batches: &[&Batch]) -> Result<(), StoreError> {
    let mut writing = connection.begin().await?;
    leases::fence(&mut writing, batches).await?;
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
            insert_frames(&mut writing, &frames).await?;
            frames.clear();
            insert_answers(&mut writing, &answers).await?;
            answers.clear();
            write_rest(&mut writing, batch).await?;
        }
    }
    insert_frames(&mut writing, &frames).await?;
    insert_answers(&mut writing, &answers).await?;
    insert_plain(&mut writing, &plain).await?;
    writing.commit().await
}

fn has_more_than_answers(batch: &Batch) -> bool {
    !(batch.members.is_empty()
        && batch.log.is_empty()
        && batch.packages.is_empty()
        && batch.draw_lists.is_empty()
        && batch.epochs.is_empty()
        && batch.resent.is_empty()
        && batch.corrections.is_empty()
        && batch.rosters.is_empty()
        && batch.deliveries.is_empty()
        && batch.outcomes.is_empty()
        && batch.forgets.is_empty())
}

async fn write_rest(writing: &mut Writing<'_>, batch: &Batch) -> Result<(), StoreError> {
    let members: Vec<_> = batch
        .members
        .iter()
        .map(|row| {
            [
                row.net.as_str().into(),
                row.client.as_str().into(),
                row.record.as_slice().into(),
            ]
        })
        .collect();
    MEMBERS.run(writing, &members).await?;
    super::membership_log::write(writing, batch).await?;
    let epochs = batch.epochs.iter().map(|row| {
        Ok([
            row.net.as_str().into(),
            integer(row.epoch)?.into(),
            integer(row.first_round)?.into(),
            row.record.as_slice().into(),
        ])
    });
    EPOCHS.run(writing, &all(epochs)?).await?;
    insert_resent(writing, &batch.resent).await?;
    let rosters = batch.rosters.iter().map(|row| {
        Ok([
            row.net.as_str().into(),
            integer(row.round)?.into(),
            i64::from(row.step).into(),
            row.roster.as_slice().into(),
        ])
    });
    ROSTERS.run(writing, &all(rosters)?).await?;
    let corrections = batch.corrections.iter().map(|row| {
        Ok([
            row.net.as_str().into(),
            integer(row.round)?.into(),
            row.missing.as_slice().into(),
            row.asked.as_slice().into(),
        ])
    });
    CORRECTIONS.run(writing, &all(corrections)?).await?;
    write_inboxes(writing, batch).await?;
    for row in &batch.outcomes {
        let round = integer(row.round)?;
        let outcome = [
            row.net.as_str().into(),
            round.into(),
            row.outcome.as_slice().into(),
        ];
        ROUNDS.run(writing, &[outcome]).await?;
        super::erase::round(writing, row.net, round).await?;
    }
    Ok(())
}

async fn write_inboxes(writing: &mut Writing<'_>, batch: &Batch) -> Result<(), StoreError> {
    let deliveries = batch.deliveries.iter().map(|row| {
        Ok([
            row.net.as_str().into(),
            row.client.as_str().into(),
            integer(row.sequence)?.into(),
            row.message.as_slice().into(),
        ])
    });
    let deliveries = all(deliveries)?;
    INBOX.run(writing, &deliveries).await?;
    let heads: Vec<_> = deliveries
        .iter()
        .map(|[net, client, sequence, _]| [*net, *client, *sequence])
        .collect();
    HEADS.run(writing, &heads).await?;
    for row in &batch.forgets {
        writing
            .execute(
                "delete confirmed messages",
                "DELETE FROM inbox WHERE net = $1 AND client = $2 AND sequence <= $3",
                &[
                    row.net.as_str().into(),
                    row.client.as_str().into(),
                    integer(row.sequence)?.into(),
                ],
            )
            .await?;
    }
    Ok(())
}

/// Rows, unless one of them holds a number that is too large.
pub(super) fn all<'a, const N: usize>(
    rows: impl Iterator<Item = Result<[Value<'a>; N], StoreError>>,
) -> Result<Vec<[Value<'a>; N]>, StoreError> {
    rows.collect()
}

async fn insert_frames(writing: &mut Writing<'_>, frames: &[&FrameRow]) -> Result<(), StoreError> {
    let words: Vec<_> = frames.iter().map(|row| to_bytes(&row.words)).collect();
    let rows = frames.iter().zip(&words).map(|(row, words)| {
        let [net, round, client, epoch, transmission, words, hash] = common(row, words)?;
        let mask = Value::Maybe(row.mask.as_deref());
        Ok([net, round, client, epoch, transmission, words, hash, mask])
    });
    FRAMES.run(writing, &all(rows)?).await
}

async fn insert_resent(writing: &mut Writing<'_>, frames: &[FrameRow]) -> Result<(), StoreError> {
    let words: Vec<_> = frames.iter().map(|row| to_bytes(&row.words)).collect();
    let rows = frames.iter().zip(&words);
    let rows = all(rows.map(|(row, words)| common(row, words)))?;
    RESENT.run(writing, &rows).await
}

/// What `frames` and `resent` have in common, in the order of their columns.
fn common<'a>(row: &'a FrameRow, words: &'a [u8]) -> Result<[Value<'a>; 7], StoreError> {
    Ok([
        row.net.as_str().into(),
        integer(row.round)?.into(),
        row.client.as_str().into(),
        integer(row.epoch)?.into(),
        Value::Bool(row.transmission),
        words.into(),
        row.hash.as_slice().into(),
    ])
}

async fn insert_answers(
    writing: &mut Writing<'_>,
    answers: &[&AnswerRow],
) -> Result<(), StoreError> {
    let rows = answers.iter().map(|row| {
        Ok([
            row.net.as_str().into(),
            integer(row.round)?.into(),
            i64::from(row.step).into(),
            row.client.as_str().into(),
            row.answer.as_slice().into(),
            row.hash.as_slice().into(),
        ])
    });
    ANSWERS.run(writing, &all(rows)?).await
}

async fn insert_plain(writing: &mut Writing<'_>, readings: &[&PlainRow]) -> Result<(), StoreError> {
    let values: Vec<_> = readings.iter().map(|row| to_bytes(&row.values)).collect();
    let rows = readings.iter().zip(&values).map(|(row, values)| {
        Ok([
            row.net.as_str().into(),
            integer(row.round)?.into(),
            row.pseudonym.as_str().into(),
            values.as_slice().into(),
            row.hash.as_slice().into(),
        ])
    });
    PLAIN.run(writing, &all(rows)?).await
}

/// Words as they stand in frames: big endian.
fn to_bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
