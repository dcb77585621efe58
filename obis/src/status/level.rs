//! The levels of errors under the law of measures.

/// What a value may be used for (PTB-A 50.7 and 50.8): from all is well to not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PtbLevel {
    /// 0: no error.
    Ok,
    /// 1: a warning; the value is valid.
    Warning,
    /// 2: a temporary error; the value may be used after a check.
    TemporaryError,
    /// 3: a critical temporary error; the value is not valid.
    CriticalTemporaryError,
    /// 4: a fatal error; the device has to be replaced.
    Fatal,
}

impl PtbLevel {
    /// The level with this number, as gateways tell it (`statusPTB`); `None` above 4.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Ok),
            1 => Some(Self::Warning),
            2 => Some(Self::TemporaryError),
            3 => Some(Self::CriticalTemporaryError),
            4 => Some(Self::Fatal),
            _ => None,
        }
    }

    /// The number, 0 to 4.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::TemporaryError => 2,
            Self::CriticalTemporaryError => 3,
            Self::Fatal => 4,
        }
    }

    /// True if the value counts as a reading: neither critical nor fatal.
    pub const fn is_valid(self) -> bool {
        !matches!(self, Self::CriticalTemporaryError | Self::Fatal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_numbers() {
        for code in 0..=4 {
            let level = PtbLevel::from_code(code).unwrap();
            assert_eq!(level.code(), code);
            assert_eq!(level.is_valid(), code < 3);
        }
        assert_eq!(PtbLevel::from_code(5), None);
        assert!(PtbLevel::Fatal > PtbLevel::CriticalTemporaryError);
    }
}
