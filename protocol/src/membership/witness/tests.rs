use super::*;
use crate::codec::{DecodeError, Wire as _};
use crate::descriptor::{CorrectionMode, NetParameters, SlotSpec};
use crate::membership::checkpoint::Conflict;
use crate::membership::log::{Log, LogEntry};
use crate::merkle::ProofError;
use crate::round::Round;

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_999);

fn key(scalar: u8) -> SigningKey {
    SigningKey::from_scalar(&[scalar; 32]).unwrap()
}

fn descriptor() -> NetDescriptor {
    NetDescriptor::new(NetParameters {
        version: 1,
        net: "strehlen-7".parse().unwrap(),
        region: Vec::new(),
        interval_s: 900,
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
        provider_key: key(3).verifying_key().to_sec1(),
        ca_fingerprint: [1; 32],
    })
    .unwrap()
}

fn log(rounds: std::ops::Range<u64>) -> Log {
    let descriptor = descriptor();
    let mut log = Log::new(descriptor.net(), descriptor.hash());
    let client = "gw-1".parse().unwrap();
    for round in rounds.map(Round::new) {
        log.append(&LogEntry::Suspended { client, round });
    }
    log
}

fn name(text: &str) -> WitnessName {
    text.parse().unwrap()
}

fn fresh() -> Witnessed {
    Witnessed::new(descriptor(), LogFollower::new())
}

fn request(log: &Log, old_size: u64) -> CosignRequest {
    CosignRequest {
        old_size,
        path: log.consistency(old_size).unwrap_or_default(),
        checkpoint: log.head(&key(3)),
    }
}

fn ask(
    witness: &mut Witnessed,
    request: &CosignRequest,
) -> Result<Signed<Cosignature>, CosignError> {
    let before = witness.clone();
    let answer = witness.cosign(request, name("w-1"), &key(7), NOW);
    if answer.is_err() {
        assert_eq!(*witness, before, "a refusal changes nothing");
    }
    answer
}

#[test]
fn a_growing_log_is_cosigned_and_nothing_else() {
    let mut witness = fresh();
    let known = Witness {
        name: name("w-1"),
        key: key(7).verifying_key(),
    };
    for (old, size) in [(0, 0), (0, 4), (4, 4), (4, 5), (5, 31)] {
        let log = log(0..size);
        let cosignature = ask(&mut witness, &request(&log, old)).unwrap();
        known.verify(&cosignature, &log.checkpoint()).unwrap();
        assert_eq!(cosignature.unverified().time_s, 1_800_000_000);
        assert_eq!(witness.follower().size(), size);
    }
    let stored = witness.follower().encode();
    let follower = LogFollower::decode(&stored).unwrap();
    let mut restored = Witnessed::new(descriptor(), follower);
    assert_eq!(
        ask(&mut restored, &request(&log(0..8), 31)),
        Err(CosignError::Shrunk { size: 31, shown: 8 })
    );
    ask(&mut restored, &request(&log(0..32), 31)).unwrap();
}

#[test]
fn another_old_size_is_told_the_one_known() {
    let mut witness = fresh();
    ask(&mut witness, &request(&log(0..9), 0)).unwrap();
    for (old_size, size) in [(0, 9), (4, 12), (0, 12), (12, 12), (4, 6), (99, 12)] {
        let error = ask(&mut witness, &request(&log(0..size), old_size)).unwrap_err();
        assert_eq!(error, CosignError::OldSize { size: 9, old_size });
    }
    ask(&mut witness, &request(&log(0..12), 9)).unwrap();

    let mut path = request(&log(0..9), 4);
    path.checkpoint = log(0..9).head(&key(3));
    let error = ask(&mut fresh(), &path).unwrap_err();
    let (size, old_size) = (0, 4);
    assert_eq!(error, CosignError::OldSize { size, old_size });
}

#[test]
fn a_fork_is_evidence_whatever_the_old_size() {
    let mut witness = fresh();
    ask(&mut witness, &request(&log(0..9), 0)).unwrap();
    let other = log(1..10);
    for old_size in [9, 0, 4] {
        let error = ask(&mut witness, &request(&other, old_size)).unwrap_err();
        let conflict = Box::new(Conflict {
            known: log(0..9).head(&key(3)),
            shown: other.head(&key(3)),
        });
        assert_eq!(error, LogFault::Fork(conflict).into());
    }
}

#[test]
fn a_log_that_does_not_extend_is_not_cosigned() {
    let mut witness = fresh();
    ask(&mut witness, &request(&log(0..9), 0)).unwrap();
    let other = log(1..13);
    for path in [
        other.consistency(9).unwrap(),
        log(0..12).consistency(9).unwrap(),
        Path::default(),
    ] {
        let shown = CosignRequest {
            path,
            ..request(&other, 9)
        };
        let error = ask(&mut witness, &shown).unwrap_err();
        assert!(
            matches!(error, CosignError::Log(LogFault::NotExtended { .. })),
            "{error}"
        );
    }
}

