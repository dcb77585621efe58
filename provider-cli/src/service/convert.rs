//! Between the records of the pure core and the rows of the store.

use dcnet_protocol::codec::{DecodeError, Wire};
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{
    CorrectionRecord, EpochRecord, FrameRecord, MemberRecord, Record, RoundOutcome, Snapshot,
};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::superposition::Superposition;

use crate::store::{
    Batch, CorrectionRow, DeliveryRow, EpochRow, FrameRow, MemberRow, OutcomeRow, Restored,
    StoreError,
};

/// Adds `record` to `batch`; `sequence` gives the next number in an addressee's inbox.
pub(super) fn add(
    batch: &mut Batch,
    net: NetId,
    record: Record,
    sequence: impl FnOnce(dcnet_protocol::names::ClientId) -> u64,
) {
    match record {
        Record::Member(member) => {
            batch.members.push(MemberRow {
                net,
                client: member.client,
                record: member.encode(),
            });
        }
        Record::Epoch(epoch) => batch.epochs.push(EpochRow {
            net,
            epoch: epoch.epoch.number(),
            first_round: epoch.first_round.number(),
            record: epoch.encode(),
        }),
        Record::Frame(frame) => batch.frames.push(frame_row(net, &frame)),
        Record::Resent(frame) => batch.resent.push(frame_row(net, &frame)),
        Record::CorrectionOpened(correction) => batch.corrections.push(CorrectionRow {
            net,
            round: correction.round.number(),
            missing: correction.missing.encode(),
            asked: correction.asked.encode(),
        }),
        Record::Outcome(outcome) => batch.outcomes.push(OutcomeRow {
            net,
            round: outcome.round.number(),
            outcome: outcome.encode(),
        }),
        Record::Deliver { to, message } => batch.deliveries.push(DeliveryRow {
            net,
            client: to,
            sequence: sequence(to),
            message,
        }),
    }
}

/// What the core needs to go on from where the store is.
pub(super) fn snapshot(restored: &Restored) -> Result<Snapshot, StoreError> {
    let last: Option<RoundOutcome> = restored.last_outcome.as_deref().map(decode).transpose()?;
    Ok(Snapshot {
        members: restored
            .members
            .iter()
            .map(|row| decode::<MemberRecord>(&row.record))
            .collect::<Result<_, _>>()?,
        epochs: restored
            .epochs
            .iter()
            .map(|row| decode::<EpochRecord>(&row.record))
            .collect::<Result<_, _>>()?,
        frames: restored.frames.iter().map(frame_record).collect(),
        resent: restored.resent.iter().map(frame_record).collect(),
        corrections: restored
            .corrections
            .iter()
            .map(|row| {
                Ok(CorrectionRecord {
                    round: Round::new(row.round),
                    missing: decode(&row.missing)?,
                    asked: decode(&row.asked)?,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        last_final: last.map(|outcome| outcome.round),
    })
}

/// Decodes what this software has stored.
pub(super) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, StoreError> {
    T::decode(bytes).map_err(|error: DecodeError| StoreError::Corrupt(error.to_string()))
}

fn frame_row(net: NetId, frame: &FrameRecord) -> FrameRow {
    FrameRow {
        net,
        round: frame.round.number(),
        client: frame.client,
        epoch: frame.epoch.number(),
        transmission: frame.transmission,
        words: frame.words.words().iter().map(|word| word.get()).collect(),
        hash: frame.hash,
    }
}

fn frame_record(row: &FrameRow) -> FrameRecord {
    FrameRecord {
        round: Round::new(row.round),
        epoch: Epoch::new(row.epoch),
        client: row.client,
        transmission: row.transmission,
        words: Superposition::from_stored(&row.words),
        hash: row.hash,
    }
}
