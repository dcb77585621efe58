//! Load events as Hart (1992) finds them: edges between steady states.

/// Most that readings of one steady state differ from its mean, kWh in a quarter-hour (100 W).
pub(super) const TOLERANCE: f64 = 0.025;

/// An edge is at least so many tolerances high (400 W).
const HEIGHT: f64 = 4.0;

/// Fewest readings of a steady state.
const STEADY: usize = 2;

/// Edges this far apart, in quarter-hours, may be the same.
const SLACK: usize = 1;

/// A change from one steady state to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// The first reading that is no longer in the former state.
    pub(super) at: usize,
    pub(super) up: bool,
}

/// Edges of a load curve.
pub(super) fn edges(load: &[f64], tolerance: f64) -> Vec<Edge> {
    let mut edges = Vec::new();
    // Of the last steady state: its mean and the reading behind it.
    let mut before: Option<(f64, usize)> = None;
    let (mut begin, mut mean, mut length) = (0, 0.0, 0_usize);
    let mut close = |begin: usize, mean: f64, length: usize| {
        if length < STEADY {
            return;
        }
        if let Some((level, at)) = before {
            let change: f64 = mean - level;
            if change.abs() >= HEIGHT * tolerance {
                let up = change > 0.0;
                edges.push(Edge { at, up });
            }
        }
        before = Some((mean, begin + length));
    };
    for (at, value) in load.iter().enumerate() {
        if length > 0 && (value - mean).abs() <= tolerance {
            length += 1;
            mean += (value - mean) / length as f64;
            continue;
        }
        close(begin, mean, length);
        (begin, mean, length) = (at, *value, 1);
    }
    close(begin, mean, length);
    edges
}

/// How many of `found` are among `truth`: the same direction, at most one quarter-hour apart, each once.
pub(super) fn matches(found: &[Edge], truth: &[Edge]) -> usize {
    let mut left = truth.to_vec();
    let hits = found.iter().filter(|edge| {
        let same = left
            .iter()
            .position(|other| other.up == edge.up && other.at.abs_diff(edge.at) <= SLACK);
        same.is_some_and(|index| {
            left.remove(index);
            true
        })
    });
    hits.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(at: usize, up: bool) -> Edge {
        Edge { at, up }
    }

    #[test]
    fn steps_are_found_where_they_begin() {
        let load = [0.1, 0.1, 0.11, 0.6, 0.61, 0.1, 0.1, 0.1];
        assert_eq!(edges(&load, TOLERANCE), [edge(3, true), edge(5, false)]);
        assert_eq!(edges(&[0.3; 96], TOLERANCE), []);
        assert_eq!(edges(&[], TOLERANCE), []);
    }

    #[test]
    fn a_transient_belongs_to_no_state() {
        // 0.35 is passed on the way up: one edge, where the lower state ended.
        let load = [0.1, 0.1, 0.35, 0.6, 0.6];
        assert_eq!(edges(&load, TOLERANCE), [edge(2, true)]);
        // A spike of one reading leads back to where it came from: no edge.
        assert_eq!(edges(&[0.1, 0.1, 0.9, 0.1, 0.1], TOLERANCE), []);
        // Too low, by a hair, and just high enough.
        assert_eq!(edges(&[0.0, 0.0, 0.09, 0.09], TOLERANCE), []);
        assert_eq!(edges(&[0.0, 0.0, 0.1, 0.1], TOLERANCE).len(), 1);
    }

    #[test]
    fn each_edge_is_matched_once() {
        let truth = [edge(10, true), edge(20, false)];
        assert_eq!(matches(&truth, &truth), 2);
        assert_eq!(matches(&[edge(11, true), edge(9, true)], &truth), 1);
        assert_eq!(matches(&[edge(10, false), edge(18, false)], &truth), 0);
        assert_eq!(matches(&[edge(21, false)], &truth), 1);
    }
}
