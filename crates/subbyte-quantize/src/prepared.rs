use subbyte_exec::Images;
use subbyte_graph::{Graph, Node, Op, Placement, Problem, Problems};

use crate::QuantizeError;
use crate::layer::{Layer, layers};
use crate::progress::Tell;
use crate::ranges::{Clip, set_steps};
use crate::synthetic::set_steps_without_images;

/// A network whose activations are quantized and whose weights are still floats.
pub(crate) struct Prepared {
    /// The float network, its norms folded, every layer with weights and a bias of its own.
    pub float: Graph,
    /// The same with quantizers of activations.
    pub placed: Graph,
    /// In the order in which they run.
    pub layers: Vec<Layer>,
}

impl Prepared {
    /// Folds norms and lets `place` put quantizers in; all layers are quantized of which `chosen` says so.
    pub fn placed(
        float: &Graph,
        place: impl FnOnce(&Graph) -> Result<Graph, QuantizeError>,
        chosen: impl Fn(&str) -> bool,
    ) -> Result<Self, QuantizeError> {
        float.validate()?;
        let mut float = float.clone();
        float.fold_norms();
        float.own_parameters();
        let coded = |node: &&Node| {
            let weights = node.inputs.get(1).and_then(|&id| float.param_of(id));
            matches!(node.op, Op::Conv2d { .. } | Op::Linear)
                && weights.is_none_or(|(_, param)| param.code_bits().is_some())
        };
        let problem = |node: &Node| Problem {
            place: node.name.clone(),
            what: "its weights are quantized already; give the float network".into(),
        };
        let problems: Vec<Problem> = float.nodes.iter().filter(coded).map(problem).collect();
        if !problems.is_empty() {
            return Err(Problems(problems).into());
        }
        let placed = place(&float)?;
        let mut layers = layers(&float, &placed);
        layers.retain(|layer| chosen(&layer.name));
        Ok(Self {
            layers,
            float,
            placed,
        })
    }

    /// Folds norms, places quantizers and sets their steps, without images by the norms. Weights keep their floats whatever `placement`
    /// says of their bits.
    pub fn new(
        float: &Graph,
        placement: &Placement,
        calibration: &[Images],
        clip: Clip,
        tell: Tell,
    ) -> Result<Self, QuantizeError> {
        let normed = float;
        let mut float = float.clone();
        float.fold_norms();
        float.own_parameters();
        let mut placement = placement.clone();
        placement.body.weights = None;
        placement
            .layers
            .values_mut()
            .for_each(|bits| bits.weights = None);
        let mut placed = float.place_quantizers(&placement)?;
        match calibration {
            [] => set_steps_without_images(&mut placed, normed, &placement, clip, tell)?,
            _ => set_steps(&mut placed, &float, calibration, clip, tell)?,
        }
        Ok(Self {
            layers: layers(&float, &placed),
            float,
            placed,
        })
    }

    /// The layer's float weights `[output][input][row][column]`.
    pub fn weights(&self, layer: &Layer) -> Result<Vec<f32>, QuantizeError> {
        let (name, param) = self
            .float
            .param_of(self.float.nodes[layer.float].inputs[1])
            .expect("placing quantizers asked for it");
        let weights = param.to_vec();
        let count = weights.iter().filter(|w| !w.is_finite()).count();
        match count {
            0 => Ok(weights),
            _ => Err(QuantizeError::NotFinite {
                place: name.to_owned(),
                count,
            }),
        }
    }

    /// The layer's float bias.
    pub fn bias(&self, layer: &Layer) -> Vec<f32> {
        let bias = self.float.nodes[layer.float].inputs.get(2);
        let (_, bias) = bias
            .and_then(|&id| self.float.param_of(id))
            .expect("every layer was given one");
        bias.to_vec()
    }

    /// Whether all rows of the layer need one scale: those of logits.
    pub fn has_one_scale(&self, layer: &Layer) -> bool {
        self.placed.outputs.contains(&layer.placed)
    }
}
