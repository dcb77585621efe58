//! The net descriptor: everything that gives a net's bytes their meaning, immutable.
//!
//! Its hash is bound into every derivation and every message, so a provider that changes a
//! parameter has made another net. Section "Net descriptor" of `docs/spec/protocol.md`.

mod error;

use std::fmt;

pub use error::DescriptorError;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::Wire;
use crate::names::NetId;
use crate::round::Schedule;
use crate::self_mask::{MAX_HOLDERS, MIN_THRESHOLD};
use crate::signature::VerifyingKey;

/// Most slots in one frame.
pub const MAX_SLOTS: usize = 32;
/// Fewest neighbours that a member may have, in the thesis and here.
pub const MIN_DEGREE: usize = 3;
/// Fewest members with which a net can keep the minimum degree.
pub const MIN_SIZE_FLOOR: u32 = 4;
/// Longest region text in bytes.
pub const MAX_REGION: usize = 64;

const LABEL: &[u8] = b"dcnet/v1 net descriptor\0";

/// SHA-256 that names a net's parameters.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserialize,
)]
pub struct DescriptorHash([u8; 32]);

impl DescriptorHash {
    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DescriptorHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DescriptorHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DescriptorHash({self})")
    }
}

/// What one 64-bit word of a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct SlotSpec {
    /// OBIS code, value groups A to F.
    pub obis: [u8; 6],
    /// DLMS unit code, such as 30 for Wh.
    pub unit: u8,
    /// Power of ten: the word counts units of `10^scale`. Two's complement on the wire.
    #[tls_codec(with = "scale")]
    pub scale: i8,
}

/// A signed byte, in two's complement.
mod scale {
    use std::io::{Read, Write};
    use tls_codec::{Deserialize, Error, Serialize};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the derive macro passes references"
    )]
    pub(crate) fn tls_serialized_len(_: &i8) -> usize {
        1
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the derive macro passes references"
    )]
    pub(crate) fn tls_serialize<W: Write>(value: &i8, writer: &mut W) -> Result<usize, Error> {
        value.cast_unsigned().tls_serialize(writer)
    }

    pub(crate) fn tls_deserialize<R: Read>(reader: &mut R) -> Result<i8, Error> {
        Ok(u8::tls_deserialize(reader)?.cast_signed())
    }
}

/// How a net corrects for members that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum CorrectionMode {
    /// The thesis: neighbours resend. Withstands a curious provider, not a lying one.
    Resend = 1,
    /// Self-masks, rosters, and shares of the masks' seeds. Withstands a provider that lies.
    DoubleMask = 2,
}

/// Parameters of a net as its operator wrote them, unchecked: [`NetDescriptor::new`] checks.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct NetParameters {
    /// Version of this format, 1.
    pub version: u8,
    /// Name of the net.
    pub net: NetId,
    /// Region served, free text.
    #[tls_codec(with = "crate::codec::bytes8")]
    pub region: Vec<u8>,
    /// Metered interval in seconds.
    pub interval_s: u32,
    /// Submission window after the border, in seconds.
    pub submit_window_s: u32,
    /// Correction window after the submission window, in seconds.
    pub correction_window_s: u32,
    /// Layout of the frame's words.
    #[tls_codec(with = "crate::codec::list16")]
    pub slots: Vec<SlotSpec>,
    /// Fewest members over which a sum may be formed.
    pub min_size: u32,
    /// Neighbours that each member draws (k).
    pub out_degree: u16,
    /// Shares needed to recover a self-mask (t); used in double-mask mode only.
    pub threshold: u16,
    /// Fraction of members expected to fail per round (δ), in thousandths.
    pub max_loss_permille: u16,
    /// Correction mode.
    pub correction_mode: CorrectionMode,
    /// Members and edges change only at rounds divisible by this.
    pub epoch_length: u32,
    /// The provider's key for statements, SEC 1 compressed.
    pub provider_key: [u8; 33],
    /// SHA-256 of the gateway certification authority's certificate.
    pub ca_fingerprint: [u8; 32],
}

/// Parameters of a net, checked, with their hash.
#[derive(Debug, Clone)]
pub struct NetDescriptor {
    parameters: NetParameters,
    provider_key: VerifyingKey,
    hash: DescriptorHash,
}

