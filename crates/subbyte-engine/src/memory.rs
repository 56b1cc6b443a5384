//! Where tensors lie in the arena: those that live at the same time apart, all others wherever there is room.

use alloc::{vec, vec::Vec};
use core::ops::RangeInclusive;

use subbyte_kernels::Region;

/// A piece of memory with the steps during which it is in use.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub blocks: usize,
    pub alive: RangeInclusive<usize>,
}

impl Demand {
    fn meets(&self, other: &Demand) -> bool {
        self.alive.start() <= other.alive.end() && other.alive.start() <= self.alive.end()
    }
}

/// A region for every demand, and the blocks of the arena.
///
/// The largest are placed first, each as low as those in place allow. That wastes little: what is left over are gaps that only
/// smaller pieces could fill, and those are still to come.
pub(crate) fn lay_out(demands: &[Demand]) -> (Vec<Region>, usize) {
    // Inserting one by one takes less code than a sort, which the smallest builds feel.
    let mut order: Vec<usize> = Vec::with_capacity(demands.len());
    for i in 0..demands.len() {
        let at = order.partition_point(|&other| demands[other].blocks >= demands[i].blocks);
        order.insert(at, i);
    }
    let mut regions = vec![Region::default(); demands.len()];
    // Those in place, in order of their first block.
    let mut placed: Vec<usize> = Vec::new();
    for i in order {
        let mut region = Region {
            start: 0,
            len: demands[i].blocks,
        };
        for &other in &placed {
            if demands[i].meets(&demands[other]) && region.overlaps(regions[other]) {
                region.start = regions[other].end();
            }
        }
        regions[i] = region;
        let at = placed.partition_point(|&other| regions[other].start <= region.start);
        placed.insert(at, i);
    }
    let end = regions.iter().map(|region| region.end()).max();
    (regions, end.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(blocks: usize, alive: RangeInclusive<usize>) -> Demand {
        Demand { blocks, alive }
    }

    #[test]
    fn what_lives_together_lies_apart() {
        let mut seed = 1u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for _ in 0..200 {
            let demands: Vec<Demand> = (0..random(30))
                .map(|_| {
                    let (blocks, start) = (random(20) as usize, random(20) as usize);
                    demand(blocks, start..=start + random(6) as usize)
                })
                .collect();
            let (regions, end) = lay_out(&demands);
            for (i, region) in regions.iter().enumerate() {
                assert_eq!(region.len, demands[i].blocks);
                assert!(region.end() <= end);
                for (j, other) in regions[..i].iter().enumerate() {
                    let together = demands[i].meets(&demands[j]);
                    assert!(!together || !region.overlaps(*other), "{i} {j} {demands:?}");
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_only_its_largest_neighbours() {
        let chain = [
            demand(10, 0..=1),
            demand(20, 1..=2),
            demand(5, 2..=3),
            demand(25, 3..=4),
        ];
        assert_eq!(lay_out(&chain).1, 30);
    }
}
