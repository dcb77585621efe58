//! The state of the line to the meter: one log line for each change, none in between.

use std::fmt;

use super::device::{LineMode, OpenError};
use super::modbus::Fault;

/// The state of the line to the meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// The port is open, nothing has been read yet.
    Open,
    /// Telegrams come in.
    Receiving,
    /// The port cannot be opened, or was lost.
    Unavailable(OpenError),
    /// The port is open, but no byte comes.
    Silent {
        /// For how long, in seconds.
        seconds: u64,
    },
    /// Bytes come in, but no telegram.
    Garbled {
        /// What is expected: SML, D0.
        protocol: &'static str,
        /// For how long, in seconds.
        seconds: u64,
        /// What was wrong with the last attempt at one.
        last: Option<String>,
    },
    /// The mode of the line is being found out.
    Trying {
        /// The one that gave no telegram.
        failed: LineMode,
        /// The one that is tried now.
        next: LineMode,
    },
    /// Something other than a serial port that the source needs does not work.
    Broken {
        /// What, in words for the owner, and what to do.
        what: String,
    },
    /// The owner's program failed, and said why.
    Failed {
        /// What failed, and how.
        what: String,
        /// What it said: nobody knows what that is, a password or a reading perhaps.
        said: String,
    },
    /// A Modbus device does not answer as it should.
    Modbus(Fault),
}

impl SourceState {
    /// Whether `next` is worth a word after `self`.
    ///
    /// A port that is opened again and again (that is how a silent or lost one is looked after)
    /// says so once.
    pub fn is_news(&self, next: &Self) -> bool {
        match (self, next) {
            // The last pair: a port's file vanishes a moment after the port, that is one event.
            (Self::Silent { .. }, Self::Silent { .. } | Self::Open)
            | (Self::Garbled { .. }, Self::Garbled { .. } | Self::Open | Self::Trying { .. })
            | (Self::Receiving | Self::Trying { .. } | Self::Modbus(_), Self::Open)
            | (
                Self::Unavailable(OpenError::Lost { .. }),
                Self::Unavailable(OpenError::Missing { .. }),
            ) => false,
            (before, next) => before != next,
        }
    }

    /// As it may stand in the log and the logbooks: without what others have said.
    #[must_use]
    pub fn for_the_log(&self) -> Self {
        match self {
            Self::Failed { what, .. } => Self::Broken { what: what.clone() },
            state => state.clone(),
        }
    }

    /// Whether the meter can be read.
    pub fn is_fault(&self) -> bool {
        !matches!(self, Self::Open | Self::Receiving | Self::Trying { .. })
    }

    /// Whether the port is open, but what comes in makes no telegram, or nothing comes.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Garbled { .. } | Self::Silent { .. })
    }
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("the meter's port is open, waiting for a telegram"),
            Self::Receiving => f.write_str("the meter sends telegrams"),
            Self::Unavailable(error) => write!(f, "{error}; trying again until it is there"),
            Self::Modbus(fault) => write!(f, "{fault}"),
            Self::Silent { seconds } => write!(
                f,
                "the meter has sent nothing for {seconds} s: check that the reading head sits on \
                 the meter's infrared window, its cable below"
            ),
            Self::Garbled {
                protocol,
                seconds,
                last,
            } => {
                write!(
                    f,
                    "bytes come in, but no {protocol} telegram for {seconds} s"
                )?;
                if let Some(error) = last {
                    write!(f, " (last: {error})")?;
                }
                // Only SML lines have the latter two.
                let keys = match *protocol {
                    "D0" => "`baud` and `fastest`",
                    _ => "`baud`, `parity` and `data_bits`",
                };
                write!(
                    f,
                    ": check {keys} of the meter profile, and that the head sits straight"
                )
            }
            Self::Trying { failed, next } => {
                write!(f, "no telegram at {failed}, trying {next}")
            }
            Self::Broken { what } => write!(f, "{what}; trying again"),
            Self::Failed { what, said } => write!(f, "{what}, saying: {said}; trying again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_shown_and_not_logged() {
        let failed = SourceState::Failed {
            what: "the program \"reader\" failed (exit status: 3)".to_owned(),
            said: "no access to https://me:secret@meter/".to_owned(),
        };
        assert!(failed.to_string().contains("saying: no access"));
        let logged = failed.for_the_log();
        assert!(logged.is_fault() && !logged.to_string().contains("secret"));
        assert!(logged.to_string().contains("exit status: 3"));
    }

    #[test]
    fn a_lost_port_is_no_flood() {
        let silent = SourceState::Silent { seconds: 30 };
        assert!(SourceState::Open.is_news(&SourceState::Receiving));
        assert!(SourceState::Receiving.is_news(&silent));
        assert!(!silent.is_news(&SourceState::Open));
        assert!(!silent.is_news(&SourceState::Silent { seconds: 60 }));
        assert!(silent.is_news(&SourceState::Receiving));
        let lost = SourceState::Unavailable(OpenError::Missing { device: "x".into() });
        assert!(silent.is_news(&lost));
        assert!(!lost.is_news(&lost.clone()));
        assert!(lost.is_news(&SourceState::Open));
    }
}
