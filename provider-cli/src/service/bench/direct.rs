//! The service without HTTPS around it: what the handlers of requests call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dcnet_protocol::message::SignedReceipt;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::RoundOutcome;
use dcnet_protocol::round::Round;
use dcnet_protocol::signature::SigningKey;

use crate::monitoring::Metrics;
use crate::service::{Client, Replica, Service, ServiceError, Start, StartError, care, convert};
use crate::store::{Location, StoreError};

/// A service whose callers are taken at their word: no certificate says who they are.
pub struct Direct {
    service: Arc<Service>,
    authority: [u8; 32],
}

/// Why a request was not carried out, in the words that a gateway would be told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DirectError(#[from] ServiceError);

impl Direct {
    /// Starts the nets of `store`, whose gateways are all certified by the authority with this
    /// fingerprint.
    ///
    /// # Errors
    /// As that of a server: the store.
    pub async fn start(
        store: &Location,
        key: SigningKey,
        authority: [u8; 32],
    ) -> Result<Self, StartError> {
        let start = Start {
            store,
            key,
            witnesses: Vec::new(),
            replica: Replica {
                name: "bench".to_owned(),
                address: String::new(),
                lease: Duration::from_mins(1),
            },
            metrics: Arc::new(Metrics::new(0)),
            retention: care::Retention::default(),
        };
        let service = Service::start(start).await?;
        Ok(Self { service, authority })
    }

    fn client(&self, id: ClientId) -> Client {
        let authority = self.authority;
        Client { id, authority }
    }

    /// Takes a frame; returns when it is durable.
    ///
    /// # Errors
    /// [`DirectError`] as a gateway would be told.
    pub async fn frame(
        &self,
        client: ClientId,
        net: NetId,
        bytes: Vec<u8>,
    ) -> Result<SignedReceipt, DirectError> {
        Ok(self.service.frame(self.client(client), net, bytes).await?)
    }

    /// The encoded first roster of `round` behind step `after`; waits up to `wait` for it.
    ///
    /// # Errors
    /// [`DirectError`] as a gateway would be told.
    pub async fn roster(
        &self,
        client: ClientId,
        net: NetId,
        (round, after): (Round, u8),
        wait: Duration,
    ) -> Result<Option<Bytes>, DirectError> {
        let client = self.client(client);
        Ok(self.service.roster(client, net, round, after, wait).await?)
    }

    /// The encoded inbox behind `after`; waits up to `wait` for something to arrive.
    ///
    /// # Errors
    /// [`DirectError`] as a gateway would be told.
    pub async fn inbox(
        &self,
        client: ClientId,
        net: NetId,
        after: u64,
        wait: Duration,
    ) -> Result<Vec<u8>, DirectError> {
        let client = self.client(client);
        Ok(self.service.inbox(client, net, after, wait).await?)
    }

    /// How a round ended, if it has.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn outcome(
        &self,
        net: NetId,
        round: Round,
    ) -> Result<Option<RoundOutcome>, StoreError> {
        let number = Some(round.number());
        let store = &self.service.store;
        let rows = store.outcomes(net, number, number, Some(1)).await?;
        rows.first()
            .map(|(_, outcome)| convert::decode(outcome))
            .transpose()
    }
}
