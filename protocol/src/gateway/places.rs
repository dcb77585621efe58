//! Who was drawn: section 7.19 of `docs/spec/protocol.md`.
//!
//! A member that was drawn keeps its place, whether or not an edge with it comes about. Whoever can
//! make an honest member silent could otherwise have others drawn until it likes who they are.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::in_force::InForce;
use super::state::{Body, Membership};
use super::{Gateway, Output, Report};
use crate::names::{ClientId, ClientSet};
use crate::round::UnixTime;

/// Intervals of silence after which a place is given to somebody else, and within which no second one
/// is.
const SILENCE: u64 = 96;

/// One of this gateway's drawn members.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Place {
    pub(super) client: ClientId,
    /// When it was drawn, or was known to be in an epoch with this gateway last, in milliseconds.
    pub(super) heard: u64,
}

impl Body {
    /// Whether this gateway drew `client` itself.
    pub(super) fn has_drawn(&self, client: &ClientId) -> bool {
        self.places.iter().any(|place| place.client == *client)
    }

    /// Gives `client` a place.
    pub(super) fn take_place(&mut self, now: UnixTime, client: ClientId) {
        if !self.has_drawn(&client) {
            let heard = now.millis();
            self.places.push(Place { client, heard });
            self.places.sort_by_key(|place| place.client);
        }
    }

    /// Its member has left by its own signed word.
    pub(super) fn free_place(&mut self, client: &ClientId) {
        self.places.retain(|place| place.client != *client);
    }

    /// These members are, or were until now, in an epoch with this gateway.
    pub(super) fn heard_of(&mut self, now: UnixTime, members: &ClientSet) {
        for place in &mut self.places {
            if members.contains(&place.client) {
                place.heard = now.millis();
            }
        }
    }
}

impl Gateway {
    /// Frees the place of the drawn member that was silent longest, if it was for very long and no other
    /// place was freed so for as long: at most one in 96 intervals.
    pub(super) fn strike_silent(&mut self, now: UnixTime) -> Vec<Output> {
        let round = self.setup.descriptor.schedule().round_at(now);
        let active = self
            .in_force(round)
            .map(InForce::neighbours)
            .unwrap_or_default();
        let body = &self.state.body;
        let is_due = self.is_double_mask()
            && body.membership == Membership::Entered
            && self.intervals_since(body.struck_at, now) >= SILENCE
            // Who was away itself does not know whether others were silent.
            && (!active.is_empty() || self.is_left_out(now));
        if !is_due {
            return Vec::new();
        }
        let silent = body
            .places
            .iter()
            .filter(|place| !active.contains(&place.client))
            .filter(|place| self.intervals_since(place.heard, now) >= SILENCE)
            .min_by_key(|place| place.heard);
        let Some(client) = silent.map(|place| place.client) else {
            return Vec::new();
        };
        let body = &mut self.state.body;
        body.free_place(&client);
        body.struck_at = now.millis();
        vec![
            self.persist(None),
            Output::Report(Report::PlaceFreed { client }),
        ]
    }
}
