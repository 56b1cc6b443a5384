use subbyte_exec::ExecError;
use subbyte_graph::Problems;

/// Why a network cannot be quantized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The graph has no place for quantizers.
    #[error("the network cannot be quantized:\n{0}")]
    Graph(#[from] Problems),
    /// It cannot be run, or not with the calibration images.
    #[error(transparent)]
    Run(#[from] ExecError),
    /// It has no integer form.
    #[error(transparent)]
    Lower(#[from] subbyte_lower::LowerError),
    /// The integer model cannot be written.
    #[error(transparent)]
    Write(#[from] subbyte_model::WriteError),
    /// A tensor holds numbers that no code can stand for.
    #[error(
        "`{place}` holds {count} numbers that are infinite or no numbers; train the network without them"
    )]
    NotFinite {
        /// Node or parameter.
        place: String,
        /// How many.
        count: usize,
    },
    /// A tensor holds nothing but zeros.
    #[error(
        "`{place}` is zero everywhere, so that no range of floats can be found for it; {advice}"
    )]
    OnlyZeros {
        /// Node or parameter.
        place: String,
        /// What to do.
        advice: &'static str,
    },
    /// There are no images.
    #[error("there is no image to calibrate with; give some")]
    NoImages,
    /// Not even the fewest bits fit into the budget.
    #[error("a budget of {asked} bytes cannot be met; the smallest model takes {least} bytes")]
    Budget {
        /// Bytes that the model may take.
        asked: usize,
        /// Bytes that it takes with the fewest bits.
        least: usize,
    },
    /// A rounding cannot go on from the network that was kept.
    #[error(
        "what was kept is of another network, of other images or of other settings; start anew without it"
    )]
    OtherState,
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}
