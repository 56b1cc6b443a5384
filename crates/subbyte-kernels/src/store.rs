use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::memory::{Plain, bytes_of, bytes_of_mut};

/// Where packed weights come from: from the weights, or from what an earlier packing has stored.
///
/// Kernels and [`WeightLevels`](crate::WeightLevels) give every array to their store together with the function that fills it. So
/// packing, storing and reading back are one piece of code, and shapes, offsets and sizes never come from stored bytes: whatever
/// these hold, a kernel stays within its memory. Read for another problem than they were stored for, they make wrong sums.
#[derive(Debug)]
pub struct Store<'a>(Mode<'a>);

#[derive(Debug)]
enum Mode<'a> {
    /// Packs.
    Pack,
    /// Packs and keeps what has been packed.
    Write(Vec<u8>),
    /// Reads what is left of stored bytes; `None` once they were not what was expected.
    Read(Option<&'a [u8]>),
}

impl<'a> Store<'a> {
    /// Packs and stores nothing.
    pub fn packing() -> Self {
        Self(Mode::Pack)
    }

    /// Packs, and stores what has been packed for [`Store::into_bytes`].
    pub fn writing() -> Self {
        Self(Mode::Write(Vec::new()))
    }

    /// Reads what another store has written.
    pub fn reading(bytes: &'a [u8]) -> Self {
        Self(Mode::Read(Some(bytes)))
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        match self.0 {
            Mode::Write(bytes) => bytes,
            Mode::Pack | Mode::Read(_) => Vec::new(),
        }
    }

    /// Whether everything that was stored has been read, and was what kernels expected. Until then arrays may hold zeros instead.
    pub fn is_complete(&self) -> bool {
        match self.0 {
            Mode::Read(rest) => rest.is_some_and(<[u8]>::is_empty),
            Mode::Pack | Mode::Write(_) => true,
        }
    }

    /// Whether the values in `found` can be, which are stored ones if this store reads: then they are zeros from here on unless
    /// `valid` says so, and nothing can be read after them.
    pub(crate) fn check<T: Plain + Default>(
        &mut self,
        found: &mut [T],
        valid: impl FnOnce(&[T]) -> bool,
    ) {
        if let Mode::Read(rest) = &mut self.0
            && !valid(found)
        {
            found.fill(T::default());
            *rest = None;
        }
    }

    /// Stores a text, or checks that it is the stored one.
    pub fn expect(&mut self, text: &str) {
        let mut found = alloc::vec![0; text.len()];
        self.fill(&mut found, |to| to.copy_from_slice(text.as_bytes()));
        self.check(&mut found, |found| found == text.as_bytes());
    }

    /// Fills `to`, which holds zeros: by `pack`, or with what is stored.
    pub(crate) fn fill<T: Plain>(&mut self, to: &mut [T], pack: impl FnOnce(&mut [T])) {
        if !self.read(bytes_of_mut(to)) {
            pack(to);
            self.write(bytes_of(to));
        }
    }

    /// Reads as many bytes as `to` has; `false` if this store does not read. `to` is left alone where too few are left.
    #[inline(never)]
    fn read(&mut self, to: &mut [u8]) -> bool {
        let Mode::Read(rest) = &mut self.0 else {
            return false;
        };
        let split = rest.and_then(|rest| rest.split_at_checked(to.len()));
        if let Some((own, _)) = split {
            to.copy_from_slice(own);
        }
        *rest = split.map(|(_, rest)| rest);
        true
    }

    /// Keeps bytes, if this store writes.
    #[inline(never)]
    fn write(&mut self, from: &[u8]) {
        if let Mode::Write(bytes) = &mut self.0 {
            bytes.extend_from_slice(from);
        }
    }

    /// A number of a range: what `find` finds, or what is stored.
    pub(crate) fn number(
        &mut self,
        range: RangeInclusive<usize>,
        find: impl FnOnce() -> usize,
    ) -> usize {
        let mut number = [0u64];
        self.fill(&mut number, |to| to[0] = find() as u64);
        let fits = |number: u64| usize::try_from(number).is_ok_and(|n| range.contains(&n));
        self.check(&mut number, |number| fits(number[0]));
        (number[0] as usize).max(*range.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Aligned;

    #[test]
    fn what_was_written_is_read_in_order_and_not_packed() {
        let mut store = Store::writing();
        let mut weights = [Aligned([0i16; 64]); 3];
        store.fill(&mut weights, |to| to[1].0[5] = -300);
        assert_eq!(store.number(1..=9, || 4), 4);
        store.expect("kernel");
        let bytes = store.into_bytes();
        assert_eq!(bytes.len(), 3 * 128 + 8 + 6);

        let mut store = Store::reading(&bytes);
        let mut again = [Aligned([0i16; 64]); 3];
        store.fill(&mut again, |_| panic!("packs"));
        assert_eq!(again.map(|a| a.0), weights.map(|a| a.0));
        assert_eq!(store.number(1..=9, || panic!("finds")), 4);
        assert!(!store.is_complete());
        store.expect("kernel");
        assert!(store.is_complete());
    }

    #[test]
    fn after_what_is_not_expected_come_zeros() {
        let bytes = [7u8; 40];
        let refusals: [fn(&mut Store<'_>); 3] = [
            |store| assert_eq!(store.number(2..=9, || 3), 2),
            |store| store.expect("kernel"),
            |store| store.fill(&mut [0u64; 6], |_| panic!("packs")),
        ];
        for refused in refusals {
            let mut store = Store::reading(&bytes);
            refused(&mut store);
            let mut weights = [0u8; 2];
            store.fill(&mut weights, |_| panic!("packs"));
            assert_eq!(weights, [0, 0]);
            assert!(!store.is_complete());
        }
    }
}
