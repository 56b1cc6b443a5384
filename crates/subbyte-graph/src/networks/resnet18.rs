use super::{
    builder::{Builder, Conv},
    residual::{Shortcut, Stream},
};

/// ResNet-18 with the 7x7 stem and the max pool of ImageNet.
pub(super) fn layers(b: &mut Builder<'_>) {
    let stem = Conv {
        out: 64,
        kernel: 7,
        stride: 2,
        padding: 3,
    };
    let x = b.first_conv("stem", stem);
    let mut stream = b.start_stream("stem", 1, x);
    stream.x = b.max_pool("stem.pool", stream.x, 3, 2, 1);
    body(b, stream);
}

/// ResNet-18 with a 3x3 stem at full resolution.
pub(super) fn cifar_layers(b: &mut Builder<'_>) {
    let x = b.first_conv("stem", Conv::three(64, 1));
    let stream = b.start_stream("stem", 1, x);
    body(b, stream);
}

/// Four stages of two blocks with 1x1 convolutions as shortcuts between them.
fn body(b: &mut Builder<'_>, mut stream: Stream) {
    for (stage, channels) in [(1, 64), (2, 128), (3, 256), (4, 512)] {
        for block in 1..=2 {
            let name = format!("stage{stage}.block{block}");
            stream = if stage > 1 && block == 1 {
                b.crossing_block(&name, stage, stream, channels, 2, Shortcut::Conv)
            } else {
                b.basic_block(&name, stream)
            };
        }
    }
    b.stream_classifier(stream);
}
