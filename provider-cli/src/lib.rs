//! The dcnet binary: administration, provider, exports.

/// Placeholder while building dependencies.
pub fn main_with_args(_a: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
