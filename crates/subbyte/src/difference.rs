//! Where an integer model departs from the float network that it was made of, tensor by tensor.

use std::collections::BTreeMap;

use burn::tensor::Device;
use subbyte_engine::{Observed, Options, Plan, RunError};
use subbyte_exec::{Images, Mode, Network};
use subbyte_graph::{Graph, NodeId as FloatId};
use subbyte_model::{CodeType, Input, Model, Node, NodeId, Op};

use crate::Error;

/// Most images that are compared at a time, and about the most bytes that they have; nothing depends on these but speed and memory.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 18;

/// A tensor has lost too much below this ratio of signal to noise, in dB: a tenth of its amplitude is noise.
pub const TOO_NOISY: f64 = 20.0;
/// Twice the noise, in dB.
const TWICE: f64 = 3.01;

/// What the tensors of an integer model are beside those of a float network, over some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Images that were compared.
    pub images: usize,
    /// Tensors of new codes in the order in which the model makes them, and the logits.
    pub tensors: Vec<TensorDifference>,
    /// Names of the model's tensors of new codes that stand for no tensor of the float network.
    pub without_counterpart: Vec<String>,
}

/// One tensor of the model beside the float tensor that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDifference {
    /// Name of the model's node.
    pub name: String,
    /// Name of the float network's node.
    pub float: String,
    /// Its codes; `None` for logits, which are sums.
    pub code: Option<CodeType>,
    /// How often each code occurs; empty for logits.
    pub counts: Vec<u64>,
    /// Signal to quantization noise in dB: `sum a^2 / (sum a^2 - (sum a l)^2 / sum l^2)` over float values `a` and levels `l`, which is
    /// the ratio for the scale that fits best. Steps that the model has elsewhere take no part in it. Infinite where nothing is lost.
    pub sqnr: f64,
    /// The noisiest of the compared tensors that it is computed from, in dB, less its own ratio; `None` where it is computed from the
    /// image or from tensors without a counterpart alone.
    pub lost: Option<f64>,
}

impl Difference {
    /// The first tensor that adds more noise than it gets and ends with less than 20 dB.
    pub fn first_that_hurts(&self) -> Option<&TensorDifference> {
        self.tensors.iter().find(|tensor| tensor.hurts())
    }
}

impl TensorDifference {
    /// Whether it adds more noise than it gets and ends with less than 20 dB.
    pub fn hurts(&self) -> bool {
        self.sqnr < TOO_NOISY && self.lost.is_none_or(|lost| lost > TWICE)
    }

    /// Share of codes at the ends of their range, where larger values are cut off. The code of level 0 is no such end where it is the
    /// smallest: values below it were cut by a ReLU.
    pub fn saturated(&self) -> f64 {
        let (Some(code), Some(&highest)) = (self.code, self.counts.last()) else {
            return 0.0;
        };
        let lowest = match code.min_level() {
            0 => 0,
            _ => self.counts[0],
        };
        (lowest + highest) as f64 / self.total().max(1.0)
    }

    /// How many different codes occur.
    pub fn used(&self) -> usize {
        self.counts.iter().filter(|&&count| count > 0).count()
    }

    /// Entropy in bits a code.
    pub fn entropy(&self) -> f64 {
        let total = self.total().max(1.0);
        let shares = self.counts.iter().map(|&count| count as f64 / total);
        let terms = shares.filter(|&p| p > 0.0).map(|p| -p * p.log2());
        terms.sum::<f64>().max(0.0)
    }

    fn total(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64
    }
}

