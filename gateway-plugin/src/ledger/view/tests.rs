use dcnet_profiles::home::Retention;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use redb::backends::InMemoryBackend;
use zeroize::Zeroizing;

use super::*;
use crate::ledger::{Change, Gravity, Hidden, Matter, Outcome};

const DAY: u64 = 86_400_000;
const START: UnixTime = UnixTime::from_secs(1_800_000_000);

fn ledger(keep: Retention) -> Ledger {
    Ledger::with_backend(InMemoryBackend::new())
        .unwrap()
        .keeping(keep)
}

fn superposition(time: UnixTime, round: u64, values: Option<Vec<i64>>) -> Dispatch {
    Dispatch {
        time,
        matter: Matter::Frame {
            notification: Notification::Transmit,
            round: Round::new(round),
        },
        bytes: vec![round.to_be_bytes()[7]; 50],
        hidden: Some(Hidden {
            members: 120,
            neighbours: 8,
            values: values.map(Zeroizing::new),
        }),
    }
}

fn line(time: UnixTime, event: &str) -> Line {
    Line {
        time,
        gravity: Gravity::Warning,
        event: event.to_owned(),
        text: format!("{event} happened"),
    }
}

#[test]
fn what_left_is_read_back_newest_first_and_page_by_page() {
    let ledger = ledger(Retention::default());
    let written = [
        superposition(START, 1, Some(vec![-7, i64::MAX])),
        superposition(START, 2, None),
        Dispatch {
            time: START,
            matter: Matter::Envelope {
                to: "gw-2".parse().unwrap(),
            },
            bytes: vec![9],
            hidden: None,
        },
    ];
    for dispatch in &written {
        ledger.commit(&[Change::Dispatch(dispatch)]).unwrap();
    }
    let view = ledger.view();
    let numbers = |found: &[Numbered<Dispatch>]| -> Vec<u64> {
        found.iter().map(|(number, _)| *number).collect()
    };
    let all = view.dispatches(None, 10).unwrap();
    assert_eq!(numbers(&all), [3, 2, 1]);
    for (number, dispatch) in &all {
        assert_eq!(*dispatch, written[usize::try_from(*number).unwrap() - 1]);
        assert_eq!(view.dispatch(*number).unwrap().as_ref(), Some(dispatch));
    }
    assert_eq!(numbers(&view.dispatches(None, 1).unwrap()), [3]);
    assert_eq!(numbers(&view.dispatches(Some(3), 1).unwrap()), [2]);
    assert_eq!(view.dispatches(Some(1), 10).unwrap(), []);
    assert_eq!(view.dispatch(4).unwrap(), None);
}

#[test]
fn each_logbook_is_kept_for_its_own_days() {
    let ledger = ledger(Retention {
        system: 1,
        consumer: 2,
        calibration: 3,
    });
    let view = ledger.view();
    for day in 0..6 {
        let time = START.plus_millis(day * DAY);
        ledger
            .commit(&[
                Change::Seen(time),
                Change::Dispatch(&superposition(time, day, None)),
                Change::Line(Book::System, &line(time, "phase")),
                Change::Line(Book::Calibration, &line(time, "clock.fault")),
            ])
            .unwrap();
    }
    let last = START.plus_millis(5 * DAY);
    let oldest = |days: u64| last.minus_millis(days * DAY);
    let kept = view.dispatches(None, 100).unwrap();
    assert_eq!((kept.len(), kept[2].1.time), (3, oldest(2)));
    let kept = view.lines(Book::System, None, 100).unwrap();
    assert_eq!((kept.len(), kept[1].1.time), (2, oldest(1)));
    let kept = view.lines(Book::Calibration, None, 100).unwrap();
    assert_eq!((kept.len(), kept[3].1.time), (4, oldest(3)));
    // Numbers go on: what was read once has the number that it had.
    assert_eq!(kept[0].0, 6);
}

