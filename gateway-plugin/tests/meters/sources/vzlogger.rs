//! vzlogger as it pushes, and as it is asked, with what a running one sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::SourceState;

use super::running::{Running, captures, clock_at, shown};
use crate::support::port::free_port;

const IMPORT: &str = "fde8f1d0-c5d0-11e0-856e-f9e4360ced10";
const EXPORT: &str = "a8da012a-9eb4-49ed-b7f3-38c95142a90c";
const POWER: &str = "d5c6db0f-533e-498d-a85a-be972c104b48";

fn listening(port: u16) -> String {
    format!(
        "vzlogger: {{ listen: '127.0.0.1:{port}', silence: 2, channels: \
         {{ {IMPORT}: 1.8.0, {EXPORT}: 2.8.0, {POWER}: 16.7.0 }} }}"
    )
}

/// Posts as vzlogger does; the status of the answer.
fn post(port: u16, path: &str, body: &str) -> u16 {
    post_as(port, path, "", body)
}

/// The same with more header fields.
fn post_as(port: u16, path: &str, fields: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-type: application/json\r\n\
         {fields}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn open(port: u16, clock: &Clock) -> Running {
    let mut source = Running::start(&listening(port), clock);
    assert_eq!(source.state().await, SourceState::Open);
    source
}

#[tokio::test]
async fn what_a_running_vzlogger_pushed_is_read() {
    let Some(folder) = captures("vzlogger") else {
        return;
    };
    let log = std::fs::read_to_string(folder.join("push-requests.log")).unwrap();
    let bodies: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("{ \"data\""))
        .map(str::to_owned)
        .collect();
    assert!(bodies.len() > 2);
    let port = free_port();
    let mut source = open(port, &clock_at(1_795_426_925_000)).await;
    let pushing = tokio::task::spawn_blocking(move || {
        for body in bodies {
            assert_eq!(post(port, "/", &body), 200);
        }
    });
    // All that were taken at one moment are one telegram; what is left of the decimals is exact.
    let (time, first) = source.telegram().await;
    assert_eq!(time.millis(), 1_795_426_921_180);
    assert_eq!(shown(&first, "1.8.0"), "13232.9 Wh");
    assert_eq!(shown(&first, "2.8.0"), "1500321.3 Wh");
    assert_eq!(shown(&first, "16.7.0"), "-105.5 W");
    let (time, second) = source.telegram().await;
    assert_eq!(time.millis(), 1_795_426_921_181);
    assert_eq!(shown(&second, "2.8.0"), "1500321.4 Wh");
    pushing.await.unwrap();
    assert_eq!(source.refused(), 0);
}

#[tokio::test]
async fn it_may_think_that_we_are_its_middleware() {
    let port = free_port();
    let clock = Clock::system();
    let mut source = open(port, &clock).await;
    let now = clock.now().millis();
    let body = format!("[[{now}, 13232.900000000001]]");
    let path = format!("/middleware.php/data/{}.json", IMPORT.to_uppercase());
    let posting = tokio::task::spawn_blocking(move || post(port, &path, &body));
    assert_eq!(posting.await.unwrap(), 200);
    let (time, telegram) = source.telegram().await;
    assert_eq!(time.millis(), now);
    assert_eq!(shown(&telegram, "1.8.0"), "13232.9 Wh");
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_invent_readings() {
    let port = free_port();
    let clock = Clock::system();
    let mut source = open(port, &clock).await;
    let now = clock.now().millis();
    let body = format!("{{\"data\":[{{\"uuid\":\"{IMPORT}\",\"tuples\":[[{now},1]]}}]}}");
    let posting = tokio::task::spawn_blocking(move || {
        let field = "Origin: http://example.org\r\n";
        let refused = post_as(port, "/", field, &body);
        (refused, post(port, "/", &body.replace(",1]", ",2]")))
    });
    assert_eq!(posting.await.unwrap(), (403, 200));
    let (_, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), "2 Wh");
}

