//! How Home Assistant is told of a meter's values (its MQTT discovery).

use dcnet_obis::{Language, ObisCode, ScaledInteger, Unit, Value};
use serde::Serialize;

/// A value that is published: the form in which home automation wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity {
    /// What Home Assistant calls it.
    class: &'static str,
    state_class: &'static str,
    unit: &'static str,
    /// Power of ten by which the meter's unit is divided.
    shift: i8,
}

impl Quantity {
    /// The quantity of an entry; `None` for what is no measurement.
    pub(super) fn of(obis: ObisCode, unit: Option<Unit>) -> Option<Self> {
        let quantity = |class, unit| Self {
            class,
            state_class: "measurement",
            unit,
            shift: 0,
        };
        Some(match unit? {
            Unit::WATT_HOUR if obis.is_energy_register() => Self {
                class: "energy",
                state_class: "total_increasing",
                unit: "kWh",
                shift: 3,
            },
            Unit::WATT => quantity("power", "W"),
            Unit::VOLT => quantity("voltage", "V"),
            Unit::AMPERE => quantity("current", "A"),
            Unit::HERTZ => quantity("frequency", "Hz"),
            _ => return None,
        })
    }

    /// The number as it is published: an exact decimal.
    pub(super) fn text(self, value: &Value) -> Option<String> {
        let Value::Number(number) = value else {
            return None;
        };
        let exponent = number.exponent().checked_sub(self.shift)?;
        Some(ScaledInteger::new(number.mantissa(), exponent).to_string())
    }
}

/// A device that is announced: one meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Device {
    identifiers: [String; 1],
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    sw_version: &'static str,
}

impl Device {
    pub(super) fn new(id: &str, name: &str, telegram: &dcnet_obis::Telegram) -> Self {
        Self {
            identifiers: [id.to_owned()],
            name: name.to_owned(),
            manufacturer: telegram.maker(),
            serial_number: telegram.device().map(|device| device.to_string()),
            sw_version: concat!("dcnet-gateway ", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// The announcement of one value: `PREFIX/sensor/DEVICE/OBJECT/config`.
#[derive(Debug, Serialize)]
pub(super) struct Announcement<'a> {
    name: String,
    unique_id: String,
    state_topic: &'a str,
    availability_topic: &'a str,
    device_class: &'static str,
    state_class: &'static str,
    unit_of_measurement: &'static str,
    device: &'a Device,
}

impl<'a> Announcement<'a> {
    pub(super) fn new(
        obis: ObisCode,
        quantity: Quantity,
        language: Language,
        device: &'a Device,
        state_topic: &'a str,
        availability_topic: &'a str,
    ) -> Self {
        let [id] = &device.identifiers;
        Self {
            name: obis.name(language).unwrap_or_else(|| obis.short()),
            unique_id: format!("{id}_{}", object(obis)),
            state_topic,
            availability_topic,
            device_class: quantity.class,
            state_class: quantity.state_class,
            unit_of_measurement: quantity.unit,
            device,
        }
    }
}

/// A code as an object id: letters, digits and underscores only.
pub(super) fn object(obis: ObisCode) -> String {
    identifier(&obis.short())
}

/// What home automation takes for an id.
pub(super) fn identifier(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_in_kilowatt_hours_to_the_last_digit() {
        let import = ObisCode::ACTIVE_ENERGY_IMPORT;
        let quantity = Quantity::of(import, Some(Unit::WATT_HOUR)).unwrap();
        let text = |mantissa, exponent| {
            quantity.text(&Value::Number(ScaledInteger::new(mantissa, exponent)))
        };
        assert_eq!(text(172_436_756, -1).unwrap(), "17243.6756");
        assert_eq!(text(7, 3).unwrap(), "7");
        assert_eq!(text(7, -128), None);
        assert_eq!(quantity.text(&Value::Bool(true)), None);
        assert_eq!(Quantity::of(import, None), None);
    }

    #[test]
    fn ids_are_plain() {
        assert_eq!(object(ObisCode::ACTIVE_POWER), "16_7_0");
        assert_eq!(identifier("Keller: Wärme"), "Keller__W_rme");
    }
}
