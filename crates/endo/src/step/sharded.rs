//! Steps on batches that are cut into shards: the shards of this process one after the other, the
//! sums over those of all, and one update from the sums, which is the same on every rank.
//!
//! In: the rows of each shard. Out: the terms of the loss of the whole batch, with weights and
//! metrics updated; or an error that all ranks have, with nothing changed.

use std::ops::{AddAssign, Range};
use std::sync::Arc;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Occasion, Tree};
use crate::shards::{Block, ShardNumbers, ShardSum, Sharding, Taking};
use crate::trace::sharded::{DIVISORS, ShardStage, SumLayout};
use crate::trace::{Pool, Program};

use super::cache::{OutputNames, StepKind};
use super::{Batch, Runner, Steps};

/// Where the rows of a batch come from.
pub(crate) trait ShardSource {
    /// How many rows the batch has.
    fn rows(&self) -> usize;

    /// Some of them.
    fn shard(&mut self, rows: Range<usize>) -> Result<Batch<'_>>;
}

/// Arrays of the shapes and types of a shard's: inputs, targets, sample weights.
struct SampleBatch([Vec<Array>; 3]);

impl SampleBatch {
    fn of(batch: Batch<'_>) -> Self {
        Self([batch.inputs.to_vec(), batch.targets.to_vec(), batch.weights.to_vec()])
    }

    /// A batch of them, given sums over shards.
    fn with<'a>(&'a self, given: &'a [Array]) -> Batch<'a> {
        let [inputs, targets, weights] = &self.0;
        Batch { inputs, targets, weights, given, rows: &[] }
    }
}

/// The steps of one kind of a loop, on batches that are cut into shards.
pub(crate) struct ShardedRunner<'m, I: Tree, O: Tree> {
    steps: &'m Steps<I, O>,
    sharding: &'m Sharding,
    kind: StepKind,
    divisors: Runner<'m, I, O>,
    parts: Runner<'m, I, O>,
    update: Runner<'m, I, O>,
    /// The arrays of a shard with which the update is traced; their numbers play no part.
    sample: Option<SampleBatch>,
    layout: Option<Arc<SumLayout>>,
    names: OutputNames,
    /// The share of a shard, and after it the divisors of the batch.
    given: [Array; 1],
    sum: ShardSum,
    divisor_sum: ShardSum,
    values: Vec<f64>,
    /// Whether the terms of a whole batch were compared with those by shards.
    compared: bool,
    deny_warnings: bool,
    /// Whether the last run traced a step.
    pub traced: bool,
    /// What random numbers of the next run are drawn for; those of a training step if none.
    pub occasion: Option<Occasion>,
}

impl<'m, I: Tree, O: Tree> ShardedRunner<'m, I, O> {
    /// Fails for what cannot be cut into shards.
    pub fn new(steps: &'m Steps<I, O>, sharding: &'m Sharding, kind: StepKind) -> Result<Self> {
        sharding.shards.check(sharding.link.ranks())?;
        if steps.eager {
            let message = "a model that runs eagerly cannot have its batches cut into shards";
            let help = "leave out `run_eagerly`, or train without shards";
            return Err(Error::usage(message, help));
        }
        let runner = |stage: ShardStage| {
            let mut runner = Runner::new(steps, kind);
            runner.shard = Some((stage, Arc::default()));
            runner
        };
        Ok(Self {
            steps,
            sharding,
            kind,
            divisors: runner(ShardStage::Divisors),
            parts: runner(ShardStage::Parts),
            update: runner(ShardStage::Update),
            sample: None,
            layout: None,
            names: OutputNames::default(),
            given: [Array::zeros([1 + DIVISORS], DType::F64)],
            sum: ShardSum::default(),
            divisor_sum: ShardSum::default(),
            values: Vec::new(),
            compared: false,
            deny_warnings: false,
            traced: false,
            occasion: None,
        })
    }

    /// Whether a warning is an error, and whether numbers that are not finite are trained on.
    pub fn configure(&mut self, deny_warnings: bool, unchecked: bool) {
        for runner in [&mut self.divisors, &mut self.parts, &mut self.update] {
            (runner.deny_warnings, runner.unchecked) = (deny_warnings, unchecked);
        }
        // What is not finite in the sums was looked for in the shards.
        self.update.replays = false;
        self.deny_warnings = deny_warnings;
    }

    /// Whether a step that fails at a number that is not finite is computed again.
    pub fn replay(&mut self, replays: bool) {
        self.parts.replays = replays;
    }

