//! From the listening socket to connections, and the orderly end of both.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Duration, sleep, timeout};

use super::config::{Limits, length};
use super::connection::Connections;
use super::reload::Trust;
use crate::monitoring::Metrics;

/// After a failed `accept`, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What is served, and to whom.
pub(super) struct Listening {
    pub(super) limits: Limits,
    pub(super) trust: watch::Receiver<Arc<Trust>>,
    pub(super) router: Router,
    pub(super) stopping: watch::Receiver<bool>,
    /// Where connections and requests are counted.
    pub(super) metrics: Arc<Metrics>,
}

impl Listening {
    /// Accepts until it is to stop, then calls `stop_waiting` and lets requests in progress finish.
    pub(super) async fn run(self, listener: TcpListener, stop_waiting: impl FnOnce()) {
        let Self {
            limits,
            trust,
            router,
            mut stopping,
            metrics,
        } = self;
        let slots = Arc::new(Semaphore::new(length(limits.connections)));
        let grace = limits.shutdown();
        // Closed when the last connection has dropped its sender.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let connections = Arc::new(Connections::new(
            limits,
            trust,
            router,
            stopping.clone(),
            metrics,
        ));
        loop {
            let accepted = async {
                // The slot first: what cannot be served waits in the kernel's queue.
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => break,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (connections, alive) = (Arc::clone(&connections), alive.clone());
                    tokio::spawn(async move {
                        connections.serve(stream, peer).await;
                        drop((slot, alive));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop((listener, alive));
        tracing::info!("shutting down: no new connections, requests in progress finish");
        stop_waiting();
        if timeout(grace, all_gone.recv()).await.is_err() {
            tracing::warn!("some requests did not finish in time and are cut off");
        }
    }
}
