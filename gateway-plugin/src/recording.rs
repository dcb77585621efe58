//! Recordings of what a meter sent: to report what does not work, and to read again without the
//! meter.
//!
//! A recording is a text file of JSON objects, one per line. The first is the [`Header`], the others
//! are pieces as they came in: `{"ms":1043,"hex":"1b1b1b1b0101…"}`, the time since the beginning in
//! milliseconds and the bytes. Files of nothing but the bytes, as other programs record them, are
//! read as well.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dcnet_obis::sml::Catalog;
use serde::{Deserialize, Serialize};

use crate::hex::hex;
use crate::source::protocol::{Counts, D0, D0Options, Protocol, Sml};

/// The version of the form that is written.
const VERSION: u32 = 1;

/// Most bytes of a meter in one recording: three minutes at the fastest rate.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Largest file in bytes.
const MAX_FILE: u64 = 4 * MAX_BYTES as u64;

/// Which protocol a meter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// SML.
    Sml,
    /// D0 (IEC 62056-21).
    D0,
}

impl Kind {
    /// A decoder that has seen nothing yet; the catalogue is for SML, the options are for D0.
    pub fn decoder(self, catalog: &Catalog, options: D0Options) -> Box<dyn Protocol> {
        match self {
            Self::Sml => Box::new(Sml::with_catalog(catalog)),
            Self::D0 => Box::new(D0::new(options)),
        }
    }
}

/// What is to be known of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the form.
    recording: u32,
    /// Name and version of the program that recorded it.
    pub program: String,
    /// The protocol by which it was read.
    pub protocol: Kind,
    /// The mode in which the line was opened.
    pub line: String,
    /// Whether the meter was asked.
    pub asked: bool,
    /// What the owner said of a D0 meter.
    #[serde(default)]
    pub d0: D0Options,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// Whether ids were blanked. The counts and errors are those of the bytes as they came.
    pub blanked: bool,
    /// Bytes that are left out because nobody knows whether they hold a part of an id.
    pub left_out: u64,
    /// What the decoder made of the bytes.
    pub counts: Counts,
    /// The first reasons for refusing something.
    pub errors: Vec<String>,
}

impl Header {
    /// The header of a recording by this program, without what is known only at its end.
    pub fn new(protocol: Kind, line: String, asked: bool, d0: D0Options) -> Self {
        Self {
            recording: VERSION,
            program: concat!("dcnet-gateway ", env!("CARGO_PKG_VERSION")).to_owned(),
            protocol,
            line,
            asked,
            d0,
            millis: 0,
            blanked: false,
            left_out: 0,
            counts: Counts::default(),
            errors: Vec::new(),
        }
    }
}

/// Bytes as they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Since the beginning, in milliseconds.
    pub millis: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// What is to be known of it; `None` for a file of nothing but bytes.
    pub header: Option<Header>,
    /// What the meter sent.
    pub pieces: Vec<Piece>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    ms: u64,
    hex: String,
}

impl Recording {
    /// Reads a recording, or a file of nothing but the bytes that a meter sent.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is too large, or a line of it is not what it should be.
    pub fn load(file: &Path) -> Result<Self, RecordingError> {
        let unreadable = |source| RecordingError::Unreadable {
            file: file.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let read = File::open(file)
            .map_err(unreadable)?
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if read as u64 > MAX_FILE {
            return Err(RecordingError::TooLarge {
                file: file.to_owned(),
                limit: MAX_FILE,
            });
        }
        if bytes.starts_with(b"{\"recording\":") {
            return parse(&bytes, file);
        }
        Ok(Self {
            header: None,
            pieces: vec![Piece { millis: 0, bytes }],
        })
    }

    /// Writes it to a new file that only its owner can read: what a household's meter sent is nobody
    /// else's business until the owner says so.
    ///
    /// # Errors
    ///
    /// The file exists, or cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)?;
        let mut out = BufWriter::new(file);
        if let Some(header) = &self.header {
            serde_json::to_writer(&mut out, header)?;
            out.write_all(b"\n")?;
        }
        for piece in &self.pieces {
            let line = Line {
                ms: piece.millis,
                hex: hex(&piece.bytes),
            };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// The protocol: as the header says, otherwise as the bytes look.
    pub fn kind(&self) -> Kind {
        const START_OF_SML: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];
        let is_sml = |piece: &Piece| {
            piece
                .bytes
                .windows(START_OF_SML.len())
                .any(|window| window == START_OF_SML)
        };
        match &self.header {
            Some(header) => header.protocol,
            None if self.pieces.iter().any(is_sml) => Kind::Sml,
            None => Kind::D0,
        }
    }
}

fn parse(bytes: &[u8], file: &Path) -> Result<Recording, RecordingError> {
    let place = |line: usize, what: String| RecordingError::Line {
        file: file.to_owned(),
        line,
        what,
    };
    let mut lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let first = lines.next().map(|(_, line)| line).unwrap_or_default();
    let header: Header =
        serde_json::from_slice(first).map_err(|error| place(1, error.to_string()))?;
    if header.recording != VERSION {
        let what = format!(
            "this form of recordings (version {}) is not known here; known is {VERSION}",
            header.recording
        );
        return Err(place(1, what));
    }
    let mut pieces = Vec::new();
    for (index, text) in lines.filter(|(_, line)| !line.is_empty()) {
        let number = index + 1;
        let line: Line =
            serde_json::from_slice(text).map_err(|error| place(number, error.to_string()))?;
        let bytes = unhex(&line.hex).ok_or_else(|| {
            place(
                number,
                "hex: pairs of hexadecimal digits are expected".into(),
            )
        })?;
        pieces.push(Piece {
            millis: line.ms,
            bytes,
        });
    }
    Ok(Recording {
        header: Some(header),
        pieces,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too large.
    #[error("{}: has more than {limit} bytes; is this a recording?", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The most bytes.
        limit: u64,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {what}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meter.jsonl");
        let header = Header::new(Kind::D0, "300 7E1".to_owned(), true, D0Options::default());
        let piece = |millis, bytes: &[u8]| Piece {
            millis,
            bytes: bytes.to_vec(),
        };
        let recording = Recording {
            header: Some(header),
            pieces: vec![piece(3, b"/EMH5\r\n"), piece(4_000, &[0, 0x9f, 0xff])],
        };
        recording.write(&file).unwrap();
        assert_eq!(Recording::load(&file).unwrap(), recording);
        // Never over another one.
        let error = recording.write(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);

        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("{\"ms\":1,\"hex\":\"0g\"}\n");
        std::fs::write(&file, text).unwrap();
        let error = Recording::load(&file).unwrap_err().to_string();
        assert!(
            error.ends_with(":4: hex: pairs of hexadecimal digits are expected"),
            "{error}"
        );
    }
}
