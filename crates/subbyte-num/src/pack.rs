use alloc::{vec, vec::Vec};
use core::fmt;

/// Bytes that `len` codes of `bits` bits fill.
pub const fn packed_bytes(len: usize, bits: u8) -> usize {
    (len as u128 * bits as u128).div_ceil(8) as usize
}

/// Codes at their real bit width: code `i` fills the bits `i * bits ..` of the byte string, lowest bit first, no gaps; the
/// unused bits of the last byte are zero. The same bytes are held in memory and written to files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packed {
    bits: u8,
    len: usize,
    bytes: Vec<u8>,
}

/// Why bytes are not a valid packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackError {
    /// Bits outside 1 to 8.
    Bits(u8),
    /// The byte string is not as long as the codes need.
    Length {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Bits after the last code are set.
    Tail,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackError::Bits(bits) => write!(f, "codes of {bits} bits (1 to 8 can be packed)"),
            PackError::Length { expected, found } => write!(
                f,
                "{found} bytes of packed codes where {expected} are needed"
            ),
            PackError::Tail => f.write_str("bits after the last packed code are not zero"),
        }
    }
}

impl core::error::Error for PackError {}

impl Packed {
    /// Packs `codes`.
    ///
    /// # Panics
    /// If `bits` is not 1 to 8 or a code does not fit.
    pub fn new(bits: u8, codes: &[u8]) -> Self {
        assert!((1..=8).contains(&bits), "codes of {bits} bits");
        let mut bytes = vec![0; packed_bytes(codes.len(), bits)];
        for (i, &code) in codes.iter().enumerate() {
            assert!(
                u32::from(code) < 1 << bits,
                "code {code} does not fit {bits} bits"
            );
            let (byte, shift) = (i * bits as usize / 8, i * bits as usize % 8);
            let word = u16::from(code) << shift;
            bytes[byte] |= word as u8;
            if shift + bits as usize > 8 {
                bytes[byte + 1] |= (word >> 8) as u8;
            }
        }
        Self {
            bits,
            len: codes.len(),
            bytes,
        }
    }

    /// Takes bytes that are packed already.
    ///
    /// # Errors
    /// If the bits, the length or the unused tail bits are wrong.
    pub fn from_bytes(bits: u8, len: usize, bytes: Vec<u8>) -> Result<Self, PackError> {
        if !(1..=8).contains(&bits) {
            return Err(PackError::Bits(bits));
        }
        let expected = packed_bytes(len, bits);
        if bytes.len() != expected {
            return Err(PackError::Length {
                expected,
                found: bytes.len(),
            });
        }
        let used = len * bits as usize % 8;
        if used != 0 && bytes.last().is_some_and(|last| last >> used != 0) {
            return Err(PackError::Tail);
        }
        Ok(Self { bits, len, bytes })
    }

    /// Bits of one code.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no codes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The packed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Code `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Packed::len`].
    pub fn get(&self, i: usize) -> u8 {
        assert!(i < self.len, "code {i} of {}", self.len);
        let bits = self.bits as usize;
        let (byte, shift) = (i * bits / 8, i * bits % 8);
        let high = if shift + bits > 8 {
            self.bytes[byte + 1]
        } else {
            0
        };
        let word = u16::from(self.bytes[byte]) | u16::from(high) << 8;
        (word >> shift & ((1 << bits) - 1)) as u8
    }

    /// All codes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        (0..self.len).map(|i| self.get(i))
    }

    /// All codes, one a byte.
    pub fn unpack(&self) -> Vec<u8> {
        let bits = usize::from(self.bits);
        let mask = u8::MAX >> (8 - bits);
        let mut codes = vec![0; self.len.next_multiple_of(8)];
        // Eight codes fill as many bytes as one has bits.
        for (i, to) in codes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let from = &self.bytes[i * bits..];
            let mut word = match from.first_chunk() {
                Some(bytes) => u64::from_le_bytes(*bytes),
                None => from
                    .iter()
                    .rev()
                    .fold(0, |word, &byte| word << 8 | u64::from(byte)),
            };
            for code in to {
                *code = word as u8 & mask;
                word >>= bits;
            }
        }
        codes.truncate(self.len);
        codes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_is_lossless_and_tight(bits in 1u8..=8, raw in proptest::collection::vec(any::<u8>(), 0..70)) {
            let codes: Vec<u8> = raw.iter().map(|c| (u32::from(*c) & ((1 << bits) - 1)) as u8).collect();
            let packed = Packed::new(bits, &codes);
            prop_assert_eq!(packed.bytes().len(), (codes.len() * bits as usize).div_ceil(8));
            prop_assert_eq!(packed.unpack(), codes.clone());
            prop_assert!(packed.iter().eq(codes.iter().copied()));
            let again = Packed::from_bytes(bits, codes.len(), packed.bytes().to_vec());
            prop_assert_eq!(again, Ok(packed));
        }
    }

    #[test]
    fn order_is_lowest_bit_first() {
        assert_eq!(
            Packed::new(2, &[1, 2, 3, 0, 2]).bytes(),
            [0b00_11_10_01, 0b10]
        );
        assert_eq!(
            Packed::new(3, &[0b101, 0b011, 0b110]).bytes(),
            [0b10_011_101, 0b1]
        );
    }

    #[test]
    fn wrong_bytes_are_refused() {
        assert_eq!(Packed::from_bytes(9, 0, vec![]), Err(PackError::Bits(9)));
        assert_eq!(
            Packed::from_bytes(2, 5, vec![0]),
            Err(PackError::Length {
                expected: 2,
                found: 1
            })
        );
        assert_eq!(
            Packed::from_bytes(2, 3, vec![0b0100_0000]),
            Err(PackError::Tail)
        );
    }
}
