//! Second moments of what a layer reads.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::layer::Geometry;

/// Output pixels whose inputs are multiplied at once.
const CHUNK: usize = 2048;

/// Centred second moments of the inputs of one group of a layer, over sampled output pixels: of the quantized network, and between
/// the float and the quantized one. Inputs are ordered like weights, `[channel][row][column]`.
pub(crate) struct Gram {
    /// `[input][input]`, of the quantized network; only the lower triangle is set until [`Moments::finish`].
    pub own: Mat<f32>,
    /// `[input of the float network][input of the quantized network]`.
    pub cross: Mat<f32>,
    /// Mean of each input of the quantized network.
    pub mean: Vec<f64>,
    /// Mean of each input of the float network.
    pub float_mean: Vec<f64>,
}

impl Gram {
    /// Variance of each input of the quantized network.
    pub fn variances(&self) -> Vec<f32> {
        (0..self.mean.len()).map(|i| self.own[(i, i)]).collect()
    }
}

/// What is known of the inputs of one group of a layer.
pub(crate) struct Measured {
    /// Of all images.
    pub all: Gram,
    /// Of every second batch and of the others, where there is more than one: what suits one half is tried on the other.
    pub halves: Option<[Gram; 2]>,
}

/// [`Gram`]s of all groups of a layer, in the making.
pub(crate) struct Moments {
    geometry: Geometry,
    /// Of all pixels, how many are taken.
    share: f64,
    halves: [Half; 2],
    batches: usize,
}

/// Sums over some of the batches.
struct Half {
    groups: Vec<Gram>,
    /// By group: what is subtracted from all inputs of the quantized and the float network, near their means.
    shift: Vec<[Vec<f32>; 2]>,
    count: usize,
}

impl Moments {
    /// Moments over at most about `limit` output pixels of `images` images.
    pub fn new(geometry: Geometry, images: usize, limit: usize) -> Self {
        let row = geometry.row();
        let gram = |_| Gram {
            own: Mat::zeros(row, row),
            cross: Mat::zeros(row, row),
            mean: vec![0.0; row],
            float_mean: vec![0.0; row],
        };
        Self {
            geometry,
            share: (limit as f64 / (images * geometry.pixels()).max(1) as f64).min(1.0),
            halves: [0, 1].map(|_| Half {
                groups: (0..geometry.groups).map(gram).collect(),
                shift: Vec::new(),
                count: 0,
            }),
            batches: 0,
        }
    }

    /// Adds a batch: channels-last inputs of the layer in both networks.
    pub fn add(&mut self, quantized: &[f32], float: &[f32]) {
        let image = self.geometry.input.iter().product::<usize>();
        let pixels = quantized.len() / image * self.geometry.pixels();
        let taken = sample(pixels, self.share);
        let half = self.batches % 2;
        self.batches += 1;
        for chunk in taken.chunks(CHUNK) {
            for group in 0..self.geometry.groups {
                let x = [quantized, float].map(|x| self.gather(x, chunk, group));
                let half = &mut self.halves[half];
                if half.shift.len() == group {
                    half.shift.push([0, 1].map(|i| means(&x[i], chunk.len())));
                }
                half.accumulate(group, x, chunk.len());
            }
            self.halves[half].count += chunk.len();
        }
    }

    /// Inputs of output pixels, `[pixel][input]`.
    fn gather(&self, x: &[f32], pixels: &[usize], group: usize) -> Vec<f32> {
        let g = &self.geometry;
        let [channels, height, width] = g.input;
        let per_group = channels / g.groups;
        let row = g.row();
        let mut out = vec![0.0; pixels.len() * row];
        out.par_chunks_mut(row)
            .zip(pixels)
            .for_each(|(out, &pixel)| {
                let image = &x[pixel / g.pixels() * (channels * height * width)..];
                let at = pixel % g.pixels();
                let corner = [
                    at / g.output[2] * g.stride[0],
                    at % g.output[2] * g.stride[1],
                ];
                for ky in 0..g.kernel[0] {
                    let y = (corner[0] + ky).wrapping_sub(g.padding[0]);
                    for kx in 0..g.kernel[1] {
                        let col = (corner[1] + kx).wrapping_sub(g.padding[1]);
                        // Coordinates above or left of the image have wrapped around.
                        if y >= height || col >= width {
                            continue;
                        }
                        let from = &image[(y * width + col) * channels + group * per_group..];
                        let tap = ky * g.kernel[1] + kx;
                        let to = out[tap..].iter_mut().step_by(g.kernel[0] * g.kernel[1]);
                        to.zip(&from[..per_group])
                            .for_each(|(to, from)| *to = *from);
                    }
                }
            });
        out
    }

