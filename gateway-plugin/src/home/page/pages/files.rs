//! Style, script and icon. Their addresses carry a version, so browsers may keep them.

use std::sync::LazyLock;

use crate::hex::hex;
use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use dcnet_protocol::message::frame_hash;
use maud::{Markup, PreEscaped};

/// A file that is a part of the program.
pub(super) struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
    version: LazyLock<String>,
}

macro_rules! file {
    ($path:literal, $kind:literal, $name:literal) => {
        File {
            path: $path,
            kind: $kind,
            text: include_str!($name),
            version: LazyLock::new(|| version(include_str!($name))),
        }
    };
}

/// How the pages look.
pub(super) static STYLE: File = file!("/page.css", "text/css; charset=utf-8", "page.css");
/// Brings what the meters say up to date.
pub(super) static SCRIPT: File = file!("/page.js", "text/javascript; charset=utf-8", "page.js");
/// In the browser's tab.
pub(super) static ICON: File = file!("/icon.svg", "image/svg+xml", "icon.svg");

fn version(text: &str) -> String {
    let [one, two, three, four, ..] = frame_hash(text.as_bytes());
    hex(&[one, two, three, four])
}

impl File {
    /// With the version.
    pub(super) fn address(&self) -> String {
        format!("{}?v={}", self.path, *self.version)
    }

    fn response(&self, query: Option<&str>) -> Response {
        let current = query.and_then(|query| query.strip_prefix("v=")) == Some(&*self.version);
        let keep = if current {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        (
            [(CONTENT_TYPE, self.kind), (CACHE_CONTROL, keep)],
            self.text,
        )
            .into_response()
    }
}

pub(super) async fn style(RawQuery(query): RawQuery) -> Response {
    STYLE.response(query.as_deref())
}

pub(super) async fn script(RawQuery(query): RawQuery) -> Response {
    SCRIPT.response(query.as_deref())
}

pub(super) async fn icon(RawQuery(query): RawQuery) -> Response {
    ICON.response(query.as_deref())
}

/// The icon in a page, beside words that say the same.
pub(super) fn mark() -> Markup {
    const OPEN: &str = "<svg ";
    const HIDDEN: &str =
        "<svg aria-hidden=\"true\" focusable=\"false\" width=\"28\" height=\"28\" ";
    PreEscaped(ICON.text.replacen(OPEN, HIDDEN, 1))
}
