//! Traces as a collector receives them, decoded by OpenTelemetry's own definition.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod common;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use common::port::free_port;
use common::{Lab, Net, Server, four, on_both};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a collector was sent: the request lines and bodies.
type Received = Arc<Mutex<Vec<(String, String)>>>;

async fn collector() -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let received = Received::default();
    let all = Arc::clone(&received);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(take(stream, Arc::clone(&all)));
        }
    });
    (endpoint, received)
}

/// One connection of HTTP/1.1, with lengths stated.
async fn take(stream: TcpStream, received: Received) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut field = String::new();
            stream.read_line(&mut field).await.unwrap();
            let field = field.trim_end().to_ascii_lowercase();
            if field.is_empty() {
                break;
            }
            if let Some(stated) = field.strip_prefix("content-length: ") {
                length = stated.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        let request = request.trim_end().to_owned();
        received.lock().unwrap().push((request, body));
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer).await.unwrap();
    }
}

/// The spans of all messages; none where there is no Python to decode them.
fn decoded(messages: &[(String, String)]) -> Option<Vec<Value>> {
    let Some(python) = std::env::var_os("DCNET_PYTHON") else {
        eprintln!("skipped: DCNET_PYTHON names no Python with opentelemetry-proto");
        return None;
    };
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    for (_, body) in messages {
        writeln!(to, "{body}").unwrap();
    }
    drop(to);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let spans = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Some(spans.collect())
}

on_both!(requests_commits_and_ends_of_rounds_reach_a_collector_and_nothing_of_a_household, beside others);
async fn requests_commits_and_ends_of_rounds_reach_a_collector_and_nothing_of_a_household(
    lab: Lab,
) {
    let (endpoint, received) = collector().await;
    lab.create_net("elbe-4");
    let mut command = lab.serve_command(&lab.authority.certificate_path(), &[]);
    let server = Server::spawn(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint));
    let gateways = four(&lab);
    let net = Net::fetch(&server, &gateways[0], "elbe-4").await;
    net.enter_all(&server, &gateways).await;
    let nowhere = gateways[0].get(&server, "/v1/nets/elbe-4/secret").await;
    nowhere.problem(404, "not-found");
    let manifest = gateways[0].manifest(&server, &net).await;
    let (epoch, round) = (manifest.head.epoch.number(), manifest.head.first_round);
    net.wait_for(round).await;
    for gateway in &gateways {
        let frame = net.transmit(gateway.id, epoch, round, &[0x5afe_c0de_0000_0001, 7]);
        gateway.frame(&server, &net, &frame).await.ok();
    }
    // What is left goes out with the server.
    let (status, log) = server.end("-TERM");
    assert!(status.success());
    assert!(!log.contains("collector"), "{log}");

    let messages = received.lock().unwrap().clone();
    assert!(!messages.is_empty());
    for (request, body) in &messages {
        assert_eq!(request, "POST /v1/traces HTTP/1.1");
        for hidden in ["gw-", "secret", &0x5afe_c0de_0000_0001_u64.to_string()] {
            assert!(!body.contains(hidden), "{hidden}: {body}");
        }
    }
    let Some(spans) = decoded(&messages) else {
        return;
    };
    let mut ids = BTreeSet::new();
    for span in &spans {
        assert_eq!(span["service"], "dcnet-provider");
        assert_eq!(span["trace"].as_str().unwrap().len(), 32);
        assert_eq!(span["span"].as_str().unwrap().len(), 16);
        assert!(ids.insert(span["span"].as_str().unwrap()), "{span}");
        assert!(span["start"].as_u64() <= span["end"].as_u64(), "{span}");
    }
    let named = |name: &str| -> Vec<&Value> {
        let spans = spans.iter().filter(|span| span["name"] == name);
        spans.collect()
    };
    let frames = named("request").into_iter().filter(|span| {
        let attributes = &span["attributes"];
        attributes["http.route"] == "/v1/nets/{net}/frames"
            && attributes["http.request.method"] == "POST"
            && attributes["http.response.status_code"] == 200
            && attributes["dcnet.problem"] == "none"
            && span["kind"] == 2
    });
    assert_eq!(frames.count(), 12, "{spans:#?}");
    let refused = named("request").into_iter().find(|span| {
        let attributes = &span["attributes"];
        attributes["dcnet.problem"] == "not-found" && attributes["http.route"] == "none"
    });
    let id = refused.unwrap()["attributes"]["dcnet.request_id"].as_str();
    assert_eq!(id.unwrap().len(), 16);
    let jobs: u64 = named("commit")
        .iter()
        .map(|span| span["attributes"]["dcnet.jobs"].as_u64().unwrap())
        .sum();
    assert!(jobs >= 12, "{spans:#?}");
    let closed = named("round closing");
    assert_eq!(closed.len(), 1, "{spans:#?}");
    let attributes = &closed[0]["attributes"];
    assert_eq!(attributes["dcnet.net"], "elbe-4");
    assert_eq!(attributes["dcnet.round"], round.number());
    assert_eq!(attributes["dcnet.round.status"], "complete");
    let border = net.descriptor.schedule().border(round).millis() * 1_000_000;
    let apart = closed[0]["start"].as_u64().unwrap().abs_diff(border);
    assert!(apart < 500_000_000, "{apart} ns");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    let lab = Lab::new();
    let ca = lab.authority.certificate_path();
    let refused = lab.serve_command(&ca, &["--check", "--otlp", "https://a.example"]);
    let refused = { refused }.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("plain HTTP"), "{said}");

    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let server = lab.serve_with(&ca, &["--otlp", &endpoint]);
    let gateway = lab.gateway("gw-1");
    for _ in 0..3 {
        gateway.get(&server, "/healthz").await.ok();
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    }
    let (status, log) = server.end("-TERM");
    assert!(status.success());
    let told = log.matches("takes no traces").count();
    assert_eq!(told, 1, "{log}");
}
