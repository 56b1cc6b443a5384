use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

use super::buffers;
use super::custom::{CustomOp, Output, Primitive, View, apply};
use super::ste::straight_through;
use crate::Images;

/// Parts of a batch whose gradients are summed on their own and then added in order.
const PARTS: usize = 16;

/// Looks up every pixel in `table [1 or colours][rows][D]` -> `[N][H][W][colours * D]`, channel `c * D + d` (methods.md 1.1). Pixel
/// value `v` reads row `v * rows / 256`.
///
/// Backward adds the gradients of all pixels that read it into the table's row (methods.md 1.8); with `equalise` a row's
/// gradient is divided by the square root of how many pixels read it.
pub fn pixel_table(images: &Images, table: Tensor<3>, equalise: bool) -> Tensor<4> {
    match Primitive::of(&table) {
        Some(table) => {
            let images = images.clone();
            apply(PixelTable { images, equalise }, [table]).0
        }
        None => generic(images, table, equalise),
    }
}

/// The same by tensor operations, for any backend.
fn generic(images: &Images, table: Tensor<3>, equalise: bool) -> Tensor<4> {
    let [n, height, width, colours] = images.shape();
    let [tables, rows, d] = table.dims();
    let device = table.device();
    let read: Vec<i32> = read(images, tables, rows).map(|row| row as i32).collect();
    let len = read.len();
    let table = table.reshape([tables * rows, d]);
    let table = if equalise {
        let damping = TensorData::new(damping(images, tables, rows), [tables * rows, 1]);
        let damped = table.clone() * Tensor::from_data(damping, &device);
        straight_through(table, damped)
    } else {
        table
    };
    let read = Tensor::<1, Int>::from_data(TensorData::new(read, [len]), &device);
    table
        .select(0, read)
        .reshape([n, height, width, colours * d])
}

/// The row among those of all tables that a value of a colour reads.
fn row(colour: usize, value: u8, tables: usize, rows: usize) -> usize {
    colour % tables * rows + usize::from(value) * rows / 256
}

/// For each pixel component the table row that it reads.
fn read(images: &Images, tables: usize, rows: usize) -> impl Iterator<Item = usize> {
    let colours = images.shape()[3];
    let pixels = images.data().iter().enumerate();
    pixels.map(move |(i, &value)| row(i % colours, value, tables, rows))
}

/// Factor on each row's gradient: one over the square root of its readers.
fn damping(images: &Images, tables: usize, rows: usize) -> Vec<f32> {
    let mut counts = vec![0u32; tables * rows];
    for row in read(images, tables, rows) {
        counts[row] += 1;
    }
    let factor = |count: u32| 1.0 / (count.max(1) as f32).sqrt();
    counts.into_iter().map(factor).collect()
}

#[derive(Clone, Debug)]
struct PixelTable {
    images: Images,
    equalise: bool,
}

impl CustomOp<1> for PixelTable {
    type Saved = ();
    const KEEP: [bool; 1] = [false];

    fn forward(&self, [table]: [View; 1]) -> Output<()> {
        let [n, height, width, colours] = self.images.shape();
        let [tables, rows, d] = [table.shape[0], table.shape[1], table.shape[2]];
        let image = height * width * colours;
        let mut out = buffers::take(n * image * d);
        out.par_chunks_exact_mut(image * d)
            .zip(self.images.data().par_chunks_exact(image))
            .for_each(|(out, pixels)| {
                let values = out.chunks_exact_mut(d).zip(pixels).enumerate();
                for (i, (out, &pixel)) in values {
                    let row = row(i % colours, pixel, tables, rows);
                    out.copy_from_slice(&table.data[row * d..][..d]);
                }
            });
        Output {
            data: out,
            shape: vec![n, height, width, colours * d],
            saved: (),
        }
    }

    fn backward(
        &self,
        (): (),
        [table]: [View; 1],
        grad: &mut Vec<f32>,
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let [n, height, width, colours] = self.images.shape();
        let (tables, rows, d) = (table.shape[0], table.shape[1], table.shape[2]);
        let image = height * width * colours;
        let per_part = n.div_ceil(PARTS).max(1);
        let parts: Vec<Vec<f32>> = grad
            .par_chunks(per_part * image * d)
            .zip(self.images.data().par_chunks(per_part * image))
            .map(|(grad, pixels)| {
                let mut sums = vec![0.0; tables * rows * d];
                for (i, (grad, &pixel)) in grad.chunks_exact(d).zip(pixels).enumerate() {
                    let row = row(i % colours, pixel, tables, rows);
                    for (sum, g) in sums[row * d..][..d].iter_mut().zip(grad) {
                        *sum += g;
                    }
                }
                sums
            })
            .collect();
        let mut total = vec![0.0; tables * rows * d];
        for part in parts {
            for (total, value) in total.iter_mut().zip(part) {
                *total += value;
            }
        }
        if self.equalise {
            let damping = damping(&self.images, tables, rows);
            for (row, factor) in total.chunks_exact_mut(d).zip(damping) {
                row.iter_mut().for_each(|g| *g *= factor);
            }
        }
        [Some(total)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, random, to_vec};

    #[test]
    fn agrees_with_tensor_operations() {
        let data: Vec<u8> = (0..18 * 5 * 4 * 3u32)
            .map(|i| (i * i % 251) as u8)
            .collect();
        let images = Images::new(data, [18, 5, 4, 3]);
        let cases = [
            (1, 256, false),
            (3, 64, false),
            (1, 16, true),
            (3, 256, true),
        ];
        for (tables, rows, equalise) in cases {
            let run = |f: fn(&Images, Tensor<3>, bool) -> Tensor<4>| {
                let table = random([tables, rows, 7], 1).require_grad();
                let out = f(&images, table.clone(), equalise);
                let grads = (out.clone() * random(out.dims(), 2)).sum().backward();
                [to_vec(&out), to_vec(&table.grad(&grads).expect("gradient"))]
            };
            for (fused, plain) in run(pixel_table).into_iter().zip(run(generic)) {
                assert_close(&fused, &plain, 1e-5);
            }
        }
    }

    #[test]
    fn channel_is_colour_times_depth_plus_digit() {
        let images = Images::new(vec![7, 200, 9], [1, 1, 1, 3]);
        for (rows, read) in [(256, [7, 200, 9]), (64, [1, 50, 2])] {
            let table = random([3, rows, 2], 1);
            let (out, entries) = (
                to_vec(&pixel_table(&images, table.clone(), false)),
                to_vec(&table),
            );
            for (c, row) in read.into_iter().enumerate() {
                for d in 0..2 {
                    assert_eq!(out[c * 2 + d], entries[(c * rows + row) * 2 + d]);
                }
            }
        }
    }
}
