//! Registration, the draw, entry, exit: notifications 1 to 3.

use rand_core::CryptoRng;

use super::in_force::InForce;
use super::state::{Draw, EdgePhase, Membership};
use super::{Fault, Gateway, GatewayState, Output, Report, Request, TurnedAway};
use crate::descriptor::MIN_DEGREE;
use crate::envelope::EdgeReason;
use crate::frame::FrameBody;
use crate::key_agreement::{AgreementKey, KeyPackage, Party, SignedKeyPackage};
use crate::membership::edge::EdgeSet;
use crate::membership::entry::Neighbourhood;
use crate::message::SignedReceipt;
use crate::names::ClientSet;
use crate::notification::Notification;
use crate::round::UnixTime;

/// Intervals to wait for stragglers among those drawn before entering with enough of them.
const PATIENCE: u64 = 2;
/// Intervals after which offers that nobody took are given up, and in a `resend` net a draw that too
/// few acknowledged.
const DRAW_LIFETIME: u64 = 8;
/// Intervals after which a draw that too few acknowledged is given up in a `double_mask` net. Whoever
/// can withhold acknowledgements buys one more draw per so many intervals, and no more.
const DRAW_LIFETIME_DOUBLE_MASK: u64 = 96;

impl Gateway {
    /// Whatever is due at `now`.
    pub(super) fn poll(&mut self, now: UnixTime, rng: &mut impl CryptoRng) -> Vec<Output> {
        let membership = self.state.body.membership;
        // Whom it has caught lying it asks for nothing more but to be let go.
        let is_done = membership == Membership::Left
            || (self.state.body.distrusted && membership != Membership::Leaving);
        if is_done {
            return Vec::new();
        }
        let mut outputs: Vec<Output> = self.forget_past_epochs(now).into_iter().collect();
        if self.waits_outside(now) {
            // What concerns epochs that are fixed goes on, and so does leaving.
            outputs.extend(self.ask_proof());
            outputs.extend(self.ask_common());
            if membership == Membership::Leaving && !self.stated {
                outputs.extend(self.state_exit(now));
            }
            return outputs;
        }
        if !self.registered {
            outputs.extend(self.register(now, false));
            return outputs;
        }
        self.give_up_old_offers(now);
        outputs.extend(self.send_owed(None, rng));
        let wanted = self.state.body.wanted.iter();
        outputs.extend(wanted.map(|wanted| Output::Send(Request::Package(wanted.client))));
        outputs.extend(self.ask_listed());
        outputs.extend(self.ask_proof());
        outputs.extend(self.ask_common());
        outputs.extend(match self.state.body.membership {
            Membership::Joining => self.poll_joining(now),
            Membership::Entered => self.poll_entered(now),
            Membership::Leaving if !self.stated => self.state_exit(now),
            Membership::Leaving | Membership::Left => Vec::new(),
        });
        outputs
    }

    /// The provider has stored a frame.
    pub(super) fn accepted(
        &mut self,
        now: UnixTime,
        signed: &SignedReceipt,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        let receipt = match signed.verify(&self.setup.descriptor) {
            Ok(receipt) => receipt,
            Err(bad) => return vec![Output::Report(Fault::from(bad).into())],
        };
        let known = |bytes: &[u8]| crate::message::frame_hash(bytes) == receipt.frame_hash;
        if matches!(
            receipt.notification,
            Notification::Register | Notification::Entered
        ) {
            self.turned_away = None;
        }
        match receipt.notification {
            // A repetition (emergency) leads nowhere new; going on here would go round in circles.
            Notification::Register if self.registered => Vec::new(),
            Notification::Register => {
                self.registered = true;
                self.poll(now, rng)
            }
            Notification::Entered if receipt.frame_hash == self.stated_hash => {
                self.stated = true;
                self.waiting_since.get_or_insert(now);
                if self.changes == self.changes_stated {
                    self.state.body.statement_due = 0;
                }
                vec![self.persist(None)]
            }
            // A receipt for an earlier statement than the last.
            Notification::Entered => Vec::new(),
            Notification::Exiting => {
                self.stated = true;
                let round = self.setup.descriptor.schedule().round_at(now);
                // Not active: nobody has to bridge a gap first.
                if self
                    .in_force(round)
                    .is_none_or(|manifest| !manifest.is_active())
                {
                    return self.left(now, rng);
                }
                Vec::new()
            }
            Notification::Resend => {
                self.answer_done |= self
                    .state
                    .body
                    .answered
                    .as_ref()
                    .is_some_and(|a| known(&a.bytes));
                Vec::new()
            }
            Notification::Transmit => {
                let sealed = self.state.body.sealed.as_ref();
                // What it says beside the hash must be true, too: evidence rests on it.
                let of_frame = sealed.filter(|s| {
                    let place = (receipt.client, receipt.round, receipt.epoch);
                    known(&s.bytes) && place == (self.setup.client, s.round, s.epoch)
                });
                if of_frame.is_none() {
                    return Vec::new();
                }
                self.frame_done = true;
                self.keep_receipt(signed);
                let mut outputs = vec![self.persist(None)];
                outputs.extend(self.ask_roster(now));
                outputs
            }
            Notification::Pads | Notification::Reveal => {
                self.answer_done |= self.is_answer(receipt.frame_hash);
                self.ask_roster(now).into_iter().collect()
            }
        }
    }

