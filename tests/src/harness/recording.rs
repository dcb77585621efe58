//! A recorded meter: what an optical head once delivered, pushed again round by round.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dcnet_obis::sml::Decoder;
use dcnet_obis::{ObisCode, Telegram};

use super::{HarnessError, Source, Spoken};

/// Four of these make an escape sequence of SML's transport.
const E: u8 = 0x1b;
/// Follows the one that ends a file.
const END: u8 = 0x1a;

/// The most that is pushed at once of a recording without any complete file.
const NOISE: usize = 2000;

/// A recording as a meter. Its `i`-th file is pushed again and again in the `i`-th round, the last
/// one for ever; it changes in a third of the round, so that a border leaves no doubt.
///
/// It shows the register 1.8.0 in 10⁻¹ Wh.
#[derive(Debug, Clone)]
pub struct Recording {
    name: String,
    files: Vec<File>,
    /// What came before the first file: pushed once.
    noise: Vec<u8>,
    origin: Origin,
    telegrams: usize,
    interval: u64,
    first_round: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
struct File {
    bytes: Vec<u8>,
    import: Option<i64>,
}

/// Who says what a recording's telegrams mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The text of libsml beside the recording: nobody of this house had a hand in it.
    Reference,
    /// The decoder of this house: there is no text, or it does not list the same telegrams.
    OwnDecoder,
    /// There is no complete file with this register in it: the meter is silent.
    Nothing,
}

/// All recordings (`*.bin`) of a folder by name. They begin to advance with the round that is put
/// into `first_round`; before it, and while it is `u64::MAX`, they stand still.
///
/// # Errors
/// The folder cannot be read, or holds none.
pub fn recordings(
    folder: &Path,
    interval: u64,
    first_round: &Arc<AtomicU64>,
) -> Result<Vec<Recording>, HarnessError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(HarnessError::system("read", folder))? {
        let path = entry.map_err(HarnessError::system("read", folder))?.path();
        if path.extension().is_some_and(|end| end == "bin") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(HarnessError::NoRecordings {
            folder: folder.to_owned(),
        });
    }
    paths
        .iter()
        .map(|path| Recording::load(path, interval, Arc::clone(first_round)))
        .collect()
}

impl Recording {
    fn load(path: &Path, interval: u64, first_round: Arc<AtomicU64>) -> Result<Self, HarnessError> {
        let bytes = fs::read(path).map_err(HarnessError::system("read", path))?;
        let (noise, cut) = cut(&bytes);
        let mut telegrams = 0;
        let mut files = Vec::new();
        for bytes in cut {
            let read: Vec<Telegram> = Decoder::new().push(bytes).into_iter().flatten().collect();
            telegrams += usize::from(!read.is_empty());
            files.push(File {
                import: import(&read),
                bytes: bytes.to_vec(),
            });
        }
        // The text has a line for each telegram that shows the register, no more.
        let reference = fs::read_to_string(path.with_extension("libsml.txt"))
            .map(|text| referenced(&text))
            .unwrap_or_default();
        let showing = files.iter().filter(|file| file.import.is_some()).count();
        let origin = match showing {
            0 => Origin::Nothing,
            count if count == reference.len() => Origin::Reference,
            _ => Origin::OwnDecoder,
        };
        if origin == Origin::Reference {
            let showing = files.iter_mut().filter(|file| file.import.is_some());
            for (file, value) in showing.zip(reference) {
                file.import = Some(value);
            }
        }
        if files.is_empty() {
            let bytes = bytes.get(..NOISE).unwrap_or(&bytes).to_vec();
            files.push(File {
                bytes,
                import: None,
            });
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            files,
            noise: noise.to_vec(),
            origin,
            telegrams,
            interval,
            first_round,
        })
    }

    /// Its file's name without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of complete files in it that can be read.
    pub fn telegrams(&self) -> usize {
        self.telegrams
    }

    /// Who says what its telegrams mean.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl Source for Recording {
    fn speak(&mut self, now: u64) -> Spoken {
        let round = now.saturating_sub(self.interval / 3) / self.interval;
        let first = self.first_round.load(Ordering::Relaxed);
        let index = usize::try_from(round.saturating_sub(first)).unwrap_or(usize::MAX);
        let file = self.files.get(index).or(self.files.last());
        let mut bytes = std::mem::take(&mut self.noise);
        bytes.extend(file.iter().flat_map(|file| &file.bytes));
        Spoken {
            bytes,
            shown: file.and_then(|file| file.import).map(|import| vec![import]),
        }
    }
}

