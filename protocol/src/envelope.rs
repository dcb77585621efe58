//! The tunnel: messages between two gateways that the provider relays and cannot read.
//!
//! Section "Tunnel" of `docs/spec/protocol.md`. XChaCha20-Poly1305; the header that the provider
//! reads is authenticated with the text.

use std::ops::RangeInclusive;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{DecodeError, Wire};
use crate::descriptor::DescriptorHash;
use crate::key_agreement::{Ephemeral, KeyPackageHash, PairSecret, Party};
use crate::membership::checkpoint::Checkpoint;
use crate::names::{ClientId, MAX_NAME, NetId};
use crate::signature::Signed;

/// What an envelope is about; the provider sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum EnvelopeKind {
    /// The sender wants to share an edge.
    EdgeOffer = 1,
    /// The sender has recorded the edge that it was offered.
    EdgeAccept = 2,
    /// The sender shows what it knows of the membership log.
    Checkpoint = 3,
}

/// The part that the provider reads.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EnvelopeHeader {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Sender.
    pub from: ClientId,
    /// Addressee.
    pub to: ClientId,
    /// What it is about.
    pub kind: EnvelopeKind,
}

/// A sealed message.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Envelope {
    header: EnvelopeHeader,
    nonce: [u8; 24],
    #[tls_codec(with = "ciphertext")]
    ciphertext: Vec<u8>,
}

/// Lengths of ciphertexts: the text of a notice and the authentication tag.
const CIPHERTEXT_LENGTHS: RangeInclusive<usize> = {
    let bare = 1 + 32 + 32 + 1 + 1 + 1 + 16;
    let ephemerals = 2 * (8 + 32);
    bare..=bare + ephemerals + (1 + MAX_NAME + 32 + 8 + 32 + 2 + 64)
};

/// Opaque bytes of the lengths that there are, so that nobody can fill an inbox with other things.
mod ciphertext {
    use std::io::{Read, Write};
    use tls_codec::Error;

    pub(crate) fn tls_serialized_len(bytes: &[u8]) -> usize {
        crate::codec::bytes32::tls_serialized_len(bytes)
    }

    pub(crate) fn tls_serialize<W: Write>(bytes: &[u8], writer: &mut W) -> Result<usize, Error> {
        crate::codec::bytes32::tls_serialize(bytes, writer)
    }

    pub(crate) fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Vec<u8>, Error> {
        let bytes = crate::codec::bytes32::tls_deserialize(reader)?;
        if super::CIPHERTEXT_LENGTHS.contains(&bytes.len()) {
            Ok(bytes)
        } else {
            Err(crate::codec::malformed(
                "an envelope holds 84 to 335 bytes of ciphertext",
            ))
        }
    }
}

/// Why the sender wants the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum EdgeReason {
    /// It drew the addressee.
    Drawn = 1,
    /// Both were neighbours of a member that leaves.
    Bridge = 2,
    /// It has too few neighbours left.
    Emergency = 3,
}

/// Text of every envelope. That it opens confirms the key; the hashes confirm the packages; by the
/// checkpoint two neighbours find out whether they are shown the same log.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EdgeNotice {
    /// Why.
    pub reason: EdgeReason,
    /// The sender's key package.
    pub own_package: KeyPackageHash,
    /// The addressee's key package.
    pub peer_package: KeyPackageHash,
    /// The sender's ephemeral key for this edge: in offers and acceptances.
    #[tls_codec(with = "crate::codec::option")]
    pub own: Option<Ephemeral>,
    /// The addressee's, as far as the sender knows it: in acceptances always, in offers perhaps.
    #[tls_codec(with = "crate::codec::option")]
    pub peer: Option<Ephemeral>,
    /// The checkpoint that the sender accepted last, if there is one.
    #[tls_codec(with = "crate::codec::option")]
    pub checkpoint: Option<Signed<Checkpoint>>,
}

