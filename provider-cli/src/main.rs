//! The `dcnet` binary; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    dcnet_provider::main_with_args(std::env::args_os())
}
