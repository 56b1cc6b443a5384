//! The JSON object in the metadata.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Diffusion, NodeId, Op, Role};

/// Metadata key of the description.
pub(super) const KEY: &str = "subbyte.graph";

/// Version that is written; the first and so far only one.
pub(super) const VERSION: u32 = 1;

/// Read first, since the rest may differ between versions.
#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    /// See [`super::checksum`]; has to be the first field.
    pub(super) checksum: String,
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) nodes: Vec<NodeDescription>,
    pub(super) outputs: Vec<NodeId>,
    pub(super) params: BTreeMap<String, ParamDescription>,
    pub(super) classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) diffusion: Option<Diffusion>,
    pub(super) text: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeDescription {
    pub(super) name: String,
    pub(super) op: Op,
    pub(super) inputs: Vec<NodeId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParamDescription {
    pub(super) role: Role,
    /// Where the parameter is stored as codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) codes: Option<CodesDescription>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodesDescription {
    pub(super) shape: Vec<usize>,
    /// Bits of the first run of rows.
    pub(super) bits: u8,
    /// Rows of the first run; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<usize>,
    /// Input channels that have a multiplier in common, in the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) multiplied: Option<usize>,
    /// The other runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) more: Vec<RunDescription>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunDescription {
    pub(super) rows: usize,
    pub(super) bits: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) multiplied: Option<usize>,
}

/// Names of a parameter's or extra tensor's safetensors tensors.
pub(super) fn tensor_name(kind: &str, name: &str) -> String {
    format!("{kind}/{name}")
}

/// Kind of a tensor of run `i`, such as `codes` and `codes-1`.
pub(super) fn of_run(kind: &str, i: usize) -> String {
    match i {
        0 => kind.to_owned(),
        i => format!("{kind}-{i}"),
    }
}
