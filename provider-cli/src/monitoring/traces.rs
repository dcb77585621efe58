//! Traces for a collector of OpenTelemetry: requests, transactions and ends of rounds, as OTLP over
//! HTTP in its JSON form (OpenTelemetry protocol 1.x, "JSON Protobuf Encoding").
//!
//! A span holds what is put into it here and nothing else: no reading, no client, no hash of a frame.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::unique;

/// Spans that may wait; further ones are lost, not waited for.
const WAITING: usize = 8192;

/// Spans in one message.
const BATCH: usize = 512;

/// For so long the first span of a message waits for others.
const GATHER: Duration = Duration::from_secs(2);

/// Within so long a collector has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What an endpoint is followed by (OTLP/HTTP).
const PATH: &str = "/v1/traces";

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// It is no URL of a collector.
    #[error(
        "traces cannot be sent to {0}: name a collector by a URL such as http://127.0.0.1:4318; it is spoken \
         to in plain HTTP, so let one on this machine send them on"
    )]
    Endpoint(String),
    /// The HTTP client cannot be set up.
    #[error("traces cannot be sent: {0}")]
    Client(#[from] reqwest::Error),
}

/// Where spans go; without a collector nowhere, at the price of one look. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces(Option<mpsc::Sender<Span>>);

/// Something that took its time and is over now.
#[derive(Debug)]
pub(crate) struct Span {
    name: &'static str,
    kind: Kind,
    ended: SystemTime,
    took: Duration,
    failed: bool,
    attributes: Vec<(&'static str, Attribute)>,
}

/// Kinds of spans, under the numbers of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Internal = 1,
    Server = 2,
}

#[derive(Debug)]
enum Attribute {
    Word(String),
    Number(u64),
}

impl Span {
    /// A span that took so long and ends now.
    pub(crate) fn ending(name: &'static str, kind: Kind, took: Duration) -> Self {
        Self {
            name,
            kind,
            ended: SystemTime::now(),
            took,
            failed: false,
            attributes: Vec::new(),
        }
    }

    pub(crate) fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    pub(crate) fn word(mut self, key: &'static str, word: &str) -> Self {
        self.attributes
            .push((key, Attribute::Word(word.to_owned())));
        self
    }

    pub(crate) fn number(mut self, key: &'static str, number: u64) -> Self {
        self.attributes.push((key, Attribute::Number(number)));
        self
    }

    fn encode(&self) -> Value {
        let nanos = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap_or_default().as_nanos().to_string()
        };
        let attributes = self
            .attributes
            .iter()
            .map(|(key, attribute)| match attribute {
                Attribute::Word(word) => text(key, word),
                // 64-bit integers are strings in the JSON of Protobuf.
                Attribute::Number(number) => {
                    json!({"key": key, "value": {"intValue": number.to_string()}})
                }
            });
        json!({
            "traceId": format!("{:016x}{:016x}", unique(), unique()),
            "spanId": format!("{:016x}", unique()),
            "name": self.name,
            "kind": self.kind as u8,
            "startTimeUnixNano": nanos(self.ended.checked_sub(self.took).unwrap_or(self.ended)),
            "endTimeUnixNano": nanos(self.ended),
            "attributes": attributes.collect::<Vec<_>>(),
            "status": {"code": if self.failed { 2 } else { 0 }},
        })
    }
}

impl Traces {
    /// Hands over a span; it is made only if there is a collector.
    pub(crate) fn record(&self, span: impl FnOnce() -> Span) {
        if let Some(spans) = &self.0 {
            // A collector that is slow costs spans, not answers.
            let _ = spans.try_send(span());
        }
    }
}

/// The task that sends.
pub(crate) struct Exporter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Begins to send to the collector at `endpoint`.
    ///
    /// # Errors
    /// [`TracesError`] if it is no URL of one.
    pub(crate) fn start(endpoint: &str) -> Result<(Traces, Self), TracesError> {
        let url = url(endpoint)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none());
        // It speaks no TLS, and would look for the system's certificates nevertheless.
        let http = match ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
        {
            Ok(tls) => http.tls_backend_preconfigured(
                tls.with_root_certificates(RootCertStore::empty())
                    .with_no_client_auth(),
            ),
            Err(_) => http,
        };
        let http = http.build()?;
        let (sender, spans) = mpsc::channel(WAITING);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(send_all(http, url, spans, stopped));
        Ok((Traces(Some(sender)), Self { stop, task }))
    }

    /// Sends what is left.
    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        if timeout(ANSWER, self.task).await.is_err() {
            tracing::warn!("the collector of traces did not take the last ones in time");
        }
    }
}

/// Looks whether `endpoint` can be one; nothing is sent.
///
/// # Errors
/// [`TracesError`] if it cannot.
pub(crate) fn url(endpoint: &str) -> Result<reqwest::Url, TracesError> {
    let refused = || TracesError::Endpoint(endpoint.to_owned());
    let base = endpoint.trim_end_matches('/');
    let url: reqwest::Url = format!("{base}{PATH}").parse().map_err(|_| refused())?;
    if url.scheme() == "http" && url.has_host() && url.query().is_none() {
        Ok(url)
    } else {
        Err(refused())
    }
}

async fn send_all(
    http: reqwest::Client,
    url: reqwest::Url,
    mut spans: mpsc::Receiver<Span>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut is_told = false;
    let mut is_over = false;
    let mut batch = Vec::new();
    while !is_over {
        tokio::select! {
            received = spans.recv_many(&mut batch, 1) => is_over = received == 0,
            _ = &mut stopped => is_over = true,
        }
        if !is_over {
            is_over = timeout(GATHER, &mut stopped).await.is_ok();
        }
        loop {
            while let (true, Ok(span)) = (batch.len() < BATCH, spans.try_recv()) {
                batch.push(span);
            }
            if batch.is_empty() {
                break;
            }
            let sent = send(&http, &url, &batch).await;
            batch.clear();
            match sent {
                Ok(()) => is_told = false,
                Err(error) if !is_told => {
                    tracing::warn!(%error, "the collector takes no traces; they are lost");
                    is_told = true;
                }
                Err(_) => {}
            }
        }
    }
}

async fn send(http: &reqwest::Client, url: &reqwest::Url, batch: &[Span]) -> reqwest::Result<()> {
    let spans: Vec<_> = batch.iter().map(Span::encode).collect();
    let message = json!({"resourceSpans": [{
        "resource": {"attributes": [
            text("service.name", "dcnet-provider"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ]},
        "scopeSpans": [{"scope": {"name": "dcnet"}, "spans": spans}],
    }]});
    let request = http.post(url.clone());
    let request = request.header("content-type", "application/json");
    let answer = request.body(message.to_string()).send().await?;
    answer.error_for_status().map(drop)
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_named_by_their_endpoint() {
        for endpoint in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/"] {
            assert_eq!(
                url(endpoint).unwrap().as_str(),
                "http://127.0.0.1:4318/v1/traces"
            );
        }
        for wrong in [
            "",
            "127.0.0.1:4318",
            "https://a.example",
            "http://a/?b",
            "grpc://a",
        ] {
            let refused = url(wrong).unwrap_err().to_string();
            assert!(refused.contains("http://127.0.0.1:4318"), "{refused}");
        }
    }
}