#[test]
fn only_the_providers_checkpoints_of_the_net_are_cosigned() {
    let body = log(0..4).checkpoint();
    let with = |key: SigningKey, body| CosignRequest {
        old_size: 0,
        path: Path::default(),
        checkpoint: key.sign(body),
    };
    let got = "another-net".parse().unwrap();
    let hash = DescriptorHash::from_bytes([9; 32]);
    let size = u64::MAX;
    for (shown, expected) in [
        (
            with(key(4), body),
            LogFault::Signature(BadSignature {
                label: Checkpoint::LABEL,
            }),
        ),
        (
            with(key(3), Checkpoint { net: got, ..body }),
            LogFault::WrongNet { got },
        ),
        (
            with(
                key(3),
                Checkpoint {
                    descriptor: hash,
                    ..body
                },
            ),
            LogFault::WrongDescriptor,
        ),
        (
            with(key(3), Checkpoint { size, ..body }),
            LogFault::Impossible(ProofError::TooLarge),
        ),
    ] {
        assert_eq!(ask(&mut fresh(), &shown), Err(expected.into()));
    }
}

fn witness(number: u8) -> Witness {
    Witness {
        name: name(&format!("w-{number}")),
        key: key(number + 6).verifying_key(),
    }
}

fn cosign(number: u8, checkpoint: &Checkpoint) -> Signed<Cosignature> {
    key(number + 6).sign(Cosignature {
        witness: name(&format!("w-{number}")),
        net: checkpoint.net,
        descriptor: checkpoint.descriptor,
        size: checkpoint.size,
        root: checkpoint.root,
        time_s: 5,
    })
}

#[test]
fn a_quorum_names_distinct_witnesses() {
    let two = vec![witness(1), witness(2)];
    assert_eq!(Quorum::new(two.clone(), 2).unwrap().needed(), 2);
    assert_eq!(
        Quorum::new(two, 3),
        Err(QuorumError::TooFew {
            needed: 3,
            known: 2
        })
    );
    let twice = Witness {
        key: witness(2).key,
        ..witness(1)
    };
    assert_eq!(
        Quorum::new(vec![witness(1), twice], 1),
        Err(QuorumError::Name { name: name("w-1") })
    );
    let alias = Witness {
        name: name("w-3"),
        ..witness(1)
    };
    assert_eq!(
        Quorum::new(vec![witness(1), alias], 1),
        Err(QuorumError::Key {
            first: name("w-1"),
            second: name("w-3")
        })
    );
    let many: Vec<_> = (1..=33).map(witness).collect();
    assert_eq!(
        Quorum::new(many, 1),
        Err(QuorumError::TooMany { known: 33 })
    );
}

#[test]
fn only_distinct_known_witnesses_count() {
    let quorum = Quorum::new(vec![witness(1), witness(2)], 2).unwrap();
    let checkpoint = log(0..4).checkpoint();
    let count =
        |list: &[Signed<Cosignature>]| quorum.count(&checkpoint, &Cosignatures(list.to_vec()));
    let one = cosign(1, &checkpoint);
    let mut forged = *cosign(2, &checkpoint).unverified();
    let unsigned = key(7).sign(forged);
    forged.witness = name("w-1");
    let stolen = key(8).sign(forged);
    let other = cosign(2, &log(1..5).checkpoint());
    let older = cosign(2, &log(0..3).checkpoint());
    assert_eq!(count(&[]), 0);
    assert_eq!(count(&[one.clone(), one.clone()]), 1);
    for bad in [unsigned, stolen, other, older, cosign(3, &checkpoint)] {
        assert_eq!(count(&[bad.clone(), one.clone()]), 1);
        assert_eq!(count(&[bad, one.clone(), cosign(2, &checkpoint)]), 2);
    }
}

#[test]
fn an_answer_has_at_most_32() {
    let checkpoint = log(0..4).checkpoint();
    let mut all = Cosignatures::default();
    assert!((1..=32).all(|number| all.insert(cosign(number, &checkpoint))));
    assert!(!all.insert(cosign(33, &checkpoint)));
    assert!(all.insert(cosign(9, &log(0..5).checkpoint())));
    assert_eq!(all.iter().len(), 32);
    assert_eq!(Cosignatures::decode(&all.encode()), Ok(all.clone()));
    all.0.push(cosign(33, &checkpoint));
    assert!(matches!(
        Cosignatures::decode(&all.encode()),
        Err(DecodeError::Malformed(_))
    ));
}
