//! Prints the description of the HTTPS interface for operators:
//! `cargo run -p dcnet-provider --example openapi > docs/spec/openapi.json`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", dcnet_provider::server::openapi()?);
    Ok(())
}
