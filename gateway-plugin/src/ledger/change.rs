//! The tables of the ledger, and what one change writes into them.

use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition};

use dcnet_profiles::home::Retention;

use super::dispatch::Dispatch;
use super::entry::SentEntry;
use super::error::LedgerError;
use super::logbook::{Book, Line, MAX_DISPATCHES, MAX_LINES};

/// Version, net, client, descriptor, last round entered, latest time seen.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// The state machine's own state: holds the agreement key.
pub(super) const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// Round to sealed frame.
pub(super) const SEALED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sealed");
/// Round to the answer given to a correction.
pub(super) const ANSWERED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("answered");
/// Round, notification and roster to the answer given to that roster.
pub(super) const ANSWERED_ROSTERS: TableDefinition<'_, (u64, u8, &[u8; 32]), &[u8]> =
    TableDefinition::new("answered-rosters");
/// Round to the proof that the provider lied about it. Never made room of.
pub(super) const EVIDENCE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("evidence");
/// Round and notification to the time of the provider's latest receipt (Unix ms).
pub(super) const ACKNOWLEDGED: TableDefinition<'_, (u64, u8), u64> =
    TableDefinition::new("acknowledged");
/// Border (Unix ms) to what the meter showed at it.
pub(super) const BORDERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("borders");
/// The consumer's log: number to what was sent, when, to whom.
pub(super) const SENT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sent");

/// Number to what left the house, byte for byte.
pub(super) const DISPATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dispatches");
/// The system's log: number to line.
pub(super) const SYSTEM: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log-system");
/// The calibration log: number to line.
pub(super) const CALIBRATION: TableDefinition<'_, u64, &[u8]> =
    TableDefinition::new("log-calibration");

/// Name of a tariff to its definition and registers.
pub(super) const TARIFFS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tariffs");
/// Name of a tariff and number to a billing period that is over.
pub(super) const PERIODS: TableDefinition<'_, (&str, u64), &[u8]> =
    TableDefinition::new("tariff-periods");

/// Sealed frames, answers and receipts that are kept: far more than are ever asked for again.
const KEEP_ROUNDS: u64 = 192;
/// Readings at borders that are kept: six weeks of quarter hours.
const KEEP_BORDERS: u64 = 4_032;
/// Lines of the consumer's log that are kept: at least a quarter of a year of quarter hours.
const KEEP_SENT: u64 = 20_000;
/// Billing periods of a tariff that are kept: twenty years of months.
pub const KEEP_PERIODS: usize = 240;

