//! What the owner is told: log, status, evidence.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::gateway::{Phase, Report, RoundRefusal};
use dcnet_protocol::round::UnixTime;
use tokio::time::Instant;

use super::evidence;
use super::session::Session;
use crate::clock::ImplausibleClock;
use crate::ledger::LedgerError;
use crate::logbook;

impl Session {
    pub(super) fn tell(&mut self, report: &Report) {
        match report {
            Report::RoundRefused {
                round,
                reason: RoundRefusal::NotActive,
            } => {
                tracing::debug!(event = "round.inactive", round = round.number(), "{report}");
            }
            Report::RoundRefused { round, reason } => {
                self.status.rounds_missed += 1;
                self.status.last_round_fault = Some(reason.to_string());
                let reason = reason.name();
                count(&mut self.status.rounds_refused, reason);
                tracing::warn!(
                    event = "round.refused",
                    round = round.number(),
                    reason,
                    "{report}"
                );
            }
            Report::CorrectionAnswered { round, .. } => {
                tracing::info!(
                    event = "correction.answered",
                    round = round.number(),
                    "{report}"
                );
            }
            Report::CorrectionRefused(refusal) => {
                let reason = refusal.name();
                count(&mut self.status.refusals, reason);
                tracing::warn!(event = "correction.refused", reason, "{report}");
            }
            Report::RosterAnswered { round, .. } => {
                tracing::info!(
                    event = "roster.answered",
                    round = round.number(),
                    "{report}"
                );
            }
            Report::RosterRefused { round, refusal } => {
                let reason = refusal.name();
                count(&mut self.status.refusals, reason);
                tracing::warn!(
                    event = "roster.refused",
                    round = round.number(),
                    reason,
                    "{report}"
                );
            }
            Report::Evidence { round } => {
                tracing::error!(
                    event = "provider.evidence",
                    round = round.number(),
                    "{report}"
                );
            }
            Report::Fault(_) => self.tell_fault(&report.to_string()),
            Report::DrawFailed { .. }
            | Report::Emergency { .. }
            | Report::Inactive { .. }
            | Report::TurnedAway(_) => {
                tracing::warn!(event = "member", "{report}");
            }
            report => tracing::info!(event = "member", "{report}"),
        }
    }

    /// A provider that repeats itself does not fill the log: once an interval is enough.
    fn tell_fault(&mut self, text: &str) {
        self.status.faults += 1;
        let now = Instant::now();
        let told = self.status.last_fault.as_deref() == Some(text)
            && self.fault_told.is_some_and(|at| now < at);
        if told {
            tracing::debug!(event = "provider.fault", "{text}");
            return;
        }
        tracing::warn!(event = "provider.fault", "{text}");
        self.status.last_fault = Some(text.to_owned());
        self.fault_told = Some(now + Duration::from_millis(self.schedule.interval_millis()));
    }

    /// Puts what the ledger holds against the provider where the owner finds it.
    pub(super) fn keep_evidence(&mut self) -> Result<(), LedgerError> {
        let evidence = self.parts.machine.ledger().evidence()?;
        let directory = &self.parts.profile.state;
        let paths = evidence
            .iter()
            .map(|(round, _)| directory.join(evidence::file_name(*round)));
        self.status.evidence = paths.collect();
        let written = evidence::write_missing(directory, &evidence);
        if let Err(error) = &written
            && !self.evidence_is_due
        {
            tracing::error!(
                event = "evidence.failed",
                "{}: the evidence against the provider is in the ledger, but cannot be written \
                 here: {error}; trying again",
                directory.display()
            );
        }
        self.evidence_is_due = written.is_err();
        Ok(())
    }

    /// After a start: what was found out before is not forgotten.
    pub(super) fn remind_of_evidence(&self) {
        if let Some(path) = self.status.evidence.first() {
            tracing::error!(
                event = "provider.evidence",
                "the provider was caught lying; nothing of a reading is sent to this net any more. \
                 Evidence: {}",
                path.display()
            );
        }
    }

