//! The audit trail: what is in it, and what of a change to it is found.

use std::process::Output;

use serde_json::Value;

use super::common::{Lab, Store, on_both};
use super::{ok, on};

pub(super) fn verify(lab: &Lab, args: &[&str]) -> (Option<i32>, Value) {
    let args: Vec<&str> = ["audit-log", "verify", "--json"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    let output = lab.dcnet(&args);
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap(),
    )
}

pub(super) fn actions(lab: &Lab, args: &[&str]) -> Vec<String> {
    let args: Vec<&str> = ["audit-log", "show"].iter().chain(args).copied().collect();
    let shown = lab.dcnet_published(&args);
    let entries = shown.as_array().unwrap().iter();
    entries
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect()
}

fn only_problem(found: &(Option<i32>, Value)) -> &str {
    assert_eq!(found.0, Some(3), "{found:?}");
    let problems = found.1["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{found:?}");
    problems[0].as_str().unwrap()
}

async fn the_database_refuses(store: &Store) {
    let of_its_own: &[&str] = match store {
        Store::Sqlite(_) => &["REPLACE INTO audit_trail VALUES (2, '{}', x'00')"],
        Store::Postgres(_) => &[
            "TRUNCATE audit_trail",
            "INSERT INTO audit_trail VALUES (2, '{}', '') \
             ON CONFLICT (number) DO UPDATE SET entry = '{}'",
        ],
    };
    let of_both = [
        "UPDATE audit_trail SET entry = '{}' WHERE number = 2",
        "DELETE FROM audit_trail",
    ];
    for statement in of_both.iter().chain(of_its_own) {
        let refused = store.refuses(statement).await;
        assert!(refused.contains("only appended"), "{statement}: {refused}");
    }
}

/// What a database administrator has to do first.
async fn without_triggers(store: &Store) {
    match store {
        Store::Sqlite(_) => {
            store
                .execute("DROP TRIGGER audit_trail_is_not_changed")
                .await;
            store
                .execute("DROP TRIGGER audit_trail_is_not_deleted")
                .await;
        }
        Store::Postgres(_) => {
            store
                .execute("ALTER TABLE audit_trail DISABLE TRIGGER USER")
                .await;
        }
    }
}

on_both!(who_did_what_is_written_down_and_changes_are_found, beside others);
async fn who_did_what_is_written_down_and_changes_are_found(lab: Lab) {
    lab.create_masked_net("elbe-5");
    lab.create_masked_net("elbe-6");
    ok(&lab.dcnet(&["export", "jsonl", "elbe-5"]));
    let file = lab.path("trail.dcnet");
    ok(&lab.dcnet(&["store", "backup", file.to_str().unwrap()]));
    let all = ["net-created", "net-created", "exported", "backup-written"];
    assert_eq!(actions(&lab, &[]), all);
    assert_eq!(actions(&lab, &["--net", "elbe-5"]), [all[0], all[2]]);
    assert_eq!(
        actions(&lab, &["--action", "net-created", "--limit", "1"]),
        [all[0]]
    );
    let shown = lab.dcnet_published(&["audit-log", "show", "--limit", "1"]);
    assert_eq!(shown[0]["actor"]["kind"], "console", "{shown}");
    assert_eq!(shown[0]["detail"], file.to_str().unwrap(), "{shown}");
    let shown = lab.dcnet_published(&["audit-log", "show", "--action", "exported"]);
    assert_eq!(shown[0]["detail"], "jsonl to standard output", "{shown}");
    let at = shown[0]["at"].as_str().unwrap();
    assert!(actions(&lab, &["--since", at]).contains(&all[2].to_owned()));
    assert!(actions(&lab, &["--since", "2999-01-01T00:00:00Z"]).is_empty());
    // A name that is taken makes no net and no entry; what is only looked at makes none either.
    let authority = lab.authority.certificate_path();
    let again = lab.dcnet(&[
        "net",
        "create",
        "elbe-6",
        "--gateway-ca",
        authority.to_str().unwrap(),
    ]);
    assert!(!again.status.success(), "{again:?}");
    ok(&lab.dcnet(&["net", "list"]));

    let heads = lab.path("heads.txt");
    let keep = ["--keep", heads.to_str().unwrap()];
    let (code, first) = verify(&lab, &keep);
    assert_eq!((code, &first["entries"]), (Some(0), &4.into()), "{first}");
    ok(&lab.dcnet(&["export", "jsonl", "elbe-5", "elbe-6"]));
    let (code, second) = verify(&lab, &keep);
    assert_eq!((code, &second["entries"]), (Some(0), &6.into()), "{second}");
    assert_eq!(second["extends"], 1, "{second}");
    let kept = std::fs::read_to_string(&heads).unwrap();
    assert_eq!(
        kept.lines().collect::<Vec<_>>(),
        [&first["head"], &second["head"]]
    );
    let seen = first["head"].as_str().unwrap().replace("4:", "3:");
    let found = verify(&lab, &["--seen", &seen]);
    assert!(
        only_problem(&found).contains("first 3 entries"),
        "{found:?}"
    );

    the_database_refuses(&lab.store).await;
    without_triggers(&lab.store).await;
    lab.store
        .execute("DELETE FROM audit_trail WHERE number = 6")
        .await;
    assert_eq!(
        verify(&lab, &[]).0,
        Some(0),
        "nobody can know without a head"
    );
    let found = verify(&lab, &keep);
    assert!(
        only_problem(&found).contains("6 entries were seen before, and there are 5"),
        "{found:?}"
    );
    assert_eq!(std::fs::read_to_string(&heads).unwrap(), kept);
    let other =
        "UPDATE audit_trail SET entry = REPLACE(entry, 'elbe-6', 'elbe-5') WHERE number = 2";
    lab.store.execute(other).await;
    let found = verify(&lab, &[]);
    assert!(
        only_problem(&found).contains("entry 2 is not the one"),
        "{found:?}"
    );
    let checked = lab.dcnet(&["store", "check", "--json"]);
    assert_eq!(checked.status.code(), Some(3), "{checked:?}");
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["problems"][0]["kind"], "audit-trail", "{checked}");
    lab.store
        .execute("DELETE FROM audit_trail WHERE number = 3")
        .await;
    let (_, found) = verify(&lab, &[]);
    let text = found["problems"].to_string();
    assert!(text.contains("no entry 3 before entry 4"), "{text}");

    // What was backed up is there again, and goes on.
    let restored = lab.path("restored.sqlite3");
    let restored = restored.to_str().unwrap();
    ok(&on(restored, &["store", "restore", file.to_str().unwrap()]));
    let found = ok(&on(restored, &["audit-log", "verify", "--json"]));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["entries"], 4, "{found}");
    let shown = ok(&on(restored, &["audit-log", "show"]));
    assert!(
        shown.contains("store-restored") && !shown.contains("backup-written"),
        "{shown}"
    );
}

on_both!(many_append_to_one_trail, beside others);
async fn many_append_to_one_trail(lab: Lab) {
    lab.create_masked_net("elbe-5");
    let several: Vec<Output> = std::thread::scope(|scope| {
        let export = || lab.dcnet(&["export", "jsonl", "elbe-5"]);
        let all: Vec<_> = (0..8).map(|_| scope.spawn(export)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for output in &several {
        ok(output);
    }
    let (code, found) = verify(&lab, &[]);
    assert_eq!((code, &found["entries"]), (Some(0), &9.into()), "{found}");
}
