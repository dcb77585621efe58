//! The page for the household's browser (the HAN view of TR-03109-1): what the meters say, what left the
//! house and what it hid, the profiles in force, the logbooks. It only reads.

mod pages;

use std::sync::Arc;

use dcnet_profiles::Profile;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::daemon::status::Status;
use crate::ledger::View;
use crate::source::Latest;

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

/// Shows the page until the daemon ends.
pub(super) async fn run(house: Arc<House>) {
    let Some(page) = &house.profile.home.page else {
        return;
    };
    let mut status = house.status.clone();
    let listener = match tokio::net::TcpListener::bind(page.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(event = "home.page", "the page cannot be shown: {error}");
            return;
        }
    };
    let router = pages::router().with_state(house);
    tokio::select! {
        _ = axum::serve(listener, router).into_future() => {}
        () = super::ended(&mut status) => {}
    }
}
