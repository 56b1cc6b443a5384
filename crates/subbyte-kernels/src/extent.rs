/// Size of a tensor. In memory a tensor is `[height][width][channels]`, one byte a code, four a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Channels, the fastest axis in memory.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Extent {
    /// A size from its three axes.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Height times width.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Number of elements.
    pub const fn elements(self) -> usize {
        self.pixels() * self.channels
    }

    /// Elements of one row.
    pub const fn row(self) -> usize {
        self.width * self.channels
    }

    /// Position of an element in memory.
    pub const fn index(self, channel: usize, y: usize, x: usize) -> usize {
        (y * self.width + x) * self.channels + channel
    }
}
