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
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}
