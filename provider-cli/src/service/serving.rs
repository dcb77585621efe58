//! Starting and ending nets on this server, and finding those that another server serves.

use std::num::NonZero;
use std::sync::{Arc, PoisonError};
use std::thread::available_parallelism;

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{Provider, Setup};
use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};
use tokio::task::{JoinHandle, JoinSet};

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

/// Held while a net is being started or ended, so that it is started once. Each lock is that of some of
/// the nets, so that others can be started meanwhile.
pub(super) struct Changing([Arc<Mutex<()>>; 64]);

impl Default for Changing {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }
}

impl Changing {
    async fn one(&self, net: NetId) -> OwnedMutexGuard<()> {
        let [first, ..] = &self.0;
        let number = net.as_str().bytes().map(usize::from).sum::<usize>() % self.0.len();
        let lock = self.0.get(number).unwrap_or(first);
        Arc::clone(lock).lock_owned().await
    }

    /// Always in the same order; nobody who holds one waits for another.
    async fn all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut held = Vec::new();
        for lock in &self.0 {
            held.push(lock.lock().await);
        }
        held
    }
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

    /// Starts nets that are in the store, one after the other; as many as there are processors are restored
    /// at the same time, which takes a tenth of a second for a large one. Returns those that are not served
    /// here, with the reason.
    pub(super) async fn start_nets(
        self: &Arc<Self>,
        nets: impl IntoIterator<Item = NetId>,
    ) -> Vec<(NetId, ServiceError)> {
        let at_a_time = available_parallelism().map_or(1, NonZero::get);
        let mut restoring = JoinSet::new();
        let mut failed = Vec::new();
        let mut nets = nets.into_iter();
        loop {
            let has_room = restoring.len() < at_a_time;
            let Some(net) = has_room.then(|| nets.next()).flatten() else {
                match restoring.join_next().await {
                    None => return failed,
                    Some(Ok((net, Err(error)))) => failed.push((net, error)),
                    Some(Ok((_, Ok(_)))) => {}
                    Some(Err(error)) => tracing::error!(%error, "the start of a net ended badly"),
                }
                continue;
            };
            match self.begin(net).await {
                Ok(Begun::New(starting)) => {
                    let service = Arc::clone(self);
                    restoring.spawn(async move { (net, service.restore(starting).await) });
                }
                Ok(Begun::Found(Found::Here(_))) => {}
                Ok(Begun::Found(Found::At(_))) => failed.push((net, ServiceError::Moving(net))),
                Err(error) => failed.push((net, error)),
            }
        }
    }

    async fn start_or_find(&self, net: NetId) -> Result<Found, ServiceError> {
        match self.begin(net).await? {
            Begun::Found(found) => Ok(found),
            Begun::New(starting) => self.restore(starting).await.map(Found::Here),
        }
    }

    /// All of a start that comes before the net is read.
    async fn begin(&self, net: NetId) -> Result<Begun, ServiceError> {
        let changing = self.changing.one(net).await;
        if let Some(served) = self.running(net) {
            return Ok(Begun::Found(Found::Here(served)));
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
                Err(address) => return Ok(Begun::Found(Found::At(address))),
            },
        };
        // In the order of the starts: the first nets have series of their own.
        let watch = self.metrics.nets.watch(&setup.descriptor);
        let net = Arc::new(Net::new(
            setup,
            row.descriptor.into(),
            self.store.clone(),
            self.committer.clone(),
            lease,
            watch,
        ));
        Ok(Begun::New(Starting {
            net,
            _changing: changing,
        }))
    }

    async fn restore(&self, starting: Starting) -> Result<Arc<Net>, ServiceError> {
        let served = &starting.net;
        let restored = served.restore().await;
        let incarnation = restored.ok_or(ServiceError::StoreUnavailable)?;
        let mut tasks = vec![tokio::spawn(Arc::clone(served).run(incarnation))];
        for client in self.witnesses.iter().cloned() {
            tasks.push(tokio::spawn(witnesses::follow(Arc::clone(served), client)));
        }
        let entry = Served {
            net: Arc::clone(served),
            tasks,
        };
        self.nets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(served.id(), entry);
        tracing::info!(net = %served.id(), "serving net");
        Ok(Arc::clone(served))
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
        let _changing = self.changing.one(net).await;
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
        let _changing = self.changing.all().await;
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

/// A start that has begun, unless there was none to begin.
enum Begun {
    Found(Found),
    New(Starting),
}

/// A net that nobody else starts or ends while this is held.
struct Starting {
    net: Arc<Net>,
    _changing: OwnedMutexGuard<()>,
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
