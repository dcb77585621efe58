//! Evidence against the provider, as files that the owner can give away.
//!
//! The ledger has it, durable together with the state that follows from it. The files are copies of
//! that for people, in the state directory: made when the evidence comes up, and again at every start
//! if they are missing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dcnet_protocol::round::Round;

/// Name of the file about `round`.
pub fn file_name(round: Round) -> String {
    format!("evidence-{round}.dcnet")
}

/// Writes every piece of evidence that has no file in `directory` yet, and returns the paths of all
/// of them.
///
/// A file is there whole or not at all, readable by its owner only, and durable on return. One that
/// is there already is left alone.
///
/// # Errors
///
/// What the system said of the first file that cannot be written.
pub fn write_missing(directory: &Path, evidence: &[(Round, Vec<u8>)]) -> io::Result<Vec<PathBuf>> {
    evidence
        .iter()
        .map(|(round, bytes)| {
            let path = directory.join(file_name(*round));
            if !path.try_exists()? {
                write(&path, bytes)?;
            }
            Ok(path)
        })
        .collect()
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("dcnet.new");
    // Left over from a loss of power, perhaps with other permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_missing_is_written_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = [
            (Round::new(7), b"seven".to_vec()),
            (Round::new(9), b"nine".to_vec()),
        ];
        fs::write(folder.path().join("evidence-9.dcnet"), b"here already").unwrap();
        fs::write(folder.path().join("evidence-7.dcnet.new"), b"half").unwrap();
        for _ in 0..2 {
            let paths = write_missing(folder.path(), &evidence).unwrap();
            assert_eq!(
                paths,
                ["evidence-7.dcnet", "evidence-9.dcnet"].map(|name| folder.path().join(name))
            );
            assert_eq!(fs::read(&paths[0]).unwrap(), b"seven");
            assert_eq!(fs::read(&paths[1]).unwrap(), b"here already");
            let mode = paths[0].metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_directory_that_takes_nothing_is_an_error() {
        let evidence = [(Round::new(7), b"seven".to_vec())];
        write_missing(Path::new("/nonexistent"), &evidence).unwrap_err();
    }
}
