//! Who may see the page: by which name it is asked for, from which page, and with what password.
//!
//! The check of the name keeps foreign pages out. A browser lets a page talk to the host that it came
//! from, and whoever owns a name can let it point to this machine (DNS rebinding): the browser then
//! believes that the gateway is the foreign page's own host, but still says the name in `Host`.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcnet_profiles::home::HomePage;
use maud::{DOCTYPE, Markup, html};
use zeroize::Zeroizing;

use super::guesses::Guesses;
use crate::config::Password;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who may see the page over the network.
#[derive(Debug)]
pub(super) struct Access {
    client: String,
    names: HashSet<String>,
    password: Option<Arc<Password>>,
    pub(super) guesses: Guesses,
}

impl Access {
    /// As the profile says; `client` is this gateway.
    pub(super) fn new(page: &HomePage, password: Option<Arc<Password>>, client: &str) -> Self {
        let local = ["localhost", "127.0.0.1", "::1"];
        let mut names: HashSet<_> = local.into_iter().map(str::to_owned).collect();
        if !page.listen.ip().is_unspecified() {
            names.insert(page.listen.ip().to_string());
        }
        names.extend(page.names.iter().filter_map(|name| host(name)));
        Self {
            client: client.to_owned(),
            names,
            password,
            guesses: Guesses::default(),
        }
    }

    /// Whether the page goes by the name in `headers`; if not, that name.
    fn name(&self, request: &Request) -> Result<(), String> {
        // A request in absolute form names the host twice, and its `Host` does not count then.
        let asked = match request.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => of(request.headers(), &header::HOST),
        };
        let asked = asked.unwrap_or_default();
        match host(asked) {
            Some(name) if self.names.contains(&name) => Ok(()),
            _ => Err(asked.to_owned()),
        }
    }

    async fn is_admitted(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
        let Some(password) = &self.password else {
            return true;
        };
        match guess(headers) {
            Some(guess) => self.guesses.is_right(password, &guess, peer).await,
            None => false,
        }
    }
}

/// Answers only whom it may.
pub(super) async fn admit(
    State(access): State<Arc<Access>>,
    peer: Option<Extension<Peer>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(name) = access.name(&request) {
        return (StatusCode::MISDIRECTED_REQUEST, unknown_name(&name)).into_response();
    }
    let peer = peer.map(|Extension(Peer(address))| address);
    if !access.is_admitted(request.headers(), peer).await {
        let realm = format!(
            "Basic realm=\"dcnet-gateway {}\", charset=\"UTF-8\"",
            access.client
        );
        let body = told(
            "A password is needed",
            &html! {
                p { "This page asks for the password that stands in the file " code { "home.page.password_file" }
                    " of the gateway's profile. The user's name does not matter." }
            },
        );
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, realm)],
            body,
        )
            .into_response();
    }
    next.run(request).await
}

/// What holds for every request, by whatever way it comes: it only reads, and no other site makes it.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        (
            StatusCode::METHOD_NOT_ALLOWED,
            allow,
            "nothing can be changed here\n",
        )
            .into_response()
    } else if is_of_another_site(request.headers()) {
        let text = "other sites may not ask for this\n";
        (StatusCode::FORBIDDEN, text).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Parts of the page that never change say so themselves.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// On each answer: what the browser may do with it.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Whether a browser says that a page of another site asks, other than by a link that was followed.
/// Another port of the same host is another page as well.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let says = |name: &'static str| of(headers, &HeaderName::from_static(name));
    match says("sec-fetch-site") {
        None | Some("same-origin" | "none") => false,
        Some(_) => {
            says("sec-fetch-mode") != Some("navigate") || says("sec-fetch-dest") != Some("document")
        }
    }
}

fn of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    // Of two nobody knows which counts.
    all.next().is_none().then(|| first.to_str().ok()).flatten()
}

/// The host of `name`, `name:port`, `address`, `[address]` or `[address]:port`, in the one form in which
/// hosts are compared.
pub(super) fn host(text: &str) -> Option<String> {
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: IpAddr = address.parse().ok()?;
        let port = port.strip_prefix(':').unwrap_or(port);
        return is_port(port).then(|| address.to_string());
    }
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && is_port(port)).then(|| name.to_ascii_lowercase())
}

/// The password of HTTP Basic authentication, whoever the user is.
fn guess(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, code) = of(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(STANDARD.decode(code.trim()).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..)
        .map(|password| Zeroizing::new(password.to_vec()))
}

fn unknown_name(asked: &str) -> Markup {
    let shown: String = asked.chars().take(100).collect();
    let name = host(asked).unwrap_or_default();
    told(
        "This gateway does not go by that name",
        &html! {
            p { "The browser asked for " code { (shown) } ", which is none of the gateway's names. If you \
                entered it yourself, add it to the profile and start the daemon anew:" }
            pre { "home:\n  page:\n    names: [" (name) "]" }
            p { "If you did not, a foreign page tried to read this one." }
        },
    )
}

fn told(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body { h1 { (title) } (body) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_in_one_form() {
        for (text, expected) in [
            ("localhost", Some("localhost")),
            ("LOCALHOST:8480", Some("localhost")),
            ("gateway.lan.:8480", Some("gateway.lan")),
            ("127.0.0.1:8480", Some("127.0.0.1")),
            ("[::1]:8480", Some("::1")),
            ("::1", Some("::1")),
            ("[0:0:0:0:0:0:0:1]", Some("::1")),
            ("", None),
            (":8480", None),
            ("[::1", None),
            ("[gateway]", None),
            ("localhost:8480:1", None),
            ("localhost:http", None),
            ("localhost@evil.example", Some("localhost@evil.example")),
        ] {
            assert_eq!(host(text).as_deref(), expected, "{text}");
        }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn a_password_comes_after_the_first_colon() {
        let of = |code: &str| {
            let value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(code)));
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.unwrap());
            guess(&headers).map(|guess| guess.to_vec())
        };
        assert_eq!(of("anybody:a:b").as_deref(), Some(b"a:b".as_slice()));
        assert_eq!(of(":x").as_deref(), Some(b"x".as_slice()));
        assert_eq!(of("no colon"), None);
        for value in ["Bearer YTpi", "Basic", "Basic ???"] {
            assert_eq!(
                guess(&headers(&[("authorization", value)])),
                None,
                "{value}"
            );
        }
    }

    #[test]
    fn other_sites_may_link_here_and_nothing_else() {
        let site = "sec-fetch-site";
        let (mode, dest) = ("sec-fetch-mode", "sec-fetch-dest");
        for (lines, expected) in [
            (vec![], false),
            (vec![(site, "same-origin")], false),
            (vec![(site, "none")], false),
            (vec![(site, "cross-site")], true),
            (vec![(site, "same-site"), (mode, "no-cors")], true),
            (
                vec![(site, "cross-site"), (mode, "navigate"), (dest, "document")],
                false,
            ),
            (
                vec![(site, "cross-site"), (mode, "navigate"), (dest, "iframe")],
                true,
            ),
        ] {
            assert_eq!(is_of_another_site(&headers(&lines)), expected, "{lines:?}");
        }
    }
}
