//! What all levels of x86-64 share: SSE2 is always there.

use core::arch::x86_64::*;

/// Rows become columns.
#[inline(always)]
pub(super) fn transpose(rows: &[[u8; 16]; 16]) -> [[u8; 16]; 16] {
    // SAFETY: every x86-64 processor has SSE2; a row is one vector; loads and stores need no alignment.
    unsafe {
        let mut rows: [__m128i; 16] =
            core::array::from_fn(|i| _mm_loadu_si128(rows[i].as_ptr().cast()));
        // Four perfect shuffles of rows `i` and `i + 8`: each brings one more bit of the row number into the position.
        for _ in 0..4 {
            let from = rows;
            for i in 0..8 {
                rows[2 * i] = _mm_unpacklo_epi8(from[i], from[i + 8]);
                rows[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + 8]);
            }
        }
        let mut columns = [[0; 16]; 16];
        for (to, row) in columns.iter_mut().zip(rows) {
            _mm_storeu_si128(to.as_mut_ptr().cast(), row);
        }
        columns
    }
}
