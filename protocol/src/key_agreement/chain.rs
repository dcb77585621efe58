//! The chain of an edge's keys: agreed once out of static and ephemeral secrets, stepped per epoch.
//!
//! Sections 3.4, 3.5 and 3.11 of `docs/spec/protocol.md`. What a chain holds derives the keys of
//! epochs to come and of none that is past. Whoever gets hold of it, and of the agreement keys, reads
//! nothing of the past.

use std::fmt;
use std::io::{Read, Write};

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{PairSecret, WeakKey, derive};
use crate::codec::Wire as _;
use crate::descriptor::DescriptorHash;
use crate::membership::epoch_head::EpochHead;
use crate::names::ClientId;
use crate::round::{Epoch, Round};
use crate::self_mask::{SEED_LENGTH, ShareKey, fill};

/// Epochs from here on have no keys: chains end.
pub const EPOCH_LIMIT: u64 = 1 << 24;
/// Epochs in a block of a chain.
const BLOCK: u64 = 256;

/// 32 secret bytes: wiped when dropped, shown by no `Debug`, compared in constant time.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `HKDF-Expand(self, label ‖ 0x00 ‖ rest, 32)`; the label comes with its zero byte.
    #[expect(
        clippy::expect_used,
        reason = "RFC 5869 takes keys of 32 bytes and allows 8160 bytes of output, this is 32"
    )]
    fn expand(&self, label: &[u8], rest: &[&[u8]]) -> Self {
        let mut out = Zeroizing::new([0; 32]);
        let info: Vec<&[u8]> = std::iter::once(label).chain(rest.iter().copied()).collect();
        Hkdf::<Sha256>::from_prk(self.0.as_slice())
            .expect("32 bytes are a key")
            .expand_multi_info(&info, out.as_mut_slice())
            .expect("32 bytes are within the limit");
        Self(out)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Size for Secret {
    fn tls_serialized_len(&self) -> usize {
        32
    }
}

impl Serialize for Secret {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        self.0.tls_serialize(writer)
    }
}

impl Deserialize for Secret {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        Ok(Self(Zeroizing::new(<[u8; 32]>::tls_deserialize(reader)?)))
    }
}

/// The public half of a key that serves one edge and one agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Ephemeral {
    /// Milliseconds since 1970 when it was made, or one more than the last one for that edge.
    pub serial: u64,
    /// X25519 public key.
    pub key: [u8; 32],
}

/// Both halves of it, until the edge is agreed. `Debug` shows the public half only; it is wiped when
/// dropped. Its encoding is secret.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EphemeralKey {
    serial: u64,
    secret: Secret,
}

impl EphemeralKey {
    /// A new one out of `rng`.
    pub fn generate(serial: u64, rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rng.fill_bytes(bytes.as_mut_slice());
        let secret = Secret(bytes);
        Self { serial, secret }
    }

    /// From its 32 bytes.
    pub fn from_bytes(serial: u64, bytes: [u8; 32]) -> Self {
        let secret = Secret(Zeroizing::new(bytes));
        Self { serial, secret }
    }

    /// The public half.
    pub fn public(&self) -> Ephemeral {
        Ephemeral {
            serial: self.serial,
            key: PublicKey::from(&self.secret()).to_bytes(),
        }
    }

    fn secret(&self) -> StaticSecret {
        StaticSecret::from(*self.secret.bytes())
    }
}

impl fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EphemeralKey({}, redacted)", self.serial)
    }
}

/// Names what two members have agreed: their key packages and their ephemeral keys. Two ends that state
/// the same one hold the same chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Agreement([u8; 32]);

impl Agreement {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl PairSecret {
    /// What an agreement with these ephemeral keys is called: `SHA-256("dcnet/v1 agreement" ‖ 0x00 ‖ H ‖
    /// lower id ‖ higher id ‖ their package hashes ‖ their ephemeral keys)`.
    pub fn agreement(
        &self,
        descriptor: &DescriptorHash,
        own: &Ephemeral,
        peer: &Ephemeral,
    ) -> Agreement {
        let (own, peer) = ((&self.own, own), (&self.peer, peer));
        let (low, high) = if self.is_lower() {
            (own, peer)
        } else {
            (peer, own)
        };
        let mut hash = Sha256::new()
            .chain_update(b"dcnet/v1 agreement\0")
            .chain_update(descriptor.as_bytes());
        for party in [low.0, high.0] {
            hash.update(party.client.encode());
        }
        for party in [low.0, high.0] {
            hash.update(party.package.as_bytes());
        }
        for ephemeral in [low.1, high.1] {
            hash.update(ephemeral.encode());
        }
        Agreement(hash.finalize().into())
    }

