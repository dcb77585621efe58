//! Certificates for gateways and operators, new and renewed.

use std::path::{Path, PathBuf};

use dcnet_protocol::certificate::{GATEWAY_URN, STATEMENT_SIGNING_OID};
use dcnet_protocol::names::{ClientId, NetId};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};

use super::authority::{Authority, common_name, refuse_existing};
use super::facts::Facts;
use super::register::{Issued, Lock, Register};
use super::{AuthorityKind, PkiError, new_key, set_validity};
use crate::files::{self, Access};
use crate::operator::{Operator, OperatorName, Role};

/// What the kinds of a gateway's certificates are called in the register.
const TLS: &str = "tls";
const STATEMENT: &str = "statement";

/// The files of one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayFiles {
    /// Certificate for TLS client authentication.
    pub tls_certificate: PathBuf,
    /// Its private key.
    pub tls_key: PathBuf,
    /// Certificate for signing statements.
    pub sig_certificate: PathBuf,
    /// Its private key.
    pub sig_key: PathBuf,
}

impl GatewayFiles {
    /// The names that [`Authority::issue`] uses in `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            tls_certificate: folder.join("tls.pem"),
            tls_key: folder.join("tls.key.pem"),
            sig_certificate: folder.join("sig.pem"),
            sig_key: folder.join("sig.key.pem"),
        }
    }
}

/// The files of somebody with a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorFiles {
    /// Certificate for TLS client authentication.
    pub tls_certificate: PathBuf,
    /// Its private key.
    pub tls_key: PathBuf,
}

impl OperatorFiles {
    /// The names that [`Authority::issue_operator`] uses in `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            tls_certificate: folder.join("tls.pem"),
            tls_key: folder.join("tls.key.pem"),
        }
    }
}

/// What [`Authority::renew`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// Files of a gateway.
    Gateway(GatewayFiles),
    /// Files of somebody with a role.
    Operator(OperatorFiles),
}

/// A certificate and its key, not on the disk yet.
struct Made {
    certificate: String,
    key: String,
    issued: Issued,
}

