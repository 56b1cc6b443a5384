//! What another network sees in pictures.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use subbyte_exec::{Images, Inputs, Mode, Network};
use subbyte_graph::{Graph, NodeId, Op};

use crate::distribution::Vectors;
use crate::resize::resized;
use crate::{DiffusionError, Pictures};

/// Height and width of what the FID network reads.
const INCEPTION: usize = 299;

/// The map of the FID network that sFID compares, by the name of its layer (2103.03841).
const SPATIAL_LAYER: &str = "mixed_6/conv/";

/// Channels of a map that sFID compares.
const SPATIAL_CHANNELS: usize = 7;

/// Fewest pixels of a map that still says where things are.
const SPATIAL_PIXELS: usize = 49;

/// Pictures that are looked at together.
const BATCH: usize = 16;

/// A network that tells the features of pictures: what it knows of the whole (for FID, precision and recall), and a map of where things are
/// (for sFID).
#[derive(Debug)]
pub struct Features {
    network: Network,
    input: Input,
    /// Channels of the map that are compared.
    channels: usize,
}

/// What the network is given.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// `(pixel - 128) / 128` at 299 x 299, as the FID network has it.
    Inception,
    /// Pixels as they are, of this height, width and number of colours.
    Pixels([usize; 3]),
}

impl Features {
    /// The features of a network of images. The FID network, which reads 299 x 299 pixels of three colours as they are, is given what it was
    /// trained on, and its features are its output; of a classifier they are what its last linear layer reads, and pictures must have
    /// the size of its images. Their map is the deepest of 49 pixels or more before them, in the FID network that of sFID.
    ///
    /// # Errors
    /// If the network has no image input, or nothing to take for features.
    pub fn new(mut graph: Graph) -> Result<Self, DiffusionError> {
        let name = graph.name.clone();
        let refuse = |what: &str| DiffusionError::Features {
            network: name.clone(),
            what: what.to_owned(),
        };
        let image = graph.image().ok_or_else(|| refuse("it reads no image"))?;
        let input = match image {
            [INCEPTION, INCEPTION, 3] => Input::Inception,
            shape => Input::Pixels(shape),
        };
        let shapes = graph.shapes().map_err(|_| refuse("it is not valid"))?;
        let shape = |id: NodeId| shapes[id].feature();
        let is_linear = |node: &&subbyte_graph::Node| node.op == Op::Linear;
        let whole = match (input, graph.nodes.iter().rfind(is_linear)) {
            (Input::Pixels(_), Some(linear)) => linear.inputs[0],
            _ => graph.outputs[0],
        };
        if !matches!(shape(whole), Some([_, 1, 1])) {
            return Err(refuse("its features are no vector"));
        }
        let is_map = |&id: &NodeId| {
            shape(id).is_some_and(|[c, h, w]| h * w >= SPATIAL_PIXELS && c >= SPATIAL_CHANNELS)
        };
        let named = |id: &NodeId| {
            graph.nodes[*id].op == Op::Relu && graph.nodes[*id].name.contains(SPATIAL_LAYER)
        };
        let map = (0..whole).rfind(|id| is_map(id) && named(id));
        let map = map.or_else(|| (0..whole).rfind(is_map));
        let map = map.ok_or_else(|| refuse("it has no map of 7 channels and 49 pixels"))?;
        graph.outputs = vec![whole, map];
        graph.classes.clear();
        if let Input::Inception = input {
            read_floats(&mut graph).ok_or_else(|| refuse("it does not begin with its image"))?;
        }
        graph.prune();
        Ok(Self {
            network: Network::on_cpu(&graph)?,
            input,
            channels: SPATIAL_CHANNELS,
        })
    }

    /// Whether these are the features of the FID network, which others' figures rest on too.
    pub fn is_inception(&self) -> bool {
        matches!(self.input, Input::Inception)
    }

    /// Features of the whole and of the maps of all pictures, numbers from -1 to 1 being black to white. `see` is told how many are done, and
    /// may stop the work.
    ///
    /// # Errors
    /// If the pictures are not what the network reads, or `see` stops the work.
    pub fn of(
        &self,
        pictures: &Pictures,
        mut see: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<[Vectors; 2], DiffusionError> {
        let mut all = [Vectors::default(), Vectors::default()];
        let size = pictures.size() * BATCH;
        for (i, batch) in pictures.data.chunks(size.max(1)).enumerate() {
            if see(i * BATCH).is_break() {
                return Err(DiffusionError::Stopped);
            }
            let inputs = self.inputs(batch, pictures.shape)?;
            let outputs = self.network.forward(&inputs, Mode::Evaluate)?.outputs;
            let [whole, map] = [0, 1].map(|i| outputs[i].clone());
            let map = map.narrow(3, 0, self.channels);
            for (vectors, tensor) in all.iter_mut().zip([whole, map]) {
                vectors.push(tensor);
            }
        }
        Ok(all)
    }

    fn inputs(&self, batch: &[f32], shape: [usize; 3]) -> Result<Inputs, DiffusionError> {
        let [height, width, channels] = shape;
        let count = batch.len() / (height * width * channels).max(1);
        let pixels: Vec<u8> = batch.iter().map(|&x| pixel(x)).collect();
        match self.input {
            Input::Pixels(wanted) if wanted == shape => {
                Ok(Images::new(pixels, [count, height, width, channels]).into())
            }
            Input::Inception if channels == 1 || channels == 3 => {
                let mut data = Vec::with_capacity(count * INCEPTION * INCEPTION * 3);
                for picture in pixels.chunks_exact(height * width * channels) {
                    let picture: Vec<f32> = picture.iter().map(|&p| f32::from(p)).collect();
                    let large = resized(&picture, shape, INCEPTION);
                    let scaled = large.iter().map(|x| (x - 128.0) / 128.0);
                    // Grey has three equal colours.
                    data.extend(scaled.flat_map(|x| std::iter::repeat_n(x, 3 / channels)));
                }
                Ok(Inputs::new().with(IMAGE, data, [count, INCEPTION, INCEPTION, 3]))
            }
            Input::Pixels(second) => Err(DiffusionError::Shapes {
                first: shape,
                second,
                counts: [count, count],
            }),
            Input::Inception => Err(DiffusionError::Shapes {
                first: shape,
                second: [INCEPTION, INCEPTION, 3],
                counts: [count, count],
            }),
        }
    }
}

/// Name of the float input that takes the image's place.
const IMAGE: &str = "image";

/// Lets a network that normalizes its image read floats in place of the normalized image.
fn read_floats(graph: &mut Graph) -> Option<()> {
    let first = |node: &subbyte_graph::Node| matches!(node.op, Op::Normalize { .. });
    let place = graph.nodes.iter().position(first)?;
    let image = graph.nodes[place].inputs[0];
    graph.nodes[image].name = "pixels".into();
    let node = &mut graph.nodes[place];
    node.name = IMAGE.into();
    node.inputs.clear();
    node.op = Op::Input {
        channels: 3,
        height: INCEPTION,
        width: INCEPTION,
    };
    Some(())
}

/// The pixel that a number from -1 to 1 stands for.
pub fn pixel(x: f32) -> u8 {
    ((x + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
}

impl Vectors {
    fn push(&mut self, tensor: Tensor<4>) {
        let [_, height, width, channels] = tensor.dims();
        self.length = height * width * channels;
        self.data.extend(tensor.into_data().iter::<f32>());
    }
}