impl NetDescriptor {
    /// Checks `parameters` and computes their hash.
    ///
    /// # Errors
    /// [`DescriptorError`] names the first rule that they break.
    pub fn new(parameters: NetParameters) -> Result<Self, DescriptorError> {
        let p = &parameters;
        if p.version != 1 {
            return Err(DescriptorError::Version { got: p.version });
        }
        if p.region.len() > MAX_REGION || std::str::from_utf8(&p.region).is_err() {
            return Err(DescriptorError::Region {
                got: p.region.len(),
            });
        }
        let windows = u64::from(p.submit_window_s) + u64::from(p.correction_window_s);
        if p.submit_window_s == 0 || windows >= u64::from(p.interval_s) {
            return Err(DescriptorError::Windows {
                interval: p.interval_s,
                windows,
            });
        }
        if p.slots.is_empty() || p.slots.len() > MAX_SLOTS {
            return Err(DescriptorError::Slots { got: p.slots.len() });
        }
        for (index, slot) in p.slots.iter().enumerate() {
            if p.slots
                .iter()
                .take(index)
                .any(|earlier| earlier.obis == slot.obis)
            {
                return Err(DescriptorError::SlotTwice { index });
            }
        }
        if p.min_size < MIN_SIZE_FLOOR {
            return Err(DescriptorError::MinSize { got: p.min_size });
        }
        if usize::from(p.out_degree) < MIN_DEGREE {
            return Err(DescriptorError::OutDegree { got: p.out_degree });
        }
        if p.threshold > p.out_degree {
            return Err(DescriptorError::Threshold {
                t: p.threshold,
                k: p.out_degree,
            });
        }
        if p.correction_mode == CorrectionMode::DoubleMask {
            check_shares(p.threshold, p.out_degree)?;
        }
        if p.max_loss_permille >= 1000 {
            return Err(DescriptorError::MaxLoss {
                got: p.max_loss_permille,
            });
        }
        if p.epoch_length == 0 {
            return Err(DescriptorError::EpochLength);
        }
        let provider_key =
            VerifyingKey::from_sec1(&p.provider_key).map_err(|_| DescriptorError::ProviderKey)?;
        let hash = Sha256::new()
            .chain_update(LABEL)
            .chain_update(parameters.encode())
            .finalize();
        Ok(Self {
            parameters,
            provider_key,
            hash: DescriptorHash(hash.into()),
        })
    }

    /// Decodes and checks.
    ///
    /// # Errors
    /// [`DescriptorError`] if the bytes are no encoding of sound parameters.
    pub fn decode(bytes: &[u8]) -> Result<Self, DescriptorError> {
        Self::new(NetParameters::decode(bytes)?)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        self.parameters.encode()
    }

    /// The hash that is bound everywhere.
    pub fn hash(&self) -> DescriptorHash {
        self.hash
    }

    /// The checked parameters.
    pub fn parameters(&self) -> &NetParameters {
        &self.parameters
    }

    /// Name of the net.
    pub fn net(&self) -> NetId {
        self.parameters.net
    }

    /// Region served.
    pub fn region(&self) -> &str {
        std::str::from_utf8(&self.parameters.region).unwrap_or_default()
    }

    /// Layout of the frame's words.
    pub fn slots(&self) -> &[SlotSpec] {
        &self.parameters.slots
    }

    /// Fewest members over which a sum may be formed.
    pub fn min_size(&self) -> usize {
        usize::try_from(self.parameters.min_size).unwrap_or(usize::MAX)
    }

    /// Neighbours that each member draws.
    pub fn out_degree(&self) -> usize {
        self.parameters.out_degree.into()
    }

    /// Shares needed to recover the self-mask of a member that draws `drawn` neighbours: t, or the same
    /// part of fewer in a net in which nobody can draw k; never below 2.
    pub fn threshold_of(&self, drawn: usize) -> usize {
        let (t, k) = (usize::from(self.parameters.threshold), self.out_degree());
        (t * drawn.min(k)).div_ceil(k).max(MIN_THRESHOLD)
    }

    /// Neighbours that a member draws in a net of `members`: k, or all others.
    pub fn drawn_of(&self, members: usize) -> usize {
        self.out_degree().min(members.saturating_sub(1))
    }

    /// Whether so many `present` out of `members` are at least the part 1−δ.
    pub fn is_enough(&self, present: usize, members: usize) -> bool {
        let alive = 1000 - usize::from(self.parameters.max_loss_permille);
        present.saturating_mul(1000) >= members.saturating_mul(alive)
    }

    /// Fewest active holders with which a member submits that draws `drawn` neighbours: the part 1−δ of
    /// them, never below the threshold.
    pub fn needed_holders(&self, drawn: usize) -> usize {
        self.needed_acknowledgements(drawn)
            .max(self.threshold_of(drawn))
    }

    /// Correction mode.
    pub fn correction_mode(&self) -> CorrectionMode {
        self.parameters.correction_mode
    }

    /// Rounds per epoch border.
    pub fn epoch_length(&self) -> u64 {
        self.parameters.epoch_length.into()
    }

    /// Key of the provider's statements.
    pub fn provider_key(&self) -> &VerifyingKey {
        &self.provider_key
    }

    /// The rounds' layout in time.
    pub fn schedule(&self) -> Schedule {
        let p = &self.parameters;
        Schedule::new(p.interval_s, p.submit_window_s, p.correction_window_s)
    }

    /// How many of `drawn` neighbours must have acknowledged before a member enters:
    /// `⌈(1−δ)·drawn⌉`, never below [`MIN_DEGREE`].
    pub fn needed_acknowledgements(&self, drawn: usize) -> usize {
        let alive = 1000 - usize::from(self.parameters.max_loss_permille);
        (drawn * alive).div_ceil(1000).max(MIN_DEGREE)
    }
}

/// Shares of a self-mask: few enough for GF(2⁸), and so many needed that two halves of a member's
/// holders cannot both have them.
fn check_shares(t: u16, k: u16) -> Result<(), DescriptorError> {
    if usize::from(k) > MAX_HOLDERS {
        return Err(DescriptorError::Holders { got: k });
    }
    if usize::from(t) < MIN_THRESHOLD || 2 * u32::from(t) <= u32::from(k) {
        return Err(DescriptorError::ThresholdTooLow { t, k });
    }
    Ok(())
}

impl PartialEq for NetDescriptor {
    fn eq(&self, other: &Self) -> bool {
        self.hash.0.ct_eq(&other.hash.0).into()
    }
}

impl Eq for NetDescriptor {}
