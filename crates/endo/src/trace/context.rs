//! What a layer can reach while it is traced, besides its inputs.
//!
//! In: loss terms, metrics, weights and random draws of the layers applied. Out: to models and
//! loops, all of them by name.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::array::Array;
use crate::dtype::DType;
use crate::error::ErrorKind;
use crate::graph::{NodeId, Tensor, Trace};
use crate::ops::RandomState;
use crate::site::Site;
use crate::variable::Variable;

use super::attached::AttachedTerm;
use super::draws::OccasionDraws;
use super::models::ModelFrame;
use super::record::{
    Carried, FirstValues, GivenGradient, HeldMetric, KernelChange, LayerRecord, MetricTerm,
    UsedWeight, Visit,
};
use super::scope::Scopes;
use super::sharded::ShardTrace;
use super::terms::{Steps, Term};
use super::weight::stream;

/// What a layer's `call` can reach while traced: weights, losses, metrics, whether it is training,
/// random numbers.
///
/// ```
/// # use endo::prelude::*;
/// // Outside of layers too, a context is what a closure is traced in.
/// let mut f = Function::new(|[x], cx| {
///     assert!(cx.training());
///     cx.add_loss("size", x.abs().mean());
///     [cx.losses().remove(0)]
/// });
/// assert_eq!(f.run([&[-1.0_f32, 3.0].into()])?[0].item()?, 2.0);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Context {
    pub(super) trace: Rc<Trace>,
    training: bool,
    pub(super) dtype: DType,
    seed: u64,
    counter: Variable,
    counters: Vec<Variable>,
    /// What random numbers follow instead of the counter, outside training.
    pub(super) occasion: Option<OccasionDraws>,
    draws: u32,
    /// The positions of the steps of the loops that are traced, outermost first.
    pub(super) positions: Vec<Tensor>,
    /// The further states of each of these loops, and of the last one that has ended.
    pub(super) carried: Vec<Vec<Carried>>,
    pub(super) last_carried: Vec<Tensor>,
    pub(super) scopes: Scopes,
    pub(super) batch: usize,
    /// The variables assigned, once for each assignment, and those of them that layers assigned.
    pub(super) assigned: Vec<Variable>,
    assigned_by_layers: Vec<Variable>,
    /// Whether optimizers update.
    updates: bool,
    /// Whether a step of a model is traced, whose metrics are reported wherever they are updated.
    pub(super) is_step: bool,
    pub(super) losses: Vec<Term>,
    /// The recurrence whose steps are traced.
    pub(super) steps: Option<Steps>,
    /// The models whose terms were asked for.
    pub(super) asked: Vec<u64>,
    /// The terms given to models from outside, by their addresses, with their places among the
    /// losses.
    pub(super) added_once: Vec<(usize, usize)>,
    pub(super) metrics: Vec<MetricTerm>,
    pub(super) held: Vec<HeldMetric>,
    pub(super) weights: Vec<UsedWeight>,
    /// What says the first values of weights instead of their initializers, the last one first.
    pub(super) first_values: Vec<FirstValues>,
    /// What layers do with the kernels of the layers that they apply, the last one first.
    pub(super) kernel_changes: Vec<KernelChange>,
    /// The gradients that optimizers were given.
    gradients: Vec<GivenGradient>,
    /// The models being applied, outermost first.
    pub(super) models: RefCell<Vec<ModelFrame>>,
    /// The models applied so far, with the names that messages have for them.
    pub(super) known_models: Vec<(u64, String)>,
    pub(super) layers: Vec<LayerRecord>,
    /// The calls of layers that have ended, inner before outer.
    pub(super) visits: Vec<Visit>,
    /// What the models being applied add to the outputs of layers.
    pub(super) attached: Vec<Arc<AttachedTerm>>,
    /// The name of the innermost layer that returned a value.
    pub(super) makers: FxHashMap<NodeId, String>,
    /// Which positions of a value count, where some do not.
    pub(super) masks: FxHashMap<NodeId, Tensor>,
    /// What layers round to numbers that a bfloat16 holds.
    pub(super) rounding: Rounding,
    /// The shard of a batch that is traced, where one is.
    pub(crate) shard: Option<ShardTrace>,
}

/// What layers round to numbers that a bfloat16 holds.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Rounding {
    /// Nothing.
    #[default]
    Nothing,
    /// What they hand on.
    Values,
    /// Their kernels, too, and what these are multiplied by.
    Kernels,
}

