use subbyte_exec::ExecError;

/// Why pictures cannot be made or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffusionError {
    /// The graph does not say how it is sampled.
    #[error(
        "`{0}` is no diffusion network: it needs an input of noisy pictures, one called sigma or timestep, and an output of the pictures' shape"
    )]
    NoDiffusion(String),
    /// A sampler is asked for more steps than the network knows, or none.
    #[error("a sampler of {asked} steps is asked for; `{network}` knows from 1 to {known} steps")]
    Steps {
        /// What the network is called.
        network: String,
        /// Steps that were asked for.
        asked: usize,
        /// Most steps that there can be.
        known: usize,
    },
    /// A value is given for an input that does not exist.
    #[error("`{network}` has no input `{name}` to set; {}", listed(.known))]
    NoInput {
        /// What the network is called.
        network: String,
        /// The input that was set.
        name: String,
        /// Inputs that can be set.
        known: Vec<String>,
    },
    /// A value that is set is infinite or NaN.
    #[error("input `{0}` is set to a number that is not finite")]
    Value(String),
    /// The network made numbers that are infinite or NaN.
    #[error("the network makes numbers that are infinite or NaN at step {step} of {steps}")]
    NotFinite {
        /// The step, from 1.
        step: usize,
        /// Steps in all.
        steps: usize,
    },
    /// The work was stopped from outside.
    #[error("stopped")]
    Stopped,
    /// Pictures of two kinds are compared.
    #[error(
        "pictures of height, width and channels {first:?} and {second:?} cannot be compared ({counts:?} of them)"
    )]
    Shapes {
        /// Shape on one side.
        first: [usize; 3],
        /// Shape on the other side.
        second: [usize; 3],
        /// How many pictures there are on each side.
        counts: [usize; 2],
    },
    /// A network has no features to compare pictures by.
    #[error("`{network}` cannot tell the features of pictures: {what}")]
    Features {
        /// What the network is called.
        network: String,
        /// What it lacks.
        what: String,
    },
    /// Eigenvalues did not converge.
    #[error("the features' covariance has no eigenvalues; are all pictures finite?")]
    Eigenvalues,
    /// The executor refuses the network or its inputs.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "there is none".to_owned(),
        names => format!("there is {}", names.join(", ")),
    }
}
