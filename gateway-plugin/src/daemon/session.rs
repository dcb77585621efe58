//! One run of the state machine from a ledger that was just opened, to the end of the daemon or a
//! failure of that ledger.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dcnet_profiles::Profile;
use dcnet_profiles::evaluation::{BorderReading, Collector};
use dcnet_protocol::descriptor::CorrectionMode;
use dcnet_protocol::gateway::{Input, Phase};
use dcnet_protocol::message::Inbox;
use dcnet_protocol::round::{Round, Schedule, UnixTime};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::billing::Billing;
use super::machine::{Effect, Machine};
use super::manager::Manager;
use super::outbox::{Done, LONGEST_WAIT, Outbox};
use super::plan::Plan;
use super::reports::{ClockTold, mode_name};
use super::status::{Status, StatusFile};
use super::{End, LEAVE_REQUEST, Show, os_rng, random};
use crate::clock::{Clock, ImplausibleClock, Plausibility};
use crate::config::Renewal;
use crate::ledger::LedgerError;
use crate::retry::Backoff;
use crate::source::{Counters, MeterEvent};
use crate::submit::{Answer, Client, SubmitError};

/// Longest time without a look at the clock: it may have been set.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_secs(30);
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
/// Time for frames on their way when asked to stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// What a session is made of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) profile: Profile,
    pub(super) renewal: Renewal,
    pub(super) client: Client,
    pub(super) machine: Machine,
    pub(super) collector: Collector,
    pub(super) billing: Billing,
    /// What the sources of each meter count.
    pub(super) counters: Vec<Vec<Arc<Counters>>>,
    /// Where the household looks.
    pub(super) show: Show,
    /// What was known before the session: of the meters, too, whose sources tell changes only.
    pub(super) begun: Status,
    pub(super) plausibility: Plausibility,
    pub(super) outbox: Outbox,
    pub(super) results: mpsc::UnboundedReceiver<Done>,
    /// Whether the net's parameters were fetched just now.
    pub(super) descriptor_confirmed: bool,
}

pub(super) type InboxFetch =
    Pin<Box<dyn Future<Output = Result<Answer<Inbox>, SubmitError>> + Send>>;

pub(super) struct Session {
    pub(super) parts: Parts,
    pub(super) schedule: Schedule,
    pub(super) plan: Plan,
    pub(super) last_border: Option<BorderReading>,
    pub(super) inbox: Option<InboxFetch>,
    /// The fetch under way was begun for the round that is to be sealed.
    pub(super) inbox_is_fresh: bool,
    /// When the fetch under way was begun, and the last one that had an answer.
    inbox_begun: UnixTime,
    pub(super) inbox_looked: Option<UnixTime>,
    /// The round for which the inbox was looked into last, right before sealing.
    pub(super) looked_for: Option<Round>,
    // These five by the monotonic clock: the other one may be set.
    /// When the inbox is looked into next, if nothing happens before.
    pub(super) inbox_at: Instant,
    /// After trouble with the provider: not before this is it asked again.
    pub(super) not_before: Instant,
    pub(super) poll_at: Instant,
    /// When the next roster is asked for, if one is due.
    pub(super) retry_at: Instant,
    /// When the proof of an epoch is asked for again, if its first round waits for it.
    pub(super) proof_at: Instant,
    pub(super) trouble: Backoff,
    pub(super) last_refusal: String,
    /// The last round counted as missed because its frame had no receipt.
    pub(super) missed_frame: Option<Round>,
    /// Until when the last fault of the provider is not told again.
    pub(super) fault_told: Option<Instant>,
    pub(super) clock_told: ClockTold,
    pub(super) phase: Option<Phase>,
    pub(super) leaving: bool,
    pub(super) status: Status,
    pub(super) status_file: StatusFile,
    /// A file of evidence could not be written yet.
    pub(super) evidence_is_due: bool,
}

impl Session {
    pub(super) fn new(parts: Parts) -> Self {
        let descriptor = parts.machine.gateway().descriptor();
        let schedule = descriptor.schedule();
        let interval = Duration::from_millis(schedule.interval_millis());
        let now = parts.clock.now();
        let status = Status {
            correction_mode: mode_name(descriptor.correction_mode()).to_owned(),
            ..parts.begun.clone()
        };
        Self {
            schedule,
            plan: Plan::new(descriptor),
            last_border: None,
            inbox: None,
            inbox_is_fresh: false,
            inbox_begun: now,
            inbox_looked: None,
            looked_for: None,
            inbox_at: Instant::now(),
            not_before: Instant::now(),
            poll_at: Instant::now(),
            retry_at: Instant::now(),
            proof_at: Instant::now(),
            trouble: Backoff::new(
                Duration::from_millis(500),
                Duration::from_mins(1)
                    .min(interval / 4)
                    .max(Duration::from_secs(1)),
            ),
            last_refusal: String::new(),
            missed_frame: None,
            fault_told: None,
            clock_told: ClockTold::default(),
            phase: None,
            leaving: false,
            status,
            status_file: StatusFile::new(&parts.profile.state),
            evidence_is_due: false,
            parts,
        }
    }

