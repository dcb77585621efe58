//! Whose messages they are.

use std::path::Path;

use dcnet_protocol::names::NetId;
use serde::Deserialize;

use super::MsconsError;

/// Largest configuration file that is looked at, in bytes.
pub(super) const MAX_FILE: u64 = 64 * 1024;

/// Who sends to whom, and which slots are which series.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MsconsConfig {
    pub(super) sender: Partner,
    pub(super) receiver: Partner,
    pub(super) kind: Kind,
    pub(crate) series: Vec<MsconsSeries>,
}

/// A market partner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partner {
    /// 13 digits.
    pub(super) id: String,
    pub(super) agency: Agency,
}

/// Who gave a market partner its id.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Agency {
    Bdew,
    Dvgw,
    Gs1,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// 13003.
    SumSeries,
    /// 13025.
    LoadCurve,
}

/// A slot of a net as a series of the market.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MsconsSeries {
    net: String,
    /// OBIS code of the slot, as `dcnet net show` prints it.
    pub(crate) slot: String,
    /// Id of the metering point or market location.
    pub(super) location: String,
    /// OBIS code under which the market knows the series.
    pub(super) product: String,
}

impl MsconsConfig {
    /// Reads a YAML file.
    pub(crate) fn from_file(path: &Path) -> Result<Self, MsconsError> {
        let read = |source| MsconsError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > MAX_FILE {
            return Err(MsconsError::Size(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let config: Self = serde_yaml::from_str(&text).map_err(|source| MsconsError::Syntax {
            path: path.to_owned(),
            source,
        })?;
        config.check().map_err(|what| MsconsError::Value {
            path: path.to_owned(),
            what,
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        for partner in [&self.sender, &self.receiver] {
            let digits = partner.id.bytes().all(|byte| byte.is_ascii_digit());
            if partner.id.len() != 13 || !digits {
                return Err(format!(
                    "{:?} is no id of a market partner: it has 13 digits",
                    partner.id
                ));
            }
        }
        for series in &self.series {
            let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let location = series.location.as_str();
            if ![11, 33].contains(&location.len()) || !location.bytes().all(plain) {
                return Err(format!(
                    "{location:?} is no id of a location: 11 digits (market location) or 33 letters and \
                     digits (metering point)"
                ));
            }
        }
        Ok(())
    }

    /// The series of a net; an error if there are none.
    pub(crate) fn of(&self, net: NetId) -> Result<Vec<&MsconsSeries>, MsconsError> {
        let series: Vec<_> = self
            .series
            .iter()
            .filter(|s| s.net == net.as_str())
            .collect();
        if series.is_empty() {
            return Err(MsconsError::NoSeries(net));
        }
        Ok(series)
    }
}

impl Agency {
    /// Code in UNB (0007) and in NAD (3055).
    pub(super) const fn codes(self) -> [&'static str; 2] {
        match self {
            Self::Bdew => ["500", "293"],
            Self::Dvgw => ["502", "332"],
            Self::Gs1 => ["14", "9"],
        }
    }
}