    /// The threads of the model.
    pub fn pool(&self) -> &'m Pool {
        &self.steps.pool
    }

    /// Looks anew at which weights may change.
    pub fn refresh(&mut self) {
        let before = self.parts.replays;
        for runner in [&mut self.divisors, &mut self.parts, &mut self.update] {
            runner.refresh();
        }
        (self.parts.replays, self.update.replays) = (before, false);
        self.layout = None;
    }

    /// The names of the last batch's terms and what else is reported, and the values, the total
    /// first.
    pub fn outputs(&self) -> (&OutputNames, &[f64]) {
        (&self.names, &self.values)
    }

    /// The plans of a shard and of the update, as text: what all ranks have to have in common.
    #[track_caller]
    pub fn plans(&mut self, source: &mut dyn ShardSource) -> Result<String> {
        let layout = self.prepare(source)?;
        let rows = source.rows();
        let first = self.first_rows(rows);
        let Self { parts, given, .. } = self;
        let part = parts.step(Batch { given: &given[..], ..source.shard(first)? })?;
        let mut text = part.map_or_else(String::new, |step| step.program.plan().to_string());
        if self.kind == StepKind::Train {
            let blocks = block_sizes(&layout).map(Block::try_new);
            let sums = arrays(blocks.into_iter().collect::<Result<Vec<_>>>()?.iter());
            let Some(sample) = &self.sample else { return Ok(text) };
            let step = self.update.step(sample.with(&sums[..layout.arrays()]))?;
            text += &step.map_or_else(String::new, |step| step.program.plan().to_string());
        }
        Ok(text)
    }

    /// Runs a batch.
    #[track_caller]
    pub fn run(&mut self, source: &mut dyn ShardSource) -> Result<()> {
        self.traced = false;
        let layout = self.prepare(source)?;
        let rows = source.rows();
        let (shards, link) = (self.sharding.shards, &self.sharding.link);
        let is_present = |shard: usize| !shards.rows(shard, rows).is_empty();
        let occasion = self.occasion.unwrap_or_else(|| self.training_occasion());
        let mut failure: Option<Error> = None;
        if layout.divisors > 0 {
            let Self { divisors, given, divisor_sum, .. } = self;
            let sizes = [[layout.divisors + 1, 0], [0, 0]];
            let mut leaf = |shard: usize, numbers: &mut ShardNumbers<'_>, taking: Taking| {
                let range = shards.rows(shard, rows);
                let batch = part(divisors, source, range, occasion, given, rows);
                take_part(divisors, batch, None, (numbers, taking), &mut failure);
            };
            let sums = divisor_sum.run(link, shards, &is_present, sizes, &mut leaf);
            let sums = sums.map_err(|error| self.sharding.of_sum(error))?.wide();
            if sums[0] > 0.0 {
                return self.fail(failure);
            }
            let places = &mut self.given[0].as_mut_slice::<f64>().expect("it was made of f64")[1..];
            places[..layout.divisors].copy_from_slice(&sums[1..]);
        }
        let Self { parts, given, sum, .. } = self;
        let mut leaf = |shard: usize, numbers: &mut ShardNumbers<'_>, taking: Taking| {
            let range = shards.rows(shard, rows);
            let batch = part(parts, source, range, occasion, given, rows);
            take_part(parts, batch, layout.first_early, (numbers, taking), &mut failure);
        };
        let sums = sum.run(link, shards, &is_present, block_sizes(&layout), &mut leaf);
        let sums = sums.map_err(|error| self.sharding.of_sum(error))?;
        if sums.wide()[0] > 0.0 {
            return self.fail(failure);
        }
        self.traced |= self.parts.traced;
        self.values.clear();
        self.values.extend_from_slice(&sums.wide()[1..=self.names.count()]);
        if !std::mem::replace(&mut self.compared, true) {
            self.compare(source, occasion)?;
        }
        let (Some(sample), sums) = (self.sample.as_ref(), arrays(self.sum.last())) else {
            return Ok(());
        };
        if self.kind == StepKind::Train {
            self.update.run(sample.with(&sums[..layout.arrays()]))
        } else {
            add_totals(&layout, sums[0].as_slice::<f64>().unwrap_or_default())
        }
    }

    /// The error that one rank has, on all of them.
    fn fail(&mut self, failure: Option<Error>) -> Result<()> {
        self.sharding.require_success(failure)?;
        let message = "a shard of a batch has failed, and no rank says why";
        Err(Error::usage(message, "run the program again with one rank"))
    }

    /// What the random numbers of the next training step are drawn for: those of the step that an
    /// ordinary training would draw.
    fn training_occasion(&self) -> Occasion {
        let counter = self.steps.net.counter.value();
        Occasion::train(counter.as_slice::<i32>().map_or(0, |words| words[1] as u32))
    }

    /// The rows of the first shard that has any.
    fn first_rows(&self, rows: usize) -> Range<usize> {
        let shards = self.sharding.shards;
        let all = (0..shards.count()).map(|shard| shards.rows(shard, rows));
        all.into_iter().find(|range| !range.is_empty()).unwrap_or(0..rows)
    }

    /// Traces the step, unless it is known what it sums.
    #[track_caller]
    fn prepare(&mut self, source: &mut dyn ShardSource) -> Result<Arc<SumLayout>> {
        if let Some(layout) = &self.layout {
            return Ok(layout.clone());
        }
        let first = self.first_rows(source.rows());
        self.parts.occasion = Some(self.occasion.unwrap_or_else(|| self.training_occasion()));
        let Self { parts, given, sample, .. } = self;
        let batch = Batch { given: &given[..], ..source.shard(first)? };
        let step = parts.step(batch)?;
        let made = step.as_ref().map(|step| &step.made);
        let mut layout = made.map(|made| made.layout.clone()).unwrap_or_default();
        if let Some(step) = &step
            && let Some(first) = first_early(&layout, &step.program)
        {
            layout = layout.with_early(first);
        }
        let layout = Arc::new(layout);
        self.names = made.map(|made| made.names.clone()).unwrap_or_default();
        sample.get_or_insert_with(|| SampleBatch::of(batch));
        self.update.shard = Some((ShardStage::Update, layout.clone()));
        self.traced = true;
        Ok(self.layout.insert(layout).clone())
    }

    /// Compares the terms of a batch by shards with those of the batch as one, and warns where they
    /// differ: of terms that are no means over samples, and layers that look at the whole batch.
    #[track_caller]
    fn compare(&mut self, source: &mut dyn ShardSource, occasion: Occasion) -> Result<()> {
        if self.kind != StepKind::Train || self.sharding.shards.count() == 1 {
            return Ok(());
        }
        let mut whole = Runner::new(self.steps, self.kind);
        whole.shard = Some((ShardStage::Parts, Arc::default()));
        (whole.replays, whole.unchecked) = (false, true);
        let rows = source.rows();
        let batch = part(&mut whole, source, 0..rows, occasion, &mut self.given, rows)?;
        let mut terms = Vec::new();
        let ran = whole.run_into(batch, None, &mut |index, bytes| {
            if index == 0 {
                terms = bytemuck::cast_slice::<u8, f64>(bytes).to_vec();
            }
        });
        if ran.is_err() {
            return Ok(()); // it is a lint alone
        }
        let differs = |(&by_shards, &at_once): (&f64, &f64)| {
            let size = f64::max(by_shards.abs(), at_once.abs());
            (by_shards - at_once).abs() > TOLERANCE * size.max(f64::from(f32::MIN_POSITIVE))
        };
        let pairs = self.names.terms.iter().zip(self.values[1..].iter().zip(&terms[1..]));
        let other = pairs.filter(|(_, pair)| differs(*pair));
        let warnings: Vec<String> = other
            .map(|(name, (by_shards, at_once))| {
                format!(
                    "the loss term `{name}` is {by_shards:.6} as the mean over the {} shards of \
                     the first batch, and {at_once:.6} of the batch as one: it is no mean over \
                     samples, or a layer looks at the whole batch, and so it is trained on by \
                     shards",
                    self.sharding.shards
                )
            })
            .collect();
        match warnings.first() {
            Some(warning) if self.deny_warnings => {
                let help = "make the term a mean over samples, or train without shards";
                Err(Error::usage(warning, help))
            }
            _ => {
                self.steps.net.warn(warnings);
                Ok(())
            }
        }
    }
}

