//! What a run trains on and what it validates on, and what is asked of both before anything is trained.
//!
//! In: data and the options of `fit`. Out: targets and weights in the order of the outputs; or the first error.

use std::borrow::Cow;

use crate::data::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tree;
use crate::step::cache::StepKind;
use crate::step::{Runner, Steps};

use super::Fit;

/// The data of a run.
pub(super) struct TrainingData<'a> {
    pub train: Cow<'a, Dataset>,
    pub validation: Option<Cow<'a, Dataset>>,
}

impl<'a> TrainingData<'a> {
    /// Data to train on, and data or a share of it to validate on.
    #[track_caller]
    pub fn new<I: Tree, O: Tree>(steps: &Steps<I, O>, data: &'a Dataset, options: &Fit<'a>) -> Result<Self> {
        // Classes are counted over all of the data, also where a part of it is for validation, which has no class weights.
        let mut whole = steps.arranged(Cow::Borrowed(data))?;
        let is_class_weighted = !options.class_weight.is_empty();
        if is_class_weighted {
            whole = Cow::Owned(steps.class_weighted(&whole, &options.class_weight)?);
        }
        let split = options.validation_split.map(|share| whole.split_last(share)).transpose()?;
        match (split, options.validation) {
            (Some(_), Some(_)) => {
                let message = "`fit` was given both validation data and a validation split";
                Err(Error::new(ErrorKind::Argument, message).help("give one of the two"))
            }
            (Some((train, valid)), None) => {
                let valid = if is_class_weighted { valid.without_sample_weight() } else { valid };
                Ok(Self { train: Cow::Owned(train), validation: Some(Cow::Owned(valid)) })
            }
            (None, validation) => {
                let validation = validation.map(|data| steps.arranged(Cow::Borrowed(data))).transpose()?;
                Ok(Self { train: whole, validation })
            }
        }
    }
}

/// Fails for data to train and to validate on that cannot be, and for a validation without anything to compute.
#[track_caller]
pub(super) fn check<I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    [train, validation]: [Option<&Cow<'_, Dataset>>; 2],
    batch_size: usize,
) -> Result<()> {
    let all = || [train, validation].into_iter().flatten();
    if steps.try_compiled()?.is_none() && validation.is_none() {
        return all().try_for_each(|data| data.check_finite());
    }
    steps.compiled()?;
    let first = |data: &Dataset| data.rows(0..batch_size.min(data.len()));
    if let Some(train) = train.filter(|_| !steps.net.is_built()) {
        // Whether a label may be missing is known once the model is built.
        all().try_for_each(|data| data.check_finite_but(&(0..data.all_targets().len()).collect::<Vec<_>>()))?;
        steps.net.build_on(first(train)?.all_inputs())?;
    }
    all().try_for_each(|data| steps.check_finite(data))?;
    all().try_for_each(|data| steps.check_targets(data))?;
    match validation {
        Some(validation) => Runner::new(steps, StepKind::Test).variables((&first(validation)?).into()).map(|_| ()),
        None => Ok(()),
    }
}
