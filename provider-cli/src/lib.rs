//! The dcnet binary: administration, provider, exports.

mod files;
pub mod pki;
pub mod server;
mod service;
mod store;

/// Placeholder while building dependencies.
pub fn main_with_args(_a: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
