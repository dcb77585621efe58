//! How much room frames and readings take in a store, and what stays of them.

use crate::lab::Lab;
use crate::stores::Store;

/// Bytes in use in a store, and bytes written into the journal of its server so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Room {
    used: i64,
    journal: i64,
}

impl std::ops::Sub for Room {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            used: self.used - other.used,
            journal: self.journal - other.journal,
        }
    }
}

impl std::ops::AddAssign for Room {
    fn add_assign(&mut self, other: Self) {
        self.used += other.used;
        self.journal += other.journal;
    }
}

pub(crate) async fn room(store: &Store) -> Room {
    Room {
        used: i64::try_from(store.used().await).unwrap(),
        journal: i64::try_from(store.journal().await).unwrap(),
    }
}

/// Bytes of files, after a checkpoint.
pub(crate) async fn on_disk(store: &Store) -> u64 {
    store.settle().await;
    store.bytes().await
}

/// A frame is kept until its round is final; then the sum and the names of the round's members stay.
pub(crate) fn print_room(lab: &Lab, (frames, plain): (Room, Room), erased: Room) {
    let (nets, gateways) = (lab.nets.len(), lab.gateways.len());
    let of = |bytes: i64, count: usize| bytes / i64::try_from(count).unwrap();
    println!(
        "bytes in the store: {} per frame while it is kept, {} per plain reading; {} per round of a net \
         that is final, {} for each member of it",
        of(frames.used, nets * gateways),
        of(plain.used, nets * gateways),
        of(erased.used, nets),
        of(erased.used, nets * gateways),
    );
    if frames.journal > 0 {
        println!(
            "bytes in the journal: {} per frame, {} per plain reading; the end of a round {} per net",
            of(frames.journal, nets * gateways),
            of(plain.journal, nets * gateways),
            of(erased.journal - frames.journal, nets),
        );
    }
}
