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

    /// 16 hexadecimal digits.
    pub(crate) fn text(&self) -> String {
        format!("{:016x}", self.0)
    }

    /// Each step is a bijection of the state, so data that differ in one word never collide.
    fn word(&mut self, word: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ word);
    }
}

/// The hash of any bytes, such as a file's, as 16 hexadecimal digits.
pub fn fingerprint(bytes: &[u8]) -> String {
    Fingerprint::new().bytes(bytes).text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_the_length_and_the_order_count() {
        let data: Vec<u8> = (0..37).collect();
        let mut hashes = vec![
            fingerprint(&data),
            fingerprint(&data[..36]),
            fingerprint(&[]),
        ];
        for bit in 0..data.len() * 8 {
            let mut flipped = data.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            hashes.push(fingerprint(&flipped));
        }
        for i in (0..24).step_by(8) {
            let mut swapped = data.clone();
            swapped.swap(i, i + 8);
            hashes.push(fingerprint(&swapped));
        }
        hashes.push(fingerprint(&[&data[..], &[0]].concat()));
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
