//! Encoding: the TLS presentation language (RFC 8446 section 3), one encoding per value.
//!
//! See `docs/spec/protocol.md`, section "Encoding". Integers are big endian; a vector is preceded
//! by its length in bytes in a field of fixed width. Every decoder reads its input to the end.

use tls_codec::{Deserialize, Serialize};

/// What has exactly one encoding as bytes.
pub trait Wire: Sized {
    /// The canonical encoding.
    fn encode(&self) -> Vec<u8>;

    /// Decodes the whole of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] if `bytes` is not the canonical encoding of a value, if it is cut off, or if
    /// anything follows the value.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

impl<T: Serialize + Deserialize> Wire for T {
    #[expect(
        clippy::expect_used,
        reason = "every type of this crate bounds its vectors below what their length prefix holds"
    )]
    fn encode(&self) -> Vec<u8> {
        self.tls_serialize_detached()
            .expect("bounded by construction")
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::tls_deserialize_exact(bytes).map_err(DecodeError::from)
    }
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ended inside a field.
    #[error("the message is cut off")]
    Truncated,
    /// The value was complete and bytes followed.
    #[error("bytes follow the end of the message")]
    Trailing,
    /// An enumeration or flag has a value that this version does not know.
    #[error("unknown value {0} in a field that is an enumeration")]
    UnknownValue(u64),
    /// A field breaks a rule of the format.
    #[error("malformed message: {0}")]
    Malformed(String),
}

impl From<tls_codec::Error> for DecodeError {
    fn from(error: tls_codec::Error) -> Self {
        match error {
            tls_codec::Error::EndOfStream => Self::Truncated,
            tls_codec::Error::TrailingData => Self::Trailing,
            tls_codec::Error::UnknownValue(value) => Self::UnknownValue(value),
            tls_codec::Error::DecodingError(what) => Self::Malformed(what),
            other => Self::Malformed(format!("{other:?}")),
        }
    }
}

/// Shorthand for a rule broken inside a decoder.
pub(crate) fn malformed(what: &str) -> tls_codec::Error {
    tls_codec::Error::DecodingError(what.to_owned())
}

/// A length prefix of fixed width.
pub(crate) trait Prefix: Serialize + Deserialize + Sized {
    /// The prefix for `len` bytes.
    fn of(len: usize) -> Result<Self, tls_codec::Error>;
    /// The number of bytes that follow.
    fn bytes(self) -> usize;
    /// Width of the prefix itself in bytes.
    const WIDTH: usize;
}

macro_rules! prefix {
    ($($int:ty),*) => {$(
        impl Prefix for $int {
            fn of(len: usize) -> Result<Self, tls_codec::Error> {
                Self::try_from(len).map_err(|_| tls_codec::Error::InvalidVectorLength)
            }
            fn bytes(self) -> usize {
                usize::try_from(self).unwrap_or(usize::MAX)
            }
            const WIDTH: usize = size_of::<$int>();
        }
    )*};
}
prefix!(u8, u16, u32);

/// Makes a module for `#[tls_codec(with = "…")]`: a vector of items behind a prefix of bytes.
macro_rules! vector {
    ($name:ident, $prefix:ty) => {
        /// A vector of items, its length in bytes in front.
        pub(crate) mod $name {
            use super::Prefix as _;
            use std::io::{Read, Write};
            use tls_codec::{Deserialize, Error, Serialize, Size};

            pub(crate) fn tls_serialized_len<T: Size>(items: &[T]) -> usize {
                <$prefix>::WIDTH + items.iter().map(Size::tls_serialized_len).sum::<usize>()
            }

            pub(crate) fn tls_serialize<T: Serialize, W: Write>(
                items: &[T],
                writer: &mut W,
            ) -> Result<usize, Error> {
                let body = items.iter().map(Size::tls_serialized_len).sum::<usize>();
                let mut written = <$prefix>::of(body)?.tls_serialize(writer)?;
                for item in items {
                    written += item.tls_serialize(writer)?;
                }
                Ok(written)
            }

            pub(crate) fn tls_deserialize<T: Deserialize, R: Read>(
                reader: &mut R,
            ) -> Result<Vec<T>, Error> {
                let length = <$prefix>::tls_deserialize(reader)?.bytes();
                let mut body = reader.take(length as u64);
                let mut items = Vec::new();
                while body.limit() > 0 {
                    items.push(T::tls_deserialize(&mut body)?);
                }
                // Key graphs live as long as their epoch: what growing took too much is given back.
                items.shrink_to_fit();
                Ok(items)
            }
        }
    };
}

