//! Style, script and icon. Their addresses carry a version, so browsers may keep them.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::service::hex;

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
pub(super) static STYLE: File = file!("/dashboard.css", "text/css; charset=utf-8", "dashboard.css");
/// Zooms, and keeps up with what happens.
pub(super) static SCRIPT: File = file!(
    "/dashboard.js",
    "text/javascript; charset=utf-8",
    "dashboard.js"
);
/// In the browser's tab.
pub(super) static ICON: File = file!("/icon.svg", "image/svg+xml", "icon.svg");

fn version(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
        .chars()
        .take(8)
        .collect()
}

impl File {
    /// With the version.
    pub(super) fn address(&self, base: &str) -> String {
        format!("{base}{}?v={}", self.path, *self.version)
    }

    fn response(&self, query: Option<&str>) -> Response {
        let current = query.and_then(|query| query.strip_prefix("v=")) == Some(&*self.version);
        let keep = if current {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let headers = [(CONTENT_TYPE, self.kind), (CACHE_CONTROL, keep)];
        (headers, self.text).into_response()
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
