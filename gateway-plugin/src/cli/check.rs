//! `check`: everything that can be checked without meter and provider.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use dcnet_profiles::evaluation::{Absent, Method, Slot, Threshold};
use dcnet_profiles::home::HomePage;

use super::{EXIT_CONFIG, fail};
use crate::clock::Clock;
use crate::config::Config;
use crate::source;

pub(super) fn check(file: &Path) -> ExitCode {
    let config = match Config::load(file, Clock::system().now()) {
        Ok(config) => config,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    print!("{}", summary(&config));
    for warning in config.warnings() {
        eprintln!("warning: {warning}");
    }
    ExitCode::SUCCESS
}

fn summary(config: &Config) -> String {
    let profile = &config.profile;
    let communication = &profile.communication;
    let mut text = format!("{}: can be run\n", config.origin.display());
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12}{value}"); // writing to a string cannot fail
    };
    row("gateway", config.client.as_str());
    row(
        "net",
        &format!("{} at {}", communication.net, communication.provider),
    );
    row("min. size", &communication.accept.min_size.to_string());
    row(
        "corrections",
        if communication.accept.allow_resend {
            "double-mask and resend"
        } else {
            "double-mask only"
        },
    );
    let witnesses = &communication.accept.witnesses;
    if !witnesses.witnesses().is_empty() {
        let names = witnesses.witnesses().iter().map(|one| one.name.as_str());
        let names: Vec<&str> = names.collect();
        row(
            "witnesses",
            &format!(
                "{} of {} have to have cosigned the membership log: {}",
                witnesses.needed(),
                names.len(),
                names.join(", ")
            ),
        );
    }
    for meter in &profile.meters {
        for (place, source) in meter.sources.iter().enumerate() {
            let name = if place == 0 {
                meter.name.as_str()
            } else {
                "  or"
            };
            row("meter", &format!("{name}, {}", source::describe(source)));
        }
    }
    for slot in &profile.evaluation.slots {
        row("slot", &describe(slot));
    }
    for tariff in &profile.tariffs {
        let (name, taf) = (&tariff.name, tariff.taf.number());
        row(
            "tariff",
            &format!("{name}, TAF-{taf}, {}", tariff.obis.short()),
        );
    }
    if let Some(page) = &profile.home.page {
        row("page", &shown(page));
    }
    row("state", &profile.state.display().to_string());
    text
}

/// Where the page is shown and what it asks for.
fn shown(page: &HomePage) -> String {
    let scheme = if page.is_https() { "https" } else { "http" };
    let certificate = match &page.tls {
        None if page.is_https() => ", certificate of its own making",
        _ => "",
    };
    let asked = match (&page.password_file, &page.clients) {
        (None, None) => "asks for nothing",
        (Some(_), None) => "asks for the password",
        (None, Some(_)) => "asks for a certificate of the browser's",
        (Some(_), Some(_)) => "asks for a certificate of the browser's and the password",
    };
    format!("{scheme}://{}{certificate}, {asked}", page.listen)
}

fn describe(slot: &Slot) -> String {
    let method = match slot.method {
        Method::Advance => "advance per round",
        Method::Value => "value at the round's end",
        Method::Minimum => "minimum over the round",
        Method::Maximum => "maximum over the round",
        Method::Mean => "mean over the round",
        Method::Count => match slot.threshold {
            Some(Threshold::Below(limit)) => &format!("telegrams of the round below {limit}"),
            Some(Threshold::Above(limit)) => &format!("telegrams of the round above {limit}"),
            None => "telegrams of the round beyond a limit", // refused by the parser
        },
        Method::FeedIn => "power into the grid at the round's end",
    };
    let absent = match slot.absent {
        Absent::Missing => "",
        Absent::Zero => ", 0 if the meter does not show it",
    };
    let clip = match slot.clip.map(|clip| (clip.min, clip.max)) {
        None | Some((None, None)) => String::new(),
        Some((Some(min), None)) => format!(", at least {min}"),
        Some((None, Some(max))) => format!(", at most {max}"),
        Some((Some(min), Some(max))) => format!(", from {min} to {max}"),
    };
    let meters = match slot.meters.as_slice() {
        [] => String::new(),
        meters => format!(" of {}", meters.join(" + ")),
    };
    let (obis, unit, scale) = (slot.obis.short(), slot.unit, slot.scale);
    format!("{obis}{meters} in 10^{scale} {unit}, {method}{clip}{absent}")
}
