//! Which of several servers on one PostgreSQL database serves a net.
//!
//! A server announces itself in `replicas` every second, by the database's clock. A net belongs to
//! the server that stands in its lease, as long as that server is alive. Each change of hands raises
//! the lease's term, and each transaction that writes to a net locks the lease's row and compares the
//! term: whoever lost a net, and does not know it yet, cannot write to it any more. So what is decided
//! about a round is decided once, however many servers think that they are the one.
//!
//! A database that spreads nets over machines keeps `leases` and `replicas` in one place, where rows are
//! locked and the clock is one: no statement reads or writes one of them together with a table that is
//! spread ([decision 41](../../../docs/adr/0041-leases-stay-in-one-place.md)).
//!
//! On SQLite a file lock keeps other servers away, and none of this is used.

use std::collections::BTreeMap;

use dcnet_protocol::names::NetId;

use super::database::{Pool, Writing};
use super::rows::Batch;
use super::{Store, StoreError, integer, read};

/// A server's right to serve a net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) net: NetId,
    /// Counts changes of hands.
    pub(crate) term: u64,
}

/// A net and who serves it.
#[derive(Debug, Clone)]
pub(crate) struct LeaseRow {
    pub(crate) net: NetId,
    /// 0 if there never was a lease.
    pub(crate) term: u64,
    /// Who serves it; nobody if the last one gave it back or is not alive.
    pub(crate) holder: Option<Holder>,
}

/// A server as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its name.
    pub(crate) replica: String,
    /// Where the others reach it: host and port.
    pub(crate) address: String,
}

/// Milliseconds since 1970 by the database's clock.
macro_rules! now {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}

macro_rules! leases {
    ($where:literal) => {
        concat!(
            "SELECT leases.net AS net, leases.term AS term, replicas.replica AS replica, ",
            "replicas.address AS address FROM leases ",
            "LEFT JOIN replicas ON replicas.replica = leases.replica AND replicas.until > ",
            now!(),
            $where
        )
    };
}

