//! Frames: what a gateway sends, with all the fields of the thesis.
//!
//! Section "Frame" of `docs/spec/protocol.md`. A [`ClearFrame`] has no encoding; masking consumes
//! it together with the pad; what comes out encodes.

mod encoding;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use crate::descriptor::DescriptorHash;
#[cfg(feature = "exposed")]
use crate::key_agreement::EdgeKey;
use crate::key_agreement::SignedKeyPackage;
use crate::membership::entry::{ExitStatement, Neighbourhood};
use crate::names::{ClientId, ClientSet, NetId};
use crate::notification::Notification;
use crate::pad::Pad;
use crate::roster::RosterHash;
use crate::round::{Epoch, Round};
use crate::self_mask::{DealtMask, SelfMask, ShareKey};
use crate::signature::Signed;
use crate::superposition::{Reading, Superposition};

/// Protocol identifier: the first four bytes of every frame.
pub const PROTOCOL: [u8; 4] = *b"DCN1";

/// The fields that every frame has.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct FrameHeader {
    /// DC-net identifier.
    pub net: NetId,
    /// The net's parameters.
    pub descriptor: DescriptorHash,
    /// Client identifier.
    pub client: ClientId,
    /// Transmission bit: whether the words hide a reading. Without it the member is present (its
    /// pads cancel) and contributes nothing.
    #[tls_codec(with = "crate::codec::flag")]
    pub transmission: bool,
    /// The epoch whose edges the pads are of.
    pub epoch: Epoch,
    /// The metered interval; the frame's timestamp is its start, `round · interval` seconds.
    pub round: Round,
}

/// A reading with its header. Leaves the gateway only through [`ClearFrame::mask`].
///
/// ```compile_fail
/// use dcnet_protocol::codec::Wire;
/// fn leak(frame: dcnet_protocol::frame::ClearFrame) -> Vec<u8> {
///     frame.encode()
/// }
/// ```
#[derive(Debug)]
pub struct ClearFrame {
    header: FrameHeader,
    reading: Option<Reading>,
}

impl ClearFrame {
    /// A frame for `reading`; without one the transmission bit is 0.
    pub fn new(
        net: NetId,
        descriptor: DescriptorHash,
        client: ClientId,
        epoch: Epoch,
        round: Round,
        reading: Option<Reading>,
    ) -> Self {
        let transmission = reading.is_some();
        let header = FrameHeader {
            net,
            descriptor,
            client,
            transmission,
            epoch,
            round,
        };
        Self { header, reading }
    }

    /// Hides the reading.
    ///
    /// # Errors
    /// [`MaskError`] if `pad` is not for this frame's epoch, round and number of slots.
    #[expect(clippy::needless_pass_by_value, reason = "a pad must not serve twice")]
    pub fn mask(self, pad: Pad) -> Result<MaskedFrame, MaskError> {
        check_time(&self.header, pad.epoch(), pad.round())?;
        let slots = pad.words().len();
        if let Some(reading) = &self.reading
            && reading.values().len() != slots
        {
            return Err(MaskError::Slots {
                expected: slots,
                got: reading.values().len(),
            });
        }
        let words = Superposition::masked(self.reading.as_ref(), &pad);
        Ok(MaskedFrame {
            header: self.header,
            words,
            mask: None,
        })
    }

    /// Hides the reading under pads and a self-mask.
    ///
    /// # Errors
    /// [`MaskError`] if `pad` or `mask` is not for this frame's epoch, round and number of slots.
    #[expect(clippy::needless_pass_by_value, reason = "a mask must not serve twice")]
    pub fn double_mask(self, pad: Pad, mask: DealtMask) -> Result<MaskedFrame, MaskError> {
        check_time(&self.header, mask.epoch(), mask.round())?;
        let mut masked = self.mask(pad)?;
        let (expected, got) = (masked.words.words().len(), mask.words().len());
        if expected != got {
            return Err(MaskError::Slots { expected, got });
        }
        masked.words.add_words(mask.words());
        masked.mask = Some(mask.wire.clone());
        Ok(masked)
    }

