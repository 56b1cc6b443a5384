use subbyte_graph::Storage;

use crate::QuantizeError;
use crate::codebook::Codebook;
use crate::formats::Formats;
use crate::prepared::Prepared;
use crate::round_network::round_to_nearest;

/// Bytes of the model's file beside the codes of weights: requantizations, names, headers. Integers are stored at their lengths, so
/// these bytes depend a little on the codes; what is told is on the safe side.
pub(crate) fn overhead(prepared: &Prepared) -> Result<usize, QuantizeError> {
    let formats: Vec<Formats> = prepared
        .layers
        .iter()
        .map(|layer| Formats::one(Codebook::signed(8), layer.geometry.output[0]))
        .collect();
    let graph = round_to_nearest(prepared, &formats)?;
    let codes: usize = graph
        .params
        .values()
        .map(|param| match &param.storage {
            Storage::F32(_) => 0,
            Storage::Codes(runs) => runs.iter().map(|run| run.codes.bytes().len()).sum(),
        })
        .sum();
    let model = subbyte_lower::lower(&graph)?;
    let beside = subbyte_model::write(&model)?.len() - codes;
    Ok(beside + beside / 50 + 64)
}
