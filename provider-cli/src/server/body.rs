//! Request bodies, bounded in size and time.

use axum::body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Body as _;
use hyper::header::CONTENT_TYPE;
use tokio::time::timeout;

use super::MEDIA_TYPE;
use super::config::Limits;
use super::problem::Problem;

/// The whole body of a message of the protocol, at most `limit` bytes of it.
pub(super) async fn read(
    request: Request<Body>,
    limit: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Problem> {
    read_as(MEDIA_TYPE, request, limit, limits).await
}

/// Reads a small body to its end for nothing: a connection with an unread rest is closed, perhaps before
/// the client has read why it is refused.
pub(super) async fn discard(request: Request<Body>, limits: &Limits) {
    let rest = Limited::new(request.into_body(), 16 * 1024);
    // If it is larger, slower or broken, the connection is closed.
    drop(timeout(limits.body(), rest.collect()).await);
}

/// The whole body, at most `limit` bytes of it, if that is its media type.
pub(super) async fn read_as(
    expected: &str,
    request: Request<Body>,
    limit: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Problem> {
    let media_type = request.headers().get(CONTENT_TYPE);
    if media_type.is_none_or(|value| value.as_bytes() != expected.as_bytes()) {
        discard(request, limits).await;
        return Err(Problem::media_type(expected));
    }
    let body = request.into_body();
    let too_large = || Problem::body_too_large(limit);
    // What announces itself as too large is not read at all.
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
        return Err(too_large());
    }
    match timeout(limits.body(), Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::body_broken()),
        Err(_) => Err(Problem::body_slow(limits.body_seconds)),
    }
}
