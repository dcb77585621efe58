//! A net in one folder: certificates, provider, gateways.

mod witnesses;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use dcnet_provider::pki::{Authority, DEFAULT_DAYS, ProviderFiles, create_provider};
use serde::Deserialize;

use super::process::tail;
use super::{HarnessError, NetPlan, Process, Program, Published};
use witnesses::Watcher;

/// A net in one folder:
///
/// ```text
/// ca/               the gateway administrator's certification authority
/// provider/         the provider's keys, its store, its log
/// witnesses/NAME/   what `dcnet witness` keeps, its log
/// gateways/NAME/    certificates, profile, meter (the port), state, log
/// ```
#[derive(Debug)]
pub struct Lab {
    program: Program,
    folder: PathBuf,
    store: PathBuf,
    plan: NetPlan,
    provider_files: ProviderFiles,
    provider: Option<Process>,
    address: Option<String>,
    json_logs: bool,
    revoking: bool,
    /// Arguments of `dcnet serve` besides the necessary ones.
    serve: Vec<OsString>,
    watchers: Vec<Watcher>,
    gateways: BTreeMap<String, Option<Process>>,
}

/// What `dcnet net audit --json` says, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Audit {
    /// Number of the key graph in force.
    pub epoch: Option<u64>,
    /// Members in the sum.
    pub active: usize,
    /// Number of edges.
    pub edges: usize,
    /// Connected parts.
    pub components: usize,
    /// All members.
    pub members: Vec<Member>,
    /// Whatever is wrong.
    pub problems: Vec<serde_json::Value>,
}

/// A member in an [`Audit`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Who.
    pub client: String,
    /// Where it stands.
    pub status: String,
    /// Its edges in force.
    pub degree: usize,
}

impl Lab {
    /// Makes certificates for a provider and `gateways`, and the net, in `folder`.
    ///
    /// # Errors
    /// A file cannot be written, or `dcnet net create` fails.
    pub fn create(
        program: Program,
        folder: &Path,
        plan: NetPlan,
        gateways: &[String],
    ) -> Result<Self, HarnessError> {
        let store = folder.join("provider/dcnet.sqlite3");
        Self::create_on(store, program, folder, plan, gateways)
    }

