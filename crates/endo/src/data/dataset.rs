//! Samples to learn from: inputs, and optionally targets and sample weights, whose first axes count
//! the same samples.
//!
//! In: arrays. Out: [`Dataset`], checked once when it is made, cheap to clone, split and shuffled
//! by seed.

use std::ops::Range;

use super::arrays::{IntoArrays, IntoOutputArrays, Names, OutputArrays, once};
use super::batches::{Batches, Order};
use super::checks::{check_fraction, is_batch_of, samples_of};
use crate::array::{Array, Share, in_turn};
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::random::Random;

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
            return Err(Error::new(ErrorKind::Data, "a dataset was given no inputs")
                .help("give at least one array"));
        };
        if samples_of("inputs", first)? == 0 {
            let message = format!("the inputs have no samples: their shape is {}", first.shape());
            return Err(Error::new(ErrorKind::Data, message).help("give at least one sample"));
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
    /// one weight for each
    /// of a sample's steps; for several targets one array for all of them, one for each, or arrays
    /// by the names of the outputs, where those that are left out weigh 1.
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
            return Err(Error::new(ErrorKind::Argument, message)
                .help("give one for all targets, or one for each"));
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

    /// The samples of a range.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
    /// assert_eq!(data.rows(1..3)?, Dataset::new([[2], [3]], [2, 3])?);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn rows(&self, range: Range<usize>) -> Result<Self> {
        if range.is_empty() || range.end > self.len() {
            let message = format!("rows {range:?} of a dataset of {} samples", self.len());
            return Err(Error::new(ErrorKind::Argument, message)
                .help("give a range of at least one row that ends within the dataset"));
        }
        Ok(self.map(|array| array.rows(range.clone())))
    }

    /// The samples with the given indices, in their order; an index may come more than once.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::new([[1], [2], [3]], [1, 2, 3])?;
    /// assert_eq!(data.take(&[2, 0])?, Dataset::new([[3], [1]], [3, 1])?);
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn take(&self, indices: &[usize]) -> Result<Self> {
        self.check_indices(indices)?;
        Ok(self.map(|array| array.take(indices)))
    }

    /// The samples in random order, a function of the seed.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// assert_eq!(data.shuffled(42), data.shuffled(42));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        // Its own stream of the seed: not the order of any epoch of `Order::shuffle`.
        const STREAM: u64 = u64::MAX;
        let order = Random::new(seed, STREAM).permutation(self.len());
        self.map(|array| array.take(&order))
    }

    /// The samples, shuffled by seed, in two parts: the rest, and the nearest whole number of
    /// samples to `fraction`.
    /// Fails when the fraction is not between 0 and 1, or when a part would be empty.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// let (train, test) = data.split(0.2, 42)?;
    /// assert_eq!((train.len(), test.len()), (4, 1));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        check_fraction(fraction)?;
        let part = (self.len() as f64 * fraction).round() as usize;
        self.shuffled(seed).cut(self.len() - part, fraction)
    }

    /// The samples, as they lie, in two parts: the first ones, and the last `fraction` of them. As
    /// Keras's `validation_split`, which cuts after `floor(samples * (1 - fraction))`.
    ///
    /// ```
    /// use endo::data::Dataset;
    /// let data = Dataset::inputs_only([1, 2, 3, 4, 5])?;
    /// let (train, valid) = data.split_last(0.3)?;
    /// assert_eq!((train.len(), valid.inputs()), (3, &[4, 5].into()));
    /// # Ok::<(), endo::Error>(())
    /// ```
    pub fn split_last(&self, fraction: f64) -> Result<(Self, Self)> {
        check_fraction(fraction)?;
        let first = (self.len() as f64 * (1.0 - fraction)).floor() as usize;
        self.cut(first, fraction)
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
            let error = Error::new(
                ErrorKind::Usage,
                "the dataset has sample weights, which batches of (x, y) would leave out",
            );
            return Err(
                error.help("use `weighted_batches`, or drop them with `without_sample_weight`")
            );
        }
        let source = (self.only_inputs()?.clone(), self.require_targets()?.clone());
        Batches::new(self.len(), batch_size, source, |(x, y), indices| {
            (x.take(indices), y.take(indices))
        })
    }

    /// Inputs, targets and sample weights in batches; weights are 1 when the dataset has none.
    /// Fails when the batch size
    /// is 0 or there are no targets.
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
            return Err(Error::new(ErrorKind::Usage, message)
                .help("cut it with `rows` or `take`, and read `all_inputs` and `all_targets`"));
        }
        Ok(self.inputs())
    }

    pub(super) fn require_targets(&self) -> Result<&Array> {
        let missing = || {
            Error::new(ErrorKind::Data, "the dataset has inputs only: there are no targets")
                .help("make it with `Dataset::new(x, y)`, or use `input_batches` for inputs alone")
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

    fn cut(&self, first: usize, fraction: f64) -> Result<(Self, Self)> {
        if first == 0 || first == self.len() {
            let message = format!(
                "a split of {} samples by {fraction} leaves a part without samples",
                self.len()
            );
            return Err(Error::new(ErrorKind::Argument, message)
                .help("give a fraction nearer to 0.5, or more samples"));
        }
        Ok((self.rows(0..first)?, self.rows(first..self.len())?))
    }

    fn check_count(&self, name: &str, array: &Array) -> Result<()> {
        let samples = samples_of(name, array)?;
        if samples != self.len() {
            let shapes = format!("inputs {}, {name} {}", self.inputs().shape(), array.shape());
            let message = format!(
                "the inputs have {} samples, but the {name} have {samples}: {shapes}",
                self.len()
            );
            return Err(Error::new(ErrorKind::Shape, message)
                .help("the first axis counts the samples and must be the same"));
        }
        Ok(())
    }

    fn check_indices(&self, indices: &[usize]) -> Result<()> {
        if let Some(index) = indices.iter().find(|&&index| index >= self.len()) {
            let message =
                format!("there is no sample {index} in a dataset of {} samples", self.len());
            return Err(Error::new(ErrorKind::Argument, message).help("indices count from 0"));
        }
        if indices.is_empty() {
            let error = Error::new(
                ErrorKind::Argument,
                "no indices were given: a dataset has at least one sample",
            );
            return Err(error.help("give at least one index"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(samples: usize) -> Dataset {
        let x = Array::from_fn([samples, 2], |i| i as f32);
        Dataset::new(x, Array::from_fn([samples, 1], |i| i as f32)).unwrap()
    }

    fn targets(data: &Dataset) -> Vec<f64> {
        data.targets().unwrap().to_vec()
    }

    #[test]
    fn unequal_sample_counts_are_refused_with_both() {
        let error = Dataset::new([[1.0_f32], [2.0]], [[1.0_f32], [2.0], [3.0]]).unwrap_err();
        assert!(
            error.message().contains("inputs have 2 samples, but the targets have 3"),
            "{error}"
        );
        assert!(error.message().contains("inputs [2, 1], targets [3, 1]"), "{error}");
        assert!(counted(2).with_sample_weight([1.0_f32]).is_err());
    }

    #[test]
    fn zero_samples_and_arrays_without_axes_are_refused() {
        let error = Dataset::inputs_only(Array::zeros([0, 8], DType::F32)).unwrap_err();
        assert!(error.message().contains("no samples: their shape is [0, 8]"), "{error}");
        assert!(Dataset::inputs_only(1.0_f32).unwrap_err().message().contains("without axes"));
        assert!(
            counted(3).rows(1..1).is_err()
                && counted(3).take(&[]).is_err()
                && counted(3).take(&[3]).is_err()
        );
    }

    #[test]
    fn a_split_is_a_function_of_the_seed_and_keeps_inputs_with_their_targets() {
        let data = counted(10);
        let (rest, part) = data.split(0.3, 7).unwrap();
        assert_eq!((rest.len(), part.len()), (7, 3));
        assert_eq!((rest.clone(), part.clone()), data.split(0.3, 7).unwrap());
        assert_ne!(targets(&part), targets(&data.split(0.3, 8).unwrap().1));
        let mut all = [targets(&rest), targets(&part)].concat();
        all.sort_by(f64::total_cmp);
        assert_eq!(all, targets(&data));
        assert!(
            (0..3).all(|row| part.inputs().get(2 * row) == 2.0 * part.targets().unwrap().get(row))
        );
    }

    #[test]
    fn splits_that_leave_a_part_empty_are_refused() {
        for fraction in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(
                counted(10).split(fraction, 0).unwrap_err().message().contains("between 0 and 1")
            );
        }
        assert!(
            counted(2)
                .split(0.1, 0)
                .unwrap_err()
                .message()
                .contains("2 samples by 0.1 leaves a part without")
        );
        assert!(counted(2).split_last(0.9).is_err());
    }

    #[test]
    fn split_last_takes_the_last_samples_in_order() {
        let (train, valid) = counted(5).split_last(0.5).unwrap();
        assert_eq!((targets(&train), targets(&valid)), (vec![0.0, 1.0], vec![2.0, 3.0, 4.0]));
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_named() {
        let mut y = vec![0.0_f64; 4];
        y[2] = f64::INFINITY;
        let data = Dataset::new([[1.0_f32], [2.0], [3.0], [4.0]], y).unwrap();
        assert!(data.check_finite().unwrap_err().message().contains("targets[2] is inf: row 2"));
        assert!(counted(3).check_finite().is_ok());
        assert!(
            data.clone()
                .with_sample_weight([1.0_f32, 1.0, 0.0, 1.0])
                .unwrap()
                .check_finite()
                .is_ok()
        );
        let error =
            data.with_sample_weight([1.0_f32, 0.0, 1.0, 1.0]).unwrap().check_finite().unwrap_err();
        assert!(
            error.advice().unwrap().ends_with("give samples without a label a sample weight of 0"),
            "{error}"
        );
    }

    #[test]
    fn gathering_writes_in_place_when_the_batch_has_the_right_size() {
        let data = counted(5).with_sample_weight([1.0_f32, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let mut batch = data.rows(0..2).unwrap();
        let place = |batch: &Dataset| batch.inputs().bytes().as_ptr();
        let before = place(&batch);
        data.gather_into(&[4, 1], &mut batch).unwrap();
        assert_eq!((place(&batch), batch.clone()), (before, data.take(&[4, 1]).unwrap()));
        data.gather_into(&[3], &mut batch).unwrap();
        assert_eq!(batch, data.take(&[3]).unwrap());
        assert!(data.gather_into(&[5], &mut batch).is_err());
    }
}
