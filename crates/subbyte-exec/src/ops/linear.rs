use burn::tensor::Tensor;

use super::conv2d::conv2d;
use super::geometry::ConvOptions;

/// Matrix product of `x [N][1][1][I]` with `weight [O][I]` -> `[N][1][1][O]`: a convolution over the batch, laid out as images of
/// a few rows so that they share the work.
pub fn linear(x: Tensor<4>, weight: Tensor<2>) -> Tensor<4> {
    let ([n, height, width, inputs], [outputs, _]) = (x.dims(), weight.dims());
    let images = n * height * width;
    let rows = (1..=32).rev().find(|rows| images % rows == 0).unwrap_or(1);
    let x = x.reshape([images / rows, rows, 1, inputs]);
    let options = ConvOptions {
        stride: [1, 1],
        padding: [0; 4],
        groups: 1,
    };
    let out = conv2d(x, weight.reshape([outputs, inputs, 1, 1]), options);
    out.reshape([n, height, width, outputs])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, gradients, random};

    #[test]
    fn is_the_matrix_product() {
        for n in [1, 7, 64] {
            let (x, weight) = (random([n, 1, 1, 20], 1), random([10, 20], 2));
            let fused = gradients(x.clone(), weight.clone(), linear);
            let plain = gradients(x, weight, |x, w| {
                let out = x.reshape([n, 20]).matmul(w.transpose());
                out.reshape([n, 1, 1, 10])
            });
            for (fused, plain) in fused.into_iter().zip(plain) {
                assert_close(&fused, &plain, 1e-5);
            }
        }
    }
}
