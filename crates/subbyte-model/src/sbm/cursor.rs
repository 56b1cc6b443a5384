use alloc::{borrow::ToOwned, string::String, vec::Vec};

use subbyte_num::{CodeType, Packed, packed_bytes};

use super::error::{ReadError, ReadErrorKind};
use crate::MAX_ELEMENTS;

/// Reads one section from its start to its end. Nothing is allocated before the bytes that it is made of are known to be there,
/// and every value has one encoding only, so that a file that reads is the file that would be written.
pub(super) struct Cursor<'a> {
    section: &'static str,
    file: &'a [u8],
    at: usize,
    end: usize,
}

type Read<T> = Result<T, ReadError>;

impl<'a> Cursor<'a> {
    /// Reads `file[at..end]`, a part called `section`.
    pub fn new(section: &'static str, file: &'a [u8], at: usize, end: usize) -> Self {
        Self {
            section,
            file,
            at,
            end,
        }
    }

    /// Place of the next byte in the file.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    /// # Errors
    /// If there is more.
    pub fn finish(&self) -> Read<()> {
        self.check(self.is_at_end(), "more bytes than the model needs")
    }

    pub fn fail<T>(&self, text: &'static str) -> Read<T> {
        Err(ReadError {
            kind: ReadErrorKind::Malformed(text),
            section: self.section,
            offset: self.at,
        })
    }

    pub fn check(&self, ok: bool, text: &'static str) -> Read<()> {
        if ok { Ok(()) } else { self.fail(text) }
    }

    pub fn bytes(&mut self, count: usize) -> Read<&'a [u8]> {
        self.check(count <= self.end - self.at, "the section ends too early")?;
        let bytes = &self.file[self.at..self.at + count];
        self.at += count;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Read<u8> {
        Ok(self.bytes(1)?[0])
    }

    pub fn u32(&mut self) -> Read<u32> {
        let mut word = [0; 4];
        word.copy_from_slice(self.bytes(4)?);
        Ok(u32::from_le_bytes(word))
    }

    pub fn i16(&mut self) -> Read<i16> {
        let mut word = [0; 2];
        word.copy_from_slice(self.bytes(2)?);
        Ok(i16::from_le_bytes(word))
    }

    pub fn varint(&mut self) -> Read<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            self.check(shift < 63 || bits <= 1, "a number beyond 64 bits")?;
            value |= bits << shift;
            if byte < 0x80 {
                self.check(byte != 0 || shift == 0, "a number longer than it need be")?;
                return Ok(value);
            }
        }
        self.fail("a number beyond 64 bits")
    }

    pub fn size(&mut self) -> Read<usize> {
        let value = self.varint()?;
        usize::try_from(value).or_else(|_| self.fail("a size beyond this machine's"))
    }

    pub fn sizes<const N: usize>(&mut self) -> Read<[usize; N]> {
        let mut sizes = [0; N];
        for size in &mut sizes {
            *size = self.size()?;
        }
        Ok(sizes)
    }

    pub fn signed<T: TryFrom<i64>>(&mut self) -> Read<T> {
        let value = self.varint()?;
        let value = (value >> 1) as i64 ^ -((value & 1) as i64);
        T::try_from(value).or_else(|_| self.fail("an integer out of range"))
    }

    /// Bits of codes that can be packed.
    pub fn code_bits(&mut self) -> Read<u8> {
        let bits = self.byte()?;
        self.check((1..=8).contains(&bits), "codes of other than 1 to 8 bits")?;
        Ok(bits)
    }

    pub fn code_type(&mut self) -> Read<CodeType> {
        Ok(CodeType {
            bits: self.code_bits()?,
            step: self.signed()?,
            offset: self.signed()?,
        })
    }

    /// `count` codes of `bits` bits, 1 to 8.
    pub fn packed(&mut self, bits: u8, count: usize) -> Read<Packed> {
        self.check(count <= MAX_ELEMENTS, "too many codes")?;
        let bytes = self.bytes(packed_bytes(count, bits))?.to_vec();
        Packed::from_bytes(bits, count, bytes)
            .or_else(|_| self.fail("bits after the last packed code are not zero"))
    }

    pub fn text(&mut self) -> Read<String> {
        let length = self.size()?;
        match core::str::from_utf8(self.bytes(length)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => self.fail("text that is not UTF-8"),
        }
    }

    /// `count` values as runs; the caller holds `count` values already.
    pub fn runs(&mut self, count: usize) -> Read<Vec<u8>> {
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            let run = self.size()?;
            self.check(
                (1..=count - values.len()).contains(&run),
                "a run that is empty or too long",
            )?;
            let value = self.byte()?;
            self.check(values.last() != Some(&value), "two runs of one value")?;
            values.extend(core::iter::repeat_n(value, run));
        }
        Ok(values)
    }
}