/// Makes a module for `#[tls_codec(with = "…")]`: opaque bytes behind a prefix.
macro_rules! opaque {
    ($name:ident, $prefix:ty) => {
        /// Opaque bytes, their length in front.
        pub(crate) mod $name {
            use super::Prefix as _;
            use std::io::{Read, Write};
            use tls_codec::{Deserialize, Error, Serialize};

            pub(crate) fn tls_serialized_len(bytes: &[u8]) -> usize {
                <$prefix>::WIDTH + bytes.len()
            }

            pub(crate) fn tls_serialize<W: Write>(
                bytes: &[u8],
                writer: &mut W,
            ) -> Result<usize, Error> {
                let written = <$prefix>::of(bytes.len())?.tls_serialize(writer)?;
                writer.write_all(bytes)?;
                Ok(written + bytes.len())
            }

            pub(crate) fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Vec<u8>, Error> {
                let length = <$prefix>::tls_deserialize(reader)?.bytes();
                let mut bytes = Vec::new();
                reader.take(length as u64).read_to_end(&mut bytes)?;
                if bytes.len() != length {
                    return Err(Error::EndOfStream);
                }
                Ok(bytes)
            }
        }
    };
}

vector!(list16, u16);
vector!(list32, u32);
opaque!(bytes8, u8);
opaque!(bytes16, u16);
opaque!(bytes32, u32);

/// `#[tls_codec(with = "flag")]`: one byte, 0 or 1 and nothing else.
pub(crate) mod flag {
    use std::io::{Read, Write};
    use tls_codec::{Deserialize, Error, Serialize};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the derive macro passes references"
    )]
    pub(crate) fn tls_serialized_len(_: &bool) -> usize {
        1
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the derive macro passes references"
    )]
    pub(crate) fn tls_serialize<W: Write>(value: &bool, writer: &mut W) -> Result<usize, Error> {
        u8::from(*value).tls_serialize(writer)
    }

    pub(crate) fn tls_deserialize<R: Read>(reader: &mut R) -> Result<bool, Error> {
        match u8::tls_deserialize(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::UnknownValue(other.into())),
        }
    }
}

/// `#[tls_codec(with = "option")]`: one byte 0, or 1 and the value.
pub(crate) mod option {
    use std::io::{Read, Write};
    use tls_codec::{Deserialize, Error, Serialize, Size};

    #[expect(
        clippy::ref_option,
        reason = "the derive macro passes references to fields"
    )]
    pub(crate) fn tls_serialized_len<T: Size>(value: &Option<T>) -> usize {
        1 + value.as_ref().map_or(0, Size::tls_serialized_len)
    }

    #[expect(
        clippy::ref_option,
        reason = "the derive macro passes references to fields"
    )]
    pub(crate) fn tls_serialize<T: Serialize, W: Write>(
        value: &Option<T>,
        writer: &mut W,
    ) -> Result<usize, Error> {
        match value {
            None => 0_u8.tls_serialize(writer),
            Some(inner) => Ok(1_u8.tls_serialize(writer)? + inner.tls_serialize(writer)?),
        }
    }

    pub(crate) fn tls_deserialize<T: Deserialize, R: Read>(
        reader: &mut R,
    ) -> Result<Option<T>, Error> {
        match u8::tls_deserialize(reader)? {
            0 => Ok(None),
            1 => T::tls_deserialize(reader).map(Some),
            other => Err(Error::UnknownValue(other.into())),
        }
    }
}
