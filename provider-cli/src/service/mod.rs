//! What the provider does for gateways and for its owner. `server` and `cli` call it; it alone
//! calls `store`.

mod admin;
mod audit;
pub(crate) mod audit_trail;
mod auditing;
pub mod bench;
pub(crate) mod care;
mod committer;
mod convert;
mod corrections;
mod evidence;
mod inbox;
mod log;
mod log_view;
mod members;
mod net;
mod orders;
pub(crate) mod overview;
mod pages;
mod received;
mod replay;
mod replicas;
mod roster_view;
mod rosters;
mod rounds;
mod series;
mod server_life;
mod serving;
mod showing;
mod signer;
mod strength;
mod witnesses;

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dcnet_protocol::certificate::CertificateError;
use dcnet_protocol::descriptor::DescriptorError;
use dcnet_protocol::message::SignedReceipt;
use dcnet_protocol::names::{ClientId, NetId};
use dcnet_protocol::provider::{Refusal, SetupError};
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::signature::SigningKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use admin::{
    Admin, AdminError, MemberCounts, NetView, NewNet, RoundView, SlotText, WrongShareView, hex,
    unhex,
};
pub(crate) use audit::{Audit, RECOMMENDED_SIZE};
pub(crate) use corrections::CorrectionView;
pub(crate) use evidence::{EvidenceFolder, Finding, UnreadableError};
pub(crate) use log_view::EntryView;
pub(crate) use members::{FrameView, MemberLine, MemberList, MemberView};
pub(crate) use orders::{AskError, LONGEST_REASON, OrderState, OrderView, OrderedView};
pub(crate) use pages::{HealthView, LAST_ROUND, Listing, NetSums, Page, RoundSums};
pub(crate) use received::EvidenceView;
pub(crate) use replicas::Replica;
pub(crate) use roster_view::RosterView;
pub(crate) use series::{FinalRound, Part, Quality, Series};
pub(crate) use serving::Place;
pub(crate) use showing::{MOST_ENTRIES, Question};
pub(crate) use strength::Strength;

use crate::monitoring::{Metrics, StoreFailure};
pub(crate) use crate::store::Location;
use crate::store::{Batch, PlainRow, Store, StoreError};
use crate::witness::WitnessClient;
use audit_trail::Actor;
use committer::Committer;
use replicas::Share;
use serving::{Changing, Served};

/// A gateway as its TLS certificate names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    /// SHA-256 of the certificate of the authority that certified it: two authorities may give the
    /// same name.
    pub(crate) authority: [u8; 32],
}

/// Why a gateway's request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("there is no net {0} here")]
    UnknownNet(NetId),
    #[error("{client} is no member of net {net}")]
    UnknownMember { net: NetId, client: ClientId },
    #[error(
        "net {net} is for gateways of another certification authority than the one that certified {client}"
    )]
    ForeignAuthority { net: NetId, client: ClientId },
    #[error("{held} messages wait for {to}; it takes no more before it has fetched them")]
    InboxFull { to: ClientId, held: u64 },
    #[error("more requests are waiting than this net takes; try again")]
    Overloaded,
    #[error("the store does not answer; nothing was acknowledged, send the same bytes again")]
    StoreUnavailable,
    #[error("this net is not served now: {0}")]
    NotServed(String),
    #[error("the server is shutting down; connect again soon")]
    ShuttingDown,
    #[error("net {0} is changing hands between servers; send the same bytes again")]
    Moving(NetId),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why the provider cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit trail.
    #[error(
        "the server does not start, as it cannot write into the audit trail that it does: {0}; \
         `dcnet store check` looks through the store"
    )]
    Trail(#[source] StoreError),
}

/// Why a net in the store cannot be served with the keys at hand.
#[derive(Debug, thiserror::Error)]
enum NetError {
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    #[error(transparent)]
    Authority(#[from] CertificateError),
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Everything that a [`Service`] is started with.
pub(crate) struct Start<'a> {
    pub(crate) store: &'a Location,
    /// The provider's key for statements.
    pub(crate) key: SigningKey,
    /// All of them are asked about each net.
    pub(crate) witnesses: Vec<WitnessClient>,
    /// How this server appears among those that share the store.
    pub(crate) replica: Replica,
    pub(crate) metrics: Arc<Metrics>,
    /// What is deleted when it is old.
    pub(crate) retention: care::Retention,
}

/// The nets of one store, running.
pub(crate) struct Service {
    store: Store,
    key: SigningKey,
    witnesses: Vec<WitnessClient>,
    nets: RwLock<HashMap<NetId, Served>>,
    changing: Changing,
    committer: Committer,
    committing: JoinHandle<()>,
    /// This server among those that share the store; none if nobody else can.
    share: Option<Arc<Share>>,
    /// This server as the audit trail names it.
    actor: Actor,
    metrics: Arc<Metrics>,
    /// Ends long polls.
    stopping: watch::Sender<bool>,
    _lock: Option<File>,
}

impl Service {
    /// Looks whether the nets of the store could be started; changes nothing.
    pub(crate) async fn check(store: &Location) -> Result<(), StartError> {
        Ok(Store::check(store).await?)
    }

