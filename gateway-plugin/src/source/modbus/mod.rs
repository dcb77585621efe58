//! Readings that are asked for over Modbus RTU or TCP.

mod bus;
mod device;
mod fault;
pub(crate) mod find;
mod link;
mod plan;
mod port;
mod sunspec;
mod value;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use dcnet_profiles::modbus::{Layout, ModbusSource};
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::device::Device;
use self::link::Link;
use self::sunspec::Search;
use super::feed::{Feed, Gone};
use super::{PAUSES, SourceState};
use crate::retry::Pauses;

pub use self::bus::{Bus, Buses};
pub use self::fault::Fault;
pub use self::plan::{Span, plan};

/// Asks the device every `every` seconds until nobody listens; after any error it is asked again and
/// again, at longer and longer pauses.
///
/// A telegram's `server_id` is the serial number that the device tells; it is empty if the device
/// does not tell. Quantities that the device does not have are left out.
pub async fn run(source: ModbusSource, feed: Feed) {
    let bus = Arc::new(Bus::new(source.line.clone()));
    run_on(bus, source, feed).await;
}

/// As [`run`], on a line that other units may have in common with it: that of `source`.
pub async fn run_on(bus: Arc<Bus>, source: ModbusSource, mut feed: Feed) {
    let layout = || source.layout().map_err(|error| error.to_string());
    if let Ok(layout) = feed.wait_for(layout).await {
        run_with(bus, source, layout, feed).await;
    }
}

/// As [`run_on`], with a layout that is at hand.
pub async fn run_with(bus: Arc<Bus>, source: ModbusSource, layout: Layout, feed: Feed) {
    let mut reader = Reader {
        bus,
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
        if reader.rest(fault, &mut wait).await.is_err() {
            return;
        }
    }
}

struct Reader {
    bus: Arc<Bus>,
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
    /// One session with the device, to its end, which is always an error.
    async fn session(&mut self) -> Result<Infallible, End> {
        let mut link = Link::open(&self.bus, &self.source).await?;
        let end = self.talk(&mut link).await;
        link.close().await;
        end
    }

    async fn talk(&mut self, link: &mut Link) -> Result<Infallible, End> {
        self.feed.state(SourceState::Open).await?;
        let positive = self.source.positive;
        let mut device = match &self.layout {
            Layout::Template(template) => Device::ask(link, template, positive).await?,
            Layout::SunSpec(models) => self.search.find(link, models, positive).await?,
        };
        let mut times = interval(Duration::from_secs(self.source.every));
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut confirmed = false;
        loop {
            tokio::select! {
                _ = times.tick() => {}
                fault = link.lost() => return Err(fault.into()),
                () = self.feed.gone() => return Err(End::Gone),
            }
            if confirmed {
                link.begin();
            }
            let telegram = device.read(link).await?;
            let time = self.feed.now();
            if !confirmed {
                link.confirm().await?;
                confirmed = true;
            }
            link.works();
            self.feed.telegram_of(time, telegram).await?;
        }
    }

    /// Tells the fault, and waits until the device is asked again: a silent one later and later, and
    /// all of a lost line as soon as that is tried again.
    async fn rest(&mut self, fault: Fault, wait: &mut Pauses) -> Result<(), Gone> {
        let losses = self.bus.losses();
        let of_line = fault.is_of_line();
        self.feed.state(fault.into()).await?;
        if !of_line {
            let fault = tokio::select! {
                () = sleep(wait.pause()) => return Ok(()),
                fault = self.bus.lost(losses) => fault,
                () = self.feed.gone() => return Err(Gone),
            };
            self.feed.state(fault.into()).await?;
        }
        tokio::select! {
            () = self.bus.again() => Ok(()),
            () = self.feed.gone() => Err(Gone),
        }
    }
}
