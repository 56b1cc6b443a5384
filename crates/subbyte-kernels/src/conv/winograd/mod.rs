//! Winograd's F(2x2, 3x3), exactly: tiles of 2x2 output pixels from 16 products a channel, where the direct way takes 36.
//!
//! With the matrices of Lavin and Gray, whose `G` is doubled here so that all are of integers, 4 times the sums of a tile are
//!
//! ```text
//! A^T [(2G w (2G)^T) . (B^T d B)] A
//! ```
//!
//! where `w` is a kernel, `d` are the 4x4 codes that the tile sees, and `.` multiplies position by position and adds up over the
//! channels. Rows are in the order in which they are computed:
//!
//! ```text
//! 2G  = 1  1  1     B^T = 0  1  1  0     A^T = 1  1  1  0
//!       1 -1  1           0 -1  1  0           1 -1  0  1
//!       2  0  0           1  0 -1  0
//!       0  0  2           0 -1  0  1
//! ```

#[cfg(not(target_arch = "wasm32"))]
mod dot8;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use dot8::Winograd8;

/// Output rows and columns of a tile.
#[cfg(not(target_arch = "wasm32"))]
const OUT: usize = 2;

/// Input rows and columns that a tile sees.
const IN: usize = 4;

/// Numbers of a transformed tile or kernel.
const POSITIONS: usize = IN * IN;

/// The transformed kernel, `2G w (2G)^T`.
#[inline(always)]
fn transform(w: [i32; 9]) -> [i32; POSITIONS] {
    let mut columns = [[0; 3]; IN];
    for x in 0..3 {
        let [a, b, c] = [w[x], w[3 + x], w[6 + x]];
        (columns[0][x], columns[1][x]) = (a + b + c, a - b + c);
        (columns[2][x], columns[3][x]) = (2 * a, 2 * c);
    }
    let mut u = [0; POSITIONS];
    for (row, [a, b, c]) in u.as_chunks_mut().0.iter_mut().zip(columns) {
        *row = [a + b + c, a - b + c, 2 * a, 2 * c];
    }
    u
}

/// Bits beside the sign that the transformed kernels of a layer need, were they 3x3 in one group; `None` where that is not so, or
/// where 8 bits may be too few. The weights lie within `range`.
pub(crate) fn transformed_bits(
    weights: &[i32],
    channels: usize,
    (least, most): (i32, i32),
) -> Option<u32> {
    // Nobody asks where the kernel is left out for the size of its code.
    if cfg!(target_arch = "wasm32") {
        return None;
    }
    let own = weights.len() / channels;
    // The weights in the corners are transformed to four times themselves.
    if !own.is_multiple_of(9) || least < i32::from(i8::MIN) / 4 || most > i32::from(i8::MAX) / 4 {
        return None;
    }
    let mut used = 0;
    for own in weights.chunks_exact(own) {
        let inputs = own.len() / 9;
        let mut taps = [&own[..inputs]; 9];
        for (tap, own) in taps.iter_mut().zip(own.chunks_exact(inputs)) {
            *tap = own;
        }
        for i in 0..inputs {
            let mut w = [0; 9];
            for tap in 0..9 {
                w[tap] = taps[tap][i];
            }
            for u in transform(w) {
                used |= u ^ u >> 31;
            }
        }
    }
    Some(i32::BITS - used.leading_zeros())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn transformed_kernels_need_the_bits_of_their_largest_number() {
        let bits = |w: [i32; 9]| {
            let (least, most) = (w.iter().min().unwrap(), w.iter().max().unwrap());
            transformed_bits(&w, 1, (*least, *most))
        };
        assert_eq!(bits([0; 9]), Some(0));
        assert_eq!(bits([14; 9]), Some(7));
        assert_eq!(bits([15, 14, 14, 14, 14, 14, 14, 14, 14]), Some(7));
        assert_eq!(bits([15, 15, 14, 14, 14, 14, 14, 14, 14]), Some(8));
        assert_eq!(bits([-15, -14, -14, -14, -14, -14, -14, -14, -15]), Some(7));
        assert_eq!(bits([-15, -15, -14, -14, -14, -14, -14, -14, -15]), Some(8));
        // Signs that let only one of the differences grow.
        assert_eq!(bits([15, -15, 15, -15, 15, -15, 15, -15, 15]), Some(8));
        assert_eq!(bits([32, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(bits([-32, 0, 0, 0, 0, 0, 0, 0, 0]), Some(7));
        assert_eq!(transformed_bits(&[1; 10], 1, (1, 1)), None);
    }
}
