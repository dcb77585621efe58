//! What the household itself gets to see. Nothing here leads back into evaluation or submission.

mod discovery;
mod mqtt;
pub(crate) mod page;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::Show;
use crate::daemon::status::Status;
use crate::source::Meters;

/// Starts everything that the profile asks for. It ends when what is returned is dropped.
///
/// `sources` are those of the profile's meters; `show` is where the daemon puts what may be seen.
pub(crate) fn start(config: &Config, sources: &Meters, clock: &Clock, show: &Show) -> Home {
    let mut tasks = JoinSet::new();
    let (profile, client) = (&config.profile, config.client.to_string());
    if let Some(mqtt) = &profile.home.mqtt {
        let meters = profile.meters.iter().map(|meter| meter.name.clone());
        let publisher = mqtt::Publisher {
            profile: mqtt.clone(),
            language: profile.home.language,
            client,
            meters: meters.zip(sources.latest()).collect(),
            status: show.status.subscribe(),
        };
        tasks.spawn(publisher.run());
    }
    let house = page::House {
        profile: profile.clone(),
        client: config.client.to_string(),
        clock: clock.clone(),
        // Telegrams are copied only if somebody may look.
        meters: profile
            .home
            .page
            .as_ref()
            .map_or_else(Vec::new, |_| sources.latest()),
        status: show.status.subscribe(),
        ledger: show.ledger.subscribe(),
    };
    tasks.spawn(page::run(Arc::new(house), config.page.clone()));
    Home { tasks }
}

/// Waits for the end of the daemon.
async fn ended(status: &mut watch::Receiver<Status>) {
    while status.changed().await.is_ok() {}
}

/// What is shown to the household, running.
#[derive(Debug)]
pub(crate) struct Home {
    tasks: JoinSet<()>,
}

impl Home {
    /// Ends in order, after the last sender of the status is gone: whoever looks is told that nothing
    /// more comes. A broker that does not answer gets a moment.
    pub(crate) async fn end(mut self) {
        const FAREWELL: Duration = Duration::from_secs(1);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, all).await; // what is not done then is broken off
    }
}
