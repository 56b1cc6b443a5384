use std::{
    num::NonZeroUsize,
    string::ToString,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    vec::Vec,
};

use subbyte_kernels::{Block, Job, Parts, Prepared, Team};

use crate::{
    Arena, Plan, RunError,
    run::{Work, alone},
};

/// Threads that wait for images, and the memory of their runs. One pool may serve several plans in turn.
#[derive(Debug)]
pub struct Pool {
    team: Team,
    /// One a thread, for batches.
    arenas: Vec<Mutex<Arena>>,
}

impl Pool {
    /// A pool of that many threads, the caller's included, or of as many as there are processors.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn new(threads: Option<NonZeroUsize>) -> Result<Self, RunError> {
        let found = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = threads.unwrap_or_else(found);
        let team = Team::new(threads).map_err(|error| RunError::Threads {
            wanted: threads.get(),
            reason: error.to_string(),
        })?;
        let arenas = (0..threads.get()).map(|_| {
            Mutex::new(Arena {
                blocks: Block::zeros(0),
            })
        });
        Ok(Self {
            team,
            arenas: arenas.collect(),
        })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.team.members()
    }
}

/// What a panic left in an arena or a queue is as good as anything: runs begin anew.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plan {
    /// As [`Plan::run`], with the rows of every step shared among the threads of the pool: one image sooner. No more threads take
    /// part than [`Options::threads`](crate::Options::threads) says. The logits are the same whatever the number of threads.
    ///
    /// # Errors
    /// If the image or the arena has the wrong size.
    pub fn run_with<'a>(
        &self,
        pool: &mut Pool,
        arena: &'a mut Arena,
        image: &[u8],
    ) -> Result<&'a [i32], RunError> {
        self.check(arena, image)?;
        let team = &mut pool.team;
        let compute = &mut |work: &Work, kernel: &dyn Prepared, job: Job<'_>| {
            let parts = work.parts.min(team.members());
            if parts == 1 {
                return alone(work, kernel, job);
            }
            let parts = Mutex::new(Parts::new(job, kernel.split(), parts));
            // Whoever comes takes parts until there are none; on the caller's thread alone if nobody else comes.
            team.run(&|_| {
                while let Some(part) = next(&parts, Parts::next) {
                    kernel.run(part);
                }
            });
        };
        Ok(self.execute(&mut arena.blocks, image, compute, &mut |_, _| {}))
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
        let arenas = &pool.arenas;
        pool.team.run(&|thread| {
            let arena = &mut *lock(&arenas[thread]);
            if arena.bytes() < self.arena_bytes() {
                *arena = self.arena();
            }
            while let Some((image, logits)) = next(&queue, Iterator::next) {
                let found = self.execute(&mut arena.blocks, image, &mut alone, &mut |_, _| {});
                logits.copy_from_slice(found);
            }
        });
        Ok(())
    }
}

/// Takes from a queue that several threads share.
fn next<Q, T>(queue: &Mutex<Q>, take: impl FnOnce(&mut Q) -> Option<T>) -> Option<T> {
    take(&mut lock(queue))
}
