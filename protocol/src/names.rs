//! Names of nets and members, as their owners chose them and as the certification authority
//! certified them.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;
use std::sync::Arc;

use tls_codec::{Deserialize, Error, Serialize, Size};

use crate::codec::malformed;

/// Longest name in bytes.
pub const MAX_NAME: usize = 32;

/// 1 to 32 characters out of `A-Z a-z 0-9 . _ -`, the first a letter or digit.
///
/// Kept inline and padded with zeros, which no name contains: so comparing the arrays is comparing
/// the texts byte by byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name {
    bytes: [u8; MAX_NAME],
    length: u8,
}

impl Name {
    fn parse(text: &[u8]) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(NameError::Length { got: text.len() });
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if let Some(position) = text.iter().position(|byte| !allowed(byte)) {
            return Err(NameError::Character { position });
        }
        if !text.first().is_some_and(u8::is_ascii_alphanumeric) {
            return Err(NameError::Character { position: 0 });
        }
        let mut bytes = [0; MAX_NAME];
        for (slot, byte) in bytes.iter_mut().zip(text) {
            *slot = *byte;
        }
        let length = u8::try_from(text.len()).map_err(|_| NameError::Length { got: text.len() })?;
        Ok(Self { bytes, length })
    }

    /// Behind its length. Every end of every edge has one: so nothing is allocated for it.
    fn read<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let refused = |error: NameError| malformed(&error.to_string());
        let got = usize::from(u8::tls_deserialize(reader)?);
        let mut bytes = [0; MAX_NAME];
        let too_long = || refused(NameError::Length { got });
        let text = bytes.get_mut(..got).ok_or_else(too_long)?;
        reader.read_exact(text)?;
        Self::parse(text).map_err(refused)
    }

    fn as_str(&self) -> &str {
        let text = self
            .bytes
            .get(..usize::from(self.length))
            .unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty or too long.
    #[error("a name has 1 to 32 characters, this one has {got}")]
    Length {
        /// Length found, in bytes.
        got: usize,
    },
    /// A character that names do not contain.
    #[error(
        "character {} of the name is not allowed: use letters, digits, '.', '_' and '-', \
         beginning with a letter or digit", position + 1
    )]
    Character {
        /// Where, counted from 0.
        position: usize,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Name);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Name::parse(text.as_bytes()).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($type), self.as_str())
            }
        }

        impl Size for $type {
            fn tls_serialized_len(&self) -> usize {
                1 + usize::from(self.0.length)
            }
        }

        impl Serialize for $type {
            fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
                crate::codec::bytes8::tls_serialize(self.as_str().as_bytes(), writer)
            }
        }

        impl Deserialize for $type {
            fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
                Name::read(reader).map(Self)
            }
        }
    };
}

name! {
    /// A DC net, named by its operator, unique at a provider.
    NetId
}
name! {
    /// A witness, named by itself; whoever relies on it knows it by name and key.
    WitnessName
}
name! {
    /// A gateway, named by the gateway administrator's certification authority.
    ///
    /// The order of two ids decides which end of an edge adds the pad and which subtracts it.
    ClientId
}

/// A set of members: strictly ascending, so that equal sets have equal encodings. Clones share its
/// memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientSet(Arc<[ClientId]>);

impl ClientSet {
    /// The members in ascending order.
    pub fn as_slice(&self) -> &[ClientId] {
        &self.0
    }

    /// Whether `client` is in the set.
    pub fn contains(&self, client: &ClientId) -> bool {
        self.0.binary_search(client).is_ok()
    }

    /// The members in ascending order.
    pub fn iter(&self) -> std::slice::Iter<'_, ClientId> {
        self.0.iter()
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The members that `keep` names.
    pub(crate) fn only(&self, keep: impl Fn(&ClientId) -> bool) -> Self {
        if self.iter().all(&keep) {
            self.clone()
        } else {
            self.iter().filter(|client| keep(client)).copied().collect()
        }
    }

    /// Whether nobody is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<ClientId> for ClientSet {
    fn from_iter<I: IntoIterator<Item = ClientId>>(clients: I) -> Self {
        let mut list: Vec<_> = clients.into_iter().collect();
        list.sort_unstable();
        list.dedup();
        Self(list.into())
    }
}

impl<'a> IntoIterator for &'a ClientSet {
    type Item = &'a ClientId;
    type IntoIter = std::slice::Iter<'a, ClientId>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Size for ClientSet {
    fn tls_serialized_len(&self) -> usize {
        crate::codec::list32::tls_serialized_len(&self.0)
    }
}

impl Serialize for ClientSet {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        crate::codec::list32::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for ClientSet {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let list: Vec<ClientId> = crate::codec::list32::tls_deserialize(reader)?;
        if list.is_sorted_by(|left, right| left < right) {
            Ok(Self(list.into()))
        } else {
            Err(malformed("a list of members is not strictly ascending"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Wire;

    #[test]
    fn names_are_parsed_strictly() {
        assert_eq!("gw-1".parse::<ClientId>().unwrap().as_str(), "gw-1");
        assert!("".parse::<ClientId>().is_err());
        assert!("-a".parse::<ClientId>().is_err());
        assert!("a b".parse::<ClientId>().is_err());
        assert!("é".parse::<ClientId>().is_err());
        assert!("a".repeat(32).parse::<NetId>().is_ok());
        assert!("a".repeat(33).parse::<NetId>().is_err());
    }

    #[test]
    fn order_is_that_of_the_texts() {
        let id = |text: &str| text.parse::<ClientId>().unwrap();
        assert!(id("gw-1") < id("gw-10"));
        assert!(id("gw-10") < id("gw-2"));
        assert!(id("Z") < id("a"));
    }

    #[test]
    fn sets_have_one_encoding() {
        let id = |text: &str| text.parse::<ClientId>().unwrap();
        let set: ClientSet = [id("b"), id("a"), id("b")].into_iter().collect();
        assert_eq!(set.encode(), [0, 0, 0, 4, 1, b'a', 1, b'b']);
        assert_eq!(ClientSet::decode(&set.encode()).unwrap(), set);
        assert!(ClientSet::decode(&[0, 0, 0, 4, 1, b'b', 1, b'a']).is_err());
        assert!(ClientSet::decode(&[0, 0, 0, 4, 1, b'a', 1, b'a']).is_err());
        assert!(ClientSet::decode(&[0, 0, 0, 2, 1, b'a', 0]).is_err());
    }
}
