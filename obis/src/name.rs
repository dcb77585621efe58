//! Names of OBIS codes for people.

use crate::ObisCode;

/// A language of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// German.
    #[default]
    German,
    /// English.
    English,
}

impl ObisCode {
    /// A short name of what the code stands for; `None` for a code without one.
    ///
    /// The tariff of a register and a billing period that is not the current one are woven in. Names
    /// are for people: programs compare codes.
    ///
    /// ```
    /// use dcnet_obis::{Language, ObisCode};
    ///
    /// let code: ObisCode = "1.8.2".parse()?;
    /// assert_eq!(code.name(Language::German).unwrap(), "Bezug Tarif 2");
    /// assert_eq!(code.name(Language::English).unwrap(), "import, tariff 2");
    /// # Ok::<(), dcnet_obis::ParseObisError>(())
    /// ```
    pub fn name(self, language: Language) -> Option<String> {
        let name = match self.fixed() {
            Some(names) => pick(names, language).to_owned(),
            None => self.measured(language)?,
        };
        // F counts where it is a billing period: from 0 to 99, and only at values of the medium.
        let stored = self.a == 1 && matches!(self.c, 1..=89) && self.f <= 99;
        let period = words(language).period;
        Some(if stored {
            format!("{name}{period} {}", self.f)
        } else {
            name
        })
    }

    /// The name of a value of the medium, with its tariff.
    fn measured(self, language: Language) -> Option<String> {
        let quantity = self.quantity(language)?;
        let words = words(language);
        let (tariff, largest) = (words.tariff, words.largest);
        match (self.d, self.e) {
            (ENERGY, 0) | (POWER, _) => Some(quantity),
            (ENERGY, e) => Some(format!("{quantity}{tariff} {e}")),
            (LARGEST, 0) => Some(format!("{quantity}{largest}")),
            (LARGEST, e) => Some(format!("{quantity}{largest}{tariff} {e}")),
            _ => None,
        }
    }

    /// The names of a code that has one of its own.
    fn fixed(self) -> Option<[&'static str; 2]> {
        if self == Self::MAKER || self == Self::MAKER_OLD {
            return Some(["Hersteller", "maker"]);
        }
        // Makers differ in A of quantities without a medium: 0-0:96.1.0 and 1-0:96.1.0.
        FIXED
            .iter()
            .find(|(groups, _)| self.a <= 1 && *groups == [self.c, self.d, self.e])
            .map(|(_, names)| *names)
    }

    /// The measured quantity that value groups C and D name, with its phase.
    fn quantity(self, language: Language) -> Option<String> {
        if self.a != 1 || !matches!(self.c, 1..=80) {
            return None;
        }
        // Each phase repeats the quantities of the sum 20 groups later.
        let (phase, quantity) = ((self.c - 1) / 20, (self.c - 1) % 20 + 1);
        let (_, _, names) = QUANTITIES.iter().find(|(c, d, _)| {
            *c == quantity && (*d == self.d || (*d == POWER && self.d == LARGEST))
        })?;
        let name = pick(*names, language);
        Some(match phase {
            0 => name.to_owned(),
            phase => format!("{name} L{phase}"),
        })
    }
}

const ENERGY: u8 = 8;
const POWER: u8 = 7;
const LARGEST: u8 = 6;