/// Runs images, u8 `[height][width][colours]` each, through `float` in floats and through `model` in integers, and compares every
/// tensor of new codes of the model, and the logits, with the float tensor that it stands for; `progress` is told how many images are
/// done. Memory does not grow with their number.
///
/// Tensors are paired by name: the quantizer `X.quantize` makes codes of what the float network calls `X`, or `X.relu` or `X.norm`
/// where it is a built-in one; codes made of codes stand for the same tensor where no name says otherwise. Batch norms of `float` are
/// folded first, so that a layer is what its norm makes of it.
///
/// # Errors
/// If a network cannot be run, an image has the wrong size, or no tensor has a counterpart.
pub fn difference<P: AsRef<[u8]>>(
    float: &Graph,
    model: &Model,
    images: impl IntoIterator<Item = P>,
    progress: &mut dyn FnMut(usize),
) -> Result<Difference, Error> {
    let mut float = float.clone();
    float.fold_norms();
    let network = Network::new(&float, &Device::flex())?;
    let options = Options {
        fuse: false,
        ..Options::default()
    };
    let plan = Plan::new(model, options)?;
    let pairs = Pairs::find(&float, model);
    let of_codes = |(node, pair): (&Node, &Option<FloatId>)| new_codes(&node.op).and(*pair);
    if !model
        .nodes
        .iter()
        .zip(&pairs.by_node)
        .any(|pair| of_codes(pair).is_some())
    {
        return Err(Error::NoCounterparts {
            tensors: pairs.missing,
        });
    }
    let mut sums = pairs.sums(model);
    let mut readers: BTreeMap<FloatId, Vec<NodeId>> = BTreeMap::new();
    for (node, float) in pairs.by_node.iter().enumerate() {
        float.map(|float| readers.entry(float).or_default().push(node));
    }

    let Input {
        height,
        width,
        colours,
        ..
    } = model.input;
    let batch = (BATCH_BYTES / plan.image_bytes().max(1)).clamp(1, BATCH);
    let mut arena = plan.arena();
    let mut images = images.into_iter().fuse();
    let mut done = 0;
    loop {
        // Codes are a quarter of the floats' size, so they wait and the floats stream by.
        let mut found = vec![Levels::default(); model.nodes.len()];
        let mut pixels = Vec::new();
        let mut count = 0;
        for image in images.by_ref().take(batch) {
            let (expected, bytes) = (plan.image_bytes(), image.as_ref().len());
            if bytes != expected {
                return Err(RunError::ImageSize {
                    expected,
                    found: bytes,
                }
                .into());
            }
            let logits = plan.observe(&mut arena, image.as_ref(), &mut |node, seen| {
                if let (Some(_), Observed::Codes(codes)) = (pairs.by_node[node], seen) {
                    found[node].codes.extend_from_slice(codes);
                }
            })?;
            let output = found.last_mut().expect("a model has an output");
            output.sums.extend_from_slice(logits);
            pixels.extend_from_slice(image.as_ref());
            count += 1;
        }
        if count == 0 {
            break;
        }
        let batch = Images::new(pixels, [count, height, width, colours]);
        network.observe(&batch, Mode::Evaluate, |id, tensor| {
            let Some(nodes) = readers.get(&id) else {
                return;
            };
            let data = tensor.clone().into_data();
            let values = data.as_slice::<f32>().expect("f32 activations");
            for &node in nodes {
                sums[node].add(values, &found[node]);
            }
        })?;
        done += count;
        progress(done);
    }
    Ok(Difference {
        images: done,
        tensors: pairs.report(&float, model, &sums),
        without_counterpart: pairs.missing,
    })
}

/// Which tensors are compared.
struct Pairs {
    /// By node of the model: the float node that its codes or logits stand for.
    by_node: Vec<Option<FloatId>>,
    /// Names of tensors of new codes without one.
    missing: Vec<String>,
}

impl Pairs {
    fn find(float: &Graph, model: &Model) -> Self {
        let shapes = float.shapes().unwrap_or_default();
        let tensors = model.analyse().unwrap_or_default();
        let nodes = float.nodes.iter().enumerate();
        let names: BTreeMap<&str, FloatId> = nodes.map(|(id, node)| (&node.name[..], id)).collect();
        let mut pairs = Self {
            by_node: Vec::new(),
            missing: Vec::new(),
        };
        for (id, node) in model.nodes.iter().enumerate() {
            let shape = tensors[id].shape;
            let fits = |float: &FloatId| {
                shapes[*float].feature() == Some([shape.channels, shape.height, shape.width])
            };
            let found = match &node.op {
                Op::Output { .. } => float.outputs.first().copied().filter(fits),
                _ if is_clamped(model, id) => None,
                op => new_codes(op).and_then(|code| {
                    let named = candidates(&node.name, code, &names).into_iter().find(fits);
                    named.or_else(|| pairs.inherited(model, node, &names).filter(fits))
                }),
            };
            let compared = new_codes(&node.op).is_some() && !is_clamped(model, id);
            if compared && found.is_none() {
                pairs.missing.push(node.name.clone());
            }
            pairs.by_node.push(found);
        }
        pairs
    }

