/// Partial sums side by side: a sum that vectorizes, in the same order for every vector width.
#[derive(Clone, Copy, Default)]
pub(crate) struct LaneSum([f32; 16]);

impl LaneSum {
    /// Adds `term(a, b)` for all pairs; `term` may change its second argument.
    #[inline(always)]
    pub fn add_zip(&mut self, a: &[f32], b: &mut [f32], term: impl Fn(f32, &mut f32) -> f32) {
        let whole = a.len() / 16 * 16;
        let (a, a_rest) = a.split_at(whole);
        let (b, b_rest) = b.split_at_mut(whole);
        for (a, b) in a.chunks_exact(16).zip(b.chunks_exact_mut(16)) {
            for ((sum, a), b) in self.0.iter_mut().zip(a).zip(b) {
                *sum += term(*a, b);
            }
        }
        for ((sum, a), b) in self.0.iter_mut().zip(a_rest).zip(b_rest) {
            *sum += term(*a, b);
        }
    }

    /// The whole sum.
    pub fn total(self) -> f32 {
        self.0.iter().sum()
    }
}
