//! Ends of edges: a neighbour, and what was agreed with it.
//!
//! A name alone does not tell which keys two members share: one of them may have lost its memory since,
//! or made a new key package. So statements and manifests name both (`docs/spec/protocol.md`, sections
//! "Neighbourhood" and "Manifest").

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use tls_codec::{Deserialize, Error, Serialize, Size, TlsDeserialize, TlsSerialize, TlsSize};

use crate::codec::{Wire as _, bytes32, malformed};
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
///
/// A provider holds the edges of every member of every net, so a set is kept as it is encoded, in about
/// two thirds of what its parsed ends take, and its clones share the memory. Lookups walk through it:
/// whoever looks up many takes a list of the ends first.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct EdgeSet {
    /// Encodings of the ends, one behind the other.
    ends: Arc<[u8]>,
    len: usize,
}

impl EdgeSet {
    /// Ascending by member.
    pub fn iter(&self) -> Ends<'_> {
        Ends { rest: &self.ends }
    }

    /// The edge with `client`.
    pub fn get(&self, client: &ClientId) -> Option<EdgeEnd> {
        self.iter().find(|end| end.client == *client)
    }

    /// Whether there is an edge with `client`.
    pub fn contains(&self, client: &ClientId) -> bool {
        self.get(client).is_some()
    }

    /// Whether there is an edge with each of `clients`.
    pub fn contains_all(&self, clients: &ClientSet) -> bool {
        // Both ascend: what was passed is not needed again.
        let mut own = self.iter();
        clients
            .iter()
            .all(|client| own.any(|end| end.client == *client))
    }

    /// The edges with those members that `keep` names.
    pub(crate) fn only(&self, keep: impl Fn(&ClientId) -> bool) -> Self {
        let kept: Vec<EdgeEnd> = self.iter().filter(|end| keep(&end.client)).collect();
        if kept.len() == self.len {
            self.clone()
        } else {
            Self::ascending(&kept)
        }
    }

    /// The members at the other ends.
    pub fn clients(&self) -> ClientSet {
        self.iter().map(|end| end.client).collect()
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no edges.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(test)]
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ends, &other.ends)
    }

    fn ascending(ends: &[EdgeEnd]) -> Self {
        let mut bytes = Vec::new();
        for end in ends {
            bytes.extend(end.encode());
        }
        Self {
            ends: bytes.into(),
            len: ends.len(),
        }
    }
}

/// Goes through an [`EdgeSet`], ascending by member.
#[derive(Debug, Clone)]
pub struct Ends<'a> {
    rest: &'a [u8],
}

impl Iterator for Ends<'_> {
    type Item = EdgeEnd;
    fn next(&mut self) -> Option<EdgeEnd> {
        // What is in a set was encoded here, or parsed when it was read: it ends, and never fails.
        EdgeEnd::tls_deserialize(&mut self.rest).ok()
    }
}

impl fmt::Debug for EdgeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl FromIterator<EdgeEnd> for EdgeSet {
    /// Of two edges with one member the first stays.
    fn from_iter<I: IntoIterator<Item = EdgeEnd>>(ends: I) -> Self {
        let mut list: Vec<_> = ends.into_iter().collect();
        list.sort_by_key(|end| end.client);
        list.dedup_by_key(|end| end.client);
        Self::ascending(&list)
    }
}

impl<'a> IntoIterator for &'a EdgeSet {
    type Item = EdgeEnd;
    type IntoIter = Ends<'a>;
    fn into_iter(self) -> Ends<'a> {
        self.iter()
    }
}

impl Size for EdgeSet {
    fn tls_serialized_len(&self) -> usize {
        bytes32::tls_serialized_len(&self.ends)
    }
}

impl Serialize for EdgeSet {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        bytes32::tls_serialize(&self.ends, writer)
    }
}

impl Deserialize for EdgeSet {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let bytes = bytes32::tls_deserialize(reader)?;
        let (mut rest, mut len, mut last) = (bytes.as_slice(), 0, None);
        while !rest.is_empty() {
            let client = Some(EdgeEnd::tls_deserialize(&mut rest)?.client);
            if client <= last {
                return Err(malformed("a list of edges is not strictly ascending"));
            }
            (last, len) = (client, len + 1);
        }
        // An end has one encoding only: what was parsed is what would be written.
        let ends = bytes.into();
        Ok(Self { ends, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> EdgeSet {
        let end = |name: &&str| EdgeEnd {
            client: name.parse().unwrap(),
            agreement: Agreement::from_bytes([u8::try_from(name.len()).unwrap(); 32]),
        };
        names.iter().map(end).collect()
    }

    #[test]
    fn a_set_is_what_it_was_made_of() {
        let edges = set(&["gw-2", "gw-10", "a", "gw-2"]);
        let clients: Vec<String> = edges.iter().map(|end| end.client.to_string()).collect();
        assert_eq!(clients, ["a", "gw-10", "gw-2"]);
        assert_eq!(edges.len(), 3);
        let ten = edges.get(&"gw-10".parse().unwrap()).unwrap();
        assert_eq!(ten.agreement, Agreement::from_bytes([5; 32]));
        assert_eq!(edges.get(&"gw-1".parse().unwrap()), None);
        assert_eq!(EdgeSet::decode(&edges.encode()).unwrap(), edges);
        assert!(EdgeSet::default().is_empty());
        assert_eq!(EdgeSet::default().encode(), [0; 4]);
    }

    #[test]
    fn a_set_has_one_encoding() {
        let bytes = |names: &[&str]| {
            let ends: Vec<u8> = names
                .iter()
                .flat_map(|n| set(&[n]).encode().split_off(4))
                .collect();
            [
                u32::try_from(ends.len()).unwrap().to_be_bytes().to_vec(),
                ends,
            ]
            .concat()
        };
        assert_eq!(
            EdgeSet::decode(&bytes(&["a", "b"])).unwrap(),
            set(&["b", "a"])
        );
        assert!(EdgeSet::decode(&bytes(&["b", "a"])).is_err());
        assert!(EdgeSet::decode(&bytes(&["a", "a"])).is_err());
        let mut short = bytes(&["a"]);
        short.pop();
        assert!(EdgeSet::decode(&short).is_err());
        short[3] -= 1;
        assert!(EdgeSet::decode(&short).is_err());
    }

    #[test]
    fn all_are_contained_or_not() {
        let edges = set(&["a", "c", "e"]);
        let clients = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        assert!(edges.contains_all(&clients(&[])));
        assert!(edges.contains_all(&clients(&["e", "a"])));
        assert!(edges.contains_all(&clients(&["a", "c", "e"])));
        assert!(!edges.contains_all(&clients(&["a", "b"])));
        assert!(!edges.contains_all(&clients(&["f"])));
    }

    #[test]
    fn a_part_that_is_all_of_it_shares_its_memory() {
        let named = set(&["a", "c"]);
        let all = named.only(|_| true);
        assert!(all.shares_with(&named));
        let some = named.only(|client| client.as_str() == "c");
        assert_eq!(some, set(&["c"]));
    }
}
