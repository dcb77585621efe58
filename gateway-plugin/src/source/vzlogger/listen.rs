//! vzlogger posts to us: as its `push` target, and as the middleware of a channel.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use super::super::feed::Gone;
use super::super::{PAUSES, SourceState};
use super::intake::Intake;
use super::samples::{self, Sample, SampleError};

/// Largest body taken, in bytes. A vzlogger that could not deliver for an hour has less.
const MAX_BODY: usize = 4 * 1024 * 1024;

type Posted = Result<Vec<Sample>, SampleError>;

pub(super) async fn run(address: SocketAddr, mut intake: Intake) -> Result<(), Gone> {
    let listener = bind(address, &mut intake).await?;
    let (sender, mut posted) = mpsc::channel::<Posted>(16);
    let service = Router::new()
        .fallback(take)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(sender);
    intake.feed.state(SourceState::Open).await?;
    intake.hears();
    let serving = axum::serve(listener, service).into_future();
    tokio::pin!(serving);
    loop {
        tokio::select! {
            _ = &mut serving => return Ok(()), // never ends
            () = intake.feed.gone() => return Err(Gone),
            Some(posted) = posted.recv() => {
                intake.hears();
                match posted {
                    Ok(samples) => intake.take(samples).await?,
                    Err(error) => intake.refused(&error),
                }
            }
            () = sleep_until(intake.deadline()) => intake.overdue().await?,
        }
    }
}

async fn bind(address: SocketAddr, intake: &mut Intake) -> Result<TcpListener, Gone> {
    let mut pause = PAUSES;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                let what = format!(
                    "the address {address} for vzlogger (vzlogger.listen) cannot be used: {error}"
                );
                intake.feed.state(SourceState::Broken { what }).await?;
            }
        }
        sleep(pause.pause()).await;
    }
}

/// `POST …/data/UUID.json` is a middleware's, any other `POST` that of `push`.
async fn take(
    State(sender): State<mpsc::Sender<Posted>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    if method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, "{}");
    }
    // A page in a browser on this machine reaches the loopback, too, and always says that it is one.
    if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
        return (StatusCode::FORBIDDEN, "{}");
    }
    let posted = match channel_of(uri.path()) {
        Some(uuid) => samples::tuples(uuid, &body),
        None => samples::document(&body),
    };
    let answer = match &posted {
        // The form of the middleware's answer, which vzlogger looks into.
        Ok(_) => (StatusCode::OK, "{\"version\":\"0.3\",\"rows\":0}"),
        Err(_) => (StatusCode::BAD_REQUEST, "{}"),
    };
    if sender.send(posted).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "{}");
    }
    answer
}

/// The UUID in the path of a middleware.
fn channel_of(path: &str) -> Option<&str> {
    let (before, name) = path.rsplit_once('/')?;
    let uuid = name.strip_suffix(".json")?;
    (before == "/data" || before.ends_with("/data")).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_push_from_middleware() {
        assert_eq!(channel_of("/data/ab-cd.json"), Some("ab-cd"));
        assert_eq!(channel_of("/middleware.php/data/ab.json"), Some("ab"));
        for path in ["/", "/data/ab", "/ab.json", "/metadata/ab.json"] {
            assert_eq!(channel_of(path), None, "{path}");
        }
    }
}
