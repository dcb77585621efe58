//! What the benchmark of frame intake and tests need and no command offers: a net that is already running.

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::provider::{EpochRecord, MemberRecord, RoundOutcome};

use super::now;
use crate::store::{Batch, EpochRow, Location, MemberRow, NetRow, OutcomeRow, Store, StoreError};

/// A net with members and a key graph.
pub struct Seed {
    /// The net.
    pub descriptor: NetDescriptor,
    /// Certificate of its gateways' authority, DER.
    pub authority: Vec<u8>,
    /// Its members.
    pub members: Vec<MemberRecord>,
    /// The graph in force.
    pub epoch: EpochRecord,
    /// Final rounds.
    pub outcomes: Vec<RoundOutcome>,
}

/// Writes nets with their members into `store`; no server may run on it.
///
/// # Errors
/// [`StoreError`] if the store does not take them.
pub async fn seed(store: &Location, seeds: &[Seed]) -> Result<(), StoreError> {
    let store = Store::create_or_open(store).await?;
    let mut writer = store.writer().await?;
    for seed in seeds {
        let net = seed.descriptor.net();
        let row = NetRow {
            net,
            descriptor: seed.descriptor.encode(),
            authority: seed.authority.clone(),
            created: now().millis(),
        };
        writer.insert_net(&row).await?;
        let members = seed
            .members
            .iter()
            .map(|member| MemberRow {
                net,
                client: member.client,
                record: member.encode(),
            })
            .collect();
        let epoch = EpochRow {
            net,
            epoch: seed.epoch.epoch.number(),
            first_round: seed.epoch.first_round.number(),
            record: seed.epoch.encode(),
        };
        let outcomes = seed.outcomes.iter().map(|outcome| OutcomeRow {
            net,
            round: outcome.round.number(),
            outcome: outcome.encode(),
        });
        writer
            .commit(&[&Batch {
                members,
                epochs: vec![epoch],
                outcomes: outcomes.collect(),
                ..Batch::default()
            }])
            .await?;
    }
    writer.close().await;
    store.close().await;
    Ok(())
}
