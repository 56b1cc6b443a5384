use alloc::vec::Vec;

use crate::{Conv, isa::Isa};

/// What turns `S` and box sums into the sums of the convolution.
///
/// `sum = sums16 + middle + constant[channel]`, where `sums16 = unit * S + pivot * box - middle` fits 16 bits and a sign.
pub(crate) struct Terms {
    pub unit: i16,
    pivot: i16,
    pub middle: i16,
    /// Middle plus constant of every output channel.
    pub constants: Vec<i32>,
    /// The code that stands for padding.
    pub pad: u8,
}

impl Terms {
    /// The terms for weights `pivot + unit * u`; `None` where sums may need more than 16 bits, or where no code stands for padding.
    ///
    /// Where the pivot is 0, `u` has signs, and `S` lacks the least that it can be in its channel.
    pub fn of(conv: &Conv<'_>, unit: i32, pivot: i32) -> Option<Self> {
        let (step, offset) = (i64::from(conv.code.step), i64::from(conv.code.offset));
        let pad = Self::pad_code(conv)?;
        let reach = step * i64::from(conv.code.max_code());
        let (mut low, mut high) = (0, 0);
        for own in conv.weights.sums() {
            match pivot {
                0 => high = high.max(reach * own.magnitude()),
                _ => {
                    low = low.min(reach * own.negative);
                    high = high.max(reach * own.positive);
                }
            }
        }
        // One value below the lowest sum stays free, so that a threshold can be there.
        if high - low >= i64::from(u16::MAX) {
            return None;
        }
        let middle = match low == 0 && high <= i64::from(i16::MAX) {
            true => 0,
            false => low + (high - low + 1) / 2,
        };
        // Modulo 2^16 like all that they are multiplied with.
        let narrow = |value: i64| value as i16;
        let sums = conv.weights.sums().iter().enumerate();
        let constants = sums.map(|(channel, own)| {
            let least = if pivot == 0 { reach * own.negative } else { 0 };
            (middle + least + offset * own.total() + i64::from(conv.bias(channel))) as i32
        });
        Some(Self {
            unit: narrow(step * i64::from(unit)),
            pivot: narrow(step * i64::from(pivot)),
            middle: narrow(middle),
            constants: constants.collect(),
            pad,
        })
    }

    /// Whether box sums are needed.
    pub fn boxes(&self) -> bool {
        self.pivot != 0
    }

    /// The code that stands for padding; `None` where none does.
    pub fn pad_code(conv: &Conv<'_>) -> Option<u8> {
        if conv.window.padding == [0; 4] {
            return Some(0);
        }
        let distance = conv.pad - i32::from(conv.code.offset);
        let step = i32::from(conv.code.step);
        let code = u8::try_from(distance / step).ok()?;
        (distance % step == 0 && code <= conv.code.max_code()).then_some(code)
    }

    /// Sums of 16 bits from `S` and the pixel's box sum.
    #[inline(always)]
    pub fn sums<I: Isa>(&self, isa: I, s: I::Words, box_sum: u16) -> I::Words {
        if (self.unit, self.pivot, self.middle) == (1, 0, 0) {
            return s;
        }
        let term = self
            .pivot
            .wrapping_mul(box_sum as i16)
            .wrapping_sub(self.middle);
        isa.scale_words(s, self.unit, term)
    }
}