/// One change; those of one [`Ledger::commit`](super::Ledger::commit) become durable together or not at all.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// The state machine's state.
    State(&'a [u8]),
    /// A frame was sealed for a round, and thereby the round entered.
    Sealed {
        /// The round.
        round: Round,
        /// The frame.
        bytes: &'a [u8],
    },
    /// A correction is answered.
    Answered {
        /// The round.
        round: Round,
        /// The frame.
        bytes: &'a [u8],
    },
    /// A roster is answered: with pads, or with share keys.
    AnsweredRoster {
        /// The round.
        round: Round,
        /// Pads or Reveal.
        notification: Notification,
        /// Hash of the roster.
        roster: &'a [u8; 32],
        /// The frame.
        bytes: &'a [u8],
    },
    /// The provider lied about a round, and here is the proof; of one round the first is kept.
    Evidence {
        /// The round.
        round: Round,
        /// Content of the evidence file.
        bytes: &'a [u8],
    },
    /// The provider has a frame.
    Acknowledged {
        /// The round.
        round: Round,
        /// Which of its frames.
        notification: Notification,
        /// When its receipt came.
        time: UnixTime,
    },
    /// What the meter showed at a border.
    Border {
        /// The border.
        border: UnixTime,
        /// Encoded border reading.
        bytes: &'a [u8],
    },
    /// The clock was found plausible at this time.
    Seen(UnixTime),
    /// A line of the consumer's log.
    Sent(&'a SentEntry),
    /// A message that is about to leave the house.
    Dispatch(&'a Dispatch),
    /// A line of a logbook.
    Line(Book, &'a Line),
    /// The registers of a tariff (`docs/spec/evaluation.md`, section 3).
    Tariff {
        /// Its name.
        name: &'a str,
        /// Encoded definition and registers.
        bytes: &'a [u8],
    },
    /// A billing period of a tariff is over; the oldest of many make room.
    TariffPeriod {
        /// The tariff's name.
        name: &'a str,
        /// Encoded period.
        bytes: &'a [u8],
    },
}

/// Writes one change; the inner error is a refusal, the outer one a failure of the storage.
pub(super) fn apply(
    transaction: &redb::WriteTransaction,
    change: &Change<'_>,
    keep: Retention,
) -> Result<Result<(), LedgerError>, redb::Error> {
    match *change {
        Change::State(bytes) => {
            transaction.open_table(STATE)?.insert("gateway", bytes)?;
        }
        Change::Sealed { round, bytes } => return seal(transaction, round, bytes),
        Change::Answered { round, bytes } => {
            let mut answered = transaction.open_table(ANSWERED)?;
            if once(&mut answered, round, bytes)? == Once::Differs {
                return Ok(Err(LedgerError::AnswerReused { round }));
            }
        }
        Change::AnsweredRoster {
            round,
            notification,
            roster,
            bytes,
        } => {
            let mut table = transaction.open_table(ANSWERED_ROSTERS)?;
            match answer_once(&mut table, round, notification, roster, bytes)? {
                Once::Differs => return Ok(Err(LedgerError::AnswerReused { round })),
                Once::Same | Once::New => {}
            }
        }
        Change::Evidence { round, bytes } => {
            // What proves the first lie about a round is enough, and is not overwritten.
            once(&mut transaction.open_table(EVIDENCE)?, round, bytes)?;
        }
        Change::Acknowledged {
            round,
            notification,
            time,
        } => {
            let mut table = transaction.open_table(ACKNOWLEDGED)?;
            table.insert((round.number(), notification.number()), time.millis())?;
        }
        Change::Border { border, bytes } => {
            let mut borders = transaction.open_table(BORDERS)?;
            borders.insert(border.millis(), bytes)?;
            bound(&mut borders, KEEP_BORDERS)?;
        }
        Change::Seen(time) => {
            let mut meta = transaction.open_table(META)?;
            meta.insert("last-seen", time.millis().to_be_bytes().as_slice())?;
        }
        Change::Sent(line) => {
            let mut sent = transaction.open_table(SENT)?;
            append(&mut sent, &line.encode(), KEEP_SENT)?;
        }
        Change::Dispatch(dispatch) => {
            let mut table = transaction.open_table(DISPATCHES)?;
            append(&mut table, &dispatch.encode(), MAX_DISPATCHES)?;
            if let Some(first) = days_before(transaction, dispatch.time, keep.consumer)? {
                forget(&mut table, |bytes| {
                    Dispatch::decode(bytes).is_none_or(|one| one.time < first)
                })?;
            }
        }
        Change::Line(book, line) => {
            let (table, days) = match book {
                Book::System => (SYSTEM, keep.system),
                Book::Calibration => (CALIBRATION, keep.calibration),
            };
            let mut table = transaction.open_table(table)?;
            append(&mut table, &line.encode(), MAX_LINES)?;
            if let Some(first) = days_before(transaction, line.time, days)? {
                forget(&mut table, |bytes| {
                    Line::decode(bytes).is_none_or(|one| one.time < first)
                })?;
            }
        }
        Change::Tariff { name, bytes } => {
            transaction.open_table(TARIFFS)?.insert(name, bytes)?;
        }
        Change::TariffPeriod { name, bytes } => {
            append_period(&mut transaction.open_table(PERIODS)?, name, bytes)?;
        }
    }
    Ok(Ok(()))
}

/// Writes the sealed frame of a round, which is entered thereby, and drops what lies far behind.
fn seal(
    transaction: &redb::WriteTransaction,
    round: Round,
    bytes: &[u8],
) -> Result<Result<(), LedgerError>, redb::Error> {
    let mut sealed = transaction.open_table(SEALED)?;
    match once(&mut sealed, round, bytes)? {
        Once::Same => return Ok(Ok(())),
        Once::Differs => return Ok(Err(LedgerError::RoundReused { round })),
        Once::New => {}
    }
    let mut meta = transaction.open_table(META)?;
    let last = meta.get("last-entered")?.map(|last| last.value().to_vec());
    let last = last
        .and_then(|last| last.try_into().ok())
        .map(u64::from_be_bytes);
    if let Some(last) = last
        && round.number() <= last
    {
        return Ok(Err(LedgerError::RoundPassed {
            round,
            last: Round::new(last),
        }));
    }
    meta.insert("last-entered", round.number().to_be_bytes().as_slice())?;
    let oldest = round.number().saturating_sub(KEEP_ROUNDS);
    sealed.retain_in(..oldest, |_, _| false)?;
    transaction
        .open_table(ANSWERED)?
        .retain_in(..oldest, |_, _| false)?;
    transaction
        .open_table(ANSWERED_ROSTERS)?
        .retain_in(..(oldest, 0, &[0; 32]), |_, _| false)?;
    transaction
        .open_table(ACKNOWLEDGED)?
        .retain_in(..(oldest, 0), |_, _| false)?;
    Ok(Ok(()))
}

#[derive(PartialEq, Eq)]
enum Once {
    New,
    Same,
    Differs,
}

/// Writes `bytes` for `round` unless something stands there.
fn once(
    table: &mut redb::Table<'_, u64, &[u8]>,
    round: Round,
    bytes: &[u8],
) -> Result<Once, redb::Error> {
    let stands = table
        .get(round.number())?
        .map(|stands| stands.value() == bytes);
    Ok(match stands {
        Some(true) => Once::Same,
        Some(false) => Once::Differs,
        None => {
            table.insert(round.number(), bytes)?;
            Once::New
        }
    })
}

/// Writes the answer to a roster, unless that roster has one, or share keys of the round were told:
/// after them nothing more is said about it, or self-mask and pads of one member could both come out.
fn answer_once(
    table: &mut redb::Table<'_, (u64, u8, &'static [u8; 32]), &'static [u8]>,
    round: Round,
    notification: Notification,
    roster: &[u8; 32],
    bytes: &[u8],
) -> Result<Once, redb::Error> {
    let (first, last) = (
        (round.number(), 0, &[0; 32]),
        (round.number(), u8::MAX, &[u8::MAX; 32]),
    );
    for stands in table.range(first..=last)? {
        let (key, value) = stands?;
        let (_, earlier, of) = key.value();
        if of == roster {
            let same = earlier == notification.number() && value.value() == bytes;
            return Ok(if same { Once::Same } else { Once::Differs });
        }
        if earlier == Notification::Reveal.number() {
            return Ok(Once::Differs);
        }
    }
    table.insert((round.number(), notification.number(), roster), bytes)?;
    Ok(Once::New)
}

/// Writes a row behind the last one, and drops the oldest beyond `keep`.
fn append(
    table: &mut redb::Table<'_, u64, &'static [u8]>,
    bytes: &[u8],
    keep: u64,
) -> Result<(), redb::Error> {
    let next = table
        .last()?
        .map_or(1, |(number, _)| number.value().saturating_add(1));
    table.insert(next, bytes)?;
    bound(table, keep)
}

/// Drops the oldest rows as long as they are `old`: in a clock's disorder rather too few.
fn forget(
    table: &mut redb::Table<'_, u64, &'static [u8]>,
    old: impl Fn(&[u8]) -> bool,
) -> Result<(), redb::Error> {
    while table.first()?.is_some_and(|(_, bytes)| old(bytes.value())) {
        table.pop_first()?;
    }
    Ok(())
}

/// Until when what was written is old. By the last time that was found plausible: a clock that shows
/// another century for a moment would take the logbooks with it. `None` before there was one.
fn days_before(
    transaction: &redb::WriteTransaction,
    time: UnixTime,
    days: u64,
) -> Result<Option<UnixTime>, redb::Error> {
    const DAY: u64 = 86_400_000;
    let seen = last_seen(&transaction.open_table(META)?)?;
    Ok(seen.map(|seen| seen.min(time).minus_millis(days.saturating_mul(DAY))))
}

/// The latest time that was found plausible.
fn last_seen(
    meta: &impl redb::ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<UnixTime>, redb::Error> {
    let bytes = meta.get("last-seen")?.map(|bytes| bytes.value().to_vec());
    let millis = bytes.and_then(|bytes| bytes.try_into().ok());
    Ok(millis.map(|millis| UnixTime::from_millis(u64::from_be_bytes(millis))))
}

/// Drops the oldest rows beyond `keep`.
fn bound(table: &mut redb::Table<'_, u64, &[u8]>, keep: u64) -> Result<(), redb::Error> {
    while table.len()? > keep {
        table.pop_first()?;
    }
    Ok(())
}

/// Writes a period behind those that its tariff has, and drops the oldest of too many.
fn append_period(
    table: &mut redb::Table<'_, (&'static str, u64), &'static [u8]>,
    name: &str,
    bytes: &[u8],
) -> Result<(), redb::Error> {
    let mut numbers = Vec::new();
    for period in table.range((name, 0)..=(name, u64::MAX))? {
        numbers.push(period?.0.value().1);
    }
    let next = numbers.last().map_or(1, |last| last.saturating_add(1));
    table.insert((name, next), bytes)?;
    let surplus = (numbers.len() + 1).saturating_sub(KEEP_PERIODS);
    for number in numbers.into_iter().take(surplus) {
        table.remove((name, number))?;
    }
    Ok(())
}
