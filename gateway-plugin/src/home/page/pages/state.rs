//! How the gateway is, and what the owner should know of it.

use std::collections::BTreeMap;

use dcnet_protocol::round::{Round, Schedule, UnixTime};
use maud::{Markup, html};

use super::ask::Ask;
use super::sent::round_time;
use super::speech::Speech;
use super::words;
use crate::daemon::status::{MeterStatus, Status};

/// What is wrong, the gravest first. Only what cannot wait is an alert.
pub(super) fn notices(l: Speech, status: &Status) -> Markup {
    let troubles = [
        (
            &status.clock_fault,
            l.say(
                "The clock is not believed; no round is entered",
                "Der Uhr wird nicht geglaubt; es wird keine Runde begonnen",
            ),
        ),
        (
            &status.provider_fault,
            l.say(
                "There is trouble with the provider",
                "Es gibt Schwierigkeiten mit dem Anbieter",
            ),
        ),
        (
            &status.last_round_fault,
            l.say(
                "The last round had no reading or was not sent",
                "Die letzte Runde hatte keinen Messwert oder wurde nicht gesendet",
            ),
        ),
    ];
    let silent = status.meters.iter().filter(|meter| is_silent(meter));
    let advised = status
        .meters
        .iter()
        .filter_map(|meter| Some((meter, meter.advice.as_ref()?)));
    html! {
        @if !status.evidence.is_empty() { (caught(l, status)) }
        @for (text, title) in troubles {
            @if let Some(text) = text {
                div.notice.warning { p.title { (title) } p lang="en" { (words::capital(text)) } }
            }
        }
        @for meter in silent {
            div.notice.warning {
                p.title { (l.say("Nothing is read of the meter", "Nichts zu lesen vom Zähler")) " " (meter.name) }
                @if let Some(source) = meter.sources.first() { p lang="en" { (words::capital(&source.state)) } }
            }
        }
        @for (meter, advice) in advised {
            div.notice.advice {
                p.title { (l.say("Advice for the meter", "Rat zum Zähler")) " " (meter.name) }
                p lang="en" { (words::capital(advice)) }
            }
        }
    }
}

fn is_silent(meter: &MeterStatus) -> bool {
    !meter.sources.is_empty() && meter.sources.iter().all(|source| source.fault)
}

fn caught(l: Speech, status: &Status) -> Markup {
    html! {
        div.notice.alarm role="alert" {
            p.title { (l.say("The provider was caught lying", "Der Anbieter wurde beim Lügen ertappt")) }
            p {
                (l.say(
                    "It signed statements that cannot all be true. Nothing of your readings is sent any \
                     more. The proof lies in these files; show them to whoever supervises the net:",
                    "Er hat Aussagen unterschrieben, die nicht alle wahr sein können. Von Ihren Messwerten \
                     wird nichts mehr gesendet. Der Beweis liegt in diesen Dateien; zeigen Sie sie der \
                     Stelle, die das Netz beaufsichtigt:",
                ))
            }
            ul { @for path in &status.evidence { li { code { (path.display()) } } } }
        }
    }
}

const PHASE: &str = "phase";
const MEMBERS: &str = "members";
const NEIGHBOURS: &str = "neighbours";
const ROUND: &str = "round";
const OUTCOME: &str = "outcome";

/// What of the state changes while somebody looks. `schedule`: that of the net, if it is known.
pub(super) fn texts(
    ask: &Ask,
    status: &Status,
    schedule: Option<&Schedule>,
) -> BTreeMap<String, String> {
    let l = ask.l;
    let none = || "—".to_owned();
    let count = |number: Option<u64>| number.map_or_else(none, |number| l.count(number));
    let outcome = match (status.last_round, status.last_round_acknowledged) {
        (None, _) => l.say("none since the start", "keine seit dem Start"),
        (Some(_), true) => l.say("the provider has it", "der Anbieter hat sie"),
        (Some(_), false) => l.say("not acknowledged yet", "noch nicht quittiert"),
    };
    let reading = match (status.last_round, status.last_round_had_reading) {
        (Some(_), false) => l.say(", without a reading", ", ohne Messwert"),
        _ => "",
    };
    let time = status
        .last_round
        .and_then(|round| round_time(ask, schedule?, Round::new(round)));
    let number = status.last_round.map_or_else(String::new, |round| {
        l.tell(format!("number {round}: "), format!("Nummer {round}: "))
    });
    [
        (PHASE, words::phase(l, &status.phase)),
        (MEMBERS, count(status.members)),
        (NEIGHBOURS, count(status.neighbours)),
        (ROUND, time.unwrap_or_else(none)),
        (OUTCOME, format!("{number}{outcome}{reading}")),
    ]
    .map(|(key, text)| (key.to_owned(), text))
    .into()
}

/// The state, with what stands in its lines.
pub(super) fn section(ask: &Ask, status: &Status, texts: &BTreeMap<String, String>) -> Markup {
    let l = ask.l;
    let text = |key: &str| texts.get(key).cloned().unwrap_or_default();
    let net = &ask.house.profile.communication.net;
    html! {
        section aria-labelledby="gateway" {
            h2 #gateway { (l.say("The gateway", "Das Gateway")) }
            dl.facts {
                div {
                    dt { (l.say("Your reading hides among", "Ihr Messwert verbirgt sich unter")) }
                    dd { span.big data-now=(MEMBERS) { (text(MEMBERS)) } " " (l.say("members", "Mitgliedern")) }
                    dd.hint {
                        (l.say(
                            "The provider learns the sum over them, and no single value.",
                            "Der Anbieter erfährt die Summe über sie und keinen einzelnen Wert.",
                        ))
                    }
                }
                div {
                    dt { (l.say("Masked with keys of", "Maskiert mit Schlüsseln von")) }
                    dd { span.big data-now=(NEIGHBOURS) { (text(NEIGHBOURS)) } " " (l.say("neighbours", "Nachbarn")) }
                    dd.hint {
                        (l.say(
                            "Only all of them together with the provider could take the mask off.",
                            "Nur alle zusammen könnten mit dem Anbieter die Maske abnehmen.",
                        ))
                     }
                }
                div {
                    dt { (l.say("State", "Zustand")) }
                    dd { span data-now=(PHASE) { (text(PHASE)) } }
                    dd.hint { (l.say("in the net", "im Netz")) " " (net) }
                }
                div {
                    dt { (l.say("Last round", "Letzte Runde")) }
                    dd { span data-now=(ROUND) { (text(ROUND)) } }
                    dd.hint { span data-now=(OUTCOME) { (text(OUTCOME)) } }
                }
            }
            p {
                a href="/sent" { (l.say("What was sent, byte for byte", "Was gesendet wurde, Byte für Byte")) }
                @if status.started > 0 {
                    " · " (l.say("running since", "läuft seit")) " "
                    (l.moment(ask.zone(), UnixTime::from_millis(status.started)))
                }
            }
        }
    }
}
