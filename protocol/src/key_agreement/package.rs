//! Key packages: what a gateway publishes so that others can agree on keys with it.
//!
//! Section "Key package" of `docs/spec/protocol.md`.

use std::fmt;

use sha2::{Digest as _, Sha256};
use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use crate::certificate::{CertificateError, Identity, TrustAnchor, Usage};
use crate::codec::Wire as _;
use crate::descriptor::DescriptorHash;
use crate::names::{ClientId, NetId};
use crate::round::UnixTime;
use crate::signature::{BadSignature, Signature, SigningKey, Statement, VerifyingKey};

/// What a gateway publishes so that others can agree on keys with it.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct KeyPackage {
    /// The net it is for.
    pub net: NetId,
    /// That net's parameters.
    pub descriptor: DescriptorHash,
    /// Whose it is.
    pub client: ClientId,
    /// Counts the packages of this gateway in this net.
    pub serial: u64,
    /// X25519 public key.
    pub public_key: [u8; 32],
}

impl Statement for KeyPackage {
    const LABEL: &'static str = "dcnet/v1 key package";
}

/// Names one key package.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct KeyPackageHash([u8; 32]);

impl KeyPackageHash {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyPackageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl KeyPackage {
    /// `SHA-256("dcnet/v1 key package hash" ‖ 0x00 ‖ encoding)`.
    pub fn hash(&self) -> KeyPackageHash {
        let hash = Sha256::new()
            .chain_update(b"dcnet/v1 key package hash\0")
            .chain_update(self.encode())
            .finalize();
        KeyPackageHash(hash.into())
    }
}

/// One certificate in DER.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(crate) struct CertificateBytes(#[tls_codec(with = "crate::codec::bytes32")] pub(crate) Vec<u8>);

/// A key package under the gateway's statement certificate.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct SignedKeyPackage {
    body: KeyPackage,
    #[tls_codec(with = "crate::codec::list32")]
    chain: Vec<CertificateBytes>,
    signature: Signature,
}

impl SignedKeyPackage {
    /// Signs `body` with the key of the first certificate in `chain` (DER, leaf first).
    pub fn sign(body: KeyPackage, chain: &[Vec<u8>], key: &SigningKey) -> Self {
        let signature = key.sign_bytes(&crate::signature::to_be_signed(&body));
        let chain = chain.iter().cloned().map(CertificateBytes).collect();
        Self {
            body,
            chain,
            signature,
        }
    }

    /// The body without a check, for looking up what it claims.
    pub fn unverified(&self) -> &KeyPackage {
        &self.body
    }

    /// Certificates, leaf first, DER.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain
            .iter()
            .map(|certificate| certificate.0.as_slice())
    }

    /// Checks chain, name, net and signature.
    ///
    /// # Errors
    /// [`KeyPackageError`] names the first check that fails.
    pub fn verify(
        &self,
        anchor: &TrustAnchor,
        net: NetId,
        descriptor: DescriptorHash,
        now: UnixTime,
    ) -> Result<VerifiedKeyPackage, KeyPackageError> {
        let chain: Vec<Vec<u8>> = self.chain().map(<[u8]>::to_vec).collect();
        let Identity { client, key } =
            anchor
                .verify(&chain, Usage::Statement, now)
                .map_err(|source| KeyPackageError::Certificate {
                    client: self.body.client,
                    source,
                })?;
        if client != self.body.client {
            return Err(KeyPackageError::Client {
                expected: client,
                got: self.body.client,
            });
        }
        if self.body.net != net || self.body.descriptor != descriptor {
            return Err(KeyPackageError::Net {
                expected: net,
                got: self.body.net,
            });
        }
        if !key.verify_bytes(&crate::signature::to_be_signed(&self.body), &self.signature) {
            return Err(BadSignature {
                label: KeyPackage::LABEL,
            }
            .into());
        }
        Ok(VerifiedKeyPackage {
            package: self.body.clone(),
            key,
        })
    }
}

/// A key package whose origin was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedKeyPackage {
    package: KeyPackage,
    key: VerifyingKey,
}

impl VerifiedKeyPackage {
    /// The package.
    pub fn package(&self) -> &KeyPackage {
        &self.package
    }

    /// Key of its owner's statements.
    pub fn statement_key(&self) -> &VerifyingKey {
        &self.key
    }
}

/// Why a key package is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPackageError {
    /// Its certificate.
    #[error("the certificate in the key package of {client} is refused: {source}")]
    Certificate {
        /// Whose it claims to be.
        client: ClientId,
        /// What is wrong with the certificate.
        source: CertificateError,
    },
    /// Certificate and package name different members.
    #[error("the certificate names {expected}, the key package {got}")]
    Client {
        /// In the certificate.
        expected: ClientId,
        /// In the package.
        got: ClientId,
    },
    /// For another net, or for other parameters of this net.
    #[error(
        "the key package is for net {got} or for other parameters than those of net {expected}"
    )]
    Net {
        /// This net.
        expected: NetId,
        /// The package's net.
        got: NetId,
    },
    /// Not signed by the certificate's key.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}
