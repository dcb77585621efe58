//! The dashboard of `dcnet serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use dcnet_protocol::names::NetId;

use crate::server::DashboardOptions;

/// What the dashboard is, and what it shows besides.
#[derive(Debug, Args)]
pub(super) struct DashboardArgs {
    /// Show a dashboard at this address of the loopback, such as 127.0.0.1:8445, over plain HTTP.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    dashboard_listen: Option<SocketAddr>,
    /// Show only this net on the dashboard; repeatable.
    #[arg(long, value_name = "NET", requires = "dashboard_listen")]
    dashboard_net: Vec<NetId>,
    /// Time zone of the dashboard's days, as the IANA database names it.
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "Europe/Berlin",
        requires = "dashboard_listen"
    )]
    time_zone: String,
    // In full, because clippy takes names of columns for code and wants marks that a terminal shows.
    #[arg(
        help = "Standard load profiles, CSV with the columns profile_id, period, day, timestamp, watts: \
                H0 of it stands beside the curves, for as many households as are in a sum",
        long,
        value_name = "FILE",
        requires = "dashboard_listen"
    )]
    reference_profile: Option<PathBuf>,
    /// What a household uses in a year by that profile, in kWh.
    #[arg(
        long,
        value_name = "KWH",
        default_value_t = 2500,
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        requires = "reference_profile"
    )]
    household_kwh_per_year: u32,
}

impl DashboardArgs {
    /// `None` if no dashboard is wanted.
    pub(super) fn options(self) -> Option<DashboardOptions> {
        Some(DashboardOptions {
            listen: self.dashboard_listen?,
            nets: self.dashboard_net,
            time_zone: self.time_zone,
            reference_profile: self.reference_profile,
            household_kwh_per_year: self.household_kwh_per_year,
        })
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "an address with its port, such as 127.0.0.1:8445".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(
            "the dashboard has no password and is for the loopback only: 127.0.0.1 or [::1]; put a \
             reverse proxy or an SSH tunnel before it"
                .to_owned(),
        )
    }
}
