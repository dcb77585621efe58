//! Ends of edges: a neighbour, and what was agreed with it.
//!
//! A name alone does not tell which keys two members share: one of them may have lost its memory since,
//! or made a new key package. So statements and manifests name both (`docs/spec/protocol.md`, sections
//! "Neighbourhood" and "Manifest").

use std::io::{Read, Write};

use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{list32, malformed};
use crate::key_agreement::Agreement;
use crate::names::{ClientId, ClientSet};

/// The other end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct EdgeEnd {
    /// The member there.
    pub client: ClientId,
    /// What the edge's chain of keys was agreed from: the same at both ends.
    pub agreement: Agreement,
}

/// Ends of the edges of one member: strictly ascending by member, so that equal sets have equal
/// encodings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EdgeSet(Vec<EdgeEnd>);

impl EdgeSet {
    /// Ascending by member.
    pub fn as_slice(&self) -> &[EdgeEnd] {
        &self.0
    }

    /// Ascending by member.
    pub fn iter(&self) -> std::slice::Iter<'_, EdgeEnd> {
        self.0.iter()
    }

    /// The edge with `client`.
    pub fn get(&self, client: &ClientId) -> Option<&EdgeEnd> {
        let index = self.0.binary_search_by_key(client, |end| end.client).ok()?;
        self.0.get(index)
    }

    /// Whether there is an edge with `client`.
    pub fn contains(&self, client: &ClientId) -> bool {
        self.get(client).is_some()
    }

    /// The members at the other ends.
    pub fn clients(&self) -> ClientSet {
        self.0.iter().map(|end| end.client).collect()
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no edges.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<EdgeEnd> for EdgeSet {
    /// Of two edges with one member the first stays.
    fn from_iter<I: IntoIterator<Item = EdgeEnd>>(ends: I) -> Self {
        let mut list: Vec<_> = ends.into_iter().collect();
        list.sort_by_key(|end| end.client);
        list.dedup_by_key(|end| end.client);
        Self(list)
    }
}

impl<'a> IntoIterator for &'a EdgeSet {
    type Item = &'a EdgeEnd;
    type IntoIter = std::slice::Iter<'a, EdgeEnd>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Size for EdgeSet {
    fn tls_serialized_len(&self) -> usize {
        list32::tls_serialized_len(&self.0)
    }
}

impl Serialize for EdgeSet {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        list32::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for EdgeSet {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let list: Vec<EdgeEnd> = list32::tls_deserialize(reader)?;
        if list.is_sorted_by(|left, right| left.client < right.client) {
            Ok(Self(list))
        } else {
            Err(malformed("a list of edges is not strictly ascending"))
        }
    }
}
