//! In which language the page speaks, and how it writes numbers and times.

use dcnet_obis::{Language, ScaledInteger, Unit};
use dcnet_profiles::tariff::Zone;
use dcnet_protocol::round::UnixTime;
use jiff::civil::{Date, DateTime};
use maud::{Markup, html};

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Speech(pub(super) Language);

/// Between groups of three digits: narrow, and no line breaks there.
const BETWEEN_GROUPS: char = '\u{202f}';

impl Speech {
    /// The text in the page's language. Both stand at the place of use, so that none can be missing.
    pub(super) fn say<'a>(self, english: &'a str, german: &'a str) -> &'a str {
        match self.0 {
            Language::English => english,
            Language::German => german,
        }
    }

    /// The same for texts that are put together.
    pub(super) fn tell(self, english: String, german: String) -> String {
        match self.0 {
            Language::English => english,
            Language::German => german,
        }
    }

    /// As HTML and HTTP name it.
    pub(super) fn tag(self) -> &'static str {
        self.say("en", "de")
    }

    /// From its tag: `de`, `de-AT`.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        match tag.trim().split(['-', '_']).next() {
            Some(tag) if tag.eq_ignore_ascii_case("de") => Some(Self(Language::German)),
            Some(tag) if tag.eq_ignore_ascii_case("en") => Some(Self(Language::English)),
            _ => None,
        }
    }

    /// What a browser prefers among the two, if it names one (RFC 9110, section 12.5.4).
    pub(super) fn of_header(header: &str) -> Option<Self> {
        let mut best = None;
        for range in header.split(',') {
            let mut parts = range.split(';');
            let Some(speech) = parts.next().and_then(Self::of_tag) else {
                continue;
            };
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1_000, thousandths);
            // Of equal weights the first counts.
            if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, speech));
            }
        }
        best.map(|(_, speech)| speech)
    }

    /// An exact decimal: a comma in German, digits in groups of three.
    pub(super) fn decimal(self, number: ScaledInteger) -> String {
        let text = number.to_string();
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => ("\u{2212}", rest),
            None => ("", text.as_str()),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut out = sign.to_owned();
        for (index, digit) in whole.chars().enumerate() {
            let left = whole.len() - index;
            if index > 0 && left % 3 == 0 && whole.len() > 4 {
                out.push(BETWEEN_GROUPS);
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push_str(self.say(".", ","));
            out.push_str(fraction);
        }
        out
    }

    /// A count.
    pub(super) fn count(self, number: impl Into<i128>) -> String {
        self.decimal(ScaledInteger::new(number.into(), 0))
    }

    /// A number with its unit: energy in thousands of it, to the last digit.
    pub(super) fn amount(self, number: ScaledInteger, unit: Option<Unit>) -> Amount {
        let Some(unit) = unit.filter(|unit| *unit != Unit::COUNT) else {
            return Amount {
                number: self.decimal(number),
                unit: String::new(),
            };
        };
        let shifted = is_energy(unit).then(|| number.checked_shift(-3)).flatten();
        Amount {
            number: self.decimal(shifted.unwrap_or(number)),
            unit: match shifted {
                Some(_) => format!("k{unit}"),
                None => unit.to_string(),
            },
        }
    }

    /// How long ago `time` was, in one unit.
    pub(super) fn ago(self, time: UnixTime, now: UnixTime) -> String {
        let seconds = now.millis_since(time) / 1_000;
        let (number, unit) = match seconds {
            0..120 => (seconds, "s"),
            120..7_200 => (seconds / 60, "min"),
            7_200..172_800 => (seconds / 3_600, "h"),
            _ => (seconds / 86_400, self.say("days", "Tagen")),
        };
        self.tell(
            format!("{number} {unit} ago"),
            format!("vor {number} {unit}"),
        )
    }

    /// `26 November 2026`
    pub(super) fn date(self, date: Date) -> String {
        let (month_en, month_de) = month(date);
        self.tell(
            format!("{} {month_en} {}", date.day(), date.year()),
            format!("{}. {month_de} {}", date.day(), date.year()),
        )
    }

    /// `Thursday`
    pub(super) fn weekday(self, date: Date) -> &'static str {
        use jiff::civil::Weekday;
        match date.weekday() {
            Weekday::Monday => self.say("Monday", "Montag"),
            Weekday::Tuesday => self.say("Tuesday", "Dienstag"),
            Weekday::Wednesday => self.say("Wednesday", "Mittwoch"),
            Weekday::Thursday => self.say("Thursday", "Donnerstag"),
            Weekday::Friday => self.say("Friday", "Freitag"),
            Weekday::Saturday => self.say("Saturday", "Samstag"),
            Weekday::Sunday => self.say("Sunday", "Sonntag"),
        }
    }

    /// `26 Nov`, for the axis of a chart.
    pub(super) fn short_date(self, date: Date) -> String {
        let (month, _) = month(date);
        self.tell(
            format!("{} {}", date.day(), month.get(..3).unwrap_or(month)),
            format!("{}.{}.", date.day(), date.month()),
        )
    }

    /// A date and a time of day, to the second, in an element for machines as well.
    pub(super) fn moment(self, zone: &Zone, time: UnixTime) -> Markup {
        let exact = zone.text(time).unwrap_or_default();
        html! { time datetime=(exact) { (self.moment_text(zone, time)) } }
    }

    /// The same as a text: `26 Nov 2026, 13:15:07`.
    pub(super) fn moment_text(self, zone: &Zone, time: UnixTime) -> String {
        let Some(local) = zone.local(time) else {
            return "—".to_owned();
        };
        let date = local.date();
        let (month, _) = month(date);
        let month = month.get(..3).unwrap_or(month);
        self.tell(
            format!(
                "{} {month} {}, {}",
                date.day(),
                date.year(),
                clock(local, true)
            ),
            format!(
                "{:02}.{:02}.{}, {}",
                date.day(),
                date.month(),
                date.year(),
                clock(local, true)
            ),
        )
    }
}

