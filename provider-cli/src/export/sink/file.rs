//! A file that grows.
//!
//! The cursor says how long the file was when it was written; what stands behind that was being
//! appended when the process ended, and is cut off, so that each value is in the file once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;

use super::super::config::FileConfig;
use super::super::cursor::{Cursor, Extent};
use super::super::{ExportError, Value};

pub(super) struct FileSink {
    config: FileConfig,
}

impl FileSink {
    pub(super) const fn new(config: FileConfig) -> Self {
        Self { config }
    }

    /// Appends values; they are on the disk when this returns, and the cursor knows the new length
    /// but is not saved yet.
    pub(super) fn append(&self, values: &[Value], cursor: &mut Cursor) -> Result<(), ExportError> {
        let path = &self.config.path;
        let fail = |source| ExportError::Append {
            path: path.clone(),
            source,
        };
        let (mut file, extent) = self.open().map_err(fail)?;
        let length = match cursor.reached.file {
            Some(known) if known.inode == extent.inode => known.length.min(extent.length),
            // A new file, or one that was moved away: begun under the cursor first, so that after
            // a sudden end it is known as ours.
            _ if extent.length == 0 => {
                cursor.reached.file = Some(extent);
                cursor.save()?;
                0
            }
            _ => return Err(ExportError::ForeignFile(path.clone())),
        };
        let mut bytes = Vec::new();
        if length == 0 {
            self.config.format.begin(&mut bytes)?;
        }
        self.config.format.write(values, &mut bytes)?;
        file.set_len(length)
            .and_then(|()| file.write_all(&bytes))
            .and_then(|()| file.sync_data())
            .map_err(fail)?;
        cursor.reached.file = Some(Extent {
            inode: extent.inode,
            length: length + u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        });
        Ok(())
    }

    fn open(&self) -> io::Result<(File, Extent)> {
        let path = &self.config.path;
        let options = || {
            let mut options = OpenOptions::new();
            options.append(true);
            options
        };
        let file = match options().open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(std::path::Path::new("."));
                std::fs::create_dir_all(folder)?;
                let file = options().create_new(true).open(path)?;
                File::open(folder)?.sync_all()?;
                file
            }
            opened => opened?,
        };
        let metadata = file.metadata()?;
        let extent = Extent {
            inode: metadata.ino(),
            length: metadata.len(),
        };
        Ok((file, extent))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::cursor::Cursor;
    use super::super::super::format::Format;
    use super::*;

    #[test]
    fn what_the_cursor_does_not_know_is_cut_off_and_strangers_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/sums.csv");
        let config = FileConfig {
            path: path.clone(),
            format: Format::Csv,
        };
        let sink = FileSink::new(config);
        let mut cursor = Cursor::load(folder.path(), "lake").unwrap();
        sink.append(&[], &mut cursor).unwrap();
        cursor.save().unwrap();
        let begun = std::fs::read(&path).unwrap();
        assert!(begun.starts_with(b"net,region,"));

        // Killed while a line was being appended.
        let mut half = begun.clone();
        half.extend(b"elbe-4,Neusta");
        std::fs::write(&path, half).unwrap();
        let mut cursor = Cursor::load(folder.path(), "lake").unwrap();
        sink.append(&[], &mut cursor).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), begun);

        // Moved away: a new one begins.
        std::fs::rename(&path, folder.path().join("old.csv")).unwrap();
        sink.append(&[], &mut cursor).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), begun);

        // Somebody else's.
        let other = folder.path().join("other.csv");
        std::fs::write(&other, "precious").unwrap();
        std::fs::rename(&other, &path).unwrap();
        let refused = sink.append(&[], &mut cursor);
        assert!(matches!(refused, Err(ExportError::ForeignFile(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
