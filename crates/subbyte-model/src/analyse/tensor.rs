use subbyte_num::CodeType;

/// Size of one tensor; a flat vector is `[features][1][1]`. In memory the channel is innermost: `[height][width][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Number of elements.
    pub const fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether there are no elements; never so in an analysed model.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Place of an element in memory.
    pub const fn index(self, y: usize, x: usize, channel: usize) -> usize {
        (y * self.width + x) * self.channels + channel
    }
}

/// What a tensor's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The u8 image.
    Image,
    /// Codes of one type.
    Codes(CodeType),
    /// i32 sums. No element, and no partial sum of its terms in whatever order they are added, leaves `lo..=hi`; 0 lies within.
    Sums {
        /// Lower bound.
        lo: i32,
        /// Upper bound.
        hi: i32,
    },
}

/// Shape and kind of the tensor that a node makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Size.
    pub shape: Shape,
    /// Elements.
    pub kind: Kind,
}

impl Tensor {
    /// Code type of the elements, where they are codes.
    pub const fn code(&self) -> Option<CodeType> {
        match self.kind {
            Kind::Codes(code) => Some(code),
            _ => None,
        }
    }

    /// Smallest and largest integer that enters sums: a pixel, the level of a code, or the sum itself.
    pub const fn range(&self) -> (i32, i32) {
        match self.kind {
            Kind::Image => (0, 255),
            Kind::Codes(code) => (code.min_level(), code.max_level()),
            Kind::Sums { lo, hi } => (lo, hi),
        }
    }
}