    /// The chain of this edge. The secret half is used up.
    ///
    /// # Errors
    /// [`WeakKey`] if the ephemeral secret would be all zeros (RFC 7748 section 6.1).
    pub fn chain(
        &self,
        descriptor: &DescriptorHash,
        own: EphemeralKey,
        peer: &Ephemeral,
    ) -> Result<(Agreement, Chain), WeakKey> {
        let shared = own.secret().diffie_hellman(&PublicKey::from(peer.key));
        if !shared.was_contributory() {
            let client = self.peer.client;
            return Err(WeakKey { client });
        }
        let agreement = self.agreement(descriptor, &own.public(), peer);
        drop(own);
        let mut secret = Zeroizing::new([0; 64]);
        let (fixed, ephemeral) = secret.split_at_mut(32);
        fixed.copy_from_slice(self.secret.as_slice());
        ephemeral.copy_from_slice(shared.as_bytes());
        let mut info = b"dcnet/v1 edge chain\0".to_vec();
        info.extend(agreement.0);
        let first = Secret(derive(descriptor, secret.as_slice(), &info));
        Ok((agreement, Chain::new(&first)))
    }
}

/// Where an edge stands in an epoch: the epoch's head, and the indices of both ends in its member tree,
/// that of the end with the lower client id first. Two ends that are told different places have pads that
/// do not cancel, and nobody can tell some members one index of a member and others another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EdgePlace {
    head: EpochHead,
    low: u32,
    high: u32,
}

impl EdgePlace {
    /// Of two members, each with its index.
    pub fn new(head: EpochHead, one: (ClientId, u32), other: (ClientId, u32)) -> Self {
        let (low, high) = if one.0 < other.0 {
            (one.1, other.1)
        } else {
            (other.1, one.1)
        };
        Self { head, low, high }
    }
}

/// What the keys of an edge come from, from an epoch on. Wiped when dropped; its encoding is secret.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Chain {
    /// The first epoch whose keys can be derived.
    next: Epoch,
    /// C of that epoch.
    step: Secret,
    /// B of the block behind that of this epoch.
    block: Secret,
}

impl Chain {
    /// From B(0).
    fn new(first: &Secret) -> Self {
        Self {
            next: Epoch::new(0),
            step: start_of(first, 0),
            block: block_behind(first, 0),
        }
    }

    /// The first epoch whose keys can be derived.
    pub fn next(&self) -> Epoch {
        self.next
    }

    /// Gives the secret of the epoch of `place`, and forgets it and all before it. `None` if it is forgotten
    /// already or not below [`EPOCH_LIMIT`]; then nothing changes.
    pub fn pass(&mut self, place: &EdgePlace) -> Option<EpochSecret> {
        let head = &place.head;
        if head.epoch < self.next || head.epoch.number() >= EPOCH_LIMIT {
            return None;
        }
        self.skip_to(head.epoch);
        let secret = EpochSecret {
            secret: self.step.clone(),
            place: *place,
        };
        self.skip_to(head.epoch.next());
        Some(secret)
    }

    /// Forgets all epochs before `epoch`, or before [`EPOCH_LIMIT`] if that is less.
    pub fn skip_to(&mut self, epoch: Epoch) {
        let target = epoch.number().min(EPOCH_LIMIT);
        let mut next = self.next.number();
        if target <= next {
            return;
        }
        let (last, mut block) = (target / BLOCK, next / BLOCK);
        if block < last {
            while block + 1 < last {
                block += 1;
                self.block = block_behind(&self.block, block);
            }
            self.step = start_of(&self.block, last);
            self.block = block_behind(&self.block, last);
            next = last * BLOCK;
        }
        while next < target {
            next += 1;
            let number = next.to_be_bytes();
            self.step = self.step.expand(b"dcnet/v1 chain step\0", &[&number]);
        }
        self.next = Epoch::new(next);
    }

