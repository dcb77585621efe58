//! Between the records of the pure core and the rows of the store.

use dcnet_protocol::codec::{DecodeError, Wire};
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{
    AnswerRecord, CorrectionRecord, DrawListRecord, EpochRecord, FrameRecord, MemberRecord,
    OrderRecord, Record, RosterRecord, Snapshot,
};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::superposition::Superposition;

use crate::store::{
    AnswerRow, Batch, CorrectionRow, DeliveryRow, DrawListRow, EpochRow, FrameRow, LogRow,
    MemberRow, OutcomeRow, PackageRow, Restored, RosterRow, StoreError, without_gaps,
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
        Record::KeyPackage(package) => {
            let hash = *package.unverified().hash().as_bytes();
            batch.packages.push(PackageRow {
                net,
                hash,
                package: package.encode(),
            });
        }
        // It stands in the answer to the order, which is written with it.
        Record::Order(_) => {}
        Record::Log(log) => batch.log.push(LogRow {
            net,
            index: log.index,
            entry: log.entry,
        }),
        Record::DrawList(list) => batch.draw_lists.push(DrawListRow {
            net,
            index: list.index,
            oldest: list.oldest,
            record: list.encode(),
        }),
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
        Record::Roster(roster) => batch.rosters.push(RosterRow {
            net,
            round: roster.round.number(),
            step: roster.step,
            roster: roster.roster.encode(),
        }),
        Record::Answer(answer) => batch.answers.push(AnswerRow {
            net,
            round: answer.round.number(),
            step: answer.step,
            client: answer.client,
            answer: answer.answer.encode(),
            hash: answer.hash,
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
    without_gaps(&restored.log)?;
    Ok(Snapshot {
        members: restored
            .members
            .iter()
            .map(|row| decode::<MemberRecord>(&row.record))
            .collect::<Result<_, _>>()?,
        log: restored.log.iter().map(|row| row.entry.clone()).collect(),
        draw_lists: restored
            .draw_lists
            .iter()
            .map(|record| decode::<DrawListRecord>(record))
            .collect::<Result<_, _>>()?,
        epochs: restored
            .epochs
            .iter()
            .map(|row| decode::<EpochRecord>(&row.record))
            .collect::<Result<_, _>>()?,
        orders: restored
            .orders
            .iter()
            .filter(|row| !row.record.is_empty())
            .map(|row| decode::<OrderRecord>(&row.record))
            .collect::<Result<_, _>>()?,
        frames: frame_records(&restored.frames)?,
        resent: frame_records(&restored.resent)?,
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
        rosters: restored
            .rosters
            .iter()
            .map(|row| {
                Ok(RosterRecord {
                    round: Round::new(row.round),
                    step: row.step,
                    roster: decode(&row.roster)?,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        answers: restored
            .answers
            .iter()
            .map(|row| {
                Ok(AnswerRecord {
                    round: Round::new(row.round),
                    step: row.step,
                    client: row.client,
                    answer: decode(&row.answer)?,
                    hash: row.hash,
                })
            })
            .collect::<Result<_, StoreError>>()?,
        last_final: restored.last_final.map(Round::new),
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
        mask: frame.mask.as_ref().map(Wire::encode),
        hash: frame.hash,
    }
}

fn frame_records(rows: &[FrameRow]) -> Result<Vec<FrameRecord>, StoreError> {
    rows.iter().map(frame_record).collect()
}

fn frame_record(row: &FrameRow) -> Result<FrameRecord, StoreError> {
    Ok(FrameRecord {
        round: Round::new(row.round),
        epoch: Epoch::new(row.epoch),
        client: row.client,
        transmission: row.transmission,
        words: Superposition::from_stored(&row.words),
        mask: row.mask.as_deref().map(decode).transpose()?,
        hash: row.hash,
    })
}
