//! What is printed: lines for people, or JSON lines.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::play::Checks;
use super::point::Point;
use super::street::Street;
use crate::harness::{Lab, NetPlan, Published, Slot, Verdict};

/// Where the output goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Show {
    json: bool,
    colour: bool,
}

#[derive(Debug, Clone, Copy)]
enum Colour {
    Green,
    Red,
    Yellow,
    Dim,
    Bold,
}

impl Show {
    pub(super) fn new(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            colour: io::stdout().is_terminal() && !unwanted,
        }
    }

    /// Who is on stage, and how to read the lines.
    pub(super) fn opening(self, lab: &Lab, street: &Street) {
        let plan = lab.plan();
        if self.json {
            let gateways: Vec<Value> = street
                .describe()
                .map(|(name, device, what)| {
                    let id = lab.gateway_id(name);
                    json!({ "name": name, "process": id, "device": device, "meter": what })
                })
                .collect();
            return print_json(&json!({
                "event": "opening", "address": lab.address(), "provider": lab.provider_id(),
                "folder": lab.folder(), "interval_s": plan.interval,
                "truth": origin(street).unwrap_or("simulator"), "gateways": gateways,
            }));
        }
        let mut text = format!(
            "{}\n\n  provider  process {}, https://{}, {}\n",
            self.paint(Colour::Bold, "A neighbourhood's sum, and nobody's reading"),
            lab.provider_id().unwrap_or_default(),
            lab.address(),
            lab.store().display(),
        );
        for (name, device, what) in street.describe() {
            let id = lab.gateway_id(name).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {name:<8}  process {id}, meter on {device} ({what})"
            );
        }
        let truth = match street.origins() {
            None => "the simulated meters, which nobody else asks".to_owned(),
            Some((reference, own)) => format!(
                "what libsml read in {reference} of the recordings and our own decoder in {own}"
            ),
        };
        let _ = write!(
            text,
            "\nA round takes {} s; in the {} s after it the gateways send, for {} s more they \
             correct. Each line shows\nwhat the provider published = what is true; the truth comes \
             from {truth}.\n\n{}",
            plan.interval,
            plan.window(),
            plan.window(),
            self.heading(plan),
        );
        print(&text);
    }

    fn heading(self, plan: &NetPlan) -> String {
        let mut line = format!("{:<9} {:<10} {:<9}", "UTC", "round", "readings");
        for Slot { name, unit, .. } in &plan.slots {
            let _ = write!(line, " {:<23}", format!("{name} {unit}"));
        }
        self.paint(Colour::Dim, &line)
    }

    /// A final round beside the truth.
    pub(super) fn round(self, plan: &NetPlan, published: &Published, verdict: &Verdict) {
        if self.json {
            return print_json(&round_json(published, verdict));
        }
        let seconds = (published.round + 1) * u64::from(plan.interval) % 86_400;
        let mut line = format!(
            "{:02}:{:02}:{:02}  {:<10} {:<9}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            published.round,
            format!("{} of {}", published.contributors.len(), published.members),
        );
        match verdict {
            Verdict::NoSum => {
                let reason = published.reason.as_deref().unwrap_or_default();
                let text = format!(" no sum: {reason}");
                line.push_str(&self.paint(Colour::Dim, &text));
            }
            Verdict::Exact(sum) => {
                for (value, slot) in sum.iter().zip(&plan.slots) {
                    let value = decimal(*value, slot.scale);
                    let _ = write!(line, " {:<23}", format!("{value} = {value}"));
                }
                line.push_str(&self.paint(Colour::Green, " exact"));
            }
            Verdict::Wrong {
                published: sum,
                truth,
            } => {
                for (index, (value, slot)) in sum.iter().zip(&plan.slots).enumerate() {
                    let value = decimal(*value, slot.scale);
                    let truth = truth.as_ref().and_then(|truth| truth.get(index));
                    let truth = truth.map_or("?".to_owned(), |t| decimal(*t, slot.scale));
                    let sign = if value == truth { '=' } else { '≠' };
                    let _ = write!(line, " {:<23}", format!("{value} {sign} {truth}"));
                }
                line.push_str(&self.paint(Colour::Red, " WRONG"));
            }
        }
        for (what, names) in [
            ("missing", &published.missing),
            ("silent", &published.silent),
        ] {
            if !names.is_empty() {
                let text = format!(", {what}: {}", few(names));
                line.push_str(&self.paint(Colour::Yellow, &text));
            }
        }
        if published.is_corrected() {
            line.push_str(&self.paint(Colour::Bold, ", corrected"));
        }
        print(&line);
    }

    /// Something happened.
    pub(super) fn event(self, kind: &str, text: &str) {
        if self.json {
            return print_json(&json!({ "event": kind, "text": text }));
        }
        print(&self.paint(Colour::Bold, &format!("          {text}")));
    }

    /// What the provider held, next to what the meters read.
    pub(super) fn point(self, plan: &NetPlan, point: &Point) {
        if self.json {
            let mut value = json!(point);
            if let Some(object) = value.as_object_mut() {
                object.insert("event".to_owned(), "point".into());
            }
            return print_json(&value);
        }
        let mut text = format!(
            "\n{}\n\n",
            self.paint(
                Colour::Bold,
                &format!(
                    "What the provider's store held of each household in round {}",
                    point.round
                )
            )
        );
        let slot = plan.slots.first().copied().unwrap_or(Slot::IMPORT);
        let _ = writeln!(
            text,
            "{}",
            self.paint(
                Colour::Dim,
                &format!(
                    "          the meter read    the store held, as a number of 10^{} {}",
                    slot.scale, slot.unit
                )
            )
        );
        for household in &point.households {
            let read = household.reading.first().copied().unwrap_or_default();
            let held = household
                .stored
                .as_ref()
                .and_then(|words| words.first())
                .map_or_else(
                    || "(the last to come: summed up and gone in one step)".to_owned(),
                    ToString::to_string,
                );
            let _ = writeln!(
                text,
                "  {:<8}{:>12} {:<3}   {held:>20}",
                household.name,
                decimal(read, slot.scale),
                slot.unit
            );
        }
        let sum = point.sum.first().copied().unwrap_or_default();
        let total: i64 = point
            .households
            .iter()
            .filter_map(|household| household.reading.first())
            .sum();
        let _ = write!(
            text,
            "  {:<8}{:>12} {:<3}   {:>20}  published: the sum modulo 2^64\n\n  \
             Of {} superpositions that were seen in open rounds {} had a reading in the clear; now \
             that\n  the rounds are final, the store's files hold {} of them.",
            "sum",
            decimal(total, slot.scale),
            slot.unit,
            sum,
            point.seen,
            point.bare,
            point.left,
        );
        print(&text);
    }

    /// The end.
    pub(super) fn verdict(self, checks: &Checks, victim: &str) {
        let Checks { sums, wrong, .. } = *checks;
        if self.json {
            return print_json(&json!({
                "event": "verdict", "ok": checks.passed(), "killed": victim, "checks": checks,
            }));
        }
        let mut text = "\n".to_owned();
        let lines = [
            (
                sums > 0 && wrong == 0,
                format!("{sums} sums published, {wrong} of them wrong"),
            ),
            (checks.complete, "complete rounds".to_owned()),
            (checks.killed, format!("{victim} was killed")),
            (checks.corrected, "its round was corrected".to_owned()),
            (checks.went_on, "the others went on without it".to_owned()),
            (
                checks.restored,
                "its key graph was restored when it came back".to_owned(),
            ),
            (checks.returned, "complete rounds again".to_owned()),
            (
                checks.private,
                "the store never held a reading, and forgot the superpositions".to_owned(),
            ),
        ];
        for (passed, what) in lines {
            let mark = if passed {
                self.paint(Colour::Green, "yes")
            } else {
                self.paint(Colour::Red, "NO ")
            };
            let _ = writeln!(text, "  {mark}  {what}");
        }
        let verdict = if checks.passed() {
            self.paint(Colour::Green, "Everything is as it should be.")
        } else {
            self.paint(Colour::Red, "NOT everything is as it should be.")
        };
        let _ = write!(text, "\n{verdict}");
        print(&text);
    }

    fn paint(self, colour: Colour, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => 32,
            Colour::Red => 31,
            Colour::Yellow => 33,
            Colour::Dim => 2,
            Colour::Bold => 1,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn origin(street: &Street) -> Option<&'static str> {
    street.origins().map(|(_, own)| {
        if own == 0 {
            "libsml"
        } else {
            "libsml and own decoder"
        }
    })
}

