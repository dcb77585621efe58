//! `status`: what the daemon is doing.
//!
//! Exit code 0: it runs. 1: there is nothing to show. 3: it does not run. 4: whether it runs or not,
//! there is evidence that the provider lied, and the owner has something to do. 78: the profile.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use clap::Args;
use dcnet_profiles::Profile;
use dcnet_profiles::tariff::{BillingUseCase, Zone};
use dcnet_protocol::round::UnixTime;

use super::{EXIT_CONFIG, fail};
use crate::daemon::status::{self, MeterStatus, Status, TariffStatus};
use crate::ledger::is_running;

/// Exit code if there is evidence against the provider.
const EXIT_EVIDENCE: u8 = 4;
/// Exit code if the daemon does not run.
const EXIT_NOT_RUNNING: u8 = 3;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 the daemon runs, 1 there is nothing to show, 3 it does not run, 4 there is evidence that \
the provider lied (whether the daemon runs or not), 78 the profile is wrong.")]
pub(super) struct Show {
    #[command(flatten)]
    profile: super::Profile,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn status(options: &Show) -> ExitCode {
    let profile = match Profile::load(&options.profile.file) {
        Ok(profile) => profile,
        Err(error) => return fail(&error, EXIT_CONFIG),
    };
    let directory = &profile.state;
    let running = match is_running(directory) {
        Ok(running) => running,
        Err(error) => return fail(&format!("{}: {error}", directory.display()), 1),
    };
    let status = match status::read(directory) {
        Ok(status) => status,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let daemon = if running.is_some() {
                "starts"
            } else {
                "was not started yet"
            };
            return fail(&format!("{}: the daemon {daemon}", directory.display()), 1);
        }
        Err(error) => return fail(&format!("{}: {error}", directory.display()), 1),
    };
    if options.json {
        let mut value = serde_json::to_value(&status).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("running".to_owned(), running.is_some().into());
        }
        println!("{value:#}");
    } else {
        print!("{}", text(&status, running, &profile));
    }
    exit_code(&status, running.is_some())
}

/// The exit code for a daemon that left this status.
pub(super) fn exit_code(status: &Status, running: bool) -> ExitCode {
    if !status.evidence.is_empty() {
        ExitCode::from(EXIT_EVIDENCE)
    } else if running {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_NOT_RUNNING)
    }
}

/// For the owner of a gateway that has caught its provider.
const ADVICE_ON_EVIDENCE: &str = "\
the provider signed statements that contradict each other: it lied. This gateway sends no reading to \
this net any more. Do not trust this net; give the file to the gateway administrator and the \
supervisory authority, who can check it with: dcnet verify-evidence FILE";

/// For the owner of a gateway that its provider lets in no more.
fn advice_on(phase: &str) -> Option<&'static str> {
    match phase {
        "barred" => Some(
            "suspended by the operator of the net: it takes part again by itself when the operator resumes \
             it. Nothing has to be repaired here; ask the operator for the reason",
        ),
        "net-closed" => Some(
            "the operator has closed the net: no more sums are formed, and nothing more is sent. To take part \
             in another net, name it in the profile",
        ),
        _ => None,
    }
}

