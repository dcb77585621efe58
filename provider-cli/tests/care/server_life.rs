//! What the audit trail has of a server: who started it, that it read certificates again, that it stopped.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::{Lab, Server, Store, on_both};
use super::trail::{actions, verify};

/// `dcnet serve` that does not start: what it says.
fn does_not_start(lab: &Lab) -> String {
    let mut command = lab.serve_command(&lab.authority.certificate_path(), &[]);
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

async fn until_noted(lab: &Lab, action: &str) {
    let started = Instant::now();
    while actions(lab, &["--action", action]).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The last entry, which has to be one of `action` and of this server.
fn last_of(lab: &Lab, server: &Server, action: &str) -> Value {
    let shown = lab.dcnet_published(&["audit-log", "show", "--limit", "1"]);
    let entry = &shown[0];
    let actor = &entry["actor"];
    assert_eq!(
        (&entry["action"], &actor["kind"]),
        (&action.into(), &"server".into()),
        "{entry}"
    );
    let address = server.url.strip_prefix("https://").unwrap();
    let name = actor["name"].as_str().unwrap();
    assert!(name.ends_with(&format!("/{address}")), "{entry}");
    assert!(actor["user"].as_str().unwrap().contains("uid "), "{entry}");
    assert_eq!(entry["net"], Value::Null, "{entry}");
    entry.clone()
}

on_both!(servers_that_start_read_certificates_again_and_stop_are_written_down, beside others);
async fn servers_that_start_read_certificates_again_and_stop_are_written_down(lab: Lab) {
    lab.create_masked_net("elbe-5");
    let version = format!("version {}", env!("CARGO_PKG_VERSION"));
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(&ca, &["--replica-listen", "127.0.0.1:0"]);
    let started = last_of(&lab, &server, "server-started");
    let detail = started["detail"].as_str().unwrap();
    let reached = detail.strip_prefix(&version).unwrap();
    let reached = reached.strip_prefix(", for other servers at 127.0.0.1:");
    assert!(reached.unwrap().parse::<u16>().is_ok(), "{started}");
    if let Store::Sqlite(_) = lab.store {
        // Who may not serve the store has not started.
        assert!(does_not_start(&lab).contains("another server"));
    }
    server.signal("-HUP");
    until_noted(&lab, "certificates-read").await;
    assert_eq!(
        last_of(&lab, &server, "certificates-read")["actor"],
        started["actor"]
    );
    let shown = lab.dcnet(&["audit-log", "show"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let name = started["actor"]["name"].as_str().unwrap();
    assert!(shown.contains(&format!(" at {name}, server")), "{shown}");
    // What cannot be used is not used, and is in the log only.
    let certificate = std::fs::read(&lab.provider.tls_certificate).unwrap();
    std::fs::write(&lab.provider.tls_certificate, "no certificate").unwrap();
    server.signal("-HUP");
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::fs::write(&lab.provider.tls_certificate, certificate).unwrap();
    let (status, log) = server.end("-TERM");
    assert!(status.success(), "{log}");
    assert!(log.contains("the changed files are not used"), "{log}");
    let life = ["server-started", "certificates-read", "server-stopped"];
    assert_eq!(actions(&lab, &[]), [&["net-created"], &life[..]].concat());

    // One that is killed has no time to say anything.
    let server = lab.serve();
    let started = last_of(&lab, &server, "server-started");
    assert_eq!(started["detail"], json!(version), "{started}");
    server.end("-KILL");
    assert_eq!(actions(&lab, &["--limit", "1"]), ["server-started"]);

    // One that cannot write that it starts does not start; one that cannot write that it stops does stop.
    lab.store.break_table("audit_trail", None).await;
    let told = does_not_start(&lab);
    assert!(told.contains("cannot write into the audit trail"), "{told}");
    lab.store.mend_table("audit_trail").await;
    let server = lab.serve();
    lab.store.break_table("audit_trail", None).await;
    let (status, log) = server.end("-TERM");
    assert!(status.success(), "{log}");
    assert!(
        log.contains("does not have it that this server has stopped"),
        "{log}"
    );
    lab.store.mend_table("audit_trail").await;
    let (code, verified) = verify(&lab, &[]);
    assert_eq!(
        (code, &verified["entries"]),
        (Some(0), &6.into()),
        "{verified}"
    );
}