    /// As [`Self::create`], with a store of one's own: a file, or the address of a database.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_on(
        store: PathBuf,
        program: Program,
        folder: &Path,
        plan: NetPlan,
        gateways: &[String],
    ) -> Result<Self, HarnessError> {
        let (ca, provider) = (folder.join("ca"), folder.join("provider"));
        for folder in [&ca, &provider] {
            fs::create_dir_all(folder).map_err(HarnessError::system("make", folder))?;
        }
        let authority = Authority::create(&ca)?;
        let names = ["127.0.0.1".to_owned()];
        let provider_files = create_provider(&provider, &names, DEFAULT_DAYS)?;
        let lab = Self {
            program,
            folder: folder.to_owned(),
            store,
            plan,
            provider_files,
            provider: None,
            address: None,
            json_logs: false,
            revoking: false,
            serve: Vec::new(),
            watchers: Vec::new(),
            gateways: gateways.iter().map(|name| (name.clone(), None)).collect(),
        };
        for name in gateways {
            lab.issue(&authority, name)?;
        }
        let create = lab
            .plan
            .create(&lab.store(), &lab.ca(), &lab.provider_files);
        lab.program.dcnet(&create, &[0])?;
        Ok(lab)
    }

    /// Certificates by `authority` for the gateway `name`, in the place of those that it has.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn issue(&self, authority: &Authority, name: &str) -> Result<(), HarnessError> {
        let client = name.parse().map_err(|_| HarnessError::Name {
            name: name.to_owned(),
        })?;
        let pki = self.gateway_folder(name).join("pki");
        if pki.exists() {
            fs::remove_dir_all(&pki).map_err(HarnessError::system("empty", &pki))?;
        }
        fs::create_dir_all(&pki).map_err(HarnessError::system("make", &pki))?;
        authority.issue(&client, &pki, DEFAULT_DAYS)?;
        Ok(())
    }

    /// Starts the provider, after the first time at the address that it had.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_provider(&mut self) -> Result<(), HarnessError> {
        let files = &self.provider_files;
        let listen = self.address.as_deref().unwrap_or("127.0.0.1:0");
        let (store, ca) = (self.store(), self.ca());
        let witnesses = self.witnesses();
        let mut arguments: Vec<&std::ffi::OsStr> = vec![
            "serve".as_ref(),
            "--listen".as_ref(),
            listen.as_ref(),
            "--store".as_ref(),
            store.as_ref(),
            "--tls-cert".as_ref(),
            files.tls_certificate.as_ref(),
            "--tls-key".as_ref(),
            files.tls_key.as_ref(),
            "--gateway-ca".as_ref(),
            ca.as_ref(),
            "--signing-key".as_ref(),
            files.signing_key.as_ref(),
        ];
        if let Some(list) = &witnesses {
            arguments.extend(["--witnesses".as_ref(), list.as_os_str()]);
        }
        let list = self.folder.join("ca/crl.pem");
        if self.revoking {
            arguments.extend(["--gateway-crl".as_ref(), list.as_os_str()]);
        }
        arguments.extend(self.serve.iter().map(OsString::as_os_str));
        let log = self.provider_log();
        let (process, line) = self.program.start_dcnet("provider", &arguments, &log)?;
        let Some(address) = line.strip_prefix("listening on https://") else {
            return Err(HarnessError::Answer {
                what: "the first line of `dcnet serve`",
                got: line,
            });
        };
        let address = address.to_owned();
        self.provider = Some(process);
        self.use_provider_at(address)
    }

    /// From its next start on the provider has these arguments, too.
    pub fn serve_with(&mut self, arguments: impl IntoIterator<Item = OsString>) {
        self.serve = arguments.into_iter().collect();
    }

    /// The provider is somebody else's and answers at `address` (host and port) under the keys of
    /// [`Self::provider_files`]: writes the profiles of all gateways.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn use_provider_at(&mut self, address: String) -> Result<(), HarnessError> {
        self.address = Some(address);
        for name in self.names() {
            self.write_profile(&name, &self.ca())?;
        }
        Ok(())
    }

    /// The provider's keys and certificates.
    pub fn provider_files(&self) -> &ProviderFiles {
        &self.provider_files
    }

    /// The executable that is all programs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Writes the profile of the gateway `name`, with the provider's address, and with `ca` as the
    /// gateways' authority.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_profile(&self, name: &str, ca: &Path) -> Result<(), HarnessError> {
        let folder = self.gateway_folder(name);
        let files = dcnet_provider::pki::GatewayFiles::in_folder(&folder.join("pki"));
        let profile = self.plan.profile(
            name,
            &self.port(name),
            &format!("https://{}", self.address()),
            ca,
            &self.provider_files,
            &files,
        );
        let profile = format!("{profile}{}state: state\n", self.demanded());
        let path = folder.join("gateway.yaml");
        fs::write(&path, profile).map_err(HarnessError::system("write", &path))
    }

    /// From its next start on the provider looks at the revocation list of the gateways' authority.
    ///
    /// # Errors
    /// The list cannot be written.
    pub fn look_at_revocations(&mut self) -> Result<(), HarnessError> {
        let month = std::time::Duration::from_hours(24 * 30);
        Authority::open(&self.folder.join("ca"))?.publish_list(month)?;
        self.revoking = true;
        Ok(())
    }

    /// From now on gateways log JSON lines.
    pub fn log_json(&mut self) {
        self.json_logs = true;
    }

    /// Kills the provider (`SIGKILL`), if it runs.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill_provider(&mut self) -> Result<Option<ExitStatus>, HarnessError> {
        self.provider.take().map(Process::kill).transpose()
    }

    /// Starts the gateway `name`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_gateway(&mut self, name: &str) -> Result<(), HarnessError> {
        let profile = self.gateway_folder(name).join("gateway.yaml");
        let form = if self.json_logs { "json" } else { "text" };
        let arguments = [
            "run".as_ref(),
            "--log".as_ref(),
            form.as_ref(),
            profile.as_os_str(),
        ];
        let log = self.gateway_log(name);
        let process = self.program.start_gateway(name, &arguments, &log)?;
        self.gateways.insert(name.to_owned(), Some(process));
        Ok(())
    }

    /// Kills the gateway `name` (`SIGKILL`), if it runs.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill_gateway(&mut self, name: &str) -> Result<Option<ExitStatus>, HarnessError> {
        let process = self.gateways.get_mut(name).and_then(Option::take);
        process.map(Process::kill).transpose()
    }

    /// How the gateway `name` ended, once it has ended by itself.
    ///
    /// # Errors
    /// The system refuses.
    pub fn gateway_end(&mut self, name: &str) -> Result<Option<ExitStatus>, HarnessError> {
        match self.gateways.get_mut(name) {
            Some(Some(process)) => process.end(),
            _ => Ok(None),
        }
    }

    /// Fails if a process that was started has ended by itself.
    ///
    /// # Errors
    /// [`HarnessError::Died`] with the end of its log.
    pub fn check(&mut self) -> Result<(), HarnessError> {
        let gateways = self.gateways.values_mut().flatten();
        self.provider
            .iter_mut()
            .chain(gateways)
            .try_for_each(Process::check)
    }

    /// All final rounds, the latest `limit`, ascending.
    ///
    /// # Errors
    /// The command fails.
    pub fn rounds(&self, limit: usize) -> Result<Vec<Published>, HarnessError> {
        self.ask(
            &["round", "list", "--limit", &limit.to_string()],
            "the list of rounds",
        )
    }

    /// Members and key graph.
    ///
    /// # Errors
    /// The command fails.
    pub fn audit(&self) -> Result<Audit, HarnessError> {
        self.ask(&["net", "audit"], "the audit")
    }

    fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        words: &[&str],
        what: &'static str,
    ) -> Result<T, HarnessError> {
        let store = self.store().display().to_string();
        let mut arguments = words.to_vec();
        arguments.extend([NetPlan::NET, "--json", "--store", &store]);
        let output = self.program.dcnet(&arguments, &[0, 3])?;
        serde_json::from_slice(&output).map_err(|error| HarnessError::Answer {
            what,
            got: format!("{error} in {}", String::from_utf8_lossy(&output)),
        })
    }

    /// Names of all gateways.
    pub fn names(&self) -> Vec<String> {
        self.gateways.keys().cloned().collect()
    }

    /// The net's parameters.
    pub fn plan(&self) -> &NetPlan {
        &self.plan
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The provider's host and port; nothing before its first start.
    pub fn address(&self) -> &str {
        self.address.as_deref().unwrap_or_default()
    }

    /// Process number of the provider, while it runs.
    pub fn provider_id(&self) -> Option<u32> {
        self.provider.as_ref().map(Process::id)
    }

    /// Process number of the gateway `name`, while it runs.
    pub fn gateway_id(&self, name: &str) -> Option<u32> {
        self.gateways.get(name)?.as_ref().map(Process::id)
    }

    /// Certificate of the gateways' authority.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca/ca.pem")
    }

    /// The provider's store.
    pub fn store(&self) -> PathBuf {
        self.store.clone()
    }

    /// The provider's log.
    pub fn provider_log(&self) -> PathBuf {
        self.folder.join("provider/log")
    }

    /// Everything of the gateway `name`.
    pub fn gateway_folder(&self, name: &str) -> PathBuf {
        self.folder.join("gateways").join(name)
    }

    /// Log of the gateway `name`.
    pub fn gateway_log(&self, name: &str) -> PathBuf {
        self.gateway_folder(name).join("log")
    }

    /// The port of the gateway `name`.
    pub fn port(&self, name: &str) -> PathBuf {
        self.gateway_folder(name).join("meter")
    }

    /// The end of all logs, for a failed test.
    pub fn logs(&self) -> String {
        std::iter::once(self.provider_log())
            .chain(self.names().iter().map(|name| self.gateway_log(name)))
            .map(|log| tail(&log))
            .collect()
    }
}
