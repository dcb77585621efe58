//! The profile file: its sections, and how it is found, bounded and read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::communication::CommunicationProfile;
use crate::error::{Place, ProfileError};
use crate::evaluation::EvaluationProfile;
use crate::meter::MeterProfile;
use crate::yaml;

/// How a path below `communication` may begin to lie in the folder in which systemd hands a unit its
/// credentials (`LoadCredential=`). Whoever opens the file puts the folder's name in: no other variable
/// is known.
pub const CREDENTIALS_DIRECTORY: [&str; 2] = ["$CREDENTIALS_DIRECTORY", "${CREDENTIALS_DIRECTORY}"];

/// Everything that a gateway is told by its owner, in one file.
///
/// ```yaml
/// meter: { … }          # which meter, and how it is read
/// evaluation: { … }     # what is computed from its registers
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
    /// To whom it is submitted, and as whom.
    pub communication: CommunicationProfile,
    /// Directory of the ledger. Belongs to this gateway alone.
    #[serde(deserialize_with = "crate::text::path")]
    pub state: PathBuf,
}

impl Profile {
    /// Reads the file at `path`. Relative paths inside it are taken from the file's own directory,
    /// except those below [`CREDENTIALS_DIRECTORY`], which stay as they are.
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
        profile.evaluation.validate().map_err(|violation| {
            let mut key = vec![yaml::Step::Key("evaluation")];
            key.extend(violation.key);
            ProfileError::Content {
                place: Place {
                    file: origin.to_owned(),
                    position: yaml::locate(text, &key),
                },
                key: yaml::path_text(&key),
                problem: violation.problem,
            }
        })?;
        Ok(profile)
    }

    fn resolve(&mut self, base: &Path) {
        self.state = base.join(&self.state);
        let communication = &mut self.communication;
        let paths = [
            &mut communication.provider_ca,
            &mut communication.tls.certificate,
            &mut communication.tls.key,
            &mut communication.signature.certificate,
            &mut communication.signature.key,
        ];
        for path in paths.into_iter().chain(communication.gateway_ca.as_mut()) {
            if !CREDENTIALS_DIRECTORY
                .iter()
                .any(|name| path.starts_with(name))
            {
                *path = base.join(&*path);
            }
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
        communication: Option<serde::de::IgnoredAny>,
        state: Option<serde::de::IgnoredAny>,
    }
    let text = yaml::read(path)?;
    let file: EvaluationOnly = yaml::parse(&text, path)?;
    file.evaluation.validate().map_err(|violation| {
        let mut key = vec![yaml::Step::Key("evaluation")];
        key.extend(violation.key);
        ProfileError::Content {
            place: Place {
                file: path.to_owned(),
                position: yaml::locate(&text, &key),
            },
            key: yaml::path_text(&key),
            problem: violation.problem,
        }
    })?;
    Ok(file.evaluation)
}