    pub(super) fn note_phase(&mut self, now: UnixTime) {
        let gateway = self.parts.machine.gateway();
        let phase = gateway.phase(now);
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            let name = name(phase);
            tracing::info!(event = "phase", phase = name, "this gateway is {name}");
            name.clone_into(&mut self.status.phase);
        }
        self.status.log_size = gateway.log_size();
        self.status.comparing = gateway.is_comparing();
        let epoch = gateway.epoch(now);
        self.status.epoch = epoch.as_ref().map(|(epoch, ..)| epoch.number());
        self.status.members = epoch
            .as_ref()
            .and_then(|(_, members, _)| (*members).try_into().ok());
        self.status.neighbours = epoch
            .as_ref()
            .and_then(|(.., neighbours)| neighbours.len().try_into().ok());
    }

    /// What was logged goes into the ledger.
    pub(super) fn keep_logbooks(&mut self) -> Result<(), LedgerError> {
        let machine = &mut self.parts.machine;
        logbook::write(|changes| machine.commit(changes))
    }

    fn note_clock(&mut self) {
        let fault = self.judge().err();
        match self.clock_told.next(fault.as_ref()) {
            Some(ClockNews::Doubted) => {
                let text = fault.as_ref().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(event = "clock.fault", "{text}");
            }
            Some(ClockNews::Believed) => {
                tracing::info!(event = "clock.ready", "the clock is believed");
            }
            None => {}
        }
        self.status.clock_fault = fault.map(|fault| fault.to_string());
    }

    pub(super) fn publish(&mut self) {
        let now = self.now();
        self.note_clock();
        self.status.tariffs = self.parts.billing.status(now);
        let (show, status) = (&self.parts.show, &self.status);
        show.status.send_if_modified(|shown| {
            let is_news = *shown != *status;
            if is_news {
                shown.clone_from(status);
            }
            is_news
        });
        if let Err(error) = self.status_file.write(&self.status, now.millis()) {
            tracing::debug!(
                event = "status",
                "the status file cannot be written: {error}"
            );
        }
    }
}

/// What was told of the clock: once for each reason that it is not believed, however the seconds in it
/// run, and once that it is again.
#[derive(Debug, Default)]
pub(super) struct ClockTold {
    reason: Option<Discriminant<ImplausibleClock>>,
    is_doubted: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum ClockNews {
    Doubted,
    Believed,
}

impl ClockTold {
    fn next(&mut self, fault: Option<&ImplausibleClock>) -> Option<ClockNews> {
        let was_doubted = std::mem::replace(&mut self.is_doubted, fault.is_some());
        match fault {
            // So it is after every start, for a moment; and without the provider there is other trouble.
            Some(ImplausibleClock::NotCompared) => None,
            Some(fault) => {
                let reason = Some(discriminant(fault));
                let is_news = self.reason != reason;
                self.reason = reason;
                is_news.then_some(ClockNews::Doubted)
            }
            None => {
                self.reason = None;
                was_doubted.then_some(ClockNews::Believed)
            }
        }
    }
}

fn count(reasons: &mut BTreeMap<String, u64>, reason: &str) {
    *reasons.entry(reason.to_owned()).or_default() += 1;
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Registering => "registering",
        Phase::Joining => "joining",
        Phase::Entered => "entered",
        Phase::Active => "active",
        Phase::Barred => "barred",
        Phase::Closed => "net-closed",
        Phase::Leaving => "leaving",
        Phase::Left => "left",
    }
}

/// As `dcnet net create --mode` has it.
pub(super) fn mode_name(mode: CorrectionMode) -> &'static str {
    match mode {
        CorrectionMode::Resend => "resend",
        CorrectionMode::DoubleMask => "double-mask",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_doubted_once_and_not_with_every_second() {
        let mut told = ClockTold::default();
        let set_back = |seconds| Some(ImplausibleClock::SetBack { seconds });
        let mut next = |fault: Option<ImplausibleClock>| told.next(fault.as_ref());
        assert_eq!(next(Some(ImplausibleClock::NotCompared)), None);
        assert_eq!(next(set_back(3_600)), Some(ClockNews::Doubted));
        for seconds in (0..3_600).rev() {
            assert_eq!(next(set_back(seconds)), None);
        }
        assert_eq!(
            next(Some(ImplausibleClock::BeforeRelease)),
            Some(ClockNews::Doubted)
        );
        assert_eq!(next(Some(ImplausibleClock::NotCompared)), None);
        assert_eq!(next(Some(ImplausibleClock::BeforeRelease)), None);
        assert_eq!(next(None), Some(ClockNews::Believed));
        assert_eq!(next(None), None);
        assert_eq!(next(set_back(1)), Some(ClockNews::Doubted));
    }
}
