//! Words for what the profile and the daemon name.

use dcnet_obis::ObisCode;
use dcnet_profiles::evaluation::{Method, Slot};

use super::speech::Speech;

/// A value in the page's language; its code if it has no name.
pub(super) fn value_name(l: Speech, obis: ObisCode) -> String {
    obis.name(l.0)
        .map_or_else(|| obis.short(), |name| capital(&name))
}

/// A slot: what is read, and how if that is not plain.
pub(super) fn slot_name(l: Speech, slot: &Slot) -> String {
    let name = value_name(l, slot.obis);
    match slot.method {
        Method::Advance | Method::Value => name,
        method => format!("{name} ({})", method_name(l, method)),
    }
}

/// How a reading comes from an entry.
pub(super) fn method_name(l: Speech, method: Method) -> &'static str {
    match method {
        Method::Advance => l.say("advance of the register", "Vorschub des Registers"),
        Method::Value => l.say("value at the end", "Wert am Ende"),
        Method::Minimum => l.say("minimum", "Minimum"),
        Method::Maximum => l.say("maximum", "Maximum"),
        Method::Mean => l.say("mean", "Mittelwert"),
        Method::Count => l.say("count", "Anzahl"),
        Method::FeedIn => l.say("feed-in", "Einspeisung"),
    }
}

/// How far the membership is, by its stable name.
pub(super) fn phase(l: Speech, name: &str) -> String {
    let text = match name {
        "registering" => l.say("registering in the net", "meldet sich im Netz an"),
        "joining" => l.say(
            "agreeing on keys with neighbours",
            "vereinbart Schlüssel mit Nachbarn",
        ),
        "entered" => l.say(
            "entered, waiting for its first round",
            "aufgenommen, wartet auf die erste Runde",
        ),
        "active" => l.say("active", "aktiv"),
        "barred" => l.say(
            "suspended by the operator of the net; takes part again by itself when the operator allows it",
            "vom Betreiber des Netzes ausgesetzt; nimmt von selbst wieder teil, wenn der Betreiber es zulässt",
        ),
        "net-closed" => l.say(
            "the operator has closed the net; nothing more is sent",
            "der Betreiber hat das Netz geschlossen; es wird nichts mehr gesendet",
        ),
        "leaving" => l.say("leaving the net", "verlässt das Netz"),
        "left" => l.say("has left the net", "hat das Netz verlassen"),
        "" => l.say("starting", "startet"),
        other => other,
    };
    text.to_owned()
}

/// With a capital letter in front.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
