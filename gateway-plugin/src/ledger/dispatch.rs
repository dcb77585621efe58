//! What leaves the house, byte for byte: written down before it does, beside the reading that it hides.

use dcnet_protocol::names::ClientId;
use dcnet_protocol::notification::Notification;
use dcnet_protocol::round::{Round, UnixTime};
use tls_codec::{
    Deserialize as _, Serialize as _, TlsByteVecU24, TlsDeserialize, TlsSerialize, TlsSize,
    TlsVecU16,
};
use zeroize::Zeroizing;

/// A message that leaves the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// When it was written down, which is right before it leaves.
    pub time: UnixTime,
    /// What it is.
    pub matter: Matter,
    /// The message.
    pub bytes: Vec<u8>,
    /// What a superposition hides; `None` for everything else.
    pub hidden: Option<Hidden>,
}

/// What leaves the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum Matter {
    /// A frame to the provider.
    #[tls_codec(discriminant = 1)]
    Frame {
        /// What it is for.
        notification: Notification,
        /// Its round.
        round: Round,
    },
    /// A message to a neighbour, sealed for it: key agreement, or what is known of the membership log.
    #[tls_codec(discriminant = 2)]
    Envelope {
        /// The neighbour.
        to: ClientId,
    },
}

/// What a superposition hides, and in what sum.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Active members of the epoch: the sum has so many readings, less those that do not come in.
    pub members: u32,
    /// Neighbours whose pads mask it.
    pub neighbours: u32,
    /// One value for each slot; `None`: the frame says, masked as well, that there was no reading.
    pub values: Option<Zeroizing<Vec<i64>>>,
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hidden")
            .field("members", &self.members)
            .field("neighbours", &self.neighbours)
            .finish_non_exhaustive()
    }
}

const STORED_VERSION: u8 = 1;

#[derive(TlsSize, TlsSerialize, TlsDeserialize)]
struct Stored {
    version: u8,
    time: u64,
    matter: Matter,
    bytes: TlsByteVecU24,
    hidden: Option<StoredHidden>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserialize)]
struct StoredHidden {
    members: u32,
    neighbours: u32,
    has_reading: u8,
    values: TlsVecU16<u64>,
}

impl Dispatch {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let hidden = self.hidden.as_ref().map(|hidden| StoredHidden {
            members: hidden.members,
            neighbours: hidden.neighbours,
            has_reading: hidden.values.is_some().into(),
            values: hidden
                .values
                .iter()
                .flat_map(|values| values.iter().map(|value| value.cast_unsigned()))
                .collect::<Vec<_>>()
                .into(),
        });
        let stored = Stored {
            version: STORED_VERSION,
            time: self.time.millis(),
            matter: self.matter,
            bytes: self.bytes.clone().into(),
            hidden,
        };
        // A frame has kilobytes; the prefix holds 16 million.
        Zeroizing::new(stored.tls_serialize_detached().unwrap_or_default())
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let stored = Stored::tls_deserialize_exact(bytes).ok()?;
        let hidden = stored.hidden.map(|hidden| {
            let values = hidden.values.iter().map(|value| value.cast_signed());
            let values: Vec<i64> = values.collect();
            Hidden {
                members: hidden.members,
                neighbours: hidden.neighbours,
                values: (hidden.has_reading != 0).then(|| Zeroizing::new(values)),
            }
        });
        (stored.version == STORED_VERSION).then(|| Self {
            time: UnixTime::from_millis(stored.time),
            matter: stored.matter,
            bytes: stored.bytes.into_vec(),
            hidden,
        })
    }
}
