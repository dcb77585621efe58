//! `dcnet pki`.

mod list;
mod made;

pub(super) use list::CertificateList;
pub(super) use made::{AuthorityView, CertificatesView, ProviderView, RevokedView, RotatedView};

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use dcnet_protocol::names::{ClientId, NetId};

use super::{CliError, JsonArg, Outcome};
use crate::operator::{Operator, Role};
use crate::pki::{
    Authority, AuthorityKind, Chosen, DEFAULT_DAYS, LIST_DAYS, PkiError, Reason, Renewed, Root,
    create_provider, is_provider, new_root, renew_provider,
};

const ISSUE_HELP: &str = "\
Examples:
  dcnet pki issue lab-ca gw-1 --out gateways/gw-1
  dcnet pki issue op-ca anna --role administrator
  dcnet pki issue op-ca grid --role consumer --net elbe-4 --net weser-1

Browsers import a certificate and its key as one file of PKCS #12:
  openssl pkcs12 -export -in tls.pem -inkey tls.key.pem -out browser.p12";

const REVOKE_HELP: &str = "\
Examples:
  dcnet pki revoke lab-ca gw-1 --reason key-compromise
  dcnet pki revoke op-ca --serial 5f3a9c0d1e2b4a697887

A server that was started with the list (dcnet serve --gateway-crl, --operator-crl) takes it within
seconds: connections of who is revoked end, and new ones are refused.";

const ROTATE_HELP: &str = "\
An authority of operators, step by step:
  dcnet pki rotate op-ca             # ca-2.pem, and bundle.pem with both
  dcnet serve --operator-ca op-ca/bundle.pem ...
  dcnet pki renew op-ca anna         # and everybody else, under the new one
  dcnet pki rotate op-ca --finish    # bundle.pem with the new one alone

The provider's root, for all gateways of which provider_ca is to be the bundle meanwhile:
  dcnet pki rotate keys              # provider-ca-2.pem, and provider-ca-bundle.pem with both
  dcnet pki provider keys --renew --newest-root

The gateways' authority cannot be replaced for a net that there is: its descriptor names one
certificate and never changes. What is issued from now on is for nets made under the new one
(dcnet net create --gateway-ca ca-2.pem); renewals go on under the old one.";

/// Commands of `dcnet pki`.
#[derive(Debug, Subcommand)]
pub(super) enum Pki {
    /// Make a certification authority: the gateway administrator's, or the operators'.
    ///
    /// Writes ca.pem, ca.key.pem and register.json into DIR. Nothing is ever overwritten; keys have mode
    /// 0600.
    #[command(
        after_help = "Examples:\n  dcnet pki init lab-ca\n  dcnet pki init op-ca --for operators"
    )]
    Init {
        /// Folder for the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Whom it certifies: gateways, or people and programs that use the provider's own interface.
        #[arg(long = "for", value_enum, value_name = "WHOM", default_value_t = AuthorityKind::Gateways)]
        kind: AuthorityKind,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Certify a gateway, or somebody with a role.
    ///
    /// For a gateway it writes tls.pem, tls.key.pem (TLS client authentication) and sig.pem, sig.key.pem
    /// (signing statements), neither of which passes for the other; with --role, of an authority for
    /// operators, tls.pem and tls.key.pem.
    #[command(after_help = ISSUE_HELP)]
    Issue {
        /// Folder of the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Name of the gateway, person or program.
        #[arg(value_name = "NAME")]
        name: ClientId,
        /// What they may do at the provider.
        #[arg(long, value_enum, value_name = "ROLE")]
        role: Option<Role>,
        /// Net that a consumer may read; repeatable.
        #[arg(long = "net", value_name = "NET", requires = "role")]
        nets: Vec<NetId>,
        /// Folder for the files [default: DIR/gateways/NAME, DIR/operators/NAME].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Days for which the certificates are valid.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
        #[command(flatten)]
        json: JsonArg,
    },
    /// List what an authority has issued.
    ///
    /// Warns of what expires soon and has no newer one, and of a revocation list that is due: the exit
    /// code is 3 then.
    #[command(
        after_help = "Examples:\n  dcnet pki list lab-ca\n  dcnet pki list lab-ca --warn-days 60 --json"
    )]
    List {
        /// Folder of the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Days before its end from which on a certificate is warned of.
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        warn_days: u32,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Issue to somebody anew what they have, with new keys.
    ///
    /// What they have stays valid until its end, so that they can change over without losing a round. A
    /// gateway stays under the authority that its net names.
    #[command(
        after_help = "Examples:\n  dcnet pki renew lab-ca gw-1\n  dcnet pki renew op-ca anna --revoke"
    )]
    Renew {
        /// Folder of the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Name of the gateway, person or program.
        #[arg(value_name = "NAME")]
        name: ClientId,
        /// Folder for the files [default: a new one with a number, such as DIR/gateways/NAME/2].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Days for which the certificates are valid.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
        /// Revoke what they have, as superseded.
        #[arg(long)]
        revoke: bool,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Revoke certificates.
    ///
    /// Writes DIR/crl.pem, revocation lists signed by the authority. Without --serial everything of that
    /// name is revoked that is still valid.
    #[command(after_help = REVOKE_HELP)]
    Revoke {
        /// Folder of the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Name of the gateway, person or program.
        #[arg(
            value_name = "NAME",
            required_unless_present = "serial",
            conflicts_with = "serial"
        )]
        name: Option<ClientId>,
        /// Serial number of one certificate, hexadecimal.
        #[arg(long, value_name = "HEX")]
        serial: Option<String>,
        /// Why; it stands in the list.
        #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
        reason: Reason,
        /// Days after which the next list is due.
        #[arg(long, default_value_t = LIST_DAYS)]
        days: u32,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Make the revocation lists anew.
    ///
    /// A list says when the next one is due. Do this well before, such as every week: with a list that is
    /// too old, the server refuses operators; gateways are served, and who is on it stays refused.
    #[command(after_help = "Example:\n  dcnet pki crl lab-ca")]
    Crl {
        /// Folder of the authority.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Days after which the next list is due.
        #[arg(long, default_value_t = LIST_DAYS)]
        days: u32,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Make a new authority, or a new root of the provider, beside the old one.
    ///
    /// Both are trusted for a time: the bundle that it writes is what servers or gateways are given.
    #[command(after_help = ROTATE_HELP)]
    Rotate {
        /// Folder of the authority or of the provider.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Leave all but the newest authority out of the bundle, once nothing good is left of the others.
        #[arg(long)]
        finish: bool,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Make the provider's own keys: TLS server certificate and signing key.
    ///
    /// Writes provider-ca.pem (the root that gateways trust for the server), provider-tls.pem and
    /// the keys. The gateways' authority has no part in it: the provider never certifies gateways,
    /// and their authority never certifies the provider.
    ///
    /// With --renew it makes a new TLS key and certificate in the place of the old ones, which are kept as
    /// provider-tls.N.pem. A server that runs takes them within seconds. The signing key stays: the nets
    /// name it.
    #[command(
        after_help = "Examples:\n  dcnet pki provider provider --name localhost --name 127.0.0.1\n  dcnet pki provider provider --renew"
    )]
    Provider {
        /// Folder for the provider's files.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Host name or IP address under which gateways reach the server; repeatable. With --renew those
        /// of the old certificate, unless given.
        #[arg(long = "name", value_name = "HOST", required_unless_present = "renew")]
        names: Vec<String>,
        /// Days for which the server's certificate is valid.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
        /// Renew the server's certificate.
        #[arg(long)]
        renew: bool,
        /// Renew it under the newest root, which `dcnet pki rotate` made: gateways have to trust it.
        #[arg(long, requires = "renew")]
        newest_root: bool,
        #[command(flatten)]
        json: JsonArg,
    },
}

