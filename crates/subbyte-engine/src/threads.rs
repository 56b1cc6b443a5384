use std::{
    num::NonZeroUsize,
    string::ToString,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    vec::Vec,
};

use rayon::{ThreadPool, ThreadPoolBuilder};
use subbyte_kernels::Block;

use crate::{Arena, Plan, RunError};

/// Threads that wait for batches, each with the memory of its runs. One pool may serve several plans in turn.
#[derive(Debug)]
pub struct Pool {
    /// `None` where the caller's thread is the only one.
    pool: Option<ThreadPool>,
    /// One a thread.
    arenas: Vec<Mutex<Arena>>,
}

impl Pool {
    /// Starts that many threads, or as many as there are processors.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn new(threads: Option<NonZeroUsize>) -> Result<Self, RunError> {
        let found = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = threads.unwrap_or_else(found).get();
        let pool = match threads {
            1 => None,
            _ => {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build();
                Some(pool.map_err(|error| RunError::Threads {
                    wanted: threads,
                    reason: error.to_string(),
                })?)
            }
        };
        let arenas = (0..threads).map(|_| {
            Mutex::new(Arena {
                blocks: Block::zeros(0),
            })
        });
        Ok(Self {
            pool,
            arenas: arenas.collect(),
        })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.arenas.len()
    }

    /// Calls `work` once on every thread, with the thread's own arena, and waits for all.
    fn each_thread(&mut self, work: impl Fn(&mut Arena) + Sync) {
        match &self.pool {
            None => work(&mut lock(&self.arenas[0])),
            Some(pool) => {
                pool.broadcast(|thread| work(&mut lock(&self.arenas[thread.index()])));
            }
        }
    }
}

/// What a panic left in an arena or a queue is as good as anything: runs begin anew.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plan {
    /// As [`Plan::run`], with the rows of every step shared among the threads of the pool: one image sooner. The logits are the
    /// same whatever the number of threads.
    ///
    /// # Errors
    /// If the image or the arena has the wrong size.
    pub fn run_with<'a>(
        &self,
        pool: &mut Pool,
        arena: &'a mut Arena,
        image: &[u8],
    ) -> Result<&'a [i32], RunError> {
        let _ = pool;
        self.run(arena, image)
    }

    /// The logits `[images][classes]` of `images`, u8 `[images][height][width][colours]`. Each thread takes the next image when it
    /// is done with one, so the logits do not depend on how many there are.
    ///
    /// # Errors
    /// If the bytes are not a whole number of images, or the space for the logits is not exactly theirs.
    pub fn run_batch(
        &self,
        pool: &mut Pool,
        images: &[u8],
        logits: &mut [i32],
    ) -> Result<(), RunError> {
        if !images.len().is_multiple_of(self.image_bytes()) {
            return Err(RunError::BatchSize {
                image: self.image_bytes(),
                found: images.len(),
            });
        }
        let expected = images.len() / self.image_bytes() * self.classes();
        if logits.len() != expected {
            return Err(RunError::LogitsSize {
                expected,
                found: logits.len(),
            });
        }
        let images = images.chunks_exact(self.image_bytes());
        let queue = Mutex::new(images.zip(logits.chunks_exact_mut(self.classes())));
        pool.each_thread(|arena| {
            if arena.bytes() < self.arena_bytes() {
                *arena = self.arena();
            }
            while let Some((image, logits)) = next(&queue) {
                let found = self.execute(&mut arena.blocks, image, &mut |_, _| {});
                logits.copy_from_slice(found);
            }
        });
        Ok(())
    }
}

/// Takes from a queue that several threads share.
fn next<I: Iterator>(queue: &Mutex<I>) -> Option<I::Item> {
    lock(queue).next()
}
