//! The benchmark's measure: a pseudonymised reading in the clear, stored as durably as a frame.
//! Only [`super::start_with_plain_readings`] offers it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use dcnet_protocol::message::frame_hash;
use hyper::{Request, StatusCode};

use super::body;
use super::config::length;
use super::problem::Problem;
use super::routes::{Api, Message, name};
use crate::service::Client;
use crate::store::PlainRow;

/// Takes `u64 round ‖ u64 value …`, big endian, from the client in the certificate, and answers
/// with the SHA-256 of the body.
pub(super) async fn reading(
    State(api): State<Arc<Api>>,
    client: Client,
    Path(net): Path<String>,
    request: Request<Body>,
) -> Result<(StatusCode, Message), Problem> {
    let net = name(&net)?;
    let bytes = body::read(request, length(api.limits.frame_bytes), &api.limits).await?;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
    let (Some(round), true) = (words.next(), rest.is_empty()) else {
        return Err(Problem::bad_request(
            "a plain reading is a round and values of 8 bytes each",
        ));
    };
    let hash = frame_hash(&bytes);
    let row = PlainRow {
        net,
        round,
        pseudonym: client.id,
        values: words.collect(),
        hash,
    };
    api.in_time(Duration::ZERO, api.service.plain_reading(row))
        .await?;
    Ok((StatusCode::OK, Message(hash.to_vec().into())))
}
