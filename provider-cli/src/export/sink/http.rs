//! Values over HTTP: InfluxDB's `/write`, or JSON to anything.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Request, StatusCode, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::ExportError;
use super::super::secret::Secret;
use super::tls::{self, is_this_machine};
use super::{NO_USER, SinkError};
use crate::reason::reason;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What of an answer that refuses gets into the log.
const MAX_REASON: usize = 200;

/// Where to, and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpConfig {
    url: String,
    /// Root certificates, PEM: needed for https.
    pub(crate) ca: Option<PathBuf>,
    /// Sent as `Token` to InfluxDB and as `Bearer` to anything else.
    pub(crate) token: Option<Secret>,
    user: Option<String>,
    pub(crate) password: Option<Secret>,
}

pub(super) struct HttpSink {
    config: HttpConfig,
    url: Url,
    client: Client,
}

impl HttpConfig {
    /// Scheme, host and port of the address.
    pub(crate) fn server(&self) -> String {
        // An address that is none was refused before.
        Url::parse(&self.url)
            .map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
    }

    /// The address, and a client for it.
    pub(crate) fn client(&self) -> Result<(Url, Client), SinkError> {
        let wrong = |what: &str| SinkError::Url(what.to_owned());
        let url = Url::parse(&self.url).map_err(|error| SinkError::Url(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "leave user and password out; `user` and `password` take them",
            ));
        }
        let has_secret = self.token.is_some() || self.password.is_some();
        match url.scheme() {
            "https" if self.ca.is_none() => {
                return Err(wrong(
                    "https needs `ca`, the file of the roots that are trusted",
                ));
            }
            "http" if has_secret && !is_this_machine(url.host_str().unwrap_or_default()) => {
                return Err(wrong(
                    "a secret is sent over https only, or to this machine",
                ));
            }
            "http" | "https" => {}
            _ => return Err(wrong("it begins with http:// or https://")),
        }
        if self.token.is_some() && self.user.is_some() {
            return Err(wrong("either `token` or `user` and `password`"));
        }
        if self.password.is_some() && self.user.is_none() {
            return Err(SinkError::Keys(NO_USER));
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls::under(self.ca.as_deref())?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never()) // when it is asked again is decided in one place
            .user_agent(concat!("dcnet/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .build();
        let client = client.map_err(|error| SinkError::Client(error.to_string()))?;
        Ok((url, client))
    }
}

impl HttpSink {
    pub(super) fn new(config: HttpConfig) -> Result<Self, SinkError> {
        let (url, client) = config.client()?;
        Ok(Self {
            config,
            url,
            client,
        })
    }

    /// Posts a body; whatever is not a success is to be tried again. `key` is the same whenever the
    /// same rounds are sent; without one it is InfluxDB that is spoken to.
    pub(super) async fn post(
        &self,
        kind: &'static str,
        body: Vec<u8>,
        key: Option<&str>,
    ) -> Result<(), ExportError> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, kind)
            .body(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let unread = |error: super::SecretError| self.failed(error.to_string());
        let mut secrets = Vec::new();
        if let Some(token) = &self.config.token {
            let scheme = if key.is_some() { "Bearer" } else { "Token" };
            let token = token.read().map_err(unread)?;
            let header = Zeroizing::new(format!("{scheme} {}", *token));
            let header = HeaderValue::from_str(&header);
            let mut header = header.map_err(|_| {
                self.failed("its token has characters that no header takes".to_owned())
            })?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
            secrets.push(token);
        } else if let Some(user) = &self.config.user {
            let password = self.config.password.as_ref();
            let password = password.map(Secret::read).transpose().map_err(unread)?;
            request = request.basic_auth(user, password.as_ref().map(|text| text.as_str()));
            secrets.extend(password);
        }
        let request = request.build();
        let request = request.map_err(|error| self.failed(reason(&error.without_url())))?;
        secrets.extend(credentials(&request));
        let sent = self.client.execute(request).await;
        let answer = sent.map_err(|error| self.failed(reason(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        let (text, hint) = (loggable(text, &secrets), self.hint(status));
        Err(self.failed(format!("status {}{hint}: {text}", status.as_u16())))
    }

    /// What a status says about token, user and password.
    fn hint(&self, status: StatusCode) -> &'static str {
        let has_secret = self.config.token.is_some() || self.config.user.is_some();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !has_secret => {
                ", it asks for `token`, or for `user` and `password`"
            }
            StatusCode::UNAUTHORIZED if self.config.token.is_some() => {
                ", it does not accept the token"
            }
            StatusCode::UNAUTHORIZED => ", it does not accept user and password",
            StatusCode::FORBIDDEN if self.config.token.is_some() => {
                ", the rights of the token do not suffice"
            }
            StatusCode::FORBIDDEN => ", the rights of the user do not suffice",
            _ => "",
        }
    }

    /// The query is left out: it may hold what nobody else is to read.
    fn failed(&self, reason: String) -> ExportError {
        let mut url = self.url.clone();
        url.set_query(None);
        ExportError::Http {
            url: url.to_string(),
            reason,
        }
    }
}

/// What stands behind the scheme in the header that says who asks.
fn credentials(request: &Request) -> Option<Zeroizing<String>> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credentials) = header.split_once(' ')?;
    Some(Zeroizing::new(credentials.to_owned()))
}

/// A stranger's text as it may stand in the log: a little of it, on one line, and without secrets that the
/// stranger was told and tells again.
fn loggable(mut text: String, secrets: &[Zeroizing<String>]) -> String {
    for secret in secrets {
        text = text.replace(secret.as_str(), "(the secret)");
    }
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_REASON)
        .collect()
}
