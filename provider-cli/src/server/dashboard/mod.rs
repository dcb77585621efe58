//! The operator's dashboard: pages that are drawn here, complete without JavaScript, and only read.
//!
//! [`router`] knows nothing of where it is served and to whom: whoever serves it says which nets may be
//! seen by an extension of the request, [`Scope`]. Without one nothing is answered.

mod ask;
mod chart;
mod curves;
mod drawing;
mod evidence;
mod files;
mod frame;
mod listen;
mod net;
mod nets;
mod region;
mod rounds;
mod words;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use dcnet_protocol::names::NetId;

pub(super) use listen::serve;

use crate::service::EvidenceFolder;
use crate::service::overview::{Extras, ExtrasError, Overview, Scope};

/// What the dashboard is started with.
#[derive(Debug, Clone)]
pub struct DashboardOptions {
    /// Where it listens: an address of the loopback. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The nets that are shown; all, if there are none.
    pub nets: Vec<NetId>,
    /// In which days are days, such as `Europe/Berlin`.
    pub time_zone: String,
    /// A file of standard load profiles with H0.
    pub reference_profile: Option<PathBuf>,
    /// What a household uses in a year, in kWh: for the reference profile.
    pub household_kwh_per_year: u32,
}

impl DashboardOptions {
    /// Reads the files that are named; `evidence` is shown besides.
    pub(super) fn load(
        &self,
        evidence: Option<Arc<EvidenceFolder>>,
    ) -> Result<Extras, ExtrasError> {
        let kwh = self.household_kwh_per_year;
        let reference = self.reference_profile.as_deref().map(|path| (path, kwh));
        Extras::load(&self.time_zone, reference, evidence)
    }

    /// What may be seen.
    pub(super) fn scope(&self) -> Scope {
        if self.nets.is_empty() {
            Scope::All
        } else {
            Scope::Nets(self.nets.iter().copied().collect::<BTreeSet<_>>())
        }
    }
}

/// What every page is given.
#[derive(Clone)]
pub(super) struct Dashboard {
    overview: Arc<Overview>,
    /// What all addresses begin with, where the pages are not at the root; without a slash at its end.
    base: &'static str,
}

impl Dashboard {
    /// At the root of a server.
    pub(super) fn new(overview: Overview) -> Self {
        Self {
            overview: Arc::new(overview),
            base: "",
        }
    }
}

/// All pages. Requests have to carry a [`Scope`].
pub(super) fn router(dashboard: Dashboard) -> Router {
    Router::new()
        .route("/", get(nets::page))
        .route("/nets/{net}", get(net::page))
        .route("/regions/{region}", get(region::page))
        .route("/rounds", get(rounds::page))
        .route("/evidence", get(evidence::page))
        .route("/dashboard.css", get(files::style))
        .route("/dashboard.js", get(files::script))
        .route("/icon.svg", get(files::icon))
        .fallback(frame::nothing_there)
        .with_state(dashboard)
        .layer(from_fn(listen::guard))
}

#[cfg(test)]
mod tests;
