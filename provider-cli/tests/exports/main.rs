//! Exports, as readers that are not ours see them: duckdb, promtool, InfluxDB, PostgreSQL, mosquitto,
//! pydifact. What one of them is missing for says that it is skipped; where there are recordings
//! (`DCNET_SHARED`), all of them have to be there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests fail the test"
)]

#[path = "../common/descriptor.rs"]
mod descriptor;
mod documents;
mod formats;
mod https;
mod killed;
mod mscons;
mod noted;
#[path = "../../../tests/src/port.rs"]
mod port;
mod pruned;
#[path = "../common/published.rs"]
mod published;
mod receiver;
mod secrets;
mod servers;
mod store;
#[allow(
    clippy::expect_used,
    dead_code,
    unused_imports,
    unused_macros,
    reason = "shared by several test binaries, each of which uses a part"
)]
#[path = "../common/store.rs"]
mod stores;
mod wrong;
