//! What two key packages give: a shared secret, the keys of envelopes, and the chain of an edge's keys.
//!
//! Sections 3.4 to 3.6 of `docs/spec/protocol.md`. X25519 (RFC 7748), HKDF-SHA256 (RFC 5869).

mod chain;
mod package;

use std::fmt;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use tls_codec::{Serialize as _, TlsDeserialize, TlsSerialize, TlsSize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub(crate) use chain::Secret;
pub use chain::{
    Agreement, Chain, EPOCH_LIMIT, EdgeKey, EdgePlace, Ephemeral, EphemeralKey, EpochSecret,
    ShareSecret,
};
pub use package::{
    KeyPackage, KeyPackageError, KeyPackageHash, SignedKeyPackage, VerifiedKeyPackage,
};

use crate::descriptor::DescriptorHash;
use crate::names::ClientId;

/// A gateway's private X25519 key. `Debug` shows nothing of it; it is wiped when dropped.
#[derive(Clone)]
pub struct AgreementKey(StaticSecret);

impl AgreementKey {
    /// A new key out of `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(StaticSecret::from(*bytes))
    }

    /// From its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(StaticSecret::from(bytes))
    }

    /// Its 32 bytes, for the ledger and nothing else.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public_key(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    /// The secret that this key shares with `peer`.
    ///
    /// # Errors
    /// [`WeakKey`] if the shared secret would be all zeros (RFC 7748 section 6.1).
    pub fn agree(&self, own: &Party, peer: &Party) -> Result<PairSecret, WeakKey> {
        let shared = self.0.diffie_hellman(&PublicKey::from(peer.public_key));
        if !shared.was_contributory() {
            return Err(WeakKey {
                client: peer.client,
            });
        }
        Ok(PairSecret {
            secret: Zeroizing::new(shared.to_bytes()),
            own: own.clone(),
            peer: peer.clone(),
        })
    }
}

impl fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgreementKey(redacted)")
    }
}

/// A public key that gives an all-zero secret with every private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key of {client} is a point of low order; no secret can be agreed with it")]
pub struct WeakKey {
    /// Whose package.
    pub client: ClientId,
}

/// One end of an edge, as far as derivations need to know it.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Party {
    /// Who.
    pub client: ClientId,
    /// Hash of its key package.
    pub package: KeyPackageHash,
    /// Its X25519 public key.
    pub public_key: [u8; 32],
}

impl From<&KeyPackage> for Party {
    fn from(package: &KeyPackage) -> Self {
        Self {
            client: package.client,
            package: package.hash(),
            public_key: package.public_key,
        }
    }
}

/// What two neighbours share: the X25519 secret, with both ends it belongs to.
#[derive(Clone)]
pub struct PairSecret {
    secret: Zeroizing<[u8; 32]>,
    own: Party,
    peer: Party,
}

impl PairSecret {
    /// Whether this end's client id is the lower one.
    pub(crate) fn is_lower(&self) -> bool {
        self.own.client < self.peer.client
    }

    /// The key of envelopes from this end to the other.
    pub fn sending_key(&self, descriptor: &DescriptorHash) -> Zeroizing<[u8; 32]> {
        self.expand(
            descriptor,
            &self.info(b"dcnet/v1 tunnel key\0", &self.own, &self.peer),
        )
    }

    /// The key of envelopes from the other end to this one.
    pub fn receiving_key(&self, descriptor: &DescriptorHash) -> Zeroizing<[u8; 32]> {
        self.expand(
            descriptor,
            &self.info(b"dcnet/v1 tunnel key\0", &self.peer, &self.own),
        )
    }

    #[expect(
        clippy::unused_self,
        reason = "belongs to the derivations of this type"
    )]
    fn info(&self, label: &[u8], first: &Party, second: &Party) -> Vec<u8> {
        let mut info = label.to_vec();
        for name in [first.client, second.client] {
            info.extend(name.tls_serialize_detached().unwrap_or_default());
        }
        info.extend(first.package.as_bytes());
        info.extend(second.package.as_bytes());
        info
    }

    fn expand(&self, descriptor: &DescriptorHash, info: &[u8]) -> Zeroizing<[u8; 32]> {
        derive(descriptor, self.secret.as_slice(), info)
    }
}

/// HKDF-SHA256 with the descriptor's hash as salt.
#[expect(
    clippy::expect_used,
    reason = "RFC 5869 allows 8160 bytes of output, this is 32"
)]
fn derive(descriptor: &DescriptorHash, secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(descriptor.as_bytes()), secret)
        .expand(info, key.as_mut_slice())
        .expect("32 bytes are within the limit");
    key
}

impl fmt::Debug for PairSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PairSecret({} - {}, redacted)",
            self.own.client, self.peer.client
        )
    }
}

/// Bytes that are wiped when dropped and shown by no `Debug`: an encoded private state.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes `bytes` over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for writing to the ledger.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes, redacted)", self.0.len())
    }
}
