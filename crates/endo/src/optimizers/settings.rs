//! What all optimizers have: a learning rate, a count of steps, the options that Keras's base class
//! has, and slots.
//!
//! In: options with Keras's names, each a row of [`with_options!`]. Out: methods of every
//! optimizer, options of their text, and the pieces of a step that do not depend on the kind of
//! optimizer.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::site::Site;
use crate::variable::Variable;

use super::learning_rate::{IntoLearningRate, LearningRate};

/// The learning rate, the options that all optimizers share, and the variables that an optimizer
/// keeps.
///
/// ```
/// use endo::optimizers::Settings;
/// let settings = Settings::new(0.01).clipnorm(1.0).use_ema(true);
/// settings.set_learning_rate(0.001)?;
/// assert_eq!(settings.learning_rate()?, 0.001);
/// # Ok::<(), endo::Error>(())
/// ```
#[derive(Debug)]
pub struct Settings {
    learning_rate: LearningRate,
    /// What the learning rate follows instead, once it was told to.
    schedule: OnceLock<LearningRate>,
    iterations: Variable,
    weight_decay: Option<f64>,
    not_decayed: Vec<String>,
    pub(super) clip: Option<Clip>,
    use_ema: bool,
    ema_momentum: f64,
    pub(super) ema_overwrite_frequency: Option<usize>,
    pub(super) loss_scale_factor: Option<f64>,
    pub(super) gradient_accumulation_steps: Option<usize>,
    pub(super) is_lazy: bool,
    /// The first option that cannot be as it was given; reported where the optimizer is applied.
    problem: Option<Error>,
    /// By the identity of a weight and the slot's name.
    slots: Mutex<BTreeMap<(u64, String), Variable>>,
    /// The values that slots begin with when they are made, where they were read from a file.
    pub(super) restored: Mutex<BTreeMap<(u64, String), Array>>,
    /// Whether averages and weights have each other's values.
    pub(super) swapped: Arc<AtomicBool>,
}

/// How gradients are limited.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Clip {
    Value(f64),
    Norm(f64),
    GlobalNorm(f64),
}

/// The slots that belong to no weight are kept under this identity, which no variable has.
pub(super) const SHARED: u64 = u64::MAX;

/// The slot of a weight's moving average.
pub(super) const AVERAGE: &str = "average";

/// Gives the options of all optimizers to a macro, after what else it is given. A row is a method,
/// its argument and what that may be, the type as which text gives it, and what it does to the
/// settings.
macro_rules! with_options {
    ($macro:ident! { $($given:tt)* }) => {
        $macro! { { $($given)* }
            /// Moves every weight toward 0 by this share, times the learning rate, before its
            /// update: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization".
            weight_decay(decay: f64) {0.0..f64::INFINITY} as f64
                => |settings| settings.weight_decay = Some(decay);

            /// Spares weights whose names contain one of these words from weight decay:
            /// `["bias", "gamma"]`. A whole name stands between `^` and `$`.
            exclude_from_weight_decay(names: impl IntoIterator<Item = impl Into<String>>)
                as Vec<String>
                => |settings| settings.not_decayed = names.into_iter().map(Into::into).collect();

            /// Scales every gradient whose norm exceeds the limit down to it. Of the three ways to
            /// clip, one can be chosen.
            clipnorm(limit: f64) {f64::MIN_POSITIVE..} as f64
                => |settings| settings.clip_by(Clip::Norm(limit));

            /// Clips every element of every gradient to `[-limit, limit]`.
            clipvalue(limit: f64) {f64::MIN_POSITIVE..} as f64
                => |settings| settings.clip_by(Clip::Value(limit));

            /// Scales all gradients when the norm of all together exceeds the limit: Pascanu,
            /// Mikolov and Bengio 2013, algorithm 1.
            global_clipnorm(limit: f64) {f64::MIN_POSITIVE..} as f64
                => |settings| settings.clip_by(Clip::GlobalNorm(limit));

            /// Whether to keep a moving average of every weight, starting from its value after the
            /// first step: Polyak and Juditsky 1992. `Settings::finalize_variable_values` makes the
            /// averages the weights.
            use_ema(use_ema: bool) as bool => |settings| settings.use_ema = use_ema;

            /// The share of the moving average that is kept in a step; 0.99 unless set.
            ema_momentum(momentum: f64) {0.0..=1.0} as f64
                => |settings| settings.ema_momentum = momentum;

            /// Makes the averages the weights once every `updates` updates.
            ema_overwrite_frequency(steps: usize) {1..} as usize
                => |settings| settings.ema_overwrite_frequency = Some(steps);

            /// What the loss was multiplied by, so that small gradients do not vanish; gradients
            /// are divided by it before anything else. `Settings::scale_loss` multiplies.
            loss_scale_factor(factor: f64) {f64::MIN_POSITIVE..f64::INFINITY} as f64
                => |settings| settings.loss_scale_factor = Some(factor);

            /// Updates only once every `steps` calls, with the mean of the gradients of all calls
            /// since the last update. In the calls between nothing changes but the sum of gradients
            /// and the count.
            gradient_accumulation_steps(steps: usize) {2..} as usize
                => |settings| settings.gradient_accumulation_steps = Some(steps);

            /// Whether rows of a table that a step does not look up are left as they are, with
            /// their slots and without weight decay: faster where a table has many rows, and not
            /// what Keras computes, whose momentum moves all rows in each step. SGD without
            /// momentum and Adagrad leave them anyway. Where a table has a constraint, or its
            /// gradient is changed before the optimizer gets it, all rows are updated, which is
            /// warned of. False unless set.
            lazy(lazy: bool) as bool => |settings| settings.is_lazy = lazy;
        }
    };
}
pub(super) use with_options;

