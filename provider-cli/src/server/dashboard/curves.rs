//! What pages with a curve have in common: ways to other times, and the form.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::ask::{Ask, day, least, local, utc};
use super::frame::Fault;
use crate::service::overview::{LONGEST, NetState, Span};

/// Where a page with a curve is, and what it shows.
pub(super) struct Here<'a> {
    /// Address without a query.
    pub(super) path: &'a str,
    pub(super) span: Span,
    pub(super) slot: usize,
    pub(super) zone: &'a TimeZone,
    /// Seconds of a round.
    pub(super) interval: u64,
    pub(super) now: i64,
}

impl Here<'_> {
    fn at(&self, span: Span) -> String {
        let slot = if self.slot == 0 {
            String::new()
        } else {
            format!("&slot={}", self.slot)
        };
        format!(
            "{}?from={}&to={}{slot}",
            self.path,
            utc(span.from),
            utc(span.to)
        )
    }

    /// The same length of time, so many halves of it later.
    fn moved(&self, halves: i64) -> Span {
        let by = (self.span.to - self.span.from) / 2 * halves;
        Span {
            from: self.span.from + by,
            to: self.span.to + by,
        }
    }

    /// Around the same middle; `None` where there is no more of it.
    fn zoomed(&self, out: bool) -> Option<Span> {
        let length = self.span.to - self.span.from;
        let shortest = least(self.interval);
        let wanted = if out { length * 2 } else { length / 2 };
        let wanted = wanted.clamp(shortest, LONGEST);
        let from = self.span.from + (length - wanted) / 2;
        (wanted != length).then_some(Span {
            from,
            to: from + wanted,
        })
    }

    /// Days that end with the one that holds `time`.
    fn days(&self, time: i64, count: i64) -> Result<Span, Fault> {
        Ok(Span {
            from: day(self.zone, time, 1 - count)?.from,
            to: day(self.zone, time, 0)?.to,
        })
    }

    /// Links and the form.
    pub(super) fn controls(&self) -> Result<Markup, Fault> {
        let middle = self.span.from + (self.span.to - self.span.from) / 2;
        let shown = self.days(middle, 1)?;
        let before = day(self.zone, shown.from - 1, 0)?;
        let after = day(self.zone, shown.to, 0)?;
        let hours = Span {
            from: self.now - 4 * 3600,
            to: self.now,
        };
        let rounds = i64::try_from(self.interval).unwrap_or(900) * 16;
        let latest = Span {
            from: self.now - rounds,
            to: self.now,
        };
        let time = |time| local(time, self.zone, "%Y-%m-%dT%H:%M:%S");
        let link = |text: &str, key: Option<&str>, span: Span| {
            html! {
                a href=(self.at(span)) data-key=[key] { (text) }
            }
        };
        let is_day = self.span == shown;
        Ok(html! {
            nav.times aria-label="Time shown" {
                ul {
                    li { (link("« earlier", Some("ArrowLeft"), self.moved(-1))) }
                    li { (link("later »", Some("ArrowRight"), self.moved(1))) }
                    @if let Some(span) = self.zoomed(false) { li { (link("+ closer", Some("+"), span)) } }
                    @if let Some(span) = self.zoomed(true) { li { (link("− wider", Some("-"), span)) } }
                    li { (link("the day before", None, before)) }
                    li { (link("the day after", None, after)) }
                    li { a href=(self.at(shown)) aria-current=[is_day.then_some("true")] { "whole day" } }
                    li { (link("week", None, self.days(middle, 7)?)) }
                    li { (link("last 16 rounds", None, latest)) }
                    @if hours.to - hours.from > rounds { li { (link("last 4 hours", None, hours)) } }
                    li { a href=(self.path) { "today" } }
                }
            }
            form.times method="get" action=(self.path) {
                label for="from" { "From" }
                input #from type="datetime-local" name="from" step="1" value=(time(self.span.from));
                label for="to" { "to" }
                input #to type="datetime-local" name="to" step="1" value=(time(self.span.to));
                @if self.slot != 0 { input type="hidden" name="slot" value=(self.slot); }
                button type="submit" { "Show" }
                span.zone { (self.zone.iana_name().unwrap_or("local time")) }
            }
        })
    }

    /// A choice among the slots, if there are several.
    pub(super) fn slots(&self, state: &NetState) -> Markup {
        let count = state.descriptor.slots().len();
        html! {
            @if count > 1 {
                nav.tabs aria-label="Quantity" {
                    ul {
                        @for slot in 0..count {
                            @let quantity = state.quantity(slot);
                            li {
                                a href=(Here { slot, ..*self }.at(self.span))
                                    aria-current=[(slot == self.slot).then_some("true")] {
                                    (quantity.obis) " (" (quantity.unit) ")"
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The slot that is asked for, if the net has it.
pub(super) fn slot(ask: &Ask, state: &NetState) -> Result<usize, Fault> {
    if ask.slot < state.descriptor.slots().len() {
        Ok(ask.slot)
    } else {
        let count = state.descriptor.slots().len();
        Err(Fault::Question(format!(
            "this net has {count} slots, counted from 0"
        )))
    }
}