fn text(status: &Status, running: Option<u32>, profile: &Profile) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{value}"); // writing to a string cannot fail
    };
    match running {
        Some(process) => row("daemon", &format!("runs as process {process}")),
        None => row("daemon", "does not run; what follows is from its last time"),
    }
    row(
        "gateway",
        &format!(
            "{} in the net {}: {}",
            status.client,
            status.net,
            if status.phase.is_empty() {
                "has not reached it yet"
            } else {
                &status.phase
            }
        ),
    );
    if let Some(advice) = advice_on(&status.phase) {
        row("", advice);
    }
    for path in &status.evidence {
        row("EVIDENCE", &path.display().to_string());
    }
    if !status.evidence.is_empty() {
        row("", ADVICE_ON_EVIDENCE);
    }
    if !status.correction_mode.is_empty() {
        row("corrections", &status.correction_mode);
    }
    if let (Some(epoch), Some(members), Some(neighbours)) =
        (status.epoch, status.members, status.neighbours)
    {
        row(
            "epoch",
            &format!("{epoch}, {members} members, {neighbours} neighbours"),
        );
    }
    if status.log_size > 0 {
        let open = if status.comparing {
            ", to be shown to be that of a neighbour"
        } else {
            ""
        };
        row("log", &format!("{} entries{open}", status.log_size));
    }
    meters(&mut row, &status.meters);
    for tariff in &status.tariffs {
        row("tariff", &tariff_line(tariff, profile));
    }
    if let Some(round) = status.last_round {
        let reading = if status.last_round_had_reading {
            "with"
        } else {
            "without"
        };
        let receipt = if status.last_round_acknowledged {
            "acknowledged"
        } else {
            "not acknowledged"
        };
        row(
            "last round",
            &format!("{round}, {reading} a reading, {receipt}"),
        );
    }
    row(
        "rounds",
        &format!(
            "{} acknowledged, {} missed since the start",
            status.rounds_acknowledged, status.rounds_missed
        ),
    );
    if !status.refusals.is_empty() {
        let refusals = status.refusals.iter();
        let refusals: Vec<_> = refusals
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        row("refused", &refusals.join(", "));
    }
    let faults = [
        ("reading", &status.last_round_fault),
        ("provider", &status.provider_fault),
        ("clock", &status.clock_fault),
        ("fault", &status.last_fault),
    ];
    for (name, fault) in faults {
        if let Some(fault) = fault {
            row(name, fault);
        }
    }
    text
}

/// How each meter is read, and what to do about it.
fn meters(row: &mut impl FnMut(&str, &str), meters: &[MeterStatus]) {
    for meter in meters {
        for (place, source) in meter.sources.iter().enumerate() {
            let in_use = if meter.sources.len() > 1 && meter.in_use == Some(place) {
                ", in use"
            } else {
                ""
            };
            let state = if source.state.is_empty() {
                "not heard of yet"
            } else {
                &source.state
            };
            row(
                "meter",
                &format!("{} ({}{in_use}): {state}", meter.name, source.kind),
            );
            if source.refused > 0 {
                row(
                    "",
                    &format!(
                        "{} telegrams, {} refused as damaged since the start",
                        source.telegrams, source.refused
                    ),
                );
            }
        }
        if let Some(advice) = &meter.advice {
            row("advice", &format!("{}: {advice}", meter.name));
        }
    }
}

/// How far a tariff is, in the local time that it follows.
fn tariff_line(tariff: &TariffStatus, profile: &Profile) -> String {
    let mut of_profile = profile.tariffs.iter();
    let zone = of_profile
        .find(|one| one.name == tariff.name)
        .map_or_else(Zone::berlin, |one| one.zone.clone());
    let since = tariff.since.map(UnixTime::from_millis);
    let since = since.and_then(|since| zone.text(since));
    let mut parts = Vec::new();
    if let Some(stage) = &tariff.stage {
        parts.push(format!("stage {stage}"));
    }
    let closed = tariff.closed;
    let daily = tariff.taf == BillingUseCase::Taf6.number();
    parts.push(match since {
        None => "no reading yet".to_owned(),
        Some(since) if daily && closed == 1 => format!("1 midnight, {since}"),
        Some(since) if daily => format!("{closed} midnights since {since}"),
        Some(since) => format!("counts since {since}"),
    });
    if !daily {
        parts.push(match closed {
            1 => "1 period is over".to_owned(),
            _ => format!("{closed} periods are over"),
        });
    }
    parts.extend(tariff.fault.clone());
    format!("{} (TAF-{}): {}", tariff.name, tariff.taf, parts.join(", "))
}
