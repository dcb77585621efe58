//! Orders of operators: asked for by anybody with the store at hand, taken by the server of the net.

use dcnet_protocol::names::NetId;

use super::database::{AnyRow, Value, Writing};
use super::insert::{Insert, Kind};
use super::{Store, StoreError, audit_trail, integer, read};

/// In the order of the table's columns.
pub(super) static ORDERS: Insert<12> = Insert::new(
    "store an order",
    "orders",
    [
        ("net", Kind::Text),
        ("number", Kind::Integer),
        ("kind", Kind::Text),
        ("member", Kind::Text),
        ("round", Kind::Integer),
        ("reason", Kind::Text),
        ("asked_by", Kind::Text),
        ("asked", Kind::Integer),
        ("answered", Kind::Integer),
        ("outcome", Kind::Text),
        ("detail", Kind::Text),
        ("record", Kind::Bytes),
    ],
);

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskedRow {
    pub(crate) net: NetId,
    pub(crate) kind: &'static str,
    /// Empty if it is about no member.
    pub(crate) member: String,
    /// 0 if it is about no round.
    pub(crate) round: u64,
    pub(crate) reason: String,
    pub(crate) asked_by: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) asked: u64,
}

/// An order with its answer, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(crate) net: NetId,
    pub(crate) number: u64,
    pub(crate) kind: String,
    pub(crate) member: String,
    pub(crate) round: u64,
    pub(crate) reason: String,
    pub(crate) asked_by: String,
    pub(crate) asked: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z, 0 as long as it waits.
    pub(crate) answered: u64,
    /// Empty as long as it waits.
    pub(crate) outcome: String,
    pub(crate) detail: String,
    /// Empty if it changes nothing for good.
    pub(crate) record: Vec<u8>,
}

/// A server's answer to an order, which must be waiting.
#[derive(Debug, Clone)]
pub(crate) struct OrderAnswerRow {
    pub(crate) net: NetId,
    pub(crate) number: u64,
    pub(crate) answered: u64,
    pub(crate) outcome: &'static str,
    pub(crate) detail: String,
    pub(crate) record: Vec<u8>,
}

macro_rules! orders {
    ($tail:literal) => {
        concat!(
            "SELECT net, number, kind, member, round, reason, asked_by, asked, answered, outcome, detail, \
             record FROM orders ",
            $tail
        )
    };
}

impl Store {
    /// Writes an order down, and `noted` into the audit trail; its number.
    pub(crate) async fn ask(&self, row: &AskedRow, noted: &str) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        let asked = async {
            loop {
                let number = self.last_order(row.net).await?.saturating_add(1);
                let mut writing = writer.connection().await?.begin().await?;
                let added = writing
                    .execute(
                        "write an order down",
                        "INSERT INTO orders (net, number, kind, member, round, reason, asked_by, asked, \
                         answered, outcome, detail, record) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', '', $9) ON CONFLICT DO NOTHING",
                        &[
                            row.net.as_str().into(),
                            integer(number)?.into(),
                            row.kind.into(),
                            row.member.as_str().into(),
                            integer(row.round)?.into(),
                            row.reason.as_str().into(),
                            row.asked_by.as_str().into(),
                            integer(row.asked)?.into(),
                            Value::Bytes(&[]),
                        ],
                    )
                    .await?;
                // Somebody else may have been faster.
                if added == 1 {
                    audit_trail::append(&mut writing, noted).await?;
                    writing.commit().await?;
                    return Ok(number);
                }
            }
        }
        .await;
        writer.close().await;
        asked
    }

    async fn last_order(&self, net: NetId) -> Result<u64, StoreError> {
        let statement = "SELECT COALESCE(MAX(number), 0) AS last FROM orders WHERE net = $1";
        let row = self
            .readers
            .first("number an order", statement, &[net.as_str().into()])
            .await?;
        row.map_or(Ok(0), |row| row.number("last"))
    }

    /// Orders that no server has taken, of all nets, in the order in which they were asked for in each.
    pub(crate) async fn waiting_orders(&self) -> Result<Vec<OrderRow>, StoreError> {
        let statement = orders!("WHERE answered = 0 ORDER BY net, number");
        let rows = self.readers.all("look for orders", statement, &[]).await?;
        rows.iter().map(order_row).collect()
    }

    /// All orders of a net, ascending.
    pub(crate) async fn orders(&self, net: NetId) -> Result<Vec<OrderRow>, StoreError> {
        let statement = orders!("WHERE net = $1 ORDER BY number");
        let rows = self
            .readers
            .all("read the orders", statement, &[net.as_str().into()])
            .await?;
        rows.iter().map(order_row).collect()
    }

    /// One order.
    pub(crate) async fn one_order(
        &self,
        net: NetId,
        number: u64,
    ) -> Result<Option<OrderRow>, StoreError> {
        let statement = orders!("WHERE net = $1 AND number = $2");
        let values = [net.as_str().into(), integer(number)?.into()];
        let row = self
            .readers
            .first("read an order", statement, &values)
            .await?;
        row.as_ref().map(order_row).transpose()
    }
}

/// Writes answers.
///
/// # Errors
/// [`StoreError::Answered`] if one of the orders is answered already: nothing of the transaction counts then.
pub(super) async fn answer(
    writing: &mut Writing<'_>,
    rows: &[OrderAnswerRow],
) -> Result<(), StoreError> {
    for row in rows {
        let changed = writing
            .execute(
                "answer an order",
                "UPDATE orders SET answered = $3, outcome = $4, detail = $5, record = $6 \
                 WHERE net = $1 AND number = $2 AND answered = 0",
                &[
                    row.net.as_str().into(),
                    integer(row.number)?.into(),
                    integer(row.answered)?.into(),
                    row.outcome.into(),
                    row.detail.as_str().into(),
                    row.record.as_slice().into(),
                ],
            )
            .await?;
        if changed != 1 {
            let (net, number) = (row.net, row.number);
            return Err(StoreError::Answered { net, number });
        }
    }
    Ok(())
}

/// What a backup had of orders that were waiting is not carried out behind its back.
pub(super) async fn void_waiting(writing: &mut Writing<'_>) -> Result<(), StoreError> {
    let statement = "UPDATE orders SET answered = asked, outcome = 'restored', \
         detail = 'no server had taken it when the backup was made: ask again' WHERE answered = 0";
    let what = "answer the orders of a backup";
    writing.execute(what, statement, &[]).await.map(drop)
}

fn order_row(row: &AnyRow) -> Result<OrderRow, StoreError> {
    Ok(OrderRow {
        net: read::net(row)?,
        number: row.number("number")?,
        kind: row.get("kind")?,
        member: row.get("member")?,
        round: row.number("round")?,
        reason: row.get("reason")?,
        asked_by: row.get("asked_by")?,
        asked: row.number("asked")?,
        answered: row.number("answered")?,
        outcome: row.get("outcome")?,
        detail: row.get("detail")?,
        record: row.get("record")?,
    })
}

#[cfg(test)]
mod tests;
