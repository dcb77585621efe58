//! What comes from the provider: answers, refusals, the inbox.

use std::time::Duration;

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::gateway::Input;
use dcnet_protocol::message::Inbox;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use dcnet_protocol::superposition;
use tokio::time::Instant;

use super::outbox::{Done, Reply, SentFrame, date_of};
use super::plan::Waiting;
use super::random;
use super::session::Session;
use crate::clock::Exchange;
use crate::ledger::{Change, LedgerError, Outcome, SentEntry};
use crate::submit::{Answer, SubmitError};

impl Session {
    /// A request came to its end.
    pub(super) fn finished(&mut self, done: Done) -> Result<(), LedgerError> {
        self.parts.outbox.finished(&done.key);
        self.compare(date_of(&done.outcome));
        if let Some(frame) = done.frame {
            self.note_sent(frame, &done.outcome)?;
        }
        match done.outcome {
            Ok(answer) => {
                self.is_reached();
                match answer.value {
                    Reply::Receipt(receipt) => self.step(Input::Accepted(receipt)),
                    Reply::Relayed(header) => self.step(Input::Relayed(header)),
                    Reply::DrawList(view) => self.step(Input::DrawList(view)),
                    Reply::Listed(members) => self.step(Input::Listed(members)),
                    Reply::LogProof(proof) => self.step(Input::LogProof(proof)),
                    Reply::CommonLog(common) => self.step(Input::CommonLog(common)),
                    Reply::Package(package) => self.step(Input::Package(package)),
                    Reply::Roster(Some(roster)) => self.step(Input::Roster(roster)),
                    Reply::Roster(None) => {
                        self.has_no_roster();
                        Ok(())
                    }
                    Reply::Descriptor(shown) => self.confirm(&shown),
                }
            }
            Err(error) => {
                self.is_in_trouble(&error);
                let passing = error.is_transient();
                let SubmitError::Refused { problem, .. } = error else {
                    return Ok(());
                };
                match done.frame {
                    Some(SentFrame { notification, .. }) if !passing => self.step(Input::Refused {
                        notification,
                        slug: problem.slug,
                    }),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The provider shows the net's parameters, which must be those of the first contact.
    fn confirm(&mut self, shown: &NetDescriptor) -> Result<(), LedgerError> {
        self.parts.descriptor_confirmed = true;
        let known = self.parts.machine.gateway().descriptor();
        if shown.hash() == known.hash() {
            Ok(())
        } else {
            Err(LedgerError::DescriptorChanged { net: known.net() })
        }
    }

    /// The inbox was looked into.
    pub(super) fn received(
        &mut self,
        outcome: Result<Answer<Inbox>, SubmitError>,
    ) -> Result<(), LedgerError> {
        let was_fresh = std::mem::take(&mut self.inbox_is_fresh);
        self.compare(date_of(&outcome));
        let now = self.now();
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                self.is_in_trouble(&error);
                return Ok(());
            }
        };
        self.is_reached();
        self.has_looked();
        let pause = if !self.is_busy(now) {
            self.inbox_pause()
        } else if answer.value.deliveries.is_empty() {
            // A provider that does not hold answers back is not asked without a pause.
            Duration::from_millis(200)
        } else {
            Duration::ZERO
        };
        self.inbox_at = Instant::now() + pause;
        if !answer.value.deliveries.is_empty() {
            for delivery in answer.value.deliveries {
                self.step(Input::Delivery(delivery))?;
            }
            self.step(Input::Poll)?;
        }
        if was_fresh && let Some(round) = self.plan.due(now) {
            self.looked_for = Some(round);
            self.seal_due(now, round)?;
        }
        Ok(())
    }

    /// Seals the frame of `round`, which is due, unless the proof of its epoch is still to come.
    pub(super) fn seal_due(&mut self, now: UnixTime, round: Round) -> Result<(), LedgerError> {
        if !self.awaits_proof(round) {
            return match self.plan.take_due(now) {
                Some(waiting) => self.seal(waiting),
                None => Ok(()),
            };
        }
        let instant = Instant::now();
        if instant < self.proof_at.max(self.not_before) {
            return Ok(());
        }
        // Asks for the proof, unless that is under way. An answer may have crossed another one.
        self.proof_at = instant + self.proof_pause();
        self.step(Input::Poll)
    }

    /// Whether the manifest of `round` is here and not proved: it is sealed when the proof has come, or
    /// not at all.
    pub(super) fn awaits_proof(&self, round: Round) -> bool {
        let gateway = self.parts.machine.gateway();
        gateway.waits_for_proof(round) && !gateway.is_distrusting()
    }

    /// A round whose window has closed before its frame was sealed.
    pub(super) fn give_up(&mut self, round: Round) -> Result<(), LedgerError> {
        if self.awaits_proof(round) {
            // The state machine says why it seals nothing.
            let reading = None;
            return self.step(Input::Submit { round, reading });
        }
        self.missed(
            round,
            "the provider was not reached while its window was open",
        );
        Ok(())
    }

    /// Seals the frame of a round, if the clock can be believed.
    pub(super) fn seal(&mut self, waiting: Waiting) -> Result<(), LedgerError> {
        let Waiting { round, reading, .. } = waiting;
        if let Err(fault) = self.judge() {
            self.missed(round, &fault.to_string());
            return Ok(());
        }
        self.note_reading(&reading);
        let values = reading.ok().map(superposition::Reading::new).transpose();
        let reading = values.unwrap_or_else(|error| {
            tracing::warn!(
                event = "round.no_reading",
                round = round.number(),
                "{error}"
            );
            self.status.last_round_had_reading = false;
            self.status.last_round_fault = Some(error.to_string());
            None
        });
        let had_reading = reading.is_some();
        let before = self.parts.machine.gateway().last_sealed();
        self.step(Input::Submit { round, reading })?;
        if before != Some(round) && self.parts.machine.gateway().last_sealed() == Some(round) {
            self.status.last_round = Some(round.number());
            self.status.last_round_acknowledged = false;
            tracing::info!(
                event = "round.sealed",
                round = round.number(),
                reading = had_reading,
                "round {round} is sealed{}",
                if had_reading {
                    ""
                } else {
                    ", without a reading"
                }
            );
        }
        Ok(())
    }

    pub(super) fn missed(&mut self, round: Round, reason: &str) {
        self.status.rounds_missed += 1;
        self.status.last_round_fault = Some(reason.to_owned());
        tracing::warn!(
            event = "round.missed",
            round = round.number(),
            "no frame for round {round}: {reason}"
        );
    }

    /// Writes the consumer's log.
    fn note_sent(
        &mut self,
        frame: SentFrame,
        outcome: &Result<Answer<Reply>, SubmitError>,
    ) -> Result<(), LedgerError> {
        let SentFrame {
            round,
            notification,
            hash,
        } = frame;
        let number = notification.number();
        let time = self.now();
        let outcome = match outcome {
            // The log claims nothing that the provider could deny.
            Ok(answer) if self.is_genuine(&answer.value) => Outcome::Acknowledged,
            Err(SubmitError::Refused { .. }) => Outcome::Refused,
            Ok(_) | Err(_) => Outcome::Unanswered,
        };
        let recipient = self.parts.profile.communication.provider.to_string();
        let entry = SentEntry {
            time,
            recipient,
            round,
            notification,
            hash,
            outcome,
        };
        let mut changes = vec![Change::Sent(&entry)];
        if outcome == Outcome::Acknowledged {
            changes.push(Change::Acknowledged {
                round,
                notification,
                time,
            });
            if notification == Notification::Transmit {
                self.status.last_round_acknowledged = true;
                self.status.rounds_acknowledged += 1;
            }
            tracing::info!(
                event = "frame.acknowledged",
                round = round.number(),
                notification = number,
                "the provider has the frame of round {round} (notification {number})"
            );
        } else if notification == Notification::Transmit && self.missed_frame != Some(round) {
            // Sent again and given up again, it is still one round.
            self.missed_frame = Some(round);
            self.status.rounds_missed += 1;
        }
        self.parts.machine.commit(&changes)
    }

    /// Whether this is a receipt, signed by the provider of this net.
    fn is_genuine(&self, reply: &Reply) -> bool {
        let descriptor = self.parts.machine.gateway().descriptor();
        matches!(reply, Reply::Receipt(receipt) if receipt.verify(descriptor).is_ok())
    }

    fn compare(&mut self, exchange: Option<Exchange>) {
        if let Some(exchange) = exchange {
            self.parts.plausibility.compare(exchange);
        }
    }

    fn is_reached(&mut self) {
        self.trouble.reset();
        if self.status.provider_fault.take().is_some() {
            tracing::info!(event = "provider.back", "the provider answers again");
        }
    }

    /// Waits before the next attempt, and says once what is wrong.
    fn is_in_trouble(&mut self, error: &SubmitError) {
        let text = error.to_string();
        let mut pause = self.trouble.pause(random());
        let now = self.now();
        if self.plan.due(now).is_some() || self.awaits_roster(now) {
            pause = pause.min(Duration::from_secs(1)); // a window is open, and not for long
        }
        if self
            .plan
            .due(now)
            .is_some_and(|round| self.awaits_proof(round))
        {
            pause = pause.min(self.proof_pause());
        }
        self.not_before = Instant::now() + pause;
        self.poll_at = self.poll_at.max(self.not_before);
        if matches!(error, SubmitError::Refused { .. }) && !error.is_transient() {
            if text != self.last_refusal {
                tracing::warn!(event = "provider.refused", "{text}");
                self.last_refusal = text;
            }
        } else if self.status.provider_fault.is_none() {
            tracing::warn!(event = "provider.lost", "{text}; trying again");
            self.status.provider_fault = Some(text);
        }
    }
}
