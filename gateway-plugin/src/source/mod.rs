//! Where readings come from: one file for each way.
//!
//! A source is a task that reads until nobody listens and tells through its [`Feed`] what it read
//! and in what state it is. [`Meters`] runs the sources of all meters and chooses, for each meter,
//! the first that gives telegrams.

pub mod d0;
pub mod device;
pub mod feed;
pub mod gather;
pub mod lines;
pub mod modbus;
pub mod protocol;
pub mod push;
pub mod quirks;
mod select;
pub mod state;
pub mod vzlogger;

use std::sync::Arc;
use std::time::Duration;

use dcnet_obis::Telegram;
use dcnet_profiles::meter::{Channel, D0Mode, MeterProfile, Source};
use dcnet_profiles::modbus::ModbusLine;
use dcnet_protocol::round::UnixTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use feed::{Counters, Feed, Gone};
pub use select::Latest;
pub use state::SourceState;

use crate::clock::Clock;
use crate::retry::Pauses;

/// What a source tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// The meter sent a telegram.
    Telegram {
        /// When its last byte was here, by the gateway's clock: the meter's own is not trusted.
        time: UnixTime,
        /// What it says.
        telegram: Telegram,
    },
    /// The source is in another state than before.
    State(SourceState),
}

/// What the daemon hears of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterEvent {
    /// Which meter, by its place in the profile.
    pub meter: usize,
    /// Which of its sources, by its place there.
    pub source: usize,
    /// What it told. Telegrams come only from the source that counts.
    pub event: SourceEvent,
}

/// Pauses before something lost is tried again.
const PAUSES: Pauses = Pauses::new(Duration::from_millis(250), Duration::from_secs(30));

/// Events that may wait while the daemon is busy.
const WAITING: usize = 16;

/// The sources of all meters, running. They end when this is dropped.
#[derive(Debug)]
pub struct Meters {
    counters: Vec<Vec<Arc<Counters>>>,
    latest: Vec<watch::Sender<Option<Latest>>>,
    _tasks: JoinSet<()>,
}

impl Meters {
    /// Starts the sources of `meters`. Needs a runtime.
    pub fn start(meters: &[MeterProfile], clock: &Clock) -> (Self, mpsc::Receiver<MeterEvent>) {
        let (to_daemon, events) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        let mut counters = Vec::new();
        let mut latest = Vec::new();
        let mut buses = modbus::Buses::default();
        for (number, meter) in meters.iter().enumerate() {
            let (to_choice, from_sources) = mpsc::channel(WAITING);
            let mut of_meter = Vec::new();
            for (place, source) in meter.sources.iter().enumerate() {
                let (sender, mut told) = mpsc::channel(WAITING);
                let name = format!("{} ({})", meter.name, source.key());
                let feed = Feed::new(name, clock.clone(), sender);
                of_meter.push(feed.counters());
                match source.clone() {
                    // A line belongs to all of its units.
                    Source::Modbus(source) => {
                        tasks.spawn(modbus::run_on(buses.of(&source.line), source, feed));
                    }
                    source => {
                        tasks.spawn(run(source, feed));
                    }
                }
                let to_choice = to_choice.clone();
                tasks.spawn(async move {
                    while let Some(event) = told.recv().await {
                        if to_choice.send((place, event)).await.is_err() {
                            return;
                        }
                    }
                });
            }
            let choice = select::Choice::new(meter);
            latest.push(choice.latest());
            tasks.spawn(choice.run(number, from_sources, to_daemon.clone()));
            counters.push(of_meter);
        }
        let meters = Self {
            counters,
            latest,
            _tasks: tasks,
        };
        (meters, events)
    }

    /// The last telegram of each meter from now on, as ordered in the profile.
    pub fn latest(&self) -> Vec<watch::Receiver<Option<Latest>>> {
        self.latest.iter().map(watch::Sender::subscribe).collect()
    }

    /// What the sources of the meters have counted, as ordered in the profile.
    pub fn counters(&self) -> &[Vec<Arc<Counters>>] {
        &self.counters
    }
}

/// Reads from `source` until nobody listens to `feed` any more.
pub async fn run(source: Source, feed: Feed) {
    match source {
        Source::Sml(line) => push::run_sml(line, feed).await,
        Source::Modbus(source) => modbus::run(source, feed).await,
        Source::Command(command) => lines::run_command(command, feed).await,
        Source::Input(input) => lines::run_input(input, feed).await,
        Source::Vzlogger(vzlogger) => vzlogger::run(vzlogger, feed).await,
        Source::D0(line) => d0::run(line, feed).await,
    }
}

/// A source in one line, for people.
pub fn describe(source: &Source) -> String {
    let found_out = || "mode of the line to be found out".to_owned();
    match source {
        Source::Sml(line) => {
            let mode = line.baud.map_or_else(found_out, |baud| {
                let bits = line.data_bits.unwrap_or_default();
                device::LineMode::new(baud, bits, line.parity.unwrap_or_default()).to_string()
            });
            format!("SML at {}, {mode}", line.device.display())
        }
        Source::D0(line) => {
            let mode = match line.mode {
                D0Mode::Request => format!("asked every {} s", line.every),
                D0Mode::Push => "sends on its own".to_owned(),
            };
            format!("D0 at {}, {mode}", line.device.display())
        }
        Source::Vzlogger(vzlogger) => match &vzlogger.channel {
            Channel::Listen(address) => format!("vzlogger pushes to http://{address}"),
            Channel::Mqtt(broker) => format!(
                "vzlogger publishes below {} at {}:{}",
                broker.topic, broker.host, broker.port
            ),
            Channel::Http { address, every } => {
                format!("vzlogger at {address} is asked every {every} s")
            }
        },
        Source::Modbus(source) => {
            let line = match &source.line {
                ModbusLine::Tcp(address) => address.to_string(),
                ModbusLine::Serial(line) => {
                    format!("{}, {} baud", line.device.display(), line.baud)
                }
            };
            let (unit, template, every) = (source.unit, &source.template, source.every);
            format!("Modbus unit {unit} at {line} ({template}) is asked every {every} s")
        }
        Source::Command(command) => match command.every {
            Some(every) => format!("`{}` every {every} s", command.run.join(" ")),
            None => format!("`{}`", command.run.join(" ")),
        },
        Source::Input(_) => "standard input".to_owned(),
    }
}
