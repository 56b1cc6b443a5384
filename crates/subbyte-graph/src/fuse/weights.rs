use subbyte_model::{Multipliers, Packed, Segment, Weights};
use subbyte_num::{CodeType, Grid};

use crate::{CodedRows, Graph, NodeId, Op, Param, Quantizer, Storage};

/// A quantized parameter: codes in the order of the graph, the meaning of a code, and the real value of a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Coded {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Codes, row-major.
    pub codes: Vec<u8>,
    /// Bits and levels of the codes.
    pub code: CodeType,
    /// One scale, or one for each index of the first axis.
    pub scales: Vec<f64>,
}

impl Coded {
    /// Codes of the parameter that quantizer node `id` reads.
    ///
    /// # Errors
    /// If node `id` quantizes no parameter, or its scale is not set.
    pub fn of(graph: &Graph, id: NodeId) -> Result<Self, String> {
        let node = &graph.nodes[id];
        let Op::Quantize(quantizer) = node.op else {
            return Err("its weights are float; put a quantizer behind them".to_owned());
        };
        let Some((_, param)) = graph.param_of(node.inputs[0]) else {
            return Err("only parameters can be quantized as weights".to_owned());
        };
        let data = param.to_vec();
        let data = quantizer.prepare(&data);
        let rows = param.shape.first().copied().unwrap_or(1).max(1);
        let row = (data.len() / rows).max(1);
        let scales = scales_of(graph, id, quantizer, &data, row)?;
        let grid = |i: usize| {
            quantizer.grid(if scales.len() == 1 {
                scales[0]
            } else {
                scales[i / row]
            })
        };
        let codes = data
            .iter()
            .enumerate()
            .map(|(i, &w)| grid(i).code_f32(w))
            .collect();
        let step = |&s: &f32| quantizer.grid(s).scale();
        Ok(Self {
            shape: param.shape.clone(),
            codes,
            code: quantizer.code_type(),
            scales: scales.iter().map(step).collect(),
        })
    }

    /// As weights of the model.
    fn to_weights(&self) -> Weights {
        let taps: usize = self.shape[2..].iter().product();
        Weights::affine(
            self.shape[0],
            taps * self.shape[1],
            self.code.bits,
            self.code.step,
            self.code.offset,
            &channels_last(&self.codes, self.shape[1], taps),
        )
    }
}

/// Weights of a layer: those of the model, their shape in the graph, and the real value of a level, one or one for each output channel.
pub(super) struct LayerWeights {
    pub shape: Vec<usize>,
    pub weights: Weights,
    pub scales: Vec<f64>,
}

impl LayerWeights {
    /// What node `id` makes: a quantizer of a parameter, or a parameter that is stored as codes.
    pub(super) fn of(graph: &Graph, id: NodeId) -> Result<Self, String> {
        if let Some((_, param)) = graph.param_of(id)
            && let Storage::Codes(runs) = &param.storage
        {
            return Self::stored(param, runs);
        }
        let coded = Coded::of(graph, id)?;
        Ok(Self {
            weights: coded.to_weights(),
            shape: coded.shape,
            scales: coded.scales,
        })
    }

