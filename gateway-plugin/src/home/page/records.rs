//! The logbooks as they are given out: what the page's API answers and what `logbook` prints.

use dcnet_obis::ScaledInteger;
use dcnet_profiles::evaluation::Slot;
use dcnet_protocol::message::frame_hash;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::UnixTime;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hex::hex;
use crate::ledger::{Book, Dispatch, Hidden, LedgerError, Line, Matter, Outcome, SentEntry, View};

/// Most records that are given out at once.
pub(crate) const MOST: usize = 1_000;
/// Most bytes of messages that are given out at once: a gateway has little memory.
const MOST_BYTES: usize = 512 * 1024;

/// The logbooks of TR-03109-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Logbook {
    /// What the daemon did and what failed
    #[default]
    System,
    /// What left the house, byte for byte, and what it hid
    Consumer,
    /// What bears on whether values are right
    Calibration,
}

impl Logbook {
    /// Its name in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Consumer => "consumer",
            Self::Calibration => "calibration",
        }
    }
}

/// Which records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extract {
    pub(crate) book: Logbook,
    /// Those before this number.
    pub(crate) before: Option<u64>,
    /// At most so many, the newest.
    pub(crate) limit: usize,
    /// Messages with their bytes.
    pub(crate) bytes: bool,
}

/// A line of a logbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Record {
    /// Of the consumer's log.
    Message(Box<MessageRecord>),
    /// Of the two others.
    Line(LineRecord),
}

