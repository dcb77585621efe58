//! In which language values are named.

use dcnet_obis::Language;

/// In which language values are named.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Choice {
    /// German.
    De,
    /// English.
    En,
}

/// The chosen language; otherwise that of the surroundings, as for messages (POSIX, section 8.2):
/// German or, for any other, English.
pub(super) fn of(choice: Option<Choice>) -> Language {
    match choice {
        Some(Choice::De) => Language::German,
        Some(Choice::En) => Language::English,
        None => surrounding(|name| std::env::var(name).ok()),
    }
}

fn surrounding(variable: impl Fn(&str) -> Option<String>) -> Language {
    let told = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    match told {
        Some(name) if name.starts_with("de") => Language::German,
        _ => Language::English,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let told = |variables: &[(&str, &str)]| {
            surrounding(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(told(&[]), Language::English);
        assert_eq!(told(&[("LANG", "de_DE.UTF-8")]), Language::German);
        assert_eq!(told(&[("LC_ALL", ""), ("LANG", "de")]), Language::German);
        assert_eq!(told(&[("LC_ALL", "C"), ("LANG", "de")]), Language::English);
        let both = [("LC_MESSAGES", "de_AT"), ("LANG", "en_US")];
        assert_eq!(told(&both), Language::German);
    }
}
