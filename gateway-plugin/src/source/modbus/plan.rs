//! Which registers are asked for together.

use dcnet_profiles::modbus::Function;

/// Consecutive registers that one request reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// How they are read.
    pub function: Function,
    /// The first.
    pub address: u16,
    /// How many; at least 1.
    pub count: u16,
}

impl Span {
    /// The register after the last; beyond `u16` if the last is 65535.
    fn end(self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    /// The words of `part` out of those of `self`; `None` if it does not lie within.
    pub(super) fn part(self, words: &[u16], part: Self) -> Option<&[u16]> {
        if self.function != part.function {
            return None;
        }
        let from = usize::from(part.address.checked_sub(self.address)?);
        words.get(from..from.checked_add(usize::from(part.count))?)
    }
}

/// Requests that cover `spans`, in ascending order: at most `limit` registers each, with at most
/// `gap` registers in a row that nobody asked for. A span above the limit stays a request of its
/// own; templates have none.
pub fn plan(spans: &[Span], limit: u16, gap: u16) -> Vec<Span> {
    let mut blocks: Vec<Span> = Vec::new();
    for span in apart(spans) {
        if let Some(last) = blocks.last_mut()
            && last.function == span.function
            && u32::from(span.address) <= last.end() + u32::from(gap)
            && let end = last.end().max(span.end())
            && let Ok(count) = u16::try_from(end - u32::from(last.address))
            && count <= limit
        {
            last.count = count;
        } else {
            blocks.push(span);
        }
    }
    blocks
}

/// Each span once, ascending, none together with another: for devices that refuse to read what lies
/// between.
pub(super) fn apart(spans: &[Span]) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn input(address: u16, count: u16) -> Span {
        Span {
            function: Function::Input,
            address,
            count,
        }
    }

    #[test]
    fn neighbours_are_read_together_and_the_far_apart_are_not() {
        let spans = [input(0x48, 2), input(0x4a, 2), input(0x34, 2), input(0, 2)];
        assert_eq!(
            plan(&spans, 125, 8),
            [input(0, 2), input(0x34, 2), input(0x48, 4)]
        );
        assert_eq!(plan(&spans, 125, 18), [input(0, 2), input(0x34, 24)]);
        assert_eq!(plan(&spans, 125, 124), [input(0, 0x4c)]);
        assert_eq!(plan(&spans, 125, 0).len(), 3);
    }

    #[test]
    fn a_block_ends_at_the_limit() {
        let spans: Vec<_> = (0..100).map(|number| input(number * 2, 2)).collect();
        let blocks = plan(&spans, 125, 0);
        assert_eq!(blocks, [input(0, 124), input(124, 76)]);
        assert_eq!(plan(&spans, 60, 0).len(), 4);
    }

    #[test]
    fn functions_are_not_mixed() {
        let holding = Span {
            function: Function::Holding,
            address: 2,
            count: 2,
        };
        assert_eq!(
            plan(&[input(0, 2), holding], 125, 8),
            [holding, input(0, 2)]
        );
    }

    #[test]
    fn the_last_register_can_be_read() {
        assert_eq!(
            plan(&[input(65535, 1), input(65533, 2)], 125, 8),
            [input(65533, 3)]
        );
    }

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        let span =
            (0_u16..400, 1_u16..=4, any::<bool>()).prop_map(|(address, count, input)| Span {
                function: if input {
                    Function::Input
                } else {
                    Function::Holding
                },
                address,
                count,
            });
        proptest::collection::vec(span, 1..40)
    }

    proptest! {
        /// Every span is whole in one block, and no block is larger than allowed.
        #[test]
        fn blocks_cover_what_was_asked_for(spans in spans(), limit in 4_u16..=125, gap in 0_u16..40) {
            let blocks = plan(&spans, limit, gap);
            for block in &blocks {
                prop_assert!(block.count <= limit);
            }
            for span in &spans {
                let holder = blocks.iter().find(|block| {
                    let words = vec![0; usize::from(block.count)];
                    block.part(&words, *span).is_some()
                });
                prop_assert!(holder.is_some(), "{span:?} in {blocks:?}");
            }
        }
    }
}
