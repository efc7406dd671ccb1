//! What a model is made of: its weights, layers and names, and their files.
//!
//! In: shapes, arrays, paths. Out: weights, tables to print, files.

use std::path::Path;

use crate::array::Array;
use crate::error::Result;
use crate::graph::Tree;
use crate::net::{Structure, Summary};
use crate::shape::Shape;
use crate::variable::Variable;

use super::Model;

impl<I: Tree, O: Tree> Model<I, O> {
    /// Makes the weights for inputs of this shape, batch included, without running anything.
    ///
    /// # Errors
    /// The first mistake in the layers' `call`s, with the layer and the line.
    #[track_caller]
    pub fn build(&self, shape: impl Into<Shape>) -> Result<()> {
        self.steps.net.build_on(&[Array::try_zeros(&shape.into(), self.steps.net.dtype)?])
    }

    /// As [`build`](Self::build), for inputs of the shapes and types of these: of a model of several.
    #[track_caller]
    pub fn build_on(&self, inputs: &[Array]) -> Result<()> {
        self.steps.net.build_on(inputs)
    }

    /// Its weights, trainable or not, in the order of their first use. Empty before it is built or has seen an input.
    pub fn weights(&self) -> Vec<Variable> {
        self.steps.net.weights()
    }

    /// Its weights that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.steps.net.trainable_weights()
    }

    /// The weight of a name: its path with or without the first part, `"dense/kernel"`.
    pub fn weight(&self, name: &str) -> Option<Variable> {
        self.steps.net.weight(name)
    }

    /// Overwrites all weights, given in the order of [`weights`](Self::weights), or none if one does not fit.
    ///
    /// # Errors
    /// If there is not one array of the right shape and type for each weight.
    pub fn set_weights(&self, values: &[Array]) -> Result<()> {
        self.steps.net.set_weights(values)
    }

    /// The outputs' names: those of the layers that made them. Empty before the model has seen an input.
    pub fn output_names(&self) -> Vec<String> {
        self.steps.net.output_names()
    }

    /// What its steps were traced with and is probably not meant, such as a gradient that does not exist. Each was printed once.
    pub fn warnings(&self) -> Vec<String> {
        self.steps.net.warnings()
    }

    /// The layers with their outputs and weights, as a table to print.
    ///
    /// # Errors
    /// If the model was not built and has seen no input.
    pub fn summary(&self) -> Result<Summary> {
        self.steps.net.summary()
    }

    /// Its layers, and where each term of its loss comes from. Empty before it is built or has seen an input.
    pub fn structure(&self) -> Structure {
        self.steps.net.structure()
    }

    /// Writes all weights to a safetensors file, each under its name. An existing file is replaced at once or not at all.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path = std::env::temp_dir().join(format!("endo-saving-{}.safetensors", std::process::id()));
    /// let (trained, loaded) = (Model::new(Dense::new(2)), Model::new(Dense::new(2)).seed(1));
    /// trained.build([1, 3])?;
    /// loaded.build([1, 3])?; // makes the weights to load into
    /// trained.save_weights(&path)?;
    /// loaded.load_weights(&path)?;
    /// assert_eq!(loaded.weights()[0].value(), trained.weights()[0].value());
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), endo::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the model has no weights yet, two of them have one name, or the file cannot be written.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.net.write(path.as_ref(), None)
    }

    /// Reads all weights from a safetensors file. The model must have been built, and nothing changes unless every weight
    /// is found with its shape and type.
    ///
    /// # Errors
    /// If the file cannot be read, a weight is missing in it, or a shape or type differs.
    pub fn load_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.net.load_weights(path.as_ref())
    }

    /// Writes all weights to a safetensors file, as [`save_weights`](Self::save_weights), and with them what the model is made
    /// of: its losses, and the hyperparameters of losses, metrics, layers, and their activations, initializers, regularizers and
    /// constraints. The code of the user's structs, and the optimizer, are not in the file. See [`Saved`](super::Saved).
    ///
    /// # Errors
    /// If the model has no weights yet, two of them have one name, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.net.save(path.as_ref(), self.steps.training())
    }

    /// Reads all weights from a file that [`save`](Self::save) wrote, if the model is made of what is in the file: it must have
    /// been built, and compiled if it was saved so. Nothing changes otherwise.
    ///
    /// # Errors
    /// If a loss, a metric or a layer of the file is missing in the model or has another hyperparameter, with the place, what was
    /// saved and what is given; and as [`load_weights`](Self::load_weights).
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.net.load(path.as_ref(), self.steps.training())
    }
}