impl Record {
    /// Its number: the greater, the newer.
    pub(crate) const fn number(&self) -> u64 {
        match self {
            Self::Message(record) => record.number,
            Self::Line(record) => record.number,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LineRecord {
    pub(crate) number: u64,
    /// RFC 3339, UTC.
    pub(crate) time: String,
    pub(crate) unix_ms: u64,
    /// info, warning, error.
    pub(crate) gravity: String,
    /// A stable name.
    pub(crate) event: String,
    pub(crate) text: String,
}

/// What left the house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageRecord {
    pub(crate) number: u64,
    /// RFC 3339, UTC: when it was written down, right before it left.
    pub(crate) time: String,
    pub(crate) unix_ms: u64,
    /// The notification of a frame, or `envelope`: register, entered, exiting, resend, transmit, pads,
    /// reveal.
    pub(crate) what: String,
    /// Of a frame: its round.
    pub(crate) round: Option<u64>,
    /// Of an envelope: the neighbour that it is sealed for.
    pub(crate) to: Option<String>,
    /// Size of the message in bytes.
    pub(crate) size: usize,
    /// SHA-256 of the message.
    pub(crate) sha256: String,
    /// The message, in hexadecimal digits, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<String>,
    /// What became of it each time that it was sent, the first first.
    pub(crate) outcomes: Vec<OutcomeRecord>,
    /// What it hid, if it is a superposition.
    pub(crate) hidden: Option<HiddenRecord>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutcomeRecord {
    pub(crate) time: String,
    pub(crate) unix_ms: u64,
    /// The provider's address.
    pub(crate) recipient: String,
    /// acknowledged, refused, unanswered.
    pub(crate) outcome: String,
}

/// What a superposition hid, and among how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HiddenRecord {
    /// One for each slot; `None`: there was no reading, and the frame says so, masked as well.
    pub(crate) reading: Option<Vec<SlotRecord>>,
    /// Members of the sum at most.
    pub(crate) members: u32,
    /// Neighbours whose pads mask it.
    pub(crate) neighbours: u32,
}

/// The value of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotRecord {
    /// The code under which the net sums it.
    pub(crate) obis: String,
    pub(crate) unit: String,
    /// A decimal in that unit, exact.
    pub(crate) value: String,
    /// The word of the frame.
    pub(crate) word: i64,
}

/// Reads records, the newest first; fewer than asked for if there are no more or if their bytes are too
/// many.
///
/// # Errors
///
/// The ledger cannot be read.
pub(crate) fn read(
    view: &View,
    slots: &[Slot],
    extract: &Extract,
) -> Result<Vec<Record>, LedgerError> {
    let Extract {
        book,
        before,
        limit,
        bytes,
    } = *extract;
    let limit = limit.min(MOST);
    let book = match book {
        Logbook::System => Book::System,
        Logbook::Calibration => Book::Calibration,
        Logbook::Consumer => return messages(view, slots, before, limit, bytes),
    };
    let lines = view.lines(book, before, limit)?.into_iter();
    Ok(lines
        .map(|(number, line)| Record::Line(LineRecord::new(number, line)))
        .collect())
}

fn messages(
    view: &View,
    slots: &[Slot],
    before: Option<u64>,
    limit: usize,
    bytes: bool,
) -> Result<Vec<Record>, LedgerError> {
    let dispatches = view.dispatches(before, limit)?;
    // Not that of the last one: the clock may have been set in between.
    let Some(oldest) = dispatches.iter().map(|(_, one)| one.time).min() else {
        return Ok(Vec::new());
    };
    let frames = dispatches.iter().map(|(_, one)| frame_hash(&one.bytes));
    let mut outcomes = view.outcomes(oldest, &frames.collect())?;
    let mut left = MOST_BYTES;
    let mut records = Vec::new();
    for (number, dispatch) in dispatches {
        if bytes && !records.is_empty() && dispatch.bytes.len() > left {
            break;
        }
        left = left.saturating_sub(dispatch.bytes.len());
        let hash = frame_hash(&dispatch.bytes);
        let outcomes = outcomes.remove(&hash).unwrap_or_default();
        let record = MessageRecord::new(number, &dispatch, &hash, &outcomes, slots, bytes);
        records.push(Record::Message(Box::new(record)));
    }
    Ok(records)
}

impl LineRecord {
    fn new(number: u64, line: Line) -> Self {
        Self {
            number,
            time: rfc_3339(line.time),
            unix_ms: line.time.millis(),
            gravity: line.gravity.name().to_owned(),
            event: line.event,
            text: line.text,
        }
    }
}

impl MessageRecord {
    fn new(
        number: u64,
        dispatch: &Dispatch,
        hash: &[u8; 32],
        outcomes: &[SentEntry],
        slots: &[Slot],
        bytes: bool,
    ) -> Self {
        let (what, round, to) = match dispatch.matter {
            Matter::Frame {
                notification,
                round,
            } => (name(notification), Some(round.number()), None),
            Matter::Envelope { to } => ("envelope", None, Some(to.to_string())),
        };
        let hidden = dispatch.hidden.as_ref();
        Self {
            number,
            time: rfc_3339(dispatch.time),
            unix_ms: dispatch.time.millis(),
            what: what.to_owned(),
            round,
            to,
            size: dispatch.bytes.len(),
            sha256: hex(hash),
            bytes: bytes.then(|| hex(&dispatch.bytes)),
            outcomes: outcomes.iter().map(OutcomeRecord::new).collect(),
            hidden: hidden.map(|hidden| HiddenRecord::new(hidden, slots)),
        }
    }
}

impl OutcomeRecord {
    fn new(entry: &SentEntry) -> Self {
        let outcome = match entry.outcome {
            Outcome::Acknowledged => "acknowledged",
            Outcome::Refused => "refused",
            Outcome::Unanswered => "unanswered",
        };
        Self {
            time: rfc_3339(entry.time),
            unix_ms: entry.time.millis(),
            recipient: entry.recipient.clone(),
            outcome: outcome.to_owned(),
        }
    }
}

impl HiddenRecord {
    fn new(hidden: &Hidden, slots: &[Slot]) -> Self {
        let reading = hidden.values.as_ref().map(|values| {
            // The slots are the net's, and a net never changes them.
            let pairs = values.iter().zip(slots);
            pairs
                .map(|(word, slot)| SlotRecord {
                    obis: slot.code().short(),
                    unit: slot.word_unit().to_string(),
                    value: ScaledInteger::new((*word).into(), slot.word_scale()).to_string(),
                    word: *word,
                })
                .collect()
        });
        Self {
            reading,
            members: hidden.members,
            neighbours: hidden.neighbours,
        }
    }
}

const fn name(notification: Notification) -> &'static str {
    match notification {
        Notification::Register => "register",
        Notification::Entered => "entered",
        Notification::Exiting => "exiting",
        Notification::Resend => "resend",
        Notification::Transmit => "transmit",
        Notification::Pads => "pads",
        Notification::Reveal => "reveal",
    }
}

fn rfc_3339(time: UnixTime) -> String {
    let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_with_milliseconds() {
        let time = UnixTime::from_millis(1_800_000_000_050);
        assert_eq!(rfc_3339(time), "2027-01-15T08:00:00.050Z");
        assert_eq!(rfc_3339(UnixTime::from_millis(u64::MAX)).len(), 24);
    }
}