    /// C of the next epoch and B of the block behind, to be compared with test vectors.
    #[cfg(feature = "exposed")]
    pub fn expose_for_vectors(&self) -> ([u8; 32], [u8; 32]) {
        (*self.step.bytes(), *self.block.bytes())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain(from epoch {}, redacted)", self.next)
    }
}

/// C(256j) from B(j).
fn start_of(block: &Secret, number: u64) -> Secret {
    block.expand(b"dcnet/v1 chain start\0", &[&number.to_be_bytes()])
}

/// B(j+1) from B(j).
fn block_behind(block: &Secret, number: u64) -> Secret {
    block.expand(b"dcnet/v1 chain block\0", &[&(number + 1).to_be_bytes()])
}

/// C of one epoch, and where the edge stands in that epoch. Wiped when dropped.
#[derive(Clone)]
pub struct EpochSecret {
    secret: Secret,
    place: EdgePlace,
}

impl EpochSecret {
    /// The key of the edge between `own` and `peer`, for the end of `own`:
    /// `HKDF-Expand(C, "dcnet/v1 edge key" ‖ 0x00 ‖ place, 32)`.
    pub fn edge_key(&self, own: ClientId, peer: ClientId) -> EdgeKey {
        let place = self.place.encode();
        let key = self.secret.expand(b"dcnet/v1 edge key\0", &[&place]);
        EdgeKey::new(key, own, peer)
    }

    /// What the keys of shares of `dealer`'s seeds held by `holder` come from:
    /// `HKDF-Expand(C, "dcnet/v1 share key" ‖ 0x00 ‖ dealer ‖ holder ‖ place, 32)`.
    pub fn shares(&self, dealer: ClientId, holder: ClientId) -> ShareSecret {
        let rest = [dealer.encode(), holder.encode(), self.place.encode()];
        let rest: Vec<&[u8]> = rest.iter().map(Vec::as_slice).collect();
        ShareSecret::new(self.secret.expand(b"dcnet/v1 share key\0", &rest))
    }
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochSecret({}, redacted)", self.place.head.epoch)
    }
}

/// The key of an edge in one epoch, and which end of it this gateway is. Wiped when dropped.
#[derive(Clone)]
pub struct EdgeKey {
    key: Secret,
    peer: ClientId,
    own_adds: bool,
}

impl EdgeKey {
    pub(crate) fn new(key: Secret, own: ClientId, peer: ClientId) -> Self {
        Self {
            key,
            peer,
            own_adds: own < peer,
        }
    }

    /// The neighbour at the other end.
    pub fn peer(&self) -> ClientId {
        self.peer
    }

    /// Whether this end adds the pad; the other end subtracts it.
    pub(crate) fn adds(&self) -> bool {
        self.own_adds
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.key.bytes()
    }

    pub(crate) fn into_secret(self) -> Secret {
        self.key
    }

    /// The 32 bytes, to be compared with test vectors.
    #[cfg(feature = "exposed")]
    pub fn expose_for_vectors(&self) -> [u8; 32] {
        *self.key.bytes()
    }

    /// A key out of these bytes, for benchmarks of nets that are too large for key agreement.
    #[cfg(feature = "exposed")]
    pub fn for_benchmarks(key: [u8; 32], own: ClientId, peer: ClientId) -> Self {
        Self::new(Secret(Zeroizing::new(key)), own, peer)
    }
}

impl fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EdgeKey({}, redacted)", self.peer)
    }
}

/// What the keys of shares between a dealer and a holder come from, in one epoch. Wiped when dropped.
#[derive(Clone)]
pub struct ShareSecret(Secret);

impl ShareSecret {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    pub(crate) fn into_secret(self) -> Secret {
        self.0
    }

    /// The key of the share of `round`: first 16 bytes of the ChaCha20 keystream (RFC 8439) under this
    /// secret, counter from 0, nonce `0⁴ ‖ round` in little endian.
    pub fn key(&self, round: Round) -> ShareKey {
        let mut key = [0; SEED_LENGTH];
        fill(self.0.bytes(), round, &mut key);
        ShareKey::from_bytes(key)
    }
}

impl fmt::Debug for ShareSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShareSecret(redacted)")
    }
}

#[cfg(test)]
mod tests;
