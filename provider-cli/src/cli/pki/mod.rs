//! `dcnet pki`.

use std::path::PathBuf;

use clap::Subcommand;
use dcnet_protocol::names::ClientId;

use super::{CliError, Outcome, output};
use crate::pki::{Authority, DEFAULT_DAYS, create_provider};

/// Commands of `dcnet pki`.
#[derive(Debug, Subcommand)]
pub(super) enum Pki {
    /// Make the gateway administrator's certification authority.
    ///
    /// Writes ca.pem and ca.key.pem into DIR. Nothing is ever overwritten; keys have mode 0600.
    #[command(after_help = "Example:\n  dcnet pki init lab-ca")]
    Init {
        /// Folder for the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Certify a gateway.
    ///
    /// Writes tls.pem, tls.key.pem (TLS client authentication) and sig.pem, sig.key.pem (signing
    /// statements) for a gateway. Neither certificate passes for the other.
    #[command(after_help = "Example:\n  dcnet pki issue lab-ca gw-1 --out gateways/gw-1")]
    Issue {
        /// Folder of the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Name of the gateway.
        #[arg(value_name = "CLIENT")]
        client: ClientId,
        /// Folder for the four files [default: DIR/gateways/CLIENT].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Days for which the certificates are valid.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
    },
    /// Make the provider's own keys: TLS server certificate and signing key.
    ///
    /// Writes provider-ca.pem (the root that gateways trust for the server), provider-tls.pem and
    /// the keys. The gateways' authority has no part in it: the provider never certifies gateways,
    /// and their authority never certifies the provider.
    #[command(
        after_help = "Example:\n  dcnet pki provider provider --name localhost --name 127.0.0.1"
    )]
    Provider {
        /// Folder for the provider's files.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Host name or IP address under which gateways reach the server; repeatable.
        #[arg(long = "name", value_name = "HOST", required = true)]
        names: Vec<String>,
        /// Days for which the server's certificate is valid.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
    },
}

impl Pki {
    pub(super) fn run(&self) -> Result<Outcome, CliError> {
        match self {
            Self::Init { folder } => {
                let authority = Authority::create(folder)?;
                let path = authority.certificate_path();
                output::text(&format!("authority     {}", path.display()))?;
            }
            Self::Issue {
                folder,
                client,
                out,
                days,
            } => {
                let authority = Authority::open(folder)?;
                let out = out
                    .clone()
                    .unwrap_or_else(|| folder.join("gateways").join(client.as_str()));
                let files = authority.issue(client, &out, *days)?;
                output::pairs(&[
                    (
                        "tls certificate",
                        files.tls_certificate.display().to_string(),
                    ),
                    ("tls key", files.tls_key.display().to_string()),
                    (
                        "sig certificate",
                        files.sig_certificate.display().to_string(),
                    ),
                    ("sig key", files.sig_key.display().to_string()),
                ])?;
            }
            Self::Provider {
                folder,
                names,
                days,
            } => {
                let files = create_provider(folder, names, *days)?;
                output::pairs(&[
                    (
                        "root for gateways",
                        files.root_certificate.display().to_string(),
                    ),
                    (
                        "tls certificate",
                        files.tls_certificate.display().to_string(),
                    ),
                    ("tls key", files.tls_key.display().to_string()),
                    ("signing key", files.signing_key.display().to_string()),
                ])?;
            }
        }
        Ok(Outcome::Done)
    }
}
