//! The JSON Schema of a profile, for editors and for checks before a file reaches its gateway.
//!
//! It is made out of the very types that read a profile, so it knows each key that they know.
//! What lies between several keys (a slot that stands twice, a meter that is not there) only the
//! reader finds. In one point the schema is stricter: text that looks like a number or like nothing
//! (`user: 1`) stands in quotes.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::Profile;

/// The schema as it is published (`profiles/schema/profile.schema.json`): JSON Schema 2020-12.
///
/// # Errors
///
/// None but want of memory: it is written into a string.
pub fn text() -> Result<String, serde_json::Error> {
    // A key that may be left out has no default to be written: not even `null`.
    let without_null = RecursiveTransform(|schema: &mut Schema| {
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
    });
    let generator = SchemaSettings::draft2020_12()
        .with_transform(without_null)
        .into_generator();
    let schema = generator.into_root_schema_for::<Profile>();
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// The schema of a type that is read by way of another one (`serde(from)`, `serde(try_from)`).
macro_rules! read_as {
    ($type:ty, $keys:ty) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$keys as schemars::JsonSchema>::schema_name()
            }
            fn schema_id() -> std::borrow::Cow<'static, str> {
                <$keys as schemars::JsonSchema>::schema_id()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$keys as schemars::JsonSchema>::json_schema(generator)
            }
        }
    };
}
pub(crate) use read_as;

/// A whole number from `MIN` to `MAX`, as [`crate::text::within`] reads it.
pub(crate) struct Within<const MIN: i64, const MAX: u64>;

impl<const MIN: i64, const MAX: u64> JsonSchema for Within<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Within{MIN}To{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// Text of a certain form.
macro_rules! text_form {
    ($($(#[$doc:meta])* $name:ident: $pattern:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

text_form! {
    /// Text with at least one character: a path.
    NotEmpty: "^.";
    /// What something is called elsewhere: one line.
    Label: r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]{0,62}[^\s\x00-\x1f\x7f-\x9f])?$";
    /// An OBIS code, long or short.
    Obis: r"^([0-9]{1,3}-[0-9]{1,3}:)?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}([*.][0-9]{1,3})?$";
    /// Symbol of a unit, never with a prefix.
    UnitSymbol: "^[^0-9 ]+$";
    /// Bytes as hexadecimal digits.
    Hex: "^[0-9A-Fa-f :]+$";
    /// Name of a net or witness.
    Name: "^[A-Za-z0-9][A-Za-z0-9._-]*$";
    /// Address of a provider.
    HttpsAddress: r"^https://[A-Za-z0-9.:\[\]-]+/?$";
    /// Address of a vzlogger.
    HttpAddress: r"^http://[A-Za-z0-9.:\[\]-]+/?$";
    /// Address and port of a socket.
    SocketAddress: r"^[0-9A-Fa-f.:\[\]]+:[0-9]{1,5}$";
    /// Address of a meter on a bus.
    BusAddress: "^[A-Za-z0-9 ]{0,32}$";
    /// A quarter of an hour.
    TimeOfDay: "^([01][0-9]|2[0-3]):(00|15|30|45)$";
    /// A day of every year.
    YearDay: "^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
    /// A day, or a day of every year.
    SpecialDate: "^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
}

/// Use cases for a net.
pub(crate) struct NetUseCase;

impl JsonSchema for NetUseCase {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "NetUseCase".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [7, 9, 10, 14] })
    }
}

/// Use cases for the bill.
pub(crate) struct BillingUseCase;

impl JsonSchema for BillingUseCase {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BillingUseCase".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [1, 2, 6] })
    }
}