    /// What codes that are made of codes stand for: the same as these.
    fn inherited(
        &self,
        model: &Model,
        node: &Node,
        names: &BTreeMap<&str, FloatId>,
    ) -> Option<FloatId> {
        let (Op::CodeTable { .. }, &[input]) = (&node.op, &node.inputs[..]) else {
            return None;
        };
        let moved = || names.get(&model.nodes[input].name[..]).copied();
        self.by_node[input].or_else(moved)
    }

    fn sums(&self, model: &Model) -> Vec<Sums> {
        let codes = model.nodes.iter().map(|node| new_codes(&node.op));
        codes.map(Sums::new).collect()
    }

    fn report(&self, float: &Graph, model: &Model, sums: &[Sums]) -> Vec<TensorDifference> {
        let ratio = |node: NodeId| self.by_node[node].map(|_| sums[node].sqnr());
        // By node, the least ratio among the compared tensors that its tensor holds or is computed from.
        let mut least: Vec<Option<f64>> = Vec::new();
        let mut report = Vec::new();
        for (id, node) in model.nodes.iter().enumerate() {
            let inputs = node.inputs.iter().filter_map(|&input| least[input]);
            let noisiest = inputs.min_by(f64::total_cmp);
            least.push(ratio(id).or(noisiest));
            if let (Some(of), Some(sqnr)) = (self.by_node[id], ratio(id)) {
                report.push(TensorDifference {
                    name: node.name.clone(),
                    float: float.nodes[of].name.clone(),
                    code: sums[id].code,
                    counts: sums[id].counts.clone(),
                    sqnr,
                    // Nothing can be lost of infinitely much, and nothing is where none was.
                    lost: noisiest.map(|noisiest| match noisiest == sqnr {
                        true => 0.0,
                        false => noisiest - sqnr,
                    }),
                });
            }
        }
        report
    }
}

/// The codes that an operation makes anew, rather than moves or chooses.
fn new_codes(op: &Op) -> Option<CodeType> {
    match op {
        Op::PixelTable(table) => Some(table.code),
        Op::Requant(requant) => Some(requant.code()),
        Op::Add { code } | Op::CodeTable { code, .. } => Some(*code),
        _ => None,
    }
}

/// Whether the codes of `node` are not whole before the node behind it has cut them off, as fusing has it for activations with an end.
fn is_clamped(model: &Model, node: NodeId) -> bool {
    let clamp = format!("{}.clamp", model.nodes[node].name);
    let behind = model.nodes[node + 1..].iter();
    behind
        .take(1)
        .any(|next| next.name == clamp && next.inputs == [node])
}

/// Float nodes whose tensors the quantizer's name may mean, the likeliest first.
fn candidates(name: &str, code: CodeType, names: &BTreeMap<&str, FloatId>) -> Vec<FloatId> {
    let name = name.strip_suffix(".clamp").unwrap_or(name);
    let stem = match name.rsplit_once(".quantize") {
        Some((stem, bits)) if bits.chars().all(|c| c.is_ascii_digit()) => stem,
        _ => name,
    };
    let (relu, norm) = (format!("{stem}.relu"), format!("{stem}.norm"));
    let mut all = vec![&norm[..], stem];
    // Unsigned codes stand behind the ReLU.
    let place = if code.min_level() < 0 { all.len() } else { 0 };
    all.insert(place, &relu);
    all.extend(stem.strip_suffix(".norm"));
    // Quantizers of one operand of a sum are called by both: `SUM.X.quantize`.
    let tails = stem.match_indices('.').map(|(dot, _)| &stem[dot + 1..]);
    all.extend(tails);
    all.iter()
        .filter_map(|name| names.get(name).copied())
        .collect()
}

/// The integers of one tensor for some images.
#[derive(Clone, Default)]
struct Levels {
    codes: Vec<u8>,
    sums: Vec<i32>,
}

/// Moments of a float tensor and the levels that stand for it.
#[derive(Clone)]
struct Sums {
    code: Option<CodeType>,
    counts: Vec<u64>,
    /// Sum of the float values at each code.
    values: Vec<f64>,
    /// Sums of `a^2`, `a l`, `l^2`; for codes the latter two follow from counts and values.
    squares: f64,
    mixed: f64,
    levels: f64,
}

