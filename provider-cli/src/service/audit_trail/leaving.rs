//! Sums that are taken elsewhere: what the audit trail has of it before they leave, and if they do not
//! arrive.

use dcnet_protocol::names::NetId;

use super::{Action, Actor, Noted, note};
use crate::service::Admin;
use crate::store::{Store, StoreError};

/// An export that the audit trail says has begun. Of one that comes to its end it says no more.
#[must_use = "if it breaks off, the audit trail is to have that, too"]
pub(crate) struct Leaving {
    store: Store,
    actor: Actor,
    detail: String,
    /// The entries that say so.
    entries: Vec<(u64, NetId)>,
}

impl Leaving {
    /// Writes down that it has broken off: what has arrived, if anything, is not the whole.
    ///
    /// # Errors
    /// [`StoreError`] if that is not in the trail.
    pub(crate) async fn broke_off(self, reason: &str) -> Result<(), StoreError> {
        let action = Action::ExportBrokenOff;
        for (number, net) in &self.entries {
            let detail = format!("entry {number}, {}: {reason}", self.detail);
            let noted = Noted::new(self.actor.clone(), action, &[*net], &detail);
            note(&self.store, &noted).await?;
        }
        Ok(())
    }
}

impl Admin {
    /// Writes down that sums of `nets` are about to leave: what `detail` says in words. Nothing if the store
    /// is a backup, which is only read.
    ///
    /// # Errors
    /// [`StoreError`] if it is not in the trail for each of them: then none may leave.
    pub(crate) async fn note_leaving(
        &self,
        actor: Actor,
        nets: &[NetId],
        detail: String,
    ) -> Result<Leaving, StoreError> {
        let mut leaving = Leaving {
            store: self.store.clone(),
            actor,
            detail,
            entries: Vec::new(),
        };
        if self.store.is_backup() {
            return Ok(leaving);
        }
        for net in nets {
            let actor = leaving.actor.clone();
            let noted = Noted::new(actor, Action::Exported, &[*net], &leaving.detail);
            match note(&self.store, &noted).await {
                Ok(number) => leaving.entries.push((number, *net)),
                Err(error) => {
                    // The store has failed just now: if it takes this, the entries before are set right.
                    let _ = leaving.broke_off("it could not be written down").await;
                    return Err(error);
                }
            }
        }
        Ok(leaving)
    }

    /// Writes down that an exporter starts that goes on by itself: `nets`, or all of the store, and where
    /// to, without secrets. Nothing if the store is a backup.
    ///
    /// # Errors
    /// [`StoreError`] if it is not in the trail: then it must not start.
    pub(crate) async fn note_exporter(
        &self,
        name: &str,
        nets: Option<&[NetId]>,
        target: &str,
    ) -> Result<(), StoreError> {
        let detail = match nets {
            None => format!("{name}: all nets to {target}"),
            Some([]) => format!("{name}: no net to {target}"),
            Some(_) => format!("{name} to {target}"),
        };
        let nets = nets.unwrap_or_default();
        self.note(Action::ExporterStarted, nets, &detail).await
    }
}
