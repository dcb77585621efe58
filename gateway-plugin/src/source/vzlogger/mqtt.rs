//! vzlogger publishes over MQTT.
//!
//! Topics: `TOPIC/CHANNEL/raw` (`agg` with aggregation) a value; `TOPIC/CHANNEL/id` the OBIS code
//! and `TOPIC/CHANNEL/uuid` once at vzlogger's start, not retained unless it is told to. `CHANNEL`
//! is `chn0` or what the channel's own `mqtt_topic` says, which may have slashes.

use dcnet_profiles::mqtt::MqttAddress;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::time::{sleep, sleep_until};

use super::super::feed::Gone;
use super::super::{PAUSES, SourceState};
use super::intake::Intake;
use super::samples;
use crate::retry::Pauses;

pub(super) async fn run(broker: MqttAddress, mut intake: Intake) -> Result<(), Gone> {
    let mut pause = PAUSES;
    loop {
        let end = match crate::mqtt::options(&broker, "vzlogger") {
            Ok(options) => session(&broker, options, &mut intake, &mut pause).await?,
            Err(error) => error.to_string(),
        };
        intake.flush().await?;
        intake.feed.state(SourceState::Broken { what: end }).await?;
        sleep(pause.pause()).await;
    }
}

/// One connection to its end; says what ended it.
async fn session(
    broker: &MqttAddress,
    options: MqttOptions,
    intake: &mut Intake,
    pause: &mut Pauses,
) -> Result<String, Gone> {
    let (client, mut connection): (AsyncClient, EventLoop) =
        AsyncClient::builder(options).capacity(8).build();
    intake.hears();
    loop {
        let event = tokio::select! {
            event = connection.poll() => event,
            () = intake.feed.gone() => return Err(Gone),
            () = sleep_until(intake.deadline()) => {
                intake.overdue().await?;
                continue;
            }
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                pause.reset();
                let topic = format!("{}/#", broker.topic);
                if let Err(error) = client.try_subscribe(topic, QoS::AtMostOnce) {
                    return Ok(format!("the MQTT broker cannot be subscribed to: {error}"));
                }
                intake.feed.state(SourceState::Open).await?;
                intake.hears();
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let topic = String::from_utf8_lossy(&message.topic).into_owned();
                if take(broker, intake, &topic, message.retain, &message.payload).await? {
                    intake.hears();
                }
            }
            Ok(_) => {}
            Err(error) => {
                return Ok(format!(
                    "the MQTT broker {}:{} (vzlogger.mqtt) is not there: {error}",
                    broker.host, broker.port
                ));
            }
        }
    }
}

/// Takes a message; true if it was a value.
async fn take(
    broker: &MqttAddress,
    intake: &mut Intake,
    topic: &str,
    retained: bool,
    payload: &[u8],
) -> Result<bool, Gone> {
    let Some((channel, kind)) = split(&broker.topic, topic) else {
        return Ok(false);
    };
    match kind {
        "id" => {
            let obis = std::str::from_utf8(payload).ok().and_then(samples::code);
            if let Some(obis) = obis {
                intake.learn(channel, obis);
            }
        }
        "uuid" => {
            if let Ok(uuid) = std::str::from_utf8(payload) {
                intake.learn_uuid(channel, uuid.trim());
            }
        }
        "raw" | "agg" => match samples::published(channel, payload) {
            // A value that the broker kept, from a time that nobody knows.
            Ok(sample) if retained && sample.millis.is_none() => {}
            Ok(sample) => {
                intake.take(vec![sample]).await?;
                return Ok(true);
            }
            Err(error) => intake.refused(&error),
        },
        _ => {}
    }
    Ok(false)
}

/// Channel and kind of a topic below `base`.
fn split<'a>(base: &str, topic: &'a str) -> Option<(&'a str, &'a str)> {
    let below = topic.strip_prefix(base)?.strip_prefix('/')?;
    below
        .rsplit_once('/')
        .filter(|(channel, _)| !channel.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_may_have_topics_of_their_own() {
        assert_eq!(
            split("vzlogger", "vzlogger/chn0/raw"),
            Some(("chn0", "raw"))
        );
        assert_eq!(
            split("vzlogger", "vzlogger/haus/netz/id"),
            Some(("haus/netz", "id"))
        );
        assert_eq!(split("a/b", "a/b/chn1/agg"), Some(("chn1", "agg")));
        for topic in [
            "vzlogger/raw",
            "vzlogger",
            "vzloggers/chn0/raw",
            "x/chn0/raw",
        ] {
            assert_eq!(split("vzlogger", topic), None, "{topic}");
        }
    }
}
