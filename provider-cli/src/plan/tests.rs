use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::data::DAY;
use super::planner::ladder;
use super::population::tests::normals;
use super::*;

const BOUNDS: Bounds = Bounds {
    advantage: 0.05,
    recovered: 0.02,
};

fn questions(threads: usize, seed: u64) -> Questions {
    Questions {
        sizes: None,
        spans: None,
        repetitions: 60,
        seed,
        threads,
        bounds: BOUNDS,
        failing: Failing {
            rate: 0.001,
            loss_permille: 50,
        },
    }
}

/// A file of normal readings; of household 3 one is missing.
fn file(folder: &tempfile::TempDir, households: usize, days: usize) -> PathBuf {
    let mut text = "household,week".to_owned();
    for quarter in 1..=days * DAY {
        write!(text, ",q{quarter:03}").unwrap();
    }
    let readings = normals(households, days, 9);
    for (number, row) in readings.chunks_exact(days * DAY).enumerate() {
        write!(text, "\n{number},w1").unwrap();
        for (quarter, value) in row.iter().enumerate() {
            if (number, quarter) == (3, 5) {
                text.push(',');
            } else {
                write!(text, ",{value:.3}").unwrap();
            }
        }
    }
    let path = folder.path().join(format!("{households}-{days}.csv"));
    std::fs::write(&path, text).unwrap();
    path
}

fn plan(path: &Path, questions: Questions) -> Plan {
    let planner = Planner::new(path, questions).unwrap();
    let done = AtomicU64::new(0);
    let plan = planner.run(|_| None, &|| {
        done.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(done.into_inner(), planner.steps());
    plan
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, 12, 7);
    let bytes = |threads, seed| {
        let plan = plan(&path, questions(threads, seed));
        (serde_json::to_string(&plan).unwrap(), html(&plan))
    };
    let one = bytes(1, 5);
    assert_eq!(one, bytes(1, 5));
    assert_eq!(one, bytes(2, 5));
    assert_eq!(one, bytes(5, 5));
    assert_ne!(one, bytes(1, 6));
}

#[test]
fn a_missing_reading_leaves_its_windows_out_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&file(&folder, 12, 7), questions(2, 1));
    assert_eq!((plan.data.households, plan.data.missing), (12, 1));
    assert_eq!(plan.data.readings, 12 * 7 * DAY - 1);
    let windows: Vec<_> = plan
        .windows
        .iter()
        .map(|view| (view.span, view.windows, view.used, view.left_out))
        .collect();
    assert_eq!(windows, [(Span::Day, 7, 83, 1), (Span::Week, 1, 11, 1)]);
    let sizes: Vec<u32> = plan.sizes.iter().map(|size| size.size).collect();
    assert_eq!(sizes, [2, 5, 10]);
}

#[test]
fn what_the_data_do_not_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path, change: fn(&mut Questions)| {
        let mut questions = questions(1, 1);
        change(&mut questions);
        match Planner::new(path, questions) {
            Ok(_) => panic!("not refused"),
            Err(error) => error.to_string(),
        }
    };
    let short = file(&folder, 12, 2);
    let week = refused(&short, |asked| asked.spans = Some([Span::Week].into()));
    assert!(week.contains("have 2 of the 7 days"), "{week}");
    let size = refused(&short, |asked| asked.sizes = Some([2, 13].into()));
    assert!(size.contains("--sizes 13: the load data hold 11"), "{size}");
    let few = refused(&file(&folder, 3, 1), |_| {});
    assert!(few.contains("4 households"), "{few}");
}

#[test]
fn the_verdict_names_the_smallest_size_that_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&file(&folder, 12, 1), questions(2, 1));
    let judge = |plan: &Plan| Verdict::of(&plan.sizes, &plan.windows, plan.bounds);
    // Normal readings in nets of 10: √9.6 standard deviations apart.
    let verdict = judge(&plan);
    assert_eq!(verdict.size, None);
    assert!(
        verdict.reason.contains("No size that was measured"),
        "{verdict:?}"
    );
    assert!(
        verdict.reason.contains("If sums were normal"),
        "{verdict:?}"
    );

    plan.bounds = Bounds {
        advantage: 1.1,
        recovered: 1.0,
    };
    assert_eq!(judge(&plan).size, Some(2));
    // By regression one part in N: of the sizes 2, 5, 10 the last one alone is below 0.18.
    plan.bounds.recovered = 0.18;
    assert_eq!(judge(&plan).size, Some(10));
    // What a larger net falls short of, a smaller one is not praised for.
    plan.sizes.swap(0, 2);
    assert_eq!(judge(&plan).size, None);
}

#[test]
fn ladders_go_as_far_as_the_data() {
    assert_eq!(ladder(1), [0; 0]);
    assert_eq!(ladder(7), [2, 5]);
    assert_eq!(ladder(400), [2, 5, 10, 20, 50, 100, 200]);
    assert_eq!(ladder(u32::MAX).last(), Some(&2_000_000_000));
}
