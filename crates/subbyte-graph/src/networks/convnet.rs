use super::builder::{Builder, Conv};

/// The small network of cuda-convnet for images of about 32x32: three 5x5 convolutions of 32, 32 and 64 channels, each followed by a
/// pool of 3x3 and stride 2, and two linear layers; with batch norm in place of the hidden biases, and max pools throughout.
pub(super) fn layers(b: &mut Builder<'_>) {
    let five = |out| Conv {
        out,
        kernel: 5,
        stride: 1,
        padding: 2,
    };
    let mut x = b.first_conv("conv1", five(32));
    for (number, name) in (1..).zip(["conv1", "conv2", "conv3"]) {
        if number > 1 {
            x = b.conv_norm(name, x, five(32 * (number - 1)), b.weight_bits());
        }
        x = b.relu_quantize(name, x, b.activation_bits());
        x = b.max_pool(&format!("pool{number}"), x, 3, 2, 0);
    }
    let x = b.flatten(x);
    let x = b.hidden_linear("linear1", x, 64, b.last_activation_bits());
    b.classifier(x);
}
