//! From log lines to logbooks: what is logged waits here until the ledger takes it.
//!
//! One process has one log, and so one queue. Lines of the log hold no reading, no key and no pad
//! ([`crate::log`]); neither do those of the logbooks.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dcnet_protocol::round::UnixTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::Clock;
use crate::ledger::{Book, Change, Gravity, LedgerError, Line};

/// Lines that wait; of more the oldest are lost, and it is told how many.
const MAX_WAITING: usize = 512;

/// For so long lines of one event are counted.
const COUNTED: Duration = Duration::from_hours(1);
/// Most lines of one event meanwhile, if something is wrong or it stands in the calibration log. A meter
/// or provider that says two things in turn would drive out what is to be kept for years, and wear
/// out the disk; the log itself has them all.
const MOST_TROUBLES: u32 = 20;
/// Most of those that tell how it goes.
const MOST_COURSE: u32 = 400;

static WAITING: Mutex<Waiting> = Mutex::new(Waiting::new());

struct Waiting {
    lines: VecDeque<Line>,
    lost: u64,
    counts: BTreeMap<String, Count>,
}

/// Lines of an event.
struct Count {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Waiting {
    const fn new() -> Self {
        Self {
            lines: VecDeque::new(),
            lost: 0,
            counts: BTreeMap::new(),
        }
    }

    fn push(&mut self, line: Line, now: Instant) {
        let count = self.counts.entry(line.event.clone()).or_insert(Count {
            since: now,
            lines: 0,
            left_out: 0,
        });
        if now.saturating_duration_since(count.since) >= COUNTED {
            if count.left_out > 0 {
                let text = format!("{} lines like this one were left out", count.left_out);
                self.lines.push_back(Line {
                    text,
                    ..line.clone()
                });
            }
            (count.since, count.lines, count.left_out) = (now, 0, 0);
        }
        let is_course = line.gravity == Gravity::Info && !bears_on_values(&line.event);
        let most = if is_course {
            MOST_COURSE
        } else {
            MOST_TROUBLES
        };
        if count.lines >= most {
            count.left_out += 1;
        } else {
            count.lines += 1;
            self.lines.push_back(line);
        }
        self.bound();
    }

    /// Puts lines back, before those that came since.
    fn put_back(&mut self, lines: Vec<Line>, lost: u64) {
        for line in lines.into_iter().rev() {
            self.lines.push_front(line);
        }
        self.lost += lost;
        self.bound();
    }

