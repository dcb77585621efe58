//! The household's page: a real daemon, real connections, who gets in and who does not, and that what is
//! shown is what left the house.

mod admission;
mod files;
mod shown;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use admission::{
    beyond_the_loopback_there_is_https_with_a_certificate_of_its_own,
    browsers_show_a_certificate_if_the_owner_demands_one,
};
use files::{
    an_address_in_use_is_waited_for_and_said_once, without_a_page_programs_still_get_answers,
};
use shown::what_left_the_house_is_shown_whatever_happens_in_between;

use crate::side_by_side;
use crate::support::pki::{Authority, Household};

side_by_side!(the_household_sees_its_page_and_nobody_else_does:
    what_left_the_house_is_shown_whatever_happens_in_between,
    beyond_the_loopback_there_is_https_with_a_certificate_of_its_own,
    browsers_show_a_certificate_if_the_owner_demands_one,
    an_address_in_use_is_waited_for_and_said_once,
    without_a_page_programs_still_get_answers,
);

const PASSWORD: &str = "correct horse battery staple";

/// Adds keys to `home.page` of a profile, with a password if `password` is set.
fn page(household: &Household, keys: &str, password: bool) {
    let asked = if password {
        household.write("page.password", &format!("{PASSWORD}\n"), 0o600);
        ", password_file: page.password"
    } else {
        ""
    };
    let home = format!("home: {{ page: {{ {keys}{asked} }} }}\nstate: state");
    household.edit("state: state", &home);
}

/// A household whose provider is not there: the page is all the same.
fn alone() -> (Household, Authority) {
    let (gateways, providers) = (Authority::new(), Authority::new());
    let nobody = "127.0.0.1:1".parse().unwrap();
    let device = Path::new("/dev/serial/by-id/usb-none");
    let household = Household::new(&gateways, &providers, "house", nobody, device);
    (household, providers)
}

fn run(household: &Household, arguments: &[&str]) -> Output {
    let (command, options) = arguments.split_first().unwrap();
    Command::new(env!("CARGO_BIN_EXE_dcnet-gateway"))
        .arg(command)
        .arg(household.profile())
        .args(options)
        .output()
        .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
