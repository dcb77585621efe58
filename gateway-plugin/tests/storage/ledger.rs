//! The ledger: its rules, who may use it, and what is left after every failure of the storage.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use dcnet_gateway::ledger::{
    Binding, Change, Ledger, LedgerError, Outcome, SentEntry, StateDirectory, is_running,
};
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use proptest::prelude::*;

use crate::support::disk::{Disk, Fault};

fn sealed(round: u64, bytes: &[u8]) -> Change<'_> {
    Change::Sealed {
        round: Round::new(round),
        bytes,
    }
}

#[test]
fn a_round_has_one_frame_ever() {
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    ledger.commit(&[sealed(7, b"first")]).unwrap();
    ledger.commit(&[sealed(7, b"first")]).unwrap(); // a retry is no second frame
    assert!(matches!(
        ledger.commit(&[sealed(7, b"second")]),
        Err(LedgerError::RoundReused { round }) if round == Round::new(7)
    ));
    assert_eq!(ledger.sealed(Round::new(7)).unwrap().unwrap(), b"first");
}

#[test]
fn no_round_before_the_last_one_is_entered() {
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    ledger.commit(&[sealed(9, b"x")]).unwrap();
    assert!(matches!(
        ledger.commit(&[sealed(8, b"y")]),
        Err(LedgerError::RoundPassed { .. })
    ));
    assert_eq!(ledger.last_entered().unwrap(), Some(Round::new(9)));
    assert_eq!(ledger.sealed(Round::new(8)).unwrap(), None);
    ledger.commit(&[sealed(10, b"z")]).unwrap();
}

#[test]
fn a_refused_change_takes_its_transaction_along() {
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    ledger
        .commit(&[Change::State(b"before"), sealed(9, b"x")])
        .unwrap();
    ledger
        .commit(&[Change::State(b"after"), sealed(8, b"y")])
        .unwrap_err();
    assert_eq!(ledger.state().unwrap().unwrap().as_slice(), b"before");
}

#[test]
fn a_correction_has_one_answer_ever() {
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    let answer = |bytes| Change::Answered {
        round: Round::new(7),
        bytes,
    };
    ledger.commit(&[answer(b"first")]).unwrap();
    ledger.commit(&[answer(b"first")]).unwrap();
    assert!(matches!(
        ledger.commit(&[answer(b"second")]),
        Err(LedgerError::AnswerReused { .. })
    ));
}

#[test]
fn a_roster_has_one_answer_ever_and_share_keys_end_a_round() {
    use Notification::{Pads, Reveal};
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    let answer = |round, notification, roster: &'static [u8; 32], bytes| {
        ledger.commit(&[Change::AnsweredRoster {
            round: Round::new(round),
            notification,
            roster,
            bytes,
        }])
    };
    let refused = |outcome| matches!(outcome, Err(LedgerError::AnswerReused { .. }));
    answer(7, Pads, &[1; 32], b"pads").unwrap();
    answer(7, Pads, &[1; 32], b"pads").unwrap(); // sent again, it is no second answer
    assert!(refused(answer(7, Pads, &[1; 32], b"others")));
    assert!(refused(answer(7, Reveal, &[1; 32], b"keys")));
    // The next step of the same round is another roster.
    answer(7, Pads, &[2; 32], b"more pads").unwrap();
    answer(7, Reveal, &[3; 32], b"keys").unwrap();
    answer(7, Reveal, &[3; 32], b"keys").unwrap();
    for notification in [Pads, Reveal] {
        assert!(refused(answer(7, notification, &[0; 32], b"late")));
        assert!(refused(answer(7, notification, &[4; 32], b"late")));
    }
    // What was answered before the share keys were told may be sent again.
    answer(7, Pads, &[1; 32], b"pads").unwrap();
    answer(8, Pads, &[4; 32], b"pads").unwrap();
    let stands = |notification, roster: &[u8; 32]| {
        ledger.answered_roster(Round::new(7), notification, roster)
    };
    assert_eq!(stands(Pads, &[2; 32]).unwrap().unwrap(), b"more pads");
    assert_eq!(stands(Reveal, &[3; 32]).unwrap().unwrap(), b"keys");
    assert_eq!(stands(Reveal, &[4; 32]).unwrap(), None);
}

#[test]
fn evidence_stays_as_it_came_up_first() {
    let disk = Disk::default();
    let ledger = Ledger::with_backend(disk.clone()).unwrap();
    let evidence = |round, bytes| Change::Evidence {
        round: Round::new(round),
        bytes,
    };
    ledger.commit(&[evidence(9, b"nine")]).unwrap();
    ledger.commit(&[evidence(7, b"seven")]).unwrap();
    ledger
        .commit(&[Change::State(b"state"), evidence(9, b"more")])
        .unwrap();
    // It does not make room for later rounds.
    for round in 10..400 {
        ledger.commit(&[sealed(round, b"x")]).unwrap();
    }
    drop(ledger);
    let ledger = Ledger::with_backend(disk.after_power_loss()).unwrap();
    let expected = [(7, b"seven".to_vec()), (9, b"nine".to_vec())]
        .map(|(round, bytes)| (Round::new(round), bytes));
    assert_eq!(ledger.evidence().unwrap(), expected);
    assert_eq!(ledger.state().unwrap().unwrap().as_slice(), b"state");
}

