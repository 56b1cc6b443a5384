use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a run could not start, go on or be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A recipe has unknown keys, wrong types or impossible combinations.
    #[error("{}{}", place(path), list(problems))]
    Recipe {
        /// The file, where the recipe came from one.
        path: Option<PathBuf>,
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The data are missing, damaged or unsuitable.
    #[error(transparent)]
    Data(#[from] subbyte_data::Error),
    /// The network cannot be run on the images.
    #[error(transparent)]
    Exec(#[from] subbyte_exec::ExecError),
    /// The data have labels that the network does not know.
    #[error(
        "the data have an image of class {label}, counted from 0, the network {classes} classes; give the data that it was \
         trained for"
    )]
    Label {
        /// A label.
        label: usize,
        /// Classes of the network.
        classes: usize,
    },
    /// The loss is not a number or infinite.
    #[error(
        "the loss became {loss} in epoch {epoch}, step {step}, at learning rate {learning_rate:.3e}; \
         try a smaller learning-rate or a longer warm-up-epochs{}",
        kept(checkpoint)
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step within the epoch, from 1.
        step: usize,
        /// The loss.
        loss: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// The last good checkpoint, which was kept.
        checkpoint: Option<PathBuf>,
    },
    /// The folder holds another run.
    #[error(
        "{} holds an earlier run; go on with it by --resume, choose another folder, or overwrite it by --force",
        folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// A checkpoint is of another recipe or of other data.
    #[error("{} was made by another run: {}", path.display(), list(differences))]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// Keys that differ.
        differences: Vec<String>,
    },
    /// A `.sbg` file cannot be read or written.
    #[error(transparent)]
    Sbg(#[from] subbyte_graph::sbg::SbgError),
    /// An ONNX file cannot be read.
    #[error(transparent)]
    Onnx(#[from] subbyte_onnx::OnnxError),
    /// A file of a run cannot be used.
    #[error("{} cannot be used: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl TrainError {
    pub(crate) fn recipe(problems: impl Into<Vec<String>>) -> Self {
        TrainError::Recipe {
            path: None,
            problems: problems.into(),
        }
    }

    /// Says which file a recipe's problems are in.
    pub(crate) fn in_recipe(self, file: &Path) -> Self {
        match self {
            TrainError::Recipe { problems, .. } => TrainError::Recipe {
                path: Some(file.into()),
                problems,
            },
            other => other,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        TrainError::Io {
            action,
            path: path.into(),
            source,
        }
    }
}

fn place(path: &Option<PathBuf>) -> String {
    match path {
        Some(path) => format!("{}: ", path.display()),
        None => String::new(),
    }
}

fn list(problems: &[String]) -> String {
    match problems {
        [one] => format!(" {one}").trim_start().to_owned(),
        many => many.iter().map(|p| format!("\n  {p}")).collect(),
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, then resume the run"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that can be written to"
        }
        _ => "",
    }
}

fn kept(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("; the last good state is kept in {}", path.display()),
        None => String::new(),
    }
}
