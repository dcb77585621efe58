//! Time, and waiting for things.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::HarnessError;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Asks `look` until it gives something.
///
/// # Errors
/// That of `look`, or [`HarnessError::Waiting`] after `patience`.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>, HarnessError>,
) -> Result<T, HarnessError> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begin.elapsed() > patience {
            return Err(HarnessError::Waiting {
                what: what.to_owned(),
                waited: patience,
                log: String::new(),
            });
        }
        sleep(Duration::from_millis(50));
    }
}