/// What comes before the first file, and the complete files. Damaged ones are among them.
fn cut(bytes: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut files = Vec::new();
    let mut begin = None;
    let mut first = bytes.len();
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        match next {
            [E, E, E, E, 1, 1, 1, 1] => {
                begin = Some(at);
                at += 8;
            }
            [E, E, E, E, E, E, E, E] => at += 8, // an escape sequence that is data
            [E, E, E, E, END, ..] => {
                at += 8;
                if let Some(begin) = begin.take() {
                    first = first.min(begin);
                    files.extend(bytes.get(begin..at));
                }
            }
            _ => at += 1,
        }
    }
    (bytes.get(..first).unwrap_or_default(), files)
}

/// The register in the last telegram of a file that has it, in 10⁻¹ Wh.
fn import(telegrams: &[Telegram]) -> Option<i64> {
    telegrams
        .iter()
        .filter_map(|telegram| telegram.number(ObisCode::ACTIVE_ENERGY_IMPORT))
        .next_back()
        .and_then(|register| register.floor_to(-1))
}

/// The values of `1-0:1.8.0*255#17243675.6#Wh`, in 10⁻¹ Wh, floored.
fn referenced(text: &str) -> Vec<i64> {
    text.lines()
        .filter_map(|line| line.strip_prefix("1-0:1.8.0*255#")?.strip_suffix("#Wh"))
        .filter_map(|value| {
            let (whole, decimals) = value.split_once('.').unwrap_or((value, "0"));
            let tenth = decimals.get(..1)?;
            format!("{whole}{tenth}").parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_at_their_borders_and_nowhere_else() {
        let file: Vec<u8> = [
            &[E, E, E, E, 1, 1, 1, 1, 7, 7][..],
            &[E, E, E, E, E, E, E, E, END, 0, 0, 0],
            &[E, E, E, E, END, 0, 1, 2],
        ]
        .concat();
        let bytes = [&[9, 0x1b, 9][..], &file, &file, &file[..9]].concat();
        assert_eq!(cut(&bytes), (&[9, 0x1b, 9][..], vec![&file[..], &file[..]]));
        assert_eq!(cut(&file[..9]), (&file[..9], vec![]));
    }

    #[test]
    fn references_are_floored_to_tenths() {
        let text = "1-0:1.8.0*255#17.69#Wh\n1-0:1.8.1*255#1#Wh\n1-0:1.8.0*255#18#Wh\n";
        assert_eq!(referenced(text), [176, 180]);
    }

    #[test]
    fn telegrams_advance_with_the_rounds_and_stay_at_the_last() {
        let file = |byte: u8| File {
            bytes: vec![byte],
            import: Some(i64::from(byte)),
        };
        let first_round = Arc::new(AtomicU64::new(u64::MAX));
        let mut recording = Recording {
            name: String::new(),
            files: vec![file(1), file(2)],
            noise: vec![0],
            origin: Origin::Reference,
            telegrams: 2,
            interval: 6_000,
            first_round: Arc::clone(&first_round),
        };
        assert_eq!(recording.speak(60_000).bytes, [0, 1]);
        first_round.store(10, Ordering::Relaxed);
        assert_eq!(recording.speak(67_999).bytes, [1]);
        assert_eq!(recording.speak(68_000).bytes, [2]);
        assert_eq!(recording.speak(600_000).shown, Some(vec![2]));
    }
}
