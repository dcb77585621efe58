//! Which entries of the audit trail are asked for.

use dcnet_protocol::names::NetId;
use jiff::Timestamp;

use super::{Action, TrailEntryView};

/// Which entries are asked for; by default all.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrailFilter {
    pub(crate) net: Option<NetId>,
    /// As it is written.
    pub(crate) action: Option<String>,
    /// Not those before.
    pub(crate) since: Option<Timestamp>,
}

impl TrailFilter {
    pub(super) const fn is_empty(&self) -> bool {
        self.net.is_none() && self.action.is_none() && self.since.is_none()
    }

    pub(super) fn fits(&self, entry: &TrailEntryView) -> bool {
        let action = self.action.as_deref();
        let at = || entry.at.parse::<Timestamp>();
        self.net.is_none_or(|net| is_about(entry, net.as_str()))
            && action.is_none_or(|action| entry.action.as_str() == action)
            // A time that cannot be read is shown rather than hidden.
            && self.since.is_none_or(|since| at().map_or(true, |at| at >= since))
    }
}

fn is_about(entry: &TrailEntryView, net: &str) -> bool {
    let names_none = entry.net.is_none() && entry.nets.is_empty();
    // An exporter that names no net is one of all nets.
    let is_of_all = names_none && entry.action == Action::ExporterStarted;
    is_of_all || entry.net.as_deref() == Some(net) || entry.nets.iter().any(|it| it == net)
}
