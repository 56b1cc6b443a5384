//! A run allocates nothing. The only test here, so that no other thread's allocations are counted.
#![cfg(feature = "threads")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread::sleep,
    time::Duration,
};

use subbyte_engine::{Level, Options, Plan, Pool};
use subbyte_model::testing::{random_image, random_model};

/// The system's allocator, counted.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Waits until nothing has been allocated for a while: threads that start, the pool's and the harness's, allocate on their own.
fn settle() {
    loop {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        sleep(Duration::from_millis(200));
        if ALLOCATIONS.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

#[test]
fn runs_allocate_nothing() {
    let two = NonZeroUsize::new(2).expect("not 0");
    let mut pool = Pool::new(Some(two)).expect("a thread can be started");
    settle();
    for seed in 0..100 {
        let model = random_model(seed);
        let image = random_image(&model, seed);
        for level in Level::ALL.iter().copied().filter(|l| l.is_available()) {
            for fuse in [false, true] {
                let level = Some(level);
                let plan = Plan::new(
                    &model,
                    Options {
                        level,
                        fuse,
                        threads: two,
                        ..Options::default()
                    },
                )
                .expect("the model is valid");
                let mut arena = plan.arena();
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                let logits = plan.run(&mut arena, &image).expect("sizes fit").len();
                let after = ALLOCATIONS.load(Ordering::Relaxed);
                assert_eq!(after - before, 0, "model {seed}, {logits} logits");
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                plan.run_with(&mut pool, &mut arena, &image)
                    .expect("sizes fit");
                let after = ALLOCATIONS.load(Ordering::Relaxed);
                assert_eq!(after - before, 0, "model {seed}, two threads");
            }
        }
    }
}
