//! What makes a tariff the same tariff.

use std::fmt::{self, Write as _};

use super::TariffProfile;

impl TariffProfile {
    /// Everything that decides what its registers count, in a form that is kept with them: if it is
    /// another one later, the registers begin anew. The special days are not part of it: they are
    /// added year by year, and hold from then on. Nor are name and status words, or whom an export names.
    pub fn definition(&self) -> String {
        let mut text = String::new();
        let _ = self.define(&mut text); // writing to a string cannot fail
        text
    }

    fn define(&self, text: &mut String) -> fmt::Result {
        let meter = self.meter.as_deref().unwrap_or_default();
        writeln!(text, "taf {}", self.taf.number())?;
        writeln!(
            text,
            "register {} {} {}",
            self.obis,
            self.unit.symbol(),
            self.scale
        )?;
        // Names are quoted, so that none can look like two.
        writeln!(text, "meter {meter:?}")?;
        writeln!(text, "zone {}", self.zone.name())?;
        writeln!(text, "months {} from {}", self.months, self.first_month)?;
        for stage in &self.stages {
            writeln!(text, "stage {stage:?}")?;
        }
        for day in &self.days {
            writeln!(text, "day {:?}", day.name)?;
            for switch in &day.switches {
                writeln!(text, "at {} {:?}", switch.at, switch.stage)?;
            }
        }
        for season in &self.seasons {
            writeln!(text, "season {}", season.from)?;
            for day in &season.week {
                writeln!(text, "week {day:?}")?;
            }
        }
        Ok(())
    }
}
