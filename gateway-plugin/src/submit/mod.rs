//! The way to the provider: HTTPS with mutual TLS, trusting the configured roots only.
//!
//! `docs/spec/http-api.md` describes the interface. Nothing here decides anything: requests go out,
//! answers come back decoded, or an error says in the owner's words why not.

mod error;
mod tls;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use dcnet_protocol::codec::Wire;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::envelope::Envelope;
use dcnet_protocol::key_agreement::SignedKeyPackage;
use dcnet_protocol::membership::proof::{CommonLog, DrawListView, ListedMembers, LogProof};
use dcnet_protocol::message::{Inbox, SignedReceipt};
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::roster::Roster;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::Signed;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Method, Response, StatusCode};

pub use error::{Problem, SubmitError};
pub use tls::{TlsError, TlsMaterial, client_config};

use crate::clock::{Clock, Exchange};

/// Media type of the protocol's messages.
pub const MEDIA_TYPE: &str = "application/vnd.dcnet";

/// Longest answer taken: an inbox after a long absence, with a manifest of every epoch.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// Longest answer about members of a draw list taken: 64 with their certificates, some 150 kB.
const MAX_LISTED: usize = 1024 * 1024;
/// Longest other answer about the log taken: three paths of 64 hashes, and an entry that may be an
/// exit statement with as many neighbours as a net has.
const MAX_PROOF: usize = 1024 * 1024;
/// Longest problem description taken.
const MAX_PROBLEM: usize = 16 * 1024;

/// How long an answer may take, beyond the time that the provider was asked to wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connection to one provider for one net.
#[derive(Debug, Clone)]
pub struct Client {
    /// Shared by all clones, so that all of them go on under a renewed certificate.
    http: Arc<RwLock<reqwest::Client>>,
    base: String,
    clock: Clock,
}

/// An answer, and what its `Date` header said.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// What it tells about the clocks, if it had a `Date`.
    pub date: Option<Exchange>,
}

impl<T> Answer<T> {
    /// The same answer, read as something else.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: read(self.value),
            date: self.date,
        }
    }
}

impl Client {
    /// A client for `net` at `provider` (`https://host:port`).
    ///
    /// # Errors
    ///
    /// The TLS configuration does not fit the HTTP client.
    pub fn new(
        provider: &str,
        net: NetId,
        tls: rustls::ClientConfig,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let http = Arc::new(RwLock::new(https(tls)?));
        Ok(Self {
            http,
            base: format!("{provider}/v1/nets/{net}"),
            clock,
        })
    }

    /// Connects with `tls` from now on. Requests under way end on the connections that they have.
    ///
    /// # Errors
    ///
    /// The TLS configuration does not fit the HTTP client; then nothing changes.
    pub fn renew(&self, tls: rustls::ClientConfig) -> Result<(), TlsError> {
        let new = https(tls)?;
        *self.http.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The net's parameters.
    ///
    /// # Errors
    ///
    /// No answer, a refusal, or an answer that is none; so for all that follow.
    pub async fn descriptor(&self) -> Result<Answer<NetDescriptor>, SubmitError> {
        let answer = self.exchange(Method::GET, "", None, PATIENCE).await?;
        decode(&answer, |bytes| {
            NetDescriptor::decode(bytes).map_err(|error| error.to_string())
        })
    }

    /// The newest draw list, with what proves it to whoever knows the first `from` entries of the
    /// membership log. Whether it is to be believed is for the protocol to judge; so for all that is
    /// shown of the log.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn draw_list(&self, from: u64) -> Result<Answer<DrawListView>, SubmitError> {
        let path = format!("/log/draw-list?from={from}");
        self.shown(&path, MAX_PROOF, PATIENCE).await
    }

