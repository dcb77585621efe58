//! Looking whether a store is as this software would have left it.

use dcnet_protocol::names::NetId;

use super::database::Pool;
use super::{Store, StoreError, integer};

impl Store {
    /// What the database itself says about its state: nothing if it is sound. A PostgreSQL server checks its
    /// own files (`data_checksums`, `pg_amcheck`) and never breaks a reference.
    pub(crate) async fn damage(&self) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        if let Pool::Sqlite(_) = self.readers {
            let statement = "SELECT integrity_check AS text FROM pragma_integrity_check()";
            for row in self.readers.all("be checked", statement, &[]).await? {
                let text: String = row.get("text")?;
                if text != "ok" {
                    found.push(text);
                }
            }
            let statement = "SELECT \"table\" AS text, COUNT(*) AS held FROM pragma_foreign_key_check() GROUP BY 1";
            for row in self.readers.all("be checked", statement, &[]).await? {
                let (table, rows): (String, u64) = (row.get("text")?, row.number("held")?);
                found.push(format!(
                    "{rows} rows of {table} are of a net that is not there"
                ));
            }
        }
        Ok(found)
    }

    /// Per table the number of rows that should have been erased with the outcome of their round.
    pub(crate) async fn left_over(
        &self,
        net: NetId,
    ) -> Result<Vec<(&'static str, u64)>, StoreError> {
        macro_rules! left {
            ($table:literal) => {
                (
                    $table,
                    concat!(
                        "SELECT COUNT(*) AS held FROM ",
                        $table,
                        " WHERE net = $1 AND round <= (SELECT MAX(round) FROM rounds WHERE net = $1)"
                    ),
                )
            };
        }
        let mut all = Vec::new();
        for (table, statement) in [
            left!("frames"),
            left!("resent"),
            left!("answers"),
            left!("corrections"),
        ] {
            let row = self
                .readers
                .first(
                    "look for what should be erased",
                    statement,
                    &[net.as_str().into()],
                )
                .await?;
            all.push((table, row.map_or(Ok(0), |row| row.number("held"))?));
        }
        Ok(all)
    }

    /// Number of messages beyond the last number of their inbox.
    pub(crate) async fn beyond_heads(&self, net: NetId) -> Result<u64, StoreError> {
        let statement = "SELECT COUNT(*) AS held FROM inbox WHERE net = $1 AND NOT EXISTS \
             (SELECT 1 FROM inbox_heads WHERE inbox_heads.net = $1 \
             AND inbox_heads.client = inbox.client AND inbox_heads.last >= inbox.sequence)";
        let row = self
            .readers
            .first("compare the inboxes", statement, &[net.as_str().into()])
            .await?;
        row.map_or(Ok(0), |row| row.number("held"))
    }

    /// The messages behind `after` in the order of inboxes, the first `most` of them: whose, number, message.
    pub(crate) async fn messages_from(
        &self,
        net: NetId,
        after: &(String, u64),
        most: u32,
    ) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        let rows = self
            .readers
            .all(
                "read messages on",
                "SELECT client, sequence, message FROM inbox WHERE net = $1 \
                 AND (client, sequence) > ($2, $3) ORDER BY client, sequence LIMIT $4",
                &[
                    net.as_str().into(),
                    after.0.as_str().into(),
                    integer(after.1)?.into(),
                    i64::from(most).into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.get("client")?,
                    row.number("sequence")?,
                    row.get("message")?,
                ))
            })
            .collect()
    }
}
