//! Connections and requests.

use std::fmt;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::traces::{Kind, Span, Traces};
use super::{ByWord, histogram};

/// Seconds. A frame waits for the disk, a look into an inbox for up to 25 s.
const DURATIONS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0];

/// Where frames go.
const FRAMES: &str = "/v1/nets/{net}/frames";

/// Where envelopes go.
const ENVELOPES: &str = "/v1/nets/{net}/envelopes";

/// Of requests that were refused before a route was looked for, or for which there is none.
const NO_ROUTE: &str = "none";

/// A histogram for each route.
type Durations = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// Counters of connections and requests; cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests {
    served: Family<[(&'static str, String); 3], Counter>,
    refused: ByWord,
    durations: Durations,
    frames_accepted: Counter,
    frames_refused: ByWord,
    envelopes_accepted: Counter,
    envelopes_refused: ByWord,
    connections: Gauge,
    connections_limit: Gauge,
    handshakes_refused: ByWord,
    traces: Traces,
}

/// A request that has been answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// The template of its route, never the path itself: that names nets and members.
    pub(crate) route: Option<&'a str>,
    /// As it was sent.
    pub(crate) method: &'a str,
    /// Of the answer.
    pub(crate) status: u16,
    /// The name of the problem, if it was refused.
    pub(crate) problem: Option<&'static str>,
    /// From the complete head of the request to the answer.
    pub(crate) took: Duration,
}

/// Why a TLS handshake was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The client's certificate is of an authority that is not served.
    UnknownIssuer,
    /// The client's certificate has expired.
    Expired,
    /// The client's certificate is revoked.
    Revoked,
    /// The client's certificate is not valid yet.
    NotYetValid,
    /// The client's certificate is for something else.
    WrongPurpose,
    /// The client's certificate was altered.
    BadSignature,
    /// The client's certificate is not valid for another reason.
    BadCertificate,
    /// The client refused the server.
    RefusedByClient,
    /// The client speaks something else.
    Protocol,
    /// The connection ended.
    Broken,
    /// It took too long.
    Timeout,
}

impl Handshake {
    /// The label.
    fn as_str(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown-issuer",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongPurpose => "wrong-purpose",
            Self::BadSignature => "bad-signature",
            Self::BadCertificate => "bad-certificate",
            Self::RefusedByClient => "refused-by-client",
            Self::Protocol => "protocol",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
        }
    }
}

impl Requests {
    /// New counters, registered.
    pub(super) fn new(registry: &mut Registry, traces: Traces) -> Self {
        let counters = Self {
            served: Family::default(),
            refused: Family::default(),
            durations: Family::new_with_constructor(|| histogram(&DURATIONS)),
            frames_accepted: Counter::default(),
            frames_refused: Family::default(),
            envelopes_accepted: Counter::default(),
            envelopes_refused: Family::default(),
            connections: Gauge::default(),
            connections_limit: Gauge::default(),
            handshakes_refused: Family::default(),
            traces,
        };
        let own = counters.clone();
        registry.register(
            "requests",
            "Requests answered, by template of the route, method and class of the status",
            own.served,
        );
        registry.register(
            "requests_refused",
            "Requests answered with a problem, by its name",
            own.refused,
        );
        registry.register(
            "request_duration_seconds",
            "From the head of a request to its answer; includes waiting that was asked for",
            own.durations,
        );
        registry.register(
            "frames_accepted",
            "Frames that were given a receipt",
            own.frames_accepted,
        );
        registry.register(
            "frames_refused",
            "Frames that were refused, by name of the problem",
            own.frames_refused,
        );
        registry.register(
            "envelopes_accepted",
            "Envelopes put into an inbox",
            own.envelopes_accepted,
        );
        registry.register(
            "envelopes_refused",
            "Envelopes that were refused, by name of the problem",
            own.envelopes_refused,
        );
        registry.register(
            "connections_open",
            "Connections that are open, handshakes in progress included",
            own.connections,
        );
        registry.register(
            "connections_limit",
            "Connections at a time before further ones have to wait",
            own.connections_limit,
        );
        registry.register(
            "handshakes_refused",
            "TLS handshakes that failed, by reason",
            own.handshakes_refused,
        );
        counters
    }

    /// Counts a connection until what is returned is dropped.
    pub(crate) fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// Notes how many connections are served at a time.
    pub(crate) fn limit(&self, connections: u32) {
        self.connections_limit.set(connections.into());
    }

    /// Counts a handshake that was refused.
    pub(crate) fn handshake_refused(&self, reason: Handshake) {
        self.handshakes_refused
            .get_or_create(&[("reason", reason.as_str())])
            .inc();
    }

    /// Counts a request that was answered.
    pub(crate) fn served(&self, served: &Served<'_>) {
        let route = served.route.unwrap_or(NO_ROUTE);
        let labels = [
            ("route", route.to_owned()),
            ("method", method(served.method).to_owned()),
            ("status", class(served.status).to_owned()),
        ];
        self.served.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&[("route", route.to_owned())])
            .observe(served.took.as_secs_f64());
        if let Some(problem) = served.problem {
            self.refused.get_or_create(&[("problem", problem)]).inc();
        }
        self.traces.record(|| {
            Span::ending("request", Kind::Server, served.took)
                .failed(served.status >= 500)
                .word("http.route", route)
                .word("http.request.method", method(served.method))
                .number("http.response.status_code", served.status.into())
                .word("dcnet.request_id", served.id)
                .word("dcnet.problem", served.problem.unwrap_or("none"))
        });
        match route {
            FRAMES => count(&self.frames_accepted, &self.frames_refused, served),
            ENVELOPES => count(&self.envelopes_accepted, &self.envelopes_refused, served),
            _ => {}
        }
    }
}

/// A connection that is open.
pub(crate) struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

fn count(accepted: &Counter, refused: &ByWord, served: &Served<'_>) {
    match served.problem {
        Some(problem) => {
            refused.get_or_create(&[("problem", problem)]).inc();
        }
        None => {
            accepted.inc();
        }
    }
}

/// A method as a label: clients can make up any number of them.
fn method(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        _ => "other",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}
