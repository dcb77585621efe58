//! A source under test, and what it needs around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::{self, Counters, Feed, MeterEvent, Meters, SourceEvent, SourceState};
use dcnet_obis::{ObisCode, Telegram};
use dcnet_profiles::Profile;
use dcnet_profiles::meter::MeterProfile;
use dcnet_protocol::round::UnixTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The meter section with these sources (YAML in flow style).
pub(crate) fn meter(sources: &str) -> MeterProfile {
    let text = format!(
        "meter: {{ name: cellar, sources: {sources} }}\n\
         evaluation: {{ taf: 7, slots: [{{ obis: 1.8.0, unit: Wh, scale: -1 }}] }}\n\
         communication:\n  \
           provider: https://provider.example\n  net: quarter-7\n  provider_ca: ca.pem\n  \
           tls: {{ certificate: a, key: b }}\n  signature: {{ certificate: a, key: b }}\n\
         state: state\n"
    );
    let profile = Profile::parse(&text, "test.yaml".as_ref());
    let profile = profile.unwrap_or_else(|error| panic!("{error}\n{text}"));
    profile.first_meter().clone()
}

/// A clock that shows `millis` now and goes on.
pub(crate) fn clock_at(millis: u64) -> Clock {
    let now = Clock::system().now().millis();
    let shift = i64::try_from(millis).unwrap() - i64::try_from(now).unwrap();
    Clock::shifted(Arc::new(AtomicI64::new(shift)))
}

/// One source, running.
pub(crate) struct Running {
    events: mpsc::Receiver<SourceEvent>,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(source: &str, clock: &Clock) -> Self {
        let (sender, events) = mpsc::channel(256);
        let feed = Feed::new("cellar", clock.clone(), sender);
        let counters = feed.counters();
        let source = meter(&format!("[{source}]")).sources.remove(0);
        let task = tokio::spawn(source::run(source, feed));
        Self {
            events,
            counters,
            task,
        }
    }

    pub(crate) async fn next(&mut self) -> SourceEvent {
        timeout(Duration::from_secs(20), self.events.recv())
            .await
            .unwrap_or_else(|_| panic!("no event came"))
            .unwrap()
    }

    pub(crate) async fn state(&mut self) -> SourceState {
        loop {
            if let SourceEvent::State(state) = self.next().await {
                return state;
            }
        }
    }

    /// The next state that is a fault, in words.
    pub(crate) async fn fault(&mut self) -> String {
        loop {
            let state = self.state().await;
            if state.is_fault() {
                return state.to_string();
            }
        }
    }

    pub(crate) async fn telegram(&mut self) -> (UnixTime, Telegram) {
        loop {
            if let SourceEvent::Telegram { time, telegram } = self.next().await {
                return (time, telegram);
            }
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        self.counters.refused()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All sources of a meter, running.
pub(crate) struct All {
    events: mpsc::Receiver<MeterEvent>,
    _meters: Meters,
}

impl All {
    pub(crate) fn start(sources: &str) -> Self {
        let (meters, events) = Meters::start(&[meter(sources)], &Clock::system());
        Self {
            events,
            _meters: meters,
        }
    }

    /// From which source the next telegram comes, and what it says of the import.
    pub(crate) async fn next(&mut self) -> (usize, String) {
        loop {
            let event = timeout(Duration::from_secs(20), self.events.recv())
                .await
                .unwrap_or_else(|_| panic!("no event came"))
                .unwrap();
            if let SourceEvent::Telegram { telegram, .. } = event.event {
                return (event.source, shown(&telegram, "1.8.0"));
            }
        }
    }
}

/// An entry as people write it: `13232.9 Wh`; empty if it is not there.
pub(crate) fn shown(telegram: &Telegram, obis: &str) -> String {
    let obis: ObisCode = obis.parse().unwrap();
    telegram.entry(obis).map_or_else(String::new, |entry| {
        let unit = entry.unit.map(|unit| format!(" {unit}"));
        format!("{}{}", entry.value, unit.unwrap_or_default())
    })
}

/// The recordings, or `None` where there are none.
pub(crate) fn captures(folder: &str) -> Option<PathBuf> {
    let Some(shared) = std::env::var_os("DCNET_SHARED") else {
        eprintln!("skipped: DCNET_SHARED does not say where the recordings are");
        return None;
    };
    Some(PathBuf::from(shared).join("captures").join(folder))
}
