//! Why a round has no reading.

use dcnet_obis::{ObisCode, Unit};

use crate::meter::DeviceId;

/// Why a round has no reading, in words for the owner. They go into logs, so they hold no register.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No telegram shortly before the border.
    #[error(
        "the meter sent nothing in the last {} s before the round's end: is the reading head in \
         place?", tolerance_millis.div_ceil(1000)
    )]
    Silent {
        /// How long before the border a reading counts, in milliseconds.
        tolerance_millis: u64,
    },
    /// The round's start was not read: the daemon was not running, the meter not connected.
    #[error("the registers at the round's start were not read; the next round has a reading again")]
    NoStart,
    /// The telegrams lack an entry.
    #[error(
        "the meter does not show {obis}: enter its PIN and switch on the full data set (INF on), \
         or state `absent: zero` if it has no such register"
    )]
    Absent {
        /// Which.
        obis: ObisCode,
    },
    /// Another unit than the slot's.
    #[error("the meter shows {obis} in {got}, the profile expects {expected}")]
    Unit {
        /// Which entry.
        obis: ObisCode,
        /// The slot's.
        expected: Unit,
        /// The meter's.
        got: Unit,
    },
    /// The value does not fit into a word.
    #[error("the value of {obis} is too large for a word of scale {scale}")]
    TooLarge {
        /// Which entry.
        obis: ObisCode,
        /// The slot's scale.
        scale: i8,
    },
    /// Not the meter that the profile names.
    #[error("the meter's device id is {got}, the profile names {expected}")]
    OtherDevice {
        /// As in the profile.
        expected: DeviceId,
        /// As in the telegram.
        got: DeviceId,
    },
    /// A register counts up only.
    #[error("{obis} went back: was the meter replaced?")]
    WentBack {
        /// Which register.
        obis: ObisCode,
        /// At the round's start.
        before: i64,
        /// At its end.
        after: i64,
    },
    /// Another meter at the end than at the start.
    #[error("the meter was replaced during the round: device id {was} before, {is} now")]
    Replaced {
        /// At the round's start.
        was: DeviceId,
        /// At its end.
        is: DeviceId,
    },
    /// More than `max_power` allows.
    #[error(
        "{obis} changed by more than the {limit}·10^{scale} that max_power allows: was the meter \
         replaced? If not, set evaluation.max_power"
    )]
    Implausible {
        /// Which entry.
        obis: ObisCode,
        /// Found, in the slot's scale.
        got: i128,
        /// Allowed, in the slot's scale.
        limit: i128,
        /// The slot's scale.
        scale: i8,
    },
    /// The round was not observed from its start to its end.
    #[error(
        "{obis} is a value over the round, and the round was not observed as a whole: the daemon \
         began within it, or the meter was silent for longer than evaluation.tolerance"
    )]
    Partial {
        /// The slot's code in the net.
        obis: ObisCode,
    },
    /// The meter says that the value must not be used.
    #[error("the meter's status says that {obis} is fatally wrong: have the meter looked at")]
    FatalStatus {
        /// Which entry.
        obis: ObisCode,
    },
    /// A slot reads a meter that the profile does not have.
    #[error("evaluation.slots names the meter {meter}, which the profile does not have")]
    NoMeter {
        /// Its name.
        meter: String,
    },
}
