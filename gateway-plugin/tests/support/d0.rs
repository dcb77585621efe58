//! A simulated meter of IEC 62056-21 behind a real pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::meter::Line;

/// How a meter answers.
#[derive(Clone)]
pub struct Script {
    /// What it is asked.
    pub request: Vec<u8>,
    /// Its identification line.
    pub identification: Vec<u8>,
    /// The acknowledgement that it waits for, and the rate that this agrees.
    pub acknowledgement: Option<(Vec<u8>, u32)>,
    /// The readout.
    pub message: Vec<u8>,
    /// How many readouts are damaged on their way.
    pub damaged: usize,
    /// The head hears what it sends.
    pub echo: bool,
}

/// Answers until dropped.
pub struct Asked {
    pub device: PathBuf,
    /// Requests that it has understood.
    pub requests: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asked {
    pub fn start(line: Line, script: Script) -> Self {
        let device = line.device();
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut meter = Conversation {
            line,
            script,
            stop: Arc::clone(&stop),
            requests: Arc::clone(&requests),
        };
        let thread = std::thread::spawn(move || while meter.answer().is_some() {});
        Self {
            device,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        // What the meter saw wrong is the test's failure, unless it fails already.
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

struct Conversation {
    line: Line,
    script: Script,
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
}

impl Conversation {
    /// One request and its answer; `None` when it is over.
    fn answer(&mut self) -> Option<()> {
        let script = self.script.clone();
        self.hear(&script.request)?;
        assert_eq!(self.line.baud(), 300, "asked at another rate");
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        // The reaction time of the standard.
        std::thread::sleep(Duration::from_millis(200));
        self.say(&script.identification);
        if let Some((acknowledgement, baud)) = &script.acknowledgement {
            let said = Instant::now();
            self.hear(acknowledgement)?;
            // Both sides wait 200 ms, or 20 ms after a letter that says so; less what went by here.
            let least = if script.identification[3].is_ascii_lowercase() {
                10
            } else {
                150
            };
            assert!(said.elapsed() >= Duration::from_millis(least), "too early");
            let until = Instant::now() + Duration::from_millis(1_500);
            while self.line.baud() != *baud {
                assert!(Instant::now() < until, "the rate is {}", self.line.baud());
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(self.line.baud(), *baud, "changed back too early");
        }
        let mut message = script.message;
        if number < script.damaged {
            let middle = message.len() / 2;
            message[middle] ^= 0x04;
        }
        self.say(&message);
        Some(())
    }

    /// Waits for exactly these bytes.
    fn hear(&mut self, expected: &[u8]) -> Option<()> {
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let mut byte = [0];
            match self.line.far.read(&mut byte) {
                Ok(1) => {
                    heard.push(byte[0] & 0x7f);
                    if self.script.echo {
                        self.line.far.write_all(&byte).unwrap();
                    }
                }
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        assert_eq!(heard, expected, "{}", String::from_utf8_lossy(&heard));
        Some(())
    }

    /// Sends in pieces, with even parity.
    fn say(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(97) {
            let piece: Vec<u8> = piece
                .iter()
                .map(|byte| byte | u8::from(byte.count_ones() % 2 == 1) << 7)
                .collect();
            let _ = self.line.far.write_all(&piece); // full: nobody reads
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

/// A readout with its block check.
pub fn block(data: &[u8]) -> Vec<u8> {
    let mut message = vec![2];
    message.extend_from_slice(data);
    message.push(3);
    let check = message[1..].iter().fold(0, |check, byte| check ^ byte);
    message.push(check);
    message
}

/// Takes a recording of a conversation apart: identification line and data.
pub fn apart(recording: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let line = recording
        .split_inclusive(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"/") && !line.starts_with(b"/?"))
        .unwrap();
    let begin = recording.iter().position(|byte| *byte == 2).unwrap() + 1;
    let length = recording[begin..].iter().position(|byte| *byte == 3);
    let end = length.map_or(recording.len(), |length| begin + length);
    (line.to_vec(), recording[begin..end].to_vec())
}
