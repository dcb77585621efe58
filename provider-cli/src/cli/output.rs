//! Tables and JSON on standard output.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
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

/// Prints one JSON document in one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    // Whoever reads the lines as they come is not to wait for the next.
    out.flush()?;
    Ok(())
}

/// Prints a table; on a terminal one that fits it.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<(), CliError> {
    text(&drawn(head, rows, terminal().map(|size| size.columns)))
}

/// Columns and lines of a terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) lines: u16,
}

/// How large the terminal on standard output is; none if there is none, or it does not say.
pub(super) fn terminal() -> Option<Size> {
    let (width, height) = terminal_size::terminal_size_of(io::stdout())?;
    Some(Size {
        columns: width.0,
        lines: height.0,
    })
}

/// Whether somebody looks at standard output.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A table, with cells broken into lines where it would be wider than `columns`.
pub(super) fn drawn<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    columns: Option<u16>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(head);
    if let Some(columns) = columns {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns);
    }
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_the_terminal_and_loses_no_word() {
        let rows = [[
            "1984023".to_owned(),
            "gw-1 gw-2 gw-3 and 12 more".to_owned(),
        ]];
        let wide = drawn(["round", "missing"], rows.clone(), None);
        assert!(wide.contains("gw-1 gw-2 gw-3 and 12 more"), "{wide}");
        let narrow = drawn(["round", "missing"], rows, Some(30));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 30),
            "{narrow}"
        );
        for word in ["1984023", "gw-1", "gw-2", "gw-3", "and", "12", "more"] {
            assert!(narrow.contains(word), "{word}: {narrow}");
        }
    }
}