    fn bound(&mut self) {
        while self.lines.len() > MAX_WAITING {
            self.lines.pop_front();
            self.lost += 1;
        }
    }
}

fn waiting<T>(body: impl FnOnce(&mut Waiting) -> T) -> T {
    body(&mut WAITING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Moves what waits into the ledger, through `commit`. What it does not take goes on waiting.
///
/// # Errors
///
/// Those of `commit`.
pub(crate) fn write(
    commit: impl FnOnce(&[Change<'_>]) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let (lines, lost) = waiting(|waiting| {
        let lines: Vec<Line> = waiting.lines.drain(..).collect();
        (lines, std::mem::take(&mut waiting.lost))
    });
    let Some(first) = lines.first() else {
        return Ok(());
    };
    let told = (lost > 0).then(|| Line {
        time: first.time,
        gravity: Gravity::Warning,
        event: "logbook.lost".to_owned(),
        text: format!("{lost} lines before this one are lost: there were too many"),
    });
    let mut changes = Vec::new();
    for line in told.iter().chain(&lines) {
        changes.push(Change::Line(Book::System, line));
        if bears_on_values(&line.event) {
            changes.push(Change::Line(Book::Calibration, line));
        }
    }
    let outcome = commit(&changes);
    if outcome.is_err() {
        waiting(|waiting| waiting.put_back(lines, lost));
    }
    outcome
}

/// Whether an event belongs into the calibration log, too.
fn bears_on_values(event: &str) -> bool {
    const PREFIXES: [&str; 5] = [
        "clock.",
        "meter.advice",
        "meter.ready",
        "tariff.",
        "vzlogger.",
    ];
    const EVENTS: [&str; 4] = [
        "started",
        "reading.clipped",
        "round.no_reading",
        "meter.source",
    ];
    EVENTS.contains(&event) || PREFIXES.iter().any(|prefix| event.starts_with(prefix))
}

/// Puts what is logged from level info on into the queue.
pub(crate) struct Layered;

impl<S: Subscriber> Layer<S> for Layered {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let gravity = match *event.metadata().level() {
            Level::ERROR => Gravity::Error,
            Level::WARN => Gravity::Warning,
            Level::INFO => Gravity::Info,
            Level::DEBUG | Level::TRACE => return,
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields {
            event,
            mut text,
            rest,
        } = fields;
        if !rest.is_empty() {
            let _ = write!(text, " ({rest})"); // writing to a string cannot fail
        }
        let line = Line {
            time: now(),
            gravity,
            event,
            text,
        };
        waiting(|waiting| waiting.push(line, Instant::now()));
    }
}

fn now() -> UnixTime {
    Clock::system().now()
}

#[derive(Default)]
struct Fields {
    event: String,
    text: String,
    rest: String,
}

impl Fields {
    fn take(&mut self, field: &Field, value: &str) {
        match field.name() {
            "event" => value.clone_into(&mut self.event),
            "message" => value.clone_into(&mut self.text),
            name => {
                let comma = if self.rest.is_empty() { "" } else { ", " };
                let _ = write!(self.rest, "{comma}{name} {value}"); // cannot fail
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::ledger::Ledger;

    /// The only test of the queue, which is one for the process.
    #[test]
    fn what_is_logged_reaches_its_logbooks_and_waits_while_the_ledger_fails() {
        let subscriber = tracing_subscriber::registry().with(Layered);
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(event = "frame.again", "not for a logbook");
            tracing::info!(event = "phase", phase = "active", "this gateway is active");
            tracing::warn!(
                event = "reading.clipped",
                round = 7,
                "the value was clipped"
            );
        });
        let failed = write(|changes| {
            assert_eq!(changes.len(), 3);
            Err(LedgerError::Stopped)
        });
        failed.unwrap_err();
        let ledger = Ledger::with_backend(InMemoryBackend::new()).unwrap();
        write(|changes| ledger.commit(changes)).unwrap();
        write(|_| panic!("nothing waits any more")).unwrap();
        let texts = |book| -> Vec<_> {
            let lines = ledger.view().lines(book, None, 10).unwrap();
            let texts = lines.into_iter();
            texts.map(|(_, line)| (line.event, line.text)).collect()
        };
        let clipped = ("reading.clipped", "the value was clipped (round 7)");
        let phase = ("phase", "this gateway is active (phase active)");
        let expected = |lines: &[(&str, &str)]| -> Vec<(String, String)> {
            let lines = lines.iter();
            lines
                .map(|(event, text)| ((*event).to_owned(), (*text).to_owned()))
                .collect()
        };
        assert_eq!(texts(Book::System), expected(&[clipped, phase]));
        assert_eq!(texts(Book::Calibration), expected(&[clipped]));
    }

    fn line(event: &str, gravity: Gravity, text: &str) -> Line {
        Line {
            time: UnixTime::from_secs(0),
            gravity,
            event: event.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn who_says_two_things_in_turn_does_not_fill_the_logbooks() {
        let mut waiting = Waiting::new();
        let begin = Instant::now();
        for second in 0..300 {
            let now = begin + Duration::from_secs(second);
            waiting.push(line("meter.advice", Gravity::Warning, "PIN"), now);
            waiting.push(line("meter.ready", Gravity::Info, "all slots"), now);
            waiting.push(line("round.sealed", Gravity::Info, "sealed"), now);
        }
        let texts = |waiting: &Waiting, event: &str| -> Vec<String> {
            let lines = waiting.lines.iter().filter(|line| line.event == event);
            lines.map(|line| line.text.clone()).collect()
        };
        assert_eq!(texts(&waiting, "meter.advice"), ["PIN"; 20]);
        assert_eq!(texts(&waiting, "meter.ready").len(), 20);
        assert_eq!(texts(&waiting, "round.sealed").len(), 300);
        waiting.lines.clear();
        let later = begin + COUNTED;
        waiting.push(line("meter.advice", Gravity::Warning, "PIN"), later);
        assert_eq!(
            texts(&waiting, "meter.advice"),
            ["280 lines like this one were left out", "PIN"]
        );
    }

    #[test]
    fn of_too_many_lines_the_oldest_are_lost_and_counted() {
        let mut waiting = Waiting::new();
        let now = Instant::now();
        for number in 0..MAX_WAITING + 3 {
            let event = format!("event-{number}");
            waiting.push(line(&event, Gravity::Info, ""), now);
        }
        assert_eq!((waiting.lines.len(), waiting.lost), (MAX_WAITING, 3));
        assert_eq!(waiting.lines.front().unwrap().event, "event-3");
        // So it is with those that the ledger did not take.
        let (refused, lost) = (waiting.lines.drain(..).collect(), waiting.lost);
        waiting.lost = 0;
        waiting.push(line("phase", Gravity::Info, "last"), now);
        waiting.put_back(refused, lost);
        assert_eq!((waiting.lines.len(), waiting.lost), (MAX_WAITING, 4));
        assert_eq!(waiting.lines.front().unwrap().event, "event-4");
        assert_eq!(waiting.lines.back().unwrap().text, "last");
    }
}
