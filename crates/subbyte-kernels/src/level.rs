use core::fmt;

#[cfg(target_arch = "x86_64")]
use crate::isa::{Avx2, Avx512};
use crate::isa::{Isa, Portable};

/// Name of the environment variable that lowers the level which the planner uses.
pub const LEVEL_VARIABLE: &str = "SUBBYTE_ISA";

/// An instruction set that kernels are compiled for, the lowest first. Every level computes the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// What the build target promises (SSE2 on x86-64, NEON on aarch64); always there.
    Portable,
    /// x86-64 with AVX2, BMI2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
    Avx512,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: &[Level] = &[Level::Portable, Level::Avx2, Level::Avx512];

    /// The name that the variable and the command line use.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The level of a name.
    ///
    /// # Errors
    /// If there is no such level.
    pub fn from_name(name: &str) -> Result<Self, LevelError> {
        let found = Self::ALL.iter().copied().find(|l| l.name() == name);
        found.ok_or_else(|| LevelError::Unknown(name.into()))
    }

    /// Whether this processor can run the level.
    pub fn is_available(self) -> bool {
        match self {
            Level::Portable => Portable::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Avx512::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 => false,
        }
    }

    /// The highest level of this processor.
    pub fn best() -> Self {
        let mut available = Self::ALL.iter().copied().filter(|l| l.is_available());
        available.next_back().unwrap_or(Level::Portable)
    }

    /// The level to use: the one asked for, else the one that `SUBBYTE_ISA` names, else the best.
    ///
    /// # Errors
    /// If the level is unknown or this processor lacks it.
    pub fn resolve(asked: Option<Level>) -> Result<Self, LevelError> {
        if let Some(level) = asked {
            return level.if_available();
        }
        let Some(name) = from_environment() else {
            return Ok(Self::best());
        };
        let level = Self::from_name(&name).and_then(Self::if_available);
        level.map_err(|error| LevelError::Variable(error.into()))
    }

    fn if_available(self) -> Result<Self, LevelError> {
        match self.is_available() {
            true => Ok(self),
            false => Err(LevelError::Unavailable(self)),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a level cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelError {
    /// No level has this name.
    Unknown(alloc::string::String),
    /// The processor lacks the level.
    Unavailable(Level),
    /// `SUBBYTE_ISA` names a level that cannot be used.
    Variable(alloc::boxed::Box<LevelError>),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LevelError::Unknown(name) => {
                write!(f, "unknown instruction set '{name}' (known:")?;
                for level in Level::ALL {
                    write!(f, " {level}")?;
                }
                f.write_str(")")
            }
            LevelError::Unavailable(level) => write!(
                f,
                "this processor lacks the instruction set '{level}'; its best one is '{}'",
                Level::best()
            ),
            LevelError::Variable(error) => write!(
                f,
                "{LEVEL_VARIABLE}: {error}; unset it for the best one of this processor"
            ),
        }
    }
}

impl core::error::Error for LevelError {}

/// What the variable holds, unless that is nothing.
#[cfg(feature = "std")]
fn from_environment() -> Option<alloc::string::String> {
    let name = std::env::var_os(LEVEL_VARIABLE)?;
    (!name.is_empty()).then(|| name.to_string_lossy().into_owned())
}

#[cfg(not(feature = "std"))]
fn from_environment() -> Option<alloc::string::String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_lead_back_to_levels() {
        for &level in Level::ALL {
            assert_eq!(Level::from_name(level.name()), Ok(level));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = Level::from_name("mmx").unwrap_err().to_string();
        assert!(message.contains("'mmx'"));
        assert!(Level::ALL.iter().all(|l| message.contains(l.name())));
    }

    #[test]
    fn a_level_that_the_processor_lacks_is_refused() {
        for &level in Level::ALL {
            assert_eq!(Level::resolve(Some(level)).is_ok(), level.is_available());
        }
        assert!(Level::best().is_available());
    }
}