    /// Members of the draw list that is entry `list` of the membership log, by their indices in it.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn listed(
        &self,
        list: u64,
        at: &[u32],
    ) -> Result<Answer<ListedMembers>, SubmitError> {
        let at: Vec<String> = at.iter().map(u32::to_string).collect();
        let path = format!("/log/{list}/members?at={}", at.join(","));
        self.shown(&path, MAX_LISTED, PATIENCE).await
    }

    /// Entry `index` of the membership log, for whoever knows the first `from`. The attempt is broken
    /// off after `patience` at the latest.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn log_proof(
        &self,
        index: u64,
        from: u64,
        patience: Duration,
    ) -> Result<Answer<LogProof>, SubmitError> {
        let path = format!("/log/{index}?from={from}");
        self.shown(&path, MAX_PROOF, patience.min(PATIENCE)).await
    }

    /// What shows that `small` and `large` are two sizes of one membership log.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn common_log(
        &self,
        small: u64,
        large: u64,
    ) -> Result<Answer<CommonLog>, SubmitError> {
        let path = format!("/log/common?small={small}&large={large}");
        self.shown(&path, MAX_PROOF, PATIENCE).await
    }

    /// The key package of one member. Whether it is genuine is for the protocol to judge.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn package(&self, client: ClientId) -> Result<Answer<SignedKeyPackage>, SubmitError> {
        let path = format!("/members/{client}");
        let answer = self.exchange(Method::GET, &path, None, PATIENCE).await?;
        decode(&answer, wire)
    }

    /// Submits a frame; the receipt says that the provider has it on disk. Whether its signature is
    /// the provider's is for the protocol to judge. The attempt is broken off after `patience` at
    /// the latest: a frame that comes too late is worse than none.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn frame(
        &self,
        bytes: Vec<u8>,
        patience: Duration,
    ) -> Result<Answer<SignedReceipt>, SubmitError> {
        let patience = patience.min(PATIENCE);
        let answer = self
            .exchange(Method::POST, "/frames", Some(bytes), patience)
            .await?;
        decode(&answer, wire)
    }

    /// The first roster of `round` behind step `after`, if there is one; the provider waits up to
    /// `wait` seconds for it. The attempt is broken off after `patience` at the latest. Whether the
    /// roster's signature is the provider's is for the protocol to judge.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn roster(
        &self,
        round: Round,
        after: u8,
        wait: u64,
        patience: Duration,
    ) -> Result<Answer<Option<Signed<Roster>>>, SubmitError> {
        let path = format!("/rounds/{round}/roster?after={after}&wait={wait}");
        let patience = patience.min(PATIENCE + Duration::from_secs(wait));
        let answer = self.exchange(Method::GET, &path, None, patience).await?;
        decode(&answer, |bytes| match bytes {
            // 204: there is none yet.
            [] => Ok(None),
            bytes => wire(bytes).map(Some),
        })
    }

    /// Hands a sealed message to the provider, to be relayed.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn envelope(&self, envelope: &Envelope) -> Result<Answer<()>, SubmitError> {
        let bytes = envelope.encode();
        let answer = self
            .exchange(Method::POST, "/envelopes", Some(bytes), PATIENCE)
            .await?;
        Ok(Answer {
            value: (),
            date: answer.date,
        })
    }

    /// Messages after number `after`; the provider waits up to `wait` seconds for the first and
    /// forgets those up to `after`.
    ///
    /// # Errors
    ///
    /// As for [`Self::descriptor`].
    pub async fn inbox(&self, after: u64, wait: u64) -> Result<Answer<Inbox>, SubmitError> {
        let path = format!("/inbox?after={after}&wait={wait}");
        let patience = PATIENCE + Duration::from_secs(wait);
        let answer = self.exchange(Method::GET, &path, None, patience).await?;
        decode(&answer, wire)
    }

    /// A message of at most `limit` bytes.
    async fn shown<T: Wire>(
        &self,
        path: &str,
        limit: usize,
        patience: Duration,
    ) -> Result<Answer<T>, SubmitError> {
        let answer = self
            .exchange_within(limit, Method::GET, path, None, patience)
            .await?;
        decode(&answer, wire)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        patience: Duration,
    ) -> Result<Answer<Vec<u8>>, SubmitError> {
        self.exchange_within(MAX_ANSWER, method, path, body, patience)
            .await
    }

    async fn exchange_within(
        &self,
        limit: usize,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        patience: Duration,
    ) -> Result<Answer<Vec<u8>>, SubmitError> {
        let http = self
            .http
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut request = http
            .request(method, format!("{}{path}", self.base))
            .header(ACCEPT, MEDIA_TYPE)
            .timeout(patience);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body);
        }
        let started = Instant::now();
        let response = request.send().await.map_err(SubmitError::transport)?;
        let (received, instant) = (self.clock.now(), Instant::now());
        let took = instant.saturating_duration_since(started);
        let date = date(response.headers()).map(|date| Exchange {
            received,
            instant,
            took,
            date,
        });
        let status = response.status();
        if status == StatusCode::OK || status == StatusCode::NO_CONTENT {
            return Ok(Answer {
                value: body_of(response, limit).await?,
                date,
            });
        }
        let body = body_of(response, MAX_PROBLEM).await.unwrap_or_default();
        Err(SubmitError::Refused {
            problem: Box::new(Problem::read(status.as_u16(), &body)),
            date,
        })
    }
}

fn https(tls: rustls::ClientConfig) -> Result<reqwest::Client, TlsError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never()) // what is sent again, and when, is decided in one place
        .user_agent(concat!("dcnet-gateway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(PATIENCE)
        .pool_max_idle_per_host(2)
        .pool_idle_timeout(Duration::from_mins(1))
        // A connection that died silently must not swallow a frame for the whole window.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .tcp_user_timeout(Duration::from_secs(20))
        .build()
        .map_err(|error| TlsError::Client {
            source: Box::new(error),
        })
}

fn date(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

async fn body_of(mut response: Response, limit: usize) -> Result<Vec<u8>, SubmitError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(SubmitError::transport)? {
        if body.len() + chunk.len() > limit {
            return Err(SubmitError::Answer {
                what: format!("is longer than {limit} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn wire<T: Wire>(bytes: &[u8]) -> Result<T, String> {
    T::decode(bytes).map_err(|error| error.to_string())
}

fn decode<T>(
    answer: &Answer<Vec<u8>>,
    read: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<Answer<T>, SubmitError> {
    let value = read(&answer.value).map_err(|what| SubmitError::Answer { what })?;
    Ok(Answer {
        value,
        date: answer.date,
    })
}