    /// Opens the store and starts its nets: all of them in a file, from which it keeps other servers
    /// away; in a database those that no other server serves.
    pub(crate) async fn start(start: Start<'_>) -> Result<Arc<Self>, StartError> {
        let store = Store::create_or_open(start.store).await?;
        let lock = store.lock()?;
        let actor = server_life::started(&store, &start.replica).await?;
        let commits = start.metrics.commits.clone();
        let (committer, committing) = committer::start(store.writer().await?, commits);
        let share = store
            .is_shared()
            .then(|| Arc::new(Share::new(start.replica)));
        let service = Arc::new(Self {
            store,
            key: start.key,
            witnesses: start.witnesses,
            nets: RwLock::default(),
            changing: Changing::default(),
            committer,
            committing,
            share,
            actor,
            metrics: start.metrics,
            stopping: watch::Sender::new(false),
            _lock: lock,
        });
        if let Some(share) = &service.share {
            replicas::join(&service, Arc::clone(share)).await?;
        } else {
            let rows = service.store.nets().await?;
            let nets = rows.into_iter().map(|row| row.net);
            for (net, error) in service.start_nets(nets).await {
                service.metrics.nets.start_failed();
                tracing::error!(%net, %error, "net is not served");
            }
        }
        care::start_pruning(&service, start.retention);
        orders::start(&service);
        Ok(service)
    }

    /// Whether other servers may serve nets of the same store.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// The encoded descriptor of a net.
    pub(crate) async fn descriptor(
        &self,
        client: Client,
        net: NetId,
    ) -> Result<Bytes, ServiceError> {
        Ok(self.net(client, net).await?.descriptor.clone())
    }

    /// Takes a frame; the receipt is given when the frame is durable. Receipts of one net that are
    /// given at about the same time share a signature.
    pub(crate) async fn frame(
        &self,
        client: Client,
        net: NetId,
        bytes: Vec<u8>,
    ) -> Result<SignedReceipt, ServiceError> {
        self.net(client, net).await?.frame(client.id, bytes).await
    }

    /// Takes an envelope; returns when it is in the addressee's inbox, durably.
    pub(crate) async fn envelope(
        &self,
        client: Client,
        net: NetId,
        bytes: Vec<u8>,
    ) -> Result<(), ServiceError> {
        self.net(client, net)
            .await?
            .envelope(client.id, bytes)
            .await
    }

    /// The encoded list of members that a newcomer may draw.
    pub(crate) async fn members(
        &self,
        client: Client,
        net: NetId,
    ) -> Result<Vec<u8>, ServiceError> {
        self.net(client, net).await?.members().await
    }

    /// The encoded key package of a member.
    pub(crate) async fn package(
        &self,
        client: Client,
        net: NetId,
        member: ClientId,
    ) -> Result<Vec<u8>, ServiceError> {
        let package = self.net(client, net).await?.package(member).await?;
        package.ok_or(ServiceError::UnknownMember {
            net,
            client: member,
        })
    }

    /// The encoded inbox of `client` behind `after`; waits up to `wait` for something to arrive.
    /// Deliveries up to `after` are confirmed and deleted.
    pub(crate) async fn inbox(
        &self,
        client: Client,
        net: NetId,
        after: u64,
        wait: Duration,
    ) -> Result<Vec<u8>, ServiceError> {
        let served = self.net(client, net).await?;
        if served.inboxes.confirm(client.id, after) {
            served.forget(client.id, after).await?;
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = served.inboxes.wait(client.id, after, wait) => {}
            () = served.ended() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        if served.inboxes.last(client.id) <= after {
            return Ok(inbox::encode(&[]));
        }
        let deliveries = self
            .store
            .deliveries(net, client.id, after)
            .await
            .map_err(|error| {
                self.metrics.commits.failed(StoreFailure::Read);
                tracing::error!(%net, %error, "cannot read an inbox");
                ServiceError::StoreUnavailable
            })?;
        Ok(inbox::encode(&deliveries))
    }

    /// The encoded first roster of `round` behind step `after`; waits up to `wait` for it.
    pub(crate) async fn roster(
        &self,
        client: Client,
        net: NetId,
        round: Round,
        after: u8,
        wait: Duration,
    ) -> Result<Option<Bytes>, ServiceError> {
        let served = self.net(client, net).await?;
        let mut stopping = self.stopping.subscribe();
        Ok(tokio::select! {
            roster = served.rosters.wait(round, after, wait) => roster,
            () = served.ended() => None,
            _ = stopping.wait_for(|stopping| *stopping) => None,
        })
    }

    /// Stores a pseudonymised reading in the clear, as durably as a frame: the benchmark's measure.
    pub(crate) async fn plain_reading(&self, row: PlainRow) -> Result<(), ServiceError> {
        let batch = Batch {
            plain: vec![row],
            ..Batch::default()
        };
        self.committer.queue(batch, None).wait().await
    }

    /// Makes the table for [`Service::plain_reading`].
    pub(crate) async fn create_plain_table(&self) -> Result<(), StartError> {
        let mut writer = self.store.writer().await?;
        let result = writer.create_plain_table().await;
        writer.close().await;
        Ok(result?)
    }

    /// Returns when all that was to be written before has been answered for, well or badly: the task
    /// that commits gets on.
    pub(crate) async fn gets_on(&self) {
        // A store that refuses is told to whoever asks; the task has not hung.
        let _ = self.committer.queue(Batch::default(), None).wait().await;
    }

    /// Ends long polls, so that a graceful shutdown need not wait for them.
    pub(crate) fn stop_waiting(&self) {
        self.stopping.send_replace(true);
    }

    /// Stops the nets, writes what is left, closes the store. Requests must have ended before.
    pub(crate) async fn stop(self) {
        self.stop_waiting();
        self.end_all().await;
        if let Some(share) = &self.share {
            share.leave(&self.store).await;
        }
        drop(self.committer);
        if let Err(error) = self.committing.await {
            tracing::error!(%error, "the task that commits ended badly");
        }
        server_life::stopped(&self.store, self.actor).await;
        self.store.close().await;
    }
}

/// The clock, read here and handed to the pure core.
pub(crate) fn now() -> UnixTime {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