impl Authority {
    /// Issues both certificates of the gateway `client` with fresh keys into `out`.
    ///
    /// # Errors
    /// [`PkiError::Create`] if one of the four files is there already or cannot be written;
    /// [`PkiError::OtherKind`] if the authority certifies operators.
    pub fn issue(
        &self,
        client: &ClientId,
        out: &Path,
        days: u32,
    ) -> Result<GatewayFiles, PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register_for(AuthorityKind::Gateways)?;
        let by = register.current;
        self.issue_by(&mut register, by, client, out, days)
    }

    fn issue_by(
        &self,
        register: &mut Register,
        by: u32,
        client: &ClientId,
        out: &Path,
        days: u32,
    ) -> Result<GatewayFiles, PkiError> {
        let paths = GatewayFiles::in_folder(out);
        let tls = (&paths.tls_certificate, &paths.tls_key);
        let sig = (&paths.sig_certificate, &paths.sig_key);
        refuse_existing([tls.0, tls.1, sig.0, sig.1].map(Clone::clone))?;
        let uris = [format!("{GATEWAY_URN}{client}")];
        let signing = ExtendedKeyUsagePurpose::Other(STATEMENT_SIGNING_OID.to_vec());
        let authentication = ExtendedKeyUsagePurpose::ClientAuth;
        let name = client.as_str();
        let mut made = Vec::new();
        for (kind, purpose, paths) in [(TLS, authentication, tls), (STATEMENT, signing, sig)] {
            made.push((self.certify(by, name, kind, &uris, purpose, days)?, paths));
        }
        self.enter(register, &made)?;
        Ok(paths)
    }

    /// Issues a certificate with a fresh key to somebody with a role into `out`.
    ///
    /// # Errors
    /// [`PkiError::Create`] if one of the two files is there already or cannot be written;
    /// [`PkiError::OtherKind`] if the authority certifies gateways.
    pub fn issue_operator(
        &self,
        operator: &Operator,
        out: &Path,
        days: u32,
    ) -> Result<OperatorFiles, PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register_for(AuthorityKind::Operators)?;
        self.issue_role(&mut register, operator, out, days)
    }

    fn issue_role(
        &self,
        register: &mut Register,
        operator: &Operator,
        out: &Path,
        days: u32,
    ) -> Result<OperatorFiles, PkiError> {
        let paths = OperatorFiles::in_folder(out);
        refuse_existing([paths.tls_certificate.clone(), paths.tls_key.clone()])?;
        let (name, role) = (operator.name(), operator.role());
        let mut made = self.certify(
            register.current,
            name.as_str(),
            role.word(),
            &operator.uris(),
            ExtendedKeyUsagePurpose::ClientAuth,
            days,
        )?;
        made.issued.nets = operator.nets().iter().map(ToString::to_string).collect();
        let place = (&paths.tls_certificate, &paths.tls_key);
        self.enter(register, &[(made, place)])?;
        Ok(paths)
    }

    /// Issues to `name` anew what it has, with fresh keys, into `out`, or a new folder below that of the
    /// name. What it has stays good until its end, unless `revoke`. Gateways stay under the authority
    /// that their net names.
    ///
    /// # Errors
    /// [`PkiError::UnknownName`] if nothing was issued to it; else as for [`Self::issue`].
    pub fn renew(
        &self,
        name: &str,
        out: Option<&Path>,
        days: u32,
        revoke: bool,
    ) -> Result<Renewed, PkiError> {
        let _lock = Lock::of(&self.folder)?;
        let mut register = self.register()?;
        let of_name = register.issued.iter().filter(|issued| issued.name == name);
        let serials: Vec<_> = of_name
            .clone()
            .map(|issued| issued.serial.clone())
            .collect();
        let Some(last) = of_name.max_by_key(|issued| issued.not_after).cloned() else {
            return Err(self.unknown(name));
        };
        let out = match out {
            Some(out) => out.to_owned(),
            None => self.free_folder(name),
        };
        let renewed = match register.certifies {
            AuthorityKind::Gateways => {
                let client = name.parse().map_err(|_| self.unknown(name))?;
                let files = self.issue_by(&mut register, last.authority, &client, &out, days)?;
                Renewed::Gateway(files)
            }
            AuthorityKind::Operators => {
                let operator = operator_of(&last).ok_or_else(|| self.unknown(name))?;
                Renewed::Operator(self.issue_role(&mut register, &operator, &out, days)?)
            }
        };
        if revoke {
            self.supersede(&mut register, &serials)?;
        }
        Ok(renewed)
    }

    fn certify(
        &self,
        by: u32,
        name: &str,
        kind: &str,
        uris: &[String],
        purpose: ExtendedKeyUsagePurpose,
        days: u32,
    ) -> Result<Made, PkiError> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.subject_alt_names = uris
            .iter()
            .map(|uri| Ok(SanType::URI(uri.as_str().try_into()?)))
            .collect::<Result<_, rcgen::Error>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, days)?;
        let certificate = params.signed_by(&key, &self.issuer(by)?)?;
        let facts = Facts::of(certificate.der()).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Made {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            issued: Issued::new(&facts, name, kind, by),
        })
    }

    /// Into the register first: a certificate that is not in it could not be revoked by name, and one
    /// that never reached the disk harms nobody.
    fn enter(
        &self,
        register: &mut Register,
        made: &[(Made, (&PathBuf, &PathBuf))],
    ) -> Result<(), PkiError> {
        register
            .issued
            .extend(made.iter().map(|(made, _)| made.issued.clone()));
        register.write(&self.folder)?;
        for (made, (certificate, key)) in made {
            files::create(key, made.key.as_bytes(), Access::Owner)?;
            files::create(certificate, made.certificate.as_bytes(), Access::Everybody)?;
        }
        Ok(())
    }
}

/// Who stands in the register.
fn operator_of(issued: &Issued) -> Option<Operator> {
    let name: OperatorName = issued.name.parse().ok()?;
    let role = <Role as clap::ValueEnum>::from_str(&issued.kind, false).ok()?;
    let nets: Option<Vec<NetId>> = issued.nets.iter().map(|net| net.parse().ok()).collect();
    Operator::new(name, role, nets?).ok()
}
