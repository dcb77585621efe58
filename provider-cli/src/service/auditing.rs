//! An audit of a net out of what the store has, in two steps: the first one reads, the second one only
//! computes, and that for a while.

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::{DrawListRecord, EpochRecord, MemberRecord};

use super::admin::{Admin, AdminError, decode_descriptor};
use super::audit::Audit;
use super::convert;
use super::orders::{OrderView, Standing};
use super::replay::{KeyPackages, replay, steps};
use crate::store::{EpochRow, LogRow, MemberRow, NetRow, StoreError};

/// What an audit looks at, as it was read.
pub(crate) struct AuditMaterial {
    row: NetRow,
    members: Vec<MemberRow>,
    epoch: Option<EpochRow>,
    /// Encoded.
    lists: Vec<Vec<u8>>,
    log: Vec<LogRow>,
    /// Encoded.
    packages: Vec<Vec<u8>>,
    orders: Vec<OrderView>,
    standing: Standing,
}

impl AuditMaterial {
    /// The audit. It verifies signatures of every member that was ever admitted: not to be called where
    /// others wait. `progress` is told at which step of how many the log's replay is.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if something is not what the store took.
    pub(crate) fn audit(self, mut progress: impl FnMut(u64, u64)) -> Result<Audit, StoreError> {
        let descriptor = decode_descriptor(&self.row)?;
        let records = self.members.iter();
        let members = records
            .map(|row| convert::decode(&row.record))
            .collect::<Result<Vec<MemberRecord>, _>>()?;
        let epoch = self.epoch.map(|row| convert::decode(&row.record));
        let epoch: Option<EpochRecord> = epoch.transpose()?;
        let lists = self.lists.iter().map(|list| convert::decode(list));
        let lists = lists.collect::<Result<Vec<DrawListRecord>, _>>()?;
        let packages = self.packages.iter().map(|package| convert::decode(package));
        let packages = packages.collect::<Result<Vec<_>, _>>()?;
        let anchor = TrustAnchor::from_der(&self.row.authority)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let packages = KeyPackages::new(anchor, packages);
        let (mut done, all) = (0, steps(&self.log, &lists));
        let epoch = epoch.as_ref();
        let replay = replay(&descriptor, &packages, &self.log, &lists, epoch, || {
            done += 1;
            progress(done, all);
        });
        let audit = Audit::of(&descriptor, &members, epoch, &replay, &self.standing);
        Ok(Audit {
            orders: self.orders,
            ..audit
        })
    }
}

impl Admin {
    /// Looks at a net's members and its key graph; of `progress` see [`AuditMaterial::audit`].
    pub(crate) async fn audit(
        &self,
        net: NetId,
        progress: impl FnMut(u64, u64),
    ) -> Result<Audit, AdminError> {
        Ok(self.audit_material(net).await?.audit(progress)?)
    }

    /// Reads what an audit looks at.
    pub(crate) async fn audit_material(&self, net: NetId) -> Result<AuditMaterial, AdminError> {
        let row = self.row(net).await?;
        let members = self.store.members(net).await?;
        // A server may run beside us: the log is read last, so that it has what the rest names.
        let epoch = self.store.latest_epochs(net, 1).await?.pop();
        let lists = self.store.draw_lists(net).await?;
        let log = self.store.log_entries(net, 0, None).await?;
        Ok(AuditMaterial {
            row,
            members,
            epoch,
            lists,
            log,
            packages: self.store.key_packages(net).await?,
            orders: self.orders(net).await?,
            standing: self.standing(net).await?,
        })
    }
}
