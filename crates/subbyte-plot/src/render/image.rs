use crate::colour::Rgb;

/// A PNG file of `pixels`, row by row; `per_metre` is the resolution to note in it.
///
/// # Panics
/// If there are not `width * height` pixels, or none.
pub(crate) fn encode(width: u32, height: u32, pixels: &[Rgb], per_metre: Option<u32>) -> Vec<u8> {
    assert_eq!(pixels.len(), width as usize * height as usize);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(per_metre.map(|pixels| png::PixelDimensions {
        xppu: pixels,
        yppu: pixels,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().expect("memory takes every byte");
    writer
        .write_image_data(pixels.as_flattened())
        .expect("the pixels fill the image");
    writer.finish().expect("memory takes every byte");
    file
}

/// Width and pixels of a PNG file that [`encode`] made.
#[cfg(test)]
pub(crate) fn decode(file: &[u8]) -> (usize, Vec<Rgb>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    (info.width as usize, bytes.as_chunks().0.to_vec())
}
