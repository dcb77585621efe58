//! This server among those that share a PostgreSQL database.
//!
//! Each net is served by one of them, whose state machine is in memory and whose writes are fenced by
//! a lease (`store::leases`). The others hand requests for it on. A server that is killed loses its
//! nets to the others when its announcement runs out; one that ends in an orderly way gives them back.
//! Nothing of a net is in a server that is not in the database, too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use dcnet_protocol::names::NetId;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Service, StartError};
use crate::store::{Holder, Lease, LeaseRow, Store, StoreError};

/// How a server appears among those that share its store.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    /// Its name: that of no other server, and the same after a restart.
    pub(crate) name: String,
    /// Where the others reach it, host and port; empty if they do not.
    pub(crate) address: String,
    /// An announcement runs out after so long: then others take its nets over.
    pub(crate) lease: Duration,
}

/// This server's part in it.
pub(super) struct Share {
    replica: Replica,
    /// The nets of other servers, as of the last look, and where to reach those.
    elsewhere: RwLock<HashMap<NetId, String>>,
}

/// Announcements within the time in which one runs out.
const BEATS: u32 = 4;

impl Share {
    pub(super) fn new(replica: Replica) -> Self {
        Self {
            replica,
            elsewhere: RwLock::default(),
        }
    }

    /// Where a net was served at the last look.
    pub(super) fn known_at(&self, net: NetId) -> Option<String> {
        self.elsewhere
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&net)
            .cloned()
    }

    pub(super) fn forget(&self, net: NetId) {
        self.elsewhere
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&net);
    }

    /// Takes a net that nobody serves, or this server before it was started anew; else the address of
    /// who does.
    pub(super) async fn take(
        &self,
        store: &Store,
        net: NetId,
    ) -> Result<Result<Lease, String>, StoreError> {
        loop {
            let Some(row) = store.lease(net).await? else {
                return Err(StoreError::LeaseLost(net.to_string()));
            };
            if let Standing::Theirs(address) = self.standing(&row) {
                return Ok(Err(address));
            }
            // Ours, but not running: of a life before this one, whose writes end with the new term.
            if let Some(lease) = store.take(&row, &self.replica.name).await? {
                return Ok(Ok(lease));
            }
            // Another one was faster: it says who next time.
        }
    }

    fn standing(&self, row: &LeaseRow) -> Standing {
        match &row.holder {
            None => Standing::Free,
            Some(holder) if holder.replica == self.replica.name => Standing::Ours,
            Some(holder) => Standing::Theirs(holder.address.clone()),
        }
    }

    /// Tells the others that this server ends: its nets are free at once.
    pub(super) async fn leave(&self, store: &Store) {
        if let Err(error) = store.leave(&self.replica.name).await {
            tracing::warn!(%error, "other servers will notice by themselves that this one has ended");
        }
    }

    async fn announce(&self, store: &Store) -> Result<(), StoreError> {
        let holder = Holder {
            replica: self.replica.name.clone(),
            address: self.replica.address.clone(),
        };
        let millis = u64::try_from(self.replica.lease.as_millis()).unwrap_or(u64::MAX);
        store.announce(&holder, millis).await
    }
}

enum Standing {
    Free,
    Ours,
    Theirs(String),
}

/// Announces this server, and keeps its share of the nets until the service is gone.
pub(super) async fn join(service: &Arc<Service>, share: Arc<Share>) -> Result<(), StartError> {
    share.announce(&service.store).await?;
    let mut keeper = Keeper {
        share: Arc::clone(&share),
        passed_over: HashSet::new(),
    };
    // Nothing holds an announcement up: starting many nets takes longer than one lasts.
    let mut beats = Beats::new(&share.replica, service);
    tokio::spawn(async move {
        while let Some(service) = beats.next().await {
            let announced = share.announce(&service.store).await;
            beats.report(&announced);
        }
    });
    keeper.look(service).await?;
    let mut beats = Beats::new(&keeper.share.replica, service);
    tokio::spawn(async move {
        while let Some(service) = beats.next().await {
            let looked = keeper.look(&service).await;
            beats.report(&looked);
        }
    });
    Ok(())
}

