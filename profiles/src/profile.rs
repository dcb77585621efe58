//! The profile file: its sections, and how it is found, bounded and read.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::communication::CommunicationProfile;
use crate::error::{Place, ProfileError};
use crate::evaluation::EvaluationProfile;
use crate::home::{HomePage, HomeProfile};
use crate::meter::{MeterProfile, Source};
use crate::modbus::TemplateError;
use crate::ports::{self, PortError};
use crate::tariff::{self, TariffProfile};
use crate::yaml;

/// How a path below `communication` may begin to lie in the folder in which systemd hands a unit its
/// credentials (`LoadCredential=`). Whoever opens the file puts the folder's name in: no other variable
/// is known.
pub const CREDENTIALS_DIRECTORY: [&str; 2] = ["$CREDENTIALS_DIRECTORY", "${CREDENTIALS_DIRECTORY}"];

/// Everything that a gateway is told by its owner, in one file.
///
/// ```yaml
/// meter: { … }          # which meter, and how it is read; several: `meters`, a list
/// evaluation: { … }     # what is computed from its registers for a net
/// tariffs: [ … ]        # what is kept of them for the bill; may be left out
/// communication: { … }  # to whom it is submitted, and as whom
/// home: { … }           # what the household itself gets to see; may be left out
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
    /// What the household itself gets to see.
    pub home: HomeProfile,
    /// Directory of the ledger. Belongs to this gateway alone.
    pub state: PathBuf,
}

crate::schema::read_as!(Profile, Keys);

/// Most meters of one gateway.
pub const MAX_METERS: usize = 8;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename = "profile")]
#[schemars(extend("oneOf" = [{ "required": ["meter"] }, { "required": ["meters"] }]))]
/// Everything that a gateway is told by its owner, in one file.
struct Keys {
    /// Which meter, and how it is read. Several: `meters`.
    #[serde(default)]
    meter: Option<MeterProfile>,
    /// Which meters, and how they are read; each with its own name.
    #[serde(default)]
    #[schemars(length(min = 1, max = 8))]
    meters: Vec<MeterProfile>,
    /// What is computed from their registers for a net.
    evaluation: EvaluationProfile,
    /// Registers for the bill, kept on the gateway.
    #[serde(default)]
    tariffs: Vec<TariffProfile>,
    /// To whom it is submitted, and as whom.
    communication: CommunicationProfile,
    /// What the household itself gets to see.
    #[serde(default)]
    home: HomeProfile,
    /// Directory of the ledger. Belongs to this gateway alone.
    #[serde(deserialize_with = "crate::text::path")]
    #[schemars(with = "crate::schema::NotEmpty")]
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
        }
        ports::check(&meters)?;
        Ok(Self {
            meters,
            evaluation: keys.evaluation,
            tariffs: keys.tariffs,
            communication: keys.communication,
            home: keys.home,
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
    /// Two sources at one serial port.
    #[error(transparent)]
    Port(#[from] PortError),
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
        profile.check_templates(path)?;
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

    /// The owner's templates lie beside the profile, so they can be looked at only now.
    fn check_templates(&self, path: &Path) -> Result<(), ProfileError> {
        for source in self.meters.iter().flat_map(|meter| &meter.sources) {
            let Source::Modbus(source) = source else {
                continue;
            };
            match source.layout() {
                Ok(_) => {}
                Err(TemplateError::Refused(error)) => return Err(error),
                Err(error @ TemplateError::Unknown { .. }) => {
                    return Err(ProfileError::Content {
                        place: Place {
                            file: path.to_owned(),
                            position: None,
                        },
                        key: "modbus.template".into(),
                        problem: error.to_string(),
                    });
                }
            }
        }
        Ok(())
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
        let sources = self.meters.iter_mut().flat_map(|meter| &mut meter.sources);
        let of_sources = sources.flat_map(Source::paths_mut);
        let all = paths.into_iter().chain(communication.gateway_ca.as_mut());
        let home = self.home.mqtt.as_mut();
        let of_home = home.and_then(|mqtt| mqtt.broker.password_file.as_mut());
        let page = self.home.page.as_mut();
        let of_page = page.into_iter().flat_map(HomePage::paths_mut);
        for path in all.chain(of_sources).chain(of_home).chain(of_page) {
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
        meters: Option<serde::de::IgnoredAny>,
        tariffs: Option<serde::de::IgnoredAny>,
        communication: Option<serde::de::IgnoredAny>,
        home: Option<serde::de::IgnoredAny>,
        state: Option<serde::de::IgnoredAny>,
    }
    let text = yaml::read(path)?;
    let file: EvaluationOnly = yaml::parse(&text, path)?;
    file.evaluation
        .validate()
        .map_err(|violation| violation.at("evaluation", &text, path))?;
    Ok(file.evaluation)
}
