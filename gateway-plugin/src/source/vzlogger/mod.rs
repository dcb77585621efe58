//! A vzlogger that owns the meter's port: it pushes, publishes over MQTT, or is asked over HTTP.

mod http;
mod intake;
mod listen;
mod mqtt;
mod samples;

use dcnet_profiles::meter::{Channel, Vzlogger};

use super::feed::Feed;
use intake::Intake;

/// Takes readings from a vzlogger until nobody listens to `feed` any more.
pub async fn run(source: Vzlogger, feed: Feed) {
    let intake = Intake::new(&source, feed);
    // `Gone` is the only way out of these.
    let _ = match source.channel {
        Channel::Listen(address) => listen::run(address, intake).await,
        Channel::Mqtt(broker) => mqtt::run(broker, intake).await,
        Channel::Http { address, every } => http::run(&address, every, intake).await,
    };
}