#[tokio::test]
async fn nonsense_is_refused_and_silence_is_told() {
    let port = free_port();
    let mut source = open(port, &Clock::system()).await;
    let posting = tokio::task::spawn_blocking(move || {
        let bodies = ["", "{}", "[[1]]", "{\"data\":[{\"uuid\":1}]}"];
        bodies.map(|body| post(port, "/", body))
    });
    assert_eq!(posting.await.unwrap(), [400; 4]);
    // Far from the gateway's clock, or of a channel that nobody named: not used.
    let old = format!("{{\"data\":[{{\"uuid\":\"{IMPORT}\",\"tuples\":[[1000,1]]}}]}}");
    let now = Clock::system().now().millis();
    let foreign = format!("{{\"data\":[{{\"uuid\":\"x\",\"tuples\":[[{now},1]]}}]}}");
    let posting =
        tokio::task::spawn_blocking(move || [old, foreign].map(|body| post(port, "/", &body)));
    assert_eq!(posting.await.unwrap(), [200; 2]);
    let fault = source.fault().await;
    assert!(fault.contains("no value for 2 s"), "{fault}");
    assert_eq!(source.refused(), 4);
}

#[tokio::test]
async fn a_port_that_is_taken_is_waited_for() {
    let port = free_port();
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut source = Running::start(&listening(port), &Clock::system());
    let fault = source.fault().await;
    assert!(
        fault.contains("(vzlogger.listen) cannot be used"),
        "{fault}"
    );
    drop(taken);
    assert_eq!(source.state().await, SourceState::Open);
}

/// Answers every request with the next of `answers`, the last one again and again.
fn server(answers: Vec<(u16, String)>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0_u8; 4096];
            let _ = stream.read(&mut request);
            let number = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let (status, body) = &answers[number];
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (port, asked)
}

#[tokio::test]
async fn its_local_interface_is_asked() {
    let Some(folder) = captures("vzlogger") else {
        return;
    };
    let answer = std::fs::read_to_string(folder.join("http-local.json")).unwrap();
    let (port, asked) = server(vec![(200, answer)]);
    let source = format!("vzlogger: {{ http: 'http://127.0.0.1:{port}', every: 1 }}");
    let mut source = Running::start(&source, &clock_at(1_795_432_301_500));
    // Codes and times stand in the answer; three tuples are three telegrams.
    for time in [1_795_432_298_973, 1_795_432_299_977, 1_795_432_300_985] {
        let (at, telegram) = source.telegram().await;
        assert_eq!(at.millis(), time);
        assert_eq!(shown(&telegram, "1.8.0"), "5430157.7 Wh");
        assert_eq!(shown(&telegram, "2.8.0"), "26244572.6 Wh");
        assert_eq!(shown(&telegram, "16.7.0"), "356.24 W");
        assert_eq!(shown(&telegram, "99.99.0"), "");
    }
    // The same answer once more has nothing new.
    let more = tokio::time::timeout(Duration::from_secs(3), source.telegram()).await;
    assert!(more.is_err());
    assert!(asked.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn without_an_index_its_channels_are_asked_one_by_one() {
    let now = Clock::system().now().millis();
    let one = format!("{{\"data\":[{{\"uuid\":\"{IMPORT}\",\"tuples\":[[{now},7.25]]}}]}}");
    let (port, _) = server(vec![(403, String::new()), (200, one)]);
    let source =
        format!("vzlogger: {{ http: 'http://127.0.0.1:{port}', channels: {{ {IMPORT}: 1.8.0 }} }}");
    let mut source = Running::start(&source, &Clock::system());
    let (_, telegram) = source.telegram().await;
    assert_eq!(shown(&telegram, "1.8.0"), "7.25 Wh");
}

#[tokio::test]
async fn what_is_wrong_with_the_local_interface_is_said() {
    let (port, _) = server(vec![(403, String::new())]);
    let source = format!("vzlogger: {{ http: 'http://127.0.0.1:{port}' }}");
    let mut source = Running::start(&source, &Clock::system());
    let fault = source.fault().await;
    assert!(
        fault.contains("403") && fault.contains("`index`"),
        "{fault}"
    );
    let source = format!("vzlogger: {{ http: 'http://127.0.0.1:{}' }}", free_port());
    let fault = Running::start(&source, &Clock::system()).fault().await;
    assert!(fault.contains("refused"), "{fault}");
}
