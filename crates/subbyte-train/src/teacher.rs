//! A trained network whose logits another one learns from.

use std::fs;

use burn::tensor::{Device, Tensor};
use subbyte_data::ImageSet;
use subbyte_exec::{Images, Network};

use crate::{TrainError, imported, recipe::Recipe};

/// A network in evaluation mode, without a gradient tape.
#[derive(Debug)]
pub(crate) struct Teacher {
    network: Network,
    /// Hash of the file, which tells it from another network whatever the file is called.
    pub(crate) fingerprint: String,
}

impl Teacher {
    /// The recipe's teacher, if it has one, for images and classes like those of `data`.
    ///
    /// # Errors
    /// If the file cannot be read, or its network is for other images or another number of classes.
    pub(crate) fn of(recipe: &Recipe, data: &ImageSet) -> Result<Option<Self>, TrainError> {
        let Some(path) = &recipe.teacher else {
            return Ok(None);
        };
        let bytes = fs::read(path).map_err(|e| TrainError::io("read", path, e))?;
        let graph = imported::read(path, recipe.preprocess)?;
        if let Some(problem) = imported::misfit(&graph, data.geometry(), data.classes().len())? {
            return Err(TrainError::Damaged {
                path: path.clone(),
                problem: format!("as a teacher it does not fit: {problem}"),
            });
        }
        let network = Network::new(&graph, &Device::flex())?;
        Ok(Some(Self {
            network,
            fingerprint: subbyte_data::fingerprint(&bytes),
        }))
    }

    /// Its logits of a batch.
    pub(crate) fn logits(&self, images: &Images) -> Result<Tensor<4>, TrainError> {
        let logits = self.network.predict(images)?;
        Ok(Tensor::from_inner(logits))
    }
}
