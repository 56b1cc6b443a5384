use serde::Serialize;

/// One operation of a model or network. Counts are for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Name of the node.
    pub name: String,
    /// What it does.
    pub operator: String,
    /// Kernel, stride and groups, where there are some.
    pub detail: Option<String>,
    /// Channels, height and width of the result.
    pub shape: [usize; 3],
    /// Bits of a weight, on average; null where there are none, or floats.
    pub weight_bits: Option<f64>,
    /// Bits of an element of the first input; null for floats.
    pub input_bits: Option<u32>,
    /// Bits of an element of the result: of a code, or of the widest sum that can occur; null for floats.
    pub output_bits: Option<u32>,
    /// Weights and other numbers that belong to the layer.
    pub parameters: u64,
    /// Bytes of the file that belong to the layer.
    pub bytes: u64,
    /// Multiply-adds.
    pub macs: u64,
    /// Multiply-adds times weight bits times input bits; null for floats.
    pub bit_operations: Option<u64>,
}

/// [`Layer::bit_operations`] of so many multiply-adds.
pub fn bit_operations(macs: u64, weight_bits: Option<f64>, input_bits: Option<u32>) -> Option<u64> {
    match macs {
        0 => Some(0),
        _ => Some((macs as f64 * weight_bits? * f64::from(input_bits?)).round() as u64),
    }
}

/// [`Layer::detail`] of a window; strides and groups of 1 go without saying.
pub fn window(kernel: [usize; 2], stride: [usize; 2], groups: usize) -> Option<String> {
    let [height, width] = kernel;
    let mut text = format!("{height}x{width}");
    if stride != [1, 1] {
        let [vertical, horizontal] = stride;
        text += &if vertical == horizontal {
            format!("/{vertical}")
        } else {
            format!("/{vertical}x{horizontal}")
        };
    }
    if groups > 1 {
        text += &format!(" g{groups}");
    }
    Some(text)
}

/// Bits of the codes `0..=largest`.
pub fn width(largest: u64) -> u32 {
    u64::BITS - largest.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_operations_need_both_widths() {
        assert_eq!(bit_operations(10, Some(2.0), Some(3)), Some(60));
        assert_eq!(bit_operations(10, Some(2.0), None), None);
        assert_eq!(bit_operations(10, None, Some(3)), None);
        assert_eq!(bit_operations(0, None, None), Some(0));
    }

    #[test]
    fn what_goes_without_saying_is_left_out() {
        assert_eq!(window([3, 3], [1, 1], 1).unwrap(), "3x3");
        assert_eq!(window([1, 5], [2, 2], 16).unwrap(), "1x5/2 g16");
        assert_eq!(window([2, 2], [2, 1], 1).unwrap(), "2x2/2x1");
    }
}
