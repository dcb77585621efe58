//! Readings that are asked for over Modbus RTU or TCP.

mod device;
mod fault;
mod link;
mod plan;
mod sunspec;
mod value;

use std::time::Duration;

use dcnet_profiles::modbus::{Layout, ModbusSource};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::device::Device;
use self::link::Link;
use self::sunspec::Search;
use super::{SourceEvent, SourceState};
use crate::clock::Clock;

pub use self::fault::Fault;
pub use self::plan::{Span, plan};

/// First pause before a lost line is tried again; it doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks the device every `every` seconds until the receiver of `events` is gone; after any error the
/// line is closed and opened again and again.
///
/// A telegram's `server_id` is the serial number that the device tells; it is empty if the device
/// does not tell. Quantities that the device does not have are left out.
pub async fn run(
    source: ModbusSource,
    layout: Layout,
    clock: Clock,
    events: mpsc::Sender<SourceEvent>,
) {
    let mut reader = Reader {
        source,
        layout,
        clock,
        events,
        state: None,
        search: Search::default(),
    };
    let mut pause = SHORTEST_PAUSE;
    loop {
        let mut read_something = false;
        let end = match reader.session(&mut read_something).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if read_something {
            pause = SHORTEST_PAUSE;
        }
        let state = match end {
            End::Gone => return,
            End::Fault(fault) => fault.into(),
        };
        if reader.announce(state).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = reader.events.closed() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Reader {
    source: ModbusSource,
    layout: Layout,
    clock: Clock,
    events: mpsc::Sender<SourceEvent>,
    state: Option<SourceState>,
    search: Search,
}

/// Why a session ended.
enum End {
    /// Nobody listens any more.
    Gone,
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Without values: a session ends only with an error.
enum Never {}

impl Reader {
    /// One opening of the line, to its end.
    async fn session(&mut self, read_something: &mut bool) -> Result<Never, End> {
        let mut link = Link::open(&self.source).await?;
        self.announce(SourceState::Open).await?;
        let positive = self.source.positive;
        let mut device = match &self.layout {
            Layout::Template(template) => Device::ask(&mut link, template, positive).await?,
            Layout::SunSpec(models) => self.search.find(&mut link, models, positive).await?,
        };
        let mut times = interval(Duration::from_secs(self.source.every));
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut confirmed = false;
        loop {
            tokio::select! {
                _ = times.tick() => {}
                () = self.events.closed() => return Err(End::Gone),
            }
            if confirmed {
                link.begin().await?;
            }
            let telegram = device.read(&mut link).await?;
            let time = self.clock.now();
            if !confirmed {
                link.confirm().await?;
                confirmed = true;
            }
            *read_something = true;
            self.announce(SourceState::Receiving).await?;
            self.events
                .send(SourceEvent::Telegram { time, telegram })
                .await
                .map_err(|_| End::Gone)?;
        }
    }

    /// One log line and one event for each change of the state.
    async fn announce(&mut self, next: SourceState) -> Result<(), End> {
        if self
            .state
            .as_ref()
            .is_some_and(|state| !state.is_news(&next))
        {
            return Ok(());
        }
        if next.is_fault() {
            tracing::warn!(event = "meter.fault", "{next}");
        } else {
            tracing::info!(event = "meter.state", "{next}");
        }
        self.state = Some(next.clone());
        self.events
            .send(SourceEvent::State(next))
            .await
            .map_err(|_| End::Gone)
    }
}