impl Sums {
    fn new(code: Option<CodeType>) -> Self {
        let codes = code.map_or(0, |code| usize::from(code.max_code()) + 1);
        Self {
            code,
            counts: vec![0; codes],
            values: vec![0.0; codes],
            squares: 0.0,
            mixed: 0.0,
            levels: 0.0,
        }
    }

    fn add(&mut self, values: &[f32], found: &Levels) {
        self.squares += values.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>();
        for (&code, &a) in found.codes.iter().zip(values) {
            self.counts[usize::from(code)] += 1;
            self.values[usize::from(code)] += f64::from(a);
        }
        for (&sum, &a) in found.sums.iter().zip(values) {
            self.mixed += f64::from(a) * f64::from(sum);
            self.levels += f64::from(sum).powi(2);
        }
    }

    fn sqnr(&self) -> f64 {
        let (mut mixed, mut levels) = (self.mixed, self.levels);
        if let Some(code) = self.code {
            for (c, (&count, &a)) in (0..=code.max_code()).zip(self.counts.iter().zip(&self.values))
            {
                let level = f64::from(code.level(c));
                mixed += level * a;
                levels += level * level * count as f64;
            }
        }
        // Scales are positive: levels that point the other way, or nowhere, carry no signal.
        let explained = match mixed > 0.0 && levels > 0.0 {
            true => mixed * mixed / levels,
            false => 0.0,
        };
        let noise = self.squares - explained;
        // What is left of equal numbers in f64 is rounding.
        if noise <= self.squares * 1e-13 {
            return f64::INFINITY;
        }
        10.0 * (self.squares / noise).log10()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use subbyte_graph::networks::{self, FirstLayer, LastLayer, NetworkConfig};
    use subbyte_graph::{LayerBits, Placement, Role, Storage};
    use subbyte_quantize::{Clip, Rounding, Uniform, uniform};

    use super::*;

    fn float(name: &str) -> Graph {
        let config = NetworkConfig {
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            ..NetworkConfig::default()
        };
        networks::build(name, &config).expect("network")
    }

    fn shape(graph: &Graph) -> [usize; 3] {
        graph.image().expect("an image")
    }

    /// Images of bright and dark spots.
    fn images(graph: &Graph, count: usize) -> Vec<Vec<u8>> {
        let [height, width, colours] = shape(graph);
        let pixel = |image: usize, i: usize| {
            let (y, x) = (i / colours / width, i / colours % width);
            let phase = (image * 7 + y * (1 + image % 3) + x * (2 + image % 5)) as f64 / 9.0;
            (127.5 + 120.0 * phase.sin()) as u8
        };
        let image = |image| (0..height * width * colours).map(move |i| pixel(image, i));
        (0..count).map(|i| image(i).collect()).collect()
    }

    /// The network with eight bits everywhere.
    fn eight_bits(float: &Graph, images: &[Vec<u8>]) -> Graph {
        let [height, width, colours] = shape(float);
        let batch = Images::new(images.concat(), [images.len(), height, width, colours]);
        let method = Uniform {
            placement: Placement {
                body: LayerBits {
                    weights: Some(8),
                    activations: 8,
                },
                layers: BTreeMap::new(),
                wide: 8,
            },
            clip: Clip::MinMax,
            rounding: Rounding::Nearest,
        };
        let tell = |_| ControlFlow::Continue(());
        uniform(float, &[batch], &method, tell).expect("quantized")
    }

    #[test]
    fn eight_bits_lose_little_and_a_ruined_step_is_found() {
        let float = float("small");
        let images = images(&float, 40);
        let mut quantized = eight_bits(&float, &images);
        let compare = |quantized: &Graph, images: &[Vec<u8>]| {
            let model = subbyte_lower::lower(quantized).expect("model");
            difference(&float, &model, images, &mut |_| {}).expect("compared")
        };
        let whole = compare(&quantized, &images);
        assert_eq!(whole.images, 40);
        assert!(whole.without_counterpart.is_empty(), "{whole:?}");
        assert_eq!(whole.first_that_hurts(), None);
        for tensor in &whole.tensors {
            assert!(tensor.sqnr > 30.0, "{tensor:?}");
        }
        let elements: u64 = whole.tensors[0].counts.iter().sum();
        assert_eq!(elements as usize, images.concat().len());
        assert!(whole.tensors.last().is_some_and(|t| t.code.is_none()));

        // Codes of the third tensor become so coarse that they are worth little; later ones inherit it.
        let victim = &whole.tensors[2].name;
        let step = quantized.params.get_mut(&format!("{victim}.scale"));
        let step = step.expect("a step of its own");
        step.storage = Storage::F32(vec![step.to_vec()[0] * 100.0]);
        let ruined = compare(&quantized, &images);
        let hurts = ruined.first_that_hurts().expect("one hurts");
        assert_eq!(hurts.name, *victim);
        assert!(hurts.lost.is_some_and(|lost| lost > 10.0), "{hurts:?}");
        assert!(hurts.used() < 8 && hurts.entropy() < 3.0);
        assert_eq!(ruined.tensors[1], whole.tensors[1]);
    }

    #[test]
    fn ratios_are_those_of_the_values_themselves() {
        let code = CodeType::signed(3);
        let values: Vec<f32> = (0..900)
            .map(|i| ((i * i) as f32 / 50.0).sin() * 1.3)
            .collect();
        let codes = values
            .iter()
            .map(|v| code.saturate((v / 0.4).round() as i32));
        let found = Levels {
            codes: codes.collect(),
            sums: Vec::new(),
        };
        let mut sums = Sums::new(Some(code));
        for part in [0..500, 500..900] {
            let levels = Levels {
                codes: found.codes[part.clone()].to_vec(),
                sums: Vec::new(),
            };
            sums.add(&values[part], &levels);
        }
        let ratio = |scale: f64| {
            let pairs = values.iter().zip(&found.codes);
            let noise =
                pairs.map(|(&a, &c)| (f64::from(a) - scale * f64::from(code.level(c))).powi(2));
            let signal: f64 = values.iter().map(|&a| f64::from(a).powi(2)).sum();
            10.0 * (signal / noise.sum::<f64>()).log10()
        };
        let best = (1..2000)
            .map(|i| ratio(f64::from(i) / 2000.0))
            .fold(0.0, f64::max);
        assert!((sums.sqnr() - best).abs() < 1e-3, "{} {best}", sums.sqnr());
        assert_eq!(sums.counts.iter().sum::<u64>(), 900);
        // Levels that are the values but for their scale lose nothing, and none at all have no signal.
        let mut exact = Sums::new(None);
        let logits = Levels {
            codes: Vec::new(),
            sums: vec![7, -9, 100],
        };
        exact.add(&[0.7, -0.9, 10.0], &logits);
        assert!(exact.sqnr() > 100.0);
        let mut none = Sums::new(None);
        none.add(&[0.7], &Levels::default());
        assert_eq!(none.sqnr(), 0.0);
    }

    #[test]
    fn built_in_networks_are_paired_with_their_float_networks() {
        for name in ["resnet20", "vgg-small"] {
            let float = float(name);
            let config = NetworkConfig::default();
            let mut graph = networks::build(name, &config).expect("network");
            for param in graph.params.values_mut() {
                if param.role == Role::Scale && param.to_vec() == [0.0] {
                    param.storage = Storage::F32(vec![0.1]);
                }
            }
            let model = subbyte_lower::lower(&graph).expect("model");
            let found =
                difference(&float, &model, images(&float, 2), &mut |_| {}).expect("compared");
            // Its pixels are other ones.
            assert_eq!(found.without_counterpart, ["input"], "{name}");
            for tensor in &found.tensors {
                let alike = tensor
                    .name
                    .starts_with(&tensor.float[..tensor.float.len().min(4)]);
                assert!(alike || tensor.name.contains(".input."), "{tensor:?}");
            }
        }
    }

    #[test]
    fn networks_that_have_nothing_to_do_with_each_other_are_refused() {
        let small = float("small");
        let model = subbyte_lower::lower(&eight_bits(&small, &images(&small, 4))).expect("model");
        let mut other = small.clone();
        for (i, node) in other.nodes.iter_mut().enumerate() {
            node.name = format!("n{i}");
        }
        let error =
            difference(&other, &model, images(&small, 1), &mut |_| {}).expect_err("no pairs");
        let text = error.to_string();
        assert!(
            text.contains("quantize`") && text.contains("more"),
            "{text}"
        );
        // An image of another size, too.
        let error = difference(&small, &model, [vec![0; 3]], &mut |_| {}).expect_err("size");
        assert!(error.to_string().contains('3'), "{error}");
    }
}
