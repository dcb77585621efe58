//! Frames between their masking and the border of their round. They wait in a file: those of a million
//! gateways are gigabytes, and the memory is the provider's.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// Frames of one round.
pub(crate) struct Shelf {
    file: Arc<File>,
    end: u64,
}

/// Frames of one net.
pub(crate) struct Waiting {
    file: Arc<File>,
    begin: u64,
    lengths: Vec<usize>,
}

impl Shelf {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            file: Arc::new(tempfile::tempfile_in(folder).unwrap()),
            end: 0,
        }
    }

    /// Frames of the round before have all been taken.
    pub(crate) fn clear(&mut self) {
        self.end = 0;
    }

    pub(crate) fn put(&mut self, frames: &[Vec<u8>]) -> Waiting {
        let begin = self.end;
        let bytes = frames.concat();
        self.file.write_all_at(&bytes, begin).unwrap();
        self.end += bytes.len() as u64;
        Waiting {
            file: Arc::clone(&self.file),
            begin,
            lengths: frames.iter().map(Vec::len).collect(),
        }
    }
}

impl Waiting {
    /// One after the other, in the order in which they were put.
    pub(crate) fn take(self) -> impl Iterator<Item = Vec<u8>> {
        let mut at = self.begin;
        self.lengths.into_iter().map(move |length| {
            let mut frame = vec![0; length];
            self.file.read_exact_at(&mut frame, at).unwrap();
            at += length as u64;
            frame
        })
    }
}
