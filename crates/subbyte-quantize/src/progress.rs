use std::ops::ControlFlow;

/// How far a method is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// Activations are being looked at.
    Ranges {
        /// Batches done.
        done: usize,
        /// Batches in all.
        of: usize,
    },
    /// A layer has been tried alone.
    Sensitivity {
        /// Name of its node.
        name: String,
        /// Layers done, this one included.
        done: usize,
        /// Layers in all.
        of: usize,
        /// How far the output distribution moved, in nats, with the most bits that were tried.
        loss: f64,
    },
    /// The rounding of a layer is being learned.
    Rounding {
        /// Name of its node.
        name: String,
        /// Steps done.
        done: usize,
        /// Steps in all.
        of: usize,
    },
    /// A layer has been rounded.
    Layer {
        /// Name of its node.
        name: String,
        /// Layers done, this one included.
        done: usize,
        /// Layers in all.
        of: usize,
        /// Squared error of its outputs over their variance, on the calibration images.
        error: f64,
    },
}

/// Told of every step; may end the method.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;
