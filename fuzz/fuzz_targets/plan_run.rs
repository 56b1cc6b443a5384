//! Random small models, as their seed and the mutations that follow it in the bytes say: at every level of this processor, step by
//! step and fused, on one thread and on several, plans give the logits of the reference interpreter.
#![no_main]

use std::{cell::RefCell, num::NonZeroUsize};

use libfuzzer_sys::fuzz_target;
use subbyte_engine::{Level, Options, Plan, Pool};
use subbyte_model::{
    Model, Op, Pad, Requant, read, reference,
    testing::{random_image, random_model},
    write,
};

const THREADS: [NonZeroUsize; 3] = [
    NonZeroUsize::MIN,
    NonZeroUsize::new(2).unwrap(),
    NonZeroUsize::new(3).unwrap(),
];

thread_local! {
    static POOLS: RefCell<[Pool; 3]> = RefCell::new(THREADS.map(pool));
}

fn pool(threads: NonZeroUsize) -> Pool {
    Pool::new(Some(threads)).expect("a few threads can be started")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((seed, mut choices)) = bytes.split_first_chunk() else {
        return;
    };
    let seed = u64::from_le_bytes(*seed);
    let mut model = random_model(seed);
    while let Some((choice, rest)) = choices.split_first_chunk() {
        choices = rest;
        mutate(&mut model, *choice);
    }
    // The vectors are the unchanged model's.
    model.vectors.clear();
    if model.analyse().is_ok() {
        check(&model, seed);
    }
});

/// Changes a parameter of a node: what the seeds of random models seldom reach is a few bytes away. Whether the result is a model
/// is for analysis to say.
fn mutate(model: &mut Model, [node, what, value, place]: [u8; 4]) {
    let node = usize::from(node) % model.nodes.len();
    let (small, signed) = (usize::from(value), i32::from(value as i8));
    let place = usize::from(place);
    match &mut model.nodes[node].op {
        Op::Conv2d(conv) => match what % 6 {
            0 => conv.stride[place % 2] = 1 + small % 8,
            1 => conv.padding[place % 4] = small % 8,
            2 => {
                conv.pad = if value == 255 {
                    Pad::Skip
                } else {
                    Pad::Code(value)
                }
            }
            3 => conv.kernel.swap(0, 1),
            4 => {
                if let Some(bias) = pick(&mut conv.bias, place) {
                    *bias = signed << (what % 24);
                }
            }
            _ => {
                let segments = conv.weights.segments.len();
                let segment = &mut conv.weights.segments[place % segments];
                if let Some(level) = pick(&mut segment.codebook, usize::from(what)) {
                    *level = (signed << (place % 9)) as i16;
                }
            }
        },
        Op::MaxPool(window) | Op::AvgPool(window) => match what % 2 {
            0 => window.stride[place % 2] = 1 + small % 8,
            _ => window.padding[place % 4] = small % 8,
        },
        Op::PixelTable(table) => match what % 3 {
            0 => table.code.step = 1 + i16::from(value % 4),
            1 => table.code.offset = signed as i16,
            _ => {}
        },
        Op::Requant(Requant::Thresholds {
            thresholds,
            descending,
            ..
        }) => match what % 4 {
            0 => {
                if let Some(falls) = pick(descending, place) {
                    *falls ^= true;
                }
            }
            1 => thresholds.fill([i32::MIN, i32::MAX, signed][small % 3]),
            _ => {
                if let Some(threshold) = pick(thresholds, place) {
                    *threshold = signed << (what % 25);
                }
            }
        },
        Op::Requant(Requant::MulShift { channels, .. }) => {
            if let Some(channel) = pick(channels, place) {
                match what % 5 {
                    0 => channel.bias = signed << (small % 25),
                    1 => channel.pre = value % 32,
                    2 => channel.mult = (signed << (small % 9)) as i16,
                    3 => channel.add = signed << (small % 23),
                    _ => channel.shift = value % 31,
                }
            }
        }
        Op::Slice { start, end, step } => {
            let axis = place % 3;
            match what % 3 {
                0 => start[axis] = small % 8,
                1 => end[axis] = small,
                _ => step[axis] = 1 + small % 4,
            }
        }
        Op::CodeTable { table, .. } => {
            if let Some(code) = pick(table, place) {
                *code = value;
            }
        }
        _ => {}
    }
}

fn pick<T>(list: &mut [T], place: usize) -> Option<&mut T> {
    let len = list.len();
    list.get_mut(place % len.max(1))
}

fn check(model: &Model, seed: u64) {
    // What can be written is what is read.
    let file = write(model).expect("the model is valid");
    assert_eq!(read(&file).as_ref(), Ok(model));
    let images = [
        random_image(model, seed),
        vec![255; random_image(model, 0).len()],
    ];
    let logits = |image: &Vec<u8>| reference::run(model, image).expect("the model is valid");
    let expected: Vec<_> = images.iter().map(logits).collect();
    for level in Level::ALL.iter().copied().filter(|l| l.is_available()) {
        for fuse in [false, true] {
            let options = Options {
                level: Some(level),
                fuse,
                threads: THREADS[2],
                ..Options::default()
            };
            let plan = Plan::new(model, options).expect("the model is valid");
            let mut arena = plan.arena();
            for (image, expected) in images.iter().zip(&expected) {
                assert_eq!(plan.run(&mut arena, image), Ok(&expected[..]), "{level}");
                POOLS.with_borrow_mut(|pools| {
                    for pool in pools {
                        let threads = pool.threads();
                        let found = plan.run_with(pool, &mut arena, image);
                        assert_eq!(found, Ok(&expected[..]), "{level}, {threads} threads");
                    }
                });
            }
            POOLS.with_borrow_mut(|pools| {
                for pool in pools {
                    let mut found = vec![-1; expected.concat().len()];
                    let result = plan.run_batch(pool, &images.concat(), &mut found);
                    assert_eq!((result, found), (Ok(()), expected.concat()), "{level}");
                }
            });
        }
    }
}
