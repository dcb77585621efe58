//! Reading.

use super::database::AnyRow;
use super::rows::{
    AnswerRow, CorrectionRow, EpochRow, FrameRow, InboxHead, MemberRow, NetRow, Restored, RosterRow,
};
use super::{Store, StoreError, integer};
use dcnet_protocol::names::{ClientId, NetId};

/// Epochs from which a net is restored: the one in force, the next, and those of rounds that are
/// still open.
const EPOCHS_RESTORED: i64 = 4;

/// Deliveries in one answer at most.
const DELIVERIES: i64 = 64;

type Outcomes = Vec<(u64, Vec<u8>)>;

impl Store {
    /// All nets, by name.
    pub(crate) async fn nets(&self) -> Result<Vec<NetRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "list the nets",
                "SELECT net, descriptor, authority, created FROM nets ORDER BY net",
                &[],
            )
            .await?;
        rows.iter().map(net_row).collect()
    }

    /// One net.
    pub(crate) async fn net(&self, net: NetId) -> Result<Option<NetRow>, StoreError> {
        let row = self
            .readers
            .first(
                "look up a net",
                "SELECT net, descriptor, authority, created FROM nets WHERE net = $1",
                &[net.as_str().into()],
            )
            .await?;
        row.as_ref().map(net_row).transpose()
    }

    /// The members of a net, by name.
    pub(crate) async fn members(&self, net: NetId) -> Result<Vec<MemberRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "list the members",
                "SELECT client, record FROM members WHERE net = $1 ORDER BY client",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(MemberRow {
                    net,
                    client: client(row, "client")?,
                    record: row.get("record")?,
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
        let rows = self
            .readers
            .all(
                "list the epochs",
                "SELECT epoch, first_round, record FROM epochs WHERE net = $1 \
             ORDER BY epoch DESC LIMIT $2",
                &[net.as_str().into(), count.into()],
            )
            .await?;
        rows.iter().rev().map(|row| epoch_row(net, row)).collect()
    }

    /// The encoded outcomes of the rounds `from..=to`, ascending; the latest `limit` of them.
    pub(crate) async fn outcomes(
        &self,
        net: NetId,
        from: Option<u64>,
        to: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Outcomes, StoreError> {
        let rows = self
            .readers
            .all(
                "list the rounds",
                "SELECT round, outcome FROM rounds WHERE net = $1 AND round >= $2 AND round <= $3 \
             ORDER BY round DESC LIMIT $4",
                &[
                    net.as_str().into(),
                    from.map_or(Ok(0), integer)?.into(),
                    to.map_or(Ok(i64::MAX), integer)?.into(),
                    limit.map_or(i64::MAX, i64::from).into(),
                ],
            )
            .await?;
        rows.iter()
            .rev()
            .map(|row| Ok((row.number("round")?, row.get("outcome")?)))
            .collect()
    }

    /// The encoded outcomes of the rounds from `from` on, ascending; the first `most` of them.
    pub(crate) async fn outcomes_from(
        &self,
        net: NetId,
        from: u64,
        most: u32,
    ) -> Result<Outcomes, StoreError> {
        let rows = self
            .readers
            .all(
                "read rounds on",
                "SELECT round, outcome FROM rounds WHERE net = $1 AND round >= $2 \
                 ORDER BY round LIMIT $3",
                &[
                    net.as_str().into(),
                    integer(from)?.into(),
                    i64::from(most).into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.number("round")?, row.get("outcome")?)))
            .collect()
    }

    /// Number of superpositions kept of rounds that are not final.
    pub(crate) async fn frames_held(&self, net: NetId) -> Result<u64, StoreError> {
        let row = self
            .readers
            .first(
                "count the frames",
                "SELECT COUNT(*) AS held FROM frames WHERE net = $1",
                &[net.as_str().into()],
            )
            .await?;
        row.map_or(Ok(0), |row| row.number("held"))
    }

    /// Deliveries behind `after`, ascending, not more than an answer holds.
    pub(crate) async fn deliveries(
        &self,
        net: NetId,
        client: ClientId,
        after: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self
            .readers
            .all(
                "read an inbox",
                "SELECT sequence, message FROM inbox \
             WHERE net = $1 AND client = $2 AND sequence > $3 ORDER BY sequence LIMIT $4",
                &[
                    net.as_str().into(),
                    client.as_str().into(),
                    integer(after)?.into(),
                    DELIVERIES.into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.number("sequence")?, row.get("message")?)))
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
            orders: self.orders(net).await?,
            frames: self
                .frames(net, "SELECT * FROM frames WHERE net = $1")
                .await?,
            resent: self
                .frames(
                    net,
                    "SELECT *, CAST(NULL AS BYTEA) AS mask FROM resent WHERE net = $1",
                )
                .await?,
            corrections: self.corrections(net).await?,
            answers: self.answers(net).await?,
            rosters: self
                .rosters_between(net, last_final.unwrap_or(0), None)
                .await?,
            last_final,
            inbox_heads: self.inbox_heads(net).await?,
        })
    }

    async fn frames(&self, net: NetId, query: &'static str) -> Result<Vec<FrameRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the frames of open rounds",
                query,
                &[net.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(FrameRow {
                    net,
                    round: row.number("round")?,
                    client: client(row, "client")?,
                    epoch: row.number("epoch")?,
                    transmission: row.get("transmission")?,
                    words: words(&row.get::<Vec<u8>>("words")?)?,
                    mask: row.get("mask")?,
                    hash: hash(row)?,
                })
            })
            .collect()
    }

    async fn answers(&self, net: NetId) -> Result<Vec<AnswerRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the answers of open rounds",
                "SELECT round, step, client, answer, hash FROM answers WHERE net = $1",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AnswerRow {
                    net,
                    round: row.number("round")?,
                    step: step(row)?,
                    client: client(row, "client")?,
                    answer: row.get("answer")?,
                    hash: hash(row)?,
                })
            })
            .collect()
    }

    /// The corrections under way, ascending; there are none in a net that corrects by double masks.
    pub(crate) async fn corrections(&self, net: NetId) -> Result<Vec<CorrectionRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the open corrections",
                "SELECT round, missing, asked FROM corrections WHERE net = $1 ORDER BY round",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(CorrectionRow {
                    net,
                    round: row.number("round")?,
                    missing: row.get("missing")?,
                    asked: row.get("asked")?,
                })
            })
            .collect()
    }

    async fn inbox_heads(&self, net: NetId) -> Result<Vec<InboxHead>, StoreError> {
        let rows = self
            .readers
            .all(
                "read the heads of the inboxes",
                "SELECT client, last, (SELECT COUNT(*) FROM inbox \
             WHERE inbox.net = $1 AND inbox.client = inbox_heads.client) AS held, \
             COALESCE((SELECT MAX(sequence) FROM inbox \
             WHERE inbox.net = $1 AND inbox.client = inbox_heads.client), 0) AS newest \
             FROM inbox_heads WHERE net = $1",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(InboxHead {
                    client: client(row, "client")?,
                    last: row.number("last")?,
                    newest: row.number("newest")?,
                    held: row.number("held")?,
                })
            })
            .collect()
    }
}

