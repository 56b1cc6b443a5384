use super::builder::{Builder, Conv};

/// The quickstart's network, for 28x28 images: stem and second convolution at 14x14, a residual block at 7x7, a last convolution
/// at 4x4. Small enough to train in a minute on two cores, with every kind of layer that the larger ones have.
pub(super) fn layers(b: &mut Builder<'_>) {
    let x = b.first_conv("stem", Conv::three(16, 2));
    let x = b.relu_quantize("stem", x, b.activation_bits());
    let x = b.conv_norm("conv2", x, Conv::three(32, 1), b.weight_bits());
    let mut stream = b.start_stream("conv2", 1, x);
    stream.x = b.max_pool("pool2", stream.x, 2, 2, 0);
    let stream = b.basic_block("block3", stream);
    let x = b.read_stream("conv4", stream.x);
    let x = b.conv_norm("conv4", x, Conv::three(64, 2), b.weight_bits());
    let x = b.relu_quantize("conv4", x, b.last_activation_bits());
    let x = b.pool_flatten(x);
    b.classifier(x);
}
