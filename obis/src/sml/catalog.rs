//! The catalogue of deviations: which meters mean something else than they say, as data.

use core::ops::RangeInclusive;
use std::sync::LazyLock;

use super::quirk::Rule;
use crate::{Maker, ObisCode, ParseObisError, Telegram};

/// The most rules of a catalogue; a decoder looks at each of them for each telegram.
pub const MAX_RULES: usize = 1000;

static BUILT_IN: LazyLock<Catalog> = LazyLock::new(|| {
    // A test reads the file. Without it, telegrams would be read as they stand.
    Catalog::parse(include_str!("../../catalog/sml-quirks.tsv")).unwrap_or_default()
});

/// Rules for meters that mean something else than they say.
///
/// The file `catalog/sml-quirks.tsv` of this crate is the built-in one, and describes the form in
/// its first lines. An owner whose meter needs a rule that is not there hands in more:
///
/// ```
/// use dcnet_obis::sml::{Catalog, Decoder};
///
/// let own = "XYZ\t12345678\t-\tsign-in-status\t\
///            code=16.7.0 register=1.8.0 bit=11\tmy meter, seen on the roof at noon\n";
/// let catalog = Catalog::built_in().extended(own)?;
/// let decoder = Decoder::with_catalog(&catalog);
/// # Ok::<(), dcnet_obis::sml::CatalogError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    quirks: Vec<Quirk>,
}

/// A deviation of certain meters.
#[derive(Debug, Clone)]
struct Quirk {
    /// None means all.
    maker: Option<Maker>,
    /// The serial numbers concerned; none means all.
    serials: Vec<RangeInclusive<u64>>,
    rule: Rule,
}

impl Catalog {
    /// The rules that come with this crate: what the makers confirmed or many owners found.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads a catalogue that has these rules only.
    ///
    /// # Errors
    ///
    /// Which line is wrong, and why.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        Self::default().extended(text)
    }

    /// The rules of this catalogue and, to be followed after them, those of the text.
    ///
    /// # Errors
    ///
    /// Which line of the text is wrong, and why.
    pub fn extended(&self, text: &str) -> Result<Self, CatalogError> {
        let mut quirks = self.quirks.clone();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let place = |problem| CatalogError {
                line: index + 1,
                problem,
            };
            quirks.push(parse_line(line).map_err(place)?);
            if quirks.len() > MAX_RULES {
                return Err(place(CatalogProblem::TooMany { limit: MAX_RULES }));
            }
        }
        Ok(Self { quirks })
    }

    /// How many rules there are.
    pub const fn rules(&self) -> usize {
        self.quirks.len()
    }

    /// Another serial number of this maker that the same rules concern; 0 if there is none.
    pub(super) fn serial_like(&self, maker: Maker, serial: u64) -> u64 {
        let ranges = || {
            let of_maker = |quirk: &&Quirk| quirk.maker.is_none_or(|letters| letters == maker);
            self.quirks
                .iter()
                .filter(of_maker)
                .flat_map(|quirk| &quirk.serials)
        };
        let alike = |candidate: &u64| {
            *candidate != serial
                && ranges().all(|range| range.contains(candidate) == range.contains(&serial))
        };
        let borders = ranges().flat_map(|range| {
            let (first, behind) = (*range.start(), range.end().saturating_add(1));
            [
                first,
                first.saturating_add(1),
                behind,
                behind.saturating_add(1),
            ]
        });
        [0, 1].into_iter().chain(borders).find(alike).unwrap_or(0)
    }

    /// The rules for the meter that sent this, in their order.
    pub(super) fn concerning(&self, telegram: &Telegram) -> impl Iterator<Item = Rule> + use<'_> {
        let maker = telegram.maker_letters();
        let serial = telegram.device().map(|device| device.serial);
        self.quirks.iter().filter_map(move |quirk| {
            let concerned = quirk.maker.is_none_or(|letters| maker == Some(letters))
                && (quirk.serials.is_empty()
                    || serial.is_some_and(|serial| {
                        quirk.serials.iter().any(|range| range.contains(&serial))
                    }));
            concerned.then_some(quirk.rule)
        })
    }
}

