//! A telegram as people and programs see it.

use std::fmt::Write as _;

use dcnet_obis::{Language, Telegram, Value};
use dcnet_profiles::advice::advice;
use dcnet_profiles::meter::DeviceId;
use serde::Serialize;

/// The meter that sent a telegram, in words.
pub(super) fn device(telegram: &Telegram) -> String {
    let id = DeviceId::from(telegram.server_id.as_slice());
    match telegram.device() {
        Some(device) => format!("meter {device} (device id {id})"),
        None if id.as_bytes().is_empty() => "meter that tells no device id".to_owned(),
        None if id.as_bytes().iter().all(u8::is_ascii_graphic) => {
            // D0 meters have texts for ids.
            let text = String::from_utf8_lossy(id.as_bytes());
            format!("meter {text} (device id {id})")
        }
        None => format!("meter with the device id {id}"),
    }
}

/// Appends a line for each value, each with its name.
pub(super) fn entries(text: &mut String, telegram: &Telegram, language: Language) {
    for entry in &telegram.entries {
        let unit = entry.unit.map(|unit| unit.to_string()).unwrap_or_default();
        let obis = entry.obis.short();
        let name = entry.obis.name(language).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = match &entry.value {
            Value::Number(number) => write!(
                text,
                "  {obis:<14} {:>18} {unit:<4}  {name}",
                number.to_string()
            ),
            other => write!(text, "  {obis:<14} {:<23}  {name}", other.to_string()),
        };
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

/// Appends what the owner can do.
pub(super) fn advise(text: &mut String, telegram: &Telegram) {
    if let Some(advice) = advice(telegram) {
        let _ = writeln!(text, "  advice: {advice}"); // writing to a string cannot fail
    }
}

/// A value for programs: a text, an exact decimal, never a float.
#[derive(Serialize)]
pub(super) struct Item {
    obis: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u64>,
    /// For people: programs compare codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// The values of a telegram.
pub(super) fn items(telegram: &Telegram, language: Language) -> Vec<Item> {
    let item = |entry: &dcnet_obis::Entry| Item {
        obis: entry.obis.to_string(),
        value: entry.value.to_string(),
        unit: entry.unit.map(|unit| unit.to_string()),
        status: entry.status,
        name: entry.obis.name(language),
    };
    telegram.entries.iter().map(item).collect()
}
