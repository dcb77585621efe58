//! A bounded XML reader: names without their prefixes, text, children.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Largest file in bytes: ten times a month of two registers with its log.
const MAX_SIZE: usize = 32 * 1024 * 1024;

/// Deepest nesting.
const MAX_DEPTH: usize = 16;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

/// Why a text is no file of the transparency software.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More than any such file has.
    #[error("has {got} bytes; at most {limit} are read")]
    TooLarge {
        /// Its size in bytes.
        got: usize,
        /// Largest size in bytes.
        limit: usize,
    },
    /// Elements nested deeper than in any such file.
    #[error("elements are nested more than {limit} deep at byte {position}")]
    TooDeep {
        /// Where.
        position: u64,
        /// Deepest allowed nesting.
        limit: usize,
    },
    /// No XML.
    #[error("is no XML at byte {position}: {problem}")]
    Syntax {
        /// Where.
        position: u64,
        /// What the parser says.
        problem: String,
    },
    /// An element is not there.
    #[error("{inside} has no {element}")]
    Missing {
        /// Where it should be.
        inside: String,
        /// Which.
        element: &'static str,
    },
    /// An element holds something else than it should.
    #[error("{element} is {got:?}, {expected} is needed")]
    Value {
        /// Which.
        element: String,
        /// What stands there.
        got: String,
        /// What should.
        expected: &'static str,
    },
}

/// The root of a document.
pub(super) fn parse(text: &str) -> Result<Element, ReadError> {
    if text.len() > MAX_SIZE {
        return Err(ReadError::TooLarge {
            got: text.len(),
            limit: MAX_SIZE,
        });
    }
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    // The lowest stands for the document.
    let mut open = vec![Element::default()];
    loop {
        let position = reader.buffer_position();
        let syntax = |problem: String| ReadError::Syntax { position, problem };
        let event = reader
            .read_event()
            .map_err(|error| syntax(error.to_string()))?;
        let more = match &event {
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => character.to_string(),
                Ok(None) => resolve_predefined_entity(name)
                    .ok_or_else(|| syntax("an entity of its own".to_owned()))?
                    .to_owned(),
                Err(error) => return Err(syntax(error.to_string())),
            },
            _ => String::new(),
        };
        if let Some(top) = open.last_mut() {
            top.text.push_str(&more);
        }
        match event {
            Event::Start(start) if open.len() <= MAX_DEPTH => {
                open.push(Element::named(start.local_name().into_inner()));
            }
            Event::Start(_) => {
                return Err(ReadError::TooDeep {
                    position,
                    limit: MAX_DEPTH,
                });
            }
            Event::Empty(start) => {
                if let Some(top) = open.last_mut() {
                    let element = Element::named(start.local_name().into_inner());
                    top.children.push(element);
                }
            }
            Event::End(_) => {
                // The parser has checked that it is the end of the innermost one.
                if let Some(element) = open.pop()
                    && let Some(top) = open.last_mut()
                {
                    top.children.push(element);
                }
            }
            Event::DocType(_) => return Err(syntax("a document type".to_owned())),
            Event::Eof if open.len() == 1 => {
                let document = open.pop().unwrap_or_default();
                let root = document.children.into_iter().next();
                return root.ok_or_else(|| syntax("there is no element".to_owned()));
            }
            Event::Eof => return Err(syntax("it ends within an element".to_owned())),
            _ => {}
        }
    }
}

impl Element {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(super) fn find(&self, name: &'static str) -> Option<&Self> {
        self.all(name).next()
    }

    pub(super) fn get(&self, name: &'static str) -> Result<&Self, ReadError> {
        self.find(name).ok_or_else(|| ReadError::Missing {
            inside: self.name.clone(),
            element: name,
        })
    }

    /// The text of a child, without the spaces around it.
    pub(super) fn text_of(&self, name: &'static str) -> Result<String, ReadError> {
        Ok(self.get(name)?.text.trim().to_owned())
    }

    /// A number in a child.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, ReadError> {
        let element = self.get(name)?;
        let number = element.text.trim().parse();
        number.map_err(|_| element.wrong("a number that fits"))
    }

    pub(super) fn wrong(&self, expected: &'static str) -> ReadError {
        ReadError::Value {
            element: self.name.clone(),
            got: self.text.trim().chars().take(64).collect(),
            expected,
        }
    }
}
