//! From samples to telegrams: which code a channel stands for, when a value was taken, and which
//! values belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dcnet_obis::ObisCode;
use dcnet_profiles::meter::{Channels, Vzlogger};
use dcnet_protocol::round::UnixTime;
use tokio::time::Instant;

use super::super::SourceState;
use super::super::feed::{Feed, Gone};
use super::super::gather::{Gatherer, TOGETHER, entry_of, implied_unit};
use super::samples::{Sample, SampleError};

/// Oldest value that is believed to be what its time says, in milliseconds: a logger that could not
/// deliver for a while does so later.
const OLDEST: u64 = 15 * 60_000;
/// How far ahead of the gateway's clock a value may be, in milliseconds.
const AHEAD: u64 = 5_000;
/// Most channels of one vzlogger.
const MOST_CHANNELS: usize = 256;

/// Takes samples, gives telegrams.
pub(super) struct Intake {
    pub(super) feed: Feed,
    pub(super) silence: Duration,
    /// When something came, or silence was told, last.
    heard: Instant,
    channels: Channels,
    gatherer: Gatherer,
    /// The last value of each code: an answer repeats what an earlier one had.
    newest: BTreeMap<ObisCode, UnixTime>,
    told: BTreeSet<String>,
}

impl Intake {
    pub(super) fn new(source: &Vzlogger, feed: Feed) -> Self {
        Self {
            feed,
            silence: Duration::from_secs(source.silence),
            heard: Instant::now(),
            channels: source.channels.clone(),
            gatherer: Gatherer::default(),
            newest: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// The channels that the profile or vzlogger named.
    pub(super) fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.keys().map(String::as_str)
    }

    /// Vzlogger says which code a channel stands for; the profile's word counts more.
    pub(super) fn learn(&mut self, channel: &str, obis: ObisCode) {
        if self.channels.len() < MOST_CHANNELS {
            self.channels.entry(channel.to_owned()).or_insert(obis);
        }
    }

    /// Vzlogger says which UUID a topic has: what the profile says of the one holds for the other.
    pub(super) fn learn_uuid(&mut self, channel: &str, uuid: &str) {
        if let Some(obis) = self.channels.get(&uuid.to_ascii_lowercase()) {
            let obis = *obis;
            self.learn(channel, obis);
        }
    }

    /// What came in is of no use; nothing of it is taken.
    pub(super) fn refused(&self, error: &SampleError) {
        self.feed.refused(&error.to_string());
    }

    /// Takes samples in any order.
    pub(super) async fn take(&mut self, samples: Vec<Sample>) -> Result<(), Gone> {
        let now = self.feed.now();
        let mut placed = Vec::new();
        for sample in samples {
            let known = self.channels.get(&sample.channel).copied();
            let Some(obis) = known.or(sample.obis) else {
                self.tell_unknown(&sample.channel);
                continue;
            };
            let time = match sample.millis.map(UnixTime::from_millis) {
                None => now,
                Some(time) if is_believable(time, now) => time,
                Some(time) => {
                    self.tell_clock(time, now);
                    continue;
                }
            };
            placed.push((time, obis, sample.value));
        }
        placed.sort_by_key(|(time, ..)| *time);
        for (time, obis, value) in placed {
            let known = self.newest.get(&obis);
            if known.is_some_and(|newest| *newest > time || (*newest == time && time < now)) {
                continue;
            }
            self.newest.insert(obis, time);
            self.tell_scaler(obis);
            if let Some((time, telegram)) = self.gatherer.add(time, entry_of(obis, value)) {
                self.feed.telegram_of(time, telegram).await?;
            }
        }
        Ok(())
    }

    /// Something came.
    pub(super) fn hears(&mut self) {
        self.heard = Instant::now();
    }

    /// When [`Self::overdue`] is to be called, unless something comes before.
    pub(super) fn deadline(&self) -> Instant {
        let patience = if self.gatherer.is_empty() {
            self.silence
        } else {
            Duration::from_millis(TOGETHER)
        };
        self.heard + patience
    }

    /// Nothing has come: what waits is complete, or the source is silent.
    pub(super) async fn overdue(&mut self) -> Result<(), Gone> {
        if self.gatherer.is_empty() {
            self.hears();
            self.silent().await
        } else {
            self.flush().await
        }
    }

    /// No more values of that moment come.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        match self.gatherer.take() {
            Some((time, telegram)) => self.feed.telegram_of(time, telegram).await,
            None => Ok(()),
        }
    }

    /// Nothing has come for the source's patience.
    pub(super) async fn silent(&mut self) -> Result<(), Gone> {
        let seconds = self.silence.as_secs();
        let what = format!(
            "vzlogger has handed over no value for {seconds} s: does it run, and does it read the \
             meter (its log tells)"
        );
        self.feed.state(SourceState::Broken { what }).await
    }

    fn once(&mut self, what: String) -> bool {
        self.told.len() < MOST_CHANNELS && self.told.insert(what)
    }

    fn tell_unknown(&mut self, channel: &str) {
        if self.once(format!("unknown {channel}")) {
            tracing::warn!(
                event = "vzlogger.channel",
                "it is not known which OBIS code the channel {channel} of vzlogger stands for, its \
                 values are not used; name it below vzlogger.channels ({channel}: 1.8.0)"
            );
        }
    }

    fn tell_clock(&mut self, time: UnixTime, now: UnixTime) {
        if self.once("clock".to_owned()) {
            let seconds = now.millis().abs_diff(time.millis()) / 1_000;
            tracing::warn!(
                event = "vzlogger.clock",
                "the times of vzlogger's values are {seconds} s away from this gateway's clock; \
                 such values are not used. Set `use_local_time: true` for the meter in vzlogger.conf"
            );
        }
    }

    /// A popular logger takes a missing scaler for ten (see the documentation of the sources).
    fn tell_scaler(&mut self, obis: ObisCode) {
        if implied_unit(obis).is_none() && self.once(format!("scaler {obis}")) {
            tracing::warn!(
                event = "vzlogger.scaler",
                "vzlogger hands {obis} over without unit and scale; compare it with the meter's \
                 display once: it may be ten times too large"
            );
        }
    }
}

fn is_believable(time: UnixTime, now: UnixTime) -> bool {
    now.millis_since(time) <= OLDEST && time.millis_since(now) <= AHEAD
}
