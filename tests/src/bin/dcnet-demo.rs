//! The demonstrator, and, under a hidden first argument, each of the programs that it starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    dcnet_tests::harness::dispatch(std::env::args_os()).unwrap_or_else(dcnet_tests::demo::main)
}
