//! vzlogger's values out of a real broker (mosquitto).

use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::SourceState;

use super::running::{Running, captures, clock_at, shown};
use crate::support::broker::Broker;
use crate::support::port::free_port;

/// The first messages of a recording.
fn recorded(file: &str, number: usize) -> Option<Vec<(String, String)>> {
    let text = std::fs::read_to_string(captures("vzlogger")?.join(file)).unwrap();
    let messages = text.lines().filter_map(|line| line.split_once(' '));
    Some(
        messages
            .take(number)
            .map(|(topic, payload)| (topic.to_owned(), payload.to_owned()))
            .collect(),
    )
}

fn borrowed(messages: &[(String, String)]) -> Vec<(&str, &str)> {
    messages
        .iter()
        .map(|(topic, payload)| (topic.as_str(), payload.as_str()))
        .collect()
}

#[tokio::test]
async fn values_with_times_are_of_that_time() {
    let Some(messages) = recorded("mqtt-timestamps.log", 12) else {
        return;
    };
    let Some(broker) = Broker::anywhere(false) else {
        return;
    };
    let source = format!("vzlogger: {{ mqtt: {{ port: {} }} }}", broker.port);
    let mut source = Running::start(&source, &clock_at(1_795_426_922_000));
    assert_eq!(source.state().await, SourceState::Open);
    tokio::time::sleep(Duration::from_millis(300)).await; // the subscription is on its way
    let publishing = tokio::task::spawn_blocking(move || {
        broker.publish(&[], &borrowed(&messages));
        broker
    });
    let _broker = publishing.await.unwrap();
    let (time, first) = source.telegram().await;
    assert_eq!(time.millis(), 1_795_426_921_180);
    assert_eq!(shown(&first, "1.8.0"), "13232.9 Wh");
    assert_eq!(shown(&first, "2.8.0"), "1500321.3 Wh");
    assert_eq!(shown(&first, "16.7.0"), "-105.5 W");
    let (time, second) = source.telegram().await;
    assert_eq!(time.millis(), 1_795_426_921_181);
    assert_eq!(shown(&second, "16.7.0"), "-106.78 W");
}

#[tokio::test]
async fn plain_values_are_of_now_and_topics_may_be_the_owners() {
    let Some(messages) = recorded("mqtt-plain.log", 6) else {
        return;
    };
    let Some(broker) = Broker::anywhere(false) else {
        return;
    };
    let source = format!("vzlogger: {{ mqtt: {{ port: {} }} }}", broker.port);
    let clock = Clock::system();
    let mut source = Running::start(&source, &clock);
    assert_eq!(source.state().await, SourceState::Open);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = clock.now();
    let publishing = tokio::task::spawn_blocking(move || {
        broker.publish(&[], &borrowed(&messages));
        broker
    });
    let _broker = publishing.await.unwrap();
    let (time, telegram) = source.telegram().await;
    assert!(time >= before && time <= clock.now());
    assert_eq!(shown(&telegram, "96.5.0"), "18352680");
    assert_eq!(shown(&telegram, "16.7.0"), "460 W");
}

#[tokio::test]
async fn codes_may_stand_in_the_profile_and_old_values_do_not_count() {
    let Some(broker) = Broker::anywhere(false) else {
        return;
    };
    // Kept by the broker since nobody knows when.
    broker.publish(&["-r"], &[("vzlogger/chn0/raw", "1")]);
    let source = format!(
        "vzlogger: {{ mqtt: {{ port: {} }}, channels: {{ chn0: 1.8.0 }} }}",
        broker.port
    );
    let mut source = Running::start(&source, &Clock::system());
    assert_eq!(source.state().await, SourceState::Open);
    tokio::time::sleep(Duration::from_millis(300)).await;
    broker.publish(&[], &[("vzlogger/chn0/agg", "2.5")]);
    let (_, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), "2.5 Wh");
}

#[tokio::test]
async fn a_broker_that_restarts_is_found_again() {
    let port = free_port();
    let source = format!("vzlogger: {{ mqtt: {{ port: {port} }}, channels: {{ chn0: 1.8.0 }} }}");
    let mut source = Running::start(&source, &Clock::system());
    let fault = source.fault().await;
    assert!(fault.contains(&format!("127.0.0.1:{port}")), "{fault}");
    let Some(broker) = Broker::start(port, false) else {
        return;
    };
    tokio::time::sleep(Duration::from_secs(3)).await; // longer than the pause before the next attempt
    broker.publish(&[], &[("vzlogger/chn0/raw", "1")]);
    source.telegram().await;
    drop(broker);
    source.fault().await;
    let broker = Broker::start(port, false).unwrap();
    // It says that it is open only if that is news; what counts is that values come.
    let publishing = tokio::task::spawn_blocking(move || {
        for _ in 0..60 {
            broker.publish(&[], &[("vzlogger/chn0/raw", "3")]);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let (_, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), "3 Wh");
    publishing.await.unwrap();
}

#[tokio::test]
async fn a_broker_may_ask_for_a_password() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(broker) = Broker::anywhere(true) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let with = format!(
        "vzlogger: {{ mqtt: {{ port: {}, user: reader, password_file: '{}' }} }}",
        broker.port,
        file.display()
    );
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&file, mode(0o644)).unwrap();
    let fault = Running::start(&with, &Clock::system()).fault().await;
    assert!(
        fault.contains("can be read by others (mode 644)"),
        "{fault}"
    );
    std::fs::set_permissions(&file, mode(0o600)).unwrap();
    let mut source = Running::start(&with, &Clock::system());
    assert_eq!(source.state().await, SourceState::Open);
    let without = format!("vzlogger: {{ mqtt: {{ port: {} }} }}", broker.port);
    let fault = Running::start(&without, &Clock::system()).fault().await;
    assert!(fault.contains("is not there"), "{fault}");
    assert!(!fault.contains("secret"), "{fault}");
}
