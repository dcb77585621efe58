//! What monitoring sees of a real server: metrics, what alerts and dashboard make of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests"
)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::prometheus::{has_promtool, prometheus_takes, promtool, repository};
use common::{Gateway, Lab, Net, Server, Store, four, now, on_both};
use dcnet_protocol::round::Round;

/// What a loaded machine may be behind.
const SLACK: Duration = Duration::from_millis(1500);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The metrics that stand in a text: every word that begins as ours do.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("dcnet_provider_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// The names of all samples of a scrape.
fn samples(scrape: &str) -> BTreeSet<String> {
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(names).collect()
}

fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let text = line.unwrap_or_else(|| panic!("no {series} in\n{scrape}"));
    text.parse().unwrap()
}

async fn scrape(server: &Server, accept: &str) -> String {
    let client = reqwest::Client::new();
    let url = server.metrics.as_ref().unwrap();
    let answer = client.get(url).header("accept", accept).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    let wanted = if accept.is_empty() {
        "text/plain; version=0.0.4; charset=utf-8"
    } else {
        OPEN_METRICS
    };
    assert_eq!(answer.headers()["content-type"], wanted);
    answer.text().await.unwrap()
}

/// A server that has had one complete round, one in which a member was missing, and refusals.
/// The gateways are still connected.
async fn busy(lab: &Lab) -> (Server, Vec<Gateway>) {
    lab.create_net("elbe-4");
    lab.create_net("elbe-5");
    let ca = lab.authority.certificate_path();
    let options = ["--metrics-listen", "127.0.0.1:0", "--metrics-nets", "1"];
    let server = lab.serve_with(&ca, &options);
    let gateways = four(lab);
    let first = &gateways[0];
    let net = Net::fetch(&server, first, "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let envelope = first.envelope(&net, gateways[1].id);
    let path = "/v1/nets/elbe-4/envelopes";
    first.post(&server, path, envelope).await.ok();
    first
        .post(&server, path, vec![1])
        .await
        .problem(400, "malformed");
    first
        .frame(&server, &net, b"x")
        .await
        .problem(400, "malformed");
    first
        .get(&server, "/elbe-4/gw-1")
        .await
        .problem(404, "not-found");

    // Refused in the handshake.
    let other = dcnet_provider::pki::Authority::create(&lab.path("other-ca")).unwrap();
    let files = other
        .issue(&"gw-1".parse().unwrap(), &lab.path("other-gw"), 30)
        .unwrap();
    let stranger = lab.http(Some((&files.tls_certificate, &files.tls_key)));
    stranger.get(&server.url).send().await.unwrap_err();

    let manifest = first.manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    for (number, present) in [(round, 4), (round.next(), 3)] {
        net.wait_for(number).await;
        for gateway in gateways.iter().take(present) {
            let frame = net.transmit(gateway.id, epoch, number, &[1, 2]);
            gateway.frame(&server, &net, &frame).await.ok();
        }
    }
    wait_until_final(lab, round.next()).await;
    (server, gateways)
}

async fn wait_until_final(lab: &Lab, round: Round) {
    let started = Instant::now();
    let shown = ["round", "show", "elbe-4", &round.to_string(), "--json"];
    while !lab.dcnet(&shown).status.success() {
        assert!(started.elapsed() < Duration::from_secs(20), "never final");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What [`busy`] comes to.
const COUNTED: [(&str, f64); 29] = [
    (
        r#"requests_total{route="/v1/nets/{net}/frames",method="POST",status="2xx"}"#,
        15.0,
    ),
    (
        r#"requests_total{route="/v1/nets/{net}/frames",method="POST",status="4xx"}"#,
        1.0,
    ),
    (
        r#"request_duration_seconds_count{route="/v1/nets/{net}/frames"}"#,
        16.0,
    ),
    (
        r#"requests_total{route="none",method="GET",status="4xx"}"#,
        1.0,
    ),
    (r#"requests_refused_total{problem="malformed"}"#, 2.0),
    (r#"requests_refused_total{problem="not-found"}"#, 1.0),
    ("frames_accepted_total", 15.0),
    (r#"frames_refused_total{problem="malformed"}"#, 1.0),
    ("envelopes_accepted_total", 1.0),
    (r#"envelopes_refused_total{problem="malformed"}"#, 1.0),
    (r#"handshakes_refused_total{reason="unknown-issuer"}"#, 1.0),
    ("connections_limit", 4096.0),
    (r#"rounds_total{status="complete"}"#, 1.0),
    (r#"rounds_total{status="failed"}"#, 1.0),
    ("round_closing_seconds_count", 2.0),
    ("nets_served", 2.0),
    ("nets_late", 0.0),
    ("nets_below_least", 1.0),
    ("nets_without_series", 1.0),
    ("members_active", 4.0),
    (r#"store_failures_total{operation="commit"}"#, 0.0),
    ("net_starts_failed_total", 0.0),
    (r#"net_members_active{net="elbe-4"}"#, 4.0),
    (r#"net_members_least{net="elbe-4"}"#, 4.0),
    (r#"net_interval_seconds{net="elbe-4"}"#, 5.0),
    (r#"net_rounds_total{net="elbe-4",status="complete"}"#, 1.0),
    (r#"net_rounds_total{net="elbe-4",status="failed"}"#, 1.0),
    (r#"net_round_silent{net="elbe-4"}"#, 0.0),
    (r#"net_round_missing{net="elbe-4"}"#, 1.0),
];

on_both!(everything_that_is_documented_alerted_on_and_drawn_is_measured, beside others);
#[allow(clippy::float_arithmetic, reason = "numbers of metrics, not energy")]
async fn everything_that_is_documented_alerted_on_and_drawn_is_measured(lab: Lab) {
    let (server, gateways) = busy(&lab).await;
    let text = scrape(&server, OPEN_METRICS).await;
    assert!(text.ends_with("# EOF\n"), "{text}");

    for (series, wanted) in COUNTED {
        let found = value(&text, &format!("dcnet_provider_{series}"));
        assert!(
            (found - wanted).abs() < f64::EPSILON,
            "{series} {found}\n{text}"
        );
    }
    times_fit(&text);
    assert!(value(&text, "dcnet_provider_connections_open") >= 4.0);
    drop(gateways);
    // The net beyond the limit is counted and not named; no member is ever.
    for hidden in ["elbe-5", "gw-"] {
        assert!(!text.contains(hidden), "{hidden}\n{text}");
    }
    let measured = samples(&text);
    for file in [
        "systemd/monitoring/dcnet-alerts.yaml",
        "systemd/monitoring/dcnet-grafana.json",
    ] {
        let named = names(&read(file));
        assert!(named.len() > 10, "{file}");
        let unknown: Vec<_> = named.difference(&measured).collect();
        assert!(unknown.is_empty(), "{file} wants {unknown:?}\n{text}");
    }
    assert_eq!(
        documented(),
        documentable(&measured),
        "documented and measured\n{text}"
    );
    // The text is the same on both: to be scraped once is enough.
    if matches!(lab.store, Store::Sqlite(_)) && has_promtool() {
        promtool(&["check", "metrics"], &scrape(&server, "").await);
        prometheus_takes(&lab, &server).await;
    }
}

#[allow(clippy::float_arithmetic, reason = "times, not energy")]
fn times_fit(text: &str) {
    let now = Duration::from_millis(now().millis()).as_secs_f64();
    let of_net = |name| value(text, &format!("dcnet_provider_{name}{{net=\"elbe-4\"}}"));
    let ago = now - of_net("net_round_final_timestamp_seconds");
    assert!((0.0..5.0).contains(&ago), "{ago}");
    let ahead = of_net("net_round_due_timestamp_seconds") - now;
    assert!((0.0..10.0).contains(&ahead), "{ahead}");
    let closing = of_net("net_round_closing_seconds");
    assert!((1.9..4.0).contains(&closing), "{closing}");
    let days = value(text, "dcnet_provider_certificate_expiry_timestamp_seconds") - now;
    assert!((29.0..31.0).contains(&(days / 86400.0)), "{days}");
    assert!(value(text, "dcnet_provider_commit_duration_seconds_count") >= 15.0);
}

/// The metrics in the manual's table.
fn documented() -> BTreeSet<String> {
    let manual = read("docs/monitoring.md");
    let table = manual.lines().filter(|line| line.starts_with("| `"));
    table
        .flat_map(|line| names(line.split('|').nth(1).unwrap()))
        .collect()
}

/// The names of samples without what a histogram adds.
fn documentable(measured: &BTreeSet<String>) -> BTreeSet<String> {
    let parts = ["_bucket", "_count", "_sum"];
    let is_histogram = |name: &str| measured.contains(&format!("{name}_bucket"));
    let whole = measured.iter().map(|name| {
        let mut stems = parts.iter().filter_map(|part| name.strip_suffix(part));
        let stem = stems.find(|stem| is_histogram(stem));
        stem.unwrap_or(name).to_owned()
    });
    whole.collect()
}

on_both!(a_net_whose_rounds_are_not_kept_by_the_store_is_late, beside others);
async fn a_net_whose_rounds_are_not_kept_by_the_store_is_late(lab: Lab) {
    lab.create_net("elbe-4");
    let ca = lab.authority.certificate_path();
    let server = lab.serve_with(&ca, &["--metrics-listen", "127.0.0.1:0"]);
    let gateways = four(&lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let manifest = gateways[0].manifest(&server, &net).await;
    lab.store.break_table("rounds", None).await;

    // One interval after the first round had to be final.
    let schedule = net.descriptor.schedule();
    let due = schedule.correction_deadline(manifest.head.first_round);
    let late = due.plus_millis(schedule.interval_millis());
    let early = Duration::from_millis(late.millis_since(now())).saturating_sub(SLACK);
    tokio::time::sleep(early).await;
    let text = scrape(&server, OPEN_METRICS).await;
    assert_eq!(value(&text, "dcnet_provider_nets_late").to_string(), "0");
    tokio::time::sleep(SLACK * 2).await;
    let text = scrape(&server, OPEN_METRICS).await;
    assert_eq!(value(&text, "dcnet_provider_nets_late").to_string(), "1");
    let failed = "dcnet_provider_store_failures_total{operation=\"commit\"}";
    assert!(value(&text, failed) >= 1.0, "{text}");
    let rounds = "dcnet_provider_rounds_total{status=\"failed\"}";
    assert_eq!(
        value(&text, rounds).to_string(),
        "0",
        "not durable, not counted"
    );
    let at = "dcnet_provider_net_round_due_timestamp_seconds{net=\"elbe-4\"}";
    assert_eq!(value(&text, at).to_string(), due.secs().to_string());

    lab.store.mend_table("rounds").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let text = scrape(&server, OPEN_METRICS).await;
    assert_eq!(
        value(&text, "dcnet_provider_nets_late").to_string(),
        "0",
        "{text}"
    );
}

#[test]
fn alerts_are_sound_and_raised_when_they_should_be() {
    if has_promtool() {
        promtool(&["check", "rules", "dcnet-alerts.yaml"], "");
        promtool(&["test", "rules", "dcnet-alerts-test.yaml"], "");
    }
    let (alerts, tests) = (
        read("systemd/monitoring/dcnet-alerts.yaml"),
        read("systemd/monitoring/dcnet-alerts-test.yaml"),
    );
    let manual = read("docs/monitoring.md");
    let raised = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut number = 0;
    for alert in raised {
        number += 1;
        assert!(
            manual.contains(&format!("| `{alert}` |")),
            "{alert} is not explained"
        );
        let name = format!("alertname: {alert}\n");
        let tested = tests.split(&name);
        let fires = tested
            .skip(1)
            .any(|rest| rest.trim_start().starts_with("exp_alerts:"));
        assert!(fires, "no test raises {alert}");
    }
    assert!(number > 10, "{number}");
}

#[test]
fn the_dashboard_is_what_grafana_reads() {
    let text = read("systemd/monitoring/dcnet-grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert!(
                !names(target["expr"].as_str().unwrap()).is_empty(),
                "{target}"
            );
        }
    }
    assert!(ids.len() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_on_request_and_to_nobody_else() {
    let lab = Lab::new();
    let ca = lab.authority.certificate_path();
    let output = lab
        .serve_command(&ca, &["--metrics-listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--metrics-allow-remote"), "{said}");

    let options = ["--metrics-listen", "0.0.0.0:0", "--metrics-allow-remote"];
    let server = lab.serve_with(&ca, &options);
    let url = server.metrics.clone().unwrap();
    let url = url.replace("0.0.0.0", "127.0.0.1");
    let base = url.strip_suffix("/metrics").unwrap();
    let client = reqwest::Client::new();
    let healthy = client.get(format!("{base}/healthz")).send().await.unwrap();
    assert_eq!(healthy.status(), 200);
    assert_eq!(healthy.text().await.unwrap(), "ok\n");
    let nothing = client
        .get(format!("{base}/v1/nets/a"))
        .send()
        .await
        .unwrap();
    assert_eq!(nothing.status(), 404);
    let written = client.post(&url).send().await.unwrap();
    assert_eq!(written.status(), 405);
    assert_eq!(written.headers()["allow"], "GET, HEAD");
    // Requests to it are none of those that gateways make.
    let text = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("dcnet_provider_requests_total{"), "{text}");
    let (status, _) = server.end("-TERM");
    assert!(status.success());
}
