//! Templates by their names, and the models of `SunSpec` as data.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::template::{self, MAX_BLOCK, Register, Template, TemplateName};
use crate::error::ProfileError;
use crate::yaml::{self, Step};

/// Where the values of a device stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// At fixed addresses.
    Template(Template),
    /// In a `SunSpec` model, whose address the device tells.
    SunSpec(SunSpec),
}

/// The template by which a device is read as `SunSpec` tells.
pub const SUNSPEC: &str = "sunspec";

/// Meter models of `SunSpec`, and where the common model has the serial number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SunSpec {
    /// Addresses at which the marker may stand, in the order in which they are tried.
    pub bases: Vec<u16>,
    /// The common model.
    pub common: Common,
    /// Kinds of meter models.
    pub meters: Vec<MeterModels>,
}

/// The model with which each device begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// Its id.
    pub model: u16,
    /// Where the maker's name (ASCII) stands, counted from the register with the id.
    pub maker: Text,
    /// Where the serial number (ASCII) stands.
    pub serial: Text,
}

/// A text in registers, counted from the register with the id of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// First register.
    pub address: u16,
    /// Number of registers, two characters each.
    pub registers: u16,
}

/// Meter models of one shape.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterModels {
    /// Their ids.
    pub models: Vec<u16>,
    /// Registers after id and length that such a model has at least.
    pub length: u16,
    /// Registers; addresses are counted from the register with the id.
    pub registers: Vec<Register>,
}

impl SunSpec {
    /// Reads the models from `text`; `origin` is only named in errors.
    ///
    /// # Errors
    ///
    /// It is no such file: with file, line, column and key.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, ProfileError> {
        let models: Self = yaml::parse(text, origin)?;
        for (number, meter) in models.meters.iter().enumerate() {
            template::check_registers(&meter.registers, MAX_BLOCK).map_err(|(key, problem)| {
                let mut whole = vec![Step::Key("meters"), Step::Item(number)];
                whole.extend(key);
                template::refused(text, origin, &whole, problem)
            })?;
        }
        Ok(models)
    }

    /// The shape of the meter model with this id, if it is one.
    pub fn meter(&self, model: u16) -> Option<&MeterModels> {
        self.meters
            .iter()
            .find(|meters| meters.models.contains(&model))
    }
}

impl Layout {
    /// The layout with this name: `sunspec`, a template of the owner's folder `templates`, or one of
    /// the catalogue, in this order.
    ///
    /// # Errors
    ///
    /// There is none, or the owner's is refused.
    pub fn find(name: &TemplateName, templates: Option<&Path>) -> Result<Self, TemplateError> {
        if name.as_str() == SUNSPEC {
            let origin = Path::new("catalog/modbus/sunspec.yaml");
            return Ok(Self::SunSpec(SunSpec::parse(SUNSPEC_MODELS, origin)?));
        }
        if let Some(folder) = templates {
            let file = folder.join(format!("{name}.yaml"));
            if file.exists() {
                return Ok(Self::Template(owners(&file, name)?));
            }
        }
        let (_, text) = CATALOGUE
            .iter()
            .find(|(known, _)| *known == name.as_str())
            .ok_or_else(|| TemplateError::Unknown {
                name: name.clone(),
                folder: templates.map(Path::to_owned),
            })?;
        let origin = PathBuf::from(format!("catalog/modbus/{name}.yaml"));
        Ok(Self::Template(Template::parse(text, &origin)?))
    }

    /// The names in the catalogue.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CATALOGUE.iter().map(|(name, _)| *name).chain([SUNSPEC])
    }
}

fn owners(file: &Path, name: &TemplateName) -> Result<Template, ProfileError> {
    let text = yaml::read(file)?;
    let template = Template::parse(&text, file)?;
    if template.name == *name {
        return Ok(template);
    }
    let problem = format!("is not the name of the file; write `{name}` or rename the file");
    Err(template::refused(
        &text,
        file,
        &[Step::Key("name")],
        problem,
    ))
}