#[test]
fn old_rounds_make_room_but_are_never_entered_again() {
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    for round in 0..400 {
        ledger
            .commit(&[
                sealed(round, &round.to_be_bytes()),
                Change::AnsweredRoster {
                    round: Round::new(round),
                    notification: Notification::Reveal,
                    roster: &[7; 32],
                    bytes: b"keys",
                },
            ])
            .unwrap();
    }
    assert_eq!(ledger.sealed(Round::new(0)).unwrap(), None);
    let answer = |round| ledger.answered_roster(Round::new(round), Notification::Reveal, &[7; 32]);
    assert_eq!(answer(399 - 193).unwrap(), None);
    assert!(answer(399 - 192).unwrap().is_some());
    assert!(ledger.sealed(Round::new(399 - 192)).unwrap().is_some());
    assert!(matches!(
        ledger.commit(&[sealed(0, b"again")]),
        Err(LedgerError::RoundPassed { .. })
    ));
}

#[test]
fn everything_is_found_again_after_a_restart() {
    let disk = Disk::default();
    let ledger = Ledger::with_backend(disk.clone()).unwrap();
    let (time, round) = (UnixTime::from_millis(123_456), Round::new(7));
    let entry = SentEntry {
        time,
        recipient: "https://provider.example".to_owned(),
        round,
        notification: Notification::Transmit,
        hash: [3; 32],
        outcome: Outcome::Refused,
    };
    ledger
        .commit(&[
            Change::State(b"state"),
            sealed(7, b"frame"),
            Change::Answered {
                round,
                bytes: b"answer",
            },
            Change::Acknowledged {
                round,
                notification: Notification::Transmit,
                time,
            },
            Change::Border {
                border: time,
                bytes: b"border",
            },
            Change::Seen(time),
            Change::Sent(&entry),
        ])
        .unwrap();
    drop(ledger);
    let ledger = Ledger::with_backend(disk.after_power_loss()).unwrap();
    assert_eq!(ledger.state().unwrap().unwrap().as_slice(), b"state");
    assert_eq!(ledger.sealed(round).unwrap().unwrap(), b"frame");
    assert_eq!(ledger.answered(round).unwrap().unwrap(), b"answer");
    assert_eq!(
        ledger.acknowledged(round, Notification::Transmit).unwrap(),
        Some(time)
    );
    assert_eq!(
        ledger.acknowledged(round, Notification::Resend).unwrap(),
        None
    );
    assert_eq!(ledger.border(time).unwrap().unwrap(), b"border");
    assert_eq!(ledger.last_seen().unwrap(), Some(time));
    assert_eq!(ledger.sent(10).unwrap(), [entry]);
}

#[test]
fn a_ledger_serves_one_gateway_and_one_net() {
    let ledger = Ledger::with_backend(Disk::default()).unwrap();
    let binding = Binding {
        net: "bench".parse().unwrap(),
        client: "house-1".parse().unwrap(),
        descriptor: vec![1, 2, 3],
    };
    assert_eq!(ledger.binding().unwrap(), None);
    ledger.bind(&binding).unwrap();
    ledger.bind(&binding).unwrap();
    assert_eq!(ledger.binding().unwrap(), Some(binding.clone()));
    let other = Binding {
        client: "house-2".parse().unwrap(),
        ..binding.clone()
    };
    assert!(matches!(
        ledger.bind(&other),
        Err(LedgerError::Foreign { .. })
    ));
    let other = Binding {
        descriptor: vec![1, 2, 4],
        ..binding
    };
    assert!(matches!(
        ledger.bind(&other),
        Err(LedgerError::DescriptorChanged { .. })
    ));
}

#[test]
fn the_state_directory_is_private_and_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    assert_eq!(is_running(&path).unwrap(), None);
    let ledger = Ledger::open(StateDirectory::acquire(&path).unwrap()).unwrap();
    let mode = |name: &str| path.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(""), mode("ledger.redb"), mode("lock")),
        (0o700, 0o600, 0o600)
    );
    assert_eq!(is_running(&path).unwrap(), Some(std::process::id()));
    let error = StateDirectory::acquire(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: another dcnet-gateway (process {}) uses this state directory; each gateway needs \
             its own",
            path.display(),
            std::process::id()
        )
    );
    drop(ledger);
    assert_eq!(is_running(&path).unwrap(), None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    let error = StateDirectory::acquire(&path).unwrap_err();
    assert!(
        matches!(error, LedgerError::Permissions { mode: 0o750, .. }),
        "{error}"
    );
}

