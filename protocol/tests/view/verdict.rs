//! Whether what is determined is about too few members.

use std::collections::{BTreeMap, BTreeSet};

use dcnet_protocol::names::ClientId;

use super::View;
use super::elimination::{Determined, Echelon, Field, LARGE, PARITY, Row, eliminate};

/// How many choices of members are looked at before giving up. With 16 honest members there are
/// at most C(16, 8) = 12 870.
const MOST_CHOICES: usize = 50_000;

/// What a view says of honest readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No combination of fewer than `min_size` honest readings is determined.
    Safe {
        /// The members of each of the combinations that everything determined is made of.
        sums: Vec<Vec<ClientId>>,
    },
    /// This combination of fewer than `min_size` honest readings is determined.
    Leak {
        /// Whose readings.
        members: Vec<ClientId>,
        /// Their coefficients, in the same order. Fractions are shown as remainders.
        combination: Vec<i64>,
        /// Only the combination's lowest bit is determined.
        parity: bool,
    },
    /// Not decided: too many combinations to look at, or the two fields see different things.
    Undecided,
}

impl Verdict {
    /// Nothing is determined that should not be.
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self, Self::Safe { .. })
    }

    /// Something is determined that should not be.
    pub(crate) fn is_leak(&self) -> bool {
        matches!(self, Self::Leak { .. })
    }
}

/// What the search for a small combination found.
enum Small {
    None,
    Found(Row<ClientId>),
    Unknown,
}

/// The verdict on a view.
pub(super) fn decide(view: &View) -> Verdict {
    let found = [LARGE, PARITY].map(|field| eliminate(view, field));
    let mut is_decided = is_same_rank(&found);
    for determined in &found {
        match smallest(determined, view.min_size) {
            Small::None => {}
            Small::Unknown => is_decided = false,
            Small::Found(row) => {
                return Verdict::Leak {
                    members: row.keys().copied().collect(),
                    combination: row.values().map(|a| determined.field.signed(*a)).collect(),
                    parity: determined.field == PARITY,
                };
            }
        }
    }
    if !is_decided {
        return Verdict::Undecided;
    }
    let [large, _] = found;
    let sums = large.basis.into_iter();
    Verdict::Safe {
        sums: sums.map(|row| row.into_keys().collect()).collect(),
    }
}

fn is_same_rank([large, parity]: &[Determined; 2]) -> bool {
    large.hidden == parity.hidden && large.basis.len() == parity.basis.len()
}

/// A combination of fewer than `limit` members.
fn smallest(determined: &Determined, limit: usize) -> Small {
    let is_small = |row: &&Row<ClientId>| row.len() < limit;
    if let Some(row) = determined.basis.iter().find(is_small) {
        return Small::Found(row.clone());
    }
    let mut unknown = false;
    for block in blocks(&determined.basis) {
        match smallest_of_block(determined.field, &block, limit) {
            Small::None => {}
            Small::Unknown => unknown = true,
            found @ Small::Found(_) => return found,
        }
    }
    if unknown { Small::Unknown } else { Small::None }
}

/// Splits a basis into parts that have no member in common. A smallest combination lies in one.
fn blocks(basis: &[Row<ClientId>]) -> Vec<Vec<Row<ClientId>>> {
    let mut blocks: Vec<(BTreeSet<ClientId>, Vec<Row<ClientId>>)> = Vec::new();
    for row in basis {
        let mut members: BTreeSet<ClientId> = row.keys().copied().collect();
        let mut rows = vec![row.clone()];
        let (near, far): (Vec<_>, Vec<_>) = blocks
            .into_iter()
            .partition(|(others, _)| !others.is_disjoint(&members));
        for (others, more) in near {
            members.extend(others);
            rows.extend(more);
        }
        blocks = far;
        blocks.push((members, rows));
    }
    blocks.into_iter().map(|(_, rows)| rows).collect()
}

