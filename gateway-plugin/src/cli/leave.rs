//! `leave`: asks the daemon to leave the net.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use dcnet_profiles::Profile;

use super::{EXIT_CONFIG, fail};
use crate::daemon::LEAVE_REQUEST;
use crate::ledger::is_running;

pub(super) fn leave(file: &Path) -> ExitCode {
    let profile = match Profile::load(file) {
        Ok(profile) => profile,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    let directory = &profile.state;
    let request = directory.join(LEAVE_REQUEST);
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&request);
    if let Err(error) = made {
        return fail(
            &format!("{}: {error}; has this gateway ever run?", request.display()),
            1,
        );
    }
    match is_running(directory) {
        Ok(Some(_)) => println!(
            "The daemon leaves the net {}. It keeps sending until the provider has released it, \
             then ends.",
            profile.communication.net
        ),
        _ => println!(
            "The daemon does not run. Start it: it leaves the net {} and then ends.",
            profile.communication.net
        ),
    }
    ExitCode::SUCCESS
}
