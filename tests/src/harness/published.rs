//! What the provider publishes of a round.

use serde::Deserialize;

use super::{HarnessError, Slot};

/// A final round as `dcnet round list --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// Its number.
    pub round: u64,
    /// Number of the key graph in force.
    pub epoch: u64,
    /// `complete`, `corrected` or `failed`.
    pub status: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Number of active members.
    pub members: usize,
    /// One for each slot.
    pub sums: Option<Vec<Sum>>,
    /// Whose readings the sum holds.
    pub contributors: Vec<String>,
    /// Members that were there without a reading.
    pub silent: Vec<String>,
    /// Members that were not there.
    pub missing: Vec<String>,
}

/// The sum of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sum {
    /// OBIS code.
    pub obis: String,
    /// Its unit.
    pub unit: String,
    /// Exact decimal.
    pub value: String,
}

impl Published {
    /// Everybody was there.
    pub fn is_complete(&self) -> bool {
        self.status == "complete"
    }

    /// Somebody was missing, the others corrected for it.
    pub fn is_corrected(&self) -> bool {
        self.status == "corrected"
    }

    /// The sums in the slots' scales; none if the round failed.
    ///
    /// # Errors
    /// Not as many sums as slots, or of something else.
    pub fn words(&self, slots: &[Slot]) -> Result<Option<Vec<i64>>, HarnessError> {
        let Some(sums) = &self.sums else {
            return Ok(None);
        };
        let fits = sums.len() == slots.len()
            && sums
                .iter()
                .zip(slots)
                .all(|(sum, slot)| sum.obis.starts_with(slot.obis) && sum.unit == slot.unit);
        if !fits {
            return Err(HarnessError::Answer {
                what: "the list of sums",
                got: format!("{sums:?}"),
            });
        }
        sums.iter()
            .zip(slots)
            .map(|(sum, slot)| parse(&sum.value, slot.scale))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// An exact decimal in units of 10^`scale`.
fn parse(text: &str, scale: i8) -> Result<i64, HarnessError> {
    let fail = || HarnessError::Number {
        text: text.to_owned(),
        scale,
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let places = usize::from(scale.min(0).unsigned_abs());
    if decimals.len() > places || scale > 0 {
        return Err(fail());
    }
    format!("{whole}{decimals:0<places$}")
        .parse()
        .map_err(|_| fail())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(parse("1234.5", -1).unwrap(), 12345);
        assert_eq!(parse("-0.5", -1).unwrap(), -5);
        assert_eq!(parse("7", -1).unwrap(), 70);
        assert_eq!(parse("-1530", 0).unwrap(), -1530);
        assert!(parse("1.25", -1).is_err());
        assert!(parse("x", 0).is_err());
    }
}