/// How much the terms of a batch by shards may differ from those of the batch as one, by rounding.
const TOLERANCE: f64 = 1e-3;

/// Early gradients of fewer bytes, or at which less than a share of the work is left, are not worth
/// a message of their own.
const EARLY_BYTES: usize = 1 << 18;
const EARLY_SHARE: f64 = 0.05;

/// The first output of a shard's step that is sent while the rest is computed, if any is: such that
/// as large a share of the gradients as possible has as large a share of the work beside it. It is
/// the same on all ranks, since the plan is, and does not depend on how many there are.
fn first_early(layout: &SumLayout, program: &Program) -> Option<usize> {
    let sizes: Vec<usize> = layout.gradient_sizes().collect();
    let all: usize = sizes.iter().sum();
    let plan = program.plan();
    let (completion, work_left) = (plan.completion(), plan.work_left());
    // Output 0 has the wide numbers, and at least one gradient stays for the end.
    let cuts = (2..=sizes.len()).filter_map(|first| {
        let early: usize = sizes[first - 1..].iter().sum();
        let share = f64::min(early as f64 / all as f64, work_left[completion[first]]);
        (early * 4 >= EARLY_BYTES && share >= EARLY_SHARE).then_some((first, share))
    });
    cuts.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(first, _)| first)
}

/// The sizes of the late and the early block.
fn block_sizes(layout: &SumLayout) -> [[usize; 2]; 2] {
    let [wide, late, early] = layout.sizes;
    [[wide, late], [0, early]]
}

