use subbyte_graph::Problems;

/// Why a graph cannot be run, or not with these images or numbers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The graph is not valid.
    #[error("the network `{name}` cannot be run:\n{problems}")]
    Graph {
        /// What the graph is called.
        name: String,
        /// Everything that is wrong with it.
        problems: Problems,
    },
    /// The images have another size than the graph's input.
    #[error(
        "images of height, width and colours {found:?} for a network that takes {expected:?}: resize them first"
    )]
    Images {
        /// Height, width and colours of the graph's input.
        expected: [usize; 3],
        /// Those of the images.
        found: [usize; 3],
    },
    /// The graph reads images and there are none.
    #[error("the network reads images, and none are given")]
    MissingImages,
    /// A float input of the graph is not given.
    #[error("the network's input `{0}` is not given")]
    MissingInput(String),
    /// A float input is given that the graph does not have.
    #[error("the network has no input `{0}`")]
    UnknownInput(String),
    /// A float input has another shape than the graph's.
    #[error(
        "input `{name}` has batch, height, width and channels {found:?}; {expected:?} are needed"
    )]
    Input {
        /// The input.
        name: String,
        /// The shape that is needed.
        expected: [usize; 4],
        /// The shape that was given.
        found: [usize; 4],
    },
    /// There is no image to measure.
    #[error("there are no images to measure; give at least one batch")]
    NoImages,
    /// No parameter has this name.
    #[error("the network has no parameter `{0}`")]
    UnknownParameter(String),
    /// A parameter was given the wrong number of values.
    #[error("parameter `{name}` has {expected} values, not {found}")]
    ParameterLength {
        /// The parameter.
        name: String,
        /// Values that it has.
        expected: usize,
        /// Values that were given.
        found: usize,
    },
}
