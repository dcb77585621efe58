//! A Modbus source to listen to, and a simulated device: a TCP server over a table of registers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dcnet_gateway::clock::Clock;
use dcnet_gateway::source::modbus::{self, Bus};
use dcnet_gateway::source::{Feed, SourceEvent, SourceState};
use dcnet_obis::{ObisCode, Telegram};
use dcnet_profiles::modbus::{Direction, Layout, ModbusLine, ModbusSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub fn over_tcp(address: &str, template: &str) -> ModbusSource {
    ModbusSource {
        line: ModbusLine::Tcp(address.parse().unwrap()),
        unit: 1,
        template: template.parse().unwrap(),
        templates: None,
        every: 1,
        timeout: 1000,
        positive: Direction::Import,
    }
}

/// The events of a running source.
pub struct Source(pub mpsc::Receiver<SourceEvent>);

impl Source {
    pub fn start(source: ModbusSource, layout: Layout) -> Self {
        let bus = Arc::new(Bus::new(source.line.clone()));
        Self::on(&bus, source, layout)
    }

    /// Beside others on one line.
    pub fn on(bus: &Arc<Bus>, source: ModbusSource, layout: Layout) -> Self {
        let (sender, events) = mpsc::channel(64);
        let feed = Feed::new("cellar", Clock::system(), sender);
        tokio::spawn(modbus::run_with(bus.clone(), source, layout, feed));
        Self(events)
    }

    /// As the daemon starts it: the source looks for its template itself.
    pub fn by_profile(source: ModbusSource) -> Self {
        let (sender, events) = mpsc::channel(64);
        let feed = Feed::new("cellar", Clock::system(), sender);
        tokio::spawn(modbus::run(source, feed));
        Self(events)
    }

    pub fn catalogue(source: ModbusSource) -> Self {
        let layout = source.layout().unwrap();
        Self::start(source, layout)
    }

    pub async fn next(&mut self) -> SourceEvent {
        timeout(Duration::from_secs(20), self.0.recv())
            .await
            .unwrap_or_else(|_| panic!("no event came"))
            .unwrap()
    }

    pub async fn state(&mut self) -> SourceState {
        loop {
            if let SourceEvent::State(state) = self.next().await {
                return state;
            }
        }
    }

    pub async fn telegram(&mut self) -> Telegram {
        loop {
            if let SourceEvent::Telegram { telegram, .. } = self.next().await {
                return telegram;
            }
        }
    }
}

pub fn obis(text: &str) -> ObisCode {
    text.parse().unwrap()
}

/// Registers by function code and address.
#[derive(Debug, Clone, Default)]
pub struct Table(BTreeMap<(u8, u16), u16>);

impl Table {
    pub fn put(&mut self, function: u8, address: u16, words: &[u16]) {
        for (address, word) in (address..=u16::MAX).zip(words) {
            self.0.insert((function, address), *word);
        }
    }

    /// The answer to a request without unit: function, address, count. Exception 2 if one of the
    /// registers is not there.
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        let (function, address, count) = parts(request);
        let words: Option<Vec<u16>> = (address..)
            .take(count.into())
            .map(|address| self.0.get(&(function, address)).copied())
            .collect();
        match words {
            Some(words) => {
                let mut answer = vec![function, u8::try_from(count * 2).unwrap()];
                answer.extend(words.iter().flat_map(|word| word.to_be_bytes()));
                answer
            }
            None => vec![function | 0x80, 2],
        }
    }
}

/// Function, address and count of a request.
pub fn parts(request: &[u8]) -> (u8, u16, u16) {
    let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    (request[0], word(1), word(3))
}

/// How a server deviates from what it should say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    None,
    /// The third answer has the number of another request, and the content of one.
    WrongNumber,
    /// The third answer is one register short.
    TooShort,
    /// Answers come from another unit.
    OtherUnit,
}

/// A Modbus TCP server in this runtime.
pub struct Server {
    pub address: String,
    pub table: Arc<Mutex<Table>>,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<Mutex<Vec<(u8, u16, u16)>>>,
}

impl Server {
    pub async fn start(table: Table, trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Self {
            address,
            table: Arc::new(Mutex::new(table)),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (table, connections, requests) = (
            server.table.clone(),
            server.connections.clone(),
            server.requests.clone(),
        );
        let answered = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (table, requests, answered) =
                    (table.clone(), requests.clone(), answered.clone());
                tokio::spawn(serve(stream, table, requests, answered, trick));
            }
        });
        server
    }
}

async fn serve(
    mut stream: TcpStream,
    table: Arc<Mutex<Table>>,
    requests: Arc<Mutex<Vec<(u8, u16, u16)>>>,
    answered: Arc<AtomicUsize>,
    trick: Trick,
) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        requests.lock().unwrap().push(parts(&request[7..]));
        let mut answer = table.lock().unwrap().answer(&request[7..]);
        let (mut number, mut unit) = (u16::from_be_bytes([request[0], request[1]]), request[6]);
        match (trick, answered.fetch_add(1, Ordering::Relaxed)) {
            (Trick::WrongNumber, 2) => {
                number = number.wrapping_add(7);
                answer.fill(2);
                answer[0] = request[7];
                answer[1] = u8::try_from(answer.len() - 2).unwrap();
            }
            (Trick::TooShort, 2) => {
                answer.truncate(answer.len() - 2);
                answer[1] -= 2;
            }
            (Trick::OtherUnit, _) => unit += 1,
            _ => {}
        }
        let length = u16::try_from(answer.len() + 1).unwrap();
        let mut frame = number.to_be_bytes().to_vec();
        frame.extend([0, 0]);
        frame.extend(length.to_be_bytes());
        frame.push(unit);
        frame.extend(answer);
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}
