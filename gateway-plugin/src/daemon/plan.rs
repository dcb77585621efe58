//! When what is due in a round. Pure: time comes in.

use dcnet_profiles::evaluation::{Missing, Reading};
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::round::{Round, Schedule, UnixTime};

/// Time after a border for a telegram that came before it to be read, in milliseconds.
const SETTLE: u64 = 100;

/// What is due in the current round.
#[derive(Debug)]
pub(super) struct Plan {
    schedule: Schedule,
    epoch_length: u64,
    closed: Option<Round>,
    waiting: Option<Waiting>,
}

/// A round whose frame is to be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) round: Round,
    /// Not before.
    pub(super) at: UnixTime,
    pub(super) reading: Result<Reading, Missing>,
}

impl Plan {
    pub(super) fn new(descriptor: &NetDescriptor) -> Self {
        Self {
            schedule: descriptor.schedule(),
            epoch_length: descriptor.epoch_length(),
            closed: None,
            waiting: None,
        }
    }

    /// The round that has just ended and whose reading is to be taken now.
    pub(super) fn ended(&self, now: UnixTime) -> Option<Round> {
        let round = self.schedule.submitted_at(now)?;
        let settled = self.schedule.border(round).plus_millis(SETTLE);
        (now >= settled && self.closed != Some(round)).then_some(round)
    }

    /// The reading of `round` is known. Its frame is to be sealed `delay` milliseconds from now, if
    /// the window is still open.
    pub(super) fn close(
        &mut self,
        round: Round,
        reading: Result<Reading, Missing>,
        now: UnixTime,
        delay: u64,
    ) {
        self.closed = Some(round);
        self.waiting = (now < self.schedule.last_call(round)).then(|| Waiting {
            round,
            at: now.plus_millis(delay),
            reading,
        });
    }

    /// The round to be sealed now.
    pub(super) fn due(&self, now: UnixTime) -> Option<Round> {
        self.waiting
            .as_ref()
            .filter(|waiting| now >= waiting.at)
            .map(|waiting| waiting.round)
    }

    /// Whether the inbox has to be looked into before the frame of `round` is sealed: a manifest may
    /// be waiting there. `looked` is when the last look began that had an answer.
    ///
    /// A manifest takes effect at a round divisible by the epoch length and is fixed before that
    /// round's border. So such a round takes a look, and a later one of the same stretch only if
    /// nothing was heard since that border; by then nothing new can be in force. The clocks may
    /// differ by half a window, otherwise no round is entered.
    pub(super) fn needs_look(&self, round: Round, looked: Option<UnixTime>) -> bool {
        let into = round.number().checked_rem(self.epoch_length).unwrap_or(0);
        let first = Round::new(round.number() - into);
        let schedule = self.schedule;
        let fixed = schedule
            .border(first)
            .plus_millis(schedule.submit_millis() / 2);
        into == 0 || looked.is_none_or(|looked| looked < fixed)
    }

    /// Takes the round to be sealed now.
    pub(super) fn take_due(&mut self, now: UnixTime) -> Option<Waiting> {
        self.waiting.take_if(|waiting| now >= waiting.at)
    }

    /// Takes a round whose window has closed before its frame was sealed.
    pub(super) fn take_missed(&mut self, now: UnixTime) -> Option<Waiting> {
        let schedule = self.schedule;
        self.waiting.take_if(|waiting| {
            now >= schedule.last_call(waiting.round) || now < schedule.border(waiting.round)
        })
    }

    /// Whether a border has just passed and its round is about to be sealed: what is asked of the
    /// provider now would be asked again in a moment.
    pub(super) fn is_about_to_seal(&self, now: UnixTime) -> bool {
        let settling = self.schedule.submitted_at(now).is_some_and(|round| {
            self.closed != Some(round) && now < self.schedule.border(round).plus_millis(SETTLE)
        });
        settling
            || self
                .waiting
                .as_ref()
                .is_some_and(|waiting| now < waiting.at)
    }

