//! `dcnet pki list`.

use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{CliError, Outcome, output};
use crate::pki::{Authority, AuthorityKind, Issued, Register};

/// Days before the next revocation list is due from which on it is warned of.
const LIST_DAYS: i64 = 3;

/// A certificate as it is listed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Certificate")]
pub(in crate::cli) struct Row<'a> {
    name: &'a str,
    kind: &'a str,
    nets: Vec<&'a str>,
    serial: &'a str,
    authority: u32,
    not_before: String,
    not_after: String,
    days_left: i64,
    state: &'static str,
    revoked_at: Option<String>,
    revoked_because: Option<crate::pki::Reason>,
}

/// What an authority has issued.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CertificateList")]
pub(in crate::cli) struct CertificateList<'a> {
    certifies: AuthorityKind,
    revocation_list_due: Option<String>,
    warnings: &'a [String],
    certificates: &'a [Row<'a>],
}

pub(super) fn run(folder: &Path, warn_days: u32, json: bool) -> Result<Outcome, CliError> {
    let authority = Authority::open(folder)?;
    let register = authority.register()?;
    let now = Timestamp::now();
    let due = authority.list_is_due()?;
    let issued = register.issued();
    let rows: Vec<_> = issued
        .iter()
        .map(|it| row(&register, it, now, warn_days))
        .collect();
    let expiring = rows.iter().filter(|row| row.state == "expiring");
    let mut warnings: Vec<_> = expiring
        .map(|row| {
            format!(
                "{} of {} ends in {} days: dcnet pki renew {} {}",
                row.kind,
                row.name,
                row.days_left,
                folder.display(),
                row.name
            )
        })
        .collect();
    if let Some(due) = due.filter(|due| days(*due, now) < LIST_DAYS) {
        let folder = folder.display();
        warnings.push(format!(
            "the next revocation list is due at {due}: dcnet pki crl {folder}"
        ));
    }
    if json {
        output::json(&CertificateList {
            certifies: register.certifies(),
            revocation_list_due: due.map(|due| due.to_string()),
            warnings: &warnings,
            certificates: &rows,
        })?;
    } else {
        print(&rows, due)?;
        for warning in &warnings {
            output::text(&format!("warning: {warning}"))?;
        }
    }
    Ok(if warnings.is_empty() {
        Outcome::Done
    } else {
        Outcome::Problems
    })
}

fn row<'a>(register: &'a Register, issued: &'a Issued, now: Timestamp, warn: u32) -> Row<'a> {
    let revoked = register.revocation(&issued.serial);
    let days_left = days(issued.not_after, now);
    let state = if revoked.is_some() {
        "revoked"
    } else if issued.not_after <= now {
        "expired"
    } else if register.is_superseded(issued, now) {
        "superseded"
    } else if days_left < i64::from(warn) {
        "expiring"
    } else {
        "good"
    };
    Row {
        name: &issued.name,
        kind: &issued.kind,
        nets: issued.nets.iter().map(String::as_str).collect(),
        serial: &issued.serial,
        authority: issued.authority,
        not_before: issued.not_before.to_string(),
        not_after: issued.not_after.to_string(),
        days_left,
        state,
        revoked_at: revoked.map(|revoked| revoked.at.to_string()),
        revoked_because: revoked.map(|revoked| revoked.reason),
    }
}

/// Whole days from `now` to `end`; none, if it is over.
fn days(end: Timestamp, now: Timestamp) -> i64 {
    (end.as_second() - now.as_second()).max(0) / (24 * 3600)
}

fn print(rows: &[Row<'_>], due: Option<Timestamp>) -> Result<(), CliError> {
    let head = [
        "name",
        "kind",
        "serial",
        "by",
        "not before",
        "not after",
        "days",
        "state",
    ];
    let day = |text: &str| text.chars().take(10).collect::<String>();
    output::table(
        head,
        rows.iter().map(|row| {
            let kind = if row.nets.is_empty() {
                row.kind.to_owned()
            } else {
                format!("{} of {}", row.kind, row.nets.join(", "))
            };
            let because = row.revoked_because.and_then(|reason| {
                let value = clap::ValueEnum::to_possible_value(&reason)?;
                Some(format!(
                    "revoked {}: {}",
                    day(row.revoked_at.as_deref()?),
                    value.get_name()
                ))
            });
            [
                row.name.to_owned(),
                kind,
                row.serial.to_owned(),
                row.authority.to_string(),
                day(&row.not_before),
                day(&row.not_after),
                row.days_left.to_string(),
                because.unwrap_or_else(|| row.state.to_owned()),
            ]
        }),
    )?;
    match due {
        Some(due) => output::text(&format!("next revocation list due  {due}")),
        None => output::text("no revocation list yet"),
    }
}
