//! Elimination of pads and self-masks, over a prime field.
//!
//! # Why prime fields stand in for integers modulo 2⁶⁴
//!
//! All coefficients are −1, 0 or 1. Let P hold those of the unknown pads and masks, X those of the
//! honest readings, one row for each equation. What a provider gets is f·x for each f = cX with
//! cP = 0 modulo 2⁶⁴, and nothing else: the unknowns are uniform, and over this ring a coset of the
//! image of P is given by the values of all c with cP = 0.
//!
//! *What is found is real.* A combination over the field of 2⁶¹−1 elements comes of one over the
//! rationals, and so of one over the integers, which holds modulo 2⁶⁴. (For this prime that takes
//! minors that it does not divide. Those of nets that a test has time for are far smaller, and
//! mostly −1, 0 and 1, see below.) A combination c over the field of 2 elements gives 2⁶³·c: the
//! parity of a sum of readings. That is a leak, too.
//!
//! *What is real is found*, if P has the same rank over both fields and so has what is determined.
//! The first says that P has no even elementary divisors, so each c modulo 2⁶⁴ is the remainder of
//! a 2-adic c with cP = 0. The second says that what is determined, as a lattice over the 2-adic
//! integers, holds with f also f/2, if that has no denominators. Then f within the members T modulo
//! 2⁶⁴ can be halved until one of its coefficients is odd, and modulo 2 it is a combination within T
//! that is found over the field of 2 elements. If the ranks differ, there may be more than was
//! found, and the verdict is not `Safe`.
//!
//! The ranks of P do not differ for members that follow the protocol: the sets of pads in what one
//! member sends are nested or disjoint (a frame, what is resent of it, answers with pads for ever
//! smaller rosters), which makes P a network matrix, and all minors of such are −1, 0 or 1.

use std::collections::BTreeMap;

use dcnet_protocol::names::ClientId;

use super::{Edge, View};

/// A prime field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    prime: u64,
}

/// 2⁶¹ − 1 elements.
pub(crate) const LARGE: Field = Field {
    prime: (1 << 61) - 1,
};

/// 2 elements.
pub(crate) const PARITY: Field = Field { prime: 2 };

impl Field {
    /// a + b·c.
    pub(crate) fn add_product(self, a: u64, b: u64, c: u64) -> u64 {
        let sum = u128::from(a) + u128::from(b) * u128::from(c);
        // The remainder is below the prime, so nothing is cut off.
        u64::try_from(sum % u128::from(self.prime)).unwrap_or_default()
    }

    /// −a.
    pub(crate) fn negative(self, a: u64) -> u64 {
        (self.prime - a) % self.prime
    }

    /// 1/a for an a that is not 0, by Fermat's little theorem.
    pub(crate) fn inverse(self, a: u64) -> u64 {
        let (mut power, mut exponent, mut result) = (a, self.prime - 2, 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.add_product(0, result, power);
            }
            power = self.add_product(0, power, power);
            exponent >>= 1;
        }
        result
    }

    /// The number nearest to 0 that a stands for.
    pub(crate) fn signed(self, a: u64) -> i64 {
        if self.prime > 2 && a > self.prime / 2 {
            -(self.prime - a).cast_signed()
        } else {
            a.cast_signed()
        }
    }
}

/// A row: coefficients that are not 0, by column.
pub(crate) type Row<C> = BTreeMap<C, u64>;

/// An unknown of the equations. Readings come last, so that they are eliminated last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unknown {
    /// The self-mask of a member under an epoch.
    Mask(ClientId, u64),
    /// A pad between two honest members.
    Pad(Edge),
    /// The reading of an honest member.
    Reading(ClientId),
}

/// Rows in echelon form: each under its first column, where it has a 1.
#[derive(Debug, Clone)]
pub(crate) struct Echelon<C> {
    field: Field,
    rows: BTreeMap<C, Row<C>>,
}

