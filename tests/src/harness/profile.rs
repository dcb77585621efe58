//! A net's parameters, and what a member's owner writes to take part in it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use dcnet_provider::pki::{GatewayFiles, ProviderFiles};

/// One summed quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Word for people.
    pub name: &'static str,
    /// OBIS code.
    pub obis: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Power of ten.
    pub scale: i8,
    /// A register, whose advance counts, or a momentary value.
    pub register: bool,
}

impl Slot {
    /// Energy from the grid.
    pub const IMPORT: Self = Self {
        name: "import",
        obis: "1-0:1.8.0",
        unit: "Wh",
        scale: -1,
        register: true,
    };
    /// Energy into the grid.
    pub const EXPORT: Self = Self {
        name: "export",
        obis: "1-0:2.8.0",
        unit: "Wh",
        scale: -1,
        register: true,
    };
    /// Power at the end of the round.
    pub const POWER: Self = Self {
        name: "power",
        obis: "1-0:16.7.0",
        unit: "W",
        scale: 0,
        register: false,
    };
}

/// A net's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetPlan {
    /// Length of a round in seconds.
    pub interval: u32,
    /// What is summed.
    pub slots: Vec<Slot>,
    /// Fewest members of a sum.
    pub min_size: u32,
    /// Neighbours that each member draws.
    pub degree: u16,
    /// How the net corrects, as the command line names it.
    pub mode: &'static str,
    /// Largest power that a gateway believes its meter, in W.
    pub max_power: u64,
}

impl NetPlan {
    /// Name of the net.
    pub const NET: &'static str = "demo";

    /// Length of the submission window and of the correction window, in seconds: as long as the
    /// interval allows, for both must be over before the next border.
    pub fn window(&self) -> u32 {
        (self.interval.saturating_sub(1) / 2).max(1)
    }

    /// Length of a round.
    pub fn round(&self) -> Duration {
        Duration::from_secs(self.interval.into())
    }

    /// Length of a round in milliseconds.
    pub fn millis(&self) -> u64 {
        u64::from(self.interval) * 1000
    }

    pub(super) fn create(&self, store: &Path, ca: &Path, provider: &ProviderFiles) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let window = format!("{}s", self.window());
        let mut words: Vec<String> = ["net", "create", Self::NET, "--region", "laboratory"]
            .map(str::to_owned)
            .into();
        let options = [
            ("--interval", format!("{}s", self.interval)),
            ("--submit-window", window.clone()),
            ("--correction-window", window),
            ("--min-size", self.min_size.to_string()),
            ("--mode", self.mode.to_owned()),
            ("--degree", self.degree.to_string()),
            // Three fifths: three out of the four others in a net of five.
            ("--threshold", (self.degree * 3).div_ceil(5).to_string()),
            ("--max-loss", "250".to_owned()),
            ("--gateway-ca", path(ca)),
            ("--signing-key", path(&provider.signing_key)),
            ("--store", path(store)),
        ];
        for (option, value) in options {
            words.extend([option.to_owned(), value]);
        }
        for Slot {
            obis, unit, scale, ..
        } in &self.slots
        {
            words.extend(["--slot".to_owned(), format!("{obis},{unit},{scale}")]);
        }
        words
    }

    /// What the owner of the gateway `name` writes, up to the end of what is accepted.
    pub(super) fn profile(
        &self,
        name: &str,
        port: &Path,
        address: &str,
        ca: &Path,
        provider: &ProviderFiles,
        files: &GatewayFiles,
    ) -> String {
        let slots = self.slots.iter().fold(String::new(), |mut text, slot| {
            let Slot {
                obis, unit, scale, ..
            } = slot;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "    - {{ obis: \"{obis}\", unit: {unit}, scale: {scale} }}"
            );
            text
        });
        format!(
            "meter:\n  name: {name}\n  source:\n    sml:\n      device: {port}\n      silence: 3\n\
             evaluation:\n  taf: 7\n  tolerance: 1\n  max_power: {max_power}\n  slots:\n{slots}\
             communication:\n  provider: {address}\n  net: {net}\n\
             \x20 provider_ca: {root}\n  gateway_ca: {ca}\n\
             \x20 tls: {{ certificate: {tls}, key: {tls_key} }}\n\
             \x20 signature: {{ certificate: {sig}, key: {sig_key} }}\n\
             \x20 accept:\n    min_size: {min_size}\n    allow_resend: true\n",
            port = port.display(),
            net = Self::NET,
            max_power = self.max_power,
            min_size = self.min_size,
            root = provider.root_certificate.display(),
            ca = ca.display(),
            tls = files.tls_certificate.display(),
            tls_key = files.tls_key.display(),
            sig = files.sig_certificate.display(),
            sig_key = files.sig_key.display(),
        )
    }
}
