//! From sums of 16 bits to codes: in 16 bits where that is exact, else by way of 32 bits.

use alloc::{vec, vec::Vec};

use subbyte_num::MulShift;

use super::{Finish, Finisher, lanes::below};
use crate::{
    isa::{BYTES, Isa, Multipliers, unpacked},
    memory::Aligned,
};

/// What becomes of the sums, packed by panels of [`BYTES`] output channels in split order.
pub(crate) struct Narrow {
    channels: usize,
    form: Form,
}

enum Form {
    /// Counts of thresholds in 16 bits.
    Thresholds {
        max_code: u8,
        panels: Vec<Thresholds>,
    },
    /// Multiplier and shift, the sum with its bias saturated in 16 bits.
    MulShift {
        max_code: u8,
        panels: Vec<Multipliers>,
    },
    /// Whatever it is, by sums of 32 bits.
    Wide {
        constants: Vec<[i32; BYTES]>,
        finisher: Finisher,
    },
}

struct Thresholds {
    /// `[max_code][BYTES]`, each one less than the threshold: codes count what is greater.
    table: Vec<Aligned<[i16; BYTES]>>,
    /// -1 where the codes of a lane descend, else 0; nothing where none does.
    flip: Option<[i16; BYTES]>,
}

/// Where split order has a channel of a panel.
const fn split(channel: usize) -> usize {
    channel % 2 * (BYTES / 2) + channel / 2
}

impl Narrow {
    /// Packs `finish` for sums of 16 bits that lie within ±32767 and lack the constant of their channel.
    pub fn new(finish: &Finish<'_>, constants: &[i32]) -> Self {
        let form = match *finish {
            Finish::Thresholds {
                max_code,
                thresholds,
                descending,
            } => Form::Thresholds {
                max_code,
                panels: pack_thresholds(max_code, thresholds, descending, constants),
            },
            Finish::MulShift { max_code, channels } => {
                match pack_multipliers(channels, constants) {
                    Some(panels) => Form::MulShift { max_code, panels },
                    None => Form::wide(finish, constants),
                }
            }
            Finish::Sums => Form::wide(finish, constants),
        };
        Self {
            channels: constants.len(),
            form,
        }
    }

    /// As [`Narrow::new`] for panels that hold all channels of several pixels, one pixel after the other.
    pub fn of_pixels(finish: &Finish<'_>, constants: &[i32], pixels: usize) -> Self {
        let constants = constants.repeat(pixels);
        match *finish {
            Finish::Sums => Self::new(finish, &constants),
            Finish::Thresholds {
                max_code,
                thresholds,
                descending,
            } => Self::new(
                &Finish::Thresholds {
                    max_code,
                    thresholds: &thresholds.repeat(pixels),
                    descending: &descending.repeat(pixels),
                },
                &constants,
            ),
            Finish::MulShift { max_code, channels } => Self::new(
                &Finish::MulShift {
                    max_code,
                    channels: &channels.repeat(pixels),
                },
                &constants,
            ),
        }
    }

    /// Bytes of one element of the result.
    pub fn element_bytes(&self) -> usize {
        match &self.form {
            Form::Thresholds { .. } | Form::MulShift { .. } => 1,
            Form::Wide { finisher, .. } => finisher.element_bytes(),
        }
    }

    pub fn packed_bytes(&self) -> usize {
        match &self.form {
            Form::Thresholds { max_code, panels } => {
                panels.len() * (usize::from(*max_code) + 1) * 2 * BYTES
            }
            Form::MulShift { panels, .. } => size_of_val(&panels[..]),
            Form::Wide {
                constants,
                finisher,
            } => size_of_val(&constants[..]) + finisher.packed_bytes(),
        }
    }

    /// Writes the output of a panel for `P` pixels, or for `P` times several of them, whose first elements lie `step` elements apart
    /// from element `at` of the output on. What would lie from element `end` on is left out.
    #[inline(always)]
    pub fn write_tile<I: Isa, const P: usize>(
        &self,
        isa: I,
        sums: &[I::Words; P],
        panel: usize,
        [at, step, end]: [usize; 3],
        output: &mut [u8],
    ) {
        let len = BYTES.min(self.channels - panel * BYTES);
        let whole = I::MANY_REGISTERS && len == BYTES && at + (P - 1) * step + BYTES <= end;
        if let (Form::MulShift { max_code, panels }, true) = (&self.form, whole) {
            let output = &mut output[at..][..(P - 1) * step + BYTES];
            for p in 0..P {
                let codes = isa.multiply(sums[p], &panels[panel], *max_code);
                let to = output[p * step..].first_chunk_mut().expect("whole");
                isa.store_bytes(codes, to);
            }
            return;
        }
        if let (Form::Thresholds { panels, .. }, true) = (&self.form, whole)
            && let Thresholds { table, flip: None } = &panels[panel]
        {
            let mut counts = [isa.zero_words(); P];
            for row in table {
                for p in 0..P {
                    counts[p] = isa.count_greater(counts[p], sums[p], row);
                }
            }
            let output = &mut output[at..][..(P - 1) * step + BYTES];
            for p in 0..P {
                let to = output[p * step..].first_chunk_mut().expect("whole");
                isa.store_bytes(counts[p], to);
            }
            return;
        }
        for p in 0..P {
            let at = at + p * step;
            if at < end {
                self.write_len(isa, sums[p], panel, at, len.min(end - at), output);
            }
        }
    }

