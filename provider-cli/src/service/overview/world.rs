//! Stores that are full before they are looked at.

use std::path::Path;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor, NetParameters, SlotSpec};
use dcnet_protocol::key_agreement::KeyPackageHash;
use dcnet_protocol::names::ClientSet;
use dcnet_protocol::provider::{EpochMember, EpochRecord, RoundOutcome, RoundStatus};
use dcnet_protocol::round::{Epoch, Round};
use dcnet_protocol::signature::{Signed, SigningKey, Statement};
use dcnet_protocol::superposition::Superposition;
use jiff::Timestamp;

use super::{Extras, Overview};
use crate::pki::create_provider;
use crate::service::bench::{Seed, seed};
use crate::store::Store;

pub(crate) use crate::store::Location;
pub(crate) use crate::store::testing::on_both;

/// A quarter of an hour.
pub(crate) const INTERVAL: u64 = 900;

/// A store that is filled before it is looked at.
pub(crate) struct World {
    store: Location,
    folder: tempfile::TempDir,
    key: SigningKey,
}

impl World {
    /// With a file.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = create_provider(folder.path(), &["localhost".to_owned()], 2).unwrap();
        let pem = std::fs::read_to_string(files.signing_key).unwrap();
        Self {
            store: folder.path().join("store.sqlite3").into(),
            folder,
            key: SigningKey::from_pkcs8_pem(&pem).unwrap(),
        }
    }

    /// With a store at `store`, where there is none yet.
    pub(crate) fn at(store: Location) -> Self {
        Self {
            store,
            ..Self::new()
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The provider's word.
    pub(crate) fn sign<T: Statement>(&self, statement: T) -> Signed<T> {
        self.key.sign(statement)
    }

    /// A net of `members` whose rounds are `outcomes`.
    pub(crate) fn net(
        &self,
        name: &str,
        region: &str,
        members: u32,
        outcomes: Vec<RoundOutcome>,
    ) -> Seed {
        let parameters = NetParameters {
            version: 1,
            net: name.parse().unwrap(),
            region: region.as_bytes().to_vec(),
            interval_s: u32::try_from(INTERVAL).unwrap(),
            submit_window_s: 60,
            correction_window_s: 60,
            slots: vec![SlotSpec {
                obis: [1, 0, 1, 8, 0, 255],
                unit: 30,
                scale: 0,
            }],
            min_size: 4,
            out_degree: 3,
            threshold: 2,
            max_loss_permille: 50,
            correction_mode: CorrectionMode::DoubleMask,
            epoch_length: 1,
            provider_key: self.key.verifying_key().to_sec1(),
            ca_fingerprint: [7; 32],
        };
        let member = |number: u32| EpochMember {
            client: format!("gw-{number:03}").parse().unwrap(),
            package: KeyPackageHash::decode(&[7; 32]).unwrap(),
            neighbours: [].into_iter().collect(),
            holders: ClientSet::default(),
        };
        let first = outcomes
            .first()
            .map_or(Round::new(1), |outcome| outcome.round);
        Seed {
            descriptor: NetDescriptor::new(parameters).unwrap(),
            authority: Vec::new(),
            members: Vec::new(),
            epoch: EpochRecord::new(Epoch::new(1), first, (0..members).map(member).collect()),
            outcomes,
        }
    }

    pub(crate) async fn overview(&self, seeds: &[Seed], extras: Extras) -> Overview {
        seed(&self.store, seeds).await.unwrap();
        Overview::new(Store::open(&self.store).await.unwrap(), extras)
    }
}

pub(crate) fn berlin() -> Extras {
    Extras::load("Europe/Berlin", None, None).unwrap()
}

/// A round with the sum of five readings, `value` Wh.
pub(crate) fn outcome(round: u64, status: RoundStatus, value: u64) -> RoundOutcome {
    let clients = |count: u32| -> ClientSet {
        (0..count)
            .map(|number| format!("gw-{number:03}").parse().unwrap())
            .collect()
    };
    let is_success = status.is_success();
    RoundOutcome {
        round: Round::new(round),
        epoch: Epoch::new(1),
        status,
        sum: is_success.then(|| Superposition::from_stored(&[value])),
        contributors: clients(if is_success { 5 } else { 0 }),
        silent: ClientSet::default(),
        missing: ClientSet::default(),
        members: 5,
        wrong_shares: Vec::new(),
        unrecovered: ClientSet::default(),
    }
}

pub(crate) fn second(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_second()
}

/// Number of the round that begins at `time`.
pub(crate) fn round(time: &str) -> u64 {
    u64::try_from(second(time)).unwrap() / INTERVAL
}

/// Nine local days up to the end of the one that has 25 hours, 27 October 2024. The sums count the rounds.
/// On the last day 01:00 is corrected, 02:00 (the second) failed, and of 03:00 and 03:15 nothing is there.
pub(crate) fn days() -> Vec<RoundOutcome> {
    let first = round("2024-10-18T22:00:00Z");
    let end = round("2024-10-27T23:00:00Z");
    let corrected = round("2024-10-26T23:00:00Z");
    let failed = round("2024-10-27T01:00:00Z");
    let missing = round("2024-10-27T02:00:00Z");
    let rounds = (first..end).filter(|round| !(missing..missing + 2).contains(round));
    rounds
        .map(|round| {
            let status = if round == corrected {
                RoundStatus::Corrected
            } else if round == failed {
                RoundStatus::SharesMissing
            } else {
                RoundStatus::Complete
            };
            outcome(round, status, round - first)
        })
        .collect()
}
