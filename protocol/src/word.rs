//! Words: integers modulo 2⁶⁴, the only thing in this house that wraps.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

/// An element of ℤ/2⁶⁴.
///
/// A signed value stands for itself in two's complement, so that the word of a sum is the sum of
/// the words, as long as the true sum fits 64 bits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, TlsSize, TlsSerialize, TlsDeserialize,
)]
pub struct Word(u64);

impl Word {
    /// 0, the neutral element.
    pub const ZERO: Self = Self(0);

    /// From its representative in `0..2⁶⁴`.
    pub const fn new(representative: u64) -> Self {
        Self(representative)
    }

    /// The word of a signed value.
    pub const fn from_signed(value: i64) -> Self {
        Self(value.cast_unsigned())
    }

    /// The representative in `0..2⁶⁴`.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The representative in `-2⁶³..2⁶³`.
    pub const fn to_signed(self) -> i64 {
        self.0.cast_signed()
    }
}

/// The words of a pad are wiped.
impl zeroize::DefaultIsZeroes for Word {}

impl std::ops::Add for Word {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl std::ops::Sub for Word {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

impl std::ops::AddAssign for Word {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Word {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
