//! The one place where refusals become HTTP: problem details of RFC 9457.
//!
//! The table of types stands in `docs/spec/http-api.md`, section "Problems".

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::service::ServiceError;

/// Prefix of all problem types.
pub const TYPE_PREFIX: &str = "urn:dcnet:problem:";

/// Media type of problem details.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    /// What follows [`TYPE_PREFIX`].
    slug: &'static str,
    detail: String,
    /// Seconds after which the same request may succeed.
    retry_after: Option<u32>,
    /// Entries that a witness cosigned last.
    size: Option<u64>,
    /// The connection ends with this response.
    close: bool,
    /// Another server may be asked at once.
    moves: bool,
}

/// A refusal as it is written.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemBody<'a> {
    /// `urn:dcnet:problem:` and a name that does not change: programs go by it.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    /// For people; it changes freely.
    detail: &'a str,
    /// Entries of a membership log that a witness cosigned last.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// As in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, slug: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            slug,
            detail: detail.into(),
            retry_after: None,
            size: None,
            close: false,
            moves: false,
        }
    }

    pub(super) fn retry(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    fn moving(mut self) -> Self {
        self.moves = true;
        self
    }

    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) fn slug(&self) -> &'static str {
        self.slug
    }

    pub(crate) fn not_found(path: &str) -> Self {
        let shown: String = path.chars().take(128).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("there is nothing at {shown}"),
        )
    }

    pub(crate) fn method(method: &hyper::Method) -> Self {
        let shown: String = method.as_str().chars().take(32).collect();
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            format!("{shown} is not offered here, see the Allow header"),
        )
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            format!("the body has more than {limit} bytes"),
        )
        .closing()
    }

    pub(crate) fn body_broken() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "body-broken",
            "the body ended before it was complete",
        )
        .closing()
    }

    pub(crate) fn body_slow(seconds: u32) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-timeout",
            format!("the body did not arrive within {seconds} s"),
        )
        .closing()
    }

    pub(crate) fn media_type(expected: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            format!("bodies have the Content-Type {expected}"),
        )
    }

    pub(crate) fn headers_too_large(limit: &str) -> Self {
        Self::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers-too-large",
            format!("the header fields exceed {limit}"),
        )
        .closing()
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(crate) fn slow(seconds: u32) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!("no answer within {seconds} s; whether it was done is open, ask again"),
        )
        .retry(1)
    }
}

impl Problem {
    /// The problem that a response carries, if it is one; the id of the request is added to it.
    pub(super) fn identify(response: &mut Response, request_id: &str, head: bool) -> Option<Self> {
        let problem = response.extensions_mut().remove::<Self>()?;
        let body = problem.body(Some(request_id));
        // The router has stated the length of the body that is replaced.
        let length = HeaderValue::from(body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        if !head {
            *response.body_mut() = body.into();
        }
        Some(problem)
    }

    fn body(&self, request_id: Option<&str>) -> Bytes {
        let body = ProblemBody {
            kind: format!("{TYPE_PREFIX}{}", self.slug),
            title: title(self.slug),
            status: self.status.as_u16(),
            detail: &self.detail,
            size: self.size,
            request_id,
        };
        // Numbers and texts can always be written.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::UnknownNet(_) => Self::new(StatusCode::NOT_FOUND, "unknown-net", detail),
            ServiceError::UnknownMember { .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown-member", detail)
            }
            ServiceError::ForeignAuthority { .. } => {
                Self::new(StatusCode::FORBIDDEN, "foreign-authority", detail)
            }
            ServiceError::InboxFull { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "inbox-full", detail).retry(60)
            }
            ServiceError::Overloaded => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry(1)
            }
            ServiceError::StoreUnavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", detail).retry(5)
            }
            ServiceError::NotServed(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "net-not-served", detail).retry(60)
            }
            ServiceError::Moving(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "net-moves", detail)
                    .retry(1)
                    .moving()
            }
            ServiceError::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", detail)
                    .retry(5)
                    .moving()
            }
            ServiceError::Refused(refusal) => {
                let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::CONFLICT);
                let problem = Self::new(status, refusal.slug(), detail);
                if status == StatusCode::TOO_MANY_REQUESTS {
                    problem.retry(60)
                } else {
                    problem
                }
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body(None).into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.moves {
            headers.insert(super::replicas::MOVES, HeaderValue::from_static("1"));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // Whoever knows which request this answers adds its id, see [`Problem::identify`].
        response.extensions_mut().insert(self);
        response
    }
}

/// A time in words, as it stands in answers: RFC 3339, UTC.
pub(super) fn moment(time: dcnet_protocol::round::UnixTime) -> String {
    let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    time.to_string()
}

/// The slug as words: the same for every occurrence of a type, as RFC 9457 section 3.1.4 asks.
fn title(slug: &str) -> String {
    let mut words = slug.replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
