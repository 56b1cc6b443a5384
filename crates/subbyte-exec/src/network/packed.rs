use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Magnitudes up to here keep 11 bits as f16.
const LARGEST: f32 = 60_000.0;

/// An activation that nothing computes with for now, in 16 bits a number where these can hold it.
#[derive(Clone)]
pub(super) struct Packed {
    shape: [usize; 4],
    numbers: Numbers,
}

#[derive(Clone)]
enum Numbers {
    Half(Arc<[f16]>),
    Full(Arc<[f32]>),
}

impl Packed {
    pub fn new(tensor: &Tensor<4>) -> Self {
        let data = tensor.clone().into_data();
        let numbers = data.as_slice::<f32>().expect("f32 activations");
        let numbers = if numbers.iter().all(|x| x.abs() < LARGEST) {
            let mut halves = vec![f16::ZERO; numbers.len()];
            halves.convert_from_f32_slice(numbers);
            Numbers::Half(halves.into())
        } else {
            Numbers::Full(numbers.into())
        };
        Self {
            shape: tensor.dims(),
            numbers,
        }
    }

    pub fn tensor(&self, device: &Device) -> Tensor<4> {
        let numbers = match &self.numbers {
            Numbers::Half(halves) => {
                let mut numbers = vec![0.0; halves.len()];
                halves.convert_to_f32_slice(&mut numbers);
                numbers
            }
            Numbers::Full(numbers) => numbers.to_vec(),
        };
        let device = device.clone().inner();
        Tensor::from_data(TensorData::new(numbers, self.shape), &device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_half_precision_or_whole() {
        let device = Device::flex();
        let tensor = |numbers: [f32; 4]| {
            Tensor::<4>::from_data(TensorData::new(numbers.to_vec(), [1, 2, 1, 2]), &device)
        };
        let back = |numbers| {
            let packed = Packed::new(&tensor(numbers)).tensor(&device);
            assert_eq!(packed.dims(), [1, 2, 1, 2]);
            packed.into_data().iter::<f32>().collect::<Vec<f32>>()
        };
        assert_eq!(back([0.5, -2.0, 0.0, 1023.0]), [0.5, -2.0, 0.0, 1023.0]);
        let [third] = back([1.0 / 3.0, 0.0, 0.0, 0.0])[..1] else {
            unreachable!()
        };
        assert!((third - 1.0 / 3.0).abs() < 2e-4);
        assert_eq!(back([1e6, 1.0 / 3.0, 0.0, 0.0]), [1e6, 1.0 / 3.0, 0.0, 0.0]);
    }
}
