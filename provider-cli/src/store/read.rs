//! Reading.

use dcnet_protocol::names::{ClientId, NetId};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::rows::{
    AnswerRow, CorrectionRow, EpochRow, FrameRow, MemberRow, NetRow, Restored, RosterRow,
};
use super::{Store, StoreError, integer};

/// Epochs from which a net is restored: the one in force, the next, and those of rounds that are
/// still open.
const EPOCHS_RESTORED: i64 = 4;

/// Deliveries in one answer at most.
const DELIVERIES: i64 = 64;

type Outcomes = Vec<(u64, Vec<u8>)>;

impl Store {
    /// All nets, by name.
    pub(crate) async fn nets(&self) -> Result<Vec<NetRow>, StoreError> {
        let rows = sqlx::query("SELECT net, descriptor, authority, created FROM nets ORDER BY net")
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::database("list the nets"))?;
        rows.iter().map(net_row).collect()
    }

    /// One net.
    pub(crate) async fn net(&self, net: NetId) -> Result<Option<NetRow>, StoreError> {
        let row =
            sqlx::query("SELECT net, descriptor, authority, created FROM nets WHERE net = $1")
                .bind(net.as_str())
                .fetch_optional(&self.readers)
                .await
                .map_err(StoreError::database("look up a net"))?;
        row.as_ref().map(net_row).transpose()
    }

    /// The members of a net, by name.
    pub(crate) async fn members(&self, net: NetId) -> Result<Vec<MemberRow>, StoreError> {
        let rows = sqlx::query("SELECT client, record FROM members WHERE net = $1 ORDER BY client")
            .bind(net.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::database("list the members"))?;
        rows.iter()
            .map(|row| {
                Ok(MemberRow {
                    net,
                    client: client(row, "client")?,
                    record: get(row, "record")?,
                })
            })
            .collect()
    }

    /// The latest `count` epochs of a net, ascending.
    pub(crate) async fn latest_epochs(
        &self,
        net: NetId,
        count: i64,
    ) -> Result<Vec<EpochRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT epoch, first_round, record FROM epochs WHERE net = $1 \
             ORDER BY epoch DESC LIMIT $2",
        )
        .bind(net.as_str())
        .bind(count)
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("list the epochs"))?;
        rows.iter()
            .rev()
            .map(|row| {
                Ok(EpochRow {
                    net,
                    epoch: number(row, "epoch")?,
                    first_round: number(row, "first_round")?,
                    record: get(row, "record")?,
                })
            })
            .collect()
    }

    /// The encoded outcomes of the rounds `from..=to`, ascending; the latest `limit` of them.
    pub(crate) async fn outcomes(
        &self,
        net: NetId,
        from: Option<u64>,
        to: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Outcomes, StoreError> {
        let rows = sqlx::query(
            "SELECT round, outcome FROM rounds WHERE net = $1 AND round >= $2 AND round <= $3 \
             ORDER BY round DESC LIMIT $4",
        )
        .bind(net.as_str())
        .bind(from.map_or(Ok(0), integer)?)
        .bind(to.map_or(Ok(i64::MAX), integer)?)
        .bind(limit.map_or(i64::MAX, i64::from))
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("list the rounds"))?;
        rows.iter()
            .rev()
            .map(|row| Ok((number(row, "round")?, get(row, "outcome")?)))
            .collect()
    }

    /// The encoded outcomes of the rounds from `from` on, ascending; the first `most` of them.
    pub(crate) async fn outcomes_from(
        &self,
        net: NetId,
        from: u64,
        most: u32,
    ) -> Result<Outcomes, StoreError> {
        let rows = sqlx::query(
            "SELECT round, outcome FROM rounds WHERE net = $1 AND round >= $2 \
             ORDER BY round LIMIT $3",
        )
        .bind(net.as_str())
        .bind(integer(from)?)
        .bind(i64::from(most))
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("read rounds on"))?;
        rows.iter()
            .map(|row| Ok((number(row, "round")?, get(row, "outcome")?)))
            .collect()
    }

    /// Number of superpositions kept of rounds that are not final.
    pub(crate) async fn frames_held(&self, net: NetId) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS held FROM frames WHERE net = $1")
            .bind(net.as_str())
            .fetch_one(&self.readers)
            .await
            .map_err(StoreError::database("count the frames"))?;
        number(&row, "held")
    }

    /// Deliveries behind `after`, ascending, not more than an answer holds.
    pub(crate) async fn deliveries(
        &self,
        net: NetId,
        client: ClientId,
        after: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT sequence, message FROM inbox \
             WHERE net = $1 AND client = $2 AND sequence > $3 ORDER BY sequence LIMIT $4",
        )
        .bind(net.as_str())
        .bind(client.as_str())
        .bind(integer(after)?)
        .bind(DELIVERIES)
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("read an inbox"))?;
        rows.iter()
            .map(|row| Ok((number(row, "sequence")?, get(row, "message")?)))
            .collect()
    }

    /// Everything from which a net is rebuilt. The caller sees to it that nothing writes to the net
    /// meanwhile.
    pub(crate) async fn restore(&self, net: NetId) -> Result<Restored, StoreError> {
        let last = self.outcomes(net, None, None, Some(1)).await?.pop();
        let last_final = last.map(|(round, _)| round);
        Ok(Restored {
            members: self.members(net).await?,
            log: self.log_entries(net, 0, None).await?,
            draw_lists: self.draw_lists(net).await?,
            epochs: self.latest_epochs(net, EPOCHS_RESTORED).await?,
            frames: self
                .frames(net, "SELECT * FROM frames WHERE net = $1")
                .await?,
            resent: self
                .frames(net, "SELECT *, NULL AS mask FROM resent WHERE net = $1")
                .await?,
            corrections: self.corrections(net).await?,
            answers: self.answers(net).await?,
            rosters: self.rosters(net, last_final.unwrap_or(0)).await?,
            last_final,
            inbox_heads: self.inbox_heads(net).await?,
        })
    }

    async fn frames(&self, net: NetId, query: &'static str) -> Result<Vec<FrameRow>, StoreError> {
        let rows = sqlx::query(query)
            .bind(net.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(StoreError::database("read the frames of open rounds"))?;
        rows.iter()
            .map(|row| {
                Ok(FrameRow {
                    net,
                    round: number(row, "round")?,
                    client: client(row, "client")?,
                    epoch: number(row, "epoch")?,
                    transmission: get(row, "transmission")?,
                    words: words(&get::<Vec<u8>>(row, "words")?)?,
                    mask: get(row, "mask")?,
                    hash: hash(row)?,
                })
            })
            .collect()
    }

    async fn answers(&self, net: NetId) -> Result<Vec<AnswerRow>, StoreError> {
        let rows =
            sqlx::query("SELECT round, step, client, answer, hash FROM answers WHERE net = $1")
                .bind(net.as_str())
                .fetch_all(&self.readers)
                .await
                .map_err(StoreError::database("read the answers of open rounds"))?;
        rows.iter()
            .map(|row| {
                Ok(AnswerRow {
                    net,
                    round: number(row, "round")?,
                    step: step(row)?,
                    client: client(row, "client")?,
                    answer: get(row, "answer")?,
                    hash: hash(row)?,
                })
            })
            .collect()
    }

    /// The rosters of the rounds from `first` on, ascending.
    async fn rosters(&self, net: NetId, first: u64) -> Result<Vec<RosterRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT round, step, roster FROM rosters WHERE net = $1 AND round >= $2 \
             ORDER BY round, step",
        )
        .bind(net.as_str())
        .bind(integer(first)?)
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("read the latest rosters"))?;
        rows.iter()
            .map(|row| {
                Ok(RosterRow {
                    net,
                    round: number(row, "round")?,
                    step: step(row)?,
                    roster: get(row, "roster")?,
                })
            })
            .collect()
    }

    async fn corrections(&self, net: NetId) -> Result<Vec<CorrectionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT round, missing, asked FROM corrections WHERE net = $1 ORDER BY round",
        )
        .bind(net.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("read the open corrections"))?;
        rows.iter()
            .map(|row| {
                Ok(CorrectionRow {
                    net,
                    round: number(row, "round")?,
                    missing: get(row, "missing")?,
                    asked: get(row, "asked")?,
                })
            })
            .collect()
    }

    async fn inbox_heads(&self, net: NetId) -> Result<Vec<(ClientId, u64, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT client, last, (SELECT COUNT(*) FROM inbox \
             WHERE inbox.net = inbox_heads.net AND inbox.client = inbox_heads.client) AS held \
             FROM inbox_heads WHERE net = $1",
        )
        .bind(net.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::database("read the heads of the inboxes"))?;
        rows.iter()
            .map(|row| {
                Ok((
                    client(row, "client")?,
                    number(row, "last")?,
                    number(row, "held")?,
                ))
            })
            .collect()
    }
}