    fn stored(param: &Param, runs: &[CodedRows]) -> Result<Self, String> {
        let (input, taps) = (param.shape[1], param.taps());
        let mut scales = Vec::with_capacity(param.shape[0]);
        let mut segments = Vec::with_capacity(runs.len());
        for run in runs {
            let channels = run.rows(param.row());
            let each = run.scales.iter().cycle().take(channels);
            scales.extend(each.map(|s| f64::from(*s)));
            let level = |&value: &f32| {
                let level = value as i16;
                (f32::from(level) == value).then_some(level)
            };
            let codebook: Option<Vec<i16>> = run.codebook.iter().map(level).collect();
            segments.push(Segment {
                channels,
                codebook: codebook.ok_or(
                    "its weights are codes of numbers that are not whole; they have no integer form",
                )?,
                codes: Packed::new(
                    run.codes.bits(),
                    &channels_last(&run.codes.unpack(), input, taps),
                ),
                multipliers: match &run.multipliers {
                    Some(m) if taps > 1 && input % m.length != 0 => {
                        return Err(format!(
                            "its multipliers are for runs of {} of {input} channels; runs that divide the channels are needed",
                            m.length
                        ));
                    }
                    multipliers => multipliers.as_ref().map(|m| Multipliers {
                        length: m.length,
                        values: m.values.clone(),
                    }),
                },
            });
        }
        if scales.iter().any(|s| *s <= 0.0) {
            return Err("its weights have a scale that is not positive".into());
        }
        let first = scales.first().copied();
        let one = param.shape[0] > 0 && scales.iter().all(|s| Some(*s) == first);
        Ok(Self {
            shape: param.shape.clone(),
            weights: Weights {
                per_channel: param.row(),
                segments,
            },
            scales: if one { scales[..1].to_vec() } else { scales },
        })
    }
}

/// `[out][kh][kw][in]` of the graph's `[out][in][kh][kw]`.
fn channels_last(codes: &[u8], input: usize, taps: usize) -> Vec<u8> {
    let rows = codes.chunks(input * taps);
    rows.flat_map(|row| (0..taps).flat_map(move |tap| (0..input).map(move |i| row[i * taps + tap])))
        .collect()
}

/// What [`Quantizer::grid`] is given: the quantizer's parameter, checked, or what it derives from the weights themselves.
fn scales_of(
    graph: &Graph,
    id: NodeId,
    quantizer: Quantizer,
    data: &[f32],
    row: usize,
) -> Result<Vec<f32>, String> {
    let scales = match quantizer {
        Quantizer::Lsq { .. } | Quantizer::Affine { .. } | Quantizer::Pact { .. } => {
            parameter(graph, id)?
        }
        Quantizer::MidTreadHalf { .. } | Quantizer::DorefaWeight { .. } => vec![1.0],
        Quantizer::BinaryMean { per_channel } => {
            let run = if per_channel { row } else { data.len().max(1) };
            data.chunks(run)
                .map(|w| {
                    (w.iter().map(|w| f64::from(w.abs())).sum::<f64>() / w.len() as f64) as f32
                })
                .collect()
        }
    };
    // A channel of zeros has mean 0; its sign is +1 everywhere, and any tiny scale leaves its value where it is.
    Ok(scales
        .into_iter()
        .map(|s| if s == 0.0 { f32::MIN_POSITIVE } else { s })
        .collect())
}

/// The learned step or clip value of quantizer node `id`.
pub(super) fn parameter(graph: &Graph, id: NodeId) -> Result<Vec<f32>, String> {
    let node = &graph.nodes[id];
    let scales = node
        .inputs
        .get(1)
        .and_then(|&s| graph.param_of(s))
        .map(|(_, p)| p.to_vec());
    match scales {
        Some(scales) if !scales.is_empty() && scales.iter().all(|s| s.is_finite() && *s > 0.0) => {
            Ok(scales)
        }
        Some(_) => Err(format!(
            "the scale of `{}` is not set; train or calibrate the network first",
            node.name
        )),
        None => Err(format!(
            "`{}` needs a scale parameter as second input",
            node.name
        )),
    }
}

/// The grid of an activation quantizer.
pub(super) fn activation_grid(
    graph: &Graph,
    id: NodeId,
    quantizer: Quantizer,
) -> Result<Grid, String> {
    match quantizer {
        Quantizer::MidTreadHalf { .. } => Ok(quantizer.grid(1.0)),
        Quantizer::BinaryMean { .. } | Quantizer::DorefaWeight { .. } => {
            Err("its quantizer is for weights, not activations".to_owned())
        }
        Quantizer::Lsq { .. } | Quantizer::Affine { .. } | Quantizer::Pact { .. } => {
            match parameter(graph, id)?.as_slice() {
                [parameter] => Ok(quantizer.grid(*parameter)),
                _ => Err("activations have one scale for all channels".to_owned()),
            }
        }
    }
}
