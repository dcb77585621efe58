//! The steps by which a store's schema came about.
//!
//! They are listed here, since the macro of `sqlx` that reads a folder has both drivers compiled a
//! second time, for the compiler's own use.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Name of a script without its ending, and what stands in it.
type Script = (&'static str, &'static str);

macro_rules! scripts {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")),
        )),+]
    };
}

const OF_SQLITE: &[Script] = scripts!("sqlite":
    "0001_store",
    "0002_double_mask",
    "0003_membership_log",
    "0004_key_packages",
    "0005_leases",
    "0006_audit_trail",
);

const OF_POSTGRES: &[Script] = scripts!("postgres":
    "0001_store",
    "0002_double_mask",
    "0003_membership_log",
    "0004_key_packages",
    "0005_leases",
    "0006_audit_trail",
);

pub(super) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(OF_SQLITE));
pub(super) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(OF_POSTGRES));

fn migrator(scripts: &[Script]) -> Migrator {
    let migrations = (1..).zip(scripts).map(|(version, (name, sql))| {
        let description = name.split_once('_').map_or(*name, |(_, rest)| rest);
        Migration::new(
            version,
            Cow::Owned(description.replace('_', " ")),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sha2::{Digest as _, Sha384};

    use super::*;

    #[test]
    fn every_script_is_listed_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        for (kind, listed) in [("sqlite", OF_SQLITE), ("postgres", OF_POSTGRES)] {
            let files = std::fs::read_dir(format!("{folder}/{kind}")).unwrap();
            let mut files: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let names: Vec<String> = (1..)
                .zip(listed)
                .map(|(version, (name, _))| {
                    let number = format!("{version:04}_");
                    assert!(name.starts_with(&number), "{name} is the step {version}");
                    format!("{name}.sql")
                })
                .collect();
            assert_eq!(files, names, "{kind}");
        }
    }

    /// Stores that are there remember the steps by these: a change would refuse them.
    #[test]
    fn steps_are_known_by_what_stands_in_them() {
        let first = SQLITE.iter().next().unwrap();
        assert_eq!((first.version, &*first.description), (1, "store"));
        let second = POSTGRES.iter().nth(1).unwrap();
        assert_eq!((second.version, &*second.description), (2, "double mask"));
        for migration in SQLITE.iter().chain(POSTGRES.iter()) {
            let digest = Sha384::digest(migration.sql.as_str());
            assert_eq!(*migration.checksum, *digest, "{}", migration.description);
        }
    }
}