    /// Writes the first `len` channels of a panel as the elements of the output from `at` on.
    #[inline(always)]
    fn write_len<I: Isa>(
        &self,
        isa: I,
        sums: I::Words,
        panel: usize,
        at: usize,
        len: usize,
        output: &mut [u8],
    ) {
        let first = panel * BYTES;
        let mut codes = [0; BYTES];
        let whole = len == BYTES;
        let to = match output[at..].first_chunk_mut() {
            Some(to) if whole => to,
            _ => &mut codes,
        };
        match &self.form {
            Form::Thresholds { max_code, panels } => panels[panel].codes(isa, sums, *max_code, to),
            Form::MulShift { max_code, panels } => {
                isa.store_bytes(isa.multiply(sums, &panels[panel], *max_code), to);
            }
            Form::Wide {
                constants,
                finisher,
            } => {
                let mut narrow = [0; BYTES];
                isa.store_words(sums, &mut narrow);
                let constants = &constants[panel];
                let wide: [i32; BYTES] = core::array::from_fn(|channel| {
                    i32::from(narrow[split(channel)]).wrapping_add(constants[channel])
                });
                finisher.write_part(&wide[..len], first, at, output);
                return;
            }
        }
        if !whole {
            output[at..][..len].copy_from_slice(&codes[..len]);
        }
    }
}

impl Form {
    fn wide(finish: &Finish<'_>, constants: &[i32]) -> Self {
        let mut panels = vec![[0; BYTES]; constants.len().div_ceil(BYTES)];
        for (channel, &constant) in constants.iter().enumerate() {
            panels[channel / BYTES][channel % BYTES] = constant;
        }
        Form::Wide {
            constants: panels,
            finisher: Finisher::new(finish, constants.len()),
        }
    }
}

fn pack_thresholds(
    max_code: u8,
    thresholds: &[i32],
    descending: &[bool],
    constants: &[i32],
) -> Vec<Thresholds> {
    let rows = usize::from(max_code);
    let mut panels = Vec::new();
    panels.resize_with(constants.len().div_ceil(BYTES), || Thresholds {
        table: vec![Aligned([0; BYTES]); rows],
        flip: None,
    });
    for (channel, &constant) in constants.iter().enumerate() {
        let (panel, lane) = (&mut panels[channel / BYTES], split(channel % BYTES));
        for (row, &threshold) in panel.table.iter_mut().zip(&thresholds[channel * rows..]) {
            row.0[lane] = below(threshold, constant);
        }
        if descending[channel] {
            panel.flip.get_or_insert([0; BYTES])[lane] = -1;
        }
    }
    panels
}

/// `None` where 16 bits lose something.
fn pack_multipliers(channels: &[MulShift], constants: &[i32]) -> Option<Vec<Multipliers>> {
    let none = Multipliers {
        bias: [0; BYTES],
        mult: [0; BYTES],
        add: [0; BYTES],
        shift: [0; BYTES],
    };
    let mut panels = vec![none; constants.len().div_ceil(BYTES)];
    for (channel, (own, &constant)) in channels.iter().zip(constants).enumerate() {
        let (panel, lane) = (&mut panels[channel / BYTES], split(channel % BYTES));
        if own.pre != 0 {
            return None;
        }
        panel.bias[lane] = i16::try_from(i64::from(own.bias) + i64::from(constant)).ok()?;
        let at = unpacked(lane);
        panel.mult[at] = own.mult.into();
        panel.add[at] = own.add;
        panel.shift[at] = own.shift.into();
    }
    Some(panels)
}

impl Thresholds {
    #[inline(always)]
    fn codes<I: Isa>(&self, isa: I, sums: I::Words, max_code: u8, codes: &mut [u8; BYTES]) {
        let mut counts = isa.zero_words();
        for row in &self.table {
            counts = isa.count_greater(counts, sums, row);
        }
        match &self.flip {
            None => isa.store_bytes(counts, codes),
            Some(flip) => {
                let mut all = [0; BYTES];
                isa.store_words(counts, &mut all);
                for (count, &flip) in all.iter_mut().zip(flip) {
                    // `count` where flip is 0, `max_code - count` where it is -1.
                    let flipped = (*count ^ flip).wrapping_sub(flip);
                    *count = flipped.wrapping_add(i16::from(max_code) & flip);
                }
                isa.store_bytes(isa.load_words(&all), codes);
            }
        }
    }
}
