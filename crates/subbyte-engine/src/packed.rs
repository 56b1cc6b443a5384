//! Plans whose packed weights are stored, so that a program starts without packing.
//!
//! The bytes are internal to one version of this crate and belong to one model and one instruction set; they hold what kernels make
//! of all weights, and nothing that says where anything lies. Shapes and offsets always come from the model. A checksum finds
//! accidents. Bytes that are made to deceive can make wrong logits and nothing worse.
//!
//! ```text
//! magic 8 · version 4 · checksum of the rest 4 · length of the rest 8 · checksum of the model 4 · fuse 1
//! · processor: length 1, text · what the kernels stored
//! ```

use alloc::{format, string::String, vec::Vec};
use core::hash::{Hash, Hasher};

use subbyte_kernels::{Level, Store};
use subbyte_model::Model;

use crate::{Options, PackedError, Plan, PlanError};

const MAGIC: [u8; 8] = *b"\x89SBP\r\n\x1a\n";

/// To be raised with every change of what a kernel packs.
const VERSION: u32 = 2;

/// Bytes before those that the checksum covers.
const HEADER: usize = 24;

const ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") {
    "x86-64"
} else if cfg!(target_arch = "aarch64") {
    "aarch64"
} else if cfg!(target_arch = "wasm32") {
    "wasm32"
} else if cfg!(target_arch = "arm") {
    "arm"
} else if cfg!(any(target_arch = "riscv32", target_arch = "riscv64")) {
    "riscv"
} else {
    "another architecture"
};

const BYTE_ORDER: &str = if cfg!(target_endian = "little") {
    "little-endian"
} else {
    "big-endian"
};

impl Plan {
    /// Packs the weights of a model as [`Plan::new`] does, and gives them as bytes for [`Plan::with_packed`].
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn packed(model: &Model, options: Options) -> Result<Vec<u8>, PlanError> {
        let level = Level::resolve(options.level).map_err(PlanError::Level)?;
        let mut store = Store::writing();
        Plan::by(&mut store, model, level, options)?;
        let mut body = identity(model, level, options);
        body.extend(store.into_bytes());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(crc32fast::hash(&body).to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        Ok(bytes)
    }

    /// Prepares a model without packing, by what [`Plan::packed`] gave for the same model, level and fusing. No bytes whatever make
    /// it panic; the logits are right as long as nobody has tampered with them.
    ///
    /// # Errors
    /// As [`Plan::new`], and if the bytes are damaged or belong to another model, processor, level or version.
    pub fn with_packed(model: &Model, options: Options, bytes: &[u8]) -> Result<Self, PlanError> {
        let level = Level::resolve(options.level).map_err(PlanError::Level)?;
        let packed = check(model, level, options, bytes).map_err(PlanError::Packed)?;
        let mut store = Store::reading(packed);
        let plan = Plan::by(&mut store, model, level, options);
        match store.is_complete() {
            true => plan,
            // What could not be read may have been the reason of another error.
            false => match plan {
                Err(error @ (PlanError::Model(_) | PlanError::Memory { .. })) => Err(error),
                _ => Err(PlanError::Packed(PackedError::Kernels)),
            },
        }
    }
}

/// What must be the same when packed weights are read.
fn identity(model: &Model, level: Level, options: Options) -> Vec<u8> {
    let processor = processor(level);
    let mut bytes = checksum(model).to_le_bytes().to_vec();
    bytes.push(options.fuse.into());
    bytes.push(processor.len() as u8);
    bytes.extend(processor.as_bytes());
    bytes
}

/// What the kernels stored, once all else is right.
fn check<'a>(
    model: &Model,
    level: Level,
    options: Options,
    bytes: &'a [u8],
) -> Result<&'a [u8], PackedError> {
    if bytes.is_empty() || !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
        return Err(PackedError::NotPacked);
    }
    let (header, body) = bytes.split_at_checked(HEADER).ok_or(PackedError::Damaged)?;
    let found = u32_at(header, 8);
    if found != VERSION {
        let expected = VERSION;
        return Err(PackedError::Version { expected, found });
    }
    let length = u64::from(u32_at(header, 16)) | u64::from(u32_at(header, 20)) << 32;
    if length != body.len() as u64 || crc32fast::hash(body) != u32_at(header, 12) {
        return Err(PackedError::Damaged);
    }
    let (fixed, rest) = body.split_at_checked(6).ok_or(PackedError::Damaged)?;
    let (text, packed) = rest
        .split_at_checked(fixed[5].into())
        .ok_or(PackedError::Damaged)?;
    let (expected, found) = (processor(level), String::from_utf8_lossy(text));
    if found != expected {
        let found = found.into_owned();
        return Err(PackedError::Processor { expected, found });
    }
    if u32_at(fixed, 0) != checksum(model) {
        return Err(PackedError::Model);
    }
    if fixed[4] != u8::from(options.fuse) {
        return Err(PackedError::Fuse);
    }
    Ok(packed)
}

/// Architecture and instruction set, as errors name them.
fn processor(level: Level) -> String {
    format!("{ARCHITECTURE} ({BYTE_ORDER}), instruction set '{level}'")
}

/// Checksum of all that a plan depends on.
fn checksum(model: &Model) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    model.input.hash(&mut hasher);
    model.nodes.hash(&mut hasher);
    hasher.finish() as u32
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..][..4]);
    u32::from_le_bytes(word)
}