/// The arrays of sums of the late and the early block, in the order of
/// [`SumArray`](crate::trace::sharded::SumArray).
fn arrays<'a>(mut blocks: impl Iterator<Item = &'a Block>) -> Vec<Array> {
    let late = blocks.next().into_iter();
    let late = late.flat_map(|block| [block.wide.clone(), block.narrow.clone()]);
    // The early block has no wide numbers.
    late.chain(blocks.map(|block| block.narrow.clone())).collect()
}

/// Runs the step of a shard, whose numbers go into its blocks, or are added there: in the late one
/// after one that says that it has not failed. Nothing is run after a failure.
#[track_caller]
fn take_part<I: Tree, O: Tree>(
    runner: &mut Runner<'_, I, O>,
    batch: Result<Batch<'_>>,
    first_early: Option<usize>,
    (numbers, taking): (&mut ShardNumbers<'_>, Taking),
    failure: &mut Option<Error>,
) {
    // How many gradients of each block have come, and whether all was as expected.
    let (mut late, mut early, mut fits) = (0, 0, true);
    let mut take = |index: usize, bytes: &[u8]| {
        if index == 0 {
            let values: &[f64] = bytemuck::cast_slice(bytes);
            fits &= values.len() + 1 == numbers.late.wide.len();
            fits &= put(numbers.late.wide(), 1, values, taking);
            return;
        }
        let is_early = first_early.is_some_and(|first| index >= first);
        let values: &[f32] = bytemuck::cast_slice(bytes);
        if values.is_empty() {
            return;
        }
        let (start, block) = if is_early {
            (&mut early, numbers.early())
        } else {
            (&mut late, Some(&mut *numbers.late))
        };
        let Some(block) = block else { return fits = false };
        fits &= put(block.narrow(), *start, values, taking);
        *start += values.len();
        if is_early && *start == block.narrow.len() {
            numbers.give_early();
        }
    };
    let ran = match failure {
        None => batch.and_then(|batch| runner.run_into(batch, first_early, &mut take)),
        Some(_) => Ok(()),
    };
    fits &= late == numbers.late.narrow.len() && numbers.early().is_none();
    let block = &mut *numbers.late;
    match ran {
        Ok(()) if failure.is_some() => mark_failed(block),
        Ok(()) if fits => {
            if taking == Taking::Replace {
                block.wide()[0] = 0.0;
            }
        }
        Ok(()) => refuse(other_terms(), failure, block),
        Err(error) => refuse(error, failure, block),
    }
}

/// Writes numbers to places from one on, or adds them; says whether there are as many places.
fn put<T: Copy + AddAssign>(places: &mut [T], start: usize, numbers: &[T], taking: Taking) -> bool {
    let Some(places) = places.get_mut(start..start + numbers.len()) else { return false };
    match taking {
        Taking::Replace => places.copy_from_slice(numbers),
        Taking::Add => {
            for (place, &number) in places.iter_mut().zip(numbers) {
                *place += number;
            }
        }
    }
    true
}

/// The batch of a shard, with what its step is given besides.
fn part<'b, I: Tree, O: Tree>(
    runner: &mut Runner<'_, I, O>,
    source: &'b mut dyn ShardSource,
    range: Range<usize>,
    occasion: Occasion,
    given: &'b mut [Array; 1],
    rows: usize,
) -> Result<Batch<'b>> {
    let share = range.len() as f64 / rows as f64;
    given[0].as_mut_slice::<f64>().expect("it was made of f64")[0] = share;
    runner.occasion = Some(occasion.later_by(range.start));
    Ok(Batch { given: &given[..], ..source.shard(range)? })
}

/// Notes why a shard has failed.
fn refuse(error: Error, failure: &mut Option<Error>, block: &mut Block) {
    failure.get_or_insert(error);
    mark_failed(block);
}

fn mark_failed(block: &mut Block) {
    block.wide().fill(0.0);
    block.narrow().fill(0.0);
    block.wide()[0] = 1.0;
}

fn other_terms() -> Error {
    let message = "shards of different numbers of rows have different terms, metrics or gradients";
    let help = "let what the model computes not depend on the number of rows";
    Error::usage(message, help)
}

/// Adds sums over shards to the totals of metrics.
fn add_totals(layout: &SumLayout, sums: &[f64]) -> Result<()> {
    for place in &layout.additions {
        let before = place.variable.value();
        let sums = &sums[place.start..place.start + before.len()];
        let after: Vec<f32> = before
            .to_vec::<f32>()
            .iter()
            .zip(sums)
            .map(|(before, sum)| before + *sum as f32)
            .collect();
        place.variable.set(&Array::new(before.shape().clone(), after)?.cast(before.dtype()))?;
    }
    Ok(())
}
