//! What a run trains on and what it validates on, and what is asked of both before anything is
//! trained.
//!
//! In: data and the options of `fit`. Out: feeds of batches, with targets and weights in the order
//! of the outputs; or the first error.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use crate::data::stream::Origin;
use crate::data::{BatchAt, Dataset, Sampling, Stream};
use crate::error::{Error, Result};
use crate::graph::Tree;
use crate::step::cache::StepKind;
use crate::step::{Runner, Steps};

use super::Fit;
use super::feed::Feed;
use super::fit::NonFinite;

/// The data of a run.
pub(super) struct TrainingData<'a> {
    pub train: Feed<'a>,
    pub validation: Option<Feed<'a>>,
}

impl<'a> TrainingData<'a> {
    /// Data to train on, and data or a share of it to validate on.
    #[track_caller]
    pub fn new<I: Tree, O: Tree>(
        steps: &Steps<I, O>,
        data: Stream<'a>,
        options: &mut Fit<'a>,
    ) -> Result<Self> {
        options.check()?;
        let sampling = Sampling {
            batch_size: options.batch_size,
            seed: options.shuffle.then(|| steps.net.seed()),
        };
        let validation = options.validation.take();
        if validation.is_some() && options.validation_split.is_some() {
            let message = "`fit` was given both validation data and a validation split";
            return Err(Error::argument(message, "give one of the two"));
        }
        let batch_size = options.validation_batch_size.unwrap_or(options.batch_size);
        let (train, split) = match data.origin {
            Origin::Memory(data) => {
                let (train, split) = in_memory(steps, data, options)?;
                (Feed::memory(train, sampling)?, split)
            }
            Origin::Batches(source) => {
                if options.validation_split.is_some() {
                    let message = "`validation_split` sets rows of a data set apart, and a stream \
                        is read batch by batch";
                    let help = "give the rows to validate on as `validation`";
                    return Err(Error::argument(message, help));
                }
                let class_weight = std::mem::take(&mut options.class_weight);
                let checks = options.non_finite == NonFinite::Stop;
                (Feed::stream(source, sampling, class_weight, checks)?, None)
            }
        };
        let split = split.map(|split| Stream { origin: Origin::Memory(split) });
        let validation = match split.or(validation) {
            Some(data) => Some(to_test(steps, data, batch_size)?),
            None => None,
        };
        let mut data = Self { train, validation };
        data.train.seek(BatchAt { pass: steps.epochs.load(Ordering::Relaxed), batch: 0 })?;
        data.require_ends(options)?;
        Ok(data)
    }

    /// Fails where an epoch or a validation would have no end, or no second one.
    fn require_ends(&self, options: &Fit<'_>) -> Result<()> {
        let message = "the data is a stream without end, so that an epoch has none either";
        self.train.require_end(
            options.steps_per_epoch,
            message,
            "`Fit::epochs(10).steps_per_epoch(500)`",
        )?;
        if options.steps_per_epoch.is_none()
            && !self.train.can_seek()
            && options.epochs > options.initial_epoch + 1
        {
            let message = "the data is an iterator, which can be gone through once, and several \
                epochs are asked for";
            let help = "say how many of its batches are an epoch with `steps_per_epoch`, or make \
                it anew for each epoch with \
                        `Stream::by_epoch`";
            return Err(Error::usage(message, help));
        }
        let Some(validation) = &self.validation else { return Ok(()) };
        let message = "the validation data is a stream without end";
        validation.require_end(options.validation_steps, message, "`.validation_steps(50)`")?;
        let validations = options.epochs / options.validation_freq
            - options.initial_epoch / options.validation_freq;
        if options.validation_steps.is_none() && !validation.can_seek() && validations > 1 {
            let message = "the validation data is an iterator, which can be gone through once, \
                and several validations are asked for";
            let help = "say how many of its batches are a validation with `validation_steps`, or \
                make it anew for each with \
                        `Stream::by_epoch`";
            return Err(Error::usage(message, help));
        }
        Ok(())
    }

    /// Fails for data to train and to validate on that cannot be, and for a validation without
    /// anything to compute.
    #[track_caller]
    pub fn check<I: Tree, O: Tree>(&mut self, steps: &Steps<I, O>) -> Result<()> {
        if steps.try_compiled()?.is_none() && self.validation.is_none() {
            return self.train.in_memory().map_or(Ok(()), Dataset::check_finite);
        }
        steps.compiled()?;
        if !steps.net.is_built() {
            // Whether a label may be missing is known once the model is built.
            self.in_memory().try_for_each(|data| {
                data.check_finite_but(&(0..data.all_targets().len()).collect::<Vec<_>>())
            })?;
            steps.net.build_on(self.train.first(steps)?.all_inputs())?;
        }
        self.in_memory().try_for_each(|data| steps.check_finite(data))?;
        self.in_memory().try_for_each(|data| steps.check_targets(data))?;
        match &mut self.validation {
            Some(validation) => {
                let first = validation.first(steps)?;
                Runner::new(steps, StepKind::Test).variables((&first).into()).map(|_| ())
            }
            None => Ok(()),
        }
    }

    /// What is there of the data as a whole.
    fn in_memory(&self) -> impl Iterator<Item = &Dataset> {
        [Some(&self.train), self.validation.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(Feed::in_memory)
    }
}

/// Data in memory to train on, with weights by class, and the share of it to validate on.
#[track_caller]
fn in_memory<'a, I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    data: Cow<'a, Dataset>,
    options: &Fit<'a>,
) -> Result<(Cow<'a, Dataset>, Option<Cow<'a, Dataset>>)> {
    // Classes are counted over all of the data, also where a part of it is for validation, which
    // has no class weights.
    let mut whole = steps.arranged(data)?;
    let is_class_weighted = !options.class_weight.is_empty();
    if is_class_weighted {
        whole = Cow::Owned(steps.class_weighted(&whole, &options.class_weight, true)?);
    }
    let Some(share) = options.validation_split else { return Ok((whole, None)) };
    let (train, valid) = whole.split_last(share)?;
    let valid = if is_class_weighted { valid.without_sample_weight() } else { valid };
    Ok((Cow::Owned(train), Some(Cow::Owned(valid))))
}

/// Data to test with, in its own order.
#[track_caller]
pub(super) fn to_test<'a, I: Tree, O: Tree>(
    steps: &Steps<I, O>,
    data: Stream<'a>,
    batch_size: usize,
) -> Result<Feed<'a>> {
    let sampling = Sampling { batch_size, seed: None };
    let mut feed = match data.origin {
        Origin::Memory(data) => Feed::memory(steps.arranged(data)?, sampling)?,
        Origin::Batches(source) => Feed::stream(source, sampling, Vec::new(), true)?,
    };
    feed.restart()?; // some say only then how long they are
    Ok(feed)
}
