//! Which Modbus units are at a port.

use std::fmt::Write as _;
use std::path::Path;

use dcnet_obis::Language;
use dcnet_profiles::meter::DataBits;
use dcnet_profiles::modbus::ModbusSerial;
use serde::Serialize;

use super::listen::Outcome;
use super::show;
use crate::source::device::LineMode;
use crate::source::modbus::Fault;
use crate::source::modbus::find::{self, Fit, LINES};

/// A unit that answers.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) line: ModbusSerial,
    pub(super) unit: u8,
    /// Templates that fit, the best first.
    pub(super) fits: Vec<Fit>,
}

/// Each unit from 1 to `last` that answers, all at the settings at which the first one does.
pub(super) async fn look(port: &Path, last: u8) -> Vec<Outcome> {
    for (baud, parity) in LINES {
        let line = ModbusSerial {
            device: port.to_owned(),
            baud,
            parity,
            stop_bits: 1,
        };
        let units = match find::units(&line, last).await {
            Ok(units) => units,
            Err(Fault::Port(error)) => return vec![Outcome::Unavailable(error)],
            Err(_) => continue,
        };
        let mut outcomes = Vec::new();
        for unit in units {
            let fits = match find::fits(&line, unit).await {
                Ok(fits) => fits,
                Err(Fault::Port(error)) => return vec![Outcome::Unavailable(error)],
                // Somebody else is on the line; the unit is there all the same.
                Err(_) => Vec::new(),
            };
            outcomes.push(Outcome::Modbus(Asked {
                line: line.clone(),
                unit,
                fits,
            }));
        }
        if !outcomes.is_empty() {
            return outcomes;
        }
    }
    Vec::new()
}

impl Asked {
    pub(super) const fn mode(&self) -> LineMode {
        LineMode::new(self.line.baud, DataBits::Eight, self.line.parity)
    }

    /// The templates that fit as well as the first one, and those that have less to tell by.
    pub(super) fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let certain = self.fits.first().is_some_and(|fit| fit.certain);
        let names = |best: bool| {
            let fits = self
                .fits
                .iter()
                .filter(|fit| (fit.certain == certain) == best);
            fits.map(|fit| fit.template.as_str()).collect()
        };
        (names(true), names(false))
    }

    /// What is the matter, if no template fits.
    pub(super) fn problem(&self) -> Option<String> {
        self.fits.is_empty().then(|| {
            format!(
                "Modbus unit {} answers ({}), but no template of the catalogue fits: docs/modbus.md \
                 says how to write one",
                self.unit,
                self.mode()
            )
        })
    }

    /// Appends what the unit tells, and by which template.
    pub(super) fn tell(&self, text: &mut String, language: Language) {
        let Some(first) = self.fits.first() else {
            return;
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "Modbus RTU, unit {} ({})", self.unit, self.mode());
        let _ = writeln!(text, "{}", show::device(&first.telegram));
        show::entries(text, &first.telegram, language);
        show::advise(text, &first.telegram);
        let (best, others) = self.names();
        let _ = match best.as_slice() {
            [one] => writeln!(text, "  template {one} fits"),
            several => writeln!(
                text,
                "  templates {} fit equally; the values are read by the first: choose by the type \
                 printed on the meter",
                several.join(", ")
            ),
        };
        if !first.certain {
            text.push_str(
                "  without a voltage or a frequency to tell by, this is not certain: compare with the \
                 meter's display\n",
            );
        }
        if !others.is_empty() {
            let _ = writeln!(
                text,
                "  so do {}, with neither voltage nor frequency to tell by: compare with the type \
                 printed on the meter",
                others.join(", ")
            );
        }
    }

    /// What programs are told beside the values.
    pub(super) fn row(&self) -> Row {
        let (best, others) = self.names();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Row {
            unit: self.unit,
            baud: self.line.baud,
            parity: self.line.parity.key(),
            templates: owned(&best),
            also: owned(&others),
            certain: self.fits.first().is_some_and(|fit| fit.certain),
        }
    }
}

/// A unit for programs.
#[derive(Serialize)]
pub(super) struct Row {
    unit: u8,
    baud: u32,
    parity: &'static str,
    /// Those that fit best.
    templates: Vec<String>,
    /// Those that fit with less to tell by.
    also: Vec<String>,
    /// Whether a voltage or a frequency bears the best out.
    certain: bool,
}
