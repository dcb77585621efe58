//! A serial line that behaves like one: a pseudo-terminal behind a name that stays.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::io::{Errno, ioctl_fionread, write};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, QueueSelector, ioctl_tiocnxcl, tcflush, tcgetattr, tcsetattr,
};

use super::HarnessError;

/// The meter's end of a serial line. Dropping it is unplugging the reading head.
///
/// The gateway's end has a name of its own choice, a link like those below `/dev/serial/by-id`;
/// the next line that is plugged in there may be another device behind the same name.
#[derive(Debug)]
pub struct Line {
    name: PathBuf,
    device: PathBuf,
    meter: OwnedFd,
    /// The gateway's end, held open to see what nobody has read. It is never read from.
    gateway: OwnedFd,
}

impl Line {
    /// Plugs in a new device as `name`.
    ///
    /// # Errors
    /// The system has no pseudo-terminal, or `name` cannot be made.
    pub fn plug(name: &Path) -> Result<Self, HarnessError> {
        let (meter, gateway, device) = pair()
            .map_err(std::io::Error::from)
            .map_err(HarnessError::system("open", "a pseudo-terminal"))?;
        let _ = fs::remove_file(name); // most often there is none
        symlink(&device, name).map_err(HarnessError::system("make", name))?;
        Ok(Self {
            name: name.to_owned(),
            device,
            meter,
            gateway,
        })
    }

    /// The device behind the name.
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// Sends `bytes`, and does not wait for anybody to read them. What nobody has read of the
    /// bytes before is lost then: a wire keeps nothing.
    pub fn send(&self, bytes: &[u8]) {
        if ioctl_fionread(&self.gateway).is_ok_and(|unread| unread > 0) {
            // Nothing is left to be done if this fails: the reader gets old bytes, then.
            let _ = tcflush(&self.gateway, QueueSelector::IFlush);
        }
        let mut rest = bytes;
        while let Ok(sent) = write(&self.meter, rest) {
            rest = rest.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
    }

    /// Lets the next process open the device after one was killed that had it for itself alone.
    /// With a real port the kernel does this when the last handle is closed; ours is not the last.
    pub fn forget_owner(&self) {
        // Fails if nobody had it, which is as well.
        let _ = ioctl_tiocnxcl(&self.gateway);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.name); // best effort: the folder may be gone
    }
}

/// Both ends, raw, and the path of the gateway's.
fn pair() -> Result<(OwnedFd, OwnedFd, PathBuf), Errno> {
    // Close-on-exec: a child with a copy of the meter's end would keep an unplugged line alive.
    let meter = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&meter)?;
    unlockpt(&meter)?;
    let path = ptsname(&meter, Vec::new())?;
    let path = PathBuf::from(OsStr::from_bytes(path.as_bytes()));
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let gateway = open(&path, flags, Mode::empty())?;
    // Raw from the first byte on: no echo, no line ends translated.
    let mut settings = tcgetattr(&gateway)?;
    settings.make_raw();
    tcsetattr(&gateway, OptionalActions::Now, &settings)?;
    let flags = fcntl_getfl(&meter)?;
    fcntl_setfl(&meter, flags | OFlags::NONBLOCK)?;
    Ok((meter, gateway, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read as _;

    #[test]
    fn a_wire_keeps_nothing_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("meter");
        let line = Line::plug(&name).unwrap();
        line.send(b"nobody reads this");
        // The kernel hands it over in its own time.
        while ioctl_fionread(&line.gateway).unwrap() == 0 {
            std::thread::yield_now();
        }
        let all: Vec<u8> = (0..=255).collect();
        line.send(&all);
        let mut got = vec![0; 256];
        File::open(&name).unwrap().read_exact(&mut got).unwrap();
        assert_eq!(got, all);
        drop(line);
        assert!(!name.exists());
    }

    #[test]
    fn unplugging_ends_what_reads() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("meter");
        let line = Line::plug(&name).unwrap();
        let mut port = File::open(&name).unwrap();
        line.send(b"x");
        drop(line);
        let mut got = Vec::new();
        // End of file or an error, but it does not wait for ever.
        let _ = port.read_to_end(&mut got);
    }
}
