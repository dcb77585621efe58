//! The push decoder.

use core::fmt;
use std::borrow::Cow;

use super::frame::Framer;
use super::{Catalog, DecodeError, message};
use crate::{Statistics, Telegram};

/// Turns the bytes that a meter sends, in pieces of any size, into telegrams.
///
/// It may be started in the middle of a file and fed with garbage; see the [module](super) for
/// what a telegram has passed when it comes out, and for the bounds.
pub struct Decoder {
    framer: Framer,
    catalog: Cow<'static, Catalog>,
    statistics: Statistics,
}

impl Decoder {
    /// A decoder that has seen nothing yet and knows the deviations of the built-in
    /// [`Catalog`].
    pub fn new() -> Self {
        Self::knowing(Cow::Borrowed(Catalog::built_in()))
    }

    /// A decoder that follows the rules of this catalogue only; [`Catalog::extended`] keeps the
    /// built-in ones.
    pub fn with_catalog(catalog: &Catalog) -> Self {
        Self::knowing(Cow::Owned(catalog.clone()))
    }

    fn knowing(catalog: Cow<'static, Catalog>) -> Self {
        Self {
            framer: Framer::new(),
            catalog,
            statistics: Statistics::default(),
        }
    }

    /// Takes the next bytes; hands back the telegrams that they complete and the reasons for
    /// refusing files, in the order of the bytes.
    ///
    /// Bytes outside of files are no error, only counted: a reader usually starts in the middle
    /// of one.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Result<Telegram, DecodeError>> {
        let mut results = Vec::new();
        self.push_with(bytes, |result| results.push(result));
        results
    }

    /// The same as [`Decoder::push`], with a function to call for each result.
    pub fn push_with(&mut self, bytes: &[u8], mut sink: impl FnMut(Result<Telegram, DecodeError>)) {
        let (statistics, catalog) = (&mut self.statistics, self.catalog.as_ref());
        let mut refused = 0;
        self.framer.push(bytes, |file| {
            let length = file.as_ref().map_or(0, |file| file.body.len());
            let outcome = file.and_then(|file| {
                message::read_file(file.body, file.checksum, catalog, |telegram| {
                    statistics.telegrams += 1;
                    sink(Ok(telegram));
                })
            });
            if let Err(error) = outcome {
                if error.is_checksum() {
                    statistics.checksum_errors += 1;
                } else {
                    statistics.other_errors += 1;
                }
                refused += length as u64;
                sink(Err(error));
            }
        });
        statistics.bytes += bytes.len() as u64;
        statistics.refused_bytes += refused;
        statistics.discarded_bytes = self.framer.discarded();
    }

    /// What the decoder has met since its beginning.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Forgets a file of which only a part has come, for instance because the port was reopened.
    /// The statistics go on.
    pub fn reset(&mut self) {
        self.framer.reset();
        self.statistics.discarded_bytes = self.framer.discarded();
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The counters only: the bytes in between are a household's readings.
impl fmt::Debug for Decoder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Decoder")
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}
