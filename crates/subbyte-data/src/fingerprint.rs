use crate::random::mix;

/// A 64-bit hash of data, to tell whether two runs saw the same images. It is no defence against forgery. Like the random streams
/// it may not change, since model files carry it.
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(0)
    }

    pub(crate) fn number(mut self, number: usize) -> Self {
        self.word(number as u64);
        self
    }

    /// Adds the length and the bytes, taken as little-endian words with zeros behind the last byte.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
        self
    }

    pub(crate) fn value(&self) -> u64 {
        self.0
    }

    /// Each step is a bijection of the state, so data that differ in one word never collide.
    fn word(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> u64 {
        Fingerprint::new().bytes(bytes).value()
    }

    #[test]
    fn every_bit_the_length_and_the_order_count() {
        let data: Vec<u8> = (0..37).collect();
        let mut hashes = vec![hash(&data), hash(&data[..36]), hash(&[])];
        for bit in 0..data.len() * 8 {
            let mut flipped = data.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            hashes.push(hash(&flipped));
        }
        for i in (0..24).step_by(8) {
            let mut swapped = data.clone();
            swapped.swap(i, i + 8);
            hashes.push(hash(&swapped));
        }
        hashes.push(hash(&[&data[..], &[0]].concat()));
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
