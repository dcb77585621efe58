//! Ports of this machine.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what Linux gives to whoever asks for any port (32768 and up), so that no other test, no
/// connection and no other program gets one by chance.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port that nobody uses. In this process each is given out once, so that it can be let go and taken
/// again while other tests run.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time begin in different places.
    let start = process::id().wrapping_mul(127);
    loop {
        let number = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
