//! Load data: what households used, quarter-hour by quarter-hour.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::read::MultiGzDecoder;

/// Quarter-hours of a day.
pub(super) const DAY: usize = 96;

/// Days of the longest row.
const MOST_DAYS: usize = 7;

/// How a file in gzip begins (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What stands for a reading that there is not.
const MISSING: [&str; 4] = ["", "NA", "NaN", "nan"];

/// Why load data were not taken. Lines and columns count from 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("cannot read the load data {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{}, line 1, column {column}: the header says \"{got}\" where \"{expected}\" must stand; it is \
         household,week,q001,q002,… with one column for each quarter-hour",
        path.display()
    )]
    Header {
        path: PathBuf,
        column: usize,
        expected: String,
        got: String,
    },
    #[error(
        "{}, line 1: {got} columns of quarter-hours; there must be 96 for each of 1 to 7 days",
        path.display()
    )]
    Columns { path: PathBuf, got: usize },
    #[error("{}, line {line}: {got} fields, the header has {expected}", path.display())]
    Fields {
        path: PathBuf,
        line: u64,
        got: usize,
        expected: usize,
    },
    #[error(
        "{}, line {line}, column {column} ({name}): \"{got}\" is no number of kWh; write one like 0.123, or \
         nothing for a reading that is missing",
        path.display()
    )]
    Cell {
        path: PathBuf,
        line: u64,
        column: usize,
        name: String,
        got: String,
    },
    #[error(
        "{}, line {line}: household {household} has its week {week} in line {first} already",
        path.display()
    )]
    Twice {
        path: PathBuf,
        line: u64,
        household: String,
        week: String,
        first: u64,
    },
}

/// What one household used in one week, or in as many days as the file's rows have.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) household: String,
    pub(super) week: String,
    /// kWh in each quarter-hour; none where the reading is missing. Negative is what was fed in.
    pub(super) readings: Vec<Option<f64>>,
}

/// Load data of households, all rows as long as each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Data {
    /// Days of a row, 1 to 7.
    pub(super) days: usize,
    pub(super) rows: Vec<Row>,
}

impl Data {
    /// Reads a CSV file, plain or in gzip.
    ///
    /// # Errors
    /// [`DataError`] with the line and column at fault.
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let text = open(path).map_err(|source| DataError::Read {
            path: path.to_owned(),
            source,
        })?;
        Reading { path }.data(text)
    }

    pub(super) fn missing(&self) -> usize {
        let cells = self.rows.iter().flat_map(|row| &row.readings);
        cells.filter(|reading| reading.is_none()).count()
    }
}

/// The file as text.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut begin = Vec::new();
    Read::by_ref(&mut file).take(2).read_to_end(&mut begin)?;
    file.rewind()?;
    let file = BufReader::new(file);
    Ok(if begin == GZIP {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

/// A file being read.
struct Reading<'a> {
    path: &'a Path,
}

impl Reading<'_> {
    fn data(&self, text: impl Read) -> Result<Data, DataError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let header = reader.headers().map_err(|error| self.csv(error))?.clone();
        let days = self.days(&header)?;
        let mut rows = Vec::new();
        let mut seen: HashMap<(String, String), u64> = HashMap::new();
        let mut record = StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|error| self.csv(error))?
        {
            let line = record.position().map_or(0, csv::Position::line);
            let row = self.row(&header, &record, line)?;
            let key = (row.household.clone(), row.week.clone());
            if let Some(first) = seen.insert(key, line) {
                return Err(DataError::Twice {
                    path: self.path.to_owned(),
                    line,
                    household: row.household,
                    week: row.week,
                    first,
                });
            }
            rows.push(row);
        }
        Ok(Data { days, rows })
    }

    fn days(&self, header: &StringRecord) -> Result<usize, DataError> {
        let names = ["household".to_owned(), "week".to_owned()]
            .into_iter()
            .chain((1_usize..).map(|number| format!("q{number:03}")));
        for (column, (got, expected)) in (1..).zip(header.iter().zip(names)) {
            if got != expected {
                return Err(DataError::Header {
                    path: self.path.to_owned(),
                    column,
                    expected,
                    got: got.to_owned(),
                });
            }
        }
        let got = header.len().saturating_sub(2);
        let days = got / DAY;
        if !got.is_multiple_of(DAY) || !(1..=MOST_DAYS).contains(&days) {
            return Err(DataError::Columns {
                path: self.path.to_owned(),
                got,
            });
        }
        Ok(days)
    }

    fn row(
        &self,
        header: &StringRecord,
        record: &StringRecord,
        line: u64,
    ) -> Result<Row, DataError> {
        if record.len() != header.len() {
            return Err(DataError::Fields {
                path: self.path.to_owned(),
                line,
                got: record.len(),
                expected: header.len(),
            });
        }
        let readings =
            (3..)
                .zip(record.iter().zip(header).skip(2))
                .map(|(column, (text, name))| {
                    reading(text).ok_or_else(|| DataError::Cell {
                        path: self.path.to_owned(),
                        line,
                        column,
                        name: name.to_owned(),
                        got: text.to_owned(),
                    })
                });
        Ok(Row {
            household: record.get(0).unwrap_or_default().to_owned(),
            week: record.get(1).unwrap_or_default().to_owned(),
            readings: readings.collect::<Result<_, _>>()?,
        })
    }

    /// What the reader of CSV says; a failure to unpack or read comes through it as well.
    fn csv(&self, error: csv::Error) -> DataError {
        let path = self.path.to_owned();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => DataError::Read { path, source },
            csv::ErrorKind::Utf8 { pos, err } => DataError::Read {
                path,
                source: io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("line {}: {err}", pos.map_or(1, |pos| pos.line())),
                ),
            },
            kind => DataError::Read {
                path,
                source: io::Error::other(format!("{kind:?}")),
            },
        }
    }
}

