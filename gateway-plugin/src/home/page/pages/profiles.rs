//! The profiles in force: the owner's file as the daemon understands it. Of keys only the names of
//! their files.

use std::path::Path;

use axum::response::Response;
use dcnet_obis::ScaledInteger;
use dcnet_profiles::communication::{CommunicationProfile, Credentials};
use dcnet_profiles::evaluation::{Absent, Clip, EvaluationProfile, Slot, StatusWords, Threshold};
use dcnet_profiles::home::HomeProfile;
use dcnet_profiles::meter::{MeterProfile, Source};
use dcnet_profiles::tariff::TariffProfile;
use dcnet_protocol::descriptor::{CorrectionMode, NetDescriptor};
use maud::{Markup, html};

use super::ask::Ask;
use super::frame::{Fault, Page, Place, blocking};
use super::speech::{Speech, length};
use super::words::{method_name, slot_name, value_name};
use crate::hex::hex;

pub(super) async fn page(ask: Ask) -> Response {
    blocking(ask, whole).await
}

fn whole(ask: &Ask) -> Result<Page, Fault> {
    let l = ask.l;
    let profile = &ask.house.profile;
    let net = ask.ledger().descriptor()?;
    let body = html! {
        p.lead {
            (l.say(
                "What the gateway was told to do, by a file that only its owner changes. This page shows \
                 it; it cannot change it.",
                "Was dem Gateway aufgetragen ist, durch eine Datei, die nur sein Besitzer ändert. Diese \
                 Seite zeigt es; ändern kann sie es nicht.",
            ))
        }
        section aria-labelledby="meter" {
            h2 #meter { (l.say("Meter profile", "Zählerprofil")) }
            @for one in &profile.meters { (meter(l, one)) }
        }
        section aria-labelledby="evaluation" {
            h2 #evaluation { (l.say("Evaluation profile", "Auswertungsprofil")) }
            (evaluation(l, &profile.evaluation))
            @for one in &profile.tariffs { (tariff(l, one)) }
        }
        section aria-labelledby="communication" {
            h2 #communication { (l.say("Communication profile", "Kommunikationsprofil")) }
            (communication(l, &profile.communication, net.as_ref()))
        }
        @if let Some(net) = &net {
            section aria-labelledby="net" {
                h2 #net { (l.say("The net", "Das Netz")) }
                (descriptor(l, net))
            }
        }
        section aria-labelledby="home" {
            h2 #home { (l.say("For the household", "Für den Haushalt")) }
            (home(l, &profile.home, &profile.state))
        }
    };
    Ok(Page {
        place: Some(Place::Profiles),
        title: l.say("Profiles", "Profile").to_owned(),
        body,
    })
}

