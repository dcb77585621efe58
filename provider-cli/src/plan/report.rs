//! The report as one HTML file: nothing is fetched, nothing runs.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{Chart, Line};
use super::{Adversary, Estimate, Membership, Plan, SizeView, Span};

const STYLE: &str = "\
body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}\
th,td{border:1px solid #bbb;padding:.2rem .5rem;text-align:right;white-space:nowrap}\
th:first-child{text-align:left}figure{margin:1rem 0;overflow-x:auto}div{overflow-x:auto}\
strong{display:block;padding:.6rem;border-left:.3rem solid #0072b2}svg{max-width:100%;height:auto}";

/// The report of `plan`, whole.
pub(crate) fn html(plan: &Plan) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "How large must a net be?" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "How large must a net be?" }
                p { strong { (plan.verdict.reason) } }
                (data(plan))
                @for window in &plan.windows {
                    (membership(plan, window.span))
                }
                (recovery(plan))
                (corrections(plan))
            }
        }
    };
    page.into_string()
}

fn data(plan: &Plan) -> Markup {
    let data = &plan.data;
    html! {
        p {
            "Load data: " (data.households) " households, " (data.weeks) " weeks of " (data.days_a_row)
            " days; " (data.readings) " readings from " (data.lowest) " to " (data.highest)
            " kWh in a quarter-hour, " (data.missing) " missing. Repetitions: " (plan.repetitions)
            ", seed: " (plan.seed) ". Intervals hold 95 %; they are about what was drawn, not about other \
            households than these."
        }
        @for window in &plan.windows {
            p {
                (window.windows) " windows of a " (window.span.text()) ": " (window.used)
                " households in them, " (window.left_out) " left out because readings are missing."
            }
        }
    }
}

fn membership(plan: &Plan, span: Span) -> Markup {
    let of = |size: &SizeView| -> Option<Membership> {
        let mut each = size.membership.iter();
        each.find(|membership| membership.span == span).cloned()
    };
    let rows: Vec<(u32, Membership)> = plan
        .sizes
        .iter()
        .filter_map(|size| Some((size.size, of(size)?)))
        .collect();
    let line = |adversary: Adversary| Line {
        name: adversary.text().to_owned(),
        points: rows
            .iter()
            .map(|(_, row)| row.advantage(adversary))
            .collect(),
    };
    let mut lines: Vec<Line> = Adversary::ALL.into_iter().map(line).collect();
    lines.push(Line {
        name: "if normal".to_owned(),
        points: rows
            .iter()
            .map(|(_, row)| Some(exact(row.by_model)))
            .collect(),
    });
    let sizes: Vec<u32> = rows.iter().map(|(size, _)| *size).collect();
    let chart = Chart {
        sizes: &sizes,
        lines,
        top: 1.0,
        bound: Some(plan.bounds.advantage),
    };
    let title = format!(
        "Is a household in the net? Told from the sums of a {}",
        span.text()
    );
    html! {
        h2 { (title) }
        p {
            "The adversary knows the household's curve and the moments of the population. Advantage: how much \
            more often it says \"in\" of nets with the household than of nets without it; 0 is guessing, 1 is \
            knowing."
        }
        (figure(&chart, "Advantage of each adversary over net sizes."))
        div { table {
            tr {
                th { "members" }
                @for adversary in Adversary::ALL { th { (adversary.text()) } }
                th { "accuracy of the best" } th { "exposed tenth" } th { "if normal" }
            }
            @for (size, row) in &rows {
                tr {
                    td { (size) }
                    @for adversary in Adversary::ALL { td { (interval(row.advantage(adversary))) } }
                    td { (interval(row.best().map(|best| best.accuracy))) }
                    td { (interval(row.exposed)) }
                    td { (format!("{:.3}", row.by_model)) }
                }
            }
        } }
    }
}

