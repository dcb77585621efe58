//! A whole export as one answer, which is sent while it is made.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::problem::Problem;
use super::super::routes::Api;
use super::ask::{File, OfNet};
use crate::export::{PieceError, Pieces, Reading};
use crate::operator::Operator;
use crate::service::audit_trail::Action;

/// Pieces that are made before the client has taken the first.
const AHEAD: usize = 2;

/// Bytes that are sent at once at least, but for the end.
const PART: usize = 64 * 1024;

pub(super) async fn export(
    State(api): State<Arc<Api>>,
    operator: Operator,
    method: Method,
    OfNet(net): OfNet,
    file: File,
) -> Result<Response, Problem> {
    let turn = timeout(
        api.limits.answer(),
        Arc::clone(&api.turns.exports).acquire_owned(),
    );
    let Ok(turn) = turn.await else {
        let detail = "as many exports as are made at a time are under way; ask again";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
        return Err(problem.retry(30));
    };
    let nets = [net];
    let opening = Reading::open(api.service.admin(), &nets, file.range);
    let reading = api.in_time(Duration::ZERO, opening).await?;
    // What cannot be begun is refused before anything is said.
    let mut parts = Parts(Pieces::begin(file.name.format(), reading)?);
    let first = parts.next().await?;
    if method != Method::HEAD {
        // Sums that are not noted do not leave.
        let detail = format!("{} over HTTPS", file.name.word());
        let admin = api.service.admin();
        let noted = admin.note_of(&operator, Action::Exported, Some(net), &detail);
        api.in_time(Duration::ZERO, noted).await?;
    }
    let patience = api.limits.idle();
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _turn = turn;
        let mut part = first;
        while let Some(bytes) = part {
            // Whoever takes nothing for long has gone, as far as this end can tell.
            if !matches!(timeout(patience, sender.send(Ok(bytes))).await, Ok(Ok(()))) {
                return;
            }
            part = match parts.next().await {
                Ok(part) => part,
                Err(error) => {
                    tracing::error!(%net, %error, "an export is broken off");
                    let _ = timeout(patience, sender.send(Err(error))).await;
                    return;
                }
            };
        }
        let _ = timeout(patience, sender.send(Ok(Bytes::new()))).await;
    });
    let mut response = Body::new(Arriving {
        receiver,
        is_over: false,
    })
    .into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(file.name.media_type());
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Names of nets are names of files.
    let name = format!("attachment; filename=\"{net}.{}\"", file.name.ending());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

impl From<PieceError> for Problem {
    fn from(error: PieceError) -> Self {
        match error {
            PieceError::Admin(error) => error.into(),
            // The slots of the net do not fit into a file of this format.
            PieceError::Format(error) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unfit-format",
                error.to_string(),
            ),
        }
    }
}

/// Pieces put together, so that short ones do not travel alone.
struct Parts(Pieces);

impl Parts {
    /// The next part; none behind the last one.
    async fn next(&mut self) -> Result<Option<Bytes>, PieceError> {
        let mut part = Vec::new();
        while part.len() < PART {
            match self.0.next().await? {
                Some(mut piece) => part.append(&mut piece),
                None => break,
            }
        }
        Ok((!part.is_empty()).then(|| part.into()))
    }
}

/// What is made elsewhere, as a body. The empty part is the end: if there is none, whoever makes it has
/// been stopped, and the client is to learn that it has not got everything.
struct Arriving {
    receiver: mpsc::Receiver<Result<Bytes, PieceError>>,
    is_over: bool,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = PieceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PieceError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|arrived| {
            let arrived = arrived.unwrap_or_else(|| Err(broken_off()));
            self.is_over = arrived.as_ref().map_or(true, Bytes::is_empty);
            match arrived {
                Ok(bytes) if bytes.is_empty() => None,
                arrived => Some(arrived.map(Frame::data)),
            }
        })
    }
}

fn broken_off() -> PieceError {
    std::io::Error::other("broken off").into()
}
