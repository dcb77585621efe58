//! Statements signed with ECDSA on NIST P-256 and SHA-256 (BSI TR-03116-3 allows the curve).
//!
//! A signature covers `label ‖ 0x00 ‖ encoding(body)`: `docs/spec/protocol.md`, section
//! "Signatures". Signing is deterministic (RFC 6979), so it needs no randomness.

use std::fmt;
use std::io::{Read, Write};

use hkdf::Hkdf;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use sha2::Sha256;
use tls_codec::{Deserialize, Error, Serialize, Size};
use zeroize::Zeroizing;

use crate::codec::{Wire, bytes16, malformed};

/// What can be signed; the label keeps one kind of statement from passing for another.
pub trait Statement: Serialize + Deserialize {
    /// Begins with the protocol's name and version and is used for nothing else.
    const LABEL: &'static str;
}

/// Length of a signature: r and s, 32 bytes each, big endian.
pub const SIGNATURE_LENGTH: usize = 64;

/// `r ‖ s`.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_LENGTH]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

impl Size for Signature {
    fn tls_serialized_len(&self) -> usize {
        bytes16::tls_serialized_len(&self.0)
    }
}

impl Serialize for Signature {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        bytes16::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for Signature {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let bytes = bytes16::tls_deserialize(reader)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| malformed("a signature has 64 bytes"))
    }
}

/// Private key for statements. Its `Debug` shows nothing of it; it is wiped when dropped.
#[derive(Clone)]
pub struct SigningKey(p256::ecdsa::SigningKey);

impl SigningKey {
    /// From PKCS #8 in PEM, as `openssl genpkey` and the laboratory CA write it.
    ///
    /// # Errors
    /// [`KeyError`] if it is not an unencrypted P-256 key in that form.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_pkcs8_pem(pem)
            .map(Self)
            .map_err(|_| KeyError::Pkcs8)
    }

    /// From PKCS #8 in DER.
    ///
    /// # Errors
    /// [`KeyError`] if it is not an unencrypted P-256 key in that form.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_pkcs8_der(der)
            .map(Self)
            .map_err(|_| KeyError::Pkcs8)
    }

    /// From the 32 bytes of the scalar, big endian.
    ///
    /// # Errors
    /// [`KeyError`] if the scalar is 0 or not below the group order.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_slice(scalar)
            .map(Self)
            .map_err(|_| KeyError::Scalar)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(*self.0.verifying_key())
    }

    /// Signs `body` under its label.
    pub fn sign<T: Statement>(&self, body: T) -> Signed<T> {
        let signature = self.sign_bytes(&to_be_signed(&body));
        Signed { body, signature }
    }

    /// A secret for whoever holds this key, and for one purpose: HKDF-SHA-256 (RFC 5869) without salt
    /// over the scalar, with `label` as information. Tells nothing of the key.
    ///
    /// # Errors
    /// [`KeyError::Scalar`] never happens: 32 bytes are within what HKDF gives.
    pub fn derive_secret(&self, label: &'static str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let scalar = Zeroizing::new(self.0.to_bytes());
        let mut secret = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &scalar)
            .expand(label.as_bytes(), secret.as_mut())
            .map_err(|_| KeyError::Scalar)?;
        Ok(secret)
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Signature {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        Signature(signature.to_bytes().into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// Public key for statements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(p256::ecdsa::VerifyingKey);

impl VerifyingKey {
    /// From a SEC 1 point: 33 bytes compressed, or 65 bytes.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are no point of P-256 other than infinity.
    pub fn from_sec1(point: &[u8]) -> Result<Self, KeyError> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .map(Self)
            .map_err(|_| KeyError::Point)
    }

    /// From a `SubjectPublicKeyInfo` in DER, as certificates carry it.
    ///
    /// # Errors
    /// [`KeyError`] if it holds no point of P-256.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        p256::ecdsa::VerifyingKey::from_public_key_der(der)
            .map(Self)
            .map_err(|_| KeyError::Point)
    }

    /// SEC 1, compressed: 33 bytes.
    pub fn to_sec1(&self) -> [u8; 33] {
        let mut bytes = [0; 33];
        let point = self.0.to_sec1_point(true);
        for (to, from) in bytes.iter_mut().zip(point.as_bytes()) {
            *to = *from;
        }
        bytes
    }

    pub(crate) fn verify_bytes(&self, message: &[u8], signature: &Signature) -> bool {
        p256::ecdsa::Signature::from_slice(&signature.0)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        self.to_sec1()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a PKCS #8 private key on P-256.
    #[error("this is no unencrypted PKCS #8 private key on the curve P-256")]
    Pkcs8,
    /// Scalar out of range.
    #[error("the private scalar is out of range")]
    Scalar,
    /// Not a point.
    #[error("this is no public key on the curve P-256")]
    Point,
}

/// A statement with a signature that nobody has checked yet: [`Signed::verify`] gives the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    body: T,
    signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// The body, if the holder of `key` signed it.
    ///
    /// # Errors
    /// [`BadSignature`] otherwise.
    pub fn verify(&self, key: &VerifyingKey) -> Result<&T, BadSignature> {
        if key.verify_bytes(&to_be_signed(&self.body), &self.signature) {
            Ok(&self.body)
        } else {
            Err(BadSignature { label: T::LABEL })
        }
    }

    /// The body without a check, for looking up whose key to check it with.
    pub fn unverified(&self) -> &T {
        &self.body
    }
}

impl<T: Size> Size for Signed<T> {
    fn tls_serialized_len(&self) -> usize {
        self.body.tls_serialized_len() + self.signature.tls_serialized_len()
    }
}

impl<T: Serialize> Serialize for Signed<T> {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        Ok(self.body.tls_serialize(writer)? + self.signature.tls_serialize(writer)?)
    }
}

impl<T: Deserialize> Deserialize for Signed<T> {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let body = T::tls_deserialize(reader)?;
        let signature = Signature::tls_deserialize(reader)?;
        Ok(Self { body, signature })
    }
}

/// A signature that does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature of a statement \"{label}\" is not by the key it should be by")]
pub struct BadSignature {
    /// Kind of statement.
    pub label: &'static str,
}

pub(crate) fn to_be_signed<T: Statement>(body: &T) -> Vec<u8> {
    let mut message = T::LABEL.as_bytes().to_vec();
    message.push(0);
    message.extend(body.encode());
    message
}
