/// Why a network or model could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The images have another size than the network's input.
    #[error(
        "the images are {found} bytes each (height * width * colours), the network reads {expected}; give data of its geometry"
    )]
    Geometry {
        /// Bytes that the network reads.
        expected: usize,
        /// Bytes of one image of the data.
        found: usize,
    },
    /// The data have labels that the network does not know.
    #[error(
        "the data have {found} classes, the network {expected}; give the data that it was trained for"
    )]
    Classes {
        /// Classes of the network.
        expected: usize,
        /// Classes of the data.
        found: usize,
    },
    /// Nothing of a model can be compared with a float network.
    #[error(
        "no tensor of codes of the model stands for a tensor of the float network: none there has the name and the shape of {}; \
         compare a model with the network that it was made of",
        names(.tensors)
    )]
    NoCounterparts {
        /// Names of the model's tensors.
        tensors: Vec<String>,
    },
    /// The network has no integer model.
    #[error(transparent)]
    Lower(#[from] subbyte_lower::LowerError),
    /// The model cannot be prepared for this processor.
    #[error(transparent)]
    Plan(#[from] subbyte_engine::PlanError),
    /// The engine refused a run.
    #[error(transparent)]
    Run(#[from] subbyte_engine::RunError),
    /// The float network cannot be run.
    #[error(transparent)]
    Train(#[from] subbyte_train::TrainError),
    /// The float network is not valid.
    #[error(transparent)]
    Network(#[from] subbyte_exec::ExecError),
}

/// The first few names.
fn names(all: &[String]) -> String {
    const SHOWN: usize = 4;
    let first: Vec<String> = all.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match all.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
