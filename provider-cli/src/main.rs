//! The `dcnet` binary; everything it does is in the library.

use std::process::ExitCode;

/// Requests are allocated by the thread that reads them and freed by the one that has stored them, which
/// costs the allocator of the system a third of a server's processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dcnet_provider::main_with_args(std::env::args_os())
}
