//! Signed receipts: one signature for all that became durable at about the same time.
//!
//! A signature takes much longer than a place in a transaction. So receipts of one net queue up while
//! the one before is being signed, and share the next signature.

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::message::{Receipt, SignedReceipt};
use dcnet_protocol::signature::SigningKey;
use tokio::sync::{mpsc, oneshot};

use super::ServiceError;

/// Receipts under one signature at most. More would share a signature that is cheap already, and the
/// first of them would wait.
const BATCH: usize = 1024;

/// A way to the task that signs the receipts of one net; cheap to clone.
#[derive(Clone)]
pub(super) struct Signer(mpsc::UnboundedSender<Pending>);

/// A receipt for a frame that is durable, or about to be.
pub(super) struct Pending {
    pub(super) receipt: Receipt,
    pub(super) done: oneshot::Sender<Result<SignedReceipt, ServiceError>>,
}

impl Signer {
    /// Queues a receipt whose frame is durable. The queue has no limit of its own: the number of
    /// requests that wait is limited per net.
    pub(super) fn sign(&self, pending: Pending) {
        // If the task is gone, so is the server; whoever waits sees its end of the channel closed.
        let _ = self.0.send(pending);
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
    mut queue: mpsc::UnboundedReceiver<Pending>,
) {
    let mut group = Vec::new();
    while queue.recv_many(&mut group, BATCH).await > 0 {
        let (receipts, done): (Vec<_>, Vec<_>) = group
            .drain(..)
            .map(|Pending { receipt, done }| (receipt, done))
            .unzip();
        let signed = SignedReceipt::sign(receipts, &descriptor, &key);
        for (done, receipt) in done.into_iter().zip(signed) {
            // Whoever asked may have gone; it will send the same frame again.
            let _ = done.send(Ok(receipt));
        }
    }
}