    /// Hides the reading under the pads of `edges`, the keys of this frame's epoch: for benchmarks,
    /// which measure what a gateway does here without a gateway around it.
    ///
    /// # Errors
    /// As [`ClearFrame::mask`].
    #[cfg(feature = "exposed")]
    pub fn mask_under(self, edges: &[EdgeKey], slots: usize) -> Result<MaskedFrame, MaskError> {
        let pad = Pad::of(edges, self.header.epoch, self.header.round, slots);
        self.mask(pad)
    }

    /// The same under a self-mask as well.
    ///
    /// # Errors
    /// As [`ClearFrame::double_mask`].
    #[cfg(feature = "exposed")]
    pub fn double_mask_under(
        self,
        edges: &[EdgeKey],
        slots: usize,
        mask: DealtMask,
    ) -> Result<MaskedFrame, MaskError> {
        let pad = Pad::of(edges, self.header.epoch, self.header.round, slots);
        self.double_mask(pad, mask)
    }
}

/// A local superposition with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedFrame {
    header: FrameHeader,
    words: Superposition,
    mask: Option<SelfMask>,
}

impl MaskedFrame {
    /// The frame of notification 5.
    pub fn into_frame(self) -> Frame {
        Frame {
            header: self.header,
            body: FrameBody::Transmit {
                words: self.words,
                mask: self.mask,
            },
        }
    }

    /// The frame of notification 4: the same superposition without the pads towards `missing`,
    /// which `pad` holds.
    ///
    /// # Errors
    /// [`MaskError`] if `pad` is not for this frame's epoch, round and number of slots.
    #[expect(clippy::needless_pass_by_value, reason = "a pad must not serve twice")]
    pub fn into_resend(self, missing: ClientSet, pad: Pad) -> Result<Frame, MaskError> {
        check_time(&self.header, pad.epoch(), pad.round())?;
        if pad.words().len() != self.words.words().len() {
            let (expected, got) = (self.words.words().len(), pad.words().len());
            return Err(MaskError::Slots { expected, got });
        }
        let words = self.words.without(&pad);
        Ok(Frame {
            header: self.header,
            body: FrameBody::Resend { missing, words },
        })
    }

    /// The same with the pads of `edges`, those towards `missing`: for benchmarks.
    ///
    /// # Errors
    /// As [`MaskedFrame::into_resend`].
    #[cfg(feature = "exposed")]
    pub fn resend_under(
        self,
        missing: ClientSet,
        edges: &[EdgeKey],
        slots: usize,
    ) -> Result<Frame, MaskError> {
        let pad = Pad::of(edges, self.header.epoch, self.header.round, slots);
        self.into_resend(missing, pad)
    }
}

/// A pad that does not fit a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// For another time.
    #[error("the pad is for round {got}, the frame for round {expected}")]
    Round {
        /// The frame's.
        expected: Round,
        /// The pad's.
        got: Round,
    },
    /// For another key graph.
    #[error("the pad is for epoch {got}, the frame for epoch {expected}")]
    Epoch {
        /// The frame's.
        expected: Epoch,
        /// The pad's.
        got: Epoch,
    },
    /// Of another length.
    #[error("the net has {expected} slots, not {got}")]
    Slots {
        /// The net's.
        expected: usize,
        /// Found.
        got: usize,
    },
}

fn check_time(header: &FrameHeader, epoch: Epoch, round: Round) -> Result<(), MaskError> {
    if round != header.round {
        return Err(MaskError::Round {
            expected: header.round,
            got: round,
        });
    }
    if epoch != header.epoch {
        return Err(MaskError::Epoch {
            expected: header.epoch,
            got: epoch,
        });
    }
    Ok(())
}

/// A frame as it goes over the wire: made by masking, by decoding, or without a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    header: FrameHeader,
    body: FrameBody,
}

