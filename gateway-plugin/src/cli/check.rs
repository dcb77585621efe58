//! `check`: everything that can be checked without meter and provider.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use dcnet_profiles::evaluation::{Absent, Method, Slot};
use dcnet_profiles::meter::{DataBits, Parity, SerialLine};

use super::{EXIT_CONFIG, fail};
use crate::clock::Clock;
use crate::config::Config;

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
    let (communication, line) = (&profile.communication, &profile.meter.source.sml);
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
    row(
        "meter",
        &format!(
            "{}, {} at {}",
            profile.meter.name,
            line.device.display(),
            mode(line)
        ),
    );
    for slot in &profile.evaluation.slots {
        row("slot", &describe(slot));
    }
    row("state", &profile.state.display().to_string());
    text
}

/// `9600 8N1`
fn mode(line: &SerialLine) -> String {
    let bits = match line.data_bits {
        DataBits::Seven => 7,
        DataBits::Eight => 8,
    };
    let parity = match line.parity {
        Parity::None => 'N',
        Parity::Even => 'E',
        Parity::Odd => 'O',
    };
    format!("{} {bits}{parity}1", line.baud)
}

fn describe(slot: &Slot) -> String {
    let method = match slot.method {
        Method::Advance => "advance per round",
        Method::Value => "value at the round's end",
        Method::Minimum => "minimum over the round",
        Method::Maximum => "maximum over the round",
        Method::Mean => "mean over the round",
        Method::Count => "telegrams of the round beyond the limit",
        Method::FeedIn => "power into the grid at the round's end",
    };
    let absent = match slot.absent {
        Absent::Missing => "",
        Absent::Zero => ", 0 if the meter does not show it",
    };
    let (obis, unit, scale) = (slot.obis.short(), slot.unit, slot.scale);
    format!("{obis} in 10^{scale} {unit}, {method}{absent}")
}