pub(super) fn roster_row(net: NetId, row: &AnyRow) -> Result<RosterRow, StoreError> {
    Ok(RosterRow {
        net,
        round: row.number("round")?,
        step: step(row)?,
        roster: row.get("roster")?,
    })
}

pub(super) fn epoch_row(net: NetId, row: &AnyRow) -> Result<EpochRow, StoreError> {
    Ok(EpochRow {
        net,
        epoch: row.number("epoch")?,
        first_round: row.number("first_round")?,
        record: row.get("record")?,
    })
}

fn net_row(row: &AnyRow) -> Result<NetRow, StoreError> {
    Ok(NetRow {
        net: net(row)?,
        descriptor: row.get("descriptor")?,
        authority: row.get("authority")?,
        created: row.number("created")?,
    })
}

pub(super) fn net(row: &AnyRow) -> Result<NetId, StoreError> {
    let name: String = row.get("net")?;
    name.parse()
        .map_err(|error| StoreError::Corrupt(format!("net {name:?}: {error}")))
}

pub(super) fn client(row: &AnyRow, column: &str) -> Result<ClientId, StoreError> {
    let name: String = row.get(column)?;
    name.parse()
        .map_err(|error| StoreError::Corrupt(format!("client {name:?}: {error}")))
}

fn hash(row: &AnyRow) -> Result<[u8; 32], StoreError> {
    let bytes: Vec<u8> = row.get("hash")?;
    bytes
        .try_into()
        .map_err(|_| StoreError::Corrupt("a hash without 32 bytes".to_owned()))
}

pub(super) fn step(row: &AnyRow) -> Result<u8, StoreError> {
    let value: i64 = row.get("step")?;
    u8::try_from(value).map_err(|_| StoreError::Corrupt(format!("step is {value}")))
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
