//! What a model is made of: its weights, layers and names, and their files.
//!
//! In: shapes, arrays, paths. Out: weights, tables to print, files.

use std::path::Path;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Tensor, Tree};
use crate::net::{LoadWeights, LoadedWeights, ModelLayer, Structure, Summary};
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
        self.steps.net.build_on(&[Array::try_zeros(
            &shape.into(),
            self.steps.net.dtype.unwrap_or(DType::F32),
        )?])
    }

    /// As [`build`](Self::build), for inputs of the shapes and types of these: of a model of
    /// several.
    #[track_caller]
    pub fn build_on(&self, inputs: &[Array]) -> Result<()> {
        self.steps.net.build_on(inputs)
    }

    /// Has its `call` and losses be traced anew where they are used next: for a binding to a
    /// language in which a program can change what they do.
    #[doc(hidden)]
    pub fn forget_traces(&self) {
        self.steps.cache.clear();
    }

    /// Its weights, trainable or not, in the order of their first use. Empty before it is built or
    /// has seen an input.
    pub fn weights(&self) -> Vec<Variable> {
        self.steps.net.weights()
    }

    /// Its weights that optimizers may change.
    pub fn trainable_weights(&self) -> Vec<Variable> {
        self.steps.net.trainable_weights()
    }

    /// The layer of a path, with all that is below it: `"encoder/dense"`, or without its first
    /// part, or its last part alone where that is enough.
    ///
    /// # Errors
    /// If there is no such layer, with the one that is probably meant, or there are several; before
    /// the model has seen an input.
    pub fn layer(&self, path: &str) -> Result<ModelLayer> {
        self.steps.net.layer(path)
    }

    /// A model of the same weights whose outputs are those of inner layers, given by path or
    /// pattern of paths, in the order of the patterns: features, attention, what a layer is given
    /// to see. The last part of a path is enough; the outermost layer stands for the model's own
    /// outputs. What is trained in one of the two models is trained in both.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let net = Sequential::new()
    ///     .add(Dense::new(4).activation("relu").name("hidden"))
    ///     .add(Dense::new(1).name("out"));
    /// let model = Model::new(net);
    /// model.build([1, 2])?;
    /// let inner = model.outputs_at(["hidden", "sequential"])?;
    /// let x = Array::from([[1.0_f32, -2.0]]);
    /// let outputs = inner.predict(&x)?;
    /// assert_eq!((outputs[0].shape().sizes(), &outputs[1]), (&[1, 4][..], &model.predict(&x)?));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If no layer matches a pattern, or the model has seen no input.
    pub fn outputs_at<P: Into<String>>(
        &self,
        patterns: impl IntoIterator<Item = P>,
    ) -> Result<Model<I, Vec<Tensor>>>
    where
        I: 'static,
        O: 'static,
    {
        let layer = self.steps.net.inner_outputs(patterns.into_iter().map(Into::into).collect())?;
        let mut model = Model::new(layer).seed(self.steps.net.seed());
        model.steps.net.dtype = self.steps.net.dtype;
        model.steps.net.name.clone_from(&self.steps.net.name);
        Ok(model)
    }

    /// Freezes all its weights, those that are still to be made included: optimizers leave them as
    /// they are, and layers that keep statistics of batches use those that they have. What was
    /// trainable is remembered. It takes effect in what is traced afterwards: `fit` looks anew at
    /// the start of each epoch, a [`Function`](crate::trace::Function) that was traced goes on as
    /// it is.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let base = Model::new(Sequential::new().add(Dense::new(4)).add(BatchNormalization::new()));
    /// base.build([1, 3])?;
    /// base.freeze();
    /// assert!(base.trainable_weights().is_empty());
    /// base.unfreeze();
    /// // Not the moving averages.
    /// assert_eq!((base.weights().len(), base.trainable_weights().len()), (2 + 4, 2 + 2));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn freeze(&self) {
        self.steps.net.set_frozen(true);
    }

    /// Takes back [`freeze`](Self::freeze) and [`freeze_at`](Self::freeze_at).
    pub fn unfreeze(&self) {
        self.steps.net.set_frozen(false);
    }

    /// Freezes the weights of all layers, and all single weights, whose path matches a pattern:
    /// `"encoder/*"`, `"*/bias"`. `*` is any run of characters, `?` one.
    ///
    /// # Errors
    /// If nothing matches, or the model has seen no input.
    pub fn freeze_at(&self, pattern: &str) -> Result<()> {
        for weight in self.steps.net.weights_at(pattern)? {
            weight.freeze();
        }
        Ok(())
    }

    /// Takes back [`freeze`](Self::freeze) for what matches a pattern.
    ///
    /// # Errors
    /// If nothing matches, or the model has seen no input.
    pub fn unfreeze_at(&self, pattern: &str) -> Result<()> {
        for weight in self.steps.net.weights_at(pattern)? {
            weight.unfreeze();
        }
        Ok(())
    }

    /// Multiplies the learning rate by a factor for the weights that a pattern of paths means, as
    /// in [`freeze_at`](Self::freeze_at): a base that was trained before is to learn more slowly
    /// than a new head. 1 takes it back.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let line = |name| Dense::new(1).use_bias(false).kernel_initializer("ones").name(name);
    /// let mut model = Model::new(Sequential::new().add(line("base")).add(line("head")));
    /// model.compile(Sgd::new(0.1), "mse", ()).build([1, 1])?;
    /// model.set_learning_rate_factor_at("base", 0.5)?;
    /// model.train_on_batch(&Dataset::new([[1.0_f32]], [[0.0_f32]])?)?;
    /// let weights: Vec<f64> =
    ///     model.weights().iter().map(|weight| weight.value().get(0)).collect();
    /// // 1 - 0.1 * 2, half of it for the base.
    /// assert!((weights[0] - 0.9).abs() < 1e-6 && (weights[1] - 0.8).abs() < 1e-6);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If nothing matches, the model has seen no input, or the factor is negative or not finite.
    pub fn set_learning_rate_factor_at(&self, pattern: &str, factor: f64) -> Result<()> {
        if !factor.is_finite() || factor < 0.0 {
            let message =
                format!("the learning rate of `{pattern}` cannot be multiplied by {factor}");
            let help = "give a number of at least 0: 0.1 learns at a tenth of the rate";
            return Err(Error::argument(message, help));
        }
        for weight in self.steps.net.weights_at(pattern)? {
            weight.set_learning_rate_factor(factor);
        }
        Ok(())
    }

    /// The weight of a name within the model, `"dense/kernel"`; the name of the outermost layer may
    /// stand before it.
    pub fn weight(&self, name: &str) -> Option<Variable> {
        self.steps.net.weight(name)
    }

    /// Overwrites all weights, given in the order of [`weights`](Self::weights), or none if one
    /// does not fit.
    ///
    /// # Errors
    /// If there is not one array of the right shape and type for each weight.
    pub fn set_weights(&self, values: &[Array]) -> Result<()> {
        self.steps.net.set_weights(values)
    }

    /// The outputs' names: those of the layers that made them. Empty before the model has seen an
    /// input.
    pub fn output_names(&self) -> Vec<String> {
        self.steps.net.output_names()
    }

    /// What its steps were traced with and is probably not meant, such as a gradient that does not
    /// exist. Each was printed once.
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

    /// Its layers, and where each term of its loss comes from. Empty before it is built or has seen
    /// an input.
    pub fn structure(&self) -> Structure {
        self.steps.net.structure()
    }

    /// Writes all weights to a safetensors file, each under its name. An existing file is replaced
    /// at once or not at all.
    ///
    /// ```
    /// # use endo::prelude::*;
    /// # let path =
    /// #     std::env::temp_dir().join(format!("endo-saving-{}.safetensors", std::process::id()));
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
        self.steps.net.write(path.as_ref(), Vec::new(), None)
    }

    /// Reads all weights from a safetensors file. The model must have been built, and nothing
    /// changes unless every weight is found with its shape and type.
    ///
    /// # Errors
    /// If the file cannot be read, a weight is missing in it, or a shape or type differs.
    pub fn load_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.net.load_weights(path.as_ref())
    }

    /// Reads weights from a file of arrays (safetensors or `.npz`), of any program that calls them
    /// by the same names: those of a part of the model that the file is of, or only those that fit.
    ///
    /// # Errors
    /// As [`load_weights`](Self::load_weights); where what does not fit is skipped, if nothing
    /// fits.
    pub fn load_weights_with(
        &self,
        path: impl AsRef<Path>,
        options: LoadWeights,
    ) -> Result<LoadedWeights> {
        self.steps.net.load_weights_with(path.as_ref(), &options)
    }

    /// Writes all weights to a safetensors file, as [`save_weights`](Self::save_weights), and with
    /// them what the model is made of: its losses, and the hyperparameters of losses, metrics,
    /// layers, and their activations, initializers, regularizers and constraints; and what the
    /// compiled optimizer keeps: its count of steps, its learning rate and its slots. The code of
    /// the user's structs, and the optimizer's options, are not in the file. See
    /// [`Saved`](super::Saved).
    ///
    /// # Errors
    /// If the model has no weights yet, two of them have one name, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.save(path.as_ref())
    }

    /// Reads all weights from a file that [`save`](Self::save) wrote, if the model is made of what
    /// is in the file: it must have been built, and compiled if it was saved so. Nothing changes
    /// otherwise. The compiled optimizer goes on from what it kept then.
    ///
    /// ```
    /// use endo::prelude::*;
    /// # let path =
    /// #     std::env::temp_dir().join(format!("endo-load-{}.safetensors", std::process::id()));
    /// # let data = Dataset::new([[1.0_f32], [2.0]], [[2.0_f32], [4.0]])?;
    /// let compiled = |seed| {
    ///     let mut model = Model::new(Dense::new(1)).seed(seed);
    ///     model.compile(Adam::new(0.1), "mse", ()).build([1, 1]).map(|()| model)
    /// };
    /// let mut model = compiled(1)?;
    /// model.fit(&data, Fit::epochs(3))?;
    /// model.save(&path)?;
    /// let mut again = compiled(2)?;
    /// again.load(&path)?;
    /// assert_eq!(
    ///     again.fit(&data, Fit::epochs(3))?.get("loss"),
    ///     model.fit(&data, Fit::epochs(3))?.get("loss")
    /// );
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If a loss, a metric or a layer of the file is missing in the model or has another
    /// hyperparameter, with the place, what was saved and what is given; and as
    /// [`load_weights`](Self::load_weights).
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        self.steps.load(path.as_ref())
    }
}