#[test]
fn a_clock_that_shows_another_time_for_a_moment_takes_no_logbook_with_it() {
    let ledger = ledger(Retention {
        system: 1,
        consumer: 1,
        calibration: 1,
    });
    let view = ledger.view();
    let write = |time| {
        ledger
            .commit(&[
                Change::Dispatch(&superposition(time, 1, None)),
                Change::Line(Book::System, &line(time, "clock.fault")),
                Change::Line(Book::Calibration, &line(time, "clock.fault")),
            ])
            .unwrap();
        [
            view.dispatches(None, 100).unwrap().len(),
            view.lines(Book::System, None, 100).unwrap().len(),
            view.lines(Book::Calibration, None, 100).unwrap().len(),
        ]
    };
    // Before any time was found plausible nothing is old.
    assert_eq!(write(START), [1; 3]);
    assert_eq!(write(START.plus_millis(10 * DAY)), [2; 3]);
    ledger.commit(&[Change::Seen(START)]).unwrap();
    assert_eq!(write(START.plus_millis(36_500 * DAY)), [3; 3]);
    assert_eq!(write(UnixTime::from_secs(0)), [4; 3]);
    // It goes on with the time that is believed.
    let later = START.plus_millis(2 * DAY);
    ledger.commit(&[Change::Seen(later)]).unwrap();
    assert_eq!(write(later), [4; 3]);
}

#[test]
fn outcomes_are_found_by_the_hash_of_the_frame() {
    let ledger = ledger(Retention::default());
    let sent = |seconds: u64, hash: u8, outcome| SentEntry {
        time: START.plus_millis(seconds * 1_000),
        recipient: "https://provider.example".to_owned(),
        round: Round::new(1),
        notification: Notification::Transmit,
        hash: [hash; 32],
        outcome,
    };
    let entries = [
        sent(0, 1, Outcome::Acknowledged),
        sent(10, 2, Outcome::Unanswered),
        sent(20, 2, Outcome::Acknowledged),
    ];
    for entry in &entries {
        ledger.commit(&[Change::Sent(entry)]).unwrap();
    }
    let found = ledger
        .view()
        .outcomes(entries[0].time, &[[2; 32], [3; 32]].into());
    let found = found.unwrap();
    assert_eq!(found.len(), 1, "only those that were asked for");
    assert_eq!(found[&[2; 32]], entries[1..]);
}

#[test]
fn a_view_does_not_keep_the_ledger_open() {
    let ledger = ledger(Retention::default());
    ledger
        .commit(&[Change::Dispatch(&superposition(START, 1, None))])
        .unwrap();
    let view = ledger.view();
    assert_eq!(view.dispatches(None, 10).unwrap().len(), 1);
    drop(ledger);
    assert_eq!(view.dispatches(None, 10).unwrap(), []);
    assert_eq!(View::default().dispatch(1).unwrap(), None);
}

#[test]
fn a_reader_that_hangs_does_not_end_the_daemon() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder.path(), private).unwrap();
    let open = || crate::ledger::StateDirectory::acquire(folder.path()).and_then(Ledger::open);
    let ledger = open().unwrap();
    let reader = ledger.view().database.upgrade().unwrap();
    drop(ledger);
    let refused = open().unwrap_err();
    assert!(refused.may_pass(), "{refused}");
    drop(reader);
    open().unwrap();
}

#[test]
fn what_is_hidden_does_not_show_when_printed() {
    let dispatch = superposition(START, 1, Some(vec![987_654]));
    let printed = format!("{dispatch:?}");
    assert!(printed.contains("members: 120"), "{printed}");
    assert!(!printed.contains("987654"), "{printed}");
}

#[test]
fn a_long_line_is_cut_off_and_not_lost() {
    let ledger = ledger(Retention::default());
    let mut long = line(START, "provider.lost");
    long.text = "ä".repeat(40_000);
    ledger.commit(&[Change::Line(Book::System, &long)]).unwrap();
    let found = ledger.view().lines(Book::System, None, 1).unwrap();
    let text = &found[0].1.text;
    assert!(long.text.starts_with(text.as_str()) && text.len() == 1_000);
}