impl<C: Ord + Copy> Echelon<C> {
    /// No rows.
    pub(crate) fn new(field: Field) -> Self {
        let rows = BTreeMap::new();
        Self { field, rows }
    }

    /// Takes in a row, unless it follows from those that are there.
    pub(crate) fn insert(&mut self, mut row: Row<C>) {
        while let Some((&column, &first)) = row.first_key_value() {
            let Some(pivot) = self.rows.get(&column) else {
                let inverse = self.field.inverse(first);
                for value in row.values_mut() {
                    *value = self.field.add_product(0, *value, inverse);
                }
                self.rows.insert(column, row);
                return;
            };
            subtract(self.field, &mut row, first, pivot);
        }
    }

    /// How many rows there are.
    pub(crate) fn rank(&self) -> usize {
        self.rows.len()
    }

    /// The rows, reduced: each has a 1 where no other has anything.
    pub(crate) fn reduced(&self) -> Vec<Row<C>> {
        let mut done: BTreeMap<C, Row<C>> = BTreeMap::new();
        for (column, row) in self.rows.iter().rev() {
            let mut row = row.clone();
            // Reduced rows have nothing under each other's first columns: one pass is enough.
            let others: Vec<(C, u64)> = row
                .iter()
                .filter(|(other, _)| *other != column && done.contains_key(other))
                .map(|(other, value)| (*other, *value))
                .collect();
            for (other, value) in others {
                if let Some(pivot) = done.get(&other) {
                    subtract(self.field, &mut row, value, pivot);
                }
            }
            done.insert(*column, row);
        }
        done.into_values().collect()
    }
}

/// row − factor · pivot.
fn subtract<C: Ord + Copy>(field: Field, row: &mut Row<C>, factor: u64, pivot: &Row<C>) {
    let factor = field.negative(factor);
    for (column, value) in pivot {
        let old = row.get(column).copied().unwrap_or_default();
        match field.add_product(old, factor, *value) {
            0 => row.remove(column),
            new => row.insert(*column, new),
        };
    }
}

/// What is determined over one field.
#[derive(Debug, Clone)]
pub(crate) struct Determined {
    /// The field.
    pub(crate) field: Field,
    /// Rank of the coefficients of the unknown pads and masks.
    pub(crate) hidden: usize,
    /// A reduced basis of the combinations of honest readings that are determined.
    pub(crate) basis: Vec<Row<ClientId>>,
}

/// Eliminates the unknown pads and masks of a view.
pub(crate) fn eliminate(view: &View, field: Field) -> Determined {
    let mut echelon = Echelon::new(field);
    for row in rows(view, field) {
        echelon.insert(row);
    }
    // Rows that begin with a reading consist of readings: readings are the last columns.
    let mut basis = Vec::new();
    for row in echelon.reduced() {
        let readings = row.iter().map(|(unknown, value)| match unknown {
            Unknown::Reading(member) => Some((*member, *value)),
            _ => None,
        });
        basis.extend(readings.collect::<Option<Row<ClientId>>>());
    }
    Determined {
        field,
        hidden: echelon.rank() - basis.len(),
        basis,
    }
}

/// The equations, without what is known.
fn rows(view: &View, field: Field) -> Vec<Row<Unknown>> {
    let (plus, minus) = (1, field.negative(1));
    let rows = view.seen.iter().map(|seen| {
        let mut row = Row::new();
        if seen.reading && !view.corrupt.contains(&seen.member) {
            row.insert(Unknown::Reading(seen.member), plus);
        }
        if seen.masked && !view.is_mask_known(seen.member, seen.epoch) {
            row.insert(Unknown::Mask(seen.member, seen.epoch), plus);
        }
        for peer in &seen.pads {
            let edge = Edge::new(seen.member, *peer, seen.epoch);
            if !view.is_pad_known(&edge) {
                let is_added = edge.is_added_by(&seen.member);
                row.insert(Unknown::Pad(edge), if is_added { plus } else { minus });
            }
        }
        row
    });
    rows.collect()
}
