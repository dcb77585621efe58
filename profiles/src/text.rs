//! Values that stand in YAML as text, parsed where the parser still knows the place.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// Parses the text of a scalar with `T::from_str`; its error becomes the message.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Text<T>(PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text (put it in quotes)")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(PhantomData))
}

/// The same for a key that may be left out.
pub(crate) fn parsed_option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    parsed(deserializer).map(Some)
}

/// Address and port to listen at.
pub(crate) fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parsed::<D, Socket>(deserializer).map(|socket| socket.0)
}

struct Socket(SocketAddr);

impl FromStr for Socket {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let socket = text.parse().map(Self);
        socket.map_err(|_| "is an address in digits and a port, as in 127.0.0.1:8480")
    }
}

/// Keys that may be left out. If they are there with nothing behind them (`page:`), they are what they are
/// without any of theirs, and not left out.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A path that is not empty.
pub(crate) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    parsed::<D, FilePath>(deserializer).map(|path| path.0)
}

/// The same for a key that may be left out.
pub(crate) fn path_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

struct FilePath(PathBuf);

impl FromStr for FilePath {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            Err("is empty; give a path")
        } else {
            Ok(Self(text.into()))
        }
    }
}

/// What something is called elsewhere, for a key that may be left out.
pub(crate) fn label_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    parsed::<D, Label>(deserializer).map(|label| Some(label.0))
}

struct Label(String);

/// Longest label in characters.
const MAX_LABEL: usize = 64;

impl FromStr for Label {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=MAX_LABEL).contains(&text.chars().count());
        // XML has neither these characters nor spaces at the ends.
        let has = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
        if fits && text.trim() == text && text.chars().all(has) {
            Ok(Self(text.to_owned()))
        } else {
            Err("has to be a line of 1 to 64 characters, without spaces at its ends")
        }
    }
}

/// A number within `MIN..=MAX`.
pub(crate) fn within<'de, D, const MIN: u64, const MAX: u64>(
    deserializer: D,
) -> Result<u64, D::Error>
where
    D: Deserializer<'de>,
{
    struct Within<const MIN: u64, const MAX: u64>;
    impl<const MIN: u64, const MAX: u64> Visitor<'_> for Within<MIN, MAX> {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from {MIN} to {MAX}")
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
            if (MIN..=MAX).contains(&number) {
                Ok(number)
            } else {
                Err(E::invalid_value(
                    serde::de::Unexpected::Unsigned(number),
                    &self,
                ))
            }
        }
    }
    deserializer.deserialize_u64(Within::<MIN, MAX>)
}

/// Bytes from hexadecimal digits, with or without spaces or colons between the bytes.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, HexError> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !matches!(character, ' ' | ':'))
        .map(|character| {
            character
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or(HexError::Character { got: character })
        })
        .collect::<Result<_, _>>()?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Ok(high << 4 | low),
            _ => Err(HexError::Odd { got: digits.len() }),
        })
        .collect()
}

/// Why a text is no sequence of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Not a digit.
    #[error("{got:?} is no hexadecimal digit: use 0-9 and a-f, two for each byte")]
    Character {
        /// What stands there.
        got: char,
    },
    /// Half a byte is left over.
    #[error("has {got} hexadecimal digits, an odd number: every byte has two")]
    Odd {
        /// Number of digits.
        got: usize,
    },
    /// Not as many bytes as needed.
    #[error("has {got} bytes, {expected} are needed")]
    Length {
        /// Needed.
        expected: &'static str,
        /// Found.
        got: usize,
    },
}
