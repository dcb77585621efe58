//! Key packages and what two of them give: the secret of an edge, and keys derived from it.
//!
//! Section "Key agreement" of `docs/spec/protocol.md`. X25519 (RFC 7748), HKDF-SHA256 (RFC 5869).

use std::fmt;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use tls_codec::{Serialize as _, TlsDeserialize, TlsSerialize, TlsSize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::certificate::{CertificateError, Identity, TrustAnchor, Usage};
use crate::codec::Wire;
use crate::descriptor::DescriptorHash;
use crate::names::{ClientId, NetId};
use crate::round::{Epoch, Round, UnixTime};
use crate::self_mask::{SEED_LENGTH, ShareKey, fill};
use crate::signature::{BadSignature, Signature, SigningKey, Statement, VerifyingKey};

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
#[error("the key package of {client} holds a point of low order; no secret can be agreed with it")]
pub struct WeakKey {
    /// Whose package.
    pub client: ClientId,
}

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

/// What two neighbours share: the X25519 secret, with both ends it belongs to.
#[derive(Clone)]
pub struct PairSecret {
    secret: Zeroizing<[u8; 32]>,
    own: Party,
    peer: Party,
}

impl PairSecret {
    /// The key of this edge in `epoch`:
    /// `HKDF(salt = descriptor, ikm = secret, info = "dcnet/v1 edge key" ‖ 0 ‖ lower id ‖ higher id
    /// ‖ their package hashes ‖ epoch)`.
    pub fn edge_key(&self, descriptor: &DescriptorHash, epoch: Epoch) -> EdgeKey {
        let own_adds = self.own.client < self.peer.client;
        let (low, high) = if own_adds {
            (&self.own, &self.peer)
        } else {
            (&self.peer, &self.own)
        };
        let mut info = self.info(b"dcnet/v1 edge key\0", low, high);
        info.extend(epoch.number().to_be_bytes());
        EdgeKey {
            key: self.expand(descriptor, &info),
            peer: self.peer.client,
            own_adds,
        }
    }

    /// What the keys of shares of this end's seeds, held at the other end, come from in `epoch`:
    /// `HKDF(salt = descriptor, ikm = secret, info = "dcnet/v1 share key" ‖ 0 ‖ dealer ‖ holder ‖
    /// their package hashes ‖ epoch)`.
    pub fn dealt_shares(&self, descriptor: &DescriptorHash, epoch: Epoch) -> ShareSecret {
        self.shares(descriptor, epoch, &self.own, &self.peer)
    }

    /// The same for the shares of the other end's seeds that this end holds.
    pub fn held_shares(&self, descriptor: &DescriptorHash, epoch: Epoch) -> ShareSecret {
        self.shares(descriptor, epoch, &self.peer, &self.own)
    }

    fn shares(
        &self,
        descriptor: &DescriptorHash,
        epoch: Epoch,
        dealer: &Party,
        holder: &Party,
    ) -> ShareSecret {
        let mut info = self.info(b"dcnet/v1 share key\0", dealer, holder);
        info.extend(epoch.number().to_be_bytes());
        ShareSecret(self.expand(descriptor, &info))
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
        info.extend(first.package.0);
        info.extend(second.package.0);
        info
    }

    #[expect(
        clippy::expect_used,
        reason = "RFC 5869 allows 8160 bytes of output, this is 32"
    )]
    fn expand(&self, descriptor: &DescriptorHash, info: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(descriptor.as_bytes()), self.secret.as_slice())
            .expand(info, key.as_mut_slice())
            .expect("32 bytes are within the limit");
        key
    }
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

/// The key of an edge in one epoch, and which end of it this gateway is. Wiped when dropped.
#[derive(Clone)]
pub struct EdgeKey {
    key: Zeroizing<[u8; 32]>,
    peer: ClientId,
    own_adds: bool,
}

impl EdgeKey {
    /// The neighbour at the other end.
    pub fn peer(&self) -> ClientId {
        self.peer
    }

    /// Whether this end adds the pad; the other end subtracts it.
    pub(crate) fn adds(&self) -> bool {
        self.own_adds
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// The 32 bytes, to be compared with test vectors.
    #[cfg(feature = "exposed")]
    pub fn expose_for_vectors(&self) -> [u8; 32] {
        *self.key
    }
}

impl fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EdgeKey({}, redacted)", self.peer)
    }
}

/// What the keys of shares between a dealer and a holder come from, in one epoch. Wiped when dropped.
#[derive(Clone)]
pub struct ShareSecret(Zeroizing<[u8; 32]>);

impl ShareSecret {
    /// The key of the share of `round`: first 16 bytes of the ChaCha20 keystream (RFC 8439) under this
    /// secret, counter from 0, nonce `0⁴ ‖ round` in little endian.
    pub fn key(&self, round: Round) -> ShareKey {
        let mut key = [0; SEED_LENGTH];
        fill(&self.0, round, &mut key);
        ShareKey::from_bytes(key)
    }
}

impl fmt::Debug for ShareSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareSecret(redacted)")
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
