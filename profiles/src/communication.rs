//! Communication profile: to whom readings are submitted, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use dcnet_protocol::membership::witness::{MOST_COSIGNATURES, Quorum, QuorumError, Witness};
use dcnet_protocol::names::{NetId, WitnessName};
use dcnet_protocol::signature::{KeyError, VerifyingKey};
use serde::Deserialize;

use crate::schema;
use crate::text::{self, HexError};

/// Communication profile (TR-03109-1: Kommunikationsprofil).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommunicationProfile {
    /// Address of the provider.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::HttpsAddress")]
    pub provider: ProviderAddress,
    /// The net to take part in.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::Name")]
    pub net: NetId,
    /// PEM file with the only roots trusted for the provider's server certificate.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "schema::NotEmpty")]
    pub provider_ca: PathBuf,
    /// PEM file with the certificate of the gateway administrator's certification authority, which
    /// certifies the other members. Left out: it is looked for in `provider_ca`.
    #[serde(default, deserialize_with = "text::path_option")]
    #[schemars(with = "schema::NotEmpty")]
    pub gateway_ca: Option<PathBuf>,
    /// Certificate and key for TLS.
    pub tls: Credentials,
    /// Certificate and key for signing statements.
    pub signature: Credentials,
    /// SHA-256 of the net descriptor; a net with any other is refused. Left out: the descriptor of
    /// the first contact is kept.
    #[serde(default, deserialize_with = "text::parsed_option")]
    #[schemars(with = "schema::Hex")]
    pub descriptor: Option<DescriptorPin>,
    /// What the owner agrees to.
    #[serde(default)]
    pub accept: Acceptance,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// PEM file, own certificate first.
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "schema::NotEmpty")]
    pub certificate: PathBuf,
    /// PEM file (PKCS #8), readable by its owner only. As every path here it may lie below
    /// [`CREDENTIALS_DIRECTORY`](crate::profile::CREDENTIALS_DIRECTORY).
    #[serde(deserialize_with = "text::path")]
    #[schemars(with = "schema::NotEmpty")]
    pub key: PathBuf,
}

/// What the owner agrees to; the defaults are the safe side: nets of double-mask rounds over sums of
/// at least [`DEFAULT_MIN_SIZE`] members, which need no key here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "AcceptanceKeys")]
pub struct Acceptance {
    /// Smallest sum, in members, that the reading may go into.
    pub min_size: u32,
    /// Whether to enter nets that correct by resending, and to answer such corrections. That is safe
    /// against a provider that follows the protocol only. Nets of double-mask rounds are accepted
    /// either way.
    pub allow_resend: bool,
    /// Witnesses of the membership log (`accept.witnesses`), and how many of them have to have cosigned
    /// what is relied on (`accept.cosignatures`). None by default.
    pub witnesses: Quorum,
}

crate::schema::read_as!(Acceptance, AcceptanceKeys);

/// The keys below `accept`.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct AcceptanceKeys {
    #[serde(deserialize_with = "min_size")]
    #[schemars(with = "schema::Within<4, { u32::MAX as u64 }>")]
    min_size: u32,
    allow_resend: bool,
    witnesses: Vec<WitnessKeys>,
    #[serde(deserialize_with = "cosignatures")]
    #[schemars(with = "schema::Within<0, { MOST_COSIGNATURES as u64 }>")]
    cosignatures: usize,
}

impl Default for AcceptanceKeys {
    fn default() -> Self {
        Self {
            min_size: DEFAULT_MIN_SIZE,
            allow_resend: false,
            witnesses: Vec::new(),
            cosignatures: 0,
        }
    }
}

impl TryFrom<AcceptanceKeys> for Acceptance {
    type Error = AcceptanceError;
    fn try_from(keys: AcceptanceKeys) -> Result<Self, AcceptanceError> {
        let witnesses = keys.witnesses.into_iter().map(|witness| Witness {
            name: witness.name,
            key: witness.key.0,
        });
        Ok(Self {
            min_size: keys.min_size,
            allow_resend: keys.allow_resend,
            witnesses: Quorum::new(witnesses.collect(), keys.cosignatures)?,
        })
    }
}

