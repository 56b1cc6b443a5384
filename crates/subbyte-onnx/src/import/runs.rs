//! Tensors whose channels are cut into runs: the groups of a group norm, the heads of an attention. The graph has operators for the
//! whole; what the file reshapes and transposes on the way to them is only kept book of here.

use super::{
    layout::{Dim, Layout, Sizes},
    value::{Activation, Affine},
};

/// What an axis of the file's tensor runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Images of a batch.
    Batch,
    /// Runs of channels.
    Run,
    /// Channels of a run.
    Channel,
    /// Pixels; of products those of the first factor.
    Pixel,
    /// Of products, pixels of the second factor.
    Other,
}

/// Parts of each axis, slowest first. Parts of length 1 are left out.
pub type Axes = Vec<Vec<Part>>;

/// A tensor with its channels in runs.
#[derive(Clone, Debug)]
pub struct Runs {
    pub x: Activation,
    /// How many runs there are.
    pub runs: usize,
    pub axes: Axes,
}

/// Products of all pixels of one tensor with all of another, over the channels of each run.
#[derive(Clone, Debug)]
pub struct Products {
    /// Those before, whose runs are the same; their layout is not of interest any more.
    pub factors: [Activation; 2],
    pub runs: usize,
    pub scale: f64,
    pub axes: Axes,
    /// The pixels over which a softmax was taken.
    pub softmax: Option<Part>,
}

/// Lengths of parts.
struct Lengths {
    batch: usize,
    runs: usize,
    channels: usize,
    pixels: usize,
}

impl Lengths {
    fn new(sizes: Sizes, runs: usize) -> Self {
        Self {
            batch: sizes.of(Dim::N),
            runs,
            channels: sizes.of(Dim::C) / runs.max(1),
            pixels: sizes.of(Dim::H) * sizes.of(Dim::W),
        }
    }

    fn of(&self, part: Part) -> usize {
        match part {
            Part::Batch => self.batch,
            Part::Run => self.runs,
            Part::Channel => self.channels,
            Part::Pixel | Part::Other => self.pixels,
        }
    }

    /// `parts` in this order as axes of lengths `target`.
    fn group(&self, parts: &[Part], target: &[usize]) -> Option<Axes> {
        let mut parts = parts.iter().filter(|&&part| self.of(part) != 1);
        let mut axes = Vec::with_capacity(target.len());
        for &length in target {
            let mut axis = Vec::new();
            let mut found = 1;
            while found < length {
                let &part = parts.next()?;
                found *= self.of(part);
                axis.push(part);
            }
            if found != length {
                return None;
            }
            axes.push(axis);
        }
        parts.next().is_none().then_some(axes)
    }
}

impl Runs {
    /// `x` reshaped to `target`, where that cuts its channels into runs.
    pub fn cut(x: &Activation, sizes: Sizes, target: &[usize]) -> Option<Self> {
        let channels = sizes.of(Dim::C);
        let batch = sizes.of(Dim::N).max(1);
        let candidates = target.iter().flat_map(|&n| [n, n / batch]);
        let mut candidates = candidates.filter(|&n| n > 1 && channels.is_multiple_of(n));
        candidates.find_map(|runs| {
            let parts = parts(&x.layout, sizes)?;
            let axes = Lengths::new(sizes, runs).group(&parts, target)?;
            let x = x.clone();
            Some(Self { x, runs, axes })
        })
    }

    /// `x` as one run, where its axes are whole.
    pub fn whole(x: &Activation, sizes: Sizes) -> Option<Self> {
        let lengths = Lengths::new(sizes, 1);
        let parts = parts(&x.layout, sizes)?;
        let axes = lengths.group(&parts, &x.layout.lengths(sizes))?;
        let x = x.clone();
        Some(Self { x, runs: 1, axes })
    }

    /// Lengths of the file's axes.
    pub fn lengths(&self, sizes: Sizes) -> Vec<usize> {
        lengths(&self.axes, sizes, self.runs)
    }

    /// The runs reshaped to `target`, which keeps them apart.
    pub fn reshape(&self, sizes: Sizes, target: &[usize]) -> Option<Self> {
        let axes = Lengths::new(sizes, self.runs).group(&self.axes.concat(), target)?;
        Some(Self {
            axes,
            ..self.clone()
        })
    }

    /// The layout that `target` gives the tensor where it joins the runs again.
    pub fn joined(&self, sizes: Sizes, target: &[usize]) -> Option<Activation> {
        let whole = self.layout(sizes)?;
        let layout = whole.reshape(target, sizes).ok()?;
        Some(Activation {
            layout,
            ..self.x.clone()
        })
    }

