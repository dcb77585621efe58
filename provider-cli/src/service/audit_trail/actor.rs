//! Who did what is in the audit trail.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clean;
use crate::operator::Operator;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Actor {
    /// Somebody with a certificate, over HTTPS.
    Operator {
        /// As the certificate names them.
        name: String,
        /// `administrator`, `auditor` or `consumer`.
        role: String,
    },
    /// Somebody at a command line with the store at hand. That is what the system says, not proved.
    Console {
        /// Name and number of the system's user, and whom `sudo` worked for.
        user: String,
        host: String,
    },
    /// A server, and who runs it. That is what the system says, not proved.
    Server {
        /// As other servers of the same store know it: host, and address listened on.
        name: String,
        /// Name and number of the system's user, and whom `sudo` worked for.
        user: String,
    },
}

impl From<&Operator> for Actor {
    fn from(operator: &Operator) -> Self {
        Self::Operator {
            name: operator.name().as_str().to_owned(),
            role: operator.role().word().to_owned(),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator { name, role } => write!(f, "{name} ({role})"),
            Self::Console { user, host } => write!(f, "{user} at {host}, console"),
            Self::Server { name, user } => write!(f, "{user} at {name}, server"),
        }
    }
}

impl Actor {
    /// Whoever runs this process, a command.
    pub(crate) fn console() -> Self {
        let host = rustix::system::uname();
        Self::Console {
            user: user(),
            host: short(&host.nodename().to_string_lossy()),
        }
    }

    /// This process, a server that others know by `name`.
    pub(in crate::service) fn server(name: &str) -> Self {
        Self::Server {
            name: clean(name).collect(),
            user: user(),
        }
    }
}

/// The user of this process.
fn user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let id = rustix::process::getuid().as_raw();
    let mut user = match variable("LOGNAME").or_else(|| variable("USER")) {
        Some(name) => format!("{name} (uid {id})"),
        None => format!("uid {id}"),
    };
    if let Some(behind) = variable("SUDO_USER") {
        user = format!("{behind} as {user}");
    }
    short(&user)
}

fn short(text: &str) -> String {
    clean(text).take(64).collect()
}
