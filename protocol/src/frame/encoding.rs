//! The encoding of frames: what follows the header depends on the notification.

use std::io::{Read, Write};

use tls_codec::{Deserialize, Error, Serialize, Size};

use super::{Frame, FrameBody, FrameHeader, PROTOCOL};
use crate::codec::{flag, list16, option};
use crate::key_agreement::SignedKeyPackage;
use crate::names::ClientSet;
use crate::notification::Notification;
use crate::roster::RosterHash;
use crate::signature::Signed;
use crate::superposition::Superposition;

impl Size for Frame {
    fn tls_serialized_len(&self) -> usize {
        PROTOCOL.len()
            + self.header.tls_serialized_len()
            + 1
            + match &self.body {
                FrameBody::Register { package, .. } => package.tls_serialized_len() + 1,
                FrameBody::Entered(statement) => statement.tls_serialized_len(),
                FrameBody::Exiting(statement) => statement.tls_serialized_len(),
                FrameBody::Resend { missing, words } => {
                    missing.tls_serialized_len() + words.tls_serialized_len()
                }
                FrameBody::Transmit { words, mask } => {
                    words.tls_serialized_len() + option::tls_serialized_len(mask)
                }
                FrameBody::Pads { roster, words } => {
                    roster.tls_serialized_len() + words.tls_serialized_len()
                }
                FrameBody::Reveal { roster, keys } => {
                    roster.tls_serialized_len() + list16::tls_serialized_len(keys)
                }
            }
    }
}

impl Serialize for Frame {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        let mut written = PROTOCOL.tls_serialize(writer)?;
        written += self.header.tls_serialize(writer)?;
        written += self.notification().tls_serialize(writer)?;
        written += match &self.body {
            FrameBody::Register { package, emergency } => {
                package.tls_serialize(writer)? + flag::tls_serialize(emergency, writer)?
            }
            FrameBody::Entered(statement) => statement.tls_serialize(writer)?,
            FrameBody::Exiting(statement) => statement.tls_serialize(writer)?,
            FrameBody::Resend { missing, words } => {
                missing.tls_serialize(writer)? + words.tls_serialize(writer)?
            }
            FrameBody::Transmit { words, mask } => {
                words.tls_serialize(writer)? + option::tls_serialize(mask, writer)?
            }
            FrameBody::Pads { roster, words } => {
                roster.tls_serialize(writer)? + words.tls_serialize(writer)?
            }
            FrameBody::Reveal { roster, keys } => {
                roster.tls_serialize(writer)? + list16::tls_serialize(keys, writer)?
            }
        };
        Ok(written)
    }
}

impl Deserialize for Frame {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        if <[u8; 4]>::tls_deserialize(reader)? != PROTOCOL {
            return Err(crate::codec::malformed(
                "the protocol identifier is not DCN1",
            ));
        }
        let header = FrameHeader::tls_deserialize(reader)?;
        let notification = Notification::tls_deserialize(reader)?;
        let body = match notification {
            Notification::Register => FrameBody::Register {
                package: Box::new(SignedKeyPackage::tls_deserialize(reader)?),
                emergency: flag::tls_deserialize(reader)?,
            },
            Notification::Entered => FrameBody::Entered(Signed::tls_deserialize(reader)?),
            Notification::Exiting => FrameBody::Exiting(Signed::tls_deserialize(reader)?),
            Notification::Resend => FrameBody::Resend {
                missing: ClientSet::tls_deserialize(reader)?,
                words: Superposition::tls_deserialize(reader)?,
            },
            Notification::Transmit => FrameBody::Transmit {
                words: Superposition::tls_deserialize(reader)?,
                mask: option::tls_deserialize(reader)?,
            },
            Notification::Pads => FrameBody::Pads {
                roster: RosterHash::tls_deserialize(reader)?,
                words: Superposition::tls_deserialize(reader)?,
            },
            Notification::Reveal => FrameBody::Reveal {
                roster: RosterHash::tls_deserialize(reader)?,
                keys: list16::tls_deserialize(reader)?,
            },
        };
        let control = !matches!(body, FrameBody::Resend { .. } | FrameBody::Transmit { .. });
        if control && header.transmission {
            return Err(crate::codec::malformed(
                "a frame that hides nothing has a transmission bit",
            ));
        }
        Ok(Self { header, body })
    }
}
