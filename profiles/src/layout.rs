//! The slot layout: the same from the same profile at both ends.

use dcnet_obis::{ObisCode, Unit};
use dcnet_protocol::descriptor::SlotSpec;

use crate::evaluation::{EvaluationProfile, Slot};

impl EvaluationProfile {
    /// The layout for a net descriptor. The code of a word tells how it came about
    /// ([`Slot::code`]): a net of means is no net of momentary values.
    pub fn layout(&self) -> Vec<SlotSpec> {
        self.slots.iter().map(spec).collect()
    }

    /// Checks that the slots are those of a net, in the same order.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn matches(&self, net: &[SlotSpec]) -> Result<(), LayoutMismatch> {
        for (number, pair) in self.slots.iter().zip(net).enumerate() {
            let (slot, expected) = pair;
            if spec(slot) != *expected {
                return Err(LayoutMismatch::Slot {
                    number: number + 1,
                    expected: describe(expected),
                    got: describe(&spec(slot)),
                });
            }
        }
        if self.slots.len() == net.len() {
            Ok(())
        } else {
            let missing: Vec<_> = net.iter().skip(self.slots.len()).map(describe).collect();
            Err(LayoutMismatch::Count {
                expected: net.len(),
                got: self.slots.len(),
                missing: missing.join(", "),
            })
        }
    }
}

fn spec(slot: &Slot) -> SlotSpec {
    SlotSpec {
        obis: slot.code().to_bytes(),
        unit: slot.word_unit().code(),
        scale: slot.word_scale(),
    }
}

/// `1-0:1.8.0*255 in Wh, scale -1`
pub fn describe(slot: &SlotSpec) -> String {
    let obis = ObisCode::from(slot.obis);
    match Unit::from_code(slot.unit) {
        Unit::COUNT => format!("{obis} as a count, scale {}", slot.scale),
        unit => format!("{obis} in {unit}, scale {}", slot.scale),
    }
}

/// How a profile differs from its net.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutMismatch {
    /// A slot differs.
    #[error("slot {number} of the net is {expected}, that of evaluation.slots is {got}")]
    Slot {
        /// From 1.
        number: usize,
        /// The net's.
        expected: String,
        /// The profile's.
        got: String,
    },
    /// More or fewer slots.
    #[error(
        "the net has {expected} slots, evaluation.slots has {got}{}",
        if missing.is_empty() { String::new() } else { format!("; missing: {missing}") }
    )]
    Count {
        /// The net's.
        expected: usize,
        /// The profile's.
        got: usize,
        /// The slots that the profile lacks.
        missing: String,
    },
}
