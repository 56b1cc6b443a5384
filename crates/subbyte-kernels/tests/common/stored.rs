//! Problems as a store gives them back: without their weights.

use subbyte_kernels::{Conv, Fold, LinearSums, PixelConv, Problem, Store, WeightLevels};

/// Shows `problem` with nothing but what a store keeps of its weights.
pub fn without_weights(problem: &Problem<'_>, visit: &mut dyn FnMut(&Problem<'_>)) {
    match problem {
        Problem::Conv(p) => {
            let weights = &summary(p.weights, p.channels);
            visit(&Problem::Conv(Conv { weights, ..*p }));
        }
        Problem::LinearSums(p) => {
            let weights = &summary(p.weights, p.channels);
            visit(&Problem::LinearSums(LinearSums { weights, ..*p }));
        }
        Problem::PixelConv(p) => {
            let mut store = Store::writing();
            Fold::by(&mut store, &p.table, &p.conv);
            let bytes = store.into_bytes();
            let weights = &summary(p.conv.weights, p.conv.channels);
            let conv = Conv { weights, ..p.conv };
            let mut store = Store::reading(&bytes);
            let fold = Fold::by(&mut store, &p.table, &conv);
            assert!(store.is_complete() && fold.is_some() == p.fold.is_some());
            let fold = fold.as_ref();
            visit(&Problem::PixelConv(PixelConv { conv, fold, ..*p }));
        }
        _ => visit(problem),
    }
}

fn summary(weights: &WeightLevels, channels: usize) -> WeightLevels {
    let mut store = Store::writing();
    WeightLevels::by(&mut store, channels, || weights.to_vec());
    let bytes = store.into_bytes();
    let mut store = Store::reading(&bytes);
    let summary = WeightLevels::by(&mut store, channels, || panic!("weights are asked for"));
    assert!(store.is_complete() && summary.is_empty());
    summary
}
