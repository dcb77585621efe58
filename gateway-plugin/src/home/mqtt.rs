//! Readings for home automation over MQTT, announced to Home Assistant.
//!
//! Topics: `TOPIC/CLIENT/availability` (`online`, `offline`), `TOPIC/CLIENT/METER/OBIS` a decimal
//! in kWh, W, V, A or Hz, `TOPIC/CLIENT/gateway` what the daemon is doing, as JSON. All but the
//! values are retained.

use std::collections::BTreeMap;
use std::time::Duration;

use dcnet_obis::{Language, ObisCode};
use dcnet_profiles::home::HomeMqtt;
use rumqttc::{
    AsyncClient, ClientError, Event, EventLoop, LastWill, MqttOptions, Packet, PublishOptions, QoS,
};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::discovery::{Announcement, Device, Quantity, identifier, object};
use super::ended;
use crate::daemon::status::Status;
use crate::retry::Pauses;
use crate::source::Latest;

/// Pauses before a lost broker is tried again.
const PAUSES: Pauses = Pauses::new(Duration::from_secs(1), Duration::from_mins(1));
/// Messages that may wait for the broker; what does not fit is left out, the next value comes.
const WAITING: usize = 512;
/// Most values of a meter that are published.
const MOST_VALUES: usize = 64;

pub(super) struct Publisher {
    pub(super) profile: HomeMqtt,
    pub(super) language: Language,
    pub(super) client: String,
    /// Name and last telegram of each meter.
    pub(super) meters: Vec<(String, watch::Receiver<Option<Latest>>)>,
    pub(super) status: watch::Receiver<Status>,
}

impl Publisher {
    /// Publishes until the status has no sender any more, which is the end of the daemon.
    pub(super) async fn run(mut self) {
        let mut pause = PAUSES;
        let mut told = String::new();
        loop {
            let end = match crate::mqtt::options(&self.profile.broker, "home") {
                Ok(options) => self.session(options, &mut pause, &mut told).await,
                Err(error) => Some(error.to_string()),
            };
            let Some(end) = end else {
                return;
            };
            if told != end {
                let (host, port) = (&self.profile.broker.host, self.profile.broker.port);
                tracing::warn!(
                    event = "home.mqtt",
                    "no readings for home automation: the broker {host}:{port} (home.mqtt) is not \
                     there: {end}; trying again"
                );
                told = end;
            }
            tokio::select! {
                () = sleep(pause.pause()) => {}
                () = ended(&mut self.status) => return,
            }
        }
    }

    /// One connection to its end; says what ended it, `None` if the daemon ends.
    async fn session(
        &mut self,
        mut options: MqttOptions,
        pause: &mut Pauses,
        told: &mut String,
    ) -> Option<String> {
        let availability = self.topic("availability");
        let will = LastWill::new(&availability, "offline", QoS::AtLeastOnce, true, None);
        options.set_last_will(will);
        let (client, mut connection): (AsyncClient, EventLoop) =
            AsyncClient::builder(options).capacity(WAITING).build();
        let mut sent = Sent::default();
        let mut is_connected = false;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                event = connection.poll() => match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        pause.reset();
                        told.clear();
                        is_connected = true;
                        sent = Sent::default();
                        due = Instant::now();
                        tracing::info!(event = "home.mqtt", "readings are published for home automation");
                        let online = retained(&client, availability.clone(), "online".to_owned());
                        if let Err(error) = online {
                            return Some(error.to_string());
                        }
                    }
                    Ok(_) => {}
                    Err(error) => return Some(error.to_string()),
                },
                () = tokio::time::sleep_until(due), if is_connected => {
                    due = Instant::now() + Duration::from_secs(1);
                    // A full queue is no matter: the next value comes.
                    let _ = self.publish(&client, &availability, &mut sent);
                }
                () = ended(&mut self.status) => {
                    farewell(&client, &mut connection, availability).await;
                    return None;
                }
            }
        }
    }

    fn topic(&self, below: &str) -> String {
        format!("{}/{}/{below}", self.profile.broker.topic, self.client)
    }

    /// Whatever is new and due.
    fn publish(
        &mut self,
        client: &AsyncClient,
        availability: &str,
        sent: &mut Sent,
    ) -> Result<(), ClientError> {
        let now = Instant::now();
        for number in 0..self.meters.len() {
            let Some((name, latest)) = self.meters.get_mut(number) else {
                continue;
            };
            let Some(latest) = latest.borrow_and_update().clone() else {
                continue;
            };
            let name = name.clone();
            let id = identifier(&format!("dcnet_{}_{name}", self.client));
            let device = Device::new(&id, &name, &latest.telegram);
            for entry in latest.telegram.entries.iter().take(MOST_VALUES) {
                let Some(quantity) = Quantity::of(entry.obis, entry.unit) else {
                    continue;
                };
                let Some(text) = quantity.text(&entry.value) else {
                    continue;
                };
                let key = (number, entry.obis);
                let topic = self.topic(&format!("{}/{}", identifier(&name), entry.obis.short()));
                if !sent.values.contains_key(&key)
                    && let Some(prefix) = &self.profile.discovery
                {
                    let config = format!("{prefix}/sensor/{id}/{}/config", object(entry.obis));
                    let announcement = Announcement::new(
                        entry.obis,
                        quantity,
                        self.language,
                        &device,
                        &topic,
                        availability,
                    );
                    let text = serde_json::to_string(&announcement).unwrap_or_default();
                    retained(client, config, text)?;
                }
                if !sent.is_due(key, latest.time.millis(), now, self.profile.every) {
                    continue;
                }
                client.try_publish(topic, text, PublishOptions::new(QoS::AtMostOnce))?;
                sent.values.insert(key, (latest.time.millis(), now));
            }
        }
        let status = self.status.borrow_and_update().clone();
        let text = status_text(&status);
        if sent.status != text {
            retained(client, self.topic("gateway"), text.clone())?;
            sent.status = text;
        }
        Ok(())
    }
}

/// What went out over this connection.
#[derive(Default)]
struct Sent {
    /// Time of the value, and when it went out.
    values: BTreeMap<(usize, ObisCode), (u64, Instant)>,
    status: String,
}

impl Sent {
    fn is_due(&self, key: (usize, ObisCode), time: u64, now: Instant, every: u64) -> bool {
        self.values.get(&key).is_none_or(|(sent, at)| {
            // The loop comes round every second, give or take a moment.
            let pause = Duration::from_secs(every).saturating_sub(Duration::from_millis(500));
            *sent != time && now.duration_since(*at) >= pause
        })
    }
}

/// What the daemon is doing: nothing of a reading.
fn status_text(status: &Status) -> String {
    json!({
        "net": status.net,
        "phase": status.phase,
        "members": status.members,
        "neighbours": status.neighbours,
        "last_round": status.last_round,
        "last_round_acknowledged": status.last_round_acknowledged,
        "last_round_had_reading": status.last_round_had_reading,
        "evidence": !status.evidence.is_empty(),
    })
    .to_string()
}

fn retained(client: &AsyncClient, topic: String, text: String) -> Result<(), ClientError> {
    client.try_publish(
        topic,
        text,
        PublishOptions::new(QoS::AtLeastOnce).retained(),
    )
}

async fn farewell(client: &AsyncClient, connection: &mut EventLoop, availability: String) {
    if retained(client, availability, "offline".to_owned()).is_err() {
        return;
    }
    let _ = client.try_disconnect();
    // To the connection's end, which comes after what waits has gone out.
    while connection.poll().await.is_ok() {}
}
