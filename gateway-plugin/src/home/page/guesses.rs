//! Wrong passwords are slowed down and counted.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config::Password;

/// Pause after a wrong password before the next one is looked at, whoever it is from.
const PAUSE: Duration = Duration::from_secs(1);
/// Wrong passwords are told at most so often.
const TOLD: Duration = Duration::from_mins(10);
/// Most addresses that need not wait.
const MOST_KNOWN: usize = 64;

/// Looks at one password at a time.
#[derive(Debug)]
pub(super) struct Guesses {
    /// When the next password is looked at. Whoever waits here and goes away has learned nothing.
    gate: tokio::sync::Mutex<Instant>,
    /// Addresses whose last password was right: those who guess do not keep them waiting.
    known: Mutex<HashSet<IpAddr>>,
    wrong: Mutex<Wrong>,
}

#[derive(Debug, Default)]
struct Wrong {
    count: u64,
    last: Option<IpAddr>,
    told: Option<Instant>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            gate: tokio::sync::Mutex::new(Instant::now()),
            known: Mutex::default(),
            wrong: Mutex::default(),
        }
    }
}

impl Guesses {
    /// Whether `guess` is the password. Takes its time if many are wrong.
    pub(super) async fn is_right(
        &self,
        password: &Password,
        guess: &[u8],
        peer: Option<IpAddr>,
    ) -> bool {
        if let Some(peer) = peer
            && self.known(|known| known.contains(&peer))
        {
            if password.is(guess) {
                return true;
            }
            self.known(|known| known.remove(&peer));
        }
        let mut gate = self.gate.lock().await;
        sleep_until(*gate).await;
        if password.is(guess) {
            self.known(|known| {
                if known.len() >= MOST_KNOWN {
                    known.clear();
                }
                known.extend(peer);
            });
            return true;
        }
        *gate = Instant::now() + PAUSE;
        drop(gate);
        self.wrong(|wrong| {
            wrong.count += 1;
            wrong.last = peer;
        });
        self.tell();
        false
    }

    /// Says how many were wrong, if there were any and if it was not said just now.
    pub(super) fn tell(&self) {
        let told = self.wrong(|wrong| {
            let is_early = wrong.told.is_some_and(|told| told.elapsed() < TOLD);
            if wrong.count == 0 || is_early {
                return None;
            }
            wrong.told = Some(Instant::now());
            Some((std::mem::take(&mut wrong.count), wrong.last))
        });
        let Some((count, last)) = told else {
            return;
        };
        let last = last.map_or(String::new(), |address| {
            format!(", the last from {address}")
        });
        tracing::warn!(
            event = "home.page",
            "wrong passwords at the page: {count}{last}"
        );
    }

    fn known<T>(&self, body: impl FnOnce(&mut HashSet<IpAddr>) -> T) -> T {
        body(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wrong<T>(&self, body: impl FnOnce(&mut Wrong) -> T) -> T {
        body(&mut self.wrong.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Password {
        Password::new("correct horse")
    }

    #[tokio::test]
    async fn guesses_wait_even_if_nobody_waits_for_the_answer() {
        let (guesses, password) = (Guesses::default(), password());
        let started = Instant::now();
        assert!(!guesses.is_right(&password, b"1", None).await);
        // Hung up before the pause was over: not looked at, and nothing gained.
        for _ in 0..5 {
            let guess = guesses.is_right(&password, b"correct horse", None);
            let patience = Duration::from_millis(20);
            assert!(tokio::time::timeout(patience, guess).await.is_err());
        }
        assert!(guesses.is_right(&password, b"correct horse", None).await);
        assert!(started.elapsed() >= PAUSE);
        assert_eq!(guesses.wrong(|wrong| wrong.count), 0, "told at once");
    }

    #[tokio::test]
    async fn who_knows_the_password_does_not_wait_for_those_who_guess() {
        let (guesses, password) = (Guesses::default(), password());
        let (owner, guest) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!(
            guesses
                .is_right(&password, b"correct horse", Some(owner))
                .await
        );
        assert!(!guesses.is_right(&password, b"1", Some(guest)).await);
        let started = Instant::now();
        assert!(
            guesses
                .is_right(&password, b"correct horse", Some(owner))
                .await
        );
        assert!(started.elapsed() < PAUSE / 2);
        // One wrong password, and the address is like any other.
        assert!(!guesses.is_right(&password, b"2", Some(owner)).await);
        assert!(
            guesses
                .is_right(&password, b"correct horse", Some(owner))
                .await
        );
        assert!(started.elapsed() >= PAUSE);
        let (count, last) = guesses.wrong(|wrong| (wrong.count, wrong.last));
        assert_eq!(
            (count, last),
            (1, Some(owner)),
            "the first is told, the second is not yet"
        );
    }
}
