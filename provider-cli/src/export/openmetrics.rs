//! OpenMetrics text with times, for what Prometheus reads from files.
//!
//! prometheus-client writes the state of now and no times, and samples of the past need them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Value;
use crate::service::Quality;

/// One family of samples. The format wants all samples of a family in one piece, and those of one set
/// of labels in order of time: whoever writes reads the rounds once for each of these and each slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Sums; nothing for a round that failed.
    Sum,
    /// Readings in the sum.
    Contributors,
    /// Members of the net.
    Members,
    /// 1 for a round without a sum, otherwise 0.
    Failed,
    /// 1 for a round whose sum was corrected for members that were missing, otherwise 0.
    Corrected,
    /// End of the interval in seconds since 1970, exclusive.
    End,
}

impl Family {
    /// In the order in which they are written.
    pub(crate) const ALL: [Self; 6] = [
        Self::Sum,
        Self::Contributors,
        Self::Members,
        Self::Failed,
        Self::Corrected,
        Self::End,
    ];

    /// Writes what stands above a family.
    pub(crate) fn begin(self, out: &mut dyn Write) -> io::Result<()> {
        let (name, help) = self.names();
        writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}")
    }

    /// Whether a net has one set of samples for each of its slots, and not one for itself.
    pub(crate) const fn is_per_slot(self) -> bool {
        matches!(self, Self::Sum)
    }

    /// Writes the sample of a value. Its time is the start of the interval, in seconds.
    pub(crate) fn write(self, value: &Value, out: &mut dyn Write) -> io::Result<()> {
        let number = match self {
            Self::Sum => match value.decimal() {
                None => return Ok(()),
                Some(decimal) => decimal,
            },
            Self::Contributors => value.contributors.to_string(),
            Self::Members => value.members.to_string(),
            Self::Failed => u8::from(value.quality == Quality::Failed).to_string(),
            Self::Corrected => u8::from(value.quality == Quality::Corrected).to_string(),
            Self::End => value.end.as_second().to_string(),
        };
        let mut labels = BTreeMap::from([("net", &value.net), ("region", &value.region)]);
        if self.is_per_slot() {
            labels.extend([("obis", &value.obis), ("unit", &value.unit)]);
        }
        let labels: Vec<String> = labels
            .into_iter()
            .map(|(name, label)| format!("{name}=\"{}\"", escaped(label)))
            .collect();
        let (name, _) = self.names();
        let labels = labels.join(",");
        writeln!(
            out,
            "{name}{{{labels}}} {number} {}",
            value.start.as_second()
        )
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Sum => (
                "dcnet_round_value",
                "Sum over the net in the round that began then.",
            ),
            Self::Contributors => ("dcnet_round_contributors", "Readings in the sum."),
            Self::Members => ("dcnet_round_members", "Members of the net."),
            Self::Failed => ("dcnet_round_failed", "1 for a round without a sum."),
            Self::Corrected => (
                "dcnet_round_corrected",
                "1 for a round whose sum was corrected for missing members.",
            ),
            Self::End => (
                "dcnet_round_end",
                "End of the metered interval in seconds since 1970.",
            ),
        }
    }
}

/// Writes the last line.
pub(crate) fn end(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# EOF")
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