/// Comes round in time for an announcement to last, until the service stops.
struct Beats {
    interval: Interval,
    service: Weak<Service>,
    /// Whether the store failed last: that is told once, and once when it is back.
    lost: bool,
}

impl Beats {
    fn new(replica: &Replica, service: &Arc<Service>) -> Self {
        let mut interval = interval(replica.lease / BEATS);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            service: Arc::downgrade(service),
            lost: false,
        }
    }

    async fn next(&mut self) -> Option<Arc<Service>> {
        self.interval.tick().await;
        let service = self.service.upgrade()?;
        let stopping = *service.stopping.borrow();
        (!stopping).then_some(service)
    }

    fn report(&mut self, result: &Result<(), StoreError>) {
        match result {
            Ok(()) if self.lost => tracing::info!("the store answers again"),
            Ok(()) => {}
            Err(error) if self.lost => tracing::debug!(%error, "the store does not answer"),
            Err(error) => {
                tracing::error!(%error, "the store does not answer; other servers may take over nets");
            }
        }
        self.lost = result.is_err();
    }
}

/// Sees to it that each net is served by somebody, and nobody has too many.
struct Keeper {
    share: Arc<Share>,
    /// Free nets beyond this server's part, left to others at the last look.
    passed_over: HashSet<NetId>,
}

impl Keeper {
    async fn look(&mut self, service: &Arc<Service>) -> Result<(), StoreError> {
        // What runs is looked at first: a net that is started meanwhile is none that was lost.
        let mut running: HashMap<NetId, Lease> = service
            .all_running()
            .into_iter()
            .filter_map(|(net, lease)| Some((net, lease?)))
            .collect();
        let rows = service.store.leases().await?;
        let alive = service.store.replicas_alive().await?.max(1);
        let part = u64::try_from(rows.len())
            .unwrap_or(u64::MAX)
            .div_ceil(alive);
        let part = usize::try_from(part).unwrap_or(usize::MAX);
        let mut elsewhere = HashMap::new();
        let mut to_start = Vec::new();
        let mut free = Vec::new();
        for row in &rows {
            // Nobody has taken it, even if our announcement should have run out meanwhile.
            if running
                .get(&row.net)
                .is_some_and(|had| had.term == row.term)
            {
                running.remove(&row.net);
                continue;
            }
            match self.share.standing(row) {
                // Of a life before this one.
                Standing::Ours => to_start.push(row.net),
                Standing::Theirs(address) => {
                    elsewhere.insert(row.net, address);
                }
                Standing::Free => free.push(row.net),
            }
        }
        *self
            .share
            .elsewhere
            .write()
            .unwrap_or_else(PoisonError::into_inner) = elsewhere;
        // What still runs here, and another server has taken since.
        for net in running.into_keys() {
            tracing::warn!(%net, "another server serves this net now");
            service.end_net(net).await;
        }
        let ours = service.all_running().len().saturating_add(to_start.len());
        self.take_free(free, ours, part, &mut to_start);
        for (net, error) in service.start_nets(to_start).await {
            tracing::warn!(%net, %error, "net is not served here");
        }
        self.give_back(service, part).await
    }

    /// Free nets up to this server's part at once, others if nobody took them since the last look.
    fn take_free(&mut self, free: Vec<NetId>, ours: usize, part: usize, take: &mut Vec<NetId>) {
        let mut room = part.saturating_sub(ours);
        let mut passed_over = HashSet::new();
        for net in free {
            if room > 0 {
                room -= 1;
                take.push(net);
            } else if self.passed_over.contains(&net) {
                take.push(net);
            } else {
                passed_over.insert(net);
            }
        }
        self.passed_over = passed_over;
    }

    /// One net more than this server's part, and some slack, goes to whoever has fewer.
    async fn give_back(&self, service: &Service, part: usize) -> Result<(), StoreError> {
        let running = service.all_running();
        let too_many = running.len() > part.saturating_add(part / 8).max(1);
        let Some((net, Some(lease))) = running.into_iter().next().filter(|_| too_many) else {
            return Ok(());
        };
        service.end_net(net).await;
        service.store.give_back(lease).await?;
        tracing::info!(%net, "net given back: others have fewer");
        Ok(())
    }
}
