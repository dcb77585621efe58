//! Shows logs as they grow.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::thread::{sleep, spawn};
use std::time::Duration;

/// Prints every line that is added to one of `logs`, with the log's name, on standard error, until
/// the process ends.
pub(super) fn follow(logs: Vec<(String, PathBuf)>) {
    spawn(move || {
        let mut logs: Vec<_> = logs
            .into_iter()
            .map(|(name, path)| Log {
                name,
                path,
                read: 0,
                rest: Vec::new(),
            })
            .collect();
        loop {
            for log in &mut logs {
                log.show();
            }
            sleep(Duration::from_millis(200));
        }
    });
}

struct Log {
    name: String,
    path: PathBuf,
    read: u64,
    rest: Vec<u8>,
}

impl Log {
    fn show(&mut self) {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.read))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = read().unwrap_or_default(); // not there yet
        self.read += u64::try_from(bytes.len()).unwrap_or_default();
        self.rest.extend(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            eprint!("[{}] {}", self.name, String::from_utf8_lossy(&line));
        }
    }
}
