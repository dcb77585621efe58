//! Why an exchange with the provider failed, in words for the owner.

use std::error::Error as _;

use serde::Deserialize;

use crate::clock::Exchange;

/// Why an exchange with the provider failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// No answer: no network, no provider, no common TLS.
    #[error("the provider was not reached: {what}{}", advice.map(|advice| format!("; {advice}")).unwrap_or_default())]
    Transport {
        /// What the layers below said.
        what: String,
        /// What to do, where it can be told.
        advice: Option<&'static str>,
    },
    /// No answer in time.
    #[error("the provider did not answer in time")]
    Timeout,
    /// The provider said no.
    #[error("the provider refused: {problem}")]
    Refused {
        /// Why.
        problem: Box<Problem>,
        /// What the answer tells about the clocks.
        date: Option<Exchange>,
    },
    /// An answer that makes no sense.
    #[error("the provider's answer makes no sense ({what}): is `provider` the right address?")]
    Answer {
        /// What is wrong with it.
        what: String,
    },
}

impl SubmitError {
    pub(super) fn transport(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        // The layers below tell the cause last, and the address (which the log line has) first.
        let error = error.without_url();
        let mut causes = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.push(inner.to_string());
            cause = inner.source();
        }
        let all = causes.join(": ");
        let what = causes.pop().unwrap_or_default();
        Self::Transport {
            what,
            advice: tls_advice(&all),
        }
    }

    /// Whether the same bytes may be taken later: nothing was decided about them.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Timeout => true,
            Self::Refused { problem, .. } => matches!(problem.status, 408 | 425 | 429 | 500..=599),
            Self::Answer { .. } => false,
        }
    }
}

/// What to do about the failures of TLS that owners meet.
fn tls_advice(causes: &str) -> Option<&'static str> {
    // TLS 1.3 reports a refused client certificate only after the handshake.
    if ["CertificateRequired", "CertificateUnknown", "UnknownCA"]
        .iter()
        .any(|alert| causes.contains(alert))
    {
        Some("it does not accept communication.tls.certificate: was it issued for this net?")
    } else if causes.contains("AccessDenied") || causes.contains("CertificateRevoked") {
        Some("communication.tls.certificate was revoked: ask the gateway administrator")
    } else if causes.contains("CertificateExpired") {
        Some("communication.tls.certificate has expired: ask for a new one")
    } else if causes.contains("UnknownIssuer") {
        Some("its certificate was not issued by communication.provider_ca")
    } else if causes.contains("NotValidForName") {
        Some("its certificate is for another name than communication.provider")
    } else if causes.contains("Expired") || causes.contains("NotValidYet") {
        Some("its certificate is not valid now: check the clock")
    } else if causes.contains("refused") {
        Some("nothing listens at communication.provider")
    } else if causes.contains("dns error") || causes.contains("failed to lookup") {
        Some("the name in communication.provider is not known: check network and spelling")
    } else {
        None
    }
}

/// RFC 9457 problem details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The end of `urn:dcnet:problem:<slug>`; empty for an answer of something else than a
    /// provider.
    pub slug: String,
    /// Short description of the kind.
    pub title: String,
    /// What happened this time.
    pub detail: String,
}

/// Begins the type of every problem of this interface.
const PROBLEM_URN: &str = "urn:dcnet:problem:";

impl Problem {
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Written {
            r#type: String,
            title: String,
            detail: String,
        }
        let written: Written = serde_json::from_slice(body).unwrap_or_default();
        let slug = written.r#type.strip_prefix(PROBLEM_URN).unwrap_or_default();
        Self {
            status,
            slug: printable(slug),
            title: printable(&written.title),
            detail: printable(&written.detail),
        }
    }
}

/// The provider's words go into our log: one line, of bounded length, without control characters.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(500)
        .collect()
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.title.is_empty(), self.detail.is_empty()) {
            (true, true) => write!(f, "HTTP status {}", self.status)?,
            (false, true) => f.write_str(&self.title)?,
            (true, false) => f.write_str(&self.detail)?,
            (false, false) => write!(f, "{}: {}", self.title, self.detail)?,
        }
        if self.slug.is_empty() {
            Ok(())
        } else {
            write!(f, " [{}]", self.slug)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_read_and_cannot_forge_log_lines() {
        let body = br#"{"type":"urn:dcnet:problem:too-late","title":"Too late",
            "detail":"round 7\nERROR forged","status":409,"instance":"/x"}"#;
        let problem = Problem::read(409, body);
        assert_eq!(problem.slug, "too-late");
        assert_eq!(
            problem.to_string(),
            "Too late: round 7ERROR forged [too-late]"
        );
        assert_eq!(Problem::read(502, b"<html>").to_string(), "HTTP status 502");
        let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(10_000));
        assert_eq!(Problem::read(400, long.as_bytes()).title.len(), 500);
    }

    #[test]
    fn only_undecided_failures_are_tried_again() {
        let refused = |status| SubmitError::Refused {
            problem: Box::new(Problem::read(status, b"")),
            date: None,
        };
        assert!(SubmitError::Timeout.is_transient());
        for status in [429, 500, 503] {
            assert!(refused(status).is_transient(), "{status}");
        }
        for status in [400, 403, 404, 409, 413, 422] {
            assert!(!refused(status).is_transient(), "{status}");
        }
    }
}
