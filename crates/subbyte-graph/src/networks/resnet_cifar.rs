use super::{
    builder::{Builder, Conv},
    residual::Shortcut,
};

/// ResNet for 32x32 images of depth `6 * BLOCKS + 2`: three stages of 16, 32 and 64 channels with parameter-free shortcuts.
pub(super) fn layers<const BLOCKS: usize>(b: &mut Builder<'_>) {
    let x = b.first_conv("stem", Conv::three(16, 1));
    let mut stream = b.start_stream("stem", 1, x);
    for (stage, channels) in [(1, 16), (2, 32), (3, 64)] {
        for block in 1..=BLOCKS {
            let name = format!("stage{stage}.block{block}");
            stream = if stage > 1 && block == 1 {
                b.crossing_block(&name, stage, stream, channels, 2, Shortcut::Pad)
            } else {
                b.basic_block(&name, stream)
            };
        }
    }
    b.stream_classifier(stream);
}
