//! Certificates of gateways: path validation to the administrator's certification authority, and
//! the member's name in them. The time is an argument.
//!
//! Section "Identity" of `docs/spec/protocol.md`. Path validation is rustls-webpki's (RFC 5280
//! subset for X.509 v3); signatures are ECDSA on P-256.

use p256::ecdsa::signature::Verifier as _;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, KeyUsage};

use crate::names::ClientId;
use crate::round::UnixTime;
use crate::signature::VerifyingKey;

/// Extended key usage of certificates that sign statements of this protocol.
///
/// Under the enterprise number that RFC 5612 reserves for examples, until a registry assigns one.
pub const STATEMENT_SIGNING_OID: &[u64] = &[1, 3, 6, 1, 4, 1, 32_473, 1, 1];

/// [`STATEMENT_SIGNING_OID`] in DER, without tag and length.
const STATEMENT_SIGNING_DER: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x81, 0xfd, 0x59, 0x01, 0x01];

/// `id-kp-clientAuth`, RFC 5280 section 4.2.1.12, in DER without tag and length.
const CLIENT_AUTH_DER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// The uniform resource name in the subject alternative name of a gateway's certificates.
pub const GATEWAY_URN: &str = "urn:dcnet:gateway:";

/// Longest certificate chain that is looked at.
pub const MAX_CHAIN: usize = 4;

/// What a certificate may be used for. Neither passes for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Client authentication in TLS.
    Tls,
    /// Signing statements (key packages, neighbourhoods, exits).
    Statement,
}

/// Whom a valid certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The gateway.
    pub client: ClientId,
    /// Its public key in this certificate.
    pub key: VerifyingKey,
}

/// The certification authority of the gateway administrator.
#[derive(Debug, Clone)]
pub struct TrustAnchor {
    anchor: rustls_pki_types::TrustAnchor<'static>,
    fingerprint: [u8; 32],
}

impl TrustAnchor {
    /// From the authority's certificate.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] if it is no certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|_| CertificateError::Malformed)?
            .to_owned();
        Ok(Self {
            anchor,
            fingerprint: Sha256::digest(der).into(),
        })
    }

    /// SHA-256 of the certificate, as the net descriptor names it.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Validates `chain` (leaf first, DER) for `usage` at `now` and reads the member's name.
    ///
    /// # Errors
    /// [`CertificateError`] says which demand the chain does not meet.
    pub fn verify(
        &self,
        chain: &[Vec<u8>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<Identity, CertificateError> {
        self.validate(chain, usage, now, |leaf| {
            let client = client_in(leaf)?;
            let spki = leaf.subject_public_key_info();
            let key = VerifyingKey::from_spki_der(spki.as_ref())
                .map_err(|_| CertificateError::NotP256)?;
            Ok(Identity { client, key })
        })
    }

    /// Validates `chain` like [`Self::verify`], and gives all uniform resource names among the subject
    /// alternative names of the leaf, whomever they name.
    ///
    /// # Errors
    /// [`CertificateError`] says which demand the chain does not meet; never
    /// [`CertificateError::Name`] or [`CertificateError::NotP256`].
    pub fn uris(
        &self,
        chain: &[Vec<u8>],
        usage: Usage,
        now: UnixTime,
    ) -> Result<Vec<String>, CertificateError> {
        self.validate(chain, usage, now, |leaf| {
            Ok(leaf.valid_uri_names().map(str::to_owned).collect())
        })
    }

    fn validate<T>(
        &self,
        chain: &[Vec<u8>],
        usage: Usage,
        now: UnixTime,
        read: impl FnOnce(&EndEntityCert<'_>) -> Result<T, CertificateError>,
    ) -> Result<T, CertificateError> {
        let (leaf, rest) = chain.split_first().ok_or(CertificateError::Empty)?;
        if chain.len() > MAX_CHAIN {
            return Err(CertificateError::TooLong { got: chain.len() });
        }
        let leaf = CertificateDer::from(leaf.as_slice());
        let rest: Vec<_> = rest
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let end_entity = EndEntityCert::try_from(&leaf).map_err(|_| CertificateError::Malformed)?;
        let time = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_millis(
            now.millis(),
        ));
        end_entity
            .verify_for_usage(
                &[&EcdsaP256Sha256],
                std::slice::from_ref(&self.anchor),
                &rest,
                time,
                KeyUsage::required(match usage {
                    Usage::Tls => CLIENT_AUTH_DER,
                    Usage::Statement => STATEMENT_SIGNING_DER,
                }),
                None,
                None,
            )
            .map_err(|error| match error {
                webpki::Error::CertExpired { .. } => CertificateError::Expired,
                webpki::Error::CertNotValidYet { .. } => CertificateError::NotYetValid,
                webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                    CertificateError::UnknownIssuer
                }
                webpki::Error::RequiredEkuNotFoundContext(_) => CertificateError::Usage(usage),
                other => CertificateError::Path(other.to_string()),
            })?;
        read(&end_entity)
    }
}

/// Why a chain of certificates identifies nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No certificate at all.
    #[error("no certificate was given")]
    Empty,
    /// More than [`MAX_CHAIN`].
    #[error("the chain has {got} certificates, at most {MAX_CHAIN} are looked at")]
    TooLong {
        /// Number found.
        got: usize,
    },
    /// Not a certificate.
    #[error("this is no X.509 version 3 certificate")]
    Malformed,
    /// The validity has ended.
    #[error("the certificate has expired")]
    Expired,
    /// The validity has not begun.
    #[error("the certificate is not valid yet: check the clock")]
    NotYetValid,
    /// Another authority.
    #[error("the certificate was not issued by this net's gateway certification authority")]
    UnknownIssuer,
    /// For something else.
    #[error("the certificate is not meant for this use ({0:?})")]
    Usage(Usage),
    /// Any other failure of path validation.
    #[error("the certificate is not valid: {0}")]
    Path(String),
    /// No or more than one name of ours.
    #[error("the certificate does not name exactly one gateway as {GATEWAY_URN}<name>")]
    Name,
    /// Another kind of key.
    #[error("the certificate's key is not on the curve P-256")]
    NotP256,
}

fn client_in(certificate: &EndEntityCert<'_>) -> Result<ClientId, CertificateError> {
    let mut names = certificate
        .valid_uri_names()
        .filter_map(|uri| uri.strip_prefix(GATEWAY_URN));
    match (names.next(), names.next()) {
        (Some(name), None) => name.parse().map_err(|_| CertificateError::Name),
        _ => Err(CertificateError::Name),
    }
}

/// ECDSA on P-256 with SHA-256, from the `p256` crate: the core takes no OS randomness in.
#[derive(Debug)]
struct EcdsaP256Sha256;

impl SignatureVerificationAlgorithm for EcdsaP256Sha256 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key =
            p256::ecdsa::VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature =
            p256::ecdsa::DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}
