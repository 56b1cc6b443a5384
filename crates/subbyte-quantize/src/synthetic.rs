//! Steps of activations without any image: from the network's batch norms and noise.
//!
//! A batch norm says what mean and deviation each channel had in training (methods.md 6.6). So images of noise go through the network
//! with norms that are measured anew on them: whatever the images are, every normalized channel then has the mean and the deviation
//! that it had, and what is added or pooled behind follows. Where a network has no norms, the noise itself has to do: its spectrum falls
//! with the frequency as that of natural images does.

use burn::tensor::Device;
use subbyte_exec::{Images, Network};
use subbyte_graph::{Graph, Placement};

use crate::progress::Tell;
use crate::ranges::{Clip, set_steps};
use crate::{QuantizeError, ranges};

/// Images that are made, and of a batch.
const IMAGES: usize = 64;
const BATCH: usize = 16;

/// Sets every step of `placed` that is 0; it was made by `placement` of `float`, whose norms are still there.
pub(crate) fn set_steps_without_images(
    placed: &mut Graph,
    float: &Graph,
    placement: &Placement,
    clip: Clip,
    tell: Tell,
) -> Result<(), QuantizeError> {
    let images = noise(float);
    let mut network = Network::new(float, &Device::flex())?;
    network.reestimate(images.clone())?;
    let mut measured = network.to_graph();
    measured.fold_norms();
    measured.own_parameters();
    let mut steps = measured.place_quantizers(placement)?;
    set_steps(&mut steps, &measured, &images, clip, tell)?;
    for (name, param) in &mut placed.params {
        if let (true, Some(step)) = (ranges::is_unset(param), steps.params.get(name)) {
            param.storage = step.storage.clone();
        }
    }
    Ok(())
}

/// Batches of images of the size that the network reads, the same every time.
fn noise(graph: &Graph) -> Vec<Images> {
    let [height, width, colours] = graph.image().expect("a valid graph has an image input");
    let batch = |first: usize| {
        let images =
            (first..first + BATCH).flat_map(|i| noise_image(i as u64, height, width, colours));
        Images::new(images.collect::<Vec<u8>>(), [BATCH, height, width, colours])
    };
    (0..IMAGES).step_by(BATCH).map(batch).collect()
}

/// One image `[height][width][colours]`: octaves of smooth noise of equal variance, whose amplitudes fall as one over the frequency, most
/// of it common to all colours; with a brightness and a contrast of its own.
fn noise_image(seed: u64, height: usize, width: usize, colours: usize) -> Vec<u8> {
    let octaves = height.max(width).ilog2().max(1);
    let field = |channel: u64, y: usize, x: usize| -> f64 {
        let each = (0..octaves).map(|octave| smooth(hash(seed, channel), octave, y, x));
        each.sum::<f64>() / f64::from(octaves).sqrt()
    };
    let brightness = 120.0 + 50.0 * unit(hash(seed, 1001));
    let contrast = 70.0 + 30.0 * unit(hash(seed, 1002));
    let mut image = Vec::with_capacity(height * width * colours);
    for y in 0..height {
        for x in 0..width {
            let common = field(0, y, x);
            for colour in 0..colours as u64 {
                let own = field(1 + colour, y, x);
                // Rounded to a byte, saturating.
                image.push((brightness + contrast * (1.6 * common + 0.6 * own)) as u8);
            }
        }
    }
    image
}

/// Noise in -1 to 1 at the corners of squares of `2^octave` pixels, and straight lines between them.
fn smooth(seed: u64, octave: u32, y: usize, x: usize) -> f64 {
    let side = 1usize << octave;
    let corner = |dy: usize, dx: usize| {
        let place = ((y / side + dy) as u64) << 32 | (x / side + dx) as u64;
        unit(hash(hash(seed, u64::from(octave)), place))
    };
    let part = |at: usize| (at % side) as f64 / side as f64;
    let (down, right) = (part(y), part(x));
    let row = |dy| (1.0 - right) * corner(dy, 0) + right * corner(dy, 1);
    (1.0 - down) * row(0) + down * row(1)
}

/// A number in -1 to 1.
fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// SplitMix64's next number from the state `a` moved by `b`.
fn hash(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add((b + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use subbyte_graph::networks::{self, FirstLayer, LastLayer, NetworkConfig};
    use subbyte_graph::{LayerBits, Role, Storage};

    use super::*;

    /// Mean squared difference of pixels that lie `distance` apart in a row.
    fn roughness(image: &[u8], width: usize, distance: usize) -> f64 {
        let rows = image.chunks(width);
        let pairs = rows.flat_map(|row| row.iter().zip(&row[distance..]));
        let squares: Vec<f64> = pairs
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .collect();
        squares.iter().sum::<f64>() / squares.len() as f64
    }

    #[test]
    fn noise_is_smooth_as_photographs_are_and_always_the_same() {
        let images: Vec<Vec<u8>> = (0..20).map(|i| noise_image(i, 32, 32, 1)).collect();
        let mean = |distance| {
            images
                .iter()
                .map(|i| roughness(i, 32, distance))
                .sum::<f64>()
                / 20.0
        };
        let (near, far) = (mean(1), mean(12));
        assert!(near > 100.0 && near < 0.6 * far, "{near} {far}");
        assert_ne!(images[0], images[1]);
        assert_eq!(images[3], noise_image(3, 32, 32, 1));
        let values = images.concat();
        let ends = values.iter().filter(|&&v| v == 0 || v == 255).count();
        assert!(ends < values.len() / 5, "{ends} of {}", values.len());
    }

    #[test]
    fn ranges_follow_the_norms() {
        let config = NetworkConfig {
            bits: None,
            first: FirstLayer::Float,
            last: LastLayer::Float,
            ..NetworkConfig::default()
        };
        let mut float = networks::build("small", &config).expect("network");
        let placement = Placement {
            body: LayerBits {
                weights: None,
                activations: 8,
            },
            layers: Default::default(),
            wide: 8,
        };
        let steps = |float: &Graph| -> Vec<f32> {
            let mut folded = float.clone();
            folded.fold_norms();
            folded.own_parameters();
            let mut placed = folded.place_quantizers(&placement).expect("placed");
            let mut tell = |_| ControlFlow::Continue(());
            set_steps_without_images(&mut placed, float, &placement, Clip::MinMax, &mut tell)
                .expect("set");
            let steps = placed.params.values().filter(|p| p.role == Role::Scale);
            steps.flat_map(|step| step.to_vec()).collect()
        };
        let before = steps(&float);
        assert!(before.iter().all(|&step| step > 0.0), "{before:?}");
        // What the statistics say of the images in training changes nothing; gamma and beta change everything.
        let scale = |float: &mut Graph, part: &str, factor: f32| {
            for (name, param) in &mut float.params {
                if name.ends_with(part) {
                    let scaled = param.to_vec().iter().map(|v| v * factor).collect();
                    param.storage = Storage::F32(scaled);
                }
            }
        };
        scale(&mut float, ".variance", 9.0);
        assert_eq!(steps(&float), before);
        scale(&mut float, ".gamma", 4.0);
        for (after, before) in steps(&float).iter().zip(&before) {
            assert!((after / before - 4.0).abs() < 0.1, "{after} {before}");
        }
    }
}