fn round_json(published: &Published, verdict: &Verdict) -> Value {
    let (sum, truth) = match verdict {
        Verdict::NoSum => (None, None),
        Verdict::Exact(sum) => (Some(sum), Some(sum)),
        Verdict::Wrong {
            published: sum,
            truth,
        } => (Some(sum), truth.as_ref()),
    };
    json!({
        "event": "round", "round": published.round, "epoch": published.epoch,
        "status": published.status, "reason": published.reason, "members": published.members,
        "contributors": published.contributors, "silent": published.silent,
        "missing": published.missing, "sum": sum, "truth": truth, "wrong": verdict.is_wrong(),
    })
}

/// The first names of a list.
fn few(names: &[String]) -> String {
    match names {
        [first, second, third, _, ..] => {
            format!("{first} {second} {third} and {} more", names.len() - 3)
        }
        names => names.join(" "),
    }
}

/// `value`·10^`scale` as people write it; `scale` is not above 0.
fn decimal(value: i64, scale: i8) -> String {
    let places = usize::from(scale.min(0).unsigned_abs());
    let digits = format!("{:0>1$}", value.unsigned_abs(), places + 1);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    let sign = if value < 0 { "-" } else { "" };
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{decimals}")
}

fn print(text: &str) {
    // Whoever closed the pipe has had enough of it; the play goes on to its exit code.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn print_json(value: &Value) {
    print(&value.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        assert_eq!(decimal(12345, -1), "1234.5");
        assert_eq!(decimal(-5, -1), "-0.5");
        assert_eq!(decimal(0, -2), "0.00");
        assert_eq!(decimal(-1530, 0), "-1530");
    }
}
