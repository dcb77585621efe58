//! YAML with bounds and places: the file is bounded before the parser sees it, and every error names
//! file, line, column and key.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess,
};
use serde::de::{IgnoredAny, Visitor};

use crate::error::{Place, Position, ProfileError};

/// Largest profile in bytes. The samples have about 3,000; the parser's time grows with the square.
pub(crate) const MAX_SIZE: u64 = 32 * 1024;

/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 16;

/// Reads the file at `path` if it is no larger than [`MAX_SIZE`].
pub(crate) fn read(path: &Path) -> Result<String, ProfileError> {
    let unreadable = |source| ProfileError::Unreadable {
        file: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size <= MAX_SIZE) {
        String::from_utf8(bytes).map_err(|error| ProfileError::Syntax {
            place: Place {
                file: path.to_owned(),
                position: None,
            },
            problem: format!(
                "is not UTF-8 text (byte {})",
                error.utf8_error().valid_up_to() + 1
            ),
        })
    } else {
        Err(ProfileError::TooLarge {
            file: path.to_owned(),
            limit: MAX_SIZE,
        })
    }
}

/// Reads one document of the type `T`.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, origin: &Path) -> Result<T, ProfileError> {
    if !u64::try_from(text.len()).is_ok_and(|size| size <= MAX_SIZE) {
        return Err(ProfileError::TooLarge {
            file: origin.to_owned(),
            limit: MAX_SIZE,
        });
    }
    bound_depth(text, origin)?;
    serde_yaml::from_str(text).map_err(|error| {
        let position = error.location().map(|location| Position {
            line: location.line(),
            column: location.column(),
        });
        let mut problem = error.to_string();
        if let Some(Position { line, column }) = position {
            problem = problem.replacen(&format!(" at line {line} column {column}"), "", 1);
        }
        ProfileError::Syntax {
            place: Place {
                file: origin.to_owned(),
                position,
            },
            problem,
        }
    })
}

fn bound_depth(text: &str, origin: &Path) -> Result<(), ProfileError> {
    let mut depth = 0_usize;
    for (number, line) in text.lines().enumerate() {
        for (column, character) in line.chars().enumerate() {
            match character {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                '#' if depth == 0 => break, // the rest is a comment
                _ => {}
            }
            if depth > MAX_DEPTH {
                let position = Some(Position {
                    line: number + 1,
                    column: column + 1,
                });
                let place = Place {
                    file: origin.to_owned(),
                    position,
                };
                return Err(ProfileError::TooDeep {
                    place,
                    limit: MAX_DEPTH,
                });
            }
        }
    }
    Ok(())
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a mapping.
    Key(&'static str),
    /// Into a sequence, from 0.
    Item(usize),
}

/// `evaluation.slots[1].obis`
pub(crate) fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Item(item) => text = format!("{text}[{item}]"),
        }
    }
    text
}

/// Where the value at `path` begins: the parser walks there once more and stops with an error, whose
/// place is the place sought.
pub(crate) fn locate(text: &str, path: &[Step]) -> Option<Position> {
    let probe = Probe(path);
    let error = probe
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()?;
    error.location().map(|location| Position {
        line: location.line(),
        column: location.column(),
    })
}

#[derive(Clone, Copy)]
struct Probe<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of the profile") // every scalar ends here: at its place
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                map.next_value_seed(Probe(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Some((Step::Item(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..*wanted {
            sequence.next_element::<IgnoredAny>()?;
        }
        sequence.next_element_seed(Probe(rest))?;
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "a: 1\nb:\n  c:\n    - d: x\n      e: [1, 2]\n    - d: y\n";

    fn place(path: &[Step]) -> Option<(usize, usize)> {
        locate(SAMPLE, path).map(|position| (position.line, position.column))
    }

    #[test]
    fn parts_are_found() {
        use Step::{Item, Key};
        assert_eq!(place(&[Key("a")]), Some((1, 4)));
        assert_eq!(
            place(&[Key("b"), Key("c"), Item(1), Key("d")]),
            Some((6, 10))
        );
        assert_eq!(place(&[Key("b"), Key("c"), Item(1)]), Some((6, 7)));
        assert_eq!(
            place(&[Key("b"), Key("c"), Item(0), Key("e"), Item(1)]),
            Some((5, 14))
        );
        assert_eq!(place(&[Key("b"), Key("z")]), None);
    }

    #[test]
    fn paths_are_written_like_the_parser_writes_them() {
        let path = [
            Step::Key("b"),
            Step::Key("c"),
            Step::Item(1),
            Step::Key("d"),
        ];
        assert_eq!(path_text(&path), "b.c[1].d");
    }

    #[test]
    fn size_and_depth_are_bounded_before_parsing() {
        let deep = "[".repeat(20_000);
        let started = std::time::Instant::now();
        let error = parse::<IgnoredAny>(&deep, Path::new("x.yaml"));
        assert!(
            matches!(error, Err(ProfileError::TooDeep { limit: 16, .. })),
            "{error:?}"
        );
        let large = "#".repeat(40_000);
        let error = parse::<IgnoredAny>(&large, Path::new("x.yaml"));
        assert!(
            matches!(error, Err(ProfileError::TooLarge { limit: 32_768, .. })),
            "{error:?}"
        );
        assert!(started.elapsed().as_secs() < 2, "bounds must cost no time");
    }
}
