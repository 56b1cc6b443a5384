use super::builder::{Builder, Conv};

/// LeNet-5 for 28x28 images, with ReLU, max pools, and batch norm in place of the hidden biases.
pub(super) fn layers(b: &mut Builder<'_>) {
    let five = |out, padding| Conv {
        out,
        kernel: 5,
        stride: 1,
        padding,
    };
    let x = b.first_conv("conv1", five(6, 2));
    let x = b.relu_quantize("conv1", x, b.activation_bits());
    let x = b.max_pool("pool1", x, 2, 2, 0);
    let x = b.conv_norm("conv2", x, five(16, 0), b.weight_bits());
    let x = b.relu_quantize("conv2", x, b.activation_bits());
    let x = b.max_pool("pool2", x, 2, 2, 0);
    let x = b.flatten(x);
    let x = b.hidden_linear("linear1", x, 120, b.activation_bits());
    let x = b.hidden_linear("linear2", x, 84, b.last_activation_bits());
    b.classifier(x);
}
