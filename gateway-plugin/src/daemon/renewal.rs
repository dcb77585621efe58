//! Renewed certificates come into use while the daemon runs.

use dcnet_protocol::gateway::Input;
use dcnet_protocol::round::UnixTime;

use super::session::Session;
use crate::config::Look;
use crate::ledger::LedgerError;
use crate::submit::client_config;

impl Session {
    /// Looks whether the owner has put renewed certificates in the place of those in use. Not while a
    /// frame is about to be sealed or on its way: it is to have its answer on the connection that it has.
    pub(super) fn renew(&mut self, now: UnixTime) -> Result<(), LedgerError> {
        if self.plan.is_about_to_seal(now) || self.parts.outbox.has_frames() {
            return Ok(());
        }
        let own = match self.parts.renewal.look(now) {
            Look::Same => return Ok(()),
            Look::Renewed(own) => own,
            Look::Unusable(error) => {
                tracing::warn!(
                    event = "certificates.unusable",
                    "changed certificates are not used, those read before are: {error}"
                );
                return Ok(());
            }
            Look::Another => {
                tracing::warn!(
                    event = "certificates.unusable",
                    "changed certificates are not used: they name another gateway or are under another \
                     authority; restart the daemon if that is meant"
                );
                return Ok(());
            }
        };
        let told = client_config(&own.tls).and_then(|tls| self.parts.client.renew(tls));
        if let Err(error) = told {
            tracing::warn!(
                event = "certificates.unusable",
                "changed certificates are not used: {error}"
            );
            return Ok(());
        }
        let (key, chain) = (own.signing_key.clone(), own.signing_chain.clone());
        self.parts.machine.certified_anew(key, chain);
        tracing::info!(
            event = "certificates.renewed",
            "renewed certificates are in use"
        );
        self.step(Input::Join)
    }
}
