//! `dcnet witness`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::WitnessName;
use schemars::JsonSchema;
use serde::Serialize;

use super::serve::{LogFormat, Signals, start_log};
use super::{CliError, JsonArg, Outcome, output};
use crate::server::{Limits, WitnessOptions, start_witness};
use crate::service::hex;
use crate::witness::Folder;

const SERVE_HELP: &str = "\
When the witness is ready it prints one line on standard output:
  listening on https://ADDRESS:PORT
SIGTERM and SIGINT end it gracefully. The log goes to standard error; DCNET_LOG sets its detail.
Limits are those of `dcnet serve`.

Example:
  dcnet witness serve w-1 --listen 0.0.0.0:8444 --tls-cert tls.pem --tls-key tls.key.pem";

/// Commands of `dcnet witness`.
#[derive(Debug, Subcommand)]
pub(super) enum Witness {
    /// Make a witness: its key, and a folder for what it cosigns.
    ///
    /// Prints the public key, which gateways list in their profiles and providers in the list of those
    /// that they ask. Nothing is ever overwritten; the key has mode 0600. Two witnesses must not be
    /// run on copies of one folder, and an old copy must not be put back: either may cosign a second
    /// history.
    #[command(after_help = "Example:\n  dcnet witness init w-1 --name w-1")]
    Init {
        /// Folder for the witness.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Name of the witness.
        #[arg(long)]
        name: WitnessName,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Follow a net, from the beginning of its log.
    ///
    /// A witness cosigns for no other nets than those. It may be running meanwhile.
    #[command(
        after_help = "Example:\n  dcnet net descriptor elbe-4 --out elbe-4.bin\n  dcnet witness add w-1 elbe-4.bin"
    )]
    Add {
        /// Folder of the witness.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The net's descriptor, as `dcnet net descriptor` writes it.
        #[arg(value_name = "NET-DESCRIPTOR-FILE")]
        descriptor: PathBuf,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Serve providers over HTTPS that want their checkpoints cosigned.
    ///
    /// Whatever is cosigned is on the disk before the answer leaves. Whoever asks needs no certificate:
    /// checkpoints are signed by the provider itself.
    Serve(Serve),
    /// Show the witness's key and what it cosigned last.
    Status {
        /// Folder of the witness.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[command(flatten)]
        json: JsonArg,
    },
}

/// Arguments of `dcnet witness serve`.
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(super) struct Serve {
    /// Folder of the witness.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8444")]
    listen: SocketAddr,
    /// The server's certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
    /// Limits, YAML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Form of the log.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// A witness that was made: whom gateways and providers name.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WitnessIdentity")]
pub(super) struct IdentityView {
    name: String,
    key: String,
}

/// A witness, for programs and people.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusView {
    name: String,
    key: String,
    nets: Vec<NetView>,
}

/// A net that is followed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WitnessedNet")]
pub(super) struct NetView {
    net: String,
    region: String,
    descriptor_hash: String,
    provider_key: String,
    /// Entries cosigned last, 0 if none.
    size: u64,
    /// Root over them.
    root: Option<String>,
    /// Files that prove that the provider lied.
    evidence: Vec<PathBuf>,
}

impl Witness {
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        match self {
            Self::Init { folder, name, json } => {
                let witness = IdentityView::of(&Folder::create(&folder, name)?);
                if json.json {
                    output::json(&witness)?;
                } else {
                    witness.print()?;
                }
            }
            Self::Add {
                folder,
                descriptor,
                json,
            } => {
                let descriptor = Folder::open(&folder)?.add(&descriptor)?;
                let net = NetView::of(&descriptor);
                if json.json {
                    output::json(&net)?;
                } else {
                    output::pairs(&[
                        ("net", net.net),
                        ("region", net.region),
                        ("descriptor hash", net.descriptor_hash),
                    ])?;
                }
            }
            Self::Serve(serve) => return serve.run().await,
            Self::Status { folder, json } => {
                let witness = Folder::open(&folder)?;
                let status = status(&witness)?;
                if json.json {
                    output::json(&status)?;
                } else {
                    IdentityView::of(&witness).print()?;
                    status.print_nets()?;
                }
            }
        }
        Ok(Outcome::Done)
    }
}

impl Serve {
    async fn run(self) -> Result<Outcome, CliError> {
        start_log(self.log_format);
        let limits = self
            .config
            .as_deref()
            .map_or(Ok(Limits::default()), Limits::from_file)?;
        let signals = Signals::catch()?;
        let running = start_witness(WitnessOptions {
            folder: self.folder,
            listen: self.listen,
            tls_certificate: self.tls_cert,
            tls_key: self.tls_key,
            limits,
        })
        .await?;
        signals.end(running).await
    }
}

impl IdentityView {
    fn of(witness: &Folder) -> Self {
        Self {
            name: witness.name.to_string(),
            key: hex(&witness.key.verifying_key().to_sec1()),
        }
    }

    fn print(self) -> Result<(), CliError> {
        output::pairs(&[("name", self.name), ("key", self.key)])
    }
}

impl NetView {
    /// Of a net of which nothing was cosigned yet.
    fn of(descriptor: &NetDescriptor) -> Self {
        Self {
            net: descriptor.net().to_string(),
            region: descriptor.region().to_owned(),
            descriptor_hash: descriptor.hash().to_string(),
            provider_key: hex(&descriptor.parameters().provider_key),
            size: 0,
            root: None,
            evidence: Vec::new(),
        }
    }
}

fn status(witness: &Folder) -> Result<StatusView, CliError> {
    let mut nets = Vec::new();
    for hash in witness.nets()? {
        let Some(known) = witness.load(hash)? else {
            continue;
        };
        let checkpoint = known.follower().checkpoint();
        nets.push(NetView {
            size: known.follower().size(),
            root: checkpoint.map(|checkpoint| checkpoint.root.to_string()),
            evidence: witness.evidence(hash)?,
            ..NetView::of(known.descriptor())
        });
    }
    let IdentityView { name, key } = IdentityView::of(witness);
    Ok(StatusView { name, key, nets })
}

impl StatusView {
    fn print_nets(&self) -> Result<(), CliError> {
        output::table(
            ["net", "region", "descriptor hash", "entries", "evidence"],
            self.nets.iter().map(|net| {
                let evidence = net.evidence.iter().map(|path| path.display().to_string());
                let evidence: Vec<String> = evidence.collect();
                [
                    net.net.clone(),
                    net.region.clone(),
                    net.descriptor_hash.clone(),
                    net.size.to_string(),
                    output::few(&evidence, 1),
                ]
            }),
        )
    }
}
