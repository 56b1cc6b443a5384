use alloc::vec::Vec;

use subbyte_num::{CodeType, Packed};

/// Bytes of one section as they are written; the mirror of [`super::cursor::Cursor`].
#[derive(Default)]
pub(super) struct Sink(pub Vec<u8>);

impl Sink {
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// LEB128: seven bits a byte, lowest first, the top bit set on all bytes but the last.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn size(&mut self, value: usize) {
        self.varint(value as u64);
    }

    pub fn sizes(&mut self, values: &[usize]) {
        for &value in values {
            self.size(value);
        }
    }

    /// Zigzag: 0, -1, 1, -2, 2, … become 0, 1, 2, 3, 4, …
    pub fn signed(&mut self, value: impl Into<i64>) {
        let value = value.into();
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    pub fn code_type(&mut self, code: CodeType) {
        self.byte(code.bits);
        self.signed(code.step);
        self.signed(code.offset);
    }

    /// The packed bytes alone; bits and count are known from elsewhere.
    pub fn packed(&mut self, codes: &Packed) {
        self.bytes(codes.bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.size(text.len());
        self.bytes(text.as_bytes());
    }

    /// Neighbours of equal value as pairs of count and value.
    pub fn runs(&mut self, values: &[u8]) {
        for run in values.chunk_by(|a, b| a == b) {
            self.size(run.len());
            self.byte(run[0]);
        }
    }
}
