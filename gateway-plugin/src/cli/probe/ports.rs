//! Which serial ports there are.

use std::fs;
use std::path::{Path, PathBuf};

/// The ports that the system knows: by names that stay, and those that have none.
pub(super) fn known() -> Vec<PathBuf> {
    known_in(Path::new("/dev"))
}

fn known_in(devices: &Path) -> Vec<PathBuf> {
    let mut ports = files(&devices.join("serial/by-id"));
    ports.sort();
    let targets: Vec<_> = ports.iter().flat_map(|port| port.canonicalize()).collect();
    let mut others = files(devices);
    others.retain(|port| {
        let name = port.file_name().and_then(|name| name.to_str());
        let is_port = name.is_some_and(|name| {
            ["ttyUSB", "ttyACM", "ttyAMA"]
                .iter()
                .any(|begin| name.starts_with(begin))
        });
        is_port
            && !port
                .canonicalize()
                .is_ok_and(|port| targets.contains(&port))
    });
    others.sort();
    ports.append(&mut others);
    ports
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_looked_at_once_by_the_name_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let devices = folder.path();
        assert_eq!(known_in(devices), Vec::<PathBuf>::new());
        for name in ["ttyUSB0", "ttyUSB1", "ttyAMA0", "tty0", "null"] {
            fs::write(devices.join(name), "").unwrap();
        }
        let by_id = devices.join("serial/by-id");
        fs::create_dir_all(&by_id).unwrap();
        std::os::unix::fs::symlink("../../ttyUSB1", by_id.join("usb-head")).unwrap();
        let expected = [
            by_id.join("usb-head"),
            devices.join("ttyAMA0"),
            devices.join("ttyUSB0"),
        ];
        assert_eq!(known_in(devices), expected);
    }
}
