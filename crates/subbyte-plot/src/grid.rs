/// Small pictures in rows and columns, with a line of grey between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureGrid {
    /// Pixels of a picture downwards.
    pub height: usize,
    /// Pixels of a picture across.
    pub width: usize,
    /// Bytes of a pixel: 1 for grey, 3 for red, green, blue.
    pub colours: usize,
    /// Pictures in a row.
    pub columns: usize,
    /// The pictures, row by row: `[height][width][colours]`.
    pub pictures: Vec<Vec<u8>>,
}

/// Pixels between pictures.
const GAP: usize = 2;

/// Their brightness.
const GREY: u8 = 128;

impl PictureGrid {
    /// A PNG file of all pictures, at the size of their pixels.
    ///
    /// # Panics
    /// If a side is 0, there are other than 1 or 3 colours, or a picture has another number of bytes.
    pub fn to_png(&self) -> Vec<u8> {
        let Self {
            height,
            width,
            colours,
            ..
        } = *self;
        let columns = self.columns.min(self.pictures.len()).max(1);
        let rows = self.pictures.len().div_ceil(columns).max(1);
        let side = |count: usize, length: usize| count * (length + GAP) - GAP;
        let (down, across) = (side(rows, height), side(columns, width));
        let mut pixels = vec![GREY; down * across * colours];
        for (i, picture) in self.pictures.iter().enumerate() {
            assert_eq!(picture.len(), height * width * colours, "picture {i}");
            let (row, column) = (i / columns, i % columns);
            for (y, line) in picture.chunks_exact(width * colours).enumerate() {
                let start = (row * (height + GAP) + y) * across + column * (width + GAP);
                pixels[start * colours..][..line.len()].copy_from_slice(line);
            }
        }
        let colour = match colours {
            1 => png::ColorType::Grayscale,
            3 => png::ColorType::Rgb,
            _ => panic!("pixels of {colours} bytes"),
        };
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, across as u32, down as u32);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().expect("memory takes every byte");
        let written = writer.write_image_data(&pixels);
        written.expect("the pixels fill the image");
        writer.finish().expect("memory takes every byte");
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_row_by_row_with_lines_between() {
        let grid = PictureGrid {
            height: 1,
            width: 2,
            colours: 1,
            columns: 2,
            pictures: vec![vec![1, 2], vec![3, 4], vec![5, 6]],
        };
        let file = grid.to_png();
        let reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info();
        let mut reader = reader.unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (6, 4));
        let g = GREY;
        let expected = [[1, 2, g, g, 3, 4], [g; 6], [g; 6], [5, 6, g, g, g, g]];
        assert_eq!(pixels, expected.concat());
    }
}