    /// The provider refuses a frame.
    pub(super) fn refused(
        &mut self,
        now: UnixTime,
        notification: Notification,
        slug: &str,
        rng: &mut impl CryptoRng,
    ) -> Vec<Output> {
        if let Some(reason) = TurnedAway::named(slug) {
            return self.turn_away(now, notification, reason);
        }
        if slug == "not-registered" || slug == "not-active" {
            self.registered = false;
            self.stated = false;
        }
        match notification {
            Notification::Register if matches!(slug, "exited" | "stale-key-package") => {
                if matches!(
                    self.state.body.membership,
                    Membership::Left | Membership::Leaving
                ) {
                    return self.left(now, rng);
                }
                // With a new key comes a new draw: not as often as the provider says so.
                let begun = self.state.body.begun_at;
                if self.is_double_mask()
                    && self.intervals_since(begun, now) < DRAW_LIFETIME_DOUBLE_MASK
                {
                    return vec![Output::Report(Fault::CalledGone.into())];
                }
                self.begin_anew(now, rng);
                vec![self.persist(None)]
            }
            Notification::Transmit => {
                self.frame_done |= slug != "too-early";
                Vec::new()
            }
            Notification::Resend | Notification::Pads | Notification::Reveal => {
                self.answer_done = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Something has changed that the next notification 2 has to say.
    pub(super) fn statement_is_due(&mut self, now: UnixTime) {
        self.changes += 1;
        if self.state.body.statement_due == 0 {
            self.state.body.statement_due = now.millis();
        }
    }

    /// Offers that nobody took, and acceptances that the provider does not relay, for too long.
    fn give_up_old_offers(&mut self, now: UnixTime) {
        let interval = self.setup.descriptor.schedule().interval_millis();
        let old =
            |since: u64| now.millis_since(UnixTime::from_millis(since)) / interval >= DRAW_LIFETIME;
        let joining = self.state.body.membership == Membership::Joining;
        // In a double-mask net a drawn member is offered its edge as long as it has its place.
        let double_mask = self.is_double_mask();
        let places = self.state.body.places.iter();
        let drawn: ClientSet = places.map(|place| place.client).collect();
        let neighbours = &mut self.state.body.neighbours;
        neighbours.retain(|n| {
            let stays = joining || (double_mask && drawn.contains(&n.party.client));
            stays || n.phase != EdgePhase::Offered || !old(n.since)
        });
        for neighbour in neighbours.iter_mut().filter(|n| old(n.since)) {
            neighbour.owed = None;
        }
    }

    fn register(&self, now: UnixTime, emergency: bool) -> Option<Output> {
        let package = Box::new(self.package.clone());
        self.control_frame(now, FrameBody::Register { package, emergency })
    }

    fn poll_joining(&mut self, now: UnixTime) -> Vec<Output> {
        let body = &self.state.body;
        if body.drawn_at == 0 {
            self.drawing = Some(EdgeReason::Drawn);
            // Again, so that the provider goes on showing this gateway to others.
            let mut outputs: Vec<Output> = self.register(now, false).into_iter().collect();
            outputs.push(self.ask_draw_list());
            return outputs;
        }
        let open = body.draw.as_ref().map_or(0, Draw::open);
        let drawn = body.places.len() + open;
        let acknowledged = self
            .confirmed()
            .filter(|client| body.has_drawn(client))
            .count();
        let waited = self.intervals_since(body.drawn_at, now);
        let enough = acknowledged >= self.setup.descriptor.needed_acknowledgements(drawn);
        if acknowledged == drawn || (waited >= PATIENCE && enough) {
            self.state.body.membership = Membership::Entered;
            self.statement_is_due(now);
            let mut outputs = vec![self.persist(None)];
            outputs.extend(self.poll_entered(now));
            return outputs;
        }
        let lifetime = if self.is_double_mask() {
            DRAW_LIFETIME_DOUBLE_MASK
        } else {
            DRAW_LIFETIME
        };
        if waited < lifetime {
            let mut outputs: Vec<Output> = self.register(now, false).into_iter().collect();
            outputs.extend(self.renew_edges(now));
            return outputs;
        }
        let body = &mut self.state.body;
        body.drawn_at = 0;
        body.draw = None;
        body.places.clear();
        body.wanted.clear();
        body.neighbours
            .retain(|neighbour| neighbour.phase != EdgePhase::Offered);
        vec![
            self.persist(None),
            Output::Report(Report::DrawFailed {
                acknowledged,
                drawn,
            }),
        ]
    }

    fn poll_entered(&mut self, now: UnixTime) -> Vec<Output> {
        let mut outputs = self.strike_silent(now);
        outputs.extend(self.emergency(now));
        outputs.extend(self.renew_edges(now));
        let body = &self.state.body;
        let bridging = body.neighbours.iter().any(|neighbour| {
            neighbour.phase == EdgePhase::Offered && neighbour.reason == EdgeReason::Bridge
        }) || body
            .wanted
            .iter()
            .any(|wanted| wanted.offer == Some(EdgeReason::Bridge));
        let held_back = bridging && self.intervals_since(body.statement_due, now) < PATIENCE;
        if (body.statement_due != 0 && !held_back) || !self.stated {
            outputs.extend(self.state_neighbourhood(now));
        }
        outputs
    }

    /// Too few neighbours, or left out of the manifests for too long: draws more.
    fn emergency(&mut self, now: UnixTime) -> Vec<Output> {
        let round = self.setup.descriptor.schedule().round_at(now);
        let left = self.confirmed().count();
        let active = self.in_force(round).is_some_and(InForce::is_active);
        let since_draw = self.intervals_since(self.state.body.drawn_at, now);
        let alone = left < MIN_DEGREE && since_draw >= 1;
        let left_out = !active && self.is_left_out(now);
        let lacking = self.lacking_holders().filter(|_| since_draw >= 1);
        let report = match lacking {
            Some((have, due)) if !alone && !left_out => Report::DrawsMore { have, wanted: due },
            None if !alone && !left_out => return Vec::new(),
            _ => Report::Emergency { left },
        };
        self.drawing = Some(EdgeReason::Emergency);
        let mut outputs = vec![Output::Report(report)];
        outputs.extend(self.register(now, true));
        if self.state.body.draw.is_none() {
            outputs.push(self.ask_draw_list());
        }
        outputs
    }

    /// Whether it has entered and no manifest has named it for long.
    pub(super) fn is_left_out(&self, now: UnixTime) -> bool {
        self.waiting_since
            .is_some_and(|since| self.intervals_since(since.millis(), now) >= DRAW_LIFETIME)
    }

    fn state_neighbourhood(&mut self, now: UnixTime) -> Vec<Output> {
        let serial = self.next_serial(now);
        self.changes_stated = self.changes;
        let neighbours = self.edges_held();
        let holders = self.holders_of(&neighbours);
        let statement = self.setup.key.sign(Neighbourhood {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            client: self.setup.client,
            package: self.own.package,
            serial,
            neighbours,
            holders,
        });
        let frame = self.control_frame(now, FrameBody::Entered(statement));
        if let Some(Output::Send(Request::Frame { bytes, .. })) = &frame {
            self.stated_hash = crate::message::frame_hash(bytes);
        }
        std::iter::once(self.persist(None)).chain(frame).collect()
    }

    /// Those drawn by this gateway itself among its edges, never more than k.
    pub(super) fn holders_of(&self, edges: &EdgeSet) -> ClientSet {
        let drawn = self.state.body.places.iter().map(|place| place.client);
        drawn
            .filter(|client| edges.contains(client))
            .take(self.setup.descriptor.out_degree())
            .collect()
    }

    /// Above all serials before, also those of a ledger that was lost.
    pub(super) fn next_serial(&mut self, now: UnixTime) -> u64 {
        let serial = &mut self.state.body.statement_serial;
        *serial = now.millis().max(serial.saturating_add(1));
        *serial
    }

    pub(super) fn intervals_since(&self, then: u64, now: UnixTime) -> u64 {
        let interval = self.setup.descriptor.schedule().interval_millis();
        now.millis_since(UnixTime::from_millis(then)) / interval
    }

    /// The larger of the net's and the owner's minimum size.
    pub(super) fn min_size(&self) -> usize {
        let owner = usize::try_from(self.setup.policy.min_size).unwrap_or(usize::MAX);
        self.setup.descriptor.min_size().max(owner)
    }

    /// A new key, no neighbours; the frame sealed last stays, so that no round is entered twice.
    pub(super) fn begin_anew(&mut self, now: UnixTime, rng: &mut impl CryptoRng) {
        let old = &self.state.body;
        let serial = now.millis().max(old.package_serial.saturating_add(1));
        let mut state = GatewayState::with_key(AgreementKey::generate(rng), now);
        state.body.descriptor = old.descriptor;
        state.body.package_serial = serial;
        state.body.statement_serial = old.statement_serial.max(serial);
        state.body.sealed.clone_from(&old.sealed);
        state.body.answered.clone_from(&old.answered);
        state.body.rosters.clone_from(&old.rosters);
        state.body.distrusted = old.distrusted;
        state.body.follower.clone_from(&old.follower);
        state.body.compare.clone_from(&old.compare);
        state.body.inbox_position = old.inbox_position;
        let package = KeyPackage {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            client: self.setup.client,
            serial,
            public_key: state.agreement.public_key(),
        };
        self.own = Party::from(&package);
        self.package = SignedKeyPackage::sign(package, &self.setup.chain, &self.setup.key);
        self.state = state;
        self.registered = false;
        self.stated = false;
    }
}