/// A reading or none; nothing at all for what is neither.
#[expect(clippy::option_option, reason = "unreadable is not missing")]
fn reading(text: &str) -> Option<Option<f64>> {
    let text = text.trim();
    if MISSING.contains(&text) {
        return Some(None);
    }
    let value: f64 = text.parse().ok()?;
    value.is_finite().then_some(Some(value))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn header(quarters: usize) -> String {
        let names: Vec<String> = (1..=quarters).map(|q| format!("q{q:03}")).collect();
        format!("household,week,{}\n", names.join(","))
    }

    fn line(household: &str, week: &str, cells: &[&str]) -> String {
        let filled = (0..DAY).map(|index| *cells.get(index).unwrap_or(&"0.5"));
        format!(
            "{household},{week},{}\n",
            filled.collect::<Vec<_>>().join(",")
        )
    }

    fn read(text: &str) -> Result<Data, String> {
        let reading = Reading {
            path: Path::new("load.csv"),
        };
        reading
            .data(text.as_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn missing_is_not_zero_and_outliers_stay() {
        let text = header(96) + &line("7", "w1", &["", "0", "NA", "-36.48", "47.05", "1e-3"]);
        let data = read(&text).unwrap();
        assert_eq!((data.days, data.missing()), (1, 2));
        assert_eq!(
            data.rows[0].readings[..6],
            [
                None,
                Some(0.0),
                None,
                Some(-36.48),
                Some(47.05),
                Some(0.001)
            ]
        );
    }

    #[test]
    fn errors_say_where() {
        let good = header(96) + &line("7", "w1", &[]);
        for (text, said) in [
            (
                good.clone() + &line("8", "w1", &["0.1", "1,2"]),
                "load.csv, line 3: 99 fields, the header has 98",
            ),
            (
                good.clone() + &line("8", "w1", &["0.1", "0.2", "x"]),
                "load.csv, line 3, column 5 (q003): \"x\" is no number",
            ),
            (
                good.clone() + &line("8", "w1", &["inf"]),
                "load.csv, line 3, column 3 (q001): \"inf\" is no number",
            ),
            (
                good.clone() + &line("7", "w1", &[]),
                "load.csv, line 3: household 7 has its week w1 in line 2 already",
            ),
            (
                good.replace("q002", "q2"),
                "load.csv, line 1, column 4: the header says \"q2\" where \"q002\" must stand",
            ),
            (header(95), "load.csv, line 1: 95 columns"),
            (header(96 * 8), "load.csv, line 1: 768 columns"),
            (String::new(), "load.csv, line 1: 0 columns"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn gzip_is_known_by_how_it_begins() {
        let text = header(96) + &line("7", "w1", &["0.25"]);
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("plain"), folder.path().join("packed"));
        std::fs::write(&plain, &text).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        let bytes = encoder.finish().unwrap();
        std::fs::write(&packed, &bytes).unwrap();
        assert_eq!(Data::read(&plain).unwrap(), Data::read(&packed).unwrap());
        std::fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(Data::read(&packed), Err(DataError::Read { .. })));
        let error = Data::read(&folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("cannot read the load data"));
    }
}
