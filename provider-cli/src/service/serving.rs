//! Starting and ending nets on this server, and finding those that another server serves.

use std::sync::{Arc, PoisonError};

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{Provider, Setup};
use tokio::task::JoinHandle;

use super::net::Net;
use super::{Client, NetError, Service, ServiceError, witnesses};
use crate::monitoring::StoreFailure;
use crate::store::{Lease, NetRow, StoreError};

/// Where a net is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// By this server.
    Here,
    /// By another one, which its like reaches at this host and port.
    At(String),
}

/// A net that this server serves.
pub(super) struct Served {
    pub(super) net: Arc<Net>,
    tasks: Vec<JoinHandle<()>>,
}

impl Service {
    /// Where `net` is served. If nobody serves it, this server does from now on.
    ///
    /// # Errors
    /// Those of every request, except [`ServiceError::Moving`].
    pub(crate) async fn place(&self, net: NetId) -> Result<Place, ServiceError> {
        if self.running(net).is_some() {
            return Ok(Place::Here);
        }
        if let Some(address) = self.share.as_ref().and_then(|share| share.known_at(net)) {
            return Ok(Place::At(address));
        }
        match self.start_or_find(net).await? {
            Found::Here(_) => Ok(Place::Here),
            Found::At(address) => Ok(Place::At(address)),
        }
    }

    /// A server did not answer for `net`: the next look for it asks the store.
    pub(crate) fn not_there(&self, net: NetId) {
        if let Some(share) = &self.share {
            share.forget(net);
        }
    }

    /// The net, for one of its gateways.
    pub(super) async fn net(&self, client: Client, net: NetId) -> Result<Arc<Net>, ServiceError> {
        let served = match self.running(net) {
            Some(served) => served,
            None => self.start_net(net).await?,
        };
        if served.authority == client.authority {
            Ok(served)
        } else {
            Err(ServiceError::ForeignAuthority {
                net,
                client: client.id,
            })
        }
    }

    pub(super) fn running(&self, net: NetId) -> Option<Arc<Net>> {
        self.nets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&net)
            .map(|served| Arc::clone(&served.net))
    }

    /// The nets that this server serves, and under which leases.
    pub(super) fn all_running(&self) -> Vec<(NetId, Option<Lease>)> {
        let nets = self.nets.read().unwrap_or_else(PoisonError::into_inner);
        nets.iter()
            .map(|(net, served)| (*net, served.net.lease()))
            .collect()
    }

    /// Starts a net that is in the store; nets may be created while the server runs.
    pub(super) async fn start_net(&self, net: NetId) -> Result<Arc<Net>, ServiceError> {
        match self.start_or_find(net).await? {
            Found::Here(served) => Ok(served),
            Found::At(_) => Err(ServiceError::Moving(net)),
        }
    }

    async fn start_or_find(&self, net: NetId) -> Result<Found, ServiceError> {
        let _changing = self.changing.lock().await;
        if let Some(served) = self.running(net) {
            return Ok(Found::Here(served));
        }
        if *self.stopping.borrow() {
            return Err(ServiceError::ShuttingDown);
        }
        let unavailable = |error: StoreError| {
            self.metrics.commits.failed(StoreFailure::Read);
            tracing::error!(%net, %error, "cannot look up a net");
            ServiceError::StoreUnavailable
        };
        let row = self.store.net(net).await.map_err(unavailable)?;
        let row = row.ok_or(ServiceError::UnknownNet(net))?;
        // What cannot be served with the keys at hand is not taken away from others.
        let setup = self
            .setup(&row)
            .map_err(|error| ServiceError::NotServed(error.to_string()))?;
        let lease = match &self.share {
            None => None,
            Some(share) => match share.take(&self.store, net).await.map_err(unavailable)? {
                Ok(lease) => Some(lease),
                Err(address) => return Ok(Found::At(address)),
            },
        };
        let watch = self.metrics.nets.watch(&setup.descriptor);
        let served = Arc::new(Net::new(
            setup,
            row.descriptor.into(),
            self.store.clone(),
            self.committer.clone(),
            lease,
            watch,
        ));
        let restored = served.restore().await;
        let incarnation = restored.ok_or(ServiceError::StoreUnavailable)?;
        let mut tasks = vec![tokio::spawn(Arc::clone(&served).run(incarnation))];
        for client in self.witnesses.iter().cloned() {
            tasks.push(tokio::spawn(witnesses::follow(Arc::clone(&served), client)));
        }
        let entry = Served {
            net: Arc::clone(&served),
            tasks,
        };
        self.nets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(net, entry);
        tracing::info!(%net, "serving net");
        Ok(Found::Here(served))
    }

    fn setup(&self, row: &NetRow) -> Result<Setup, NetError> {
        let setup = Setup {
            descriptor: NetDescriptor::decode(&row.descriptor)?,
            key: self.key.clone(),
            anchor: TrustAnchor::from_der(&row.authority)?,
        };
        // Fails here, where it can be said, rather than in the net's task.
        Provider::new(setup.clone())?;
        Ok(setup)
    }

    /// Ends a net on this server: what was queued is written, and nothing after it.
    pub(super) async fn end_net(&self, net: NetId) {
        let _changing = self.changing.lock().await;
        let served = self
            .nets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&net);
        if let Some(served) = served {
            served.end().await;
            self.metrics.nets.forget(net);
            self.gets_on().await;
        }
    }

    /// Ends all nets.
    pub(super) async fn end_all(&self) {
        let _changing = self.changing.lock().await;
        let served =
            std::mem::take(&mut *self.nets.write().unwrap_or_else(PoisonError::into_inner));
        for served in served.values() {
            served.net.end();
        }
        for served in served.into_values() {
            served.end().await;
        }
        self.gets_on().await;
    }
}

enum Found {
    Here(Arc<Net>),
    At(String),
}

impl Served {
    async fn end(self) {
        self.net.end();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the task of a net ended badly");
            }
        }
    }
}
