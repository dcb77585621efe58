//! Exits: this gateway's own, and those of neighbours.
//!
//! Section 7.12 of `docs/spec/protocol.md`.

use rand_core::CryptoRng;

use super::state::{EdgePhase, Membership, Wanted};
use super::{Fault, Gateway, Output, Report, Request};
use crate::envelope::EdgeReason;
use crate::frame::FrameBody;
use crate::membership::entry::ExitStatement;
use crate::names::{ClientId, ClientSet};
use crate::round::UnixTime;
use crate::signature::{Signed, VerifyingKey};

impl Gateway {
    /// The owner wants to leave.
    pub(super) fn leave(&mut self, now: UnixTime, rng: &mut impl CryptoRng) -> Vec<Output> {
        let body = &mut self.state.body;
        match body.membership {
            Membership::Left => return Vec::new(),
            Membership::Leaving => {}
            Membership::Joining | Membership::Entered => {
                body.membership = Membership::Leaving;
                body.wanted.clear();
                self.stated = false;
            }
        }
        let mut outputs = vec![self.persist(None)];
        outputs.extend(self.poll(now, rng));
        outputs
    }

    /// The exit is complete: nothing of the net's keys stays.
    pub(super) fn left(&mut self, now: UnixTime, rng: &mut impl CryptoRng) -> Vec<Output> {
        self.begin_anew(now, rng);
        self.state.body.membership = Membership::Left;
        vec![self.persist(None), Output::Report(Report::Left)]
    }

    /// A neighbour leaves: its former neighbours agree on keys along the ring of their names.
    pub(super) fn neighbour_exits(
        &mut self,
        now: UnixTime,
        statement: &Signed<ExitStatement>,
    ) -> Vec<Output> {
        let client = statement.unverified().client;
        match self.check_exit(statement) {
            Ok(()) => {}
            // By a renewed certificate, perhaps: looked up once, then it is refused.
            Err(Fault::Signature(_)) if self.state.body.exit_waiting.is_none() => {
                self.state.body.exit_waiting = Some(statement.clone());
                self.want(Wanted {
                    client,
                    offer: None,
                });
                return vec![self.persist(None), Output::Send(Request::Package(client))];
            }
            Err(fault) => return vec![Output::Report(fault.into())],
        }
        self.state.body.free_place(&client);
        let phase = self.neighbour(&client).map(|neighbour| neighbour.phase);
        if phase == Some(EdgePhase::Offered) {
            // There was no edge: no key to discard and no gap to bridge.
            let neighbours = &mut self.state.body.neighbours;
            neighbours.retain(|neighbour| neighbour.party.client != client);
            return vec![
                self.persist(None),
                Output::Report(Report::NeighbourLeaves { client }),
            ];
        }
        for neighbour in &mut self.state.body.neighbours {
            if neighbour.party.client == client {
                neighbour.phase = EdgePhase::Leaving;
                neighbour.owed = None;
            }
        }
        if let Some(next) = self.successor(&statement.unverified().neighbours)
            && self.neighbour(&next).is_none()
        {
            self.want(Wanted {
                client: next,
                offer: Some(EdgeReason::Bridge),
            });
        }
        self.statement_is_due(now);
        vec![
            self.persist(None),
            Output::Report(Report::NeighbourLeaves { client }),
        ]
    }

    pub(super) fn state_exit(&mut self, now: UnixTime) -> Vec<Output> {
        let serial = self.next_serial(now);
        let statement = self.setup.key.sign(ExitStatement {
            net: self.setup.descriptor.net(),
            descriptor: self.setup.descriptor.hash(),
            client: self.setup.client,
            serial,
            neighbours: self.neighbours(),
        });
        let frame = self.control_frame(now, FrameBody::Exiting(statement));
        std::iter::once(self.persist(None)).chain(frame).collect()
    }

    fn check_exit(&self, statement: &Signed<ExitStatement>) -> Result<(), Fault> {
        let client = statement.unverified().client;
        let neighbour = self.neighbour(&client).ok_or(Fault::Exit { client })?;
        let key = VerifyingKey::from_sec1(&neighbour.statement_key)
            .map_err(|_| Fault::Exit { client })?;
        let body = statement.verify(&key)?;
        // An exit from before the member came back with a new key package is history.
        let ours = body.net == self.setup.descriptor.net()
            && body.descriptor == self.setup.descriptor.hash()
            && body.serial > neighbour.package_serial;
        if ours {
            Ok(())
        } else {
            Err(Fault::Exit { client })
        }
    }

    /// The member after this one on the ring of a leaver's neighbours.
    fn successor(&self, ring: &ClientSet) -> Option<ClientId> {
        let own = self.setup.client;
        if !ring.contains(&own) {
            return None;
        }
        let after = ring
            .iter()
            .find(|client| **client > own)
            .or_else(|| ring.iter().next());
        after.copied().filter(|client| *client != own)
    }
}
