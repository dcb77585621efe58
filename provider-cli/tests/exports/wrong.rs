//! Configurations that are refused, targets that are not there.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::store::{Lab, lines};

#[tokio::test]
async fn what_is_wrong_is_found_by_a_check() {
    let lab = Lab::new(&["elbe-4"]).await;
    let shown = lab.write("shown", "s3cret-of-the-test");
    std::fs::set_permissions(&shown, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (exporters, told) in [
        ("[]", "names no exporters"),
        ("[{name: a}]", "exactly one of file"),
        (
            "[{name: a, stdout: {format: csv}, file: {path: f, format: csv}}]",
            "exactly one of file",
        ),
        ("[{name: a, stdout: {format: parquet}}]", "parquet"),
        ("[{name: a/b, stdout: {format: csv}}]", "letters, digits"),
        ("[{name: a, stdout: {format: csv, colour: red}}]", "colour"),
        (
            "[{name: a, nets: [elbe-9], stdout: {format: csv}}]",
            "there is no net elbe-9",
        ),
        (
            "[{name: a, from: soon, stdout: {format: csv}}]",
            "from is a time",
        ),
        (
            "[{name: a, stdout: {format: csv}}, {name: b, stdout: {format: csv}}]",
            "named twice",
        ),
        (
            "[{name: a, stdout: {format: csv}}, {name: a, http: {url: \"http://h\"}}]",
            "given twice",
        ),
        (
            "[{name: a, http: {url: \"https://h/\"}}]",
            "https needs `ca`",
        ),
        (
            "[{name: a, http: {url: \"http://u:p@h/\"}}]",
            "leave user and password out",
        ),
        (
            "[{name: a, http: {url: \"http://example.org/\", token: {env: TEST_SECRET}}}]",
            "over https only",
        ),
        (
            "[{name: a, http: {url: \"http://[::1]/\", token: {env: NOT_SET}}}]",
            "NOT_SET",
        ),
        (
            "[{name: a, mqtt: {host: localhost, user: u, password: {file: shown}}}]",
            "chmod 600",
        ),
        (
            "[{name: a, mqtt: {host: h, user: u, password: secret}}]",
            "line",
        ),
        (
            "[{name: a, mqtt: {host: h, user: u, password: {env: HOME}}}]",
            "over TLS only",
        ),
        (
            "[{name: a, mqtt: {host: localhost, password: {env: HOME}}}]",
            "needs `user`",
        ),
        (
            "[{name: a, mqtt: {host: h, ca: nowhere.pem}}]",
            "nowhere.pem",
        ),
        (
            "[{name: a, http: {url: \"http://localhost/\", password: {env: HOME}}}]",
            "needs `user`",
        ),
        (
            "[{name: a, postgres: {url: \"postgres://u@h/d\", password: {env: HOME}}}]",
            "sslmode=verify-full",
        ),
        (
            "[{name: a, postgres: {url: \"postgres://u:p@h/d\"}}]",
            "leave the password out",
        ),
        (
            "[{name: a, postgres: {url: \"postgres://u@h/d\", table: \"x; DROP TABLE y\"}}]",
            "table is a name",
        ),
    ] {
        let text = format!("state: cursors\nexporters: {exporters}\n");
        let config = lab.write("exports.yaml", &text);
        let output = lab.export(&["run", "--check", "--config", config.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{exporters}: {text}");
        assert!(text.contains(told), "{exporters}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let good = lab.write(
        "exports.yaml",
        "state: c\nexporters: [{name: a, stdout: {format: csv}}]\n",
    );
    let output = lab.export(&["run", "--check", "--config", good.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(!lab.path("c").exists(), "a check changes nothing");
}

#[tokio::test]
async fn a_target_that_fails_is_said_once_and_holds_up_no_other() {
    let lab = Lab::new(&["elbe-4"]).await;
    lab.finish(0, 1_983_001..1_983_004).await;
    // Nobody listens at port 9 (discard).
    let config = lab.write(
        "exports.yaml",
        "state: cursors\npoll_seconds: 1\nexporters:\n  - name: gone\n    http: {url: \"http://127.0.0.1:9/\"}\n  \
         - name: lake\n    from: 1983-01-01T00:00:00Z\n    file: {path: sums.jsonl, format: jsonl}\n",
    );
    let config = config.to_str().unwrap();
    let mut exporter = lab.start(&["run", "--config", config]);
    let started = Instant::now();
    // Long enough for two more attempts, after 1 s and after 3 s.
    while started.elapsed() < Duration::from_millis(3500) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let busy = lab.export(&["run", "--once", "--config", config]);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("another `dcnet export run`"));
    lab.finish(0, 1_983_004..1_983_005).await;
    while lines(&lab.path("sums.jsonl")).len() < 8 {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = std::process::Command::new("kill")
        .args(["-TERM", &exporter.id().to_string()])
        .status();
    assert!(ended.unwrap().success());
    let mut log = String::new();
    exporter.stderr().read_to_string(&mut log).unwrap();
    assert!(exporter.wait().success(), "{log}");
    assert_eq!(log.matches("does not take values").count(), 1, "{log}");
}
