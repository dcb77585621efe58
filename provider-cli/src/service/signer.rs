//! Signed receipts: one signature for all that became durable at about the same time.
//!
//! A signature takes much longer than a place in a transaction. So the receipts that one transaction
//! gives for a net are signed together, with those that have queued up meanwhile.

use std::collections::HashMap;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::message::{Receipt, SignedReceipt};
use dcnet_protocol::names::NetId;
use dcnet_protocol::signature::SigningKey;
use tokio::sync::{mpsc, oneshot};

use super::ServiceError;

/// Transactions whose receipts are taken together at most.
const TRANSACTIONS: usize = 64;

/// Receipts under one signature at most. More would share a signature that is cheap already, and the
/// first of them would wait.
const BATCH: usize = 1024;

/// A way to the task that signs the receipts of one net; cheap to clone.
#[derive(Clone)]
pub(super) struct Signer(mpsc::UnboundedSender<Vec<Pending>>);

/// A receipt for a frame that is durable, or about to be.
pub(super) struct Pending {
    pub(super) receipt: Receipt,
    pub(super) done: oneshot::Sender<Result<SignedReceipt, ServiceError>>,
}

/// The receipts that one transaction gives, by net.
#[derive(Default)]
pub(super) struct Given(HashMap<NetId, (Signer, Vec<Pending>)>);

impl Given {
    /// Adds a receipt whose frame is durable.
    pub(super) fn add(&mut self, signer: Signer, pending: Pending) {
        let of_net = self.0.entry(pending.receipt.net);
        let (_, receipts) = of_net.or_insert_with(|| (signer, Vec::new()));
        receipts.push(pending);
    }

    /// Queues them to be signed. The queues have no limit of their own: the number of requests that
    /// wait is limited per net.
    pub(super) fn hand_over(self) {
        for (signer, receipts) in self.0.into_values() {
            // If the task is gone, so is the server; whoever waits sees its end of the channel closed.
            let _ = signer.0.send(receipts);
        }
    }
}

/// Starts the task; it ends when the last [`Signer`] of the net is dropped.
pub(super) fn start(descriptor: NetDescriptor, key: SigningKey) -> Signer {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(run(descriptor, key, receiver));
    Signer(sender)
}

async fn run(
    descriptor: NetDescriptor,
    key: SigningKey,
    mut queue: mpsc::UnboundedReceiver<Vec<Pending>>,
) {
    let mut groups = Vec::new();
    while queue.recv_many(&mut groups, TRANSACTIONS).await > 0 {
        let mut pending = groups.drain(..).flatten().peekable();
        while pending.peek().is_some() {
            let (receipts, done): (Vec<_>, Vec<_>) = pending
                .by_ref()
                .take(BATCH)
                .map(|Pending { receipt, done }| (receipt, done))
                .unzip();
            let signed = SignedReceipt::sign(receipts, &descriptor, &key);
            for (done, receipt) in done.into_iter().zip(signed) {
                // Whoever asked may have gone; it will send the same frame again.
                let _ = done.send(Ok(receipt));
            }
        }
    }
}
