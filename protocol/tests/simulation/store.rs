//! The provider's disk.

use std::collections::{BTreeMap, VecDeque};

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::message::{Delivery, Message};
use dcnet_protocol::names::ClientId;
use dcnet_protocol::provider::{FrameRecord, Record, RoundOutcome, Snapshot};

/// The provider's disk.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) snapshot: Snapshot,
    pub(crate) inboxes: BTreeMap<ClientId, (u64, VecDeque<Delivery>)>,
    pub(crate) outcomes: Vec<RoundOutcome>,
}

impl Store {
    pub(crate) fn apply(&mut self, record: Record) {
        let snapshot = &mut self.snapshot;
        let replace = |list: &mut Vec<FrameRecord>, frame: FrameRecord| {
            list.retain(|known| (known.round, known.client) != (frame.round, frame.client));
            list.push(frame);
        };
        match record {
            Record::Member(member) => {
                snapshot
                    .members
                    .retain(|known| known.client != member.client);
                snapshot.members.push(*member);
            }
            Record::KeyPackage(_) => {}
            Record::Epoch(epoch) => snapshot.epochs.push(epoch),
            Record::Frame(frame) => replace(&mut snapshot.frames, frame),
            Record::Resent(frame) => replace(&mut snapshot.resent, frame),
            Record::Order(order) => snapshot.orders.push(order),
            Record::CorrectionOpened(opened) => snapshot.corrections.push(opened),
            Record::Log(record) => {
                assert_eq!(
                    record.index,
                    snapshot.log.len() as u64,
                    "the log is append-only"
                );
                snapshot.log.push(record.entry);
            }
            Record::DrawList(list) => {
                snapshot
                    .draw_lists
                    .retain(|known| known.index >= list.oldest);
                snapshot.draw_lists.push(list);
            }
            Record::Roster(roster) => snapshot.rosters.push(roster),
            Record::Answer(answer) => snapshot.answers.push(answer),
            Record::Outcome(outcome) => {
                snapshot.frames.retain(|frame| frame.round != outcome.round);
                snapshot.resent.retain(|frame| frame.round != outcome.round);
                snapshot
                    .corrections
                    .retain(|opened| opened.round != outcome.round);
                snapshot
                    .answers
                    .retain(|answer| answer.round != outcome.round);
                snapshot
                    .rosters
                    .retain(|roster| roster.round >= outcome.round);
                snapshot.last_final = snapshot.last_final.max(Some(outcome.round));
                if std::env::var_os("DCNET_SIMULATION_LOG").is_some() {
                    println!("{outcome:?}");
                }
                self.outcomes.push(*outcome);
            }
            Record::Deliver { to, message } => {
                let (sequence, inbox) = self.inboxes.entry(to).or_default();
                *sequence += 1;
                let message = Message::decode(&message).unwrap();
                inbox.push_back(Delivery {
                    sequence: *sequence,
                    message,
                });
            }
        }
    }
}
