//! Asks witnesses to cosign the membership log: one task per net and witness, in nobody's way.
//!
//! Cosignatures are of the log as it is and not stored: a net that was restored asks again.

use std::sync::Arc;
use std::time::Duration;

use dcnet_protocol::membership::witness::{CosignRequest, Cosignature};
use dcnet_protocol::names::NetId;
use dcnet_protocol::signature::Signed;
use tokio::time::timeout;

use super::ServiceError;
use super::net::Net;
use crate::witness::{AskError, WitnessClient};

/// Before a witness that failed is asked again, at first; doubled each time.
const SOON: Duration = Duration::from_secs(1);

/// The longest of these pauses.
const LATE: Duration = Duration::from_mins(1);

/// Why a checkpoint is not cosigned yet.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Asked(#[from] AskError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store is older than what the witness saw, as after a backup was put back: whoever asks
    /// for the missing entries will not get them.
    #[error("the witness has cosigned {cosigned} entries, more than the log has")]
    Behind { cosigned: u64 },
}

/// Asks `client` about `net` whenever the log has grown, until the net ends.
pub(super) async fn follow(net: Arc<Net>, client: WitnessClient) {
    tokio::select! {
        () = ask_for_ever(&net, &client) => {}
        () = net.ended() => {}
    }
}

async fn ask_for_ever(net: &Net, client: &WitnessClient) {
    let mut changed = net.log_changed.subscribe();
    let mut cosigned = 0;
    let mut away: Option<Duration> = None;
    loop {
        changed.borrow_and_update();
        let asked = ask(net, client, &mut cosigned).await;
        report(net.id(), client, cosigned, &asked, away.is_some());
        if asked.is_ok() {
            away = None;
            if changed.changed().await.is_err() {
                return;
            }
        } else {
            let pause = away.map_or(SOON, |pause| (2 * pause).min(LATE));
            away = Some(pause);
            // A new checkpoint is tried at once: it comes seldom, and is what is wanted.
            if matches!(timeout(pause, changed.changed()).await, Ok(Err(_))) {
                return;
            }
        }
    }
}

/// Once when a witness is lost and once when it is back; details for whoever wants them.
fn report(
    net: NetId,
    client: &WitnessClient,
    size: u64,
    asked: &Result<(), Failure>,
    was_away: bool,
) {
    let witness = client.witness().name;
    match asked {
        Ok(()) if was_away => tracing::info!(%net, %witness, size, "witness is back"),
        Ok(()) => tracing::debug!(%net, %witness, size, "cosigned"),
        Err(error) if was_away => tracing::debug!(%net, %witness, %error, "not cosigned"),
        Err(error) => {
            tracing::warn!(%net, %witness, %error, "not cosigned; the witness is asked again");
        }
    }
}

/// Asks until the log as it is is cosigned. `cosigned` is the size that the witness cosigned last,
/// as far as is known.
async fn ask(net: &Net, client: &WitnessClient, cosigned: &mut u64) -> Result<(), Failure> {
    let request = request(net, *cosigned).await?;
    let (request, cosignature) = match client.ask(&request).await {
        Ok(cosignature) => (request, cosignature),
        Err(AskError::OldSize { size }) => {
            *cosigned = size;
            let request = self::request(net, size).await?;
            let cosignature = client.ask(&request).await?;
            (request, cosignature)
        }
        Err(error) => return Err(error.into()),
    };
    *cosigned = request.checkpoint.unverified().size;
    net.cosigned(client, cosignature).await?;
    Ok(())
}

async fn request(net: &Net, cosigned: u64) -> Result<CosignRequest, Failure> {
    let request = net.ask(|machine, _| machine.provider.cosign_request(cosigned));
    request.await?.map_err(|_| Failure::Behind { cosigned })
}

impl Net {
    /// Hands a cosignature to the machine. If the log has grown since, it is of no use any more and
    /// dropped: the next one is asked for already.
    async fn cosigned(
        &self,
        client: &WitnessClient,
        cosignature: Signed<Cosignature>,
    ) -> Result<(), ServiceError> {
        let mut machine = self.alive().await?;
        let machine = machine.as_mut().ok_or(ServiceError::StoreUnavailable)?;
        let net = self.id();
        match machine.provider.cosigned(client.witness(), cosignature) {
            Ok(true) => {}
            // A list has no more witnesses than an answer holds.
            Ok(false) => tracing::error!(%net, "there are more cosignatures than an answer holds"),
            Err(error) => tracing::debug!(%net, %error, "the log has grown meanwhile"),
        }
        Ok(())
    }
}
