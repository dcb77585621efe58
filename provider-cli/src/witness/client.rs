//! A witness as a provider asks it, over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use dcnet_protocol::codec::Wire as _;
use dcnet_protocol::membership::witness::{CosignRequest, Cosignature, CosignatureError, Witness};
use dcnet_protocol::names::WitnessName;
use dcnet_protocol::signature::Signed;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::{COSIGN_PATH, ListedWitness};
use crate::reason::reason;
use crate::server::{MEDIA_TYPE, PROBLEM_TYPE_PREFIX};

/// How long an answer may take. Nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer taken: a cosignature has some 250 bytes, a problem rarely more.
const MAX_ANSWER: usize = 4 * 1024;

/// Longest name of a problem that gets into the log.
const MAX_SLUG: usize = 32;

/// A way to one witness; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct WitnessClient {
    witness: Witness,
    url: String,
    http: reqwest::Client,
}

/// Why a witness gave no cosignature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Not reached, or the connection broke.
    #[error("{}", reason(.0))]
    Http(#[from] reqwest::Error),
    /// It has cosigned another number of entries last: to be asked again from there.
    #[error("the witness has cosigned {size} entries before")]
    OldSize { size: u64 },
    /// Refused for another reason.
    #[error("the witness refuses with status {status}: {slug}")]
    Refused { status: u16, slug: String },
    /// Too long for an answer of a witness.
    #[error("the answer has more than {MAX_ANSWER} bytes")]
    Length,
    /// No cosignature.
    #[error("the answer is no cosignature: {0}")]
    Encoding(#[from] dcnet_protocol::codec::DecodeError),
    /// A cosignature of something else, or by somebody else.
    #[error("the answer is of no use: {0}")]
    Cosignature(#[from] CosignatureError),
}

/// What is read of problem details.
#[derive(Deserialize)]
struct Details {
    #[serde(rename = "type")]
    kind: String,
    /// Beside `old-size` only.
    size: Option<u64>,
}

/// Why there is no way to a witness.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// One of its roots is no certificate.
    #[error("the root of witness {name} cannot be used: {source}")]
    Root {
        /// Which one.
        name: WitnessName,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The HTTPS client cannot be made.
    #[error("the HTTPS client for witness {name} cannot be set up: {source}")]
    Client {
        /// Which one.
        name: WitnessName,
        /// What it said.
        source: Box<reqwest::Error>,
    },
}

impl WitnessClient {
    /// A way to `listed`. No connection is made yet.
    ///
    /// # Errors
    /// [`ClientError`] if a root cannot be used.
    pub(crate) fn new(listed: &ListedWitness) -> Result<Self, ClientError> {
        let name = listed.witness.name;
        let unusable = |source| ClientError::Root { name, source };
        let mut roots = RootCertStore::empty();
        for root in &listed.roots {
            roots.add(root.clone()).map_err(unusable)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never()) // when it is asked again is decided in one place
            .user_agent(concat!("dcnet/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|source| ClientError::Client {
                name,
                source: Box::new(source),
            })?;
        Ok(Self {
            witness: listed.witness,
            url: format!("{}{COSIGN_PATH}", listed.url),
            http,
        })
    }

    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Asks once. What comes back is the witness's word on the checkpoint of `request`.
    pub(crate) async fn ask(
        &self,
        request: &CosignRequest,
    ) -> Result<Signed<Cosignature>, AskError> {
        let asked = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .body(request.encode());
        let response = asked.send().await?;
        let status = response.status();
        let body = body(response).await?;
        if status != StatusCode::OK {
            return Err(refusal(status, &body));
        }
        let cosignature = Signed::<Cosignature>::decode(&body)?;
        self.witness
            .verify(&cosignature, request.checkpoint.unverified())?;
        Ok(cosignature)
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> AskError {
    let details: Option<Details> = serde_json::from_slice(body).ok();
    let slug = details
        .as_ref()
        .and_then(|details| details.kind.strip_prefix(PROBLEM_TYPE_PREFIX))
        .unwrap_or("no problem details");
    match details.as_ref().and_then(|details| details.size) {
        Some(size) if slug == "old-size" => AskError::OldSize { size },
        _ => AskError::Refused {
            status: status.as_u16(),
            // It is a stranger's text and goes into the log.
            slug: slug
                .chars()
                .filter(|c| c.is_ascii_graphic() || *c == ' ')
                .take(MAX_SLUG)
                .collect(),
        },
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, AskError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(AskError::Length);
        }
        bytes.extend(chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> String {
        refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string()
    }

    #[test]
    fn refusals_say_what_may_be_repeated() {
        let old = r#"{"type":"urn:dcnet:problem:old-size","status":409,"size":7}"#;
        let old = refusal(StatusCode::CONFLICT, old.as_bytes());
        assert!(matches!(old, AskError::OldSize { size: 7 }), "{old}");
        for (body, slug) in [
            (r#"{"type":"urn:dcnet:problem:fork","size":7}"#, "fork"),
            (r#"{"type":"urn:dcnet:problem:old-size"}"#, "old-size"),
            (r#"{"type":"about:blank"}"#, "no problem details"),
            ("<html>", "no problem details"),
            (
                "{\"type\":\"urn:dcnet:problem:a\\n\\u001b[31mb\"}",
                "a[31mb",
            ),
        ] {
            let text = told(409, body);
            assert_eq!(text, format!("the witness refuses with status 409: {slug}"));
        }
    }
}
