//! Threads that do one thing together, and wait for the next one without going to sleep at once.
//!
//! A network runs in steps of a few microseconds. Handing each to sleeping threads would cost more than it gains, so the members of
//! a team look for work for a while before they sleep; and since a team never waits for a member that did not come in time,
//! whoever is there does all of the work.

use core::{
    cell::UnsafeCell,
    fmt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::{
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    thread::{self, JoinHandle, Thread},
    vec::Vec,
};

/// Looks for work before a member sleeps: some tens of microseconds.
const LOOKS: usize = 4000;

/// Set in the state while a task may be joined; the bits below count the members that have joined, those above tell tasks apart.
const OPEN: usize = 1 << 15;

/// Number of the task, in the state.
const TASK: usize = OPEN << 1;

type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// What the members share.
struct Shared {
    /// Number of the task, whether it is open, members at work.
    state: AtomicUsize,
    /// The task while it is open or members are at work on it.
    task: UnsafeCell<Option<Task<'static>>>,
    panicked: AtomicBool,
    quit: AtomicBool,
    asleep: Vec<AtomicBool>,
}

// SAFETY: `task` is written by the caller of `Team::run` alone, while no member is counted and none can join; it is read by members
// that are counted.
unsafe impl Sync for Shared {}
// SAFETY: a task is a reference to something that is `Sync`.
unsafe impl Send for Shared {}

/// A caller and some threads beside it.
pub struct Team {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Team {
    /// A team of that many, the caller included.
    ///
    /// # Errors
    /// If the operating system refuses to start a thread.
    pub fn new(members: NonZeroUsize) -> io::Result<Self> {
        let others = members.get() - 1;
        let shared = Arc::new(Shared {
            state: AtomicUsize::new(0),
            task: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            quit: AtomicBool::new(false),
            asleep: (0..others).map(|_| AtomicBool::new(false)).collect(),
        });
        let mut team = Self {
            shared,
            threads: Vec::with_capacity(others),
        };
        for i in 0..others {
            let shared = Arc::clone(&team.shared);
            let builder = thread::Builder::new().name(std::format!("subbyte-{}", i + 1));
            team.threads.push(builder.spawn(move || shared.serve(i))?);
        }
        Ok(team)
    }

    /// Number of members, the caller included.
    pub fn members(&self) -> usize {
        self.threads.len() + 1
    }

    /// Calls `task` with 0 on this thread and with their own numbers, from 1 on, on those threads that come before it returns here;
    /// waits for all that came. The task has to be done when it returned here: no thread is sure to come.
    ///
    /// # Panics
    /// If the task does, on any thread.
    pub fn run(&mut self, task: Task<'_>) {
        if self.threads.is_empty() {
            return task(0);
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. Nobody uses the task after this function: members that joined are waited for below,
        // whatever happens, and then none can join.
        let forever: Task<'static> =
            unsafe { core::mem::transmute::<Task<'_>, Task<'static>>(task) };
        // SAFETY: no task is open and no member is counted, as the last call left it.
        unsafe { *shared.task.get() = Some(forever) };
        let number = shared.state.load(Ordering::Relaxed) / TASK;
        let state = number.wrapping_add(1).wrapping_mul(TASK) | OPEN;
        shared.state.store(state, Ordering::SeqCst);
        for (asleep, thread) in shared.asleep.iter().zip(&self.threads) {
            if asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
        let result = catch_unwind(AssertUnwindSafe(|| task(0)));
        let mut looks = 0;
        let mut state = shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        while state & (OPEN - 1) != 0 {
            wait(&mut looks);
            state = shared.state.load(Ordering::Acquire);
        }
        // SAFETY: the task is closed and no member is counted any more.
        unsafe { *shared.task.get() = None };
        if let Err(panic) = result {
            resume_unwind(panic);
        }
        assert!(
            !shared.panicked.swap(false, Ordering::Relaxed),
            "a thread of the team panicked"
        );
    }
}

/// Passes a little time; more of it, and to other threads, when it has been called often.
fn wait(looks: &mut usize) {
    *looks += 1;
    if looks.is_multiple_of(256) {
        thread::yield_now();
    } else {
        core::hint::spin_loop();
    }
}

impl Shared {
    /// The life of member `i`.
    fn serve(&self, i: usize) {
        let (mut last, mut looks) = (0, 0);
        while !self.quit.load(Ordering::Relaxed) {
            let state = self.state.load(Ordering::Acquire);
            if state & OPEN != 0 && state / TASK != last {
                if self.join(state) {
                    last = state / TASK;
                    looks = 0;
                    self.work(i + 1);
                }
            } else if looks < LOOKS {
                wait(&mut looks);
            } else {
                self.asleep[i].store(true, Ordering::SeqCst);
                // A task that was opened before this thread could be seen asleep would not wake it.
                let state = self.state.load(Ordering::SeqCst);
                let news = state & OPEN != 0 && state / TASK != last;
                if !news && !self.quit.load(Ordering::SeqCst) {
                    thread::park();
                }
                self.asleep[i].store(false, Ordering::SeqCst);
                looks = 0;
            }
        }
    }

    /// Counts this thread among those at work, unless something changed.
    fn join(&self, state: usize) -> bool {
        let (order, otherwise) = (Ordering::AcqRel, Ordering::Relaxed);
        let joined = self
            .state
            .compare_exchange(state, state + 1, order, otherwise);
        joined.is_ok()
    }

    fn work(&self, member: usize) {
        // SAFETY: this member is counted, so the task stays; it was written before the state that was joined.
        let task = unsafe { *self.task.get() };
        if let Some(task) = task
            && catch_unwind(AssertUnwindSafe(|| task(member))).is_err()
        {
            self.panicked.store(true, Ordering::Relaxed);
        }
        self.state.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            Thread::unpark(thread.thread());
            // Members catch the panics of tasks.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Team({} members)", self.members())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Mutex, time::Duration};

    fn team(members: usize) -> Team {
        Team::new(NonZeroUsize::new(members).expect("not 0")).expect("threads start")
    }

    #[test]
    fn every_task_is_done_once_before_its_call_returns() {
        for members in 1..5 {
            let mut team = team(members);
            for round in 0..2000 {
                let queue = Mutex::new(0..round % 7);
                let done = AtomicUsize::new(0);
                team.run(&|member| {
                    assert!(member < members);
                    while let Some(i) = { queue.lock().expect("no panic").next() } {
                        done.fetch_add(i + 1, Ordering::Relaxed);
                    }
                });
                let n = round % 7;
                assert_eq!(done.into_inner(), n * (n + 1) / 2);
            }
        }
    }

    #[test]
    fn threads_come_to_long_tasks_even_from_sleep() {
        let mut team = team(2);
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(30));
            let came = AtomicBool::new(false);
            team.run(&|member| {
                if member == 1 {
                    came.store(true, Ordering::Release);
                }
                while !came.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let mut team = team(2);
        for culprit in 0..2 {
            let came = AtomicBool::new(false);
            let task = |member| {
                came.fetch_or(member == 1, Ordering::AcqRel);
                while !came.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                assert_ne!(member, culprit, "on purpose");
            };
            let result = catch_unwind(AssertUnwindSafe(|| team.run(&task)));
            assert!(result.is_err());
        }
        let done = AtomicBool::new(false);
        team.run(&|_| done.store(true, Ordering::Relaxed));
        assert!(done.into_inner());
    }
}
