//! How numbers and states are written. A state has a sign of its own besides its colour.

use maud::{Markup, html};

use dcnet_protocol::provider::{RoundOutcome, RoundStatus};

use crate::service::overview::{Health, NetState, Quantity};

/// Thousandths of the quantity's unit: power in kW (kvar, kVA) to the watt, everything else to
/// thousandths.
pub(super) fn amount(quantity: &Quantity, thousandths: i64) -> String {
    let (number, unit) = shown(quantity, thousandths);
    format!("{}\u{a0}{unit}", decimal(number))
}

/// In thousandths of which unit it is shown.
pub(super) fn shown(quantity: &Quantity, thousandths: i64) -> (i64, String) {
    if is_power(quantity) {
        // Rounded half away from zero.
        let half = if thousandths < 0 { -500 } else { 500 };
        let number = thousandths.saturating_add(half) / 1000;
        (number, format!("k{}", quantity.unit))
    } else {
        (thousandths, quantity.unit.to_owned())
    }
}

/// Whether it is drawn in thousands of its unit.
pub(super) fn is_power(quantity: &Quantity) -> bool {
    matches!(quantity.unit, "W" | "var" | "VA")
}

/// Thousandths with three decimals.
fn decimal(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "\u{2212}" } else { "" };
    let number = thousandths.unsigned_abs();
    format!("{sign}{}.{:03}", number / 1000, number % 1000)
}

/// What a sum in a slot is as an amount; `None` if the round has none.
pub(super) fn sum(state: &NetState, outcome: &RoundOutcome, slot: usize) -> Option<String> {
    let quantity = state.quantity(slot);
    let word = outcome.sum.as_ref()?.words().get(slot)?;
    let value = quantity.of_round(word.to_signed().into())?;
    Some(amount(&quantity, value))
}

/// How a round ended.
pub(super) fn status(status: RoundStatus) -> Markup {
    let (class, sign) = match status {
        RoundStatus::Complete => ("good", "✓"),
        RoundStatus::Corrected => ("warn", "▲"),
        _ => ("bad", "✕"),
    };
    badge(class, sign, status.as_str())
}

/// How a net is.
pub(super) fn health(state: &NetState) -> Markup {
    let health = state.health();
    let text = match health {
        Health::Well => "well".to_owned(),
        Health::Waiting if state.latest.is_empty() => "no round yet".to_owned(),
        Health::Waiting => "no members".to_owned(),
        Health::Corrected => "corrected".to_owned(),
        Health::Small => "below minimum size".to_owned(),
        Health::Failed => "failed".to_owned(),
        Health::Late => format!("late by {}", count(state.late, "round", "rounds")),
    };
    let (class, sign) = match health {
        Health::Well => ("good", "✓"),
        Health::Waiting => ("plain", "…"),
        Health::Corrected => ("warn", "▲"),
        Health::Small => ("warn", "▽"),
        Health::Failed => ("bad", "✕"),
        Health::Late => ("bad", "◷"),
    };
    badge(class, sign, &text)
}

pub(super) fn badge(class: &str, sign: &str, text: &str) -> Markup {
    html! {
        span class=(format!("badge {class}")) { span aria-hidden="true" { (sign) } " " (text) }
    }
}

/// A number with its noun.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use dcnet_protocol::descriptor::SlotSpec;

    use super::*;

    #[test]
    fn power_is_in_kilowatts_to_the_watt() {
        let quantity = |unit| {
            let slot = SlotSpec {
                obis: [1, 0, 1, 8, 0, 255],
                unit,
                scale: 0,
            };
            Quantity::of(slot, 900)
        };
        let (energy, volts) = (quantity(30), quantity(35));
        assert_eq!(amount(&energy, 4_938_499), "4.938\u{a0}kW");
        assert_eq!(amount(&energy, 4_938_500), "4.939\u{a0}kW");
        assert_eq!(amount(&energy, -1_499), "\u{2212}0.001\u{a0}kW");
        assert_eq!(amount(&energy, 0), "0.000\u{a0}kW");
        assert_eq!(amount(&volts, 230_100), "230.100\u{a0}V");
    }
}