/// A combination of fewer than `limit` members among those of a block.
///
/// Members whose coefficients are proportional throughout are in a combination together or not at
/// all: they form a class. A combination with as few members as possible is 0 on classes that leave
/// no other combination but its multiples. So it is enough to look at all choices of d − 1 classes,
/// if the block has d dimensions: whichever leave exactly one, up to multiples, give a candidate.
fn smallest_of_block(field: Field, rows: &[Row<ClientId>], limit: usize) -> Small {
    let classes = classes(field, rows);
    let zeros = rows.len() - 1;
    if zeros == 0 {
        // One row, and the caller has looked at it.
        return Small::None;
    }
    if choices(classes.len(), zeros) > MOST_CHOICES {
        return Small::Unknown;
    }
    let columns: Vec<&Vec<u64>> = classes.keys().collect();
    let mut choice: Vec<usize> = (0..zeros).collect();
    loop {
        let chosen = choice.iter().filter_map(|index| columns.get(*index));
        if let Some(factors) = only_combination(field, chosen.copied(), rows.len()) {
            let row = combine(field, rows, &factors);
            if row.len() < limit {
                return Small::Found(row);
            }
        }
        if !advance(&mut choice, columns.len()) {
            return Small::None;
        }
    }
}

/// The members of the rows by their coefficients in all rows, scaled so that the first that is not
/// 0 is 1.
fn classes(field: Field, rows: &[Row<ClientId>]) -> BTreeMap<Vec<u64>, Vec<ClientId>> {
    let members: BTreeSet<ClientId> = rows.iter().flat_map(|row| row.keys().copied()).collect();
    let mut classes: BTreeMap<Vec<u64>, Vec<ClientId>> = BTreeMap::new();
    for member in members {
        let of_row = |row: &Row<ClientId>| row.get(&member).copied().unwrap_or_default();
        let mut column: Vec<u64> = rows.iter().map(of_row).collect();
        let first = column.iter().find(|a| **a != 0).copied();
        let scale = field.inverse(first.unwrap_or(1));
        for value in &mut column {
            *value = field.add_product(0, *value, scale);
        }
        classes.entry(column).or_default().push(member);
    }
    classes
}

/// How the rows must be combined to be 0 in all of these columns, if there is one way up to
/// multiples.
fn only_combination<'a>(
    field: Field,
    columns: impl Iterator<Item = &'a Vec<u64>>,
    dimensions: usize,
) -> Option<Vec<u64>> {
    let mut echelon = Echelon::new(field);
    for column in columns {
        let entries = column.iter().copied().enumerate();
        echelon.insert(entries.filter(|(_, value)| *value != 0).collect());
    }
    if echelon.rank() + 1 != dimensions {
        return None;
    }
    // One index begins no row. With 1 there, each row says what stands under its first column.
    let reduced = echelon.reduced();
    let begins = |index: &usize| {
        let mut firsts = reduced.iter().filter_map(|row| row.keys().next());
        firsts.any(|first| first == index)
    };
    let free = (0..dimensions).find(|index| !begins(index))?;
    let factor = |index: usize| {
        if index == free {
            return 1;
        }
        let row = reduced.iter().find(|row| row.keys().next() == Some(&index));
        let value = row.and_then(|row| row.get(&free)).copied();
        field.negative(value.unwrap_or_default())
    };
    Some((0..dimensions).map(factor).collect())
}

/// The sum of the rows, each times its factor.
fn combine(field: Field, rows: &[Row<ClientId>], factors: &[u64]) -> Row<ClientId> {
    let mut sum = Row::new();
    for (row, factor) in rows.iter().zip(factors) {
        for (member, value) in row {
            let old = sum.entry(*member).or_insert(0);
            *old = field.add_product(*old, *factor, *value);
        }
    }
    sum.retain(|_, value| *value != 0);
    sum
}

/// How many ways there are to choose `amount` of `total`, or at least [`MOST_CHOICES`] + 1.
fn choices(total: usize, amount: usize) -> usize {
    let mut count: usize = 1;
    for taken in 0..amount.min(total.saturating_sub(amount)) {
        count = count.saturating_mul(total - taken) / (taken + 1);
        if count > MOST_CHOICES {
            return MOST_CHOICES + 1;
        }
    }
    count
}

/// The next choice of as many indices below `total`, in ascending order; false behind the last.
fn advance(choice: &mut [usize], total: usize) -> bool {
    let amount = choice.len();
    for place in (0..amount).rev() {
        let Some(old) = choice.get(place).copied() else {
            return false;
        };
        if old + (amount - place) < total {
            for (offset, index) in choice.iter_mut().skip(place).enumerate() {
                *index = old + 1 + offset;
            }
            return true;
        }
    }
    false
}
