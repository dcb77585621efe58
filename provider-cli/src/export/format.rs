//! Formats of lines: each value is complete in itself, so that files of them can be continued.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Deserialize;

use super::Value;

/// A format whose files can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A line of names, then one line per value.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// InfluxDB line protocol.
    Influx,
}

/// Names of the columns, everywhere.
pub(crate) const COLUMNS: [&str; 13] = [
    "net",
    "region",
    "obis",
    "unit",
    "scale",
    "round",
    "start",
    "end",
    "value",
    "contributors",
    "members",
    "quality",
    "reason",
];

impl Format {
    /// Writes what stands at the beginning of a file.
    pub(crate) fn begin(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Csv => writeln!(out, "{}", COLUMNS.join(",")),
            Self::Jsonl | Self::Influx => Ok(()),
        }
    }

    /// Writes values, each with its end of line.
    pub(crate) fn write(self, values: &[Value], mut out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Csv => {
                let mut writer = csv::WriterBuilder::new()
                    .has_headers(false)
                    .from_writer(out);
                for value in values {
                    writer.serialize(value.line()).map_err(io_error)?;
                }
                writer.flush()
            }
            Self::Jsonl => {
                for value in values {
                    serde_json::to_writer(&mut out, &value.line())?;
                    writeln!(out)?;
                }
                Ok(())
            }
            Self::Influx => out.write_all(influx_lines(values).as_bytes()),
        }
    }
}

/// Keeps the kind, by which a closed pipe is told from a full disk.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Values in InfluxDB's line protocol, one line each.
///
/// The value is an integer that counts in `10^scale unit`, so that nothing is rounded; a failed round
/// has the other fields only. The time is the interval's start in nanoseconds, the field `end` its end.
pub(crate) fn influx_lines(values: &[Value]) -> String {
    let mut text = String::new();
    for value in values {
        text.push_str("dcnet");
        let scale = value.scale.to_string();
        let tags = [
            ("net", value.net.as_str()),
            ("obis", &value.obis),
            ("region", &value.region),
            ("scale", &scale),
            ("unit", &value.unit),
        ];
        // A tag without a value is no line protocol.
        for (name, tag) in tags.iter().filter(|(_, tag)| !tag.is_empty()) {
            let _ = write!(text, ",{name}={}", tag_text(tag));
        }
        let _ = write!(
            text,
            " contributors={}i,end={}i,members={}i,round={}i,quality=\"{}\"",
            value.contributors,
            value.end.as_nanosecond(),
            value.members,
            value.round,
            value.quality.as_str()
        );
        if let Some(sum) = value.sum {
            let _ = write!(text, ",value={sum}i");
        }
        if let Some(reason) = value.reason {
            let _ = write!(text, ",reason=\"{reason}\"");
        }
        let _ = writeln!(text, " {}", value.start.as_nanosecond());
    }
    text
}

/// A tag's value: commas, equal signs and spaces are escaped. A line break would end the line, and a
/// backslash at the end would escape what follows.
fn tag_text(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            ',' | '=' | ' ' => escaped.extend(['\\', character]),
            '\\' => escaped.push('/'),
            character if character.is_control() => escaped.push_str("\\ "),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Quality;

    fn value(sum: Option<i64>) -> Value {
        Value {
            net: "elbe-4".to_owned(),
            region: "Neu Stadt, \"A\"=1\\\nx".to_owned(),
            obis: "1-0:1.8.0*255".to_owned(),
            unit: "Wh".to_owned(),
            scale: -1,
            round: 2_000_000,
            start: "2027-01-15T08:00:00Z".parse().unwrap(),
            end: "2027-01-15T08:15:00Z".parse().unwrap(),
            sum,
            contributors: 3,
            members: 4,
            quality: sum.map_or(Quality::Failed, |_| Quality::Corrected),
            reason: sum.is_none().then_some("no outcome"),
        }
    }

    #[test]
    fn the_header_names_what_is_serialised() {
        let line = serde_json::to_string(&value(Some(5)).line()).unwrap();
        let mut from = 0;
        for column in COLUMNS {
            let at = line[from..].find(&format!("\"{column}\":")).unwrap();
            from += at;
        }
    }

    #[test]
    fn line_protocol_has_integers_only_and_nothing_leaves_its_place() {
        let text = influx_lines(&[value(Some(i64::MIN)), value(None)]);
        let lines: Vec<&str> = text.lines().collect();
        let head = "dcnet,net=elbe-4,obis=1-0:1.8.0*255,\
                    region=Neu\\ Stadt\\,\\ \"A\"\\=1/\\ x,scale=-1,unit=Wh ";
        assert_eq!(
            lines,
            [
                format!(
                    "{head}contributors=3i,end=1800000900000000000i,members=4i,round=2000000i,quality=\"corrected\",\
                     value=-9223372036854775808i 1800000000000000000"
                ),
                format!(
                    "{head}contributors=3i,end=1800000900000000000i,members=4i,round=2000000i,quality=\"failed\",\
                     reason=\"no outcome\" 1800000000000000000"
                )
            ]
        );
    }
}
