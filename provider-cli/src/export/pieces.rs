//! A whole export in pieces, each as large as a page of rounds: what a file and an answer over HTTPS
//! are written with, however many rounds there are.

use std::collections::VecDeque;
use std::io;

use super::openmetrics::{self, Family};
use super::parquet::Rows;
use super::reading::Reading;
use super::{Format, Value, values};
use crate::service::AdminError;

/// A format of whole files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    /// One line per value.
    Lines(Format),
    /// For columnar readers.
    Parquet,
    /// Samples with their times, by family.
    OpenMetrics,
}

impl FileFormat {
    /// As commands and the audit trail name it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Lines(Format::Csv) => "csv --values",
            Self::Lines(Format::Jsonl) => "jsonl",
            Self::Lines(Format::Influx) => "influx",
            Self::Parquet => "parquet",
            Self::OpenMetrics => "openmetrics",
        }
    }
}

/// Why there is no next piece.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PieceError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A format cannot take the values.
    #[error(transparent)]
    Format(#[from] io::Error),
}

/// An export that is being made.
pub(crate) struct Pieces {
    reading: Reading,
    writer: Writer,
    /// What is still to be read, each from the beginning of the range to its end.
    passes: VecDeque<Pass>,
    /// Whether the first of the passes has begun.
    is_reading: bool,
}

/// Rounds of one net read once.
#[derive(Debug, Clone, Copy)]
struct Pass {
    net: usize,
    /// Which samples are wanted, where they are written by family.
    samples: Option<(Family, usize)>,
    /// Whether the family begins here.
    is_first: bool,
}

enum Writer {
    Lines { format: Format, has_begun: bool },
    Parquet(Box<Rows<Vec<u8>>>),
    OpenMetrics,
    Ended,
}

impl Pieces {
    /// Begins an export of all rounds that `reading` gives.
    ///
    /// # Errors
    /// [`PieceError::Format`] if slots do not fit into one file of this format.
    pub(crate) fn begin(format: FileFormat, reading: Reading) -> Result<Self, PieceError> {
        let slots = reading.series.iter().flat_map(|series| &series.slots);
        let writer = match format {
            FileFormat::Lines(format) => Writer::Lines {
                format,
                has_begun: false,
            },
            FileFormat::Parquet => {
                let rows = Rows::begin(Vec::new(), slots.map(|slot| slot.scale))?;
                Writer::Parquet(Box::new(rows))
            }
            FileFormat::OpenMetrics => Writer::OpenMetrics,
        };
        let passes = match format {
            FileFormat::OpenMetrics => by_family(&reading),
            FileFormat::Lines(_) | FileFormat::Parquet => (0..reading.series.len())
                .map(|net| Pass {
                    net,
                    samples: None,
                    is_first: false,
                })
                .collect(),
        };
        Ok(Self {
            reading,
            writer,
            passes,
            is_reading: false,
        })
    }

    /// The next piece, which may be empty; none behind the last one.
    ///
    /// # Errors
    /// [`PieceError`] if rounds cannot be read or written: what was given before is not a whole export.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, PieceError> {
        let mut piece = Vec::new();
        if let Writer::Lines { format, has_begun } = &mut self.writer
            && !std::mem::replace(has_begun, true)
        {
            format.begin(&mut piece)?;
        }
        let Some(pass) = self.passes.front().copied() else {
            return self.end(piece);
        };
        if !std::mem::replace(&mut self.is_reading, true) {
            self.reading.rewind();
            if let (true, Some((family, _))) = (pass.is_first, pass.samples) {
                family.begin(&mut piece)?;
            }
        }
        let Some((series, page)) = self.reading.page(pass.net).await? else {
            self.passes.pop_front();
            self.is_reading = false;
            return Ok(Some(piece));
        };
        let each = page.iter().flat_map(|round| {
            let mut values = values(series, round);
            match pass.samples {
                Some((_, slot)) if slot < values.len() => vec![values.swap_remove(slot)],
                Some(_) => Vec::new(),
                None => values,
            }
        });
        let values: Vec<Value> = each.collect();
        match (&mut self.writer, pass.samples) {
            (Writer::Lines { format, .. }, _) => format.write(&values, &mut piece)?,
            (Writer::Parquet(rows), _) => {
                rows.write(&values)?;
                piece.append(&mut rows.take());
            }
            (Writer::OpenMetrics, Some((family, _))) => {
                for value in &values {
                    family.write(value, &mut piece)?;
                }
            }
            (Writer::OpenMetrics | Writer::Ended, _) => {}
        }
        Ok(Some(piece))
    }

    fn end(&mut self, mut piece: Vec<u8>) -> Result<Option<Vec<u8>>, PieceError> {
        match std::mem::replace(&mut self.writer, Writer::Ended) {
            Writer::Lines { .. } => {}
            Writer::Parquet(rows) => piece.append(&mut rows.finish()?),
            Writer::OpenMetrics => openmetrics::end(&mut piece)?,
            Writer::Ended => return Ok(None),
        }
        Ok(Some(piece))
    }
}

/// Each family in one piece, and in it each slot, or each net, in order of time.
fn by_family(reading: &Reading) -> VecDeque<Pass> {
    let mut passes = VecDeque::new();
    for family in Family::ALL {
        let mut is_first = true;
        for (net, series) in reading.series.iter().enumerate() {
            let slots = series.slots.len();
            for slot in 0..if family.is_per_slot() { slots } else { 1 } {
                passes.push_back(Pass {
                    net,
                    samples: Some((family, slot)),
                    is_first: std::mem::replace(&mut is_first, false),
                });
            }
        }
    }
    passes
}
