//! A run round by round: said while it lasts, and in the report afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::RoundTimes;

/// What was seen after each round.
#[derive(Default)]
pub(crate) struct Course(Vec<Value>);

impl Course {
    /// `resident` memory of the provider and pages of the store that are `used`, in bytes, after the round.
    pub(crate) fn add(&mut self, of: u64, times: &RoundTimes, resident: u64, used: u64) {
        let number = self.0.len() + 1;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let (intake, close) = (millis(times.intake), millis(times.close));
        eprintln!(
            "round {number} of {of}: {} frames in {intake} ms, {} too late; {} nets corrected, {} failed, \
             last sum after {close} ms; the provider holds {} MB, the store {} MB",
            times.frames,
            times.late,
            times.corrected,
            times.failed,
            resident / 1_000_000,
            used / 1_000_000,
        );
        self.0.push(json!({
            "frames": times.frames,
            "intake_ms": intake,
            "frames_too_late": times.late,
            "nets_corrected": times.corrected,
            "nets_failed": times.failed,
            "close_ms": close,
            "masking_ms": millis(times.masking),
            "resident_bytes": resident,
            "disk_bytes": used,
        }));
    }

    pub(crate) fn json(&self) -> Value {
        Value::Array(self.0.clone())
    }
}