impl Store {
    /// Whether several servers share this store.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.readers, Pool::Postgres(_))
    }

    /// Announces this server for the next `millis`, and forgets those that have been away for long.
    pub(crate) async fn announce(&self, holder: &Holder, millis: u64) -> Result<(), StoreError> {
        let values = [
            holder.replica.as_str().into(),
            holder.address.as_str().into(),
            integer(millis)?.into(),
        ];
        let what = "announce this server";
        let statement = concat!(
            "INSERT INTO replicas (replica, address, until) VALUES ($1, $2, ",
            now!(),
            " + $3) ON CONFLICT (replica) DO UPDATE SET address = excluded.address, until = excluded.until"
        );
        self.announcing.execute(what, statement, &values).await?;
        let statement = concat!("DELETE FROM replicas WHERE until < ", now!(), " - 60000");
        self.announcing
            .execute("forget servers that ended", statement, &[])
            .await?;
        Ok(())
    }

    /// Tells the others that this server ends.
    pub(crate) async fn leave(&self, replica: &str) -> Result<(), StoreError> {
        let statement = "DELETE FROM replicas WHERE replica = $1";
        self.readers
            .execute("say that this server ends", statement, &[replica.into()])
            .await
            .map(drop)
    }

    /// Number of servers that are alive.
    pub(crate) async fn replicas_alive(&self) -> Result<u64, StoreError> {
        let statement = concat!(
            "SELECT COUNT(*) AS alive FROM replicas WHERE until > ",
            now!()
        );
        let row = self
            .readers
            .first("count the servers", statement, &[])
            .await?;
        row.map_or(Ok(0), |row| row.number("alive"))
    }

    /// All nets by name, and who serves them.
    pub(crate) async fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        let statement = "SELECT net FROM nets ORDER BY net";
        let nets = self.readers.all("list the nets", statement, &[]).await?;
        let rows = self.lease_rows(leases!(""), &[]).await?;
        let mut rows: BTreeMap<NetId, LeaseRow> =
            rows.into_iter().map(|row| (row.net, row)).collect();
        nets.iter()
            .map(|net| {
                let net = read::net(net)?;
                Ok(rows.remove(&net).unwrap_or(LeaseRow::never(net)))
            })
            .collect()
    }

    /// Who serves one net; `None` if there is no such net.
    pub(crate) async fn lease(&self, net: NetId) -> Result<Option<LeaseRow>, StoreError> {
        let values = [net.as_str().into()];
        let statement = leases!(" WHERE leases.net = $1");
        if let Some(row) = self.lease_rows(statement, &values).await?.pop() {
            return Ok(Some(row));
        }
        let statement = "SELECT net FROM nets WHERE net = $1";
        let row = self
            .readers
            .first("look for a net", statement, &values)
            .await?;
        Ok(row.map(|_| LeaseRow::never(net)))
    }

    async fn lease_rows(
        &self,
        statement: &'static str,
        values: &[super::database::Value<'_>],
    ) -> Result<Vec<LeaseRow>, StoreError> {
        let rows = self
            .readers
            .all("tell who serves a net", statement, values)
            .await?;
        rows.iter()
            .map(|row| {
                let replica: Option<String> = row.get("replica")?;
                let address: Option<String> = row.get("address")?;
                Ok(LeaseRow {
                    net: read::net(row)?,
                    term: row.number("term")?,
                    holder: replica
                        .zip(address)
                        .map(|(replica, address)| Holder { replica, address }),
                })
            })
            .collect()
    }

    /// Takes over a net that nobody serves, as `row` said, or this server before it was started anew.
    /// `None` if another server was faster.
    pub(crate) async fn take(
        &self,
        row: &LeaseRow,
        replica: &str,
    ) -> Result<Option<Lease>, StoreError> {
        let term = row.term.saturating_add(1);
        let values = [
            row.net.as_str().into(),
            replica.into(),
            integer(term)?.into(),
            integer(row.term)?.into(),
        ];
        // The first lease of a net has no row that could be changed.
        let statement = "INSERT INTO leases (net, replica, term) VALUES ($1, $2, $3) \
             ON CONFLICT (net) DO UPDATE SET replica = excluded.replica, term = excluded.term \
             WHERE leases.term = $4";
        let taken = self
            .readers
            .execute("take over a net", statement, &values)
            .await?;
        Ok((taken == 1).then_some(Lease { net: row.net, term }))
    }

    /// Gives a net back. Nothing happens if another server has it by now.
    pub(crate) async fn give_back(&self, lease: Lease) -> Result<(), StoreError> {
        let values = [lease.net.as_str().into(), integer(lease.term)?.into()];
        let statement = "UPDATE leases SET replica = '' WHERE net = $1 AND term = $2";
        self.readers
            .execute("give a net back", statement, &values)
            .await
            .map(drop)
    }
}

impl LeaseRow {
    /// Of a net that nobody has ever served.
    const fn never(net: NetId) -> Self {
        Self {
            net,
            term: 0,
            holder: None,
        }
    }
}

/// Locks the leases under which `batches` are written until the transaction ends.
///
/// # Errors
/// [`StoreError::LeaseLost`] if one of them is another server's by now.
pub(super) async fn fence(writing: &mut Writing<'_>, batches: &[&Batch]) -> Result<(), StoreError> {
    let Writing::Postgres(transaction) = writing else {
        return Ok(());
    };
    let leases: BTreeMap<NetId, u64> = batches
        .iter()
        .filter_map(|batch| batch.lease)
        .map(|lease| (lease.net, lease.term))
        .collect();
    if leases.is_empty() {
        return Ok(());
    }
    let nets: Vec<&str> = leases.keys().map(NetId::as_str).collect();
    let terms = leases
        .values()
        .map(|term| integer(*term))
        .collect::<Result<Vec<_>, _>>()?;
    // Ordered, so that two servers that lock many never wait for each other.
    let held: Vec<String> = sqlx::query_scalar(
        "SELECT leases.net FROM leases JOIN UNNEST($1::TEXT[], $2::BIGINT[]) AS ours (net, term) \
         ON leases.net = ours.net AND leases.term = ours.term ORDER BY leases.net FOR SHARE OF leases",
    )
    .bind(&nets)
    .bind(terms)
    .fetch_all(&mut **transaction)
    .await
    .map_err(StoreError::database("lock a lease"))?;
    match nets
        .iter()
        .find(|net| !held.iter().any(|held| held == *net))
    {
        Some(lost) => Err(StoreError::LeaseLost((*lost).to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
