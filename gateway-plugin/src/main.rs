//! The program `dcnet-gateway`; all of it is in the library.

fn main() -> std::process::ExitCode {
    dcnet_gateway::main_with_args(std::env::args_os())
}
