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

/// The whole body, at most `limit` bytes of it.
pub(super) async fn read(
    request: Request<Body>,
    limit: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Problem> {
    let media_type = request.headers().get(CONTENT_TYPE);
    if media_type.is_none_or(|value| value.as_bytes() != MEDIA_TYPE.as_bytes()) {
        return Err(Problem::media_type());
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
