//! What commands of `dcnet pki` made: names of files, and never what is in them.

use std::path::Path;

use dcnet_protocol::names::ClientId;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{CliError, JsonArg, output};
use crate::pki::{Authority, AuthorityKind, PkiError, ProviderFiles, Renewed, RenewedProvider};

/// An authority that was made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NewAuthority")]
pub(in crate::cli) struct AuthorityView {
    certifies: AuthorityKind,
    /// File of its certificate.
    certificate: String,
}

impl AuthorityView {
    pub(super) fn of(authority: &Authority, certifies: AuthorityKind) -> Self {
        Self {
            certifies,
            certificate: text(&authority.certificate_path()),
        }
    }

    pub(super) fn show(&self, json: JsonArg) -> Result<(), CliError> {
        if json.json {
            return output::json(self);
        }
        output::text(&format!("authority     {}", self.certificate))
    }
}

/// Files of a gateway, or of somebody with a role, that were written.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NewCertificates")]
pub(in crate::cli) struct CertificatesView {
    name: String,
    tls_certificate: String,
    tls_key: String,
    /// Of a gateway alone, as is the key to it.
    sig_certificate: Option<String>,
    sig_key: Option<String>,
}

impl CertificatesView {
    pub(super) fn of(name: ClientId, files: &Renewed) -> Self {
        let (tls_certificate, tls_key, sig) = match files {
            Renewed::Gateway(files) => (
                &files.tls_certificate,
                &files.tls_key,
                Some((&files.sig_certificate, &files.sig_key)),
            ),
            Renewed::Operator(files) => (&files.tls_certificate, &files.tls_key, None),
        };
        Self {
            name: name.to_string(),
            tls_certificate: text(tls_certificate),
            tls_key: text(tls_key),
            sig_certificate: sig.map(|(certificate, _)| text(certificate)),
            sig_key: sig.map(|(_, key)| text(key)),
        }
    }

    pub(super) fn show(&self, json: JsonArg) -> Result<(), CliError> {
        if json.json {
            return output::json(self);
        }
        let mut pairs = vec![
            ("tls certificate", self.tls_certificate.clone()),
            ("tls key", self.tls_key.clone()),
        ];
        pairs.extend(
            self.sig_certificate
                .clone()
                .map(|path| ("sig certificate", path)),
        );
        pairs.extend(self.sig_key.clone().map(|path| ("sig key", path)));
        output::pairs(&pairs)
    }
}

/// What was revoked, and the lists that say so.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Revoked")]
pub(in crate::cli) struct RevokedView {
    /// Serial numbers of certificates that were not revoked before.
    revoked: Vec<String>,
    /// File of the lists, which name what was revoked before, too.
    revocation_list: String,
    /// When the next ones are due.
    revocation_list_due: Option<String>,
}

impl RevokedView {
    pub(super) fn of(authority: &Authority, revoked: Vec<String>) -> Result<Self, PkiError> {
        Ok(Self {
            revoked,
            revocation_list: text(&authority.list_path()),
            revocation_list_due: authority.list_is_due()?.map(|due| due.to_string()),
        })
    }

    pub(super) fn show(&self, json: JsonArg) -> Result<(), CliError> {
        if json.json {
            return output::json(self);
        }
        for serial in &self.revoked {
            output::text(&format!("revoked          {serial}"))?;
        }
        output::text(&format!("revocation list  {}", self.revocation_list))
    }
}

/// An authority, or a root of the provider, that was made beside another, and what is trusted now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rotated")]
pub(in crate::cli) struct RotatedView {
    /// File of the new certificate; none with `--finish`, which makes none.
    certificate: Option<String>,
    /// File of all that are trusted.
    bundle: String,
    #[serde(skip)]
    labels: [&'static str; 2],
}

impl RotatedView {
    pub(super) fn root(certificate: &Path, bundle: &Path) -> Self {
        Self {
            certificate: Some(text(certificate)),
            bundle: text(bundle),
            labels: ["new root           ", "bundle for gateways"],
        }
    }

    pub(super) fn authority(certificate: Option<&Path>, bundle: &Path) -> Self {
        Self {
            certificate: certificate.map(text),
            bundle: text(bundle),
            labels: ["authority   ", "bundle      "],
        }
    }

    pub(super) fn show(&self, json: JsonArg) -> Result<(), CliError> {
        if json.json {
            return output::json(self);
        }
        let [new, all] = self.labels;
        if let Some(certificate) = &self.certificate {
            output::text(&format!("{new}  {certificate}"))?;
        }
        output::text(&format!("{all}  {}", self.bundle))
    }
}

/// The provider's own files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderKeys")]
pub(in crate::cli) struct ProviderView {
    /// The root that gateways trust for the server's certificate.
    root_certificate: String,
    tls_certificate: String,
    tls_key: String,
    /// With it the provider signs; it stays when the server's certificate is renewed.
    signing_key: String,
    /// Where the server's certificate before is now, its key beside it; none if there was none.
    kept: Option<String>,
}

impl ProviderView {
    pub(super) fn of(files: &ProviderFiles) -> Self {
        Self {
            root_certificate: text(&files.root_certificate),
            tls_certificate: text(&files.tls_certificate),
            tls_key: text(&files.tls_key),
            signing_key: text(&files.signing_key),
            kept: None,
        }
    }

    pub(super) fn renewed(renewed: &RenewedProvider) -> Self {
        Self {
            root_certificate: text(&renewed.root),
            kept: Some(text(&renewed.kept)),
            ..Self::of(&renewed.files)
        }
    }

    pub(super) fn show(&self, json: JsonArg) -> Result<(), CliError> {
        if json.json {
            return output::json(self);
        }
        let root = self.root_certificate.clone();
        let tls_certificate = ("tls certificate", self.tls_certificate.clone());
        let tls_key = ("tls key", self.tls_key.clone());
        match &self.kept {
            None => output::pairs(&[
                ("root for gateways", root),
                tls_certificate,
                tls_key,
                ("signing key", self.signing_key.clone()),
            ]),
            Some(kept) => output::pairs(&[
                tls_certificate,
                tls_key,
                ("under the root", root),
                ("kept", kept.clone()),
            ]),
        }
    }
}

/// As it is shown: a name that is no UTF-8 is no reason to fail when all is done.
fn text(path: &Path) -> String {
    path.display().to_string()
}
