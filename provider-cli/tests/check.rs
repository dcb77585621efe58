//! `dcnet serve --check`: what is wrong is said before a server is started, and nothing is changed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use common::{Lab, Store, on_both};

fn check(lab: &Lab, args: &[&str]) -> Output {
    let mut command = lab.serve_command(&lab.authority.certificate_path(), args);
    command.arg("--check").output().unwrap()
}

fn assert_ready(lab: &Lab) {
    let output = check(lab, &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"ready to serve\n");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// What is wrong, in one line with exit code 78.
fn refused(lab: &Lab, args: &[&str]) -> String {
    let output = check(lab, args);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// What is in the store: the bytes of its file, the rows of its database.
async fn kept(lab: &Lab) -> Vec<u8> {
    match &lab.store {
        Store::Sqlite(file) => fs::read(file).unwrap_or_default(),
        Store::Postgres(_) => lab.store.everything().await,
    }
}

on_both!(sound_files_pass_and_nothing_is_changed, beside others);
async fn sound_files_pass_and_nothing_is_changed(lab: Lab) {
    assert_ready(&lab);
    assert!(kept(&lab).await.is_empty(), "a check makes no store");
    assert!(!lab.store().exists(), "a check makes no file");
    lab.create_net("elbe-4");
    let before = kept(&lab).await;
    assert!(!before.is_empty());
    assert_ready(&lab);
    assert!(kept(&lab).await == before);
    // Beside a server, at the same address: nothing listens.
    let server = lab.serve();
    let address = server.url.strip_prefix("https://").unwrap();
    let output = check(&lab, &["--log-format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let mut command = lab.serve_command(&lab.authority.certificate_path(), &[]);
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = std::process::Command::new(command.get_program());
    let moved = args.iter().map(|arg| {
        let listen = arg == "127.0.0.1:0";
        if listen {
            address.as_ref()
        } else {
            arg.as_os_str()
        }
    });
    let output = command.args(moved).arg("--check").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The trail has the server that started, and no look.
    let trail = lab.dcnet_published(&["audit-log", "show"]);
    let actions = trail.as_array().unwrap().iter();
    let actions = actions.map(|entry| entry["action"].as_str().unwrap());
    assert_eq!(
        actions.collect::<Vec<_>>(),
        ["net-created", "server-started"],
        "{trail}"
    );
}

#[test]
fn each_file_that_is_wrong_is_named() {
    let lab = Lab::new();
    for file in [
        &lab.provider.tls_certificate,
        &lab.provider.tls_key,
        &lab.provider.signing_key,
        &lab.authority.certificate_path(),
    ] {
        let kept = fs::read(file).unwrap();
        for wrong in [&b""[..], b"nothing that could be read\n"] {
            fs::write(file, wrong).unwrap();
            let text = refused(&lab, &[]);
            assert!(text.contains(file.to_str().unwrap()), "{text}");
        }
        fs::write(file, kept).unwrap();
    }
    let key = &lab.provider.signing_key;
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    let text = refused(&lab, &[]);
    assert!(text.contains(&key.display().to_string()), "{text}");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();

    let list = lab.path("list.yaml");
    fs::write(&list, "connexions: 1\n").unwrap();
    let list = list.to_str().unwrap();
    for option in ["--config", "--witnesses"] {
        let text = refused(&lab, &[option, list]);
        assert!(text.contains(list), "{text}");
    }
    assert_ready(&lab);
}

#[test]
fn a_file_that_is_no_store_is_named() {
    let lab = Lab::new();
    fs::write(
        lab.store(),
        "no database, but as long as the header of one is, or longer",
    )
    .unwrap();
    let text = refused(&lab, &[]);
    assert!(text.contains("store"), "{text}");
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let Some(mut lab) = Lab::on_postgres() else {
        return;
    };
    let (server, name) = lab.store.location().rsplit_once('/').unwrap();
    let (host, none) = (server.rsplit_once('@').unwrap().1, format!("no_{name}"));
    let shown = format!("{host}/{none}");
    lab.store = Store::Postgres(format!("{server}/{none}"));
    let text = refused(&lab, &[]);
    assert!(text.contains("cannot reach the store"), "{text}");
    assert!(text.contains(&shown), "{text}");
}

on_both!(a_store_of_another_version_is_named, beside others);
async fn a_store_of_another_version_is_named(lab: Lab) {
    lab.create_net("elbe-4");
    let newer = "UPDATE _sqlx_migrations SET version = 99999999999999 \
                 WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    assert_eq!(lab.store.execute(newer).await, 1);
    let text = refused(&lab, &[]);
    assert!(text.contains("does not fit this version"), "{text}");
    let (_, shown) = lab.store.location().rsplit_once(['@', '/']).unwrap();
    assert!(text.contains(shown), "{text}");
}
