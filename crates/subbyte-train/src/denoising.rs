//! Training of networks that tell the noise in pictures (Ho and others, 2006.11239).

use burn::tensor::{Tensor, TensorData};
use subbyte_data::{Geometry, ImageSet};
use subbyte_diffusion::signal;
use subbyte_exec::{Images, Inputs, Network};
use subbyte_graph::{DiffusionKind, Graph, rng::Rng};

use crate::{Metrics, TrainError, evaluate::images, recipe::Recipe, session::usable};

/// Images that are measured together.
const BATCH: usize = 64;

/// What the network is to learn: the noise in `sqrt(a) * picture + sqrt(1 - a) * noise`, pixels being numbers from -1 to 1.
#[derive(Clone, Debug)]
pub(crate) struct Denoising {
    picture: String,
    level: String,
    /// Share of the picture's variance at each time step.
    signal: Vec<f64>,
    seed: u64,
}

impl Denoising {
    /// The task of `graph`; `None` where it is no predictor of noise.
    ///
    /// # Errors
    /// If the recipe asks for something that only classifiers have.
    pub(crate) fn of(graph: &Graph, recipe: &Recipe) -> Result<Option<Self>, TrainError> {
        let Some(diffusion) = &graph.diffusion else {
            return Ok(None);
        };
        let mut problems = Vec::new();
        for (key, set) in [
            ("teacher", recipe.teacher.is_some()),
            ("label-smoothing", recipe.label_smoothing != 0.0),
        ] {
            if set {
                let name = &graph.name;
                problems.push(format!(
                    "`{key}` is for classifiers; `{name}` makes pictures"
                ));
            }
        }
        match diffusion.kind {
            DiffusionKind::Noise {
                steps,
                beta_first,
                beta_last,
            } if problems.is_empty() => Ok(Some(Self {
                picture: diffusion.picture.clone(),
                level: diffusion.level.clone(),
                signal: signal(steps, beta_first, beta_last),
                seed: recipe.seed.into(),
            })),
            DiffusionKind::Noise { .. } => Err(TrainError::recipe(problems)),
            DiffusionKind::Picture { .. } => Err(TrainError::recipe([format!(
                "`{}` predicts pictures; only predictors of noise can be trained",
                graph.name
            )])),
        }
    }

    /// Mean squared error of the network's `output` for the batch called `name`, whose noise it was to tell.
    pub(crate) fn loss(output: Tensor<4>, noise: &Noisy) -> Tensor<1> {
        let data = TensorData::new(noise.noise.clone(), output.dims());
        let noise = Tensor::from_data(data, &output.device());
        (output - noise).square().mean()
    }

    /// The pictures with noise at times of chance. Both follow from the seed and `name` alone.
    pub(crate) fn noisy(&self, images: &Images, name: &str) -> Noisy {
        let [n, height, width, colours] = images.shape();
        let mut rng = Rng::named(self.seed, name);
        let size = height * width * colours;
        let (mut times, mut data) = (Vec::with_capacity(n), Vec::with_capacity(n * size));
        let mut noise = Vec::with_capacity(n * size);
        for image in images.data().chunks_exact(size) {
            let time = (rng.unit() * self.signal.len() as f32) as usize;
            let time = time.min(self.signal.len() - 1);
            times.push(time as f32);
            let [keep, add] = [self.signal[time], 1.0 - self.signal[time]].map(|a| a.sqrt() as f32);
            for &pixel in image {
                let e = rng.normal();
                data.push(keep * (f32::from(pixel) / 127.5 - 1.0) + add * e);
                noise.push(e);
            }
        }
        let inputs = Inputs::new()
            .with(&self.picture, data, [n, height, width, colours])
            .with(&self.level, times, [n, 1, 1, 1]);
        Noisy { inputs, noise }
    }

    /// The mean loss on images, each with the same noise whenever it is asked for. There are no classes, so no prediction is right.
    pub(crate) fn measure(&self, network: &Network, set: &ImageSet) -> Result<Metrics, TrainError> {
        let geometry: Geometry = set.geometry();
        let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
        let (mut total, mut count) = (0.0, 0);
        usable(set.examples(threads)?, |examples| {
            loop {
                let mut pixels = Vec::new();
                for (_, image) in (&mut *examples).take(BATCH) {
                    pixels.extend_from_slice(image.as_ref());
                }
                let batch = images(pixels, geometry);
                if batch.is_empty() {
                    return Ok(());
                }
                let noisy = self.noisy(&batch, &format!("validation from image {count}"));
                let output = network.predict(&noisy.inputs)?;
                let loss = Self::loss(output, &noisy).into_scalar::<f32>();
                total += f64::from(loss) * batch.len() as f64;
                count += batch.len();
            }
        })?;
        Ok(Metrics {
            loss: total / count.max(1) as f64,
            top1: 0.0,
            top5: 0.0,
        })
    }
}

/// Pictures with noise, and the noise.
pub(crate) struct Noisy {
    pub(crate) inputs: Inputs,
    noise: Vec<f32>,
}
