//! Deleting what is kept for longer than the protocol needs it, a few rows in a transaction: a server may
//! run beside it.
//!
//! The newest outcome and the rosters of its round stay whatever is asked: from them a net goes on.

use dcnet_protocol::names::{ClientId, NetId};

use super::database::Value;
use super::write::Writer;
use super::{Store, StoreError, integer};

/// What may be deleted when it is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prunable {
    /// Outcomes of rounds.
    Rounds,
    /// Rosters of final rounds.
    Rosters,
    /// Epochs that are over, and that no outcome or roster which is kept is of.
    Epochs,
    /// What a gateway that left has not fetched.
    Inbox(ClientId),
}

/// What is too old.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expired {
    pub(crate) net: NetId,
    pub(crate) what: Prunable,
    /// What is of rounds before this one; in an inbox, messages up to this number.
    pub(crate) before: u64,
}

macro_rules! rounds {
    () => {
        "net = $1 AND round < $2 AND round < (SELECT MAX(round) FROM rounds WHERE net = $1)"
    };
}

/// An epoch is over when the next begins. The latest four stay: a net is restored from them.
macro_rules! epochs {
    () => {
        "net = $1 AND epoch + 4 <= (SELECT MAX(epoch) FROM epochs WHERE net = $1) \
         AND EXISTS (SELECT 1 FROM epochs AS later WHERE later.net = $1 AND later.epoch > epochs.epoch \
         AND later.first_round <= $2 \
         AND NOT EXISTS (SELECT 1 FROM rounds WHERE net = $1 AND round < later.first_round) \
         AND NOT EXISTS (SELECT 1 FROM rosters WHERE net = $1 AND round < later.first_round))"
    };
}

macro_rules! inbox {
    () => {
        "net = $1 AND sequence <= $2 AND client = $3"
    };
}

impl Expired {
    /// How many rows there are, and how some of them are deleted.
    const fn statements(&self) -> (&'static str, &'static str) {
        match self.what {
            Prunable::Rounds => (
                concat!("SELECT COUNT(*) AS held FROM rounds WHERE ", rounds!()),
                concat!(
                    "DELETE FROM rounds WHERE net = $1 AND round IN (SELECT round FROM rounds WHERE ",
                    rounds!(),
                    " ORDER BY round LIMIT 200)"
                ),
            ),
            Prunable::Rosters => (
                concat!("SELECT COUNT(*) AS held FROM rosters WHERE ", rounds!()),
                concat!(
                    "DELETE FROM rosters WHERE net = $1 AND round IN (SELECT DISTINCT round FROM rosters WHERE ",
                    rounds!(),
                    " ORDER BY round LIMIT 100)"
                ),
            ),
            Prunable::Epochs => (
                concat!("SELECT COUNT(*) AS held FROM epochs WHERE ", epochs!()),
                concat!(
                    "DELETE FROM epochs WHERE net = $1 AND epoch IN (SELECT epoch FROM epochs WHERE ",
                    epochs!(),
                    " ORDER BY epoch LIMIT 20)"
                ),
            ),
            Prunable::Inbox(_) => (
                concat!("SELECT COUNT(*) AS held FROM inbox WHERE ", inbox!()),
                concat!("DELETE FROM inbox WHERE ", inbox!()),
            ),
        }
    }

    fn values(&self) -> Result<Vec<Value<'_>>, StoreError> {
        let mut values = vec![self.net.as_str().into(), integer(self.before)?.into()];
        if let Prunable::Inbox(client) = &self.what {
            values.push(client.as_str().into());
        }
        Ok(values)
    }
}

impl Store {
    /// Number of rows that are too old.
    pub(crate) async fn count_expired(&self, expired: &Expired) -> Result<u64, StoreError> {
        let (count, _) = expired.statements();
        let row = self
            .readers
            .first("count what is too old", count, &expired.values()?)
            .await?;
        row.map_or(Ok(0), |row| row.number("held"))
    }
}

impl Writer {
    /// Deletes some of what is too old, in a transaction of its own; the number of rows. 0: nothing is left.
    pub(crate) async fn prune(&mut self, expired: &Expired) -> Result<u64, StoreError> {
        let (_, delete) = expired.statements();
        let mut writing = self.connection().await?.begin().await?;
        let gone = writing
            .execute("delete what is too old", delete, &expired.values()?)
            .await?;
        writing.commit().await?;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests;