    /// The axes as those of a whole tensor, where every run's channels follow it.
    fn layout(&self, sizes: Sizes) -> Option<Layout> {
        let lengths = Lengths::new(sizes, self.runs);
        let parts = self.axes.concat();
        let mut dims = vec![Dim::N];
        let mut parts = parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Batch if dims == [Dim::N] => {}
                Part::Run if lengths.channels == 1 => dims.push(Dim::C),
                Part::Run if parts.next() == Some(&Part::Channel) => dims.push(Dim::C),
                Part::Channel if lengths.runs == 1 => dims.push(Dim::C),
                Part::Pixel => dims.extend([Dim::H, Dim::W]),
                _ => return None,
            }
        }
        Some(Layout(dims.into_iter().map(|dim| vec![dim]).collect()))
    }

    /// The tensor that this is where it has one run only.
    pub fn as_whole(&self, sizes: Sizes) -> Option<Activation> {
        let dims = |part: &Part| match part {
            Part::Batch => vec![Dim::N],
            Part::Channel => vec![Dim::C],
            Part::Pixel => vec![Dim::H, Dim::W],
            Part::Run | Part::Other => Vec::new(),
        };
        if self.runs != 1 {
            return None;
        }
        let axes = self.axes.iter().map(|axis| axis.iter().flat_map(dims));
        let mut layout: Vec<Vec<Dim>> = axes.map(Iterator::collect).collect();
        if sizes.of(Dim::N) == 1
            && let Some(first) = layout.first_mut()
            && first.is_empty()
        {
            first.push(Dim::N);
        }
        Some(Activation {
            layout: Layout(layout),
            ..self.x.clone()
        })
    }
}

impl Products {
    /// Lengths of the file's axes; `sizes` are those of the factors.
    pub fn lengths(&self, sizes: [Sizes; 2]) -> Vec<usize> {
        let [first, other] = sizes.map(|sizes| Lengths::new(sizes, self.runs));
        let length = |part: &Part| match part {
            Part::Other => other.of(*part),
            _ => first.of(*part),
        };
        let axes = self.axes.iter();
        axes.map(|axis| axis.iter().map(length).product()).collect()
    }
}

/// Takes the scale off `x` where it is one number without a shift.
pub fn take_scale(x: &mut Activation) -> f64 {
    match x.affine.mul.as_slice() {
        &[mul] if x.affine.is_linear() => {
            x.affine = Affine::identity();
            mul
        }
        _ => 1.0,
    }
}

fn lengths(axes: &Axes, sizes: Sizes, runs: usize) -> Vec<usize> {
    let lengths = Lengths::new(sizes, runs);
    let length = |axis: &Vec<Part>| axis.iter().map(|&part| lengths.of(part)).product();
    axes.iter().map(length).collect()
}

/// The parts that a layout runs over, in order; `None` where height and width are apart or exchanged.
fn parts(layout: &Layout, sizes: Sizes) -> Option<Vec<Part>> {
    let dims = layout.significant(sizes).concat();
    let mut parts = Vec::new();
    let mut dims = dims.iter().peekable();
    while let Some(dim) = dims.next() {
        match dim {
            Dim::N => parts.push(Part::Batch),
            Dim::C => parts.extend([Part::Run, Part::Channel]),
            Dim::H => {
                if dims.peek() == Some(&&Dim::W) {
                    dims.next();
                } else if sizes.of(Dim::W) != 1 {
                    return None;
                }
                parts.push(Part::Pixel);
            }
            Dim::W if sizes.of(Dim::H) == 1 => parts.push(Part::Pixel),
            Dim::W => return None,
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Batch, Channel, Pixel, Run};

    const SIZES: Sizes = Sizes([1, 8, 3, 4]);

    fn cut(target: &[usize]) -> Option<Runs> {
        Runs::cut(&Activation::of(0), SIZES, target)
    }

    #[test]
    fn channels_are_cut_into_groups_and_heads() {
        let axes = |target: &[usize]| cut(target).map(|runs| (runs.runs, runs.axes));
        let group = (2, vec![vec![], vec![Run], vec![Channel, Pixel]]);
        assert_eq!(axes(&[1, 2, 48]), Some(group));
        let heads = (4, vec![vec![Run], vec![Channel], vec![Pixel]]);
        assert_eq!(axes(&[4, 2, 12]), Some(heads));
        assert_eq!(axes(&[1, 3, 32]), None);
        let two = Sizes([2, 8, 3, 4]);
        let batch = Runs::cut(&Activation::of(0), two, &[8, 2, 12]).map(|runs| runs.axes);
        assert_eq!(
            batch,
            Some(vec![vec![Batch, Run], vec![Channel], vec![Pixel]])
        );
    }

    #[test]
    fn runs_come_together_again() {
        let heads = cut(&[4, 2, 12]).unwrap();
        assert_eq!(heads.lengths(SIZES), [4, 2, 12]);
        assert!(heads.joined(SIZES, &[4, 2, 12]).is_none());
        let whole = heads.joined(SIZES, &[1, 8, 3, 4]).unwrap();
        assert_eq!(whole.layout, Layout::nchw());
        let mut exchanged = heads;
        exchanged.axes.swap(0, 1);
        assert!(exchanged.joined(SIZES, &[1, 8, 12]).is_none());
    }
}
