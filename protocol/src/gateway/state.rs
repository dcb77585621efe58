//! What a gateway remembers: the one secret blob of its ledger.

use std::fmt;
use std::io::{Read, Write};

use super::places::Place;
use rand_core::CryptoRng;
use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use super::in_force::InForce;
use super::link::Link;
use crate::codec::{DecodeError, Wire as _};
use crate::descriptor::DescriptorHash;
use crate::envelope::{EdgeReason, Envelope, EnvelopeKind};
use crate::key_agreement::{AgreementKey, Party, SecretBytes};
#[cfg(feature = "exposed")]
use crate::key_agreement::{Chain, EdgeKey};
use crate::membership::checkpoint::{Checkpoint, LogFollower};
use crate::membership::edge::EdgeEnd;
use crate::membership::entry::ExitStatement;
use crate::membership::log::DrawList;
use crate::message::{Manifest, SignedReceipt};
use crate::names::{ClientId, ClientSet};
use crate::roster::Roster;
use crate::round::{Epoch, Round, UnixTime};
use crate::signature::Signed;

/// Version of the encoding of [`GatewayState`].
const VERSION: u8 = 1;

/// How far an edge has come at this end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub(super) enum EdgePhase {
    /// This end has offered; the other has not answered.
    Offered = 1,
    /// Both ends hold the key.
    Confirmed = 2,
    /// The other end leaves; the key is kept until a manifest without it is in force.
    Leaving = 3,
}

/// A member with whom this gateway shares, or wants to share, a key.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Neighbour {
    pub(super) party: Party,
    /// Serial of its key package.
    pub(super) package_serial: u64,
    pub(super) statement_key: [u8; 33],
    pub(super) phase: EdgePhase,
    /// When it came into this phase, in milliseconds.
    pub(super) since: u64,
    pub(super) reason: EdgeReason,
    /// An envelope of this kind has still to reach the provider.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) owed: Option<EnvelopeKind>,
    /// What this end has for the edge: a chain if the phase is not `Offered`.
    pub(super) link: Link,
}

impl Neighbour {
    /// The edge as statements and manifests name it, once it is agreed.
    pub(super) fn end(&self) -> Option<EdgeEnd> {
        Some(EdgeEnd {
            client: self.party.client,
            agreement: self.link.agreement()?,
        })
    }
}

/// A key package to be fetched, and why.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Wanted {
    pub(super) client: ClientId,
    /// To offer it an edge; otherwise to open its waiting envelopes.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) offer: Option<EdgeReason>,
}

/// Indices drawn out of a draw list. Nothing about them is asked before this is on disk.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Draw {
    /// Index of the list's entry in the log.
    pub(super) entry: u64,
    /// The list.
    pub(super) list: DrawList,
    /// Why it was drawn.
    pub(super) reason: EdgeReason,
    /// How many more neighbours are wanted.
    pub(super) need: u32,
    /// In the order of the draw, those that are settled left out.
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) indices: Vec<u32>,
    /// Members that were found under the indices before.
    pub(super) seen: ClientSet,
}

/// Two checkpoints, a neighbour's and this gateway's, whose log is to be shown to be one.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Compare {
    pub(super) client: ClientId,
    pub(super) small: Signed<Checkpoint>,
    pub(super) large: Signed<Checkpoint>,
    /// Since when, in milliseconds.
    pub(super) since: u64,
}

/// The frame sealed last.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Sealed {
    pub(super) round: Round,
    pub(super) epoch: Epoch,
    #[tls_codec(with = "crate::codec::bytes32")]
    pub(super) bytes: Vec<u8>,
    /// Shares that recover its self-mask; 0 without one.
    pub(super) threshold: u8,
    /// The provider's word that it has it.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) receipt: Option<SignedReceipt>,
}

/// A roster that was shown.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct SeenRoster {
    pub(super) roster: Signed<Roster>,
    /// The frame that answers it; none if it was refused.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) answer: Option<AnswerBytes>,
}

/// An encoded frame of notification 6 or 7.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct AnswerBytes(#[tls_codec(with = "crate::codec::bytes32")] pub(super) Vec<u8>);

/// The rosters of the latest round for which one was shown, ascending by step.
#[derive(Debug, Clone, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Rosters {
    pub(super) round: Round,
    /// One was refused, which is final for the round.
    #[tls_codec(with = "crate::codec::flag")]
    pub(super) refused: bool,
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) seen: Vec<SeenRoster>,
}

/// The correction answered last.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Answered {
    pub(super) round: Round,
    pub(super) missing: ClientSet,
    #[tls_codec(with = "crate::codec::bytes32")]
    pub(super) bytes: Vec<u8>,
}

/// How far the membership has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub(super) enum Membership {
    /// Neighbours are not drawn yet, or not acknowledged.
    Joining = 1,
    /// Notification 2 is due or sent.
    Entered = 2,
    /// Notification 3 is due or sent.
    Leaving = 3,
    /// Released.
    Left = 4,
}

