//! Final rounds, and which of them a range of time means.

use dcnet_protocol::descriptor::NetDescriptor;
use dcnet_protocol::names::NetId;
use jiff::Timestamp;

use super::admin::{Admin, AdminError, RoundView, SlotText, decode_descriptor, slots, view_round};
use super::convert;
use crate::store::StoreError;

impl Admin {
    /// The final rounds whose metered interval begins in `from..to`, ascending; the latest
    /// `limit`.
    pub(crate) async fn rounds(
        &self,
        net: NetId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        limit: Option<u32>,
    ) -> Result<(Vec<SlotText>, Vec<RoundView>), AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let Some((first, last)) = numbers(&descriptor, from, to) else {
            return Ok((slots(&descriptor), Vec::new()));
        };
        let rows = self.store.outcomes(net, first, last, limit).await?;
        let rounds = rows
            .iter()
            .map(|(_, outcome)| Ok(view_round(&descriptor, &convert::decode(outcome)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok((slots(&descriptor), rounds))
    }

    /// The final rounds from number `first` on, ascending.
    pub(crate) async fn rounds_from(
        &self,
        net: NetId,
        first: u64,
    ) -> Result<Vec<RoundView>, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let rows = self.store.outcomes(net, Some(first), None, None).await?;
        Ok(rows
            .iter()
            .map(|(_, outcome)| Ok(view_round(&descriptor, &convert::decode(outcome)?)))
            .collect::<Result<_, StoreError>>()?)
    }

    /// One final round.
    pub(crate) async fn round(&self, net: NetId, round: u64) -> Result<RoundView, AdminError> {
        let descriptor = decode_descriptor(&self.row(net).await?)?;
        let mut rows = self
            .store
            .outcomes(net, Some(round), Some(round), Some(1))
            .await?;
        let (_, outcome) = rows.pop().ok_or(AdminError::UnknownRound { net, round })?;
        Ok(view_round(&descriptor, &convert::decode(&outcome)?))
    }
}

/// Numbers of the first and the last round whose metered interval begins in `from..to`; none if there
/// is no such round.
pub(super) fn numbers(
    descriptor: &NetDescriptor,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Option<(Option<u64>, Option<u64>)> {
    let interval = u64::from(descriptor.parameters().interval_s);
    let number = |time: Timestamp| {
        u64::try_from(time.as_second())
            .unwrap_or(0)
            .div_ceil(interval)
    };
    let last = match to {
        // Rounds that begin before `to`; none does before the first.
        Some(to) => Some(number(to).checked_sub(1)?),
        None => None,
    };
    Some((from.map(number), last))
}
