//! Samples to learn from: inputs, and optionally targets and sample weights, whose first axes count
//! the same samples.
//!
//! In: arrays. Out: [`Dataset`], checked once when it is made, cheap to clone, split and shuffled
//! by seed.

mod parts;

use super::arrays::{
    IntoArrays, IntoOutputArrays, Names, OutputArrays, is_batch_of, once, samples_of,
};
use super::batches::{Batches, Order};
use crate::array::{Array, Share, in_turn};
use crate::dtype::DType;
use crate::error::{Error, Result};

/// Samples to learn from. A clone shares the numbers.
///
/// ```
/// use endo::data::Dataset;
/// let data = Dataset::new([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]], [[0.0_f32], [1.0], [2.0]])?;
/// assert_eq!((data.len(), data.inputs().shape().sizes()), (3, &[3, 2][..]));
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Dataset {
    pub(super) inputs: Vec<Array>,
    pub(super) targets: Vec<Array>,
    pub(super) sample_weights: Vec<Array>,
    /// The outputs that the targets are for, and those that the sample weights are for, where they
    /// were given by name.
    pub(super) names: Names,
}

impl Dataset {
    /// Inputs and targets: one array each, or several for a model of several inputs or outputs;
    /// targets by the names of the outputs ([`OutputArrays`]), or in their order. Fails when they
    /// do not have equally many samples, or none.
    pub fn new(x: impl IntoArrays, y: impl IntoOutputArrays) -> Result<Self> {
        let mut dataset = Self::inputs_only(x)?;
        let OutputArrays { names, arrays } = y.into();
        let targets = arrays.into_vec()?;
        targets.iter().try_for_each(|targets| dataset.check_count("targets", targets))?;
        dataset.targets = targets;
        dataset.names.targets = once("targets", names)?;
        Ok(dataset)
    }

