//! `dcnet net audit`: all that it takes to look at a net.

use dcnet_protocol::certificate::TrustAnchor;
use dcnet_protocol::names::NetId;
use dcnet_protocol::provider::DrawListRecord;

use super::admin::decode_descriptor;
use super::audit::Audit;
use super::convert;
use super::replay::{KeyPackages, replay, steps};
use super::{Admin, AdminError};
use crate::store::StoreError;

impl Admin {
    /// Looks at a net's members, its key graph, and its membership log. `progress` is told at which step of
    /// how many the log's replay is: in most of them signatures are verified, which takes long.
    pub(crate) async fn audit(
        &self,
        net: NetId,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Audit, AdminError> {
        let row = self.row(net).await?;
        let descriptor = decode_descriptor(&row)?;
        let members = self.members(net).await?;
        // A server may run beside us: the log is read last, so that it has what the rest names.
        let epoch = self.epoch(net).await?;
        let lists = self.store.draw_lists(net).await?;
        let lists = lists
            .iter()
            .map(|list| convert::decode::<DrawListRecord>(list))
            .collect::<Result<Vec<_>, _>>()?;
        let log = self.store.log_entries(net, 0, None).await?;
        let packages = self.store.key_packages(net).await?;
        let packages = packages
            .iter()
            .map(|package| convert::decode(package))
            .collect::<Result<Vec<_>, _>>()?;
        let anchor = TrustAnchor::from_der(&row.authority)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let packages = KeyPackages::new(anchor, packages);
        let (mut done, all) = (0, steps(&log, &lists));
        let replay = replay(&descriptor, &packages, &log, &lists, epoch.as_ref(), || {
            done += 1;
            progress(done, all);
        });
        let orders = self.orders(net).await?;
        let standing = self.standing(net).await?;
        let (members, epoch) = (members.as_slice(), epoch.as_ref());
        let audit = Audit::of(&descriptor, members, epoch, &replay, &standing);
        Ok(Audit { orders, ..audit })
    }
}