#[test]
fn a_ledger_half_begun_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let directory = StateDirectory::acquire(&path).unwrap();
    fs::write(path.join("ledger.redb.new"), b"power was lost here").unwrap();
    let ledger = Ledger::open(directory).unwrap();
    ledger.commit(&[sealed(1, b"x")]).unwrap();
    drop(ledger);
    let ledger = Ledger::open(StateDirectory::acquire(&path).unwrap()).unwrap();
    assert_eq!(ledger.last_entered().unwrap(), Some(Round::new(1)));
    assert!(!path.join("ledger.redb.new").exists());
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    drop(Ledger::open(StateDirectory::acquire(&path).unwrap()).unwrap());
    let file = path.join("ledger.redb");
    fs::write(&file, b"this is no ledger").unwrap();
    let error = Ledger::open(StateDirectory::acquire(&path).unwrap()).unwrap_err();
    assert!(error.to_string().contains("ledger.redb"), "{error}");
}

/// What a gateway does in `rounds` rounds, until the storage fails: seal, remember, answer.
fn live(ledger: &Ledger, rounds: u64) -> Result<(), LedgerError> {
    for round in 1..=rounds {
        ledger.commit(&[Change::Border {
            border: UnixTime::from_secs(round),
            bytes: &round.to_be_bytes(),
        }])?;
        let frame = [b"frame ".as_slice(), &round.to_be_bytes()].concat();
        ledger.commit(&[Change::State(&round.to_be_bytes()), sealed(round, &frame)])?;
    }
    Ok(())
}

/// For every sync that a few rounds take, and both ways for it to fail: what is there afterwards is
/// a state between two commits, and a frame is there exactly if the state says so.
#[test]
fn after_every_failure_the_ledger_holds_a_whole_number_of_commits() {
    const ROUNDS: u64 = 5;
    let disk = Disk::default();
    let ledger = Ledger::with_backend(disk.clone()).unwrap();
    let first = disk.syncs() + 1;
    live(&ledger, ROUNDS).unwrap();
    let last = disk.syncs();
    assert!(
        last - first >= 2 * ROUNDS - 1,
        "every commit is synced: {first} to {last}"
    );
    drop(ledger);

    let mut seen = [0_u64; 2];
    for fault in [Fault::Failed, Fault::FailedButPersisted] {
        for number in first..=last {
            let disk = Disk::default();
            let ledger = Ledger::with_backend(disk.clone()).unwrap();
            disk.fail_at(number, fault);
            live(&ledger, ROUNDS).unwrap_err();
            // A failed ledger takes nothing more, whatever it is given.
            ledger.commit(&[Change::State(b"more")]).unwrap_err();
            drop(ledger);

            let ledger = Ledger::with_backend(disk.after_power_loss()).unwrap();
            let entered = ledger.last_entered().unwrap().map_or(0, Round::number);
            let state = ledger.state().unwrap().map_or(0, |state| {
                u64::from_be_bytes(state.as_slice().try_into().unwrap())
            });
            assert_eq!(state, entered, "{fault} at {number}");
            for round in 1..=ROUNDS {
                let frame = [b"frame ".as_slice(), &round.to_be_bytes()].concat();
                let there = ledger.sealed(Round::new(round)).unwrap();
                assert_eq!(
                    there,
                    (round <= entered).then_some(frame),
                    "{fault} at {number}"
                );
                // The same round again: with the same bytes if it is there, with others if not.
                let other = ledger.commit(&[sealed(round, b"another frame")]);
                assert_eq!(other.is_ok(), round > entered, "{fault} at {number}");
            }
            seen[usize::from(fault == Fault::FailedButPersisted)] += entered;
        }
    }
    assert!(seen[1] > seen[0], "what was persisted must show: {seen:?}");
}

proptest! {
    /// Whatever rounds come in whatever order: of each round one frame, and only ascending.
    #[test]
    fn rounds_ascend(rounds in prop::collection::vec((0_u64..20, 0_u8..3), 1..60)) {
        let ledger = Ledger::with_backend(Disk::default()).unwrap();
        let mut entered: Vec<(u64, u8)> = Vec::new();
        for (round, frame) in rounds {
            let stands = entered.iter().find(|(entered, _)| *entered == round).copied();
            let last = entered.last().map(|(round, _)| *round);
            let expected = match stands {
                Some((_, stands)) => stands == frame,
                None => last.is_none_or(|last| round > last),
            };
            prop_assert_eq!(ledger.commit(&[sealed(round, &[frame])]).is_ok(), expected);
            if expected && stands.is_none() {
                entered.push((round, frame));
            }
        }
    }
}