/// What follows the header, by notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameBody {
    /// Notification 1.
    Register {
        /// The gateway's key package.
        package: Box<SignedKeyPackage>,
        /// It is a member already and has too few neighbours left.
        emergency: bool,
    },
    /// Notification 2.
    Entered(Signed<Neighbourhood>),
    /// Notification 3.
    Exiting(Signed<ExitStatement>),
    /// Notification 4.
    Resend {
        /// Whose pads were taken out.
        missing: ClientSet,
        /// The rest.
        words: Superposition,
    },
    /// Notification 5.
    Transmit {
        /// The local superposition.
        words: Superposition,
        /// In a net that corrects by double masks: what takes the self-mask off.
        mask: Option<SelfMask>,
    },
    /// Notification 6.
    Pads {
        /// The roster answered.
        roster: RosterHash,
        /// Sum of the pads towards neighbours that the roster leaves out.
        words: Superposition,
    },
    /// Notification 7.
    Reveal {
        /// The roster answered.
        roster: RosterHash,
        /// Keys of the shares of those members of the roster that drew the sender, ascending by
        /// their names.
        keys: Vec<ShareKey>,
    },
}

impl Frame {
    /// A frame without data words: notifications 1 to 3 and 7. Its transmission bit is 0.
    ///
    /// Returns `None` for the bodies of notifications 4 to 6, which pads make.
    pub fn control(mut header: FrameHeader, body: FrameBody) -> Option<Self> {
        if matches!(
            body,
            FrameBody::Resend { .. } | FrameBody::Transmit { .. } | FrameBody::Pads { .. }
        ) {
            return None;
        }
        header.transmission = false;
        Some(Self { header, body })
    }

    /// The frame of notification 6: a sum of pads, and nothing that they hide.
    #[expect(clippy::needless_pass_by_value, reason = "a pad must not serve twice")]
    pub(crate) fn pads(mut header: FrameHeader, roster: RosterHash, pad: Pad) -> Self {
        header.transmission = false;
        let words = Superposition::masked(None, &pad);
        let body = FrameBody::Pads { roster, words };
        Self { header, body }
    }

    /// The frame of notification 6 with the pads of `edges`, for benchmarks.
    #[cfg(feature = "exposed")]
    pub fn pads_under(
        header: FrameHeader,
        roster: RosterHash,
        edges: &[EdgeKey],
        slots: usize,
    ) -> Self {
        let pad = Pad::of(edges, header.epoch, header.round, slots);
        Self::pads(header, roster, pad)
    }

    /// The frame of notification 6 with these words, for benchmarks of nets that are too large for
    /// key agreement.
    #[cfg(feature = "exposed")]
    pub fn pads_for_benchmarks(
        mut header: FrameHeader,
        roster: RosterHash,
        words: Superposition,
    ) -> Self {
        header.transmission = false;
        let body = FrameBody::Pads { roster, words };
        Self { header, body }
    }

    /// The common fields.
    pub fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The body.
    pub fn body(&self) -> &FrameBody {
        &self.body
    }

    /// Header and body.
    pub fn into_parts(self) -> (FrameHeader, FrameBody) {
        (self.header, self.body)
    }

    /// What it is for.
    pub fn notification(&self) -> Notification {
        match self.body {
            FrameBody::Register { .. } => Notification::Register,
            FrameBody::Entered(_) => Notification::Entered,
            FrameBody::Exiting(_) => Notification::Exiting,
            FrameBody::Resend { .. } => Notification::Resend,
            FrameBody::Transmit { .. } => Notification::Transmit,
            FrameBody::Pads { .. } => Notification::Pads,
            FrameBody::Reveal { .. } => Notification::Reveal,
        }
    }

    /// The masked frame again, if this is one of notification 5: to take pads out of it.
    pub fn into_masked(self) -> Option<MaskedFrame> {
        match self.body {
            FrameBody::Transmit { words, mask } => Some(MaskedFrame {
                header: self.header,
                words,
                mask,
            }),
            _ => None,
        }
    }
}
