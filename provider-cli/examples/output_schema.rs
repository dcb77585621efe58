//! Prints the JSON Schema of what `dcnet` prints with `--json`:
//! `cargo run -p dcnet-provider --example output_schema > provider-cli/schema/output.schema.json`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", dcnet_provider::cli::json_schema()?);
    Ok(())
}
