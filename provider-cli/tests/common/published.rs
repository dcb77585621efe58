//! The published JSON Schema of what `dcnet` prints.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "shared by several test binaries"
)]

use std::path::Path;

use boon::{Compiler, Schemas};
use serde_json::Value;

pub const FILE: &str = "schema/output.schema.json";

pub fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    std::fs::read_to_string(path).unwrap()
}

/// What does not fit about `value` as an answer of `command`, which is named with hyphens.
pub fn fault(command: &str, value: &Value) -> Option<String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    let schema = serde_json::from_str(&text()).unwrap();
    compiler.add_resource("output.json", schema).unwrap();
    let place = format!("output.json#/$defs/{command}");
    let index = compiler.compile(&place, &mut schemas).unwrap();
    let fault = schemas.validate(value, index).err();
    fault.map(|error| error.to_string())
}
