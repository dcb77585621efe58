//! Ports of this machine.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what Linux gives to whoever asks for any port (32768 and up), so that no other test, no
/// connection and no other program gets one by chance.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody uses. In this process each is given out once, so that it can be let go and taken
/// again while other tests run.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin in different places.
    let start = process::id().wrapping_mul(127) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap_or_default();
    loop {
        let number = GIVEN.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + number) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
