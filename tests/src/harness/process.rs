//! The programs as child processes.
//!
//! One executable can be all of them: started with a hidden first argument it is `dcnet` or
//! `dcnet-gateway`, running the very function that those programs' `main` runs, in a process of
//! its own. So `cargo demo` and `cargo test` build one executable instead of three and never meet
//! a stale one, and what is killed is a real process.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use super::HarnessError;

const PROVIDER: &str = "__dcnet";
const GATEWAY: &str = "__dcnet-gateway";

/// How much of a log is shown when something has failed, in bytes.
const LOG_TAIL: u64 = 4000;

/// Runs the program that the arguments ask for in the hidden first one; `None` if they do not.
pub fn dispatch(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    let first = arguments.next()?;
    let (name, main): (_, fn(Vec<OsString>) -> ExitCode) = if first == PROVIDER {
        ("dcnet", |all| dcnet_provider::main_with_args(all))
    } else if first == GATEWAY {
        ("dcnet-gateway", |all| dcnet_gateway::main_with_args(all))
    } else {
        return None;
    };
    // If whoever started us is killed we are not to stay behind. Best effort: it exists on Linux.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let all = std::iter::once(OsString::from(name)).chain(arguments);
    Some(main(all.collect()))
}

/// The executable that calls [`dispatch`] first.
#[derive(Debug, Clone)]
pub struct Program {
    executable: PathBuf,
}

impl Program {
    /// The executable at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            executable: path.into(),
        }
    }

    /// The one that is running.
    ///
    /// # Errors
    /// The system does not tell where it is.
    pub fn this() -> Result<Self, HarnessError> {
        let system = HarnessError::system("find", "the running program");
        std::env::current_exe().map(Self::at).map_err(system)
    }

    /// `dcnet ARGUMENTS…`, to its end.
    ///
    /// # Errors
    /// It does not start, or ends with a code not in `accepted`.
    pub fn dcnet<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        accepted: &[i32],
    ) -> Result<Vec<u8>, HarnessError> {
        let output = Command::new(&self.executable)
            .arg(PROVIDER)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(HarnessError::system("run", &self.executable))?;
        let code = output.status.code();
        if code.is_some_and(|code| accepted.contains(&code)) {
            return Ok(output.stdout);
        }
        let words: Vec<_> = arguments
            .iter()
            .map(|word| word.as_ref().to_string_lossy().into_owned())
            .collect();
        Err(HarnessError::Command {
            arguments: words.join(" "),
            status: output.status,
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// `dcnet ARGUMENTS…`, running; with the first line that it prints.
    ///
    /// # Errors
    /// It does not start, or ends before it prints a line.
    pub fn start_dcnet<S: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: &[S],
        log: &Path,
    ) -> Result<(Process, String), HarnessError> {
        let mut process = self.start(name, PROVIDER, arguments, log, Stdio::piped())?;
        let mut line = String::new();
        if let Some(output) = process.child.stdout.take() {
            let mut output = BufReader::new(output);
            output
                .read_line(&mut line)
                .map_err(HarnessError::system("read what was printed by", name))?;
            // A closed pipe would be a failure to the program, so it is kept open.
            process.output = Some(output);
        }
        if line.is_empty() {
            let status = process
                .child
                .wait()
                .map_err(HarnessError::system("wait for", name))?;
            return Err(process.died(status));
        }
        Ok((process, line.trim_end().to_owned()))
    }

    /// `dcnet-gateway ARGUMENTS…`, running.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_gateway<S: AsRef<OsStr>>(
        &self,
        name: &str,
        arguments: &[S],
        log: &Path,
    ) -> Result<Process, HarnessError> {
        self.start(name, GATEWAY, arguments, log, Stdio::null())
    }

    fn start<S: AsRef<OsStr>>(
        &self,
        name: &str,
        hidden: &str,
        arguments: &[S],
        log: &Path,
        output: Stdio,
    ) -> Result<Process, HarnessError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .map_err(HarnessError::system("write", log))?;
        let child = Command::new(&self.executable)
            .arg(hidden)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(file)
            .spawn()
            .map_err(HarnessError::system("run", &self.executable))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            output: None,
            log: log.to_owned(),
        })
    }
}

/// A child process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Option<BufReader<std::process::ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log so far, of earlier processes with the same file too.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// [`HarnessError::Died`] with the end of its log.
    pub fn check(&mut self) -> Result<(), HarnessError> {
        match self.end()? {
            Some(status) => Err(self.died(status)),
            None => Ok(()),
        }
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// The system refuses.
    pub fn end(&mut self) -> Result<Option<ExitStatus>, HarnessError> {
        self.child
            .try_wait()
            .map_err(HarnessError::system("look after", &self.name))
    }

    /// `SIGKILL`: it gets no chance to do anything more. Says how it ended.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(mut self) -> Result<ExitStatus, HarnessError> {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map_err(HarnessError::system("kill", &self.name))
    }

    /// `SIGTERM`: asks it to end, and waits for that.
    ///
    /// # Errors
    /// The system refuses.
    pub fn stop(mut self) -> Result<ExitStatus, HarnessError> {
        if let Some(id) = Pid::from_raw(self.child.id().cast_signed()) {
            // Refused only if it has ended by itself.
            let _ = kill_process(id, Signal::TERM);
        }
        self.child
            .wait()
            .map_err(HarnessError::system("stop", &self.name))
    }

    fn died(&self, status: ExitStatus) -> HarnessError {
        HarnessError::Died {
            name: self.name.clone(),
            status,
            log: tail(&self.log),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of a log on lines of its own, empty if there is none.
pub(super) fn tail(log: &Path) -> String {
    let read = || {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    if bytes.is_empty() {
        return String::new();
    }
    format!(
        "\n--- the end of {}:\n{}",
        log.display(),
        String::from_utf8_lossy(&bytes)
    )
}