fn parse_line(line: &str) -> Result<Quirk, CatalogProblem> {
    let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
    let &[maker, serials, _models, rule, parameters, source] = columns.as_slice() else {
        return Err(CatalogProblem::Columns { got: columns.len() });
    };
    if source.is_empty() {
        return Err(CatalogProblem::NoSource);
    }
    Ok(Quirk {
        maker: parse_maker(maker)?,
        serials: parse_serials(serials)?,
        rule: parse_rule(rule, parameters)?,
    })
}

fn parse_maker(text: &str) -> Result<Option<Maker>, CatalogProblem> {
    if text == "*" {
        return Ok(None);
    }
    let letters = text.as_bytes().try_into().ok();
    letters
        .and_then(Maker::from_letters)
        .map(Some)
        .ok_or(CatalogProblem::Maker)
}

fn parse_serials(text: &str) -> Result<Vec<RangeInclusive<u64>>, CatalogProblem> {
    if text == "*" {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(first..=last)
        })
        .collect::<Option<_>>()
        .ok_or(CatalogProblem::Serials)
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn parse_rule(rule: &str, parameters: &str) -> Result<Rule, CatalogProblem> {
    let names: &'static [&'static str] = match rule {
        "unsigned-if-short" => &["code"],
        "sign-in-status" => &["code", "register", "bit"],
        "no-value-time" => &[],
        other => {
            return Err(CatalogProblem::Rule {
                got: other.to_owned(),
            });
        }
    };
    // Each name once, none beside them.
    let given: Vec<&str> = parameters
        .split_whitespace()
        .filter(|word| *word != "-")
        .collect();
    if given.len() != names.len() {
        return Err(CatalogProblem::Parameters { names });
    }
    let value = |name: &'static str| {
        given
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
            .ok_or(CatalogProblem::Parameters { names })
    };
    let code = |name| -> Result<ObisCode, CatalogProblem> {
        let text = value(name)?;
        text.parse()
            .map_err(|error| CatalogProblem::Code { name, error })
    };
    Ok(match rule {
        "unsigned-if-short" => Rule::TaggedSigned {
            obis: code("code")?,
        },
        "sign-in-status" => Rule::SignInStatus {
            obis: code("code")?,
            register: code("register")?,
            bit: number(value("bit")?)
                .and_then(|bit| u32::try_from(bit).ok())
                .and_then(|bit| 1_u64.checked_shl(bit))
                .ok_or(CatalogProblem::Bit)?,
        },
        _ => Rule::NoValueTime,
    })
}

/// Why a text is no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the catalogue of meters: {problem}")]
pub struct CatalogError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: CatalogProblem,
}