impl EdgeNotice {
    /// The notice from `own` to `peer`, without ephemeral keys.
    pub fn new(
        reason: EdgeReason,
        own: &Party,
        peer: &Party,
        checkpoint: Option<Signed<Checkpoint>>,
    ) -> Self {
        Self {
            reason,
            own_package: own.package,
            peer_package: peer.package,
            own: None,
            peer: None,
            checkpoint,
        }
    }

    /// Whether it has the ephemeral keys that an envelope of this kind is to have, and no others.
    fn fits(&self, kind: EnvelopeKind) -> bool {
        match kind {
            EnvelopeKind::EdgeOffer => self.own.is_some(),
            EnvelopeKind::EdgeAccept => self.own.is_some() && self.peer.is_some(),
            EnvelopeKind::Checkpoint => self.own.is_none() && self.peer.is_none(),
        }
    }
}

impl Envelope {
    /// Seals `notice` for the other end of `pair`; the nonce comes out of `rng`.
    ///
    /// # Errors
    /// [`EnvelopeError::Cipher`] if the cipher refuses, which it does for texts of gigabytes only.
    pub fn seal(
        header: EnvelopeHeader,
        notice: &EdgeNotice,
        pair: &PairSecret,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, EnvelopeError> {
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        Self::sealed(header, notice, pair, nonce)
    }

    /// As [`Envelope::seal`]. A nonce must not serve twice; this is for test vectors.
    ///
    /// # Errors
    /// As [`Envelope::seal`].
    #[cfg(feature = "exposed")]
    pub fn seal_with_nonce(
        header: EnvelopeHeader,
        notice: &EdgeNotice,
        pair: &PairSecret,
        nonce: [u8; 24],
    ) -> Result<Self, EnvelopeError> {
        Self::sealed(header, notice, pair, nonce)
    }

    fn sealed(
        header: EnvelopeHeader,
        notice: &EdgeNotice,
        pair: &PairSecret,
        nonce: [u8; 24],
    ) -> Result<Self, EnvelopeError> {
        let key = pair.sending_key(&header.descriptor);
        let text = notice.encode();
        let ciphertext = XChaCha20Poly1305::new((&*key).into())
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &text,
                    aad: &associated_data(&header),
                },
            )
            .map_err(|_| EnvelopeError::Cipher)?;
        Ok(Self {
            header,
            nonce,
            ciphertext,
        })
    }

    /// What the provider reads.
    pub fn header(&self) -> &EnvelopeHeader {
        &self.header
    }

    /// Opens it with the secret shared with its sender.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it was not sealed with this secret for this header, if its text is
    /// malformed, or if that has not the ephemeral keys of its kind.
    pub fn open(&self, pair: &PairSecret) -> Result<EdgeNotice, EnvelopeError> {
        let key = pair.receiving_key(&self.header.descriptor);
        let payload = Payload {
            msg: &self.ciphertext,
            aad: &associated_data(&self.header),
        };
        let text = XChaCha20Poly1305::new((&*key).into())
            .decrypt(&XNonce::from(self.nonce), payload)
            .map_err(|_| EnvelopeError::Seal {
                from: self.header.from,
            })?;
        let notice = EdgeNotice::decode(&text)?;
        if notice.fits(self.header.kind) {
            Ok(notice)
        } else {
            Err(EnvelopeError::Ephemerals {
                from: self.header.from,
            })
        }
    }
}

/// Why an envelope cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The cipher refused the text.
    #[error("the message is too long to be sealed")]
    Cipher,
    /// The authentication tag is wrong.
    #[error("the envelope from {from} was not sealed with the key shared with it")]
    Seal {
        /// Sender that the header names.
        from: ClientId,
    },
    /// It opened, and lacks an ephemeral key that its kind demands, or has one that it forbids.
    #[error("the envelope from {from} has not the ephemeral keys that its kind demands")]
    Ephemerals {
        /// Sender.
        from: ClientId,
    },
    /// It opened, but the text is no notice.
    #[error("the text in the envelope is malformed: {0}")]
    Text(#[from] DecodeError),
}

fn associated_data(header: &EnvelopeHeader) -> Vec<u8> {
    let mut data = b"dcnet/v1 envelope\0".to_vec();
    data.extend(header.encode());
    data
}
