use crate::simd::Pixels;

/// Stride, padding and groups of a convolution; the graph's `Conv2d` node in the executor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Zero rows above, columns left, rows below, columns right.
    pub padding: [usize; 4],
    /// Groups of channels.
    pub groups: usize,
}

/// A window that slides over images `[N][H][W][C]`: where it stands for every output pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 4],
    /// Output rows and columns.
    pub out: [usize; 2],
}

impl Windows {
    /// # Panics
    /// If `shape` has not four axes or the window does not fit the padded image.
    pub fn new(
        shape: &[usize],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 4],
    ) -> Self {
        let &[images, height, width, channels] = shape else {
            panic!("images of shape {shape:?}");
        };
        let [top, left, bottom, right] = padding;
        let places = |size: usize, kernel: usize, stride: usize| {
            assert!(kernel <= size, "window of {kernel} in {size} pixels");
            (size - kernel) / stride + 1
        };
        Self {
            images,
            height,
            width,
            channels,
            kernel,
            stride,
            padding,
            out: [
                places(top + height + bottom, kernel[0], stride[0]),
                places(left + width + right, kernel[1], stride[1]),
            ],
        }
    }

    /// Width of the padded image.
    pub fn padded_width(&self) -> usize {
        self.padding[1] + self.width + self.padding[3]
    }

    /// Where output pixels begin to read the padded image, whose pixels have `pitch` elements.
    pub fn sources(&self, pitch: usize) -> Pixels {
        Pixels {
            rows: self.out[0],
            cols: self.out[1],
            start: 0,
            row: self.stride[0] * self.padded_width() * pitch,
            col: self.stride[1] * pitch,
        }
    }

    /// Values of one input image.
    pub fn image_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Output pixels of one image.
    pub fn out_pixels(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// For output place `(row, col)`: each tap `(ky, kx)` that falls on the image with the input pixel `y * width + x` below it.
    pub fn taps(
        &self,
        row: usize,
        col: usize,
    ) -> impl Iterator<Item = ((usize, usize), usize)> + use<> {
        let Self {
            height,
            width,
            kernel,
            stride,
            padding,
            ..
        } = *self;
        (0..kernel[0]).flat_map(move |ky| {
            (0..kernel[1]).filter_map(move |kx| {
                let y = (row * stride[0] + ky).checked_sub(padding[0])?;
                let x = (col * stride[1] + kx).checked_sub(padding[1])?;
                (y < height && x < width).then_some(((ky, kx), y * width + x))
            })
        })
    }
}

/// Copies an image `[height][width][channels]` into the middle of zeros.
pub(crate) fn pad_image(
    image: &[f32],
    width: usize,
    channels: usize,
    padding: [usize; 4],
    padded: &mut [f32],
) {
    let [top, left, _, right] = padding;
    let (inner, outer) = (width * channels, (left + width + right) * channels);
    let (above, rest) = padded.split_at_mut(top * outer);
    above.fill(0.0);
    let rows = image.len() / inner.max(1);
    let (body, below) = rest.split_at_mut(rows * outer);
    below.fill(0.0);
    for (row, source) in body.chunks_exact_mut(outer).zip(image.chunks_exact(inner)) {
        row[..left * channels].fill(0.0);
        row[left * channels..][..inner].copy_from_slice(source);
        row[left * channels + inner..].fill(0.0);
    }
}
