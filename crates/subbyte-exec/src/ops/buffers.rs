//! Large buffers go round: what backward has used up becomes the next step's activations. Fresh memory would have to be zeroed
//! and mapped page by page each time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn_flex::FlexTensor;

/// Values below which a buffer is not worth keeping.
const SMALL: usize = 1 << 14;
/// Values that all kept buffers may have together.
const MOST: usize = 1 << 28;

static FREE: Mutex<Buffers<f32>> = Mutex::new(Buffers::new(MOST));
static FREE_BYTES: Mutex<Buffers<u8>> = Mutex::new(Buffers::new(MOST));

/// What buffers are made of.
pub(super) trait Element: Copy + Default + 'static {
    /// The buffers of this type that nothing uses.
    fn free() -> MutexGuard<'static, Buffers<Self>>;
}

impl Element for f32 {
    fn free() -> MutexGuard<'static, Buffers<f32>> {
        // A list of buffers is sound whatever its holder panicked over.
        FREE.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Element for u8 {
    fn free() -> MutexGuard<'static, Buffers<u8>> {
        FREE_BYTES.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer of `len` arbitrary values, for a caller that writes them all.
pub(super) fn take<T: Element>(len: usize) -> Vec<T> {
    let kept = (len >= SMALL).then(|| T::free().take(len)).flatten();
    kept.unwrap_or_else(|| vec![T::default(); len])
}

/// A buffer of `len` zeros.
pub(super) fn zeros(len: usize) -> Vec<f32> {
    let kept = (len >= SMALL).then(|| f32::free().take(len)).flatten();
    match kept {
        Some(mut buffer) => {
            buffer.fill(0.0);
            buffer
        }
        None => vec![0.0; len],
    }
}

/// Keeps a buffer for later.
pub(super) fn give<T: Element>(buffer: Vec<T>) {
    if buffer.capacity() >= SMALL {
        T::free().give(buffer);
    }
}

/// Keeps a tensor's buffer where nothing else uses it.
pub(super) fn reclaim(tensor: FlexTensor) {
    if tensor.is_unique()
        && let Ok(buffer) = tensor.into_data().try_into_vec::<f32>()
    {
        give(buffer);
    }
}

/// Buffers that nothing uses, oldest first.
pub(super) struct Buffers<T> {
    buffers: VecDeque<Vec<T>>,
    /// Values that were asked for and have not come back. No more are taken in, so that buffers which burn has made cannot pile up.
    lent: usize,
    /// Values that they may have together.
    most: usize,
}

impl<T: Element> Buffers<T> {
    const fn new(most: usize) -> Self {
        Self {
            buffers: VecDeque::new(),
            lent: 0,
            most,
        }
    }

    /// The best fit among buffers that waste at most half of themselves.
    fn take(&mut self, len: usize) -> Option<Vec<T>> {
        self.lent += len;
        let all = self.buffers.iter().enumerate();
        let fitting = all.filter(|(_, buffer)| (len..=len * 2).contains(&buffer.capacity()));
        let (best, _) = fitting.min_by_key(|(_, buffer)| buffer.capacity())?;
        let mut buffer = self.buffers.remove(best)?;
        buffer.resize(len, T::default());
        Some(buffer)
    }

    /// The longest unused buffers make room for new ones.
    fn give(&mut self, buffer: Vec<T>) {
        let Some(lent) = self.lent.checked_sub(buffer.len()) else {
            return;
        };
        self.lent = lent;
        self.buffers.push_back(buffer);
        let mut kept: usize = self.buffers.iter().map(Vec::capacity).sum();
        while kept > self.most {
            kept -= self.buffers.pop_front().map_or(kept, |b| b.capacity());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_fit_comes_back_and_the_oldest_makes_room() {
        let mut free = Buffers::<f32>::new(100);
        free.give(vec![0.0; 40]);
        assert_eq!(free.take(40), None, "nothing had been lent");
        free.lent = 1000;
        for (len, value) in [(40, 1.0), (30, 2.0), (30, 3.0)] {
            free.give(vec![value; len]);
        }
        assert_eq!(free.take(35), Some(vec![1.0; 35]));
        assert_eq!(free.take(10), None);
        assert_eq!(free.take(16), Some(vec![2.0; 16]));
        free.give(vec![4.0; 80]);
        assert_eq!(free.take(30), None);
        assert_eq!(free.take(80), Some(vec![4.0; 80]));
    }
}
