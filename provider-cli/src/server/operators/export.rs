//! A whole export as one answer, which is sent while it is made.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use dcnet_protocol::names::NetId;
use hyper::body::{Body as HttpBody, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

use super::super::problem::Problem;
use super::super::routes::Api;
use super::ask::{File, OfNet};
use crate::export::{PieceError, Pieces, Reading};
use crate::operator::Operator;
use crate::service::AdminError;
use crate::service::audit_trail::Actor;

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
    let Ok(Ok(turn)) = turn.await else {
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
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (arrived, arriving) = oneshot::channel();
    // With a head nothing leaves, and nothing is noted.
    if method != Method::HEAD {
        let delivery = Delivery {
            api: Arc::clone(&api),
            turn,
            operator,
            net,
            detail: format!("{} over HTTPS", file.name.word()),
            parts,
            first,
            sender,
            arriving,
        };
        let (begun, beginning) = oneshot::channel();
        // A task of its own: it writes down how it ends, also if the client has gone before it begins.
        tokio::spawn(delivery.run(begun));
        let begun = async { beginning.await.unwrap_or_else(|_| Err(stopped())) };
        api.in_time(Duration::ZERO, begun).await?;
    }
    let mut response = Body::new(Arriving {
        receiver,
        arrived: Some(arrived),
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

/// The task that makes an export ended before it had begun.
fn stopped() -> Problem {
    let detail = "the export ended before it began; ask again";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, "store-unavailable", detail).retry(5)
}

/// An export on its way, and what the audit trail has of it.
struct Delivery {
    /// A server that stops waits a little for whoever holds this: the trail is to have how it ended.
    api: Arc<Api>,
    turn: OwnedSemaphorePermit,
    operator: Operator,
    net: NetId,
    detail: String,
    parts: Parts,
    first: Option<Bytes>,
    sender: mpsc::Sender<Result<Bytes, PieceError>>,
    /// Told by the body when it has come to its end.
    arriving: oneshot::Receiver<()>,
}

impl Delivery {
    /// Sums that are not noted do not leave; `begun` is told when they may.
    async fn run(self, begun: oneshot::Sender<Result<(), Problem>>) {
        let (net, detail) = (self.net, self.detail.clone());
        let actor = Actor::from(&self.operator);
        let api = Arc::clone(&self.api);
        let admin = api.service.admin();
        let leaving = match admin.note_leaving(actor, &[net], detail).await {
            Ok(leaving) => leaving,
            Err(error) => {
                let _ = begun.send(Err(AdminError::from(error).into()));
                return;
            }
        };
        let delivered = if begun.send(Ok(())).is_ok() {
            self.deliver().await
        } else {
            Err("nothing has left: it took too long to begin, or the client had gone".to_owned())
        };
        if let Err(reason) = delivered
            && let Err(error) = leaving.broke_off(&reason).await
        {
            tracing::error!(%net, %error, "the audit trail does not have it that an export broke off");
        }
    }

    /// Sends all of it; otherwise why not.
    async fn deliver(mut self) -> Result<(), String> {
        let patience = self.api.limits.idle();
        let mut given = 0;
        let gone = |given: usize| {
            format!("the client took no more of it; {given} bytes at most have left")
        };
        let mut part = self.first.take();
        while let Some(bytes) = part {
            given += bytes.len();
            // Whoever takes nothing for long has gone, as far as this end can tell.
            if !matches!(
                timeout(patience, self.sender.send(Ok(bytes))).await,
                Ok(Ok(()))
            ) {
                return Err(gone(given));
            }
            part = match self.parts.next().await {
                Ok(part) => part,
                Err(error) => {
                    tracing::error!(net = %self.net, %error, "an export is broken off");
                    let reason = format!("{error}; {given} bytes at most have left");
                    let _ = timeout(patience, self.sender.send(Err(error))).await;
                    return Err(reason);
                }
            };
        }
        let end = timeout(patience, self.sender.send(Ok(Bytes::new())));
        if !matches!(end.await, Ok(Ok(()))) {
            return Err(gone(given));
        }
        drop(self.turn);
        // The last parts are still to be taken.
        let ahead = u32::try_from(AHEAD).unwrap_or(u32::MAX).saturating_add(1);
        let arrived = timeout(patience.saturating_mul(ahead), &mut self.arriving).await;
        // From here on the body cannot come to its end any more.
        self.arriving.close();
        if matches!(arrived, Ok(Ok(()))) || self.arriving.try_recv().is_ok() {
            return Ok(());
        }
        Err(gone(given))
    }
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
    /// Tells whoever makes it that the end has come; none behind that.
    arrived: Option<oneshot::Sender<()>>,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = PieceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PieceError>>> {
        if self.arrived.is_none() {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|part| {
            match part.unwrap_or_else(|| Err(broken_off())) {
                Ok(bytes) if !bytes.is_empty() => Some(Ok(Frame::data(bytes))),
                // Whoever makes it has given up, and it counts as broken off: so it is.
                Ok(_) => match self.arrived.take().map(|arrived| arrived.send(())) {
                    Some(Ok(())) => None,
                    _ => Some(Err(broken_off())),
                },
                Err(error) => {
                    self.arrived = None;
                    Some(Err(error))
                }
            }
        })
    }
}

fn broken_off() -> PieceError {
    std::io::Error::other("broken off").into()
}
