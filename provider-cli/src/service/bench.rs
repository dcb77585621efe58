//! What benchmarks and tests need and no command offers: a net that is already running, and rounds that
//! ended without gateways.

mod direct;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::membership::log::LogEntry;
use dcnet_protocol::names::{ClientId, ClientSet, NetId};
use dcnet_protocol::provider::{EpochRecord, MemberRecord, RoundOutcome, RoundStatus};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::Signed;
use dcnet_protocol::superposition::Superposition;

pub use direct::{Direct, DirectError};

use super::now;
use crate::store::{
    Batch, EpochRow, Location, LogRow, MemberRow, NetRow, OutcomeRow, RosterRow, Store, StoreError,
};

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
        writer.insert_net(&row, None).await?;
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

/// Writes what a server writes of a net besides: entries of its membership log, the first of which gets the
/// index `from`, and rosters.
///
/// # Errors
/// [`StoreError`] if the store does not take them.
pub async fn record(
    store: &Location,
    net: NetId,
    (from, log): (u64, &[LogEntry]),
    rosters: &[Signed<Roster>],
) -> Result<(), StoreError> {
    let store = Store::open(store).await?;
    let mut writer = store.writer().await?;
    let entries = (from..).zip(log).map(|(index, entry)| LogRow {
        net,
        index,
        entry: entry.encode(),
    });
    let rosters = rosters.iter().map(|roster| RosterRow {
        net,
        round: roster.unverified().round().number(),
        step: roster.unverified().step(),
        roster: roster.encode(),
    });
    let batch = Batch {
        log: entries.collect(),
        rosters: rosters.collect(),
        ..Batch::default()
    };
    let committed = writer.commit(&[&batch]).await;
    writer.close().await;
    store.close().await;
    committed
}

/// How a round ended.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The round.
    pub round: u64,
    /// Whether there is a sum.
    pub status: RoundStatus,
    /// The sums, one per slot; none for a round that failed.
    pub sums: Option<Vec<i64>>,
    /// Whose readings are in them.
    pub contributors: Vec<ClientId>,
    /// Who was missing.
    pub missing: Vec<ClientId>,
}

/// Writes a net without members into `store`.
///
/// # Errors
/// [`StoreError`] if the store does not take it.
pub async fn create(store: &Location, descriptor: &NetDescriptor) -> Result<(), StoreError> {
    let store = Store::create_or_open(store).await?;
    let mut writer = store.writer().await?;
    let row = NetRow {
        net: descriptor.net(),
        descriptor: descriptor.encode(),
        authority: Vec::new(),
        created: now().millis(),
    };
    let inserted = writer.insert_net(&row, None).await;
    writer.close().await;
    store.close().await;
    inserted
}

/// Writes the ends of rounds of a net into `store`, all at once.
///
/// # Errors
/// [`StoreError`] if the store does not take them.
pub async fn finish(
    store: &Location,
    descriptor: &NetDescriptor,
    endings: &[Ending],
) -> Result<(), StoreError> {
    let store = Store::open(store).await?;
    let mut writer = store.writer().await?;
    let outcomes = endings
        .iter()
        .map(|ending| OutcomeRow {
            net: descriptor.net(),
            round: ending.round,
            outcome: outcome(ending).encode(),
        })
        .collect();
    let batch = Batch {
        outcomes,
        ..Batch::default()
    };
    let committed = writer.commit(&[&batch]).await;
    writer.close().await;
    store.close().await;
    committed
}

fn outcome(ending: &Ending) -> RoundOutcome {
    let set = |names: &[ClientId]| names.iter().copied().collect::<ClientSet>();
    let members = ending.contributors.len() + ending.missing.len();
    RoundOutcome {
        round: Round::new(ending.round),
        epoch: Epoch::new(1),
        status: ending.status,
        sum: ending.sums.as_ref().map(|sums| {
            let words: Vec<u64> = sums.iter().map(|sum| sum.cast_unsigned()).collect();
            Superposition::from_stored(&words)
        }),
        contributors: set(&ending.contributors),
        silent: ClientSet::default(),
        missing: set(&ending.missing),
        members: u32::try_from(members).unwrap_or(u32::MAX),
        wrong_shares: Vec::new(),
        unrecovered: ClientSet::default(),
    }
}
