//! `dcnet net descriptor`.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{CliError, JsonArg, NetArg, Outcome, StoreArg, output};
use crate::files::{self, Access};
use crate::service::Admin;

/// Arguments of `dcnet net descriptor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dcnet net descriptor elbe-4 --out elbe-4.bin\n  \
        dcnet net descriptor elbe-4 --out elbe-4.bin --json | jq -r .descriptor_hash"
)]
pub(in crate::cli) struct Descriptor {
    #[command(flatten)]
    net: NetArg,
    #[command(flatten)]
    store: StoreArg,
    /// File to be written; an existing one is left as it is.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    json: JsonArg,
}

/// A net descriptor that was written.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WrittenDescriptor")]
pub(in crate::cli) struct Written {
    net: String,
    file: String,
    descriptor_hash: String,
}

impl Descriptor {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let descriptor = admin.descriptor(self.net.net).await?;
        admin.close().await;
        files::create(&self.out, &descriptor.encode(), Access::Everybody)?;
        let written = Written {
            net: self.net.net.to_string(),
            file: self.out.display().to_string(),
            descriptor_hash: descriptor.hash().to_string(),
        };
        if self.json.json {
            output::json(&written)?;
        } else {
            output::pairs(&[
                ("descriptor", written.file),
                ("descriptor hash", written.descriptor_hash),
            ])?;
        }
        Ok(Outcome::Done)
    }
}
