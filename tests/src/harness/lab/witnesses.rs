//! Witnesses of the net's membership log; the gateways demand the cosignatures of all of them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use super::{HarnessError, Lab, NetPlan, Process};

/// A witness, whether it runs or not.
#[derive(Debug)]
pub(super) struct Watcher {
    name: String,
    key: String,
    address: String,
    process: Option<Process>,
}

/// What `dcnet witness status --json` says, as far as it is looked at.
#[derive(Deserialize)]
struct Status {
    key: String,
}

impl Lab {
    /// Makes the witness `name` of this net and starts it. Provider and gateways know those only that
    /// were there when they were started.
    ///
    /// # Errors
    /// A command fails, or it does not start.
    pub fn add_witness(&mut self, name: &str) -> Result<(), HarnessError> {
        let folder = self.witness_folder(name).display().to_string();
        let descriptor = self.folder.join(format!("provider/descriptor-{name}"));
        let descriptor = descriptor.display().to_string();
        let store = self.store().display().to_string();
        let write = ["net", "descriptor", NetPlan::NET, "--out", &descriptor];
        let write = [&write[..], &["--store", &store]].concat();
        self.program.dcnet(&write, &[0])?;
        let init = ["witness", "init", &folder, "--name", name];
        self.program.dcnet(&init, &[0])?;
        self.program
            .dcnet(&["witness", "add", &folder, &descriptor], &[0])?;
        let status = ["witness", "status", &folder, "--json"];
        let output = self.program.dcnet(&status, &[0])?;
        let status: Status =
            serde_json::from_slice(&output).map_err(|error| HarnessError::Answer {
                what: "a witness's status",
                got: error.to_string(),
            })?;
        let (process, address) = self.run_witness(name, "127.0.0.1:0")?;
        self.watchers.push(Watcher {
            name: name.to_owned(),
            key: status.key,
            address,
            process: Some(process),
        });
        self.write_witnesses()
    }

    /// Starts the witness `name` again, at the address that it had.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_witness(&mut self, name: &str) -> Result<(), HarnessError> {
        let known = self.watchers.iter().find(|watcher| watcher.name == name);
        let listen = known.map_or("127.0.0.1:0", |watcher| &watcher.address);
        let (process, _) = self.run_witness(name, listen)?;
        for watcher in &mut self.watchers {
            if watcher.name == name {
                watcher.process = Some(process);
                break;
            }
        }
        Ok(())
    }

    /// Kills the witness `name` (`SIGKILL`), if it runs.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill_witness(&mut self, name: &str) -> Result<(), HarnessError> {
        let mut watchers = self.watchers.iter_mut();
        let watcher = watchers.find(|watcher| watcher.name == name);
        let process = watcher.and_then(|watcher| watcher.process.take());
        process.map(Process::kill).transpose().map(drop)
    }

    /// What a gateway's profile says of the witnesses below `accept`; nothing, if there are none.
    pub(super) fn demanded(&self) -> String {
        if self.watchers.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "    cosignatures: {}\n    witnesses:\n",
            self.watchers.len()
        );
        for Watcher { name, key, .. } in &self.watchers {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "      - {{ name: {name}, key: \"{key}\" }}");
        }
        text
    }

    /// The list that the provider is started with; none, if there are no witnesses.
    pub(super) fn witnesses(&self) -> Option<PathBuf> {
        (!self.watchers.is_empty()).then(|| self.folder.join("provider/witnesses.yaml"))
    }

    fn write_witnesses(&self) -> Result<(), HarnessError> {
        let Some(path) = self.witnesses() else {
            return Ok(());
        };
        let ca = self.provider_files.root_certificate.display();
        let mut list = String::new();
        for Watcher {
            name, key, address, ..
        } in &self.watchers
        {
            // Writing to a string cannot fail.
            let _ = writeln!(
                list,
                "- {{ name: {name}, url: \"https://{address}\", key: \"{key}\", ca: \"{ca}\" }}"
            );
        }
        fs::write(&path, list).map_err(HarnessError::system("write", &path))
    }

    fn run_witness(&self, name: &str, listen: &str) -> Result<(Process, String), HarnessError> {
        let folder = self.witness_folder(name);
        let files = &self.provider_files;
        // They share the provider's server certificate; it vouches for an address and for no more.
        let arguments: [&std::ffi::OsStr; 9] = [
            "witness".as_ref(),
            "serve".as_ref(),
            folder.as_ref(),
            "--listen".as_ref(),
            listen.as_ref(),
            "--tls-cert".as_ref(),
            files.tls_certificate.as_ref(),
            "--tls-key".as_ref(),
            files.tls_key.as_ref(),
        ];
        let log = folder.join("process.log");
        let (process, line) = self.program.start_dcnet(name, &arguments, &log)?;
        match line.strip_prefix("listening on https://") {
            Some(address) => Ok((process, address.to_owned())),
            None => Err(HarnessError::Answer {
                what: "the first line of `dcnet witness serve`",
                got: line,
            }),
        }
    }

    fn witness_folder(&self, name: &str) -> PathBuf {
        self.folder.join("witnesses").join(name)
    }
}
