//! The page that the gateway shows in a browser.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::schema::{NotEmpty, SocketAddress};
use crate::text;

/// The page that the gateway shows in a browser of the household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomePage {
    /// Where it is shown. 127.0.0.1:8480 unless stated: to browsers on this machine alone.
    pub listen: SocketAddr,
    /// Names and addresses by which browsers may ask for it, besides `listen` and `localhost`. Others
    /// are refused: a foreign page must not reach it under a name of its own.
    pub names: Vec<String>,
    /// File with the password that is asked for, readable by its owner only.
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) of which one has to have issued the browser's.
    pub clients: Option<PathBuf>,
    /// Certificate and key of the page. `None` beyond the loopback: one of its own making.
    pub tls: Option<PageTls>,
}

impl HomePage {
    /// Whether it is shown over HTTPS.
    pub fn is_https(&self) -> bool {
        self.tls.is_some() || self.clients.is_some() || !self.listen.ip().is_loopback()
    }

    /// The files that it names.
    pub(crate) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls = self.tls.as_mut();
        let tls = tls.map(|tls| [&mut tls.certificate, &mut tls.key]);
        let others = [self.password_file.as_mut(), self.clients.as_mut()];
        tls.into_iter()
            .flatten()
            .chain(others.into_iter().flatten())
    }
}

/// Certificate and key of the page, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageTls {
    /// File with the certificate first, then those that lead to an authority.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "NotEmpty")]
    pub certificate: PathBuf,
    /// File with its key, readable by its owner only.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "NotEmpty")]
    pub key: PathBuf,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    rename = "page",
    expecting = "keys of the page, such as password_file, or {} for none"
)]
/// The page that the gateway shows in a browser of the household.
pub(super) struct Keys {
    /// Address and port. Beyond the loopback: over HTTPS, with `password_file` or `clients`.
    #[serde(deserialize_with = "text::socket")]
    #[schemars(with = "SocketAddress")]
    listen: SocketAddr,
    /// Names and addresses by which browsers may ask for it, besides `listen` and `localhost`.
    names: Vec<String>,
    /// File with the password that is asked for, readable by its owner only.
    #[serde(deserialize_with = "text::path_option")]
    #[schemars(with = "NotEmpty")]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) of which one has to have issued the browser's.
    #[serde(deserialize_with = "text::path_option")]
    #[schemars(with = "NotEmpty")]
    clients: Option<PathBuf>,
    /// Certificate and key. Left out beyond the loopback: the gateway makes its own.
    tls: Option<PageTls>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8_480)),
            names: Vec::new(),
            password_file: None,
            clients: None,
            tls: None,
        }
    }
}

impl TryFrom<Keys> for HomePage {
    type Error = PageError;
    fn try_from(keys: Keys) -> Result<Self, PageError> {
        let is_open = keys.password_file.is_none() && keys.clients.is_none();
        if is_open && !keys.listen.ip().is_loopback() {
            return Err(PageError::Open {
                listen: keys.listen,
            });
        }
        if let Some(got) = keys.names.iter().find(|name| !is_name(name)) {
            return Err(PageError::Name { got: got.clone() });
        }
        Ok(Self {
            listen: keys.listen,
            names: keys.names,
            password_file: keys.password_file,
            clients: keys.clients,
            tls: keys.tls,
        })
    }
}

/// Whether the page can be asked for by this name: `name`, `address` or `[address]`, with a port or
/// without. What is none would be left out without a word, and its browser turned away.
fn is_name(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        match rest.split_once(']') {
            Some((address, port)) if address.parse::<IpAddr>().is_ok() => (None, port),
            _ => return false,
        }
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (Some(host), port)
    };
    let is_host = |host: &str| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        host.contains(|c: char| c.is_ascii_alphanumeric()) && host.chars().all(is_letter)
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    host.is_none_or(is_host) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// Why the keys of the page do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Everybody could look.
    #[error(
        "listen: {listen} can be reached from other machines, and the page shows readings: state \
         password_file or clients, or listen on 127.0.0.1"
    )]
    Open {
        /// As configured.
        listen: SocketAddr,
    },
    /// Not a name.
    #[error("names: {got:?} is no host name or address")]
    Name {
        /// As configured.
        got: String,
    },
}

#[cfg(test)]
mod tests {
    use super::super::HomeProfile;
    use super::*;

    #[test]
    fn a_page_with_nothing_behind_it_is_the_page_as_it_is_by_default() {
        let read = |text: &str| serde_yaml::from_str::<HomeProfile>(text).unwrap();
        assert_eq!(read("page:"), read("page: {}"));
        let listen = read("page:").page.unwrap().listen;
        assert_eq!(listen, "127.0.0.1:8480".parse().unwrap());
        assert_eq!(read("language: de").page, None);
    }

    #[test]
    fn a_name_by_which_nobody_can_ask_is_refused() {
        for name in [
            "gateway.lan",
            "gateway.lan:8480",
            "GW_1",
            "192.168.1.9",
            "192.168.1.9:8480",
            "::1",
            "[fe80::1]",
            "[fe80::1]:8480",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "a:b:c",
            "gateway:http",
            "[::1",
            "[gateway]",
            "[::1]8480",
            "a/b",
            "u@h",
            "*.lan",
            "a b",
            "gäteway",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
