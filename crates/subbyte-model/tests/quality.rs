//! Models as multipliers compute them that keep few partial products.

use subbyte_model::{Op, reference, testing};
use subbyte_num::{csd_keep, csd_terms};

#[test]
fn all_digits_change_nothing_and_fewer_keep_the_most_significant() {
    for seed in 0..40 {
        let model = testing::random_model(seed);
        let image = testing::random_image(&model, seed);
        let whole = model.with_digits(17);
        assert_eq!(
            reference::run(&whole, &image).unwrap(),
            reference::run(&model, &image).unwrap()
        );
        let one = model.with_digits(1);
        for (node, before) in one.nodes.iter().zip(&model.nodes) {
            let (Op::Conv2d(now), Op::Conv2d(before)) = (&node.op, &before.op) else {
                continue;
            };
            let pairs = now.weights.segments.iter().zip(&before.weights.segments);
            for (now, before) in pairs {
                for (now, before) in now.codebook.iter().zip(&before.codebook) {
                    assert_eq!(i32::from(*now), csd_keep((*before).into(), 1));
                    assert!(csd_terms((*now).into()) <= 1);
                }
            }
        }
    }
}

#[test]
fn partial_products_fall_with_the_digits_that_are_kept() {
    let mut fell = false;
    for seed in 0..40 {
        let model = testing::random_model(seed);
        let count = |digits| {
            let counted = model.with_digits(digits).multiplications();
            counted.map(|m| (m.macs, m.partial_products))
        };
        let (Ok(all), Ok(two), Ok(one)) = (count(17), count(2), count(1)) else {
            continue;
        };
        assert_eq!((all.0, all.0), (two.0, one.0));
        assert!(one.1 <= two.1 && two.1 <= all.1);
        fell |= one.1 < all.1;
    }
    assert!(fell);
}
