//! What the log says of a net.

use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{OrderEffect, Record, RoundOutcome};

/// One line per change that a person may ask about; never contents.
pub(super) fn record(net: NetId, record: &Record) {
    match record {
        Record::Member(member) => {
            tracing::info!(%net, client = %member.client, status = %member.status, "member");
        }
        Record::Epoch(epoch) => {
            let (epoch, first, members) = (epoch.epoch, epoch.first_round, epoch.members.len());
            tracing::info!(%net, %epoch, first_round = %first, members, "epoch");
        }
        Record::DrawList(list) => {
            let (index, members) = (list.index, list.leaves.len());
            tracing::info!(%net, round = %list.round, index, members, "draw list");
        }
        Record::CorrectionOpened(correction) => {
            let (round, missing) = (correction.round, correction.missing.len());
            tracing::info!(%net, %round, missing, asked = correction.asked.len(), "correction");
        }
        Record::Roster(roster) => {
            let (round, step) = (roster.round, roster.step);
            let body = roster.roster.unverified();
            let (present, reveal) = (body.present().count(), body.reveal());
            tracing::info!(%net, %round, step, present, reveal, "roster");
        }
        Record::Order(order) => {
            let round = order.round;
            match order.effect {
                OrderEffect::Barred(client) => {
                    tracing::warn!(%net, %client, %round, "member suspended by an operator");
                }
                OrderEffect::Lifted(client) => {
                    tracing::info!(%net, %client, %round, "member resumed by an operator");
                }
                OrderEffect::Closed => tracing::warn!(%net, %round, "net closed by an operator"),
            }
        }
        Record::Outcome(ended) => outcome(net, ended),
        Record::KeyPackage(_)
        | Record::Log(_)
        | Record::Frame(_)
        | Record::Resent(_)
        | Record::Answer(_)
        | Record::Deliver { .. } => {}
    }
}

fn outcome(net: NetId, outcome: &RoundOutcome) {
    let (round, status) = (outcome.round, outcome.status.as_str());
    let contributors = outcome.contributors.len();
    tracing::info!(%net, %round, status, contributors, "round is final");
    let (wrong, unrecovered) = (outcome.wrong_shares.len(), outcome.unrecovered.len());
    if wrong + unrecovered > 0 {
        tracing::warn!(%net, %round, wrong, unrecovered, "shares of self-masks did not fit or were missing");
    }
}