impl Context {
    /// The context of a new trace, with the counter that its random numbers follow.
    pub(crate) fn new(trace: Rc<Trace>, training: bool, dtype: DType, counter: Variable) -> Self {
        Self {
            trace,
            training,
            dtype,
            seed: 0,
            counter,
            counters: Vec::new(),
            occasion: None,
            draws: 0,
            positions: Vec::new(),
            carried: Vec::new(),
            last_carried: Vec::new(),
            scopes: Scopes::default(),
            batch: 1,
            assigned: Vec::new(),
            assigned_by_layers: Vec::new(),
            updates: true,
            is_step: false,
            asked: Vec::new(),
            losses: Vec::new(),
            steps: None,
            added_once: Vec::new(),
            metrics: Vec::new(),
            held: Vec::new(),
            weights: Vec::new(),
            first_values: Vec::new(),
            kernel_changes: Vec::new(),
            gradients: Vec::new(),
            models: RefCell::default(),
            known_models: Vec::new(),
            layers: Vec::new(),
            visits: Vec::new(),
            attached: Vec::new(),
            makers: FxHashMap::default(),
            masks: FxHashMap::default(),
            rounding: Rounding::default(),
            shard: None,
        }
    }

    /// A context on a trace at hand, for what is computed of its tensors outside of layers: a
    /// gradient of one's own. It knows nothing of the terms, metrics and layers of others.
    #[doc(hidden)]
    pub fn of_trace(trace: &Rc<Trace>, training: bool, counter: Variable) -> Self {
        Self::new(trace.clone(), training, DType::F32, counter)
    }

    /// The trace, for operations that start from nothing.
    pub fn trace(&self) -> &Rc<Trace> {
        &self.trace
    }

    /// Whether the model is being trained: dropout drops and batch normalization uses the batch's
    /// statistics.
    pub fn training(&self) -> bool {
        self.training
    }

    /// The float type of new weights: `f32` unless the function or model says otherwise.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Numbers as a constant of the trace.
    #[track_caller]
    pub fn constant(&self, array: impl Into<Array>) -> Tensor {
        self.trace.constant(array.into(), Site::caller())
    }

    /// The value of a variable: at the start of the run, or what it was last assigned in this
    /// trace. A variable that a model's `call` reads is the model's, like a
    /// [`Weight`](super::Weight): trained if it is trainable, and saved.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let scale = Variable::new("scale", 2.0_f32);
    /// let (dense, factor) =
    ///     (Dense::new(1).use_bias(false).kernel_initializer(Ones), scale.clone());
    /// let mut model =
    ///     Model::new(move |x: &Tensor, cx: &mut Context| dense.apply(x, cx) * cx.read(&factor));
    /// model.compile(Sgd::new(0.1), MeanSquaredError, ());
    /// model.train_on_batch(&Dataset::new([[1.0_f32]], [[0.0_f32]])?)?;
    /// assert_eq!(scale.value().item()? as f32, 1.6); // 2 - 0.1 * 2 * 2 * 1
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn read(&self, variable: &Variable) -> Tensor {
        self.note_read(variable);
        self.value_of(variable, Site::caller())
    }

    /// The value of a variable, or what stands for it.
    pub(super) fn value_of(&self, variable: &Variable, site: Site) -> Tensor {
        self.trace.stand_in(variable).unwrap_or_else(|| self.trace.read(variable, site))
    }

    /// Gives a variable a new value, from here on in the trace and after the run.
    #[track_caller]
    pub fn assign(&mut self, variable: &Variable, value: impl Borrow<Tensor>) {
        self.assign_at(variable, value.borrow(), Site::caller());
    }

    pub(super) fn assign_at(&mut self, variable: &Variable, value: &Tensor, site: Site) {
        if self.trace.stand_in(variable).is_some() {
            let message = format!(
                "`{}` is assigned where `apply_with` has given it another value",
                variable.name()
            );
            let help = "leave it out of the weights given to `apply_with`, or assign it outside";
            return self.trace.refuse(ErrorKind::Usage, message, help, site);
        }
        self.note_read(variable);
        self.trace.assign(variable, value, site);
        if self.trace.error().is_none() {
            self.assigned.push(variable.clone());
            if self.scopes.innermost().is_some() {
                self.assigned_by_layers.push(variable.clone());
            }
        }
    }

    /// The variables that layers have assigned so far.
    pub(crate) fn assigned_by_layers(&self) -> &[Variable] {
        &self.assigned_by_layers
    }

    /// Whether optimizers update: not where a step is tested.
    pub(crate) fn updates(&self) -> bool {
        self.updates
    }

    /// Whether a step of a model is traced.
    pub(crate) fn is_step(&self) -> bool {
        self.is_step
    }