    /// Inputs without targets: for predictions, and for models trained on their internal losses
    /// alone.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([[1.0_f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!((data.len(), data.targets()), (2, None));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn inputs_only(x: impl IntoArrays) -> Result<Self> {
        let inputs = x.into().into_vec()?;
        let Some(first) = inputs.first() else {
            return Err(Error::data("a dataset was given no inputs", "give at least one array"));
        };
        if samples_of("inputs", first)? == 0 {
            let message = format!("the inputs have no samples: their shape is {}", first.shape());
            return Err(Error::data(message, "give at least one sample"));
        }
        let dataset = Self {
            inputs,
            targets: Vec::new(),
            sample_weights: Vec::new(),
            names: Names::default(),
        };
        dataset.inputs.iter().try_for_each(|inputs| dataset.check_count("other inputs", inputs))?;
        Ok(dataset)
    }

    /// Weights for the samples in the losses and weighted metrics: `[samples]`, `[samples, 1]`, or
    /// one weight for each of a sample's steps; for several targets one array for all of them, one
    /// for each, or arrays by the names of the outputs, where those that are left out weigh 1.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::new([[1.0_f32], [2.0]], [[0.0_f32], [1.0]])?
    ///     .with_sample_weight([1.0_f32, 3.0])?;
    /// assert_eq!(data.sample_weight().map(|weight| weight.get(1)), Some(3.0));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn with_sample_weight(mut self, weight: impl IntoOutputArrays) -> Result<Self> {
        let OutputArrays { names, arrays } = weight.into();
        let weights = arrays.into_vec()?;
        if names.is_none() && weights.len() != 1 && weights.len() != self.targets.len() {
            let message = format!(
                "{} arrays of sample weights for {} targets",
                weights.len(),
                self.targets.len()
            );
            return Err(Error::argument(message, "give one for all targets, or one for each"));
        }
        weights.iter().try_for_each(|weight| self.check_count("sample weights", weight))?;
        let float = |weight: Array| {
            if weight.dtype().is_float() { weight } else { weight.cast(DType::F32) }
        };
        self.sample_weights = weights.into_iter().map(float).collect();
        self.names.sample_weights = once("sample weights", names)?;
        Ok(self)
    }

    /// The same samples, all of the same weight.
    #[must_use]
    pub fn without_sample_weight(mut self) -> Self {
        self.sample_weights.clear();
        self.names.sample_weights.clear();
        self
    }

    /// The same samples with other inputs: those that a scaler gave, for example.
    ///
    /// ```
    /// use endo::data::{Dataset, StandardScaler};
    /// let train = Dataset::new([[1.0_f32], [3.0]], [[0.0_f32], [1.0]])?;
    /// let scaler = StandardScaler::fit(train.inputs())?;
    /// let train = train.with_inputs(scaler.transform(train.inputs())?)?;
    /// assert_eq!(train.inputs(), &[[-1.0_f32], [1.0]].into());
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn with_inputs(&self, x: impl IntoArrays) -> Result<Self> {
        let inputs = x.into().into_vec()?;
        inputs.iter().try_for_each(|inputs| self.check_count("new inputs", inputs))?;
        Ok(Self { inputs, ..self.clone() })
    }

    /// The number of samples; at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.inputs[0].shape().batch()
    }

    /// What goes into the model, the first of several; the first axis counts the samples.
    pub fn inputs(&self) -> &Array {
        &self.inputs[0]
    }

    /// What the model should give, the first of several.
    pub fn targets(&self) -> Option<&Array> {
        self.targets.first()
    }

    /// How much each sample counts, the first of several.
    pub fn sample_weight(&self) -> Option<&Array> {
        self.sample_weights.first()
    }

    /// All inputs of a model of several.
    pub fn all_inputs(&self) -> &[Array] {
        &self.inputs
    }

    /// All targets of a model of several outputs; none if there are none.
    pub fn all_targets(&self) -> &[Array] {
        &self.targets
    }

    /// The sample weights: none, one for all targets, or one for each.
    pub fn all_sample_weights(&self) -> &[Array] {
        &self.sample_weights
    }

    /// Fails when a number is not finite, naming the first one's row and column. Targets of samples
    /// without a label may be NaN if their sample weight is 0.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([[1.0_f32, 2.0], [f32::NAN, 4.0]])?;
    /// let error = data.check_finite().unwrap_err();
    /// assert!(error.message().contains("inputs[1, 0] is NaN: row 1, column 0"));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn check_finite(&self) -> Result<()> {
        self.check_finite_but(&[])
    }

    /// Inputs and targets in batches, in order, the last one as short as it comes. Fails when the
    /// batch size is 0, when there are no targets, and when there are sample weights, which a pair
    /// would leave out.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let train = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
    /// let sizes: Vec<usize> = train.batches(2)?.map(|(x, _)| x.shape().batch()).collect();
    /// assert_eq!(sizes, [2, 1]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn batches(&self, batch_size: usize) -> Result<Batches<(Array, Array)>> {
        if !self.sample_weights.is_empty() {
            let message = "the dataset has sample weights, which batches of (x, y) would leave out";
            let help = "use `weighted_batches`, or drop them with `without_sample_weight`";
            return Err(Error::usage(message, help));
        }
        let source = (self.only_inputs()?.clone(), self.require_targets()?.clone());
        Batches::new(self.len(), batch_size, source, |(x, y), indices| {
            (x.take(indices), y.take(indices))
        })
    }

    /// Inputs, targets and sample weights in batches; weights are 1 when the dataset has none.
    /// Fails when the batch size is 0 or there are no targets.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let train =
    ///     Dataset::new([[1], [2], [3]], [1, 2, 3])?.with_sample_weight([0.5_f32, 1.0, 2.0])?;
    /// for (x, _y, weight) in train.weighted_batches(2)? {
    ///     assert_eq!(x.shape().batch(), weight.shape().batch());
    /// }
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn weighted_batches(&self, batch_size: usize) -> Result<Batches<(Array, Array, Array)>> {
        let weight = self
            .sample_weight()
            .cloned()
            .unwrap_or_else(|| Array::full(self.len(), 1.0, DType::F32));
        let source = (self.only_inputs()?.clone(), self.require_targets()?.clone(), weight);
        Batches::new(self.len(), batch_size, source, |(x, y, w), indices| {
            (x.take(indices), y.take(indices), w.take(indices))
        })
    }

    /// Inputs alone in batches. Fails when the batch size is 0.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// assert_eq!(data.input_batches(2)?.len(), 3);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn input_batches(&self, batch_size: usize) -> Result<Batches<Array>> {
        Batches::new(self.len(), batch_size, self.only_inputs()?.clone(), |x, indices| {
            x.take(indices)
        })
    }

    /// The order of the samples in an epoch, to be shuffled in place and cut into batches for
    /// [`gather_into`](Self::gather_into).
    pub fn order(&self) -> Order {
        Order::new(self.len())
    }

    /// Overwrites `batch` with the samples at `indices`. Allocates nothing when `batch` holds as
    /// many samples as there are indices and its arrays are not shared with a clone; otherwise
    /// makes it anew.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::new([[1], [2], [3], [4]], [1, 2, 3, 4])?;
    /// let mut order = data.order();
    /// let mut batch = data.rows(0..2)?;
    /// for epoch in 0..3 {
    ///     order.shuffle(42, epoch);
    ///     for indices in order.batches(2)? {
    ///         data.gather_into(indices, &mut batch)?;
    ///     }
    /// }
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn gather_into(&self, indices: &[usize], batch: &mut Dataset) -> Result<()> {
        self.share_gathering(indices, batch, &in_turn)
    }

    /// The same, in tasks that several threads may share.
    pub(crate) fn share_gathering(
        &self,
        indices: &[usize],
        batch: &mut Dataset,
        share: Share,
    ) -> Result<()> {
        self.check_indices(indices)?;
        let same = self.arrays().count() == batch.arrays().count()
            && self
                .arrays()
                .zip(batch.arrays())
                .all(|(a, b)| a.0 == b.0 && is_batch_of(a.1, indices.len(), b.1));
        if !same {
            *batch = self.map(|array| array.take(indices));
            return Ok(());
        }
        for (to, (_, from)) in batch.arrays_mut().zip(self.arrays()) {
            to.share_rows(from, indices, share);
        }
        Ok(())
    }

    /// The inputs, when there is one array of them and at most one of targets: what pairs are made
    /// of.
    fn only_inputs(&self) -> Result<&Array> {
        if self.inputs.len() > 1 || self.targets.len() > 1 {
            let message = format!(
                "the dataset has {} inputs and {} targets: a pair holds one of each",
                self.inputs.len(),
                self.targets.len()
            );
            let help = "cut it with `rows` or `take`, and read `all_inputs` and `all_targets`";
            return Err(Error::usage(message, help));
        }
        Ok(self.inputs())
    }

    pub(super) fn require_targets(&self) -> Result<&Array> {
        let missing = || {
            let help = "make it with `Dataset::new(x, y)`, or use `input_batches` for inputs alone";
            Error::data("the dataset has inputs only: there are no targets", help)
        };
        self.targets.first().ok_or_else(missing)
    }

    fn arrays(&self) -> impl Iterator<Item = (&'static str, &Array)> {
        let inputs = self.inputs.iter().map(|array| ("inputs", array));
        let targets = self.targets.iter().map(|array| ("targets", array));
        let weights = self.sample_weights.iter().map(|array| ("sample_weight", array));
        inputs.chain(targets).chain(weights)
    }

    fn arrays_mut(&mut self) -> impl Iterator<Item = &mut Array> {
        self.inputs.iter_mut().chain(&mut self.targets).chain(&mut self.sample_weights)
    }

    fn map(&self, f: impl Fn(&Array) -> Array) -> Self {
        let [inputs, targets, sample_weights] = [&self.inputs, &self.targets, &self.sample_weights]
            .map(|arrays| arrays.iter().map(&f).collect());
        Self { inputs, targets, sample_weights, names: self.names.clone() }
    }

    fn check_count(&self, name: &str, array: &Array) -> Result<()> {
        let samples = samples_of(name, array)?;
        if samples != self.len() {
            let shapes = format!("inputs {}, {name} {}", self.inputs().shape(), array.shape());
            let message = format!(
                "the inputs have {} samples, but the {name} have {samples}: {shapes}",
                self.len()
            );
            let help = "the first axis counts the samples and must be the same";
            return Err(Error::shape(message, help));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