/// The persisted part of a gateway. `Debug` shows nothing secret; the key is wiped when dropped.
#[derive(Clone)]
pub struct GatewayState {
    pub(super) agreement: AgreementKey,
    pub(super) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub(super) struct Body {
    /// The net that this state belongs to, once there is one.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) descriptor: Option<DescriptorHash>,
    pub(super) membership: Membership,
    /// When the agreement key was made, in milliseconds.
    pub(super) begun_at: u64,
    /// Serial of the key package.
    pub(super) package_serial: u64,
    /// Serial of the newest statement.
    pub(super) statement_serial: u64,
    /// Since when a statement (notification 2 or 3) is due, in milliseconds; none is due at 0.
    pub(super) statement_due: u64,
    /// When the neighbours were drawn last, in milliseconds; 0 before the first draw.
    pub(super) drawn_at: u64,
    /// Whom this gateway drew, ascending by client.
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) places: Vec<Place>,
    /// When a place was freed for silence last, in milliseconds.
    pub(super) struck_at: u64,
    /// The draw under way.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) draw: Option<Draw>,
    /// What is known of the membership log.
    pub(super) follower: LogFollower,
    /// An exit whose signature is not by the key known: its author's certificate may have been renewed.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) exit_waiting: Option<Signed<ExitStatement>>,
    /// What neighbours were shown is not yet shown to be of the same log.
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) compare: Vec<Compare>,
    /// A manifest whose epoch is not yet proved to be in the log.
    #[tls_codec(with = "crate::codec::option")]
    pub(super) announced: Option<Signed<Manifest>>,
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) neighbours: Vec<Neighbour>,
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) wanted: Vec<Wanted>,
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) waiting: Vec<Envelope>,
    #[tls_codec(with = "crate::codec::list32")]
    pub(super) manifests: Vec<InForce>,
    #[tls_codec(with = "crate::codec::option")]
    pub(super) sealed: Option<Sealed>,
    #[tls_codec(with = "crate::codec::option")]
    pub(super) answered: Option<Answered>,
    pub(super) rosters: Rosters,
    /// There is evidence against the provider: nothing of a reading leaves any more.
    #[tls_codec(with = "crate::codec::flag")]
    pub(super) distrusted: bool,
    pub(super) inbox_position: u64,
}

impl GatewayState {
    /// A gateway that has never been in a net. `now` orders its key package after those that it
    /// may have made before its ledger was lost.
    pub fn fresh(now: UnixTime, rng: &mut impl CryptoRng) -> Self {
        Self::with_key(AgreementKey::generate(rng), now)
    }

    pub(super) fn with_key(agreement: AgreementKey, now: UnixTime) -> Self {
        let body = Body {
            descriptor: None,
            membership: Membership::Joining,
            begun_at: now.millis(),
            package_serial: now.millis(),
            statement_serial: now.millis(),
            statement_due: 0,
            drawn_at: 0,
            places: Vec::new(),
            struck_at: 0,
            draw: None,
            follower: LogFollower::new(),
            exit_waiting: None,
            compare: Vec::new(),
            announced: None,
            neighbours: Vec::new(),
            wanted: Vec::new(),
            waiting: Vec::new(),
            manifests: Vec::new(),
            sealed: None,
            answered: None,
            rosters: Rosters::default(),
            distrusted: false,
            inbox_position: 0,
        };
        Self { agreement, body }
    }

    /// Reads what [`GatewayState::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let stored = Stored::decode(bytes)?;
        Ok(Self {
            agreement: AgreementKey::from_bytes(stored.agreement),
            body: stored.body.clone(),
        })
    }

    /// Keys of the edges in force in `round`, to be compared with pads that were told.
    #[cfg(feature = "exposed")]
    pub fn edge_keys_for_vectors(&self, round: Round) -> Vec<EdgeKey> {
        let manifests = self.body.manifests.iter().rev();
        let in_force = manifests
            .into_iter()
            .find(|manifest| manifest.head().first_round <= round);
        let keys = in_force.map(InForce::edge_keys).unwrap_or_default();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// The chains of its edges and what they are called, to be looked for in what is kept.
    #[cfg(feature = "exposed")]
    pub fn chains_for_vectors(&self) -> Vec<(EdgeEnd, Chain)> {
        let neighbours = self.body.neighbours.iter();
        neighbours
            .filter_map(|neighbour| Some((neighbour.end()?, neighbour.link.chain()?.clone())))
            .collect()
    }

    /// For the ledger. Secret.
    pub fn encode(&self) -> SecretBytes {
        let stored = Stored {
            agreement: *self.agreement.to_bytes(),
            body: self.body.clone(),
        };
        SecretBytes::new(stored.encode())
    }
}

impl fmt::Debug for GatewayState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayState")
            .field("membership", &self.body.membership)
            .field("neighbours", &self.body.neighbours.len())
            .finish_non_exhaustive()
    }
}

struct Stored {
    agreement: [u8; 32],
    body: Body,
}

impl Drop for Stored {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.agreement);
    }
}

impl Size for Stored {
    fn tls_serialized_len(&self) -> usize {
        1 + self.agreement.tls_serialized_len() + self.body.tls_serialized_len()
    }
}

impl Serialize for Stored {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        let written = VERSION.tls_serialize(writer)? + self.agreement.tls_serialize(writer)?;
        Ok(written + self.body.tls_serialize(writer)?)
    }
}

impl Deserialize for Stored {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        match u8::tls_deserialize(reader)? {
            VERSION => {}
            other => return Err(Error::UnknownValue(other.into())),
        }
        let agreement = <[u8; 32]>::tls_deserialize(reader)?;
        Ok(Self {
            agreement,
            body: Body::tls_deserialize(reader)?,
        })
    }
}
