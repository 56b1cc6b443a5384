use serde::{Deserialize, Serialize};

/// What [`crate::read`] cannot learn from the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// What the network expects its input to be. `None` guesses: where the file begins with a normalization of its own, its numbers
    /// tell whether they are meant for pixels of 0 to 255 or of 0 to 1; otherwise [`Preprocess::Torch`] for three colours and
    /// [`Preprocess::Unit`] for one.
    pub preprocess: Option<Preprocess>,
    /// Height and width of the images, for a file that leaves them open.
    pub size: Option<[usize; 2]>,
}

/// How 8-bit RGB or grey pixels become the numbers that the file's input takes. Normalizations inside the file come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preprocess {
    /// `(x / 255 - mean) / std` with ImageNet's mean (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225) of red, green, blue, as
    /// torchvision does it. Grey images take the averages of the three.
    Torch,
    /// Blue, green, red from 0 to 255 minus their means (103.939, 116.779, 123.68), as Caffe and the older networks of Keras have it.
    /// Grey images take the average.
    Caffe,
    /// `x / 127.5 - 1`.
    Tf,
    /// `x / 255`.
    Unit,
    /// `x`, from 0 to 255.
    Raw,
}

impl Preprocess {
    /// `x * mul + add` for each of the file's `colours` channels.
    pub(crate) fn affine(self, colours: usize) -> (Vec<f64>, Vec<f64>) {
        let spread = |all: [f64; 3]| match colours {
            3 => all.to_vec(),
            _ => vec![all.iter().sum::<f64>() / 3.0; colours],
        };
        match self {
            Preprocess::Torch => {
                let mean = spread([0.485, 0.456, 0.406]);
                let std = spread([0.229, 0.224, 0.225]);
                let add = mean.iter().zip(&std).map(|(m, s)| -m / s).collect();
                (std.iter().map(|s| 1.0 / (255.0 * s)).collect(), add)
            }
            Preprocess::Caffe => (vec![1.0; colours], spread([-103.939, -116.779, -123.68])),
            Preprocess::Tf => (vec![1.0 / 127.5; colours], vec![-1.0; colours]),
            Preprocess::Unit => (vec![1.0 / 255.0; colours], vec![0.0; colours]),
            Preprocess::Raw => (vec![1.0; colours], vec![0.0; colours]),
        }
    }

    /// Whether the file's channels are blue, green, red.
    pub(crate) fn is_bgr(self) -> bool {
        self == Preprocess::Caffe
    }
}