/// What is wrong with a line of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogProblem {
    /// Not six columns.
    #[error(
        "there are {got} columns instead of maker, serials, models, rule, parameters and source, \
         which tabs separate"
    )]
    Columns {
        /// The number of columns.
        got: usize,
    },
    /// The source is empty.
    #[error("the last column does not say where the rule is from")]
    NoSource,
    /// The maker is neither three capital letters nor `*`.
    #[error("the maker has three capital letters, or is * for all")]
    Maker,
    /// The serial numbers are neither numbers and ranges nor `*`.
    #[error("the serials are numbers and ranges such as 42000000-48999999,55000001, or * for all")]
    Serials,
    /// No rule has this name.
    #[error("`{got}` is no rule; known are unsigned-if-short, sign-in-status and no-value-time")]
    Rule {
        /// The text in its place.
        got: String,
    },
    /// The rule has other parameters.
    #[error(
        "the parameters of this rule are name=value for each of {names:?}, and - if there are none"
    )]
    Parameters {
        /// The names of those that it has.
        names: &'static [&'static str],
    },
    /// A parameter is no OBIS code.
    #[error("the parameter {name}: {error}")]
    Code {
        /// The parameter.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        error: ParseObisError,
    },
    /// The number of a bit is not from 0 to 63.
    #[error("the parameter bit is a number from 0 to 63")]
    Bit,
    /// More rules than a decoder would look at.
    #[error("there are more than {limit} rules")]
    TooMany {
        /// The most rules.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_built_in_catalogue_can_be_read() {
        let text = include_str!("../../catalog/sml-quirks.tsv");
        let read = Catalog::parse(text).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(read.rules(), lines);
        assert!(lines >= 3);
        assert_eq!(Catalog::built_in().rules(), lines);
    }

    #[test]
    fn says_which_line_is_wrong_and_why() {
        use CatalogProblem as P;
        let own = |maker: &str, serials: &str, rule: &str, parameters: &str| {
            format!("# own\n\n{maker}\t{serials}\t-\t{rule}\t{parameters}\tmine\n")
        };
        let sign = "sign-in-status";
        let names: &[&str] = &["code", "register", "bit"];
        let good = "code=16.7.0 register=1.8.0 bit=11";
        for (text, problem) in [
            (own("HLY", "1-2, 5", sign, good), None),
            (own("*", "*", sign, good), None),
            (own("*", "*", "no-value-time", ""), None),
            (own("hly", "*", sign, good), Some(P::Maker)),
            (own("HLYX", "*", sign, good), Some(P::Maker)),
            (own("HLY", "", sign, good), Some(P::Serials)),
            (own("HLY", "2-1", sign, good), Some(P::Serials)),
            (own("HLY", "1-2-3", sign, good), Some(P::Serials)),
            (own("HLY", "+1", sign, good), Some(P::Serials)),
            (
                own("HLY", "*", "sign", good),
                Some(P::Rule {
                    got: "sign".to_owned(),
                }),
            ),
            (
                own("HLY", "*", sign, "code=16.7.0 bit=11"),
                Some(P::Parameters { names }),
            ),
            (
                own("HLY", "*", sign, &format!("{good} x=1")),
                Some(P::Parameters { names }),
            ),
            (
                own("HLY", "*", sign, "code=16.7.0 register=1.8.0 x=11"),
                Some(P::Parameters { names }),
            ),
            (
                own("HLY", "*", "no-value-time", "code=16.7.0"),
                Some(P::Parameters { names: &[] }),
            ),
            (
                own("HLY", "*", "unsigned-if-short", "code=16"),
                Some(P::Code {
                    name: "code",
                    error: ParseObisError::TooFewGroups,
                }),
            ),
            (
                own("HLY", "*", sign, "code=16.7.0 register=1.8.0 bit=64"),
                Some(P::Bit),
            ),
            ("# own\n\nHLY\t*".to_owned(), Some(P::Columns { got: 2 })),
            (
                "# own\n\nHLY\t*\t-\tno-value-time\t-\t ".to_owned(),
                Some(P::NoSource),
            ),
        ] {
            let got = Catalog::parse(&text).err();
            assert_eq!(
                got,
                problem.map(|problem| CatalogError { line: 3, problem }),
                "{text}"
            );
        }
        let many = "*\t*\t-\tno-value-time\t-\tmine\n".repeat(MAX_RULES + 1);
        let problem = P::TooMany { limit: MAX_RULES };
        let error = CatalogError {
            line: MAX_RULES + 1,
            problem,
        };
        assert_eq!(Catalog::parse(&many).err(), Some(error));
    }

    proptest! {
        #[test]
        fn no_text_panics(
            any in ".{0,80}",
            maker in "[A-Z*]{0,4}",
            serials in "[0-9,*-]{0,24}",
            rule in "unsigned-if-short|sign-in-status|no-value-time",
            parameters in "(code=[0-9.:*-]{0,8} ?|register=[0-9.]{0,8} ?|bit=[0-9]{0,3} ?|-){0,4}",
        ) {
            let _ = Catalog::parse(&any);
            let _ = Catalog::parse(&format!("{maker}\t{serials}\t-\t{rule}\t{parameters}\tmine"));
        }
    }
}
