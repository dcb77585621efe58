//! The profile file: its sections, and how it is found, bounded and read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::communication::CommunicationProfile;
use crate::error::ProfileError;
use crate::evaluation::EvaluationProfile;
use crate::meter::{MeterProfile, Source};
use crate::tariff::{self, TariffProfile};
use crate::yaml;

/// Everything that a gateway is told by its owner, in one file.
///
/// ```yaml
/// meter: { … }          # which meter, and how it is read; several: `meters`, a list
/// evaluation: { … }     # what is computed from its registers for a net
/// tariffs: [ … ]        # what is kept of them for the bill; may be left out
/// communication: { … }  # to whom it is submitted, and as whom
/// state: /var/lib/dcnet-gateway
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Profile {
    /// Which meters, and how they are read: 1 to [`MAX_METERS`] with different names. `meter` is
    /// the short form for one.
    pub meters: Vec<MeterProfile>,
    /// What is computed from their registers.
    pub evaluation: EvaluationProfile,
    /// Registers for the bill, kept on the gateway.
    pub tariffs: Vec<TariffProfile>,
    /// To whom it is submitted, and as whom.
    pub communication: CommunicationProfile,
    /// Directory of the ledger. Belongs to this gateway alone.
    pub state: PathBuf,
}

/// Most meters of one gateway.
pub const MAX_METERS: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "profile")]
struct Keys {
    #[serde(default)]
    meter: Option<MeterProfile>,
    #[serde(default)]
    meters: Vec<MeterProfile>,
    evaluation: EvaluationProfile,
    #[serde(default)]
    tariffs: Vec<TariffProfile>,
    communication: CommunicationProfile,
    #[serde(deserialize_with = "crate::text::path")]
    state: PathBuf,
}

impl TryFrom<Keys> for Profile {
    type Error = MetersError;
    fn try_from(keys: Keys) -> Result<Self, MetersError> {
        let meters = match (keys.meter, keys.meters) {
            (Some(meter), more) if more.is_empty() => vec![meter],
            (Some(_), _) => return Err(MetersError::Twice),
            (None, meters) => meters,
        };
        if meters.is_empty() || meters.len() > MAX_METERS {
            return Err(MetersError::Number { got: meters.len() });
        }
        for (number, meter) in meters.iter().enumerate() {
            let earlier = meters.get(..number).unwrap_or_default();
            if earlier.iter().any(|earlier| earlier.name == meter.name) {
                return Err(MetersError::Name {
                    name: meter.name.clone(),
                });
            }
            for device in meter.sources.iter().filter_map(Source::device) {
                let others = earlier.iter().flat_map(|earlier| &earlier.sources);
                if others
                    .filter_map(Source::device)
                    .any(|other| other == device)
                {
                    return Err(MetersError::Port {
                        device: device.clone(),
                    });
                }
            }
        }
        Ok(Self {
            meters,
            evaluation: keys.evaluation,
            tariffs: keys.tariffs,
            communication: keys.communication,
            state: keys.state,
        })
    }
}

/// Why the meters of a gateway do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetersError {
    /// Both keys.
    #[error("has `meter` and `meters`; put all into `meters`, a list")]
    Twice,
    /// None or too many.
    #[error("has {got} meters; a profile has `meter`, or 1 to {MAX_METERS} `meters`")]
    Number {
        /// Found.
        got: usize,
    },
    /// Which of the two?
    #[error("meters: the name {name:?} stands twice; each meter needs a name of its own")]
    Name {
        /// The name.
        name: String,
    },
    /// A port has one reader.
    #[error("meters: two meters are read at the port {}; a port belongs to one", device.display())]
    Port {
        /// The port.
        device: PathBuf,
    },
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

    /// The first meter: that of slots which name none.
    ///
    /// # Panics
    ///
    /// Never for a profile that was read: it has a meter.
    #[expect(clippy::indexing_slicing, reason = "the parser refuses an empty list")]
    pub fn first_meter(&self) -> &MeterProfile {
        &self.meters[0]
    }

    /// Reads a profile from `text`; `origin` is only named in errors. Paths stay as written.
    ///
    /// # Errors
    ///
    /// As for [`Self::load`].
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ProfileError> {
        let profile: Self = yaml::parse(text, origin)?;
        let meters = profile.meters.iter().map(|meter| meter.name.as_str());
        let meters: Vec<_> = meters.collect();
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
        let sources = self.meters.iter_mut().flat_map(|meter| &mut meter.sources);
        let of_sources = sources.flat_map(Source::paths_mut);
        let all = paths.into_iter().chain(communication.gateway_ca.as_mut());
        for path in all.chain(of_sources) {
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
        meters: Option<serde::de::IgnoredAny>,
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
