//! Superpositions: readings and pads added up, word by word, modulo 2⁶⁴.

use std::io::{Read, Write};

use tls_codec::{Deserialize, Error, Serialize, Size};

use crate::codec::{list16, malformed};
use crate::descriptor::MAX_SLOTS;
use crate::pad::Pad;
use crate::word::Word;

/// One signed value per slot of the net, in the slot's unit and scale. Never leaves the gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct Reading(Vec<i64>);

/// Largest magnitude of a value in a reading, so that the sum over 2²⁰ members fits 63 bits.
pub const MAX_READING: i64 = 1 << 42;

impl Reading {
    /// From its values in the order of the slots.
    ///
    /// # Errors
    /// [`ReadingError`] if a value is above [`MAX_READING`] in magnitude, or if there are none or
    /// more than [`MAX_SLOTS`].
    pub fn new(values: Vec<i64>) -> Result<Self, ReadingError> {
        if values.is_empty() || values.len() > MAX_SLOTS {
            return Err(ReadingError::Slots {
                expected: MAX_SLOTS,
                got: values.len(),
            });
        }
        match values
            .iter()
            .position(|value| value.unsigned_abs() > MAX_READING.unsigned_abs())
        {
            Some(slot) => Err(ReadingError::Range { slot }),
            None => Ok(Self(values)),
        }
    }

    /// The values in the order of the slots.
    pub fn values(&self) -> &[i64] {
        &self.0
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({} values, redacted)", self.0.len())
    }
}

/// Why values are no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// Wrong number of values.
    #[error("a reading of this net has {expected} values, this one has {got}")]
    Slots {
        /// Number of slots.
        expected: usize,
        /// Number of values.
        got: usize,
    },
    /// Too large to be summed.
    #[error("the value of slot {} is out of range (magnitude above 2^42)", slot + 1)]
    Range {
        /// Index from 0.
        slot: usize,
    },
}

/// A local superposition (one member's reading and pads) or a sum of such.
///
/// `Debug` shows no words: those of a refused frame must not get into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Superposition(Vec<Word>);

impl std::fmt::Debug for Superposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Superposition({} words)", self.0.len())
    }
}

impl Superposition {
    /// Neutral element with `slots` words: the start of a sum.
    pub fn zero(slots: usize) -> Self {
        Self(vec![Word::ZERO; slots])
    }

    /// From words that were superposed before: out of a store, or summed elsewhere.
    pub fn from_stored(words: &[u64]) -> Self {
        Self(words.iter().copied().map(Word::new).collect())
    }

    /// A reading (or none) under a pad.
    pub(crate) fn masked(reading: Option<&Reading>, pad: &Pad) -> Self {
        let mut words: Vec<Word> = pad.words().to_vec();
        for (word, value) in words
            .iter_mut()
            .zip(reading.map_or(&[][..], Reading::values))
        {
            *word += Word::from_signed(*value);
        }
        Self(words)
    }

    /// Adds the words of a self-mask.
    pub(crate) fn add_words(&mut self, words: &[Word]) {
        for (word, more) in self.0.iter_mut().zip(words) {
            *word += *more;
        }
    }

    /// Takes the words of a self-mask off.
    pub(crate) fn subtract_words(&mut self, words: &[Word]) {
        for (word, less) in self.0.iter_mut().zip(words) {
            *word -= *less;
        }
    }

    /// This superposition without the pads in `pad`.
    pub(crate) fn without(mut self, pad: &Pad) -> Self {
        for (word, pad) in self.0.iter_mut().zip(pad.words()) {
            *word -= *pad;
        }
        self
    }

    /// Adds `other` word by word.
    ///
    /// # Errors
    /// [`SlotMismatch`] if the numbers of words differ; nothing is added then.
    pub fn add(&mut self, other: &Self) -> Result<(), SlotMismatch> {
        if self.0.len() != other.0.len() {
            return Err(SlotMismatch {
                expected: self.0.len(),
                got: other.0.len(),
            });
        }
        for (sum, word) in self.0.iter_mut().zip(&other.0) {
            *sum += *word;
        }
        Ok(())
    }

    /// The words in the order of the slots.
    pub fn words(&self) -> &[Word] {
        &self.0
    }

    /// The words' representatives in `0..2⁶⁴`.
    pub fn to_stored(&self) -> Vec<u64> {
        self.0.iter().map(|word| word.get()).collect()
    }
}

/// Two superpositions of different layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this net has {expected} slots, the superposition has {got}")]
pub struct SlotMismatch {
    /// Number of slots of the net.
    pub expected: usize,
    /// Number of words found.
    pub got: usize,
}

impl Size for Superposition {
    fn tls_serialized_len(&self) -> usize {
        list16::tls_serialized_len(&self.0)
    }
}

impl Serialize for Superposition {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, Error> {
        list16::tls_serialize(&self.0, writer)
    }
}

impl Deserialize for Superposition {
    fn tls_deserialize<R: Read>(reader: &mut R) -> Result<Self, Error> {
        let words: Vec<Word> = list16::tls_deserialize(reader)?;
        if words.is_empty() || words.len() > MAX_SLOTS {
            return Err(malformed("a superposition has 1 to 32 words"));
        }
        Ok(Self(words))
    }
}
