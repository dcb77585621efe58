//! Several ways to one meter: the first in the profile that gives telegrams counts.

use std::time::Duration;

use dcnet_obis::Telegram;
use dcnet_profiles::meter::MeterProfile;
use dcnet_protocol::round::UnixTime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{MeterEvent, SourceEvent};

/// Which of a meter's sources counts.
pub(super) struct Choice {
    name: String,
    sources: Vec<Way>,
    current: Option<usize>,
    latest: watch::Sender<Option<Latest>>,
}

/// The last telegram of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Of which moment.
    pub time: UnixTime,
    /// What it says.
    pub telegram: Telegram,
}

struct Way {
    kind: &'static str,
    silence: Duration,
    last: Option<Instant>,
}

impl Choice {
    pub(super) fn new(meter: &MeterProfile) -> Self {
        let way = |source: &dcnet_profiles::meter::Source| Way {
            kind: source.key(),
            silence: Duration::from_secs(source.silence()),
            last: None,
        };
        Self {
            name: meter.name.clone(),
            sources: meter.sources.iter().map(way).collect(),
            current: None,
            latest: watch::Sender::default(),
        }
    }

    /// Where the last telegram that counts is shown, as long as somebody looks.
    pub(super) fn latest(&self) -> watch::Sender<Option<Latest>> {
        self.latest.clone()
    }

    /// Hands on what counts, until nobody listens or no source is left.
    pub(super) async fn run(
        mut self,
        meter: usize,
        mut told: mpsc::Receiver<(usize, SourceEvent)>,
        daemon: mpsc::Sender<MeterEvent>,
    ) {
        while let Some((source, event)) = told.recv().await {
            if let SourceEvent::Telegram { time, telegram } = &event {
                if !self.counts(source, Instant::now()) {
                    continue;
                }
                if self.latest.receiver_count() > 0 {
                    self.latest.send_replace(Some(Latest {
                        time: *time,
                        telegram: telegram.clone(),
                    }));
                }
            }
            let event = MeterEvent {
                meter,
                source,
                event,
            };
            if daemon.send(event).await.is_err() {
                return;
            }
        }
    }

    /// Whether a telegram of `source` counts: no source before it has given one within its patience.
    fn counts(&mut self, source: usize, now: Instant) -> bool {
        if let Some(way) = self.sources.get_mut(source) {
            way.last = Some(now);
        }
        let mut before = self.sources.iter().take(source);
        let fresh = |way: &Way| way.last.is_some_and(|last| now - last < way.silence);
        if before.any(fresh) {
            return false;
        }
        if self.current != Some(source) {
            if self.sources.len() > 1 {
                let kind = self.sources.get(source).map_or("", |way| way.kind);
                tracing::info!(
                    event = "meter.source",
                    "the meter {} is read by its source {} ({kind})",
                    self.name,
                    source + 1
                );
            }
            self.current = Some(source);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_stands_in_only_while_the_preferred_one_gives_nothing() {
        let way = |kind, seconds| Way {
            kind,
            silence: Duration::from_secs(seconds),
            last: None,
        };
        let mut choice = Choice {
            name: "cellar".to_owned(),
            sources: vec![way("sml", 30), way("vzlogger", 60)],
            current: None,
            latest: watch::Sender::default(),
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(choice.counts(1, at(0)));
        assert!(choice.counts(0, at(1)));
        assert!(!choice.counts(1, at(2)));
        assert!(!choice.counts(1, at(30)));
        assert!(choice.counts(1, at(31)));
        assert!(choice.counts(0, at(40)));
        assert!(!choice.counts(1, at(41)));
    }
}
