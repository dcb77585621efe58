//! Prints the JSON Schema of a profile:
//! `cargo run -p dcnet-profiles --example schema > profiles/schema/profile.schema.json`

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", dcnet_profiles::schema::text()?);
    Ok(())
}
