//! How many connections the page has, and from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Most connections at the same time: a page has few readers, and a gateway little memory.
pub(super) const MOST: usize = 32;
/// Most of them from one address, so that one client leaves room for the others.
const MOST_OF_ONE: usize = 16;

/// Who is connected, by address.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that counts.
pub(super) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// A place for a connection from `address`, if there is one left for it.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network_of(address);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let of_one = taken.get(&address).copied().unwrap_or(0);
        if all >= MOST || of_one >= MOST_OF_ONE {
            return None;
        }
        taken.insert(address, of_one + 1);
        let places = self.clone();
        Some(Place { places, address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = &self.places.0;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// What one client is known by: of an IPv6 address the first half, as a host has as many second halves as
/// it likes.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0]).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_room_for_others_and_places_are_given_back() {
        let places = Places::default();
        let [one, two, three] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
        let mut held: Vec<_> = (0..MOST_OF_ONE).map(|_| places.take(one)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(one).is_none());
        held.extend((0..MOST - MOST_OF_ONE).map(|_| places.take(two)));
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(three).is_none());
        held.pop();
        assert!(places.take(three).is_some());
        assert_eq!(
            network_of("2001:db8::1".parse().unwrap()),
            network_of("2001:db8::2:1".parse().unwrap())
        );
        drop(held);
        assert!(places.0.lock().is_ok_and(|taken| taken.is_empty()));
    }
}