    /// The moments of all groups.
    pub fn finish(self) -> Vec<Measured> {
        let [first, second] = self.halves;
        let counts = [first.count, second.count];
        let [first, second] = [first, second].map(Half::finish);
        if counts[1] == 0 {
            let alone = |all| Measured { all, halves: None };
            return first.into_iter().map(alone).collect();
        }
        let both = |(a, b)| Measured {
            all: merged(&a, &b, counts),
            halves: Some([a, b]),
        };
        first.into_iter().zip(second).map(both).collect()
    }
}

/// Moments of all pixels from those of two parts with so many each.
fn merged(a: &Gram, b: &Gram, counts: [usize; 2]) -> Gram {
    let all = (counts[0] + counts[1]) as f64;
    let [p, q] = counts.map(|count| count as f64 / all);
    let mean = |a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| p * a + q * b).collect()
    };
    let apart: Vec<f64> = a.mean.iter().zip(&b.mean).map(|(a, b)| a - b).collect();
    let float_apart = a.float_mean.iter().zip(&b.float_mean);
    let float_apart: Vec<f64> = float_apart.map(|(a, b)| a - b).collect();
    let mix = |a: &Mat<f32>, b: &Mat<f32>, left: &[f64]| {
        Mat::from_fn(a.nrows(), a.ncols(), |i, j| {
            let [a, b] = [a, b].map(|m| f64::from(m[(i, j)]));
            (p * a + q * b + p * q * left[i] * apart[j]) as f32
        })
    };
    Gram {
        own: mix(&a.own, &b.own, &apart),
        cross: mix(&a.cross, &b.cross, &float_apart),
        mean: mean(&a.mean, &b.mean),
        float_mean: mean(&a.float_mean, &b.float_mean),
    }
}

impl Half {
    fn accumulate(&mut self, group: usize, mut x: [Vec<f32>; 2], pixels: usize) {
        let row = self.groups[group].mean.len();
        let gram = &mut self.groups[group];
        let sums = [&mut gram.mean, &mut gram.float_mean];
        for ((x, shift), sums) in x.iter_mut().zip(&self.shift[group]).zip(sums) {
            x.par_chunks_mut(row)
                .for_each(|x| x.iter_mut().zip(shift).for_each(|(x, shift)| *x -= shift));
            for x in x.chunks(row) {
                sums.iter_mut()
                    .zip(x)
                    .for_each(|(s, x)| *s += f64::from(*x));
            }
        }
        let [quantized, float] = x
            .each_ref()
            .map(|x| MatRef::from_row_major_slice(x, pixels, row));
        let par = Par::rayon(0);
        triangular_matmul(
            gram.own.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            quantized.transpose(),
            BlockStructure::Rectangular,
            quantized,
            BlockStructure::Rectangular,
            1.0,
            par,
        );
        matmul(
            gram.cross.as_mut(),
            Accum::Add,
            float.transpose(),
            quantized,
            1.0,
            par,
        );
    }

    /// The moments about the means, divided by the number of pixels.
    fn finish(self) -> Vec<Gram> {
        let count = self.count.max(1) as f64;
        let finish = |(mut gram, shift): (Gram, [Vec<f32>; 2])| {
            for sums in [&mut gram.mean, &mut gram.float_mean] {
                sums.iter_mut().for_each(|s| *s /= count);
            }
            let row = gram.mean.len();
            for j in 0..row {
                for i in 0..row {
                    let product = gram.float_mean[i] * gram.mean[j];
                    gram.cross[(i, j)] = (f64::from(gram.cross[(i, j)]) / count - product) as f32;
                    if i >= j {
                        let product = gram.mean[i] * gram.mean[j];
                        let moment = f64::from(gram.own[(i, j)]) / count - product;
                        gram.own[(i, j)] = moment as f32;
                        gram.own[(j, i)] = moment as f32;
                    }
                }
            }
            let means = [&mut gram.mean, &mut gram.float_mean];
            for (means, shift) in means.into_iter().zip(shift) {
                let each = means.iter_mut().zip(shift);
                each.for_each(|(mean, shift)| *mean += f64::from(shift));
            }
            gram
        };
        self.groups
            .into_iter()
            .zip(self.shift)
            .map(finish)
            .collect()
    }
}

