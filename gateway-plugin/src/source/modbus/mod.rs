//! Readings that are asked for over Modbus RTU or TCP.

mod device;
mod fault;
mod link;
mod plan;
mod sunspec;
mod value;

use std::convert::Infallible;
use std::time::Duration;

use dcnet_profiles::modbus::{Layout, ModbusSource};
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::device::Device;
use self::link::Link;
use self::sunspec::Search;
use super::feed::{Feed, Gone};
use super::{PAUSES, SourceState};

pub use self::fault::Fault;
pub use self::plan::{Span, plan};

/// Asks the device every `every` seconds until nobody listens; after any error the line is closed
/// and opened again and again.
///
/// A telegram's `server_id` is the serial number that the device tells; it is empty if the device
/// does not tell. Quantities that the device does not have are left out.
pub async fn run(source: ModbusSource, mut feed: Feed) {
    let layout = || source.layout().map_err(|error| error.to_string());
    if let Ok(layout) = feed.wait_for(layout).await {
        run_with(source, layout, feed).await;
    }
}

/// As [`run`], with a layout that is at hand.
pub async fn run_with(source: ModbusSource, layout: Layout, feed: Feed) {
    let mut reader = Reader {
        source,
        layout,
        feed,
        search: Search::default(),
    };
    let mut wait = PAUSES;
    loop {
        let before = reader.feed.counters().telegrams();
        let fault = match reader.session().await {
            Ok(never) => match never {},
            Err(End::Gone) => return,
            Err(End::Fault(fault)) => fault,
        };
        if reader.feed.counters().telegrams() > before {
            wait.reset();
        }
        if reader.feed.state(fault.into()).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(wait.pause()) => {}
            () = reader.feed.gone() => return,
        }
    }
}

struct Reader {
    source: ModbusSource,
    layout: Layout,
    feed: Feed,
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

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl Reader {
    /// One opening of the line, to its end, which is always an error.
    async fn session(&mut self) -> Result<Infallible, End> {
        let mut link = Link::open(&self.source).await?;
        self.feed.state(SourceState::Open).await?;
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
                () = self.feed.gone() => return Err(End::Gone),
            }
            if confirmed {
                link.begin().await?;
            }
            let telegram = device.read(&mut link).await?;
            let time = self.feed.now();
            if !confirmed {
                link.confirm().await?;
                confirmed = true;
            }
            self.feed.telegram_of(time, telegram).await?;
        }
    }
}