/// Why the keys below `accept` do not go together; the parser knows the place of `communication` only.
#[derive(Debug, thiserror::Error)]
#[error("accept.witnesses, accept.cosignatures: {0}")]
struct AcceptanceError(#[from] QuorumError);

/// The keys of one of `accept.witnesses`.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct WitnessKeys {
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::Name")]
    name: WitnessName,
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "schema::Hex")]
    key: WitnessKey,
}

/// A public key in hexadecimal digits.
struct WitnessKey(VerifyingKey);

impl FromStr for WitnessKey {
    type Err = WitnessKeyError;
    fn from_str(text: &str) -> Result<Self, WitnessKeyError> {
        let point = text::hex(text)?;
        // Compressed only, so that each key is written in one way.
        if point.len() != 33 {
            return Err(WitnessKeyError::Hex(HexError::Length {
                expected: "33",
                got: point.len(),
            }));
        }
        Ok(Self(VerifyingKey::from_sec1(&point)?))
    }
}

/// Why a text is no key of a witness.
#[derive(Debug, thiserror::Error)]
enum WitnessKeyError {
    #[error(transparent)]
    Hex(#[from] HexError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn cosignatures<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let number = text::within::<D, 0, { MOST_COSIGNATURES as u64 }>(deserializer)?;
    usize::try_from(number).map_err(serde::de::Error::custom)
}

/// Smallest sum by default: what public rules ask for 15-minute values.
pub const DEFAULT_MIN_SIZE: u32 = 100;

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            min_size: DEFAULT_MIN_SIZE,
            allow_resend: false,
            witnesses: Quorum::default(),
        }
    }
}

fn min_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let size = text::within::<D, 4, { u32::MAX as u64 }>(deserializer)?;
    u32::try_from(size).map_err(serde::de::Error::custom)
}

/// `https://` with host and optional port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAddress(String);

impl ProviderAddress {
    /// Without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProviderAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some(rest) = text.strip_prefix("https://") else {
            return Err(AddressError::Scheme {
                got: text.to_owned(),
            });
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                if port.parse::<u16>().is_err() {
                    return Err(AddressError::Port {
                        got: port.to_owned(),
                    });
                }
                host
            }
            _ => authority,
        };
        if host.is_empty() {
            return Err(AddressError::Host);
        }
        if let Some(got) = authority
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')))
        {
            return Err(AddressError::Character { got });
        }
        Ok(Self(format!("https://{authority}")))
    }
}

/// Why a text is no address of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Something other than HTTPS.
    #[error("{got:?} does not begin with https://; readings go over HTTPS only")]
    Scheme {
        /// What stands there.
        got: String,
    },
    /// Nothing between `https://` and the end.
    #[error("has no host; write https://host or https://host:port")]
    Host,
    /// No port number.
    #[error("port {got:?} is no number from 0 to 65535")]
    Port {
        /// What stands there.
        got: String,
    },
    /// A character that is neither part of a host nor of a port.
    #[error("{got:?} does not belong here; write https://host or https://host:port, nothing else")]
    Character {
        /// The character.
        got: char,
    },
}

/// SHA-256 of a net descriptor as pinned by the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorPin(pub [u8; 32]);

impl FromStr for DescriptorPin {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, HexError> {
        let bytes = text::hex(text)?;
        let got = bytes.len();
        bytes.try_into().map(Self).map_err(|_| HexError::Length {
            expected: "32",
            got,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, canonical) in [
            ("https://provider.example", "https://provider.example"),
            (
                "https://provider.example:8443/",
                "https://provider.example:8443",
            ),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("https://[::1]", "https://[::1]"),
        ] {
            assert_eq!(text.parse::<ProviderAddress>().unwrap().as_str(), canonical);
        }
        for text in [
            "http://provider.example",
            "https://",
            "https://:8443",
            "https://host:port",
            "https://user@host",
            "https://host/path",
            "https://host?query",
        ] {
            assert!(text.parse::<ProviderAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn pins_have_32_bytes() {
        assert!("ab".repeat(32).parse::<DescriptorPin>().is_ok());
        assert_eq!(
            "ab".repeat(31).parse::<DescriptorPin>(),
            Err(HexError::Length {
                expected: "32",
                got: 31
            })
        );
        assert_eq!(
            "xy".parse::<DescriptorPin>(),
            Err(HexError::Character { got: 'x' })
        );
        assert_eq!(
            "abc".parse::<DescriptorPin>(),
            Err(HexError::Odd { got: 3 })
        );
    }
}
