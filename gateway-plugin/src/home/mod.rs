//! What the household itself gets to see. Nothing here leads back into evaluation or submission.

mod discovery;
mod mqtt;

use std::time::Duration;

use dcnet_profiles::Profile;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::daemon::status::Status;
use crate::source::Meters;

/// Starts everything that the profile asks for. It ends when what is returned is dropped.
///
/// `sources` are those of the profile's meters.
pub(crate) fn start(
    profile: &Profile,
    client: &str,
    sources: &Meters,
    status: watch::Receiver<Status>,
) -> Home {
    let mut tasks = JoinSet::new();
    if let Some(mqtt) = &profile.home.mqtt {
        let meters = profile.meters.iter().map(|meter| meter.name.clone());
        let publisher = mqtt::Publisher {
            profile: mqtt.clone(),
            language: profile.home.language,
            client: client.to_owned(),
            meters: meters.zip(sources.latest()).collect(),
            status,
        };
        tasks.spawn(publisher.run());
    }
    Home { tasks }
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
