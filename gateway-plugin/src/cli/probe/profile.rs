//! A profile to begin with.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use dcnet_obis::{Entry, Language, ScaledInteger, Telegram, Unit, Value};
use dcnet_profiles::meter::{DeviceId, EnergyUnit, Medium, Parity};
use dcnet_profiles::profile::MAX_METERS;

use super::modbus::Asked;
use super::{Found, Meter, Probe, protocol};
use crate::config::{PLACEHOLDER_NET, PLACEHOLDER_PROVIDER};
use crate::recording::Kind;
use crate::source::device;

/// Writes a new file.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)?
        .write_all(text.as_bytes())
}

/// The profile for these meters, the slots of the first one.
pub(super) fn text(found: &[(&Path, Meter<'_>)], options: &Probe, language: Language) -> String {
    let mut text =
        "# Profile of a gateway, begun by `dcnet-gateway probe`. Complete what is marked \
         PLACEHOLDER.\n\n"
            .to_owned();
    let out = &mut text;
    // Writing to a string cannot fail.
    if let [(port, meter)] = found {
        let _ = writeln!(out, "meter:");
        one(out, "  ", "meter", port, *meter);
    } else {
        let _ = writeln!(out, "meters:");
        for (number, (port, meter)) in found.iter().take(MAX_METERS).enumerate() {
            let _ = writeln!(out, "  -");
            one(out, "    ", &format!("meter-{}", number + 1), port, *meter);
        }
    }
    let _ = writeln!(
        out,
        "\n# What is computed for a net. The slots have to be those of your net: ask its operator. \
         These are\n# what the meter was seen to show.\nevaluation:\n  taf: 7\n  slots:"
    );
    if let Some((_, meter)) = found.first() {
        slots(out, meter.telegram());
    }
    let (provider, marked) = match &options.provider {
        Some(provider) => (provider.as_str(), ""),
        None => (PLACEHOLDER_PROVIDER, " # PLACEHOLDER"),
    };
    let _ = writeln!(
        out,
        "\ncommunication:\n  provider: {}{marked}",
        quoted(provider)
    );
    let (net, marked) = match &options.net {
        Some(net) => (net.as_str(), ""),
        None => (PLACEHOLDER_NET, " # PLACEHOLDER"),
    };
    let _ = writeln!(out, "  net: {}{marked}", quoted(net));
    let key = |name: &str| quoted(&options.keys.join(name).to_string_lossy());
    let _ = writeln!(
        out,
        "  # Certificates and keys: PLACEHOLDER until these files are there. The provider's \
         operator gives out\n  # the first, the gateway administrator the others. Keys: chmod 600.\n  \
         provider_ca: {}\n  gateway_ca: {}\n  \
         tls: {{ certificate: {}, key: {} }}\n  \
         signature: {{ certificate: {}, key: {} }}\n\n\
         # The daemon's memory; it belongs to this gateway alone.\nstate: {}\n\n\
         # What the household sees. The page shows readings to every user of this machine; to ask for a\n\
         # password, or to see it from another machine: docs/page.md.\n\
         home:\n  language: {}\n  page: {{ listen: \"127.0.0.1:8480\" }}",
        key("provider-ca.pem"),
        key("gateway-ca.pem"),
        key("tls.pem"),
        key("tls.key"),
        key("sig.pem"),
        key("sig.key"),
        quoted(&options.state.to_string_lossy()),
        match language {
            Language::German => "de",
            Language::English => "en",
        }
    );
    text
}

/// The keys of a meter.
fn one(out: &mut String, indent: &str, name: &str, port: &Path, meter: Meter<'_>) {
    let stable = device::stable_name(port);
    let port = stable.as_deref().unwrap_or(port);
    let id = DeviceId::from(meter.telegram().server_id.as_slice());
    let mut line = |text: &str| {
        let _ = writeln!(out, "{indent}{text}"); // writing to a string cannot fail
    };
    line(&format!("name: {name}"));
    if (1..=32).contains(&id.as_bytes().len()) {
        line("# Without the `#`, telegrams of any other meter are refused.");
        line(&format!("# device: \"{id}\""));
    }
    match meter {
        Meter::Telegrams(found) => telegrams(&mut line, port, found),
        Meter::Modbus(asked, _) => modbus(&mut line, port, asked),
    }
}

/// A source that sends telegrams.
fn telegrams(line: &mut impl FnMut(&str), port: &Path, meter: &Found) {
    line(&format!("# {}", protocol(meter)));
    line("source:");
    match meter.kind {
        Kind::Sml => line("  sml:"),
        Kind::D0 => line("  d0:"),
    }
    device_of(line, "    ", port);
    if meter.kind == Kind::D0 {
        line(if meter.asked {
            "    mode: request"
        } else {
            "    mode: push"
        });
        if meter.options.energy_unit == Some(EnergyUnit::KilowattHour) {
            line("    energy_unit: kWh # the meter sends energy without a unit");
        }
        if meter.options.medium == Medium::Heat {
            line("    medium: heat");
        }
    }
    if !meter.asked {
        line(&format!("    baud: {}", meter.mode.baud));
    }
    if meter.asked {
        line("    every: 60 # seconds between two readouts");
    }
}

/// A unit that is asked.
fn modbus(line: &mut impl FnMut(&str), port: &Path, asked: &Asked) {
    line("source:");
    line("  modbus:");
    line("    serial:");
    device_of(line, "      ", port);
    line(&format!("      baud: {}", asked.line.baud));
    if asked.line.parity != Parity::None {
        line(&format!("      parity: {}", asked.line.parity.key()));
    }
    line(&format!("    unit: {}", asked.unit));
    let (best, others) = asked.names();
    let Some((first, equal)) = best.split_first() else {
        return;
    };
    if !equal.is_empty() {
        line("    # These fit equally; choose by the type printed on the meter:");
        line(&format!("    # {}", equal.join(", ")));
    }
    if !others.is_empty() {
        line("    # These fit as well, with neither voltage nor frequency to tell by:");
        line(&format!("    # {}", others.join(", ")));
    }
    line(&format!("    template: {first}"));
}

fn device_of(line: &mut impl FnMut(&str), indent: &str, port: &Path) {
    line(&format!(
        "{indent}device: {}",
        quoted(&port.to_string_lossy())
    ));
    if device::has_changing_name(port) {
        line(&format!(
            "{indent}# This name may be another device's after the next start."
        ));
    }
}

/// Import, export and power, as far as they were seen; otherwise the first register.
fn slots(out: &mut String, telegram: &Telegram) {
    let numbers = || {
        telegram
            .entries
            .iter()
            .filter_map(|entry| match (&entry.value, entry.unit) {
                (Value::Number(number), Some(unit)) => Some((entry, *number, unit)),
                _ => None,
            })
    };
    let mut slot = |(entry, number, unit): (&Entry, ScaledInteger, Unit)| {
        // Tenths are enough for sums, whole ones for power.
        let finest = if unit == Unit::WATT { 0 } else { -1 };
        let scale = number.exponent().clamp(finest, 0);
        let obis = entry.obis.short();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "    - {{ obis: {}, unit: {}, scale: {scale} }}",
            quoted(&obis),
            quoted(unit.symbol())
        );
    };
    let mut any = false;
    for wanted in [
        &["1.8.0", "1.8.1"][..],
        &["2.8.0", "2.8.1"],
        &["16.7.0", "1.7.0"],
    ] {
        let seen = wanted
            .iter()
            .find_map(|code| numbers().find(|(entry, ..)| entry.obis.short() == *code));
        if let Some(seen) = seen {
            slot(seen);
            any = true;
        }
    }
    if !any {
        match numbers().next() {
            Some(first) => slot(first),
            None => out.push_str("    - { obis: 1.8.0, unit: Wh, scale: -1 } # PLACEHOLDER\n"),
        }
    }
}

/// As YAML takes any text: JSON is a part of it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