    /// The next instant at which something of a round becomes due.
    pub(super) fn next(&self, now: UnixTime) -> UnixTime {
        let ended = self.schedule.submitted_at(now.minus_millis(SETTLE));
        let next_border = match ended {
            Some(round) if self.closed == Some(round) => self.schedule.border(round.next()),
            Some(round) => self.schedule.border(round),
            None => self.schedule.border(Round::new(0)),
        };
        let border = next_border.plus_millis(SETTLE);
        match &self.waiting {
            Some(waiting) if waiting.at > now => border.min(waiting.at),
            Some(waiting) => border.min(self.schedule.last_call(waiting.round)),
            None => border,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Interval 900 s, submission and correction 60 s each.
    const BORDER: UnixTime = UnixTime::from_secs(1_800_000_900);
    const ROUND: Round = Round::new(2_000_000);

    fn plan() -> Plan {
        Plan::new(&crate::testing::descriptor(900, 60, 60))
    }

    #[test]
    fn a_round_is_closed_shortly_after_its_border_and_once() {
        let mut plan = plan();
        plan.close(
            ROUND.previous(),
            Ok(vec![]),
            BORDER.minus_millis(500_000),
            0,
        );
        assert_eq!(plan.ended(BORDER), None);
        assert_eq!(plan.next(BORDER), BORDER.plus_millis(SETTLE));
        let settled = BORDER.plus_millis(SETTLE);
        assert_eq!(plan.ended(settled), Some(ROUND));
        plan.close(ROUND, Ok(vec![1]), settled, 1_000);
        assert_eq!(plan.ended(settled), None);
        assert_eq!(plan.next(settled), settled.plus_millis(1_000));
    }

    #[test]
    fn sealing_waits_for_its_time_and_not_beyond_the_window() {
        let mut plan = plan();
        let now = BORDER.plus_millis(SETTLE);
        plan.close(ROUND, Ok(vec![1]), now, 1_000);
        assert_eq!(plan.due(now), None);
        let at = now.plus_millis(1_000);
        assert_eq!(plan.due(at), Some(ROUND));
        assert_eq!(plan.take_missed(at), None);
        let late = plan.schedule.last_call(ROUND);
        assert_eq!(plan.next(at), late);
        assert_eq!(plan.take_missed(late).unwrap().round, ROUND);
        assert_eq!(plan.take_due(late), None);
    }

    #[test]
    fn a_start_after_the_window_seals_nothing() {
        let mut plan = plan();
        let now = BORDER.plus_millis(60_000);
        assert_eq!(plan.ended(now), Some(ROUND));
        plan.close(ROUND, Ok(vec![1]), now, 0);
        assert_eq!(plan.due(now), None);
        assert_eq!(plan.next(now), BORDER.plus_millis(900_000 + SETTLE));
    }

    #[test]
    fn a_clock_set_back_drops_what_waits() {
        let mut plan = plan();
        let now = BORDER.plus_millis(SETTLE);
        plan.close(ROUND, Ok(vec![1]), now, 1_000);
        let back = BORDER.minus_millis(3_600_000);
        assert_eq!(plan.take_missed(back).unwrap().round, ROUND);
    }

    #[test]
    fn a_look_is_taken_where_an_epoch_may_begin_and_after_silence() {
        // Epochs of one round: always.
        assert!(plan().needs_look(ROUND, Some(BORDER)));
        let mut parameters = crate::testing::descriptor(900, 60, 60).parameters().clone();
        parameters.epoch_length = 4;
        let plan = Plan::new(&NetDescriptor::new(parameters).unwrap());
        let later = |rounds: u64| Round::new(ROUND.number() + rounds); // ROUND is divisible by 4
        assert!(plan.needs_look(ROUND, Some(BORDER.plus_millis(59_000))));
        for rounds in 1..4 {
            assert!(plan.needs_look(later(rounds), None));
            // The provider's clock may have been before the border still.
            assert!(plan.needs_look(later(rounds), Some(BORDER.plus_millis(29_999))));
            assert!(!plan.needs_look(later(rounds), Some(BORDER.plus_millis(30_000))));
        }
        assert!(plan.needs_look(later(4), Some(BORDER.plus_millis(3 * 900_000))));
    }
}
