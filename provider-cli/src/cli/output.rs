//! Tables and JSON on standard output.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::CliError;

/// Prints one JSON document, indented.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Prints lines.
pub(super) fn text(text: &str) -> Result<(), CliError> {
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints a table.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<(), CliError> {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(head);
    for row in rows {
        table.add_row(row);
    }
    text(&table.to_string())
}

/// Prints name and value pairs, aligned.
pub(super) fn pairs(pairs: &[(&str, String)]) -> Result<(), CliError> {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        text(format!("{name:width$}  {value}").trim_end())?;
    }
    Ok(())
}

/// Up to `most` names, and how many more there are.
pub(super) fn few(names: &[String], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let rest = names.len().saturating_sub(most);
    match (shown.is_empty(), rest) {
        (true, _) => "-".to_owned(),
        (false, 0) => shown.join(" "),
        (false, rest) => format!("{} and {rest} more", shown.join(" ")),
    }
}