impl Pki {
    pub(super) fn run(&self) -> Result<Outcome, CliError> {
        match self {
            Self::Init { folder, kind, json } => {
                let authority = Authority::create_for(folder, *kind)?;
                AuthorityView::of(&authority, *kind).show(*json)?;
            }
            Self::Issue {
                folder,
                name,
                role,
                nets,
                out,
                days,
                json,
            } => {
                let authority = Authority::open(folder)?;
                let out = match out {
                    Some(out) => out.clone(),
                    None => authority.folder_of(name.as_str())?,
                };
                issue(&authority, *name, *role, nets, &out, *days)?.show(*json)?;
            }
            Self::List {
                folder,
                warn_days,
                json,
            } => return list::run(folder, *warn_days, json.json),
            Self::Renew {
                folder,
                name,
                out,
                days,
                revoke,
                json,
            } => {
                let authority = Authority::open(folder)?;
                let renewed = authority.renew(name.as_str(), out.as_deref(), *days, *revoke)?;
                CertificatesView::of(*name, &renewed).show(*json)?;
            }
            Self::Revoke {
                folder,
                name,
                serial,
                reason,
                days,
                json,
            } => {
                let authority = Authority::open(folder)?;
                // The command line has exactly one of them.
                let chosen = match (name, serial) {
                    (Some(name), _) => Chosen::Name(name.to_string()),
                    (None, serial) => Chosen::Serial(serial.clone().unwrap_or_default()),
                };
                let serials = authority.revoke(&chosen, *reason, whole_days(*days))?;
                RevokedView::of(&authority, serials)?.show(*json)?;
            }
            Self::Crl { folder, days, json } => {
                let authority = Authority::open(folder)?;
                authority.publish_list(whole_days(*days))?;
                RevokedView::of(&authority, Vec::new())?.show(*json)?;
            }
            Self::Rotate {
                folder,
                finish,
                json,
            } => rotate(folder, *finish)?.show(*json)?,
            Self::Provider {
                folder,
                names,
                days,
                renew: false,
                json,
                ..
            } => ProviderView::of(&create_provider(folder, names, *days)?).show(*json)?,
            Self::Provider {
                folder,
                names,
                days,
                newest_root,
                json,
                ..
            } => {
                let root = if *newest_root {
                    Root::Newest
                } else {
                    Root::Same
                };
                let renewed = renew_provider(folder, names, *days, root)?;
                ProviderView::renewed(&renewed).show(*json)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn issue(
    authority: &Authority,
    name: ClientId,
    role: Option<Role>,
    nets: &[NetId],
    out: &Path,
    days: u32,
) -> Result<CertificatesView, CliError> {
    let issued = match role {
        None => Renewed::Gateway(authority.issue(&name, out, days)?),
        Some(role) => {
            let operator = Operator::new(name.into(), role, nets.iter().copied());
            let operator = operator.map_err(PkiError::from)?;
            Renewed::Operator(authority.issue_operator(&operator, out, days)?)
        }
    };
    Ok(CertificatesView::of(name, &issued))
}

fn rotate(folder: &Path, finish: bool) -> Result<RotatedView, CliError> {
    if is_provider(folder) && !finish {
        let (root, bundle) = new_root(folder)?;
        return Ok(RotatedView::root(&root, &bundle));
    }
    let authority = Authority::open(folder)?;
    let new = if finish {
        authority.finish_rotation()?;
        None
    } else {
        Some(authority.rotate()?)
    };
    Ok(RotatedView::authority(
        new.as_deref(),
        &authority.bundle_path(),
    ))
}

fn whole_days(days: u32) -> Duration {
    Duration::from_hours(24) * days
}
