//! A simulated Modbus line on a pseudo-terminal: units that answer when they like.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::meter::Line;
use super::modbus::Table;

/// When a request is answered.
#[derive(Debug, Clone, Copy)]
pub enum When {
    Now,
    After(Duration),
    /// As soon as the next request to this unit is here, before that one is answered.
    WithNext,
    /// As soon as the next request to any unit is here.
    WithNextOfLine,
    Never,
}

/// A unit that works off one request after the other. What it does with the n-th request (from 0) is
/// told by `when`.
pub struct Unit {
    number: u8,
    table: Table,
    when: Box<dyn FnMut(usize) -> When + Send>,
    asked: usize,
    /// What is owed, and from when on it may be sent.
    owed: VecDeque<(Due, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Due {
    At(Instant),
    WithNext,
    WithNextOfLine,
}

impl Unit {
    pub fn new(number: u8, table: Table, when: impl FnMut(usize) -> When + Send + 'static) -> Self {
        Self {
            number,
            table,
            when: Box::new(when),
            asked: 0,
            owed: VecDeque::new(),
        }
    }

    /// Hears a request on the line, to this unit or to another one.
    fn hear(&mut self, request: &[u8]) {
        let own = request[0] == self.number;
        for (due, _) in &mut self.owed {
            if *due == Due::WithNextOfLine || own && *due == Due::WithNext {
                *due = Due::At(Instant::now());
            }
        }
        if !own {
            return;
        }
        let due = match (self.when)(self.asked) {
            When::Now => Some(Due::At(Instant::now())),
            When::After(time) => Some(Due::At(Instant::now() + time)),
            When::WithNext => Some(Due::WithNext),
            When::WithNextOfLine => Some(Due::WithNextOfLine),
            When::Never => None,
        };
        self.asked += 1;
        if let Some(due) = due {
            let mut answer = vec![self.number];
            answer.extend(self.table.answer(&request[1..6]));
            answer.extend(crc(&answer));
            self.owed.push_back((due, answer));
        }
    }

    fn answer(&mut self) -> Option<Vec<u8>> {
        match self.owed.front() {
            Some((Due::At(time), _)) if *time <= Instant::now() => {
                self.owed.pop_front().map(|(_, answer)| answer)
            }
            _ => None,
        }
    }
}

/// What went over the line, as seen from its far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Request(u8),
    Answer(u8),
}

/// Units on one pseudo-terminal.
pub struct SlowLine {
    pub device: PathBuf,
    frames: Arc<Mutex<Vec<(Instant, Frame)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowLine {
    /// One unit, with the number 1.
    pub fn one(table: Table, when: impl FnMut(usize) -> When + Send + 'static) -> Self {
        Self::start(vec![Unit::new(1, table, when)])
    }

    pub fn start(units: Vec<Unit>) -> Self {
        Self::run(None, units)
    }

    /// Units that understand nothing at another speed.
    pub fn at(baud: u32, units: Vec<Unit>) -> Self {
        Self::run(Some(baud), units)
    }

    fn run(baud: Option<u32>, mut units: Vec<Unit>) -> Self {
        let line = Line::new();
        let device = line.device();
        let stop = Arc::new(AtomicBool::new(false));
        let frames: Arc<Mutex<Vec<_>>> = Arc::default();
        let thread = std::thread::spawn({
            let (stop, frames) = (stop.clone(), frames.clone());
            move || {
                let line = line; // whole: its near end keeps the terminal alive
                let mut far = line.far.try_clone().unwrap();
                let note = |frame| frames.lock().unwrap().push((Instant::now(), frame));
                let mut bytes = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let mut buffer = [0; 64];
                    match far.read(&mut buffer) {
                        Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        Err(error) => panic!("{error}"),
                    }
                    if baud.is_some_and(|baud| line.baud() != baud) {
                        bytes.clear();
                    }
                    if let Some(request) = bytes.get(..8) {
                        assert_eq!(crc(&request[..6]), request[6..], "{bytes:x?}");
                        note(Frame::Request(request[0]));
                        for unit in &mut units {
                            unit.hear(request);
                        }
                        bytes.drain(..8);
                    }
                    for unit in &mut units {
                        while let Some(answer) = unit.answer() {
                            note(Frame::Answer(unit.number));
                            far.write_all(&answer).unwrap();
                            // Silence between two frames.
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                }
            }
        });
        Self {
            device,
            frames,
            stop,
            thread: Some(thread),
        }
    }

    /// What went over the line up to now.
    pub fn frames(&self) -> Vec<(Instant, Frame)> {
        self.frames.lock().unwrap().clone()
    }

    /// When the unit was asked.
    pub fn asked(&self, unit: u8) -> Vec<Instant> {
        let of_unit =
            |(time, frame): (Instant, Frame)| (frame == Frame::Request(unit)).then_some(time);
        self.frames().into_iter().filter_map(of_unit).collect()
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

/// CRC-16/MODBUS, low byte first, bit by bit.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xffff_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xa001
            } else {
                crc >> 1
            };
        }
    }
    crc.to_le_bytes()
}
