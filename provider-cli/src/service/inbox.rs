//! Inboxes: where each one stands, and who waits for it. The messages are in the store.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dcnet_protocol::names::ClientId;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::store::InboxHead;

/// Messages that may wait for one gateway before further envelopes to it are refused. What the
/// provider itself has to say is never refused.
pub(super) const CAPACITY: u64 = 1024;

/// Bytes of messages in one answer, beyond which no further message is added.
const ANSWER: usize = 1024 * 1024;

/// The heads of all inboxes of one net.
#[derive(Default)]
pub(super) struct Board {
    heads: Mutex<HashMap<ClientId, Head>>,
}

#[derive(Default)]
struct Head {
    /// Number of the newest message, 0 for none.
    last: watch::Sender<u64>,
    /// Last sequence number that was confirmed.
    confirmed: u64,
    /// Behind a restored backup there are no messages with numbers above `old` and up to `used`.
    old: u64,
    used: u64,
}

impl Board {
    /// What the store has.
    pub(super) fn restore(&self, heads: &[InboxHead]) {
        for row in heads {
            self.with(row.client, |head| {
                head.confirmed = row.newest.saturating_sub(row.held);
                head.old = row.newest;
                head.used = row.last;
                head.last.send_replace(row.newest);
            });
        }
    }

    /// Number of the newest message to `client` that waited since the start, 0 for none.
    pub(super) fn last(&self, client: ClientId) -> u64 {
        self.with(client, |head| *head.last.borrow())
    }

    /// Number of messages that `client` has not confirmed.
    pub(super) fn held(&self, client: ClientId) -> u64 {
        self.with(client, |head| {
            let last = *head.last.borrow();
            let since = last.saturating_sub(head.confirmed.max(head.used));
            since + head.old.saturating_sub(head.confirmed)
        })
    }

    /// Messages up to `last` are in the store.
    pub(super) fn publish(&self, client: ClientId, last: u64) {
        self.with(client, |head| head.last.send_replace(last));
    }

    /// `client` has everything up to `sequence`. Whether that is news.
    pub(super) fn confirm(&self, client: ClientId, sequence: u64) -> bool {
        self.with(client, |head| {
            let news = sequence > head.confirmed && sequence <= *head.last.borrow();
            if news {
                head.confirmed = sequence;
            }
            news
        })
    }

    /// Returns when something behind `after` is there, or after `wait`.
    pub(super) async fn wait(&self, client: ClientId, after: u64, wait: Duration) {
        let mut head = self.with(client, |head| head.last.subscribe());
        if wait.is_zero() {
            return;
        }
        // Time out or not: the caller looks.
        let _ = timeout(wait, head.wait_for(|last| *last > after)).await;
    }

    fn with<T>(&self, client: ClientId, then: impl FnOnce(&mut Head) -> T) -> T {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        then(heads.entry(client).or_default())
    }
}

/// The encoding of `Inbox` around messages that are encoded already.
pub(super) fn encode(deliveries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (sequence, message) in deliveries {
        if body.len() > ANSWER {
            break;
        }
        body.extend(sequence.to_be_bytes());
        body.extend(message);
    }
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.append(&mut body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use dcnet_protocol::codec::Wire as _;
    use dcnet_protocol::message::Inbox;

    #[test]
    fn an_empty_inbox_is_encoded_as_the_specification_says() {
        assert_eq!(encode(&[]), Inbox::default().encode());
    }

    #[test]
    fn confirming_is_news_once_and_never_beyond_the_head() {
        let (board, client) = (Board::default(), "a".parse().unwrap());
        board.restore(&[head(client, 7, 7, 3)]);
        assert_eq!(board.held(client), 3);
        assert!(!board.confirm(client, 4));
        assert!(board.confirm(client, 5));
        assert!(!board.confirm(client, 5));
        assert!(!board.confirm(client, 8));
        assert_eq!(board.held(client), 2);
    }

    fn head(client: ClientId, last: u64, newest: u64, held: u64) -> InboxHead {
        InboxHead {
            client,
            last,
            newest,
            held,
        }
    }

    #[test]
    fn numbers_that_a_restored_backup_left_out_are_no_messages() {
        let (board, client) = (Board::default(), "a".parse().unwrap());
        board.restore(&[head(client, 1000, 7, 3)]);
        assert_eq!((board.last(client), board.held(client)), (7, 3));
        board.publish(client, 1001);
        assert_eq!(board.held(client), 4);
        // Of whoever had fetched more than the backup knew.
        assert!(board.confirm(client, 9));
        assert_eq!(board.held(client), 1);
        assert!(board.confirm(client, 1001));
        assert_eq!(board.held(client), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_inbox_of_a_restored_backup_is_waited_for() {
        let (board, client) = (Board::default(), "a".parse().unwrap());
        board.restore(&[head(client, 1000, 0, 0)]);
        let started = tokio::time::Instant::now();
        board.wait(client, 9, Duration::from_secs(25)).await;
        assert_eq!(started.elapsed().as_secs(), 25);
        board.publish(client, 1001);
        assert_eq!(board.held(client), 1);
        board.wait(client, 9, Duration::from_secs(25)).await;
        assert_eq!(started.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_ends_the_wait() {
        let (board, client) = (Board::default(), "a".parse().unwrap());
        let started = tokio::time::Instant::now();
        tokio::join!(board.wait(client, 0, Duration::from_secs(25)), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            board.publish(client, 1);
        });
        assert_eq!(started.elapsed().as_secs(), 3);
        board.wait(client, 1, Duration::from_secs(25)).await;
        assert_eq!(started.elapsed().as_secs(), 28);
    }
}