/// Why there is no layout.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// No such template.
    #[error(
        "there is no template `{name}`{}; the catalogue has: {}",
        folder.as_ref().map(|folder| format!(" in {}", folder.display())).unwrap_or_default(),
        Layout::names().collect::<Vec<_>>().join(", ")
    )]
    Unknown {
        /// As the profile has it.
        name: TemplateName,
        /// The owner's folder, where it was looked for too.
        folder: Option<PathBuf>,
    },
    /// A template that is none.
    #[error(transparent)]
    Refused(#[from] ProfileError),
}

const SUNSPEC_MODELS: &str = include_str!("../../catalog/modbus/sunspec.yaml");

macro_rules! catalogue {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../catalog/modbus/", $name, ".yaml")))),*]
    };
}

const CATALOGUE: &[(&str, &str)] = catalogue![
    "abb-b23",
    "carlo-gavazzi-em24",
    "chint-dtsu666",
    "eastron-sdm120",
    "eastron-sdm230",
    "eastron-sdm630",
    "eastron-sdm72-v2",
    "eltako-dsz16",
    "inepro-pro380",
    "janitza-b23",
    "orno-we516",
    "schneider-iem3000",
    "siemens-pac2200",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn name(text: &str) -> TemplateName {
        text.parse().unwrap()
    }

    #[test]
    fn each_template_of_the_catalogue_is_one_and_bears_its_name() {
        assert_eq!(CATALOGUE.len(), 13);
        for (known, _) in CATALOGUE {
            match Layout::find(&name(known), None).unwrap() {
                Layout::Template(template) => assert_eq!(template.name.as_str(), *known),
                layout @ Layout::SunSpec(_) => panic!("{layout:?}"),
            }
        }
        // A file that is not in the list would be in nobody's hands.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/modbus");
        assert_eq!(fs::read_dir(folder).unwrap().count(), CATALOGUE.len() + 1);
    }

    #[test]
    fn sunspec_has_eight_meter_models() {
        let Layout::SunSpec(models) = Layout::find(&name(SUNSPEC), None).unwrap() else {
            panic!("no models");
        };
        for model in [201, 202, 203, 204, 211, 212, 213, 214] {
            let meter = models.meter(model).unwrap();
            for register in &meter.registers {
                let end = register.address + register.kind.registers();
                assert!(end <= meter.length + 2, "{model}: {register:?}");
            }
        }
        assert!(models.meter(103).is_none());
    }

    #[test]
    fn the_owners_folder_is_looked_at_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abb-b23.yaml");
        let own = "name: abb-b23\nmaker: A\nmodel: own\nregisters:\n  \
                   - { obis: 1.8.0, address: 1, type: uint16, unit: Wh }\n";
        fs::write(&file, own).unwrap();
        let found = Layout::find(&name("abb-b23"), Some(folder.path())).unwrap();
        assert!(matches!(&found, Layout::Template(template) if template.model == "own"));
        let other = Layout::find(&name("eltako-dsz16"), Some(folder.path())).unwrap();
        assert!(matches!(&other, Layout::Template(template) if template.maker == "Eltako"));

        fs::write(&file, own.replace("uint16", "uint15")).unwrap();
        let error = Layout::find(&name("abb-b23"), Some(folder.path())).unwrap_err();
        let expected = format!(
            "{}:5:38: registers[0].type: unknown variant",
            file.display()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");

        fs::write(&file, own.replace("name: abb-b23", "name: mine")).unwrap();
        let error = Layout::find(&name("abb-b23"), Some(folder.path())).unwrap_err();
        let expected = format!(
            "{}:1:7: name: is not the name of the file; write `abb-b23` or rename the file",
            file.display()
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = Layout::find(&name("sdm630"), None).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no template `sdm630`; the catalogue has: abb-b23, carlo-"),
            "{error}"
        );
        assert!(error.ends_with("siemens-pac2200, sunspec"), "{error}");
    }
}