    pub(super) async fn run(
        mut self,
        events: &mut mpsc::Receiver<MeterEvent>,
        stop: &mut watch::Receiver<bool>,
        manager: &mut Manager,
    ) -> Result<End, LedgerError> {
        self.keep_evidence()?;
        self.remind_of_evidence();
        self.step(Input::Join)?;
        loop {
            self.tick(events)?;
            manager.progress();
            manager.tell(&self.status.line());
            if self.phase == Some(Phase::Left) {
                self.keep_logbooks()?;
                return Ok(End::Left);
            }
            let wake = sleep(self.until_next().min(manager.pause()));
            let inbox_is_under_way = self.inbox.is_some();
            // In no fixed order: whatever floods one way in must not keep the others from their turn.
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(done) = self.parts.results.recv() => self.finished(done)?,
                Some(event) = events.recv() => self.observe(event),
                outcome = fetched(&mut self.inbox), if inbox_is_under_way => {
                    self.inbox = None;
                    self.received(outcome)?;
                }
                () = wake => {}
            }
        }
        manager.stopping();
        // Frames that are on their way get a moment; the ledger has them in any case.
        while self.parts.outbox.has_frames() {
            match timeout(FAREWELL, self.parts.results.recv()).await {
                Ok(Some(done)) => self.finished(done)?,
                Ok(None) | Err(_) => break,
            }
        }
        self.keep_logbooks()?;
        Ok(End::Stopped)
    }

    /// Whatever is due now.
    fn tick(&mut self, events: &mut mpsc::Receiver<MeterEvent>) -> Result<(), LedgerError> {
        let now = self.now();
        if let Some(round) = self.plan.ended(now) {
            while let Ok(event) = events.try_recv() {
                self.observe(event);
            }
            self.close(round)?;
        }
        self.settle(events)?;
        if let Some(missed) = self.plan.take_missed(now) {
            self.give_up(missed.round)?;
        }
        let instant = Instant::now();
        let due = self.plan.due(now).filter(|_| !self.inbox_is_fresh);
        if let Some(round) = due
            && !self.needs_look(now, round)
        {
            self.seal_due(now, round)?;
        } else if due.is_some() && instant >= self.not_before {
            // Once more right before sealing: a manifest may be waiting there. It also compares
            // the clocks.
            self.fetch(0);
            self.inbox_is_fresh = true;
        } else if self.inbox.is_none()
            && instant >= self.inbox_at.max(self.not_before)
            && !self.plan.is_about_to_seal(now)
        {
            let wait = self.patience(now);
            self.fetch(wait);
        }
        if instant >= self.poll_at {
            self.poll_at = instant + self.poll_pause();
            self.count_telegrams();
            self.keep_logbooks()?;
            self.look_for_leave_request()?;
            self.renew(now)?;
            if !self.parts.descriptor_confirmed {
                self.parts.outbox.ask_descriptor();
            }
            if self.evidence_is_due {
                self.keep_evidence()?;
            }
            self.step(Input::Poll)?;
        }
        if self.awaits_roster(now) && instant >= self.retry_at.max(self.not_before) {
            self.retry_at = instant + self.retry_pause();
            self.step(Input::Retry)?;
        }
        self.publish();
        Ok(())
    }

    /// Whether `round` is sealed only after a look into the inbox.
    fn needs_look(&self, now: UnixTime, round: Round) -> bool {
        // A look in the future is from before the clock was set.
        let looked = self.inbox_looked.filter(|looked| *looked <= now);
        // And a clock that cannot be believed may be after a comparison.
        self.looked_for != Some(round)
            && (self.plan.needs_look(round, looked) || self.judge().is_err())
    }

    /// Lets the state machine take one input, and does what it wants done.
    pub(super) fn step(&mut self, input: Input) -> Result<(), LedgerError> {
        let now = self.now();
        let seen = self.judge().is_ok().then_some(now);
        let outbox = &self.parts.outbox;
        let is_under_way = |request: &_| outbox.has(request);
        let effects =
            self.parts
                .machine
                .step_unless(now, seen, input, &mut os_rng(), is_under_way)?;
        if let Some(seen) = seen {
            self.parts.plausibility.seen(seen);
        }
        for effect in effects {
            match effect {
                Effect::Send(request) => self.parts.outbox.send(request),
                Effect::Report(report) => self.tell(&report),
                Effect::Evidence => self.keep_evidence()?,
            }
        }
        self.note_phase(now);
        Ok(())
    }

    pub(super) fn now(&self) -> UnixTime {
        self.parts.clock.now()
    }

    /// Whether a round may be entered now.
    pub(super) fn judge(&self) -> Result<(), ImplausibleClock> {
        let instant = std::time::Instant::now();
        self.parts
            .plausibility
            .judge(self.now(), instant, &self.schedule)
    }

    fn fetch(&mut self, wait: u64) {
        let client = self.parts.client.clone();
        let after = self.parts.machine.gateway().inbox_position();
        self.inbox = Some(Box::pin(async move { client.inbox(after, wait).await }));
        self.inbox_is_fresh = false;
        self.inbox_begun = self.now();
    }

    /// The inbox has answered: what was in it when the look began is known.
    pub(super) fn has_looked(&mut self) {
        self.inbox_looked = Some(self.inbox_begun);
    }

    /// For how long the provider is asked to hold an empty answer back, in seconds: never over the
    /// next border, where it would have to be broken off.
    fn patience(&self, now: UnixTime) -> u64 {
        if !self.is_busy(now) {
            return 0;
        }
        let border = self.schedule.border(self.schedule.round_at(now));
        (border.millis_since(now) / 1000).min(LONGEST_WAIT)
    }

    /// Whether something may come into the inbox at any moment: while the gateway is not an active
    /// member, unless it is let in no more, and during rounds whose corrections come that way.
    pub(super) fn is_busy(&self, now: UnixTime) -> bool {
        let in_round = !self.is_double_mask()
            && self.schedule.submitted_at(now).is_some_and(|round| {
                now < self.schedule.correction_deadline(round).plus_millis(2_000)
            });
        let waits_for_nothing = matches!(
            self.phase,
            Some(Phase::Active | Phase::Barred | Phase::Closed)
        );
        in_round || !waits_for_nothing
    }

    fn is_double_mask(&self) -> bool {
        let descriptor = self.parts.machine.gateway().descriptor();
        descriptor.correction_mode() == CorrectionMode::DoubleMask
    }

    /// Whether a roster of the round sealed last may come: the state machine asks for it at every
    /// retry, if it wants to know.
    pub(super) fn awaits_roster(&self, now: UnixTime) -> bool {
        let sealed = self.parts.machine.gateway().last_sealed();
        self.is_double_mask()
            && sealed.is_some_and(|round| {
                self.schedule.submitted_at(now) == Some(round)
                    && now < self.schedule.correction_deadline(round)
            })
    }

    /// Pause between two questions for a roster, unless the provider holds its answer back: a small
    /// part of the time for one answer, which is a quarter of the correction window.
    fn retry_pause(&self) -> Duration {
        Duration::from_millis((self.schedule.correction_millis() / 16).clamp(50, 2_000))
    }

    /// Pause between two questions for the proof of an epoch, while its first round waits for it.
    pub(super) fn proof_pause(&self) -> Duration {
        Duration::from_millis((self.schedule.submit_millis() / 16).clamp(100, 1_000))
    }

    /// There is no roster yet: on with waiting, if the provider does not hold answers back after a
    /// short pause.
    pub(super) fn has_no_roster(&mut self) {
        let pause = self.retry_pause().min(Duration::from_millis(200));
        self.retry_at = Instant::now() + pause;
    }

    /// Pause between two looks at what is due for a member.
    fn poll_pause(&self) -> Duration {
        Duration::from_millis((self.schedule.interval_millis() / 4).clamp(500, 5_000))
    }

    /// Pause between two looks into the inbox of an active member between rounds. Rounds of a
    /// double-mask net need the inbox only where epochs begin.
    pub(super) fn inbox_pause(&self) -> Duration {
        let (part, longest) = if self.is_double_mask() {
            (4, 240_000)
        } else {
            (8, 120_000)
        };
        Duration::from_millis((self.schedule.interval_millis() / part).clamp(1_000, longest))
    }

    fn until_next(&self) -> Duration {
        let now = self.now();
        let mut next = self.poll_at;
        if let Some(round) = self.plan.due(now).filter(|_| !self.inbox_is_fresh) {
            next = next.min(
                if self.awaits_proof(round) && !self.needs_look(now, round) {
                    self.proof_at.max(self.not_before)
                } else {
                    self.not_before
                },
            );
        } else if self.inbox.is_none() && !self.plan.is_about_to_seal(now) {
            next = next.min(self.inbox_at.max(self.not_before));
        }
        if self.awaits_roster(now) {
            next = next.min(self.retry_at.max(self.not_before));
        }
        let by_plan = Duration::from_millis(self.plan.next(now).millis_since(now));
        // At least a moment, so that a clock that stands still does not become a busy loop.
        by_plan
            .min(self.parts.billing.until_due(now))
            .min(next.saturating_duration_since(Instant::now()))
            .clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
    }

    fn look_for_leave_request(&mut self) -> Result<(), LedgerError> {
        if !self.leaving && self.parts.profile.state.join(LEAVE_REQUEST).exists() {
            self.leaving = true;
            tracing::info!(event = "leave", "the owner wants to leave the net");
            self.step(Input::Leave)?;
        }
        Ok(())
    }

    /// A random delay, so that the members of a net do not all send in the same instant: at most an
    /// eighth of the window, at most five seconds. In milliseconds.
    pub(super) fn jitter(&self) -> u64 {
        random() % (self.schedule.submit_millis() / 8).clamp(1, 5_000)
    }
}

async fn fetched(inbox: &mut Option<InboxFetch>) -> Result<Answer<Inbox>, SubmitError> {
    match inbox {
        Some(fetch) => fetch.await,
        None => std::future::pending().await,
    }
}