/// Indices below `all`, one out of every run of `1 / share`, anywhere in it so that no raster of the image is preferred.
fn sample(all: usize, share: f64) -> Vec<usize> {
    let taken = ((all as f64 * share).ceil() as usize).min(all);
    let index = |i: usize| {
        let (start, end) = (i * all / taken, (i + 1) * all / taken);
        let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        start + mixed as usize % (end - start).max(1)
    };
    (0..taken).map(index).collect()
}

fn means(x: &[f32], rows: usize) -> Vec<f32> {
    let row = x.len() / rows;
    let mut sums = vec![0f64; row];
    for x in x.chunks(row) {
        sums.iter_mut()
            .zip(x)
            .for_each(|(s, x)| *s += f64::from(*x));
    }
    sums.iter().map(|s| (s / rows as f64) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3x3 convolution of two groups over 5x4 pixels with padding.
    fn geometry() -> Geometry {
        Geometry {
            input: [4, 5, 4],
            output: [6, 5, 4],
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            groups: 2,
        }
    }

    fn noise(len: usize, seed: u64) -> Vec<f32> {
        let value = |i: u64| {
            let mixed = (i + seed * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed >> 40) as f32 / (1 << 24) as f32 + 1.0
        };
        (0..len as u64).map(value).collect()
    }

    #[test]
    fn moments_are_the_plain_sums() {
        let g = geometry();
        let batches = [(noise(160, 1), noise(160, 2)), (noise(80, 3), noise(80, 4))];
        let mut moments = Moments::new(g, 3, usize::MAX);
        for (q, f) in &batches {
            moments.add(q, f);
        }
        let grams: Vec<Gram> = moments.finish().into_iter().map(|m| m.all).collect();
        // Input (channel, ky, kx) of pixel (y, x) of an image.
        let at = |x: &[f32], group: usize, pixel: usize, i: usize| {
            let (c, ky, kx) = (i / 9 + group * 2, i / 3 % 3, i % 3);
            let (y, col) = (pixel % 20 / 4 + ky, pixel % 4 + kx);
            if !(1..=5).contains(&y) || !(1..=4).contains(&col) {
                return 0.0;
            }
            f64::from(x[pixel / 20 * 80 + ((y - 1) * 4 + col - 1) * 4 + c])
        };
        for (group, gram) in grams.iter().enumerate() {
            for (i, j) in [(0, 0), (3, 11), (17, 4)] {
                let (mut own, mut cross, mut mi, mut mj, mut fi) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for (q, f) in &batches {
                    for pixel in 0..q.len() / 4 {
                        let (a, b) = (at(q, group, pixel, i), at(q, group, pixel, j));
                        own += a * b / 60.0;
                        cross += at(f, group, pixel, i) * b / 60.0;
                        (mi, mj) = (mi + a / 60.0, mj + b / 60.0);
                        fi += at(f, group, pixel, i) / 60.0;
                    }
                }
                assert!((f64::from(gram.own[(i, j)]) - (own - mi * mj)).abs() < 1e-5);
                assert!((f64::from(gram.cross[(i, j)]) - (cross - fi * mj)).abs() < 1e-5);
                assert!((gram.mean[i] - mi).abs() < 1e-6 && (gram.float_mean[i] - fi).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn samples_are_spread_and_never_repeat() {
        let all = sample(1000, 0.1);
        assert_eq!(all.len(), 100);
        assert!(all.windows(2).all(|w| w[0] < w[1]) && all[99] < 1000);
        assert_eq!(sample(7, 1.0), [0, 1, 2, 3, 4, 5, 6]);
    }
}
