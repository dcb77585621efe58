//! What a browser asks for, and in which language.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use axum::http::request::Parts;
use dcnet_profiles::tariff::Zone;

use super::speech::Speech;
use crate::home::page::House;
use crate::ledger::View;

/// Keeps the language that was chosen.
pub(super) const LANGUAGE_COOKIE: &str = "dcnet-language";
const LANGUAGE_KEY: &str = "lang";

/// A request: what is there to be seen, and how.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) house: Arc<House>,
    pub(super) l: Speech,
    pub(super) query: Vec<(String, String)>,
    /// The language was chosen right now: the browser is to keep it.
    pub(super) chosen: bool,
}

impl FromRequestParts<Arc<House>> for Ask {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, Infallible> {
        // A query that cannot be read is none.
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let query = query.map(|Query(query)| query).unwrap_or_default();
        let chosen = value(&query, LANGUAGE_KEY).and_then(Speech::of_tag);
        let l = chosen
            .or_else(|| cookie(&parts.headers))
            .or_else(|| header(&parts.headers));
        Ok(Self {
            l: l.unwrap_or(Speech(house.profile.home.language)),
            house: house.clone(),
            query,
            chosen: chosen.is_some(),
        })
    }
}

impl Ask {
    /// The number under a key of the query, if there is one.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        value(&self.query, key)?.parse().ok()
    }

    /// This page in another language.
    pub(super) fn in_language(&self, l: Speech) -> String {
        let kept = self.query.iter().filter(|(key, _)| key != LANGUAGE_KEY);
        let kept = kept.filter_map(|(key, value)| {
            let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric());
            // Our own keys have numbers; of anything else nothing is carried on.
            (plain(key) && plain(value)).then(|| format!("{key}={value}"))
        });
        let own = format!("{LANGUAGE_KEY}={}", l.tag());
        let query: Vec<_> = kept.chain([own]).collect();
        format!("?{}", query.join("&"))
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.house.profile.home.zone
    }

    /// The ledger as it is open now.
    pub(super) fn ledger(&self) -> View {
        self.house.ledger.borrow().clone()
    }
}

fn value<'a>(query: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let mut pairs = query.iter();
    pairs
        .find(|(found, _)| found == key)
        .map(|(_, value)| value.as_str())
}

fn cookie(headers: &HeaderMap) -> Option<Speech> {
    let lines = headers.get_all(COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == LANGUAGE_COOKIE)
            .then(|| Speech::of_tag(value))
            .flatten()
    })
}

fn header(headers: &HeaderMap) -> Option<Speech> {
    Speech::of_header(headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?)
}
