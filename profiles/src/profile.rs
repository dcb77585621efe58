//! The profile file: its sections, and how it is found, bounded and read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::communication::CommunicationProfile;
use crate::error::ProfileError;
use crate::evaluation::EvaluationProfile;
use crate::meter::MeterProfile;
use crate::tariff::{self, TariffProfile};
use crate::yaml;

/// Everything that a gateway is told by its owner, in one file.
///
/// ```yaml
/// meter: { … }          # which meter, and how it is read
/// evaluation: { … }     # what is computed from its registers for a net
/// tariffs: [ … ]        # what is kept of them for the bill; may be left out
/// communication: { … }  # to whom it is submitted, and as whom
/// state: /var/lib/dcnet-gateway
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Which meter, and how it is read.
    pub meter: MeterProfile,
    /// What is computed from its registers.
    pub evaluation: EvaluationProfile,
    /// Registers for the bill, kept on the gateway.
    #[serde(default)]
    pub tariffs: Vec<TariffProfile>,
    /// To whom it is submitted, and as whom.
    pub communication: CommunicationProfile,
    /// Directory of the ledger. Belongs to this gateway alone.
    #[serde(deserialize_with = "crate::text::path")]
    pub state: PathBuf,
}

impl Profile {
    /// Reads the file at `path`. Relative paths inside it are taken from the file's own directory.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is too large, or says something that no profile may say: with file,
    /// line, column and key.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let mut profile = Self::parse(&yaml::read(path)?, path)?;
        profile.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(profile)
    }

    /// Reads a profile from `text`; `origin` is only named in errors. Paths stay as written.
    ///
    /// # Errors
    ///
    /// As for [`Self::load`].
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ProfileError> {
        let profile: Self = yaml::parse(text, origin)?;
        let meters = [profile.meter.name.as_str()];
        let evaluation = profile.evaluation.validate();
        evaluation
            .and_then(|()| profile.evaluation.check_meters(&meters))
            .map_err(|violation| violation.at("evaluation", text, origin))?;
        tariff::validate(&profile.tariffs, &meters)
            .map_err(|violation| violation.at("tariffs", text, origin))?;
        Ok(profile)
    }

    fn resolve(&mut self, base: &Path) {
        let communication = &mut self.communication;
        let paths = [
            &mut self.state,
            &mut communication.provider_ca,
            &mut communication.tls.certificate,
            &mut communication.tls.key,
            &mut communication.signature.certificate,
            &mut communication.signature.key,
        ];
        for path in paths.into_iter().chain(communication.gateway_ca.as_mut()) {
            *path = base.join(&*path);
        }
    }
}

/// Reads only the `evaluation` section of the file at `path`: a complete profile, or a file with
/// nothing but that section. So the operator of a net describes it with the very file that its
/// members use.
///
/// # Errors
///
/// As for [`Profile::load`]; the other sections are not looked into.
pub fn load_evaluation(path: &Path) -> Result<EvaluationProfile, ProfileError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(
        dead_code,
        reason = "the other sections are allowed, but not looked into"
    )]
    struct EvaluationOnly {
        evaluation: EvaluationProfile,
        meter: Option<serde::de::IgnoredAny>,
        tariffs: Option<serde::de::IgnoredAny>,
        communication: Option<serde::de::IgnoredAny>,
        state: Option<serde::de::IgnoredAny>,
    }
    let text = yaml::read(path)?;
    let file: EvaluationOnly = yaml::parse(&text, path)?;
    file.evaluation
        .validate()
        .map_err(|violation| violation.at("evaluation", &text, path))?;
    Ok(file.evaluation)
}