    /// Runs `f`, the update of metrics that reports know already.
    pub(crate) fn with_compiled_metrics<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.is_step, false);
        let result = f(self);
        self.is_step = before;
        result
    }

    /// Begins the trace of a model's step: its metrics are reported wherever they are updated.
    pub(crate) fn begin_step(&mut self, updates: bool) {
        (self.is_step, self.updates) = (true, updates);
    }

    /// Adds to a variable.
    #[track_caller]
    pub fn assign_add(&mut self, variable: &Variable, value: impl Borrow<Tensor>) {
        let site = Site::caller();
        let sum = self.value_of(variable, site) + value.borrow().convert(variable.dtype(), site);
        self.assign_at(variable, &sum, site);
    }

    /// The variables assigned so far, once for each assignment.
    pub(crate) fn assigned(&self) -> &[Variable] {
        &self.assigned
    }

    /// A source of random numbers that no other draw of this trace shares. The numbers differ from
    /// step to step, from call to call of `predict`, and from row to row: see [`RandomState`].
    pub fn random(&mut self) -> RandomState {
        self.draws += 1;
        let place = stream(&format!("{}#{}", self.scopes.path(), self.draws)) as u32;
        let random = self.random_at(place);
        self.positions.iter().fold(random, RandomState::at_step)
    }

    #[track_caller]
    fn random_at(&mut self, place: u32) -> RandomState {
        if let Some(occasion) = &mut self.occasion {
            return occasion.random(&self.trace, place);
        }
        if !self.counters.contains(&self.counter) {
            self.counters.push(self.counter.clone());
        }
        let counter = self
            .trace
            .first_read(&self.counter)
            .unwrap_or_else(|| self.trace.read(&self.counter, Site::caller()));
        RandomState::new(counter, place)
    }

    /// How many sources of random numbers there are so far.
    pub(super) fn draws(&self) -> u32 {
        self.draws
    }

    /// Goes back to an earlier number of sources, so that each step of a loop draws from the same.
    pub(super) fn set_draws(&mut self, draws: u32) {
        self.draws = draws;
    }

    /// Something that is not wrong but probably not meant: reported when the trace ends.
    pub fn warn(&self, warning: impl Into<String>) {
        self.trace.warn(warning);
    }

    /// The path of the layer being traced; empty outside all layers.
    pub fn path(&self) -> &str {
        self.scopes.path()
    }

    /// Runs `f` with `training` as given, and puts the old value back.
    pub fn with_training<T>(&mut self, training: bool, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.training, training);
        let result = f(self);
        self.training = before;
        result
    }

    /// Runs `f` with a seed for the weights that it makes, and puts the old one back.
    pub fn with_weight_seed<T>(&mut self, seed: u64, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.seed, seed);
        let result = f(self);
        self.seed = before;
        result
    }

    /// Runs `f` with a model's seed for weights and its counter for random numbers, and puts the
    /// old ones back.
    pub(crate) fn with_randomness<T>(
        &mut self,
        seed: u64,
        counter: &Variable,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = (self.seed, std::mem::replace(&mut self.counter, counter.clone()));
        let outside =
            self.occasion.as_mut().map(|occasion| std::mem::replace(&mut occasion.seed, seed));
        self.seed = seed;
        let result = f(self);
        (self.seed, self.counter) = before;
        for (occasion, seed) in self.occasion.iter_mut().zip(outside) {
            occasion.seed = seed;
        }
        result
    }

    /// Notes the gradients that an optimizer is given; nothing is traced.
    pub(crate) fn give_gradients<'g>(
        &mut self,
        given: impl Iterator<Item = (&'g Variable, &'g Tensor)>,
        scale: Option<f64>,
    ) {
        let note = |(weight, gradient): (&Variable, &Tensor)| GivenGradient {
            weight: weight.clone(),
            gradient: gradient.clone(),
            scale,
        };
        self.gradients.extend(given.map(note));
    }

    /// The gradients that optimizers were given so far.
    pub(crate) fn given_gradients(&self) -> &[GivenGradient] {
        &self.gradients
    }

    /// The seed for the first values of weights.
    pub(crate) fn weight_seed(&self) -> u64 {
        self.seed
    }

    /// Moves the counters of the random numbers drawn in this trace on by one step.
    pub(crate) fn advance_counters(&mut self) {
        for counter in std::mem::take(&mut self.counters) {
            let next = self.read(&counter) + self.constant([0, 1]);
            self.assign(&counter, next);
        }
    }

    pub(super) fn full_name(&self, name: &str) -> String {
        let call = self.scopes.innermost().map_or(0, |frame| frame.call);
        let path = self.own_path(self.scopes.path());
        let name = if call == 0 { name.to_string() } else { format!("{name}_{call}") };
        if path.is_empty() { name } else { format!("{path}/{name}") }
    }
}