fn net_row(row: &SqliteRow) -> Result<NetRow, StoreError> {
    let name: String = get(row, "net")?;
    Ok(NetRow {
        net: name
            .parse()
            .map_err(|error| StoreError::Corrupt(format!("net {name:?}: {error}")))?,
        descriptor: get(row, "descriptor")?,
        authority: get(row, "authority")?,
        created: number(row, "created")?,
    })
}

fn client(row: &SqliteRow, column: &str) -> Result<ClientId, StoreError> {
    let name: String = get(row, column)?;
    name.parse()
        .map_err(|error| StoreError::Corrupt(format!("client {name:?}: {error}")))
}

fn hash(row: &SqliteRow) -> Result<[u8; 32], StoreError> {
    let bytes: Vec<u8> = get(row, "hash")?;
    bytes
        .try_into()
        .map_err(|_| StoreError::Corrupt("a hash without 32 bytes".to_owned()))
}

fn step(row: &SqliteRow) -> Result<u8, StoreError> {
    let value: i64 = get(row, "step")?;
    u8::try_from(value).map_err(|_| StoreError::Corrupt(format!("step is {value}")))
}

pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = get(row, column)?;
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is {value}")))
}

pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column)
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn words(bytes: &[u8]) -> Result<Vec<u64>, StoreError> {
    let (words, rest) = bytes.as_chunks::<8>();
    if rest.is_empty() {
        Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
    } else {
        Err(StoreError::Corrupt(
            "words whose length is no multiple of 8 bytes".to_owned(),
        ))
    }
}
