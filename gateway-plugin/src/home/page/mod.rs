//! The page for the household's browser (the HAN view of TR-03109-1): what the meters say, what left the
//! house and what it hid, the profiles in force, the logbooks. It only reads.

mod access;
mod api;
mod certificate;
mod guesses;
mod pages;
mod places;
pub(crate) mod records;
mod server;

use std::sync::Arc;

use dcnet_profiles::Profile;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::PageFiles;
use crate::daemon::status::Status;
use crate::ledger::View;
use crate::source::Latest;

/// Name of the socket in the state directory, at which programs of the owner get the same answers.
pub(crate) const SOCKET: &str = "home.sock";

/// What is there to be seen.
#[derive(Debug)]
pub(super) struct House {
    pub(super) profile: Profile,
    pub(super) client: String,
    pub(super) clock: Clock,
    /// Last telegram of each meter, in the order of the profile.
    pub(super) meters: Vec<watch::Receiver<Option<Latest>>>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) ledger: watch::Receiver<View>,
}

/// Shows the page until the daemon ends. `files` are what the profile's page needs, if it has one.
pub(super) async fn run(house: Arc<House>, files: Option<PageFiles>) {
    let mut status = house.status.clone();
    let network = async {
        if let (Some(page), Some(files)) = (&house.profile.home.page, &files) {
            server::network(&house, page, files).await;
        }
    };
    let both = async { tokio::join!(network, server::local(&house)) };
    tokio::select! {
        _ = both => {}
        () = super::ended(&mut status) => {}
    }
}
