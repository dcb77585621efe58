//! What members sign about their membership.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::edge::EdgeSet;
use crate::descriptor::DescriptorHash;
use crate::key_agreement::KeyPackageHash;
use crate::names::{ClientId, ClientSet, NetId};
use crate::signature::Statement;

/// "I hold keys with exactly these neighbours." The newest serial counts.
///
/// Sent with notification 2 on entry, when a newcomer's edge was accepted, when a leaver's key was
/// discarded, and on re-entry. An edge exists if both ends name each other with the same
/// agreement.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Neighbourhood {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Who says so.
    pub client: ClientId,
    /// Its key package.
    pub package: KeyPackageHash,
    /// Counts this member's statements, upwards.
    pub serial: u64,
    /// The neighbours, each with what was agreed with it.
    pub neighbours: EdgeSet,
    /// Those of them that it drew itself: they hold the shares of its self-masks.
    pub holders: ClientSet,
}

impl Statement for Neighbourhood {
    const LABEL: &'static str = "dcnet/v1 neighbourhood";
}

/// "I leave the net." Only the leaver can sign it.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ExitStatement {
    /// The net.
    pub net: NetId,
    /// Its parameters.
    pub descriptor: DescriptorHash,
    /// Who leaves.
    pub client: ClientId,
    /// Above the serials of all its neighbourhoods.
    pub serial: u64,
    /// Those who discard its key and agree on keys among each other.
    pub neighbours: ClientSet,
}

impl Statement for ExitStatement {
    const LABEL: &'static str = "dcnet/v1 exit";
}
