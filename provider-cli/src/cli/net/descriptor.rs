//! `dcnet net descriptor`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{CliError, NetArg, Outcome, StoreArg, output};
use crate::files::{self, Access};
use crate::service::Admin;

/// Arguments of `dcnet net descriptor`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dcnet net descriptor elbe-4 --out elbe-4.bin")]
pub(in crate::cli) struct Descriptor {
    #[command(flatten)]
    net: NetArg,
    #[command(flatten)]
    store: StoreArg,
    /// File to be written; an existing one is left as it is.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Descriptor {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let admin = Admin::open(&self.store.store).await?;
        let descriptor = admin.descriptor(self.net.net).await?;
        admin.close().await;
        files::create(&self.out, &descriptor.encode(), Access::Everybody)?;
        output::pairs(&[
            ("descriptor", self.out.display().to_string()),
            ("descriptor hash", descriptor.hash().to_string()),
        ])?;
        Ok(Outcome::Done)
    }
}
