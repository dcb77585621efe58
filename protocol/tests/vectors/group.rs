//! Reading vector files.

use std::path::PathBuf;

use serde_json::Value;

pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) accepted: bool,
    content: Value,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/spec/vectors")
}

pub(crate) fn load(group: &str) -> Vec<Vector> {
    let text = std::fs::read_to_string(folder().join(format!("{group}.json"))).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["group"], group);
    let vectors: Vec<Vector> = document["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(Vector::new)
        .collect();
    assert!(!vectors.is_empty(), "{group} holds no vectors");
    vectors
}

impl Vector {
    fn new(content: &Value) -> Self {
        let accepted = match content["expected"].as_str().unwrap() {
            "accepted" => true,
            "refused" => false,
            other => panic!("unknown expectation {other}"),
        };
        let name = content["name"].as_str().unwrap().to_owned();
        Self {
            name,
            accepted,
            content: content.clone(),
        }
    }

    pub(crate) fn get(&self, field: &str) -> &Value {
        let value = &self.content[field];
        assert!(!value.is_null(), "vector {}: no field {field}", self.name);
        value
    }

    /// All its fields.
    pub(crate) fn whole(&self) -> &Value {
        &self.content
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        !self.content[field].is_null()
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        bytes(self.get(field))
    }

    pub(crate) fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    pub(crate) fn number(&self, field: &str) -> u64 {
        number(self.get(field))
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.get(field).as_str().unwrap()
    }

    /// Compares whether something was accepted with what the vector expects.
    pub(crate) fn outcome<T, E: std::fmt::Debug>(&self, result: Result<T, E>) -> Option<T> {
        match (result, self.accepted) {
            (Ok(value), true) => Some(value),
            (Err(_), false) => None,
            (Ok(_), false) => panic!("{:?} was accepted: {}", self.name, self.text("why")),
            (Err(error), true) => panic!("{:?} was refused: {error:?}", self.name),
        }
    }
}

/// A 64-bit integer, which JSON carries as text, or a smaller one.
pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

pub(crate) fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    assert_eq!(text.len() % 2, 0);
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> Value {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes
        .iter()
        .flat_map(digits)
        .map(Option::unwrap)
        .collect::<String>()
        .into()
}
