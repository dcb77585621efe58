//! Which size is enough, and why, or why none is.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Bounds, SizeView, WindowView};

/// The recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Verdict {
    /// The smallest size that was measured and is enough, as are all larger ones; none if there is none.
    pub(crate) size: Option<u32>,
    /// In words.
    pub(crate) reason: String,
}

impl Verdict {
    /// Of what was measured, sizes ascending.
    pub(super) fn of(sizes: &[SizeView], windows: &[WindowView], bounds: Bounds) -> Self {
        let enough = sizes
            .iter()
            .rev()
            .take_while(|size| shortcomings(size, bounds).is_empty())
            .last();
        if let Some(size) = enough {
            return Self {
                size: Some(size.size),
                reason: format!(
                    "{} members are enough: {}.",
                    size.size,
                    merits(size, bounds)
                ),
            };
        }
        let Some(largest) = sizes.last() else {
            return Self {
                size: None,
                reason: "No size was asked about.".to_owned(),
            };
        };
        let model: Vec<String> = windows
            .iter()
            .filter_map(|window| Some((window.size_by_model?, window.span.text())))
            .filter(|(size, _)| *size > u64::from(largest.size))
            .map(|(size, span)| format!("about {size} members for the sums of a {span}"))
            .collect();
        let model = if model.is_empty() {
            String::new()
        } else {
            format!(
                " If sums were normal it would take {} to bring the advantage there; that is computed, not \
                 measured.",
                model.join(" and ")
            )
        };
        Self {
            size: None,
            reason: format!(
                "No size that was measured is enough. With {} members, the most, {}.{model}",
                largest.size,
                shortcomings(largest, bounds).join("; ")
            ),
        }
    }
}

/// What a size falls short of.
fn shortcomings(size: &SizeView, bounds: Bounds) -> Vec<String> {
    let mut found = Vec::new();
    for membership in &size.membership {
        let Some(best) = membership.best() else {
            continue;
        };
        let most = membership.at_most();
        if most >= bounds.advantage {
            found.push(format!(
                "the best adversary ({}) tells members from the sums of a {} with an advantage of {:.3} (up to \
                 {most:.3}), which is to be below {}",
                membership.best.text(),
                membership.span.text(),
                best.advantage.value,
                bounds.advantage
            ));
        }
    }
    match size.recovery.explained {
        Some(explained) if explained.high > bounds.recovered => found.push(format!(
            "{:.2} % of the variance of a household's day (up to {:.2} %) is recovered by regression, which \
             is not to be above {} %",
            explained.value * 100.0,
            explained.high * 100.0,
            bounds.recovered * 100.0
        )),
        Some(_) => {}
        None => found.push("nothing varies that regression could recover".to_owned()),
    }
    found
}

/// Why a size without shortcomings is enough.
fn merits(size: &SizeView, bounds: Bounds) -> String {
    let each = size.membership.iter().filter_map(|membership| {
        let best = membership.best()?;
        Some(format!(
            "over a {} the best adversary ({}) has an advantage of {:.3}, with confidence below {}",
            membership.span.text(),
            membership.best.text(),
            best.advantage.value,
            bounds.advantage
        ))
    });
    let recovered = size.recovery.explained.map(|explained| {
        format!(
            "regression recovers {:.2} % of the variance of a household's day, {} % are allowed",
            explained.value * 100.0,
            bounds.recovered * 100.0
        )
    });
    each.chain(recovered).collect::<Vec<_>>().join("; ")
}