fn item(name: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn code(text: impl std::fmt::Display) -> Markup {
    html! { code { (text) } }
}

fn file(path: &Path) -> Markup {
    code(path.display())
}

fn meter(l: Speech, meter: &MeterProfile) -> Markup {
    let device = meter.device.as_ref().map_or_else(
        || {
            html! { (l.say("any; another one begins a new series", "jedes; ein anderes beginnt eine neue Reihe")) }
        },
        code,
    );
    let expected = meter
        .obis
        .iter()
        .map(|obis| format!("{} ({})", value_name(l, obis.0), obis.0.short()));
    let expected: Vec<_> = expected.collect();
    html! {
        h3 { (meter.name) }
        dl.list {
            (item(l.say("Device id", "Gerätekennung"), device))
            @for (number, source) in meter.sources.iter().enumerate() {
                (item(&format!("{} {}", l.say("Source", "Quelle"), number + 1), self::source(l, source)))
            }
            @if !expected.is_empty() { (item(l.say("Expected values", "Erwartete Werte"), expected.join(", "))) }
        }
    }
}

fn source(l: Speech, source: &Source) -> Markup {
    html! {
        (code(source.key()))
        @if let Some(device) = source.device() { " " (l.say("at", "an")) " " (file(device)) }
        ", " (l.tell(
            format!("silent after {} s", source.silence()),
            format!("gilt nach {} s als stumm", source.silence()),
        ))
    }
}

fn evaluation(l: Speech, profile: &EvaluationProfile) -> Markup {
    let tolerance = profile.tolerance.map_or_else(
        || {
            l.say(
                "30 s, at most a third of the interval",
                "30 s, höchstens ein Drittel des Intervalls",
            )
            .to_owned()
        },
        length,
    );
    html! {
        dl.list {
            (item(l.say("Use case", "Anwendungsfall"), format!("TAF-{}", profile.taf.number())))
            (item(l.say("Age of a reading at a border", "Alter eines Messwerts an einer Grenze"), tolerance))
            (item(l.say("Largest plausible power", "Größte plausible Leistung"), format!("{}\u{a0}W", l.count(profile.max_power))))
        }
        table.stack {
            caption { (l.say("Slots: what each word of a message hides", "Was jedes Wort einer Nachricht verbirgt")) }
            thead { tr {
                th scope="col" { (l.say("Value", "Wert")) }
                th scope="col" { (l.say("Code in the net", "Kennzahl im Netz")) }
                th scope="col" { (l.say("Method", "Verfahren")) }
                th scope="col" { (l.say("Counts in", "Zählt in")) }
                th scope="col" { (l.say("Meters", "Zähler")) }
                th scope="col" { (l.say("Bounds and rules", "Grenzen und Regeln")) }
            } }
            tbody { @for one in &profile.slots { (slot(l, one)) } }
        }
    }
}

fn slot(l: Speech, slot: &Slot) -> Markup {
    let step = l.amount(
        ScaledInteger::new(1, slot.word_scale()),
        Some(slot.word_unit()),
    );
    let meters = if slot.meters.is_empty() {
        l.say("the first", "der erste").to_owned()
    } else {
        slot.meters.join(" + ")
    };
    html! {
        tr {
            th scope="row" { (slot_name(l, slot)) }
            td data-label=(l.say("Code in the net", "Kennzahl im Netz")) { (code(slot.code())) }
            td data-label=(l.say("Method", "Verfahren")) { (method_name(l, slot.method)) }
            td data-label=(l.say("Counts in", "Zählt in")) { (step) }
            td data-label=(l.say("Meters", "Zähler")) { (meters) }
            td data-label=(l.say("Rules", "Regeln")) { (rules(l, slot).join("; ")) }
        }
    }
}

fn rules(l: Speech, slot: &Slot) -> Vec<String> {
    let amount = |value: i64, scale| {
        l.amount(ScaledInteger::new(value.into(), scale), Some(slot.unit))
            .to_string()
    };
    let mut rules = Vec::new();
    if let Some(Clip { min, max }) = slot.clip {
        let bound = |value: i64| {
            l.amount(
                ScaledInteger::new(value.into(), slot.word_scale()),
                Some(slot.word_unit()),
            )
        };
        rules.extend(min.map(|min| format!("{} {}", l.say("at least", "mindestens"), bound(min))));
        rules.extend(max.map(|max| format!("{} {}", l.say("at most", "höchstens"), bound(max))));
    }
    match slot.threshold {
        Some(Threshold::Above(limit)) => {
            rules.push(format!(
                "{} {}",
                l.say("above", "über"),
                amount(limit, slot.scale)
            ));
        }
        Some(Threshold::Below(limit)) => {
            rules.push(format!(
                "{} {}",
                l.say("below", "unter"),
                amount(limit, slot.scale)
            ));
        }
        None => {}
    }
    if slot.absent == Absent::Zero {
        let text = l.say(
            "0 if the meter does not show it",
            "0, wenn der Zähler ihn nicht zeigt",
        );
        rules.push(text.to_owned());
    }
    match slot.status {
        StatusWords::None => {}
        StatusWords::Fnn => rules.push(l.say("status words: FNN", "Statuswörter: FNN").to_owned()),
        StatusWords::Edl => rules.push(l.say("status words: EDL", "Statuswörter: EDL").to_owned()),
    }
    if rules.is_empty() {
        rules.push("—".to_owned());
    }
    rules
}

fn tariff(l: Speech, tariff: &TariffProfile) -> Markup {
    let months = tariff.months;
    let period = l.tell(
        match months {
            1 => "each month".to_owned(),
            _ => format!(
                "{months} months, one begins in month {}",
                tariff.first_month
            ),
        },
        match months {
            1 => "jeder Monat".to_owned(),
            _ => format!(
                "{months} Monate, einer beginnt im Monat {}",
                tariff.first_month
            ),
        },
    );
    html! {
        h3 { (l.say("Tariff", "Tarif")) " " (tariff.name) }
        dl.list {
            (item(l.say("Use case", "Anwendungsfall"), format!("TAF-{}", tariff.taf.number())))
            (item(l.say("Register", "Register"), format!("{} ({})", value_name(l, tariff.obis), tariff.obis.short())))
            (item(l.say("Meter", "Zähler"), tariff.meter.as_deref().unwrap_or(l.say("the first", "der erste"))))
            (item(l.say("Time zone", "Zeitzone"), tariff.zone.name()))
            (item(l.say("Billing period", "Abrechnungszeitraum"), period))
            @if !tariff.stages.is_empty() { (item(l.say("Stages", "Tarifstufen"), tariff.stages.join(", "))) }
            @for day in &tariff.days {
                @let switches: Vec<_> = day.switches.iter().map(|switch| format!("{} {}", switch.at, switch.stage)).collect();
                (item(&format!("{} {}", l.say("Day", "Tag"), day.name), switches.join(", ")))
            }
            @for season in &tariff.seasons {
                (item(&format!("{} {}", l.say("Week from", "Woche ab"), season.from), season.week.join(", ")))
            }
            @if !tariff.special_days.is_empty() {
                (item(l.say("Special days", "Besondere Tage"), l.count(i128::try_from(tariff.special_days.len()).unwrap_or(0))))
            }
        }
    }
}

fn communication(l: Speech, profile: &CommunicationProfile, net: Option<&NetDescriptor>) -> Markup {
    let pin = match (&profile.descriptor, net) {
        (Some(pin), _) => html! { code.hash { (hex(&pin.0)) } },
        (None, Some(net)) => html! {
            code.hash { (hex(net.hash().as_bytes())) } " "
            span.hint { (l.say("kept from the first contact", "vom ersten Kontakt an festgehalten")) }
        },
        (None, None) => {
            html! { (l.say("that of the first contact", "die des ersten Kontakts")) }
        }
    };
    let accept = &profile.accept;
    let witnesses = accept.witnesses.witnesses();
    html! {
        dl.list {
            (item(l.say("Provider", "Anbieter"), code(&profile.provider)))
            (item(l.say("Net", "Netz"), code(profile.net)))
            (item(l.say("Net descriptor", "Netzbeschreibung"), pin))
            (item(l.say("Provider's authority", "Zertifizierungsstelle des Anbieters"), file(&profile.provider_ca)))
            @if let Some(ca) = &profile.gateway_ca {
                (item(l.say("Gateways' authority", "Zertifizierungsstelle der Gateways"), file(ca)))
            }
            (item(l.say("For TLS", "Für TLS"), credentials(l, &profile.tls)))
            (item(l.say("For signatures", "Für Signaturen"), credentials(l, &profile.signature)))
        }
        h3 { (l.say("What is agreed to", "Wozu zugestimmt wird")) }
        dl.list {
            (item(l.say("Smallest sum", "Kleinste Summe"), format!("{} {}", l.count(accept.min_size), l.say("members", "Mitglieder"))))
            (item(
                l.say("Nets that correct by resending", "Netze, die durch erneutes Senden korrigieren"),
                if accept.allow_resend { l.say("allowed", "erlaubt") } else { l.say("refused", "abgelehnt") },
            ))
            @if witnesses.is_empty() {
                (item(l.say("Witnesses", "Zeugen"), l.say("none", "keine")))
            } @else {
                (item(l.say("Cosignatures needed", "Nötige Mitunterschriften"), format!("{} / {}", accept.witnesses.needed(), witnesses.len())))
                @for witness in witnesses {
                    (item(
                        &format!("{} {}", l.say("Witness", "Zeuge"), witness.name),
                        html! { code.hash { (hex(&witness.key.to_sec1())) } },
                    ))
                }
            }
        }
    }
}

fn credentials(l: Speech, credentials: &Credentials) -> Markup {
    html! {
        (l.say("certificate", "Zertifikat")) " " (file(&credentials.certificate)) ", "
        (l.say("key", "Schlüssel")) " " (file(&credentials.key))
    }
}

fn descriptor(l: Speech, net: &NetDescriptor) -> Markup {
    let parameters = net.parameters();
    let mode = match parameters.correction_mode {
        CorrectionMode::Resend => l.say("resending", "erneutes Senden"),
        CorrectionMode::DoubleMask => l.say("double masks", "doppelte Masken"),
    };
    let permille = i128::from(parameters.max_loss_permille);
    html! {
        dl.list {
            (item(l.say("Interval", "Intervall"), length(parameters.interval_s.into())))
            (item(l.say("Submission window", "Zeit zum Senden"), length(parameters.submit_window_s.into())))
            (item(l.say("Correction window", "Zeit zum Korrigieren"), length(parameters.correction_window_s.into())))
            (item(l.say("Smallest sum", "Kleinste Summe"), format!("{} {}", l.count(parameters.min_size), l.say("members", "Mitglieder"))))
            (item(l.say("Neighbours drawn", "Gezogene Nachbarn"), l.count(parameters.out_degree)))
            (item(l.say("Correction by", "Korrektur durch"), mode))
            (item(l.say("Expected failures", "Erwartete Ausfälle"), format!("{}\u{a0}%", l.decimal(ScaledInteger::new(permille, -1)))))
            (item(l.say("Region", "Region"), String::from_utf8_lossy(&parameters.region)))
        }
    }
}

fn home(l: Speech, home: &HomeProfile, state: &Path) -> Markup {
    let keep = &home.logbooks;
    let days = |days: u64| format!("{} {}", l.count(days), l.say("days", "Tage"));
    html! {
        dl.list {
            (item(l.say("Time zone", "Zeitzone"), home.zone.name()))
            @if let Some(page) = &home.page { (item(l.say("This page", "Diese Seite"), code(page.listen))) }
            @if let Some(mqtt) = &home.mqtt {
                (item(l.say("Home automation", "Hausautomation"), code(format!("mqtt {}:{}", mqtt.broker.host, mqtt.broker.port))))
            }
            (item(l.say("System log is kept", "Systemlog wird aufbewahrt"), days(keep.system)))
            (item(l.say("Consumer's log is kept", "Letztverbraucherlog wird aufbewahrt"), days(keep.consumer)))
            (item(l.say("Calibration log is kept", "Eichtechnisches Log wird aufbewahrt"), days(keep.calibration)))
            (item(l.say("Where the gateway keeps all this", "Wo das Gateway all das aufbewahrt"), file(state)))
        }
    }
}
