//! Every sample file is a profile.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use dcnet_profiles::evaluation::{Absent, Method};
use dcnet_profiles::{Profile, profile};

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

#[test]
fn every_sample_is_read() {
    let samples = samples();
    assert!(samples.len() >= 3, "{samples:?}");
    for sample in samples {
        let profile = Profile::load(&sample).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            profile::load_evaluation(&sample).unwrap(),
            profile.evaluation
        );
    }
}

#[test]
fn defaults_are_the_safe_side() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let household = Profile::load(&catalog.join("household.yaml")).unwrap();
    assert_eq!(household.communication.accept.min_size, 100);
    assert!(!household.communication.accept.allow_resend);
    let methods: Vec<_> = household
        .evaluation
        .slots
        .iter()
        .map(|slot| slot.method)
        .collect();
    assert_eq!(methods, [Method::Advance, Method::Advance, Method::Value]);
    let absent: Vec<_> = household
        .evaluation
        .slots
        .iter()
        .map(|slot| slot.absent)
        .collect();
    assert_eq!(absent, [Absent::Missing, Absent::Zero, Absent::Missing]);
}

#[test]
fn relative_paths_begin_where_the_file_lies() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let prosumer = Profile::load(&catalog.join("prosumer.yaml")).unwrap();
    assert_eq!(prosumer.state, catalog.join("state"));
    assert_eq!(
        prosumer.communication.signature.key,
        catalog.join("sig.key")
    );
    let household = Profile::load(&catalog.join("household.yaml")).unwrap();
    assert_eq!(household.state, Path::new("/var/lib/dcnet-gateway"));
}

#[test]
fn both_ends_compute_the_same_layout() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let household = Profile::load(&catalog.join("household.yaml"))
        .unwrap()
        .evaluation;
    let net = household.layout();
    assert_eq!(household.matches(&net), Ok(()));
    let specs: Vec<_> = net
        .iter()
        .map(|slot| (slot.obis, slot.unit, slot.scale))
        .collect();
    assert_eq!(
        specs,
        [
            ([1, 0, 1, 8, 0, 255], 30, -1),
            ([1, 0, 2, 8, 0, 255], 30, -1),
            ([1, 0, 16, 7, 0, 255], 27, 0)
        ]
    );
    let prosumer = Profile::load(&catalog.join("prosumer.yaml"))
        .unwrap()
        .evaluation;
    assert_eq!(
        prosumer.matches(&net).unwrap_err().to_string(),
        "slot 1 of the net is 1-0:1.8.0*255 in Wh, scale -1, that of evaluation.slots is \
         1-0:1.8.0*255 in Wh, scale 0"
    );
    let laboratory = Profile::load(&catalog.join("laboratory.yaml"))
        .unwrap()
        .evaluation;
    assert_eq!(
        laboratory.matches(&net).unwrap_err().to_string(),
        "the net has 3 slots, evaluation.slots has 1; missing: 1-0:2.8.0*255 in Wh, scale -1, \
         1-0:16.7.0*255 in W, scale 0"
    );
    assert_eq!(
        household
            .matches(&laboratory.layout())
            .unwrap_err()
            .to_string(),
        "the net has 1 slots, evaluation.slots has 3"
    );
}