macro_rules! settings_methods {
    ({} $($(#[$doc:meta])* $option:ident($argument:ident: $Argument:ty) $({$range:expr})? as
         $Text:ty => |$settings:ident| $set:expr;)+) => {
        impl Settings {
            $(
                $(#[$doc])*
                #[must_use]
                #[track_caller]
                pub fn $option(mut self, $argument: $Argument) -> Self {
                    $(self.require(stringify!($option), $argument, $range);)?
                    let $settings = &mut self;
                    $set;
                    self
                }
            )+
        }
    };
}

with_options! { settings_methods! {} }

impl Settings {
    /// A learning rate, a number or a schedule, and nothing else.
    #[track_caller]
    pub fn new(learning_rate: impl IntoLearningRate) -> Self {
        let learning_rate = learning_rate.into_learning_rate();
        let problem = learning_rate.problem().map(|problem| problem.at(Site::caller()));
        Self {
            learning_rate,
            schedule: OnceLock::new(),
            iterations: Variable::new("iterations", Array::scalar(0)).frozen(),
            weight_decay: None,
            not_decayed: Vec::new(),
            clip: None,
            use_ema: false,
            ema_momentum: 0.99,
            ema_overwrite_frequency: None,
            loss_scale_factor: None,
            gradient_accumulation_steps: None,
            is_lazy: false,
            problem,
            slots: Mutex::new(BTreeMap::new()),
            restored: Mutex::new(BTreeMap::new()),
            swapped: Arc::default(),
        }
    }

    /// The learning rate of the next step.
    ///
    /// # Errors
    /// If a schedule does not give a finite scalar.
    pub fn learning_rate(&self) -> Result<f64> {
        self.rate().value(&self.iterations)
    }

    /// Sets the learning rate of the steps from now on. Nothing is traced anew.
    ///
    /// # Errors
    /// If it is not finite, or the optimizer was made with a schedule.
    pub fn set_learning_rate(&self, learning_rate: f64) -> Result<()> {
        self.rate().set(learning_rate)
    }

    /// Has the learning rate follow a schedule instead, once: for a binding to a language whose
    /// programs write schedules, where optimizers are made of text.
    #[doc(hidden)]
    pub fn follow(&self, schedule: impl IntoLearningRate) {
        _ = self.schedule.set(schedule.into_learning_rate());
    }

    /// The learning rate as it is now.
    pub(super) fn rate(&self) -> &LearningRate {
        self.schedule.get().unwrap_or(&self.learning_rate)
    }

    /// The number of calls of [`apply`](super::Optimizer::apply) so far, also those that only
    /// accumulated gradients.
    pub fn iterations(&self) -> &Variable {
        &self.iterations
    }

    /// Every variable that the optimizer keeps, slots in the order of the weights' making: what is
    /// saved to go on training later.
    pub fn variables(&self) -> Vec<Variable> {
        let rate = match self.rate() {
            LearningRate::Number(rate) => Some(rate.clone()),
            LearningRate::Schedule(_) => None,
        };
        std::iter::once(self.iterations.clone())
            .chain(rate)
            .chain(self.slots().values().cloned())
            .collect()
    }

    /// The loss of which gradients are to be taken: times the factor of
    /// [`loss_scale_factor`](Settings::loss_scale_factor), if there is one.
    #[must_use]
    pub fn scale_loss(&self, loss: &Tensor) -> Tensor {
        self.loss_scale_factor.map_or_else(|| loss.clone(), |factor| loss * factor)
    }

    /// What the loss is multiplied by, if anything.
    pub(crate) fn loss_scale(&self) -> Option<f64> {
        self.loss_scale_factor
    }

    /// The gradient of the loss itself, given that of the scaled one.
    pub(crate) fn unscale(&self, gradient: &Tensor) -> Tensor {
        self.loss_scale_factor.map_or_else(|| gradient.clone(), |factor| gradient / factor)
    }

    /// The first option that cannot be as it was given.
    pub(crate) fn problem(&self) -> Option<&Error> {
        self.problem.as_ref()
    }

    /// The share of a weight that decays in a step of rate 1, if any.
    pub(super) fn decay(&self, weight: &Variable) -> Option<f64> {
        self.weight_decay
            .filter(|_| !self.not_decayed.iter().any(|word| has_word(weight.name(), word)))
    }

    /// The share of moving averages that is kept, if they are.
    pub(super) fn ema(&self) -> Option<f64> {
        self.use_ema.then_some(self.ema_momentum)
    }

    /// The slot of a weight (of none: shared by all), made at first use with `first`.
    #[doc(hidden)]
    pub fn slot(
        &self,
        weight: Option<&Variable>,
        name: &str,
        first: impl FnOnce() -> Array,
    ) -> Variable {
        let key = (weight.map_or(SHARED, Variable::id), name.to_string());
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&key) {
            return slot.clone();
        }
        let first = first();
        let first = self.take_restored(&key, &first).unwrap_or(first);
        let name =
            weight.map_or_else(|| name.to_string(), |weight| format!("{}/{name}", weight.name()));
        slots.entry(key).or_insert(Variable::new(name, first).frozen()).clone()
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, BTreeMap<(u64, String), Variable>> {
        self.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Demands that an option lie in a range.
    #[track_caller]
    pub(super) fn require<T, R>(&mut self, option: &str, value: T, range: R)
    where
        T: PartialOrd + fmt::Debug,
        R: RangeBounds<T> + fmt::Debug,
    {
        if !range.contains(&value) {
            let message = format!("`{option}` must be in {range:?}, got {value:?}");
            self.refuse(Error::argument(message, "leave it out for Keras's default"));
        }
    }

    #[track_caller]
    fn refuse(&mut self, error: Error) {
        self.problem.get_or_insert(error.at(Site::caller()));
    }

    #[track_caller]
    fn clip_by(&mut self, clip: Clip) {
        let option = clip.option();
        if let Some(other) = self.clip.map(Clip::option).filter(|other| *other != option) {
            let message = format!("an optimizer was given both `{other}` and `{option}`");
            let help = "choose one of `clipnorm`, `clipvalue` and `global_clipnorm`";
            self.refuse(Error::argument(message, help));
        }
        self.clip = Some(clip);
    }
}

impl Clip {
    fn option(self) -> &'static str {
        match self {
            Self::Value(_) => "clipvalue",
            Self::Norm(_) => "clipnorm",
            Self::GlobalNorm(_) => "global_clipnorm",
        }
    }
}

/// Whether a name contains a word, or is what stands between `^` and `$`.
fn has_word(name: &str, word: &str) -> bool {
    match word.strip_prefix('^').and_then(|word| word.strip_suffix('$')) {
        Some(whole) => name == whole,
        None => name.contains(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(settings: Settings) -> String {
        settings.problem().map_or(String::new(), |problem| problem.message().to_string())
    }

    #[test]
    fn one_way_to_clip_can_be_chosen() {
        assert_eq!(problem(Settings::new(0.1).clipnorm(1.0).clipnorm(2.0)), "");
        let both = Settings::new(0.1).clipnorm(1.0).clipvalue(2.0);
        assert!(both.problem().unwrap().site().unwrap().file().ends_with("settings.rs"));
        assert_eq!(problem(both), "an optimizer was given both `clipnorm` and `clipvalue`");
    }

    #[test]
    fn options_out_of_range_are_refused() {
        assert_eq!(
            problem(Settings::new(0.1).ema_momentum(1.5)),
            "`ema_momentum` must be in 0.0..=1.0, got 1.5"
        );
        let once = "`gradient_accumulation_steps` must be in 2.., got 1";
        assert_eq!(problem(Settings::new(0.1).gradient_accumulation_steps(1)), once);
        assert!(problem(Settings::new(0.1).weight_decay(f64::NAN)).ends_with("got NaN"));
        assert_eq!(problem(Settings::new(f64::INFINITY)), "the learning rate is inf");
    }

    #[test]
    fn words_of_names_are_spared_from_decay() {
        let settings =
            Settings::new(0.1).weight_decay(0.5).exclude_from_weight_decay(["bias", "norm", "^a$"]);
        let decay = |name: &str| settings.decay(&Variable::new(name, 0.0_f32));
        assert_eq!(
            ["dense/kernel", "dense/bias", "norm_1/gamma", "a", "a/kernel"].map(decay),
            [Some(0.5), None, None, None, Some(0.5)]
        );
    }
}
