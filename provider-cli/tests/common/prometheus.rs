//! Prometheus' own programs, where they are installed.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::port::free_port;
use super::{Lab, Server};

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .into()
}

/// Whether Prometheus' programs are here; says so if not.
pub fn has_promtool() -> bool {
    let found = Command::new("promtool").arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("DCNET_PROMTOOL").is_none(),
        "DCNET_PROMTOOL is set, and there is no promtool: install the package prometheus"
    );
    if !found {
        eprintln!("skipped: there is no promtool (package prometheus)");
    }
    found
}

pub fn promtool(args: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(args)
        .current_dir(repository().join("systemd/monitoring"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(input.as_bytes()).unwrap();
    drop(to);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

/// Kills what it holds.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Prometheus itself scrapes the server, and evaluates the alerts.
pub async fn prometheus_takes(lab: &Lab, server: &Server) {
    let target = server.metrics.as_ref().unwrap();
    let target = target.strip_prefix("http://").unwrap();
    let target = target.strip_suffix("/metrics").unwrap();
    let rules = repository().join("systemd/monitoring/dcnet-alerts.yaml");
    let config = lab.path("prometheus.yaml");
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         scrape_configs:\n  - job_name: dcnet-provider\n    static_configs: [{{targets: ['{target}']}}]\n",
        rules.display()
    );
    std::fs::write(&config, text).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let log = File::create(lab.path("prometheus.log")).unwrap();
    let _running = Killed(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                lab.path("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let client = reqwest::Client::new();
    let ask = async |path: &str| -> Option<serde_json::Value> {
        let url = format!("http://{address}/api/v1/{path}");
        let text = client.get(url).send().await.ok()?.text().await.ok()?;
        serde_json::from_str(&text).ok()
    };
    let started = Instant::now();
    loop {
        let complete = "query?query=dcnet_provider_rounds_total%7Bstatus%3D%22complete%22%7D";
        let rounds = ask(complete).await.unwrap_or_default();
        let rules = ask("rules").await.unwrap_or_default();
        let rules = rules["data"]["groups"][0]["rules"].as_array();
        let healthy = rules.is_some_and(|rules| rules.iter().all(|rule| rule["health"] == "ok"));
        if rounds["data"]["result"][0]["value"][1] == "1" && healthy {
            break;
        }
        let log = || std::fs::read_to_string(lab.path("prometheus.log")).unwrap();
        let late = started.elapsed() > Duration::from_secs(20);
        assert!(!late, "{rounds} {rules:?}\n{}", log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
