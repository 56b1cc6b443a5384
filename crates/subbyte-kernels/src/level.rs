use core::fmt;

use crate::isa::{Isa, at_level};

/// Name of the environment variable that lowers the level which the planner uses.
pub const LEVEL_VARIABLE: &str = "SUBBYTE_ISA";

/// An instruction set that kernels are compiled for, the lowest first. Every level computes the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// What the compiler makes of plain Rust; in every build but those for SIMD128.
    Portable,
    /// x86-64 with AVX2, BMI2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL, VBMI, VNNI and VPOPCNTDQ.
    Avx512,
    /// aarch64 with NEON.
    Neon,
    /// aarch64 with NEON and its dot products of bytes.
    Dotprod,
    /// wasm32 with SIMD128, which the build has to enable. A module cannot ask whether it is there: it is the only level then.
    Simd128,
}

/// The levels of all builds, the lowest first.
const EVERY: &[Level] = &[
    Level::Portable,
    Level::Avx2,
    Level::Avx512,
    Level::Neon,
    Level::Dotprod,
    Level::Simd128,
];

impl Level {
    /// All levels that kernels of this build are compiled for, the lowest first. The first one is always available.
    pub const ALL: &[Level] = &[
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        Level::Portable,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512,
        #[cfg(target_arch = "aarch64")]
        Level::Neon,
        #[cfg(target_arch = "aarch64")]
        Level::Dotprod,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Level::Simd128,
    ];

    /// The name that the variable and the command line use.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
            Level::Dotprod => "dotprod",
            Level::Simd128 => "simd128",
        }
    }

    /// The level of a name, of this build or another.
    ///
    /// # Errors
    /// If there is no such level.
    pub fn from_name(name: &str) -> Result<Self, LevelError> {
        let found = EVERY.iter().copied().find(|l| l.name() == name);
        found.ok_or_else(|| LevelError::Unknown(name.into()))
    }

    /// Whether this build has the level and this processor can run it.
    pub fn is_available(self) -> bool {
        at_level!(self, I => I::detect().is_some(), else false)
    }

    /// The highest level of this processor.
    pub fn best() -> Self {
        let mut available = Self::ALL.iter().copied().filter(|l| l.is_available());
        available.next_back().unwrap_or(Self::ALL[0])
    }

    /// The level to use: the one asked for, else the one that `SUBBYTE_ISA` names, else the best.
    ///
    /// # Errors
    /// If the level is unknown, or this build or this processor lacks it.
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
    /// The processor or the build lacks the level.
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
            LevelError::Unavailable(level) => {
                let what = match Level::ALL.contains(level) {
                    true => "processor",
                    false => "build",
                };
                let best = Level::best();
                write!(
                    f,
                    "this {what} lacks the instruction set '{level}'; the best one here is '{best}'"
                )
            }
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
        for &level in EVERY {
            assert_eq!(Level::from_name(level.name()), Ok(level));
        }
    }

    #[test]
    fn levels_ascend_and_those_of_this_build_are_among_them() {
        assert!(EVERY.is_sorted() && Level::ALL.is_sorted());
        assert!(Level::ALL.iter().all(|level| EVERY.contains(level)));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = Level::from_name("mmx").unwrap_err().to_string();
        assert!(message.contains("'mmx'"));
        assert!(Level::ALL.iter().all(|l| message.contains(l.name())));
    }

    #[test]
    fn a_level_that_the_processor_lacks_is_refused() {
        for &level in EVERY {
            assert_eq!(Level::resolve(Some(level)).is_ok(), level.is_available());
        }
        assert!(Level::best().is_available());
    }

    #[test]
    fn a_level_of_another_architecture_is_known_but_not_here() {
        let foreign = match cfg!(target_arch = "x86_64") {
            true => Level::Neon,
            false => Level::Avx2,
        };
        let message = Level::resolve(Some(foreign)).unwrap_err().to_string();
        assert!(message.starts_with("this build lacks"), "{message}");
        assert!(message.contains(foreign.name()) && message.contains(Level::best().name()));
    }
}
