//! Reading for those who look after nets, beside a running server.

use dcnet_protocol::names::{ClientId, NetId};

use super::read::{client, epoch_row, roster_row};
use super::rows::{EpochRow, RosterRow};
use super::{Store, StoreError, integer};

impl Store {
    /// Of each member with a frame of a round that is not final: the latest such round.
    pub(crate) async fn latest_frames(
        &self,
        net: NetId,
    ) -> Result<Vec<(ClientId, u64)>, StoreError> {
        let rows = self
            .readers
            .all(
                "look up the latest frames",
                "SELECT client, MAX(round) AS latest FROM frames WHERE net = $1 GROUP BY client",
                &[net.as_str().into()],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((client(row, "client")?, row.number("latest")?)))
            .collect()
    }

    /// The epoch of this number.
    pub(crate) async fn epoch(
        &self,
        net: NetId,
        epoch: u64,
    ) -> Result<Option<EpochRow>, StoreError> {
        let row = self
            .readers
            .first(
                "look up an epoch",
                "SELECT epoch, first_round, record FROM epochs WHERE net = $1 AND epoch = $2",
                &[net.as_str().into(), integer(epoch)?.into()],
            )
            .await?;
        row.map(|row| epoch_row(net, &row)).transpose()
    }

    /// The rosters of the rounds `from..=to`, ascending; all behind `from` without a `to`.
    pub(crate) async fn rosters_between(
        &self,
        net: NetId,
        from: u64,
        to: Option<u64>,
    ) -> Result<Vec<RosterRow>, StoreError> {
        let rows = self
            .readers
            .all(
                "read rosters",
                "SELECT round, step, roster FROM rosters \
             WHERE net = $1 AND round >= $2 AND round <= $3 ORDER BY round, step",
                &[
                    net.as_str().into(),
                    integer(from)?.into(),
                    to.map_or(Ok(i64::MAX), integer)?.into(),
                ],
            )
            .await?;
        rows.iter().map(|row| roster_row(net, row)).collect()
    }
}