fn pick([german, english]: [&'static str; 2], language: Language) -> &'static str {
    match language {
        Language::German => german,
        Language::English => english,
    }
}

/// Words that are woven in, each with what separates it from the name.
struct Words {
    tariff: &'static str,
    largest: &'static str,
    period: &'static str,
}

const fn words(language: Language) -> Words {
    match language {
        Language::German => Words {
            tariff: " Tarif",
            largest: " (Höchstwert)",
            period: ", Vorwert",
        },
        Language::English => Words {
            tariff: ", tariff",
            largest: " (largest)",
            period: ", billing period",
        },
    }
}

/// Groups C and D of a quantity as a sum over the phases, with its names in the order of
/// [`Language`].
const QUANTITIES: &[(u8, u8, [&str; 2])] = &[
    (1, ENERGY, ["Bezug", "import"]),
    (2, ENERGY, ["Einspeisung", "export"]),
    (3, ENERGY, ["Blindarbeit Bezug", "reactive import"]),
    (4, ENERGY, ["Blindarbeit Lieferung", "reactive export"]),
    (
        5,
        ENERGY,
        ["Blindarbeit Quadrant 1", "reactive energy, quadrant 1"],
    ),
    (
        6,
        ENERGY,
        ["Blindarbeit Quadrant 2", "reactive energy, quadrant 2"],
    ),
    (
        7,
        ENERGY,
        ["Blindarbeit Quadrant 3", "reactive energy, quadrant 3"],
    ),
    (
        8,
        ENERGY,
        ["Blindarbeit Quadrant 4", "reactive energy, quadrant 4"],
    ),
    (9, ENERGY, ["Scheinarbeit Bezug", "apparent import"]),
    (10, ENERGY, ["Scheinarbeit Lieferung", "apparent export"]),
    (
        15,
        ENERGY,
        ["Wirkarbeit ohne Richtung", "energy of both directions"],
    ),
    (16, ENERGY, ["Saldo", "net energy"]),
    (1, POWER, ["Leistung Bezug", "power imported"]),
    (2, POWER, ["Leistung Einspeisung", "power exported"]),
    (3, POWER, ["Blindleistung Bezug", "reactive power imported"]),
    (
        4,
        POWER,
        ["Blindleistung Lieferung", "reactive power exported"],
    ),
    (9, POWER, ["Scheinleistung", "apparent power"]),
    (11, POWER, ["Strom", "current"]),
    (12, POWER, ["Spannung", "voltage"]),
    (13, POWER, ["Leistungsfaktor", "power factor"]),
    (14, POWER, ["Frequenz", "frequency"]),
    (
        15,
        POWER,
        ["Leistung ohne Richtung", "power without direction"],
    ),
    (16, POWER, ["Leistung", "power"]),
];

/// Groups C, D and E of codes that have one name, in the order of [`Language`].
const FIXED: &[([u8; 3], [&str; 2])] = &[
    ([0, 0, 0], ["Eigentumsnummer", "property number"]),
    ([0, 0, 9], ["Geräte-ID", "device id"]),
    ([0, 2, 0], ["Firmware-Version", "firmware version"]),
    ([0, 9, 1], ["Uhrzeit", "time"]),
    ([0, 9, 2], ["Datum", "date"]),
    ([81, 7, 0], ["Winkel U-L1", "angle U-L1"]),
    ([81, 7, 1], ["Winkel U-L2 zu U-L1", "angle U-L2 to U-L1"]),
    ([81, 7, 2], ["Winkel U-L3 zu U-L1", "angle U-L3 to U-L1"]),
    ([81, 7, 4], ["Winkel I-L1 zu U-L1", "angle I-L1 to U-L1"]),
    ([81, 7, 5], ["Winkel I-L2 zu U-L1", "angle I-L2 to U-L1"]),
    ([81, 7, 6], ["Winkel I-L3 zu U-L1", "angle I-L3 to U-L1"]),
    ([81, 7, 15], ["Winkel I-L2 zu U-L2", "angle I-L2 to U-L2"]),
    ([81, 7, 26], ["Winkel I-L3 zu U-L3", "angle I-L3 to U-L3"]),
    ([91, 7, 0], ["Strom N", "current N"]),
    ([96, 1, 0], ["Seriennummer", "serial number"]),
    ([96, 1, 255], ["Seriennummer", "serial number"]),
    ([96, 5, 0], ["Status", "status"]),
    ([96, 5, 5], ["Status", "status"]),
    ([96, 8, 0], ["Betriebszeit", "time of operation"]),
    ([96, 14, 0], ["aktueller Tarif", "tariff in force"]),
    ([97, 97, 0], ["Fehlerregister", "error register"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(code: &str) -> Option<(String, String)> {
        let code: ObisCode = code.parse().unwrap();
        let german = code.name(Language::German);
        assert_eq!(german.is_some(), code.name(Language::English).is_some());
        Some((german?, code.name(Language::English)?))
    }

    #[test]
    fn knows_what_meters_send() {
        for (code, german, english) in [
            ("1.8.0", "Bezug", "import"),
            ("1.8.1", "Bezug Tarif 1", "import, tariff 1"),
            ("2.8.0", "Einspeisung", "export"),
            ("2.8.2", "Einspeisung Tarif 2", "export, tariff 2"),
            ("1.8.0*15", "Bezug, Vorwert 15", "import, billing period 15"),
            ("3.8.0", "Blindarbeit Bezug", "reactive import"),
            (
                "4.8.1",
                "Blindarbeit Lieferung Tarif 1",
                "reactive export, tariff 1",
            ),
            ("16.7.0", "Leistung", "power"),
            ("36.7.0", "Leistung L1", "power L1"),
            ("56.7.0", "Leistung L2", "power L2"),
            ("76.7.0", "Leistung L3", "power L3"),
            (
                "15.7.0",
                "Leistung ohne Richtung",
                "power without direction",
            ),
            ("1.7.0", "Leistung Bezug", "power imported"),
            ("21.7.0", "Leistung Bezug L1", "power imported L1"),
            (
                "1.6.1",
                "Leistung Bezug (Höchstwert) Tarif 1",
                "power imported (largest), tariff 1",
            ),
            ("31.7.0", "Strom L1", "current L1"),
            ("71.7.0", "Strom L3", "current L3"),
            ("32.7.0", "Spannung L1", "voltage L1"),
            ("52.7.0", "Spannung L2", "voltage L2"),
            ("14.7.0", "Frequenz", "frequency"),
            ("13.7.0", "Leistungsfaktor", "power factor"),
            ("33.7.0", "Leistungsfaktor L1", "power factor L1"),
            ("81.7.1", "Winkel U-L2 zu U-L1", "angle U-L2 to U-L1"),
            ("81.7.26", "Winkel I-L3 zu U-L3", "angle I-L3 to U-L3"),
            ("96.1.0", "Seriennummer", "serial number"),
            ("0-0:96.1.0", "Seriennummer", "serial number"),
            ("0-0:96.1.255", "Seriennummer", "serial number"),
            ("0.0.9", "Geräte-ID", "device id"),
            ("0.0.0", "Eigentumsnummer", "property number"),
            ("0.2.0", "Firmware-Version", "firmware version"),
            ("96.50.1*1", "Hersteller", "maker"),
            ("129-129:199.130.3", "Hersteller", "maker"),
            ("96.5.0", "Status", "status"),
            ("0-0:97.97.0", "Fehlerregister", "error register"),
        ] {
            let expected = Some((german.to_owned(), english.to_owned()));
            assert_eq!(names(code), expected, "{code}");
        }
    }

    #[test]
    fn has_no_name_for_what_it_does_not_know() {
        for code in [
            "129-129:199.130.5",
            "6-0:1.8.0",
            "0-1:24.2.1",
            "99.97.0",
            "81.7.3",
            "1.29.0",
            "96.50.2*4",
            "11.8.0",
            "12.8.1",
            "0-0:1.8.0",
        ] {
            assert_eq!(names(code), None, "{code}");
        }
    }

    #[test]
    fn no_code_panics() {
        for a in [0, 1, 129, 255] {
            for c in 0..=255 {
                for d in 0..=255 {
                    for (e, f) in [(0, 255), (255, 0), (1, 1)] {
                        let _ = ObisCode::new([a, 0, c, d, e, f]).name(Language::German);
                    }
                }
            }
        }
    }
}
