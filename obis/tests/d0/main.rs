//! The D0 decoder against recordings of real meters, against damage and against hostile bytes.
//!
//! The recordings are not part of the project: the tests that need them take the folder from the
//! environment variable `DCNET_SHARED` and skip without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and its helpers are a part of it"
)]

mod damage;
mod forms;
mod hostile;
mod recordings;
mod support;
