//! What the sharing of self-masks withstands, in numbers that people can compare.

use dcnet_protocol::parameters::{self, Levels, Net, ParametersError, Sharing};
use schemars::JsonSchema;
use serde::Serialize;

/// What a net of so many members withstands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Strength {
    /// Members that it was computed for.
    pub(crate) members: u32,
    /// Most corrupt members beside a provider that lies; none if it does not withstand a lying one.
    pub(crate) corrupt: Option<u32>,
    pub(crate) corrupt_permille: Option<u32>,
    /// Most members lost in a round while the masks of all others are recovered.
    pub(crate) lost: Option<u32>,
    pub(crate) lost_permille: Option<u32>,
}

impl Strength {
    /// Of `net` with `sharing`, at the levels that nets are made for.
    ///
    /// # Errors
    /// [`ParametersError`] as [`parameters::audit`].
    pub(crate) fn of(net: Net, sharing: Sharing) -> Result<Self, ParametersError> {
        let strength = parameters::audit(net, sharing, Levels::default())?;
        let permille = |part: u32| {
            let thousandths = u64::from(part) * 1000 / u64::from(net.members.max(1));
            u32::try_from(thousandths).unwrap_or(1000)
        };
        Ok(Self {
            members: net.members,
            corrupt: strength.corrupt,
            corrupt_permille: strength.corrupt.map(permille),
            lost: strength.lost,
            lost_permille: strength.lost.map(permille),
        })
    }

    /// In words.
    pub(crate) fn text(&self) -> String {
        let corrupt = match (self.corrupt, self.corrupt_permille) {
            (Some(corrupt), Some(part)) => {
                format!("a lying provider with {corrupt} corrupt ({part} of 1000)")
            }
            _ => "no lying provider".to_owned(),
        };
        let lost = match (self.lost, self.lost_permille) {
            (Some(lost), Some(part)) => format!("{lost} lost in a round ({part} of 1000)"),
            _ => "no loss".to_owned(),
        };
        format!("of {} members: {corrupt}; {lost}", self.members)
    }
}
