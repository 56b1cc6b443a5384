use super::builder::{Builder, Conv};

/// VGG-small: three pairs of 3x3 convolutions of 128, 256 and 512 channels, each followed by a max pool, and one linear layer.
pub(super) fn layers(b: &mut Builder<'_>) {
    let mut x = b.first_conv("conv1", Conv::three(128, 1));
    x = b.relu_quantize("conv1", x, b.activation_bits());
    for (i, channels) in [128, 256, 256, 512, 512].into_iter().enumerate() {
        let (number, last) = (i + 2, i == 4);
        let name = format!("conv{number}");
        let bits = if last {
            b.last_activation_bits()
        } else {
            b.activation_bits()
        };
        x = b.conv_norm(&name, x, Conv::three(channels, 1), b.weight_bits());
        x = b.relu_quantize(&name, x, bits);
        if number % 2 == 0 {
            x = b.max_pool(&format!("pool{number}"), x, 2, 2, 0);
        }
    }
    let x = b.flatten(x);
    b.classifier(x);
}