fn recovery(plan: &Plan) -> Markup {
    let line = |name: &str, value: fn(&SizeView) -> Option<Estimate>| Line {
        name: name.to_owned(),
        points: plan.sizes.iter().map(value).collect(),
    };
    let sizes: Vec<u32> = plan.sizes.iter().map(|size| size.size).collect();
    let chart = Chart {
        sizes: &sizes,
        lines: vec![
            line("recovered", |size| size.recovery.explained),
            line("correlation", |size| size.recovery.correlation),
            line("by chance", |size| size.recovery.correlation_chance),
            line("edges recalled", |size| size.recovery.edges.recall),
            line("by chance", |size| size.recovery.edges.recall_chance),
        ],
        top: 1.0,
        bound: Some(plan.bounds.recovered),
    };
    html! {
        h2 { "What of a household's day is in the sum?" }
        p {
            "Recovered: share of the variance about the population's mean that the best linear estimate \
            explains. By chance: the same method with the sum of a net without the household. Relative entropy: \
            bits between the day's readings and their estimates; beside it with the mean for an estimate."
        }
        (figure(&chart, "What is recovered of a day over net sizes."))
        div { table {
            tr {
                th { "members" } th { "recovered" } th { "correlation" } th { "by chance" }
                th { "entropy" } th { "of the mean" } th { "edges: precision" } th { "by chance" }
                th { "recall" } th { "by chance" }
            }
            @for size in &plan.sizes {
                @let found = &size.recovery;
                tr {
                    td { (size.size) }
                    @for value in [
                        found.explained, found.correlation, found.correlation_chance, found.entropy,
                        found.entropy_mean, found.edges.precision, found.edges.precision_chance,
                        found.edges.recall, found.edges.recall_chance,
                    ] { td { (interval(value)) } }
                }
            }
        } }
    }
}

fn corrections(plan: &Plan) -> Markup {
    let sizes: Vec<u32> = plan.sizes.iter().map(|size| size.size).collect();
    let line = |name: &str, value: fn(&SizeView) -> f64| Line {
        name: name.to_owned(),
        points: plan
            .sizes
            .iter()
            .map(|size| Some(exact(value(size))))
            .collect(),
    };
    let chart = Chart {
        sizes: &sizes,
        lines: vec![
            line("corrected", |size| size.corrections.corrected_a_day),
            line("without sum", |size| size.corrections.failed_a_day),
        ],
        top: 96.0,
        bound: None,
    };
    let some = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    html! {
        h2 { "How often is there something to correct?" }
        p {
            "Each member is missing in a round with probability " (plan.failure_rate) ", for itself; up to "
            (plan.loss_permille) " of 1000 may be missing. A day has 96 rounds."
        }
        (figure(&chart, "Rounds a day with corrections, and without a sum, over net sizes."))
        div { table {
            tr {
                th { "members" } th { "may be missing" } th { "missing" } th { "corrected a day" }
                th { "without sum a day" } th { "degree" } th { "threshold" } th { "bearable rate" }
            }
            @for size in &plan.sizes {
                @let found = &size.corrections;
                tr {
                    td { (size.size) } td { (found.tolerated) } td { (format!("{:.2}", found.missing)) }
                    td { (format!("{:.2}", found.corrected_a_day)) }
                    td { (format!("{:.4}", found.failed_a_day)) }
                    td { (some(found.degree.map(|degree| degree.to_string()))) }
                    td { (some(found.threshold.map(|threshold| threshold.to_string()))) }
                    td { (some(found.bearable.map(|rate| format!("{rate:.6}")))) }
                }
            }
        } }
    }
}

fn figure(chart: &Chart<'_>, caption: &str) -> Markup {
    html! {
        figure role="group" aria-label=(caption) {
            div aria-hidden="true" { (PreEscaped(chart.svg())) }
            figcaption { (caption) " Bars are intervals; the numbers are in the table." }
        }
    }
}

/// A value that is computed and has no interval.
fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        low: value,
        high: value,
    }
}

fn interval(value: Option<Estimate>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |Estimate { value, low, high }| format!("{value:.3} [{low:.3}, {high:.3}]"),
    )
}
