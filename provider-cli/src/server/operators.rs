//! What the server has for operators: section "Operators" of `docs/spec/http-api.md`.

use axum::extract::Extension;
use axum::response::{IntoResponse as _, Response};
use dcnet_protocol::names::NetId;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use super::peer::Admitted;
use super::problem::moment;
use crate::operator::Operator;

/// Whom the certificate names, and until when.
pub(super) async fn whoami(
    operator: Operator,
    Extension(admitted): Extension<Admitted>,
) -> Response {
    let nets: Vec<_> = operator.nets().iter().map(NetId::as_str).collect();
    json(&serde_json::json!({
        "name": operator.name().as_str(),
        "role": operator.role().word(),
        "nets": nets,
        "not_after": moment(admitted.not_after),
    }))
}

/// A JSON document as a response.
pub(super) fn json(value: &serde_json::Value) -> Response {
    let mut response = value.to_string().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
