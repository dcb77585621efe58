//! Reading for the operator's overview: few and small rows, however many rounds a net has had.

use dcnet_protocol::names::NetId;

use super::{Store, StoreError, integer};

/// Where the status stands in an encoded outcome, counted from 1: behind round and epoch. A test of
/// `service::overview` holds it to the encoding.
pub(crate) const STATUS_AT: i64 = 17;

impl Store {
    /// How many rounds from `from` on ended with which status, by the octet that encodes it.
    pub(crate) async fn statuses(
        &self,
        net: NetId,
        from: u64,
    ) -> Result<Vec<(u8, u64)>, StoreError> {
        let rows = self
            .readers
            .all(
                "count the rounds",
                "SELECT substr(outcome, CAST($1 AS INTEGER), 1) AS status, COUNT(*) AS held FROM rounds \
                 WHERE net = $2 AND round >= $3 GROUP BY 1",
                &[
                    STATUS_AT.into(),
                    net.as_str().into(),
                    integer(from)?.into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let status: Vec<u8> = row.get("status")?;
                let status = status.first().copied().unwrap_or_default();
                Ok((status, row.number("held")?))
            })
            .collect()
    }

    /// The first round of a net that has an outcome.
    pub(crate) async fn first_round(&self, net: NetId) -> Result<Option<u64>, StoreError> {
        let row = self
            .readers
            .first(
                "look up the first round",
                "SELECT round FROM rounds WHERE net = $1 ORDER BY round LIMIT 1",
                &[net.as_str().into()],
            )
            .await?;
        row.as_ref().map(|row| row.number("round")).transpose()
    }
}
