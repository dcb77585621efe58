//! What the audit trail has of a server: that it started, read certificates again, and stopped.
//!
//! Who runs a server decides what is served and with which certificates, and is somebody, too.

use super::audit_trail::{Action, Actor, Noted, note};
use super::{Replica, Service, StartError};
use crate::store::{Store, StoreError};

/// Writes down that a server starts; as whom the trail names it. That is done before it serves anything:
/// what a server did stands behind its start.
///
/// # Errors
/// [`StartError::Trail`]: then it must not start.
pub(super) async fn started(store: &Store, replica: &Replica) -> Result<Actor, StartError> {
    let actor = Actor::server(&replica.name);
    let version = env!("CARGO_PKG_VERSION");
    let detail = match replica.address.as_str() {
        "" => format!("version {version}"),
        address => format!("version {version}, for other servers at {address}"),
    };
    let noted = Noted::new(actor.clone(), Action::ServerStarted, &[], &detail);
    note(store, &noted).await.map_err(StartError::Trail)?;
    Ok(actor)
}

/// Writes down that a server has stopped. It stops, whether that is in the trail or not.
pub(super) async fn stopped(store: &Store, actor: Actor) {
    let noted = Noted::new(actor, Action::ServerStopped, &[], "");
    if let Err(error) = note(store, &noted).await {
        tracing::error!(%error, "the audit trail does not have it that this server has stopped");
    }
}

impl Service {
    /// Writes down that certificates, keys and revocation lists were read again, and are used.
    ///
    /// # Errors
    /// [`StoreError`] if that is not in the trail; they are used all the same.
    pub(crate) async fn note_certificates(&self) -> Result<(), StoreError> {
        let noted = Noted::new(self.actor.clone(), Action::CertificatesRead, &[], "");
        note(&self.store, &noted).await.map(drop)
    }
}
