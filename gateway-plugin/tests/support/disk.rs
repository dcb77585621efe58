//! Storage that fails on demand, in pairs: failed, and failed but persisted.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// A disk: what was written, and of that what would survive a loss of power.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Image>>);

#[derive(Debug, Default)]
struct Image {
    written: Vec<u8>,
    durable: Vec<u8>,
    syncs: u64,
    fault: Option<(u64, Fault)>,
}

impl Image {
    fn persist(&mut self) {
        self.durable.clone_from(&self.written);
    }
}

/// How a sync fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It reports a failure, and nothing of it survives.
    Failed,
    /// It reports a failure, but all of it survives.
    FailedButPersisted,
}

impl Disk {
    /// Number of syncs so far.
    pub fn syncs(&self) -> u64 {
        self.0.lock().unwrap().syncs
    }

    /// Lets sync number `number` (from 1) fail, and all that follow.
    pub fn fail_at(&self, number: u64, fault: Fault) {
        self.0.lock().unwrap().fault = Some((number, fault));
    }

    /// What is there after a loss of power.
    pub fn after_power_loss(&self) -> Self {
        let image = self.0.lock().unwrap();
        let durable = image.durable.clone();
        Self(Arc::new(Mutex::new(Image {
            written: durable.clone(),
            durable,
            ..Image::default()
        })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let image = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(&image.written[start..start + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0
            .lock()
            .unwrap()
            .written
            .resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut image = self.0.lock().unwrap();
        image.syncs += 1;
        match image.fault {
            Some((number, fault)) if image.syncs >= number => {
                if fault == Fault::FailedButPersisted {
                    image.persist();
                }
                Err(io::Error::other("the disk is gone"))
            }
            _ => {
                image.persist();
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut image = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        image.written[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