/// A number and its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) number: String,
    pub(super) unit: String,
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.number)?;
        if !self.unit.is_empty() {
            write!(f, "\u{a0}{}", self.unit)?;
        }
        Ok(())
    }
}

/// A length of time in seconds, in the largest unit that holds it exactly.
pub(super) fn length(seconds: u64) -> String {
    match seconds {
        s if s >= 3_600 && s.is_multiple_of(3_600) => format!("{} h", s / 3_600),
        s if s >= 60 && s.is_multiple_of(60) => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// Whether people count it in thousands.
pub(super) fn is_energy(unit: Unit) -> bool {
    matches!(
        unit,
        Unit::WATT_HOUR | Unit::VOLT_AMPERE_HOUR | Unit::VAR_HOUR
    )
}

/// `13:15`, or `13:15:07`.
pub(super) fn clock(local: DateTime, seconds: bool) -> String {
    let text = format!("{:02}:{:02}", local.hour(), local.minute());
    if seconds {
        format!("{text}:{:02}", local.second())
    } else {
        text
    }
}

fn month(date: Date) -> (&'static str, &'static str) {
    match date.month() {
        1 => ("January", "Januar"),
        2 => ("February", "Februar"),
        3 => ("March", "März"),
        4 => ("April", "April"),
        5 => ("May", "Mai"),
        6 => ("June", "Juni"),
        7 => ("July", "Juli"),
        8 => ("August", "August"),
        9 => ("September", "September"),
        10 => ("October", "Oktober"),
        11 => ("November", "November"),
        _ => ("December", "Dezember"),
    }
}

/// A weight from 0 to 1 with up to three decimals, in thousandths; 0 for anything else.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = format!("{fraction:0<3}");
    match (whole, digits.get(..3).map(str::parse)) {
        ("1", _) => 1_000,
        ("0", Some(Ok(weight))) => weight,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: Speech = Speech(Language::English);
    const GERMAN: Speech = Speech(Language::German);

    #[test]
    fn german_numbers_have_a_comma_and_lose_no_digit() {
        let number = ScaledInteger::new(172_436_756, -1);
        assert_eq!(GERMAN.decimal(number), "17\u{202f}243\u{202f}675,6");
        assert_eq!(ENGLISH.decimal(number), "17\u{202f}243\u{202f}675.6");
        assert_eq!(GERMAN.decimal(ScaledInteger::new(-5, -2)), "\u{2212}0,05");
        assert_eq!(GERMAN.decimal(ScaledInteger::new(1234, 0)), "1234");
        let energy = GERMAN.amount(number, Some(Unit::WATT_HOUR));
        assert_eq!(energy.to_string(), "17\u{202f}243,6756\u{a0}kWh");
        let power = ENGLISH.amount(ScaledInteger::new(-432, 0), Some(Unit::WATT));
        assert_eq!(power.to_string(), "\u{2212}432\u{a0}W");
        let count = ENGLISH.amount(ScaledInteger::new(3, 0), Some(Unit::COUNT));
        assert_eq!(count.to_string(), "3");
    }

    #[test]
    fn the_browsers_first_choice_of_the_two_counts() {
        for (header, expected) in [
            ("de", Some(GERMAN)),
            ("de-AT,en;q=0.5", Some(GERMAN)),
            ("fr-FR, en;q=0.8, de;q=0.9", Some(GERMAN)),
            ("en-GB,de", Some(ENGLISH)),
            ("de;q=0, en;q=0.1", Some(ENGLISH)),
            ("fr, *;q=0.1", None),
            ("", None),
            ("den", None),
            ("de;q=x", None),
        ] {
            assert_eq!(Speech::of_header(header), expected, "{header}");
        }
    }

    #[test]
    fn ages_and_lengths_have_one_unit() {
        let now = UnixTime::from_secs(1_000_000);
        let ago = |seconds: u64| GERMAN.ago(UnixTime::from_secs(1_000_000 - seconds), now);
        assert_eq!(ago(7), "vor 7 s");
        assert_eq!(ago(150), "vor 2 min");
        assert_eq!(ago(7_300), "vor 2 h");
        assert_eq!(ago(200_000), "vor 2 Tagen");
        assert_eq!(length(900), "15 min");
        assert_eq!(length(90), "90 s");
        assert_eq!(length(7_200), "2 h");
    }

    #[test]
    fn moments_are_local() {
        let zone = Zone::berlin();
        let time = UnixTime::from_secs(1_795_695_307);
        assert_eq!(ENGLISH.moment_text(&zone, time), "26 Nov 2026, 13:15:07");
        assert_eq!(GERMAN.moment_text(&zone, time), "26.11.2026, 13:15:07");
    }
}
