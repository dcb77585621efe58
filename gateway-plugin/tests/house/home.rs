//! What home automation gets: a real daemon, a real broker.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::bench::{Bench, Daemon};
use crate::support::broker::Broker;

/// Everything that is published.
struct Listener {
    process: Child,
    messages: Arc<Mutex<Vec<(String, String)>>>,
}

impl Listener {
    fn start(broker: &Broker) -> Self {
        let mut process = Command::new("mosquitto_sub")
            .args(["-p", &broker.port.to_string(), "-t", "#", "-F", "%t %p"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let messages = Arc::new(Mutex::new(Vec::new()));
        std::thread::spawn({
            let messages = messages.clone();
            move || {
                for line in lines.map_while(Result::ok) {
                    let (topic, text) = line.split_once(' ').unwrap();
                    let message = (topic.to_owned(), text.to_owned());
                    messages.lock().unwrap().push(message);
                }
            }
        });
        Self { process, messages }
    }

    /// The last message of each topic.
    fn last(&self) -> BTreeMap<String, String> {
        self.messages.lock().unwrap().iter().cloned().collect()
    }

    fn wait_for(&self, topic: &str, text: &str) {
        let started = Instant::now();
        while self.last().get(topic).is_none_or(|last| last != text) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "no {text} on {topic}: {:#?}",
                self.last()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn home_assistant_finds_the_meter_and_its_values() {
    let Some(broker) = Broker::anywhere(false) else {
        return;
    };
    let number = broker.port;
    let listener = Listener::start(&broker);
    let bench = Bench::new();
    let home = format!(
        "home: {{ language: de, mqtt: {{ broker: {{ port: {number} }}, every: 1 }} }}\nstate: state"
    );
    bench.household.edit("state: state", &home);
    let mut daemon = Daemon::start(&bench.household);
    listener.wait_for("dcnet/house/availability", "online");
    listener.wait_for("dcnet/house/test/16.7.0", "230");
    let config = "homeassistant/sensor/dcnet_house_test/1_8_0/config";
    let announced: Value = serde_json::from_str(&listener.last()[config]).unwrap();
    assert_eq!(announced["name"], "Bezug");
    assert_eq!(announced["unique_id"], "dcnet_house_test_1_8_0");
    assert_eq!(announced["device_class"], "energy");
    assert_eq!(announced["state_class"], "total_increasing");
    assert_eq!(announced["unit_of_measurement"], "kWh");
    assert_eq!(announced["availability_topic"], "dcnet/house/availability");
    assert_eq!(announced["device"]["identifiers"][0], "dcnet_house_test");
    assert_eq!(announced["device"]["manufacturer"], "DZG");
    // The value of the register is exact: the meter counts tenths of a watt-hour.
    let topic = announced["state_topic"].as_str().unwrap().to_owned();
    let energy = listener.last()[&topic].clone();
    assert_eq!(energy.split_once('.').unwrap().1.len(), 4, "{energy}");
    bench.meter.count(1_000_000);
    let started = Instant::now();
    let more = loop {
        let more = listener.last()[&topic].clone();
        if more != energy {
            break more;
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    };
    let tenths = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    assert_eq!(tenths(&more) - tenths(&energy), 1_000_000);
    // Only the announcements, the state and the availability are kept by the broker.
    let later = Listener::start(&broker);
    later.wait_for("dcnet/house/availability", "online");
    assert!(later.last().contains_key(config));
    let gateway: Value = serde_json::from_str(&listener.last()["dcnet/house/gateway"]).unwrap();
    assert_eq!(gateway["net"], "bench");
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
    listener.wait_for("dcnet/house/availability", "offline");
    // Killed, it cannot say so itself.
    let mut again = Daemon::start(&bench.household);
    listener.wait_for("dcnet/house/availability", "online");
    again.kill();
    listener.wait_for("dcnet/house/availability", "offline");
}

#[test]
fn a_broker_that_is_not_there_is_said_once_and_stops_nothing() {
    let bench = Bench::new();
    let home = "home: { mqtt: { broker: { port: 1 } } }\nstate: state";
    bench.household.edit("state: state", home);
    let daemon = Daemon::start(&bench.household);
    daemon.wait_for("(home.mqtt) is not there");
    bench.contribution_after(dcnet_protocol::round::Round::new(0));
    let log = daemon.log();
    assert_eq!(log.matches("(home.mqtt) is not there").count(), 1, "{log}");
}
