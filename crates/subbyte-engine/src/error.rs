use alloc::string::String;
use core::fmt;

use subbyte_kernels::LevelError;
use subbyte_model::Problems;

/// Why a model was not prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The model is not valid.
    Model(Problems),
    /// The instruction set that was asked for, or that the environment names, cannot be used.
    Level(LevelError),
    /// No kernel computes a node.
    NoKernel {
        /// Name of the node.
        node: String,
        /// Its operation.
        operation: &'static str,
    },
    /// The plan needs more memory than [`Options::memory`](crate::Options::memory) gives.
    Memory {
        /// Bytes of packed weights and one arena.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The stored weights are not those of this plan.
    Packed(PackedError),
}

/// Why stored packed weights were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackedError {
    /// The bytes are not those of a plan.
    NotPacked,
    /// They are of another version of the format.
    Version {
        /// Version of this build.
        expected: u32,
        /// Version of the bytes.
        found: u32,
    },
    /// They end too early or go on too long, or do not have their checksum.
    Damaged,
    /// They were packed for another architecture or instruction set.
    Processor {
        /// Architecture and instruction set of this plan.
        expected: String,
        /// Those of the bytes.
        found: String,
    },
    /// They were packed with [`Options::fuse`](crate::Options::fuse) the other way.
    Fuse,
    /// They were packed for another model.
    Model,
    /// Other kernels were chosen when they were packed, or these pack in another way now.
    Kernels,
}

impl fmt::Display for PackedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackedError::NotPacked => f.write_str("these are not the packed weights of a plan"),
            PackedError::Version { expected, found } => write!(
                f,
                "packed weights of version {found}, this build has version {expected}"
            ),
            PackedError::Damaged => f.write_str("the packed weights are cut off or damaged"),
            PackedError::Processor { expected, found } => write!(
                f,
                "the weights were packed for {found}, the plan is for {expected}"
            ),
            PackedError::Fuse => {
                f.write_str("the weights were packed with the option `fuse` the other way")
            }
            PackedError::Model => f.write_str("the weights were packed for another model"),
            PackedError::Kernels => f.write_str(
                "the weights were packed for other kernels, by another build of subbyte",
            ),
        }?;
        f.write_str(": pack them anew with Plan::packed, from this model on this processor")
    }
}

impl core::error::Error for PackedError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Model(problems) => problems.fmt(f),
            PlanError::Level(error) => error.fmt(f),
            PlanError::Packed(error) => error.fmt(f),
            PlanError::NoKernel { node, operation } => {
                write!(f, "node {node}: no kernel computes this {operation}")
            }
            PlanError::Memory { needed, given } => write!(
                f,
                "the plan needs {needed} bytes of memory (packed weights and one arena), {given} were given: \
                 raise the limit, or lower the model with smaller images, fewer channels or fewer bits"
            ),
        }
    }
}

impl core::error::Error for PlanError {}

/// Why a plan was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The image has not as many bytes as the model's input.
    ImageSize {
        /// Bytes needed, height * width * colours.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The bytes of a batch are not a whole number of images.
    BatchSize {
        /// Bytes of an image, height * width * colours.
        image: usize,
        /// Bytes given.
        found: usize,
    },
    /// The logits of a batch do not fit the space given for them exactly.
    LogitsSize {
        /// Logits of all images.
        expected: usize,
        /// Space given.
        found: usize,
    },
    /// The arena is smaller than the plan needs; it belongs to another plan.
    ArenaSize {
        /// Bytes needed.
        expected: usize,
        /// Bytes of the arena.
        found: usize,
    },
    /// The operating system refused to start threads.
    Threads {
        /// Threads wanted.
        wanted: usize,
        /// What it said.
        reason: String,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::ImageSize { expected, found } => write!(
                f,
                "the image has {found} bytes, the model's input {expected} (height * width * colours): resize or convert it first"
            ),
            RunError::BatchSize { image, found } => write!(
                f,
                "a batch of {found} bytes is not a whole number of images of {image} bytes (height * width * colours): \
                 resize or convert the images first"
            ),
            RunError::LogitsSize { expected, found } => {
                write!(
                    f,
                    "space for {found} logits, the batch has {expected} (images * classes): give exactly as much"
                )
            }
            RunError::ArenaSize { expected, found } => write!(
                f,
                "an arena of {found} bytes; this plan needs {expected}: make it with Plan::arena"
            ),
            RunError::Threads { wanted, reason } => {
                write!(f, "{wanted} threads could not be started: {reason}")
            }
        }
    }
}

impl core::error::Error for RunError {}
