//! What it takes when the members of a net change: the pure core, on one core.

use std::time::{Duration, Instant};

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::membership::MemberStatus;
use dcnet_protocol::provider::{Input, Provider, Record, Setup, Snapshot};
use dcnet_protocol::round::Round;

use crate::settings::{Mode, Pace, Settings};
use crate::world::{Keys, Region};

/// A quarter of an hour as `dcnet net create` lays it out, and an epoch that may change each round.
const PACE: Pace = Pace {
    interval: 900,
    submit: 60,
    correction: 60,
    epoch: 1,
};

/// What a border of an epoch takes.
pub(crate) struct Epochs {
    pub(crate) members: usize,
    /// Looking whether anything has changed when nothing has.
    pub(crate) same: Duration,
    /// A new epoch, announced to every member.
    pub(crate) other: Duration,
    /// Of its manifests.
    pub(crate) bytes: usize,
}

pub(crate) fn measure(settings: &Settings, keys: &Keys) -> Epochs {
    let region = Region::new(settings.net, settings.net, Mode::DoubleMask, &PACE, keys);
    let net = &region.nets[0];
    let first = Round::new(2_000_000);
    let mut seed = region.seed(net, first, keys);
    let schedule = net.descriptor.schedule();
    let setup = Setup {
        descriptor: net.descriptor.clone(),
        key: keys.provider.clone(),
        anchor: TrustAnchor::from_der(&keys.authority).unwrap(),
    };
    let mut times = Vec::new();
    let mut bytes = 0;
    for gone in [false, true] {
        if gone {
            seed.members[0].status = MemberStatus::Suspended;
        }
        let snapshot = Snapshot {
            members: seed.members.clone(),
            epochs: vec![seed.epoch.clone()],
            last_final: Some(first),
            ..Snapshot::default()
        };
        let mut provider = Provider::restore(setup.clone(), snapshot).unwrap();
        let begin = Instant::now();
        let decided = provider.handle(schedule.correction_deadline(first), Input::Tick);
        times.push(begin.elapsed());
        bytes = decided
            .records
            .iter()
            .map(|record| match record {
                Record::Deliver { message, .. } => message.len(),
                _ => 0,
            })
            .sum();
        assert_eq!(bytes > 0, gone, "manifests follow from a change");
    }
    Epochs {
        members: settings.net,
        same: times[0],
        other: times[1],
        bytes,
    }
}
