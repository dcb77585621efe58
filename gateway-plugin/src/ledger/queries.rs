//! What the ledger holds.

use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use zeroize::Zeroizing;

use super::change::{
    ACKNOWLEDGED, ANSWERED, ANSWERED_ROSTERS, BORDERS, EVIDENCE, META, PERIODS, SEALED, SENT,
    STATE, TARIFFS,
};
use super::{Ledger, LedgerError, SentEntry};

impl Ledger {
    /// The state machine's state.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is damaged; so for all that follow.
    pub fn state(&self) -> Result<Option<Zeroizing<Vec<u8>>>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(STATE)?;
            let state = table.get("gateway")?;
            Ok(state.map(|state| Zeroizing::new(state.value().to_vec())))
        })
    }

    /// The frame sealed for `round`.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn sealed(&self, round: Round) -> Result<Option<Vec<u8>>, LedgerError> {
        self.blob(SEALED, round.number())
    }

    /// The answer given to a correction of `round`.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn answered(&self, round: Round) -> Result<Option<Vec<u8>>, LedgerError> {
        self.blob(ANSWERED, round.number())
    }

    /// The answer given to a roster of `round`: with `notification`, to the roster with this hash.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn answered_roster(
        &self,
        round: Round,
        notification: Notification,
        roster: &[u8; 32],
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(ANSWERED_ROSTERS)?;
            let answer = table.get((round.number(), notification.number(), roster))?;
            Ok(answer.map(|answer| answer.value().to_vec()))
        })
    }

    /// What proves that the provider lied, ascending by round: contents of evidence files.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn evidence(&self) -> Result<Vec<(Round, Vec<u8>)>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(EVIDENCE)?;
            let mut all = Vec::new();
            for proof in table.iter()? {
                let (round, bytes) = proof?;
                all.push((Round::new(round.value()), bytes.value().to_vec()));
            }
            Ok(all)
        })
    }

    /// When the provider's latest receipt for a frame of this kind came.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn acknowledged(
        &self,
        round: Round,
        notification: Notification,
    ) -> Result<Option<UnixTime>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(ACKNOWLEDGED)?;
            let time = table.get((round.number(), notification.number()))?;
            Ok(time.map(|time| UnixTime::from_millis(time.value())))
        })
    }

    /// What the meter showed at `border`, encoded.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn border(&self, border: UnixTime) -> Result<Option<Vec<u8>>, LedgerError> {
        self.blob(BORDERS, border.millis())
    }

    /// The latest round for which a frame was sealed, ever.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn last_entered(&self) -> Result<Option<Round>, LedgerError> {
        Ok(self.counter("last-entered")?.map(Round::new))
    }

    /// The latest time at which the clock was found plausible.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn last_seen(&self) -> Result<Option<UnixTime>, LedgerError> {
        Ok(self.counter("last-seen")?.map(UnixTime::from_millis))
    }

    /// The latest `limit` lines of the consumer's log, oldest first.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn sent(&self, limit: usize) -> Result<Vec<SentEntry>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(SENT)?;
            let mut lines = Vec::new();
            for line in table.iter()?.rev().take(limit) {
                lines.extend(SentEntry::decode(line?.1.value()));
            }
            lines.reverse();
            Ok(lines)
        })
    }

    /// Definition and registers of a tariff, encoded.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn tariff(&self, name: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(|transaction| {
            let row = transaction.open_table(TARIFFS)?.get(name)?;
            Ok(row.map(|row| row.value().to_vec()))
        })
    }

    /// The billing periods of a tariff that are over, encoded, the oldest first.
    ///
    /// # Errors
    ///
    /// As for [`Self::state`].
    pub fn tariff_periods(&self, name: &str) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.read(|transaction| {
            let table = transaction.open_table(PERIODS)?;
            let mut periods = Vec::new();
            for period in table.range((name, 0)..=(name, u64::MAX))? {
                periods.push(period?.1.value().to_vec());
            }
            Ok(periods)
        })
    }

    fn blob(
        &self,
        table: TableDefinition<'_, u64, &[u8]>,
        key: u64,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(|transaction| {
            let blob = transaction.open_table(table)?.get(key)?;
            Ok(blob.map(|blob| blob.value().to_vec()))
        })
    }

    pub(super) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(|transaction| {
            let value = transaction.open_table(META)?.get(key)?;
            Ok(value.map(|value| value.value().to_vec()))
        })
    }

    fn counter(&self, key: &'static str) -> Result<Option<u64>, LedgerError> {
        let Some(bytes) = self.meta(key)? else {
            return Ok(None);
        };
        let bytes = bytes.try_into().map_err(|_| LedgerError::Damaged {
            path: self.path.clone(),
            what: key,
        })?;
        Ok(Some(u64::from_be_bytes(bytes)))
    }

    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, LedgerError> {
        let outcome = self.database.begin_read().map_err(redb::Error::from);
        outcome
            .and_then(|transaction| body(&transaction))
            .map_err(|source| LedgerError::storage(&self.path, source))
    }
}
