//! Optimizers: how weights follow their gradients. Updates are traced, and fused with the rest of
//! the step.
//!
//! In: gradients. Out: assignments to weights and to the optimizer's own variables (slots), in the
//! order clipping, weight decay, update, averages, constraint.

pub(crate) mod adafactor;
pub(crate) mod adagrad;
pub(crate) mod adam;
mod averages;
mod declare;
pub(crate) mod ftrl;
mod learning_rate;
mod rows;
mod rule;
pub mod schedules;
mod settings;
pub(crate) mod sgd;
mod slots;
mod state;
mod step;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::named::{self, table};
use crate::site::Site;
use crate::spelling;
use crate::trace::{Context, Gradients};
use crate::variable::Variable;

pub use adafactor::*;
pub use adagrad::*;
pub use adam::*;
pub(crate) use averages::Averages;
pub use ftrl::*;
pub use learning_rate::{IntoLearningRate, LearningRate};
pub use rule::UpdateRule;
pub use schedules::LearningRateSchedule;
pub use settings::Settings;
pub use sgd::*;
pub use slots::Slots;

#[doc(inline)]
pub use crate::simd::Arithmetic;

use rows::UsedRows;
use step::UpdateStep;

/// How weights follow their gradients.
///
/// One's own is two methods; clipping, decay, averages and schedules are in its [`Settings`]:
///
/// ```
/// use endo::optimizers::{Settings, Slots};
/// use endo::prelude::*;
///
/// struct Momentum { settings: Settings, momentum: f64 }
///
/// impl Optimizer for Momentum {
///     fn settings(&self) -> &Settings {
///         &self.settings
///     }
///     fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
///         let velocity = slots.get("momentum") * self.momentum - gradient * slots.rate();
///         weight + slots.set("momentum", velocity)
///     }
/// }
///
/// let mut model = Model::new(Dense::new(1));
/// model.compile(Momentum { settings: Settings::new(0.01), momentum: 0.9 }, MeanSquaredError, ());
/// ```
pub trait Optimizer: Send + Sync {
    /// The learning rate, clipping and decay, and the variables it keeps.
    fn settings(&self) -> &Settings;

    /// The new value of a weight. Both tensors have its shape.
    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor;

    /// Whether rows of a table that a step does not look up may be left as they are, with their
    /// slots: because a gradient of 0 changes nothing, or because the optimizer is
    /// [lazy](Settings::lazy), as unless overridden. [`update`](Self::update) is given the rows
    /// that are used alone, then, `[n, ..]`, and slots of the weight's shape by these rows; some
    /// may be there twice, for nothing. False for an update in which rows depend on one another.
    fn leaves_unused_rows(&self) -> bool {
        self.settings().is_lazy
    }

    /// What is done once a step, before all updates.
    fn begin(&self, _slots: &mut Slots) {}

    /// What is done before that with the weights of the step: for optimizers of other languages,
    /// which make their variables for all weights at once.
    #[doc(hidden)]
    fn prepare(&self, _weights: &[&Variable], _cx: &mut Context) {}

    /// Updates every variable that has a gradient: what a custom loop calls. Nothing is updated if
    /// a gradient is not finite.
    ///
    /// ```
    /// use endo::prelude::*;
    /// // Another optimizer for lower layers than for upper ones.
    /// let [lower, upper] = ["lower", "upper"].map(|name| Variable::new(name, 1.0_f32));
    /// let (slow, fast) = (Sgd::new(0.01), Nadam::new(0.1));
    /// let mut step = Function::new(|[x], cx| {
    ///     let loss = (cx.read(&lower) * &x * cx.read(&upper)).square().mean();
    ///     let [low, high] = [&lower, &upper].map(|weight| cx.gradients(&loss, [weight]));
    ///     slow.apply(&low, cx);
    ///     fast.apply(&high, cx);
    ///     [loss]
    /// });
    /// step.run([&[1.0_f32, 2.0].into()])?;
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[track_caller]
    fn apply(&self, gradients: &Gradients, cx: &mut Context) {
        if !cx.updates() {
            return; // a custom step that is tested
        }
        let site = Site::caller();
        let settings = self.settings();
        let problem = settings.problem().cloned();
        if let Some(problem) =
            problem.or_else(|| rows::problem(self, cx).map(|error| error.at(site)))
        {
            return cx.trace().record(problem);
        }
        cx.give_gradients(gradients.variables(), settings.loss_scale());
        if gradients.variables().next().is_none() {
            return cx.trace().record(without_gradients(gradients).at(site));
        }
        let (frozen, given): (Vec<_>, Vec<_>) =
            gradients.variables().partition(|(weight, _)| weight.is_frozen());
        if !frozen.is_empty() {
            let names = spelling::listed(frozen.iter().map(|(weight, _)| weight.name()));
            cx.warn(format!(
                "an optimizer is given gradients of frozen weights, which stay as they are: {names}"
            ));
        }
        let (weights, gradients): (Vec<_>, Vec<_>) = given.into_iter().unzip();
        if weights.is_empty() {
            return;
        }
        let gradients = gradients.into_iter().cloned().collect();
        let Some(gradients) = cx.summed_gradients(&weights, gradients) else {
            return; // of a shard, whose gradients are summed before anything is updated
        };
        let by_rows = |(&weight, gradient): (&&Variable, Tensor)| match UsedRows::of(
            self, weight, &gradient, cx,
        ) {
            Some((rows, gradient)) => (Some(rows), gradient),
            None => (None, gradient),
        };
        let (rows, gradients): (Vec<_>, Vec<_>) =
            weights.iter().zip(gradients).map(by_rows).unzip();
        for (weight, gradient) in weights.iter().zip(&gradients) {
            cx.trace().check(gradient, format!("the gradient of `{}`", weight.name()));
        }
        // An update that is written in tensors may do what a rule does.
        for &routine in [adagrad::RULES, adam::RULES, sgd::RULES].concat().as_flattened() {
            cx.trace().declare(routine);
        }
        self.prepare(&weights, cx);
        let step = UpdateStep::begin(settings, cx);
        let gathered = weights
            .iter()
            .zip(&gradients)
            .map(|(weight, gradient)| step.gather(settings, weight, gradient, cx));
        let gathered = gathered.collect();
        self.begin(&mut Slots::new(settings, &step, None, cx));
        let clipped = settings.clip(gathered);
        for ((&variable, rows), gradient) in weights.iter().zip(&rows).zip(clipped) {
            let whole = cx.read(variable);
            let rows = rows.as_ref();
            let before = rows.map_or_else(|| whole.clone(), |rows| rows.of_whole(&whole));
            let mut slots = Slots::new(settings, &step, Some(variable), cx).of_rows(rows);
            let decayed = match settings.decay(variable) {
                Some(decay) => &before - &before * (slots.rate() * decay),
                None => before.clone(),
            };
            let updated = self.update(&decayed, &gradient, &mut slots);
            let updated = step.average(settings, variable, updated, cx);
            let constrained = match cx.constraint(variable) {
                Some(constraint) => {
                    cx.beside_the_model(false, |cx| constraint.project_in(&updated, cx))
                }
                None => updated,
            };
            let kept = step.keep(constrained, &before);
            cx.assign(variable, rows.map_or_else(|| kept.clone(), |rows| rows.put(&whole, &kept)));
        }
        let unused = settings.take_unused(&weights);
        if !unused.is_empty() {
            let names = spelling::listed(unused.iter().map(String::as_str));
            cx.warn(format!(
                "the model was loaded with the state of another optimizer, which this \
                one does not keep: {names}"
            ));
        }
    }
}

/// The error for gradients among which there are none.
fn without_gradients(gradients: &Gradients) -> Error {
    let asked: Vec<&str> =
        gradients.iter().filter_map(|(target, _)| Some(target.variable()?.name())).collect();
    let (message, help) = if asked.is_empty() {
        (
            "the optimizer was given gradients of no weights: the list of weights was empty"
                .to_string(),
            "a model has its weights once it is built: call `model.build(shape)?` before \
                `model.trainable_weights()`, or ask for them after \
             `apply`",
        )
    } else {
        (
            format!(
                "the optimizer was given no gradients: the loss depends on none of {}",
                spelling::listed(asked)
            ),
            "take gradients with respect to the trainable weights of the model that made the loss",
        )
    };
    Error::usage(message, help)
}

impl<T: Optimizer + ?Sized> Optimizer for Arc<T> {
    fn settings(&self) -> &Settings {
        (**self).settings()
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        (**self).update(weight, gradient, slots)
    }

    fn leaves_unused_rows(&self) -> bool {
        (**self).leaves_unused_rows()
    }

    fn begin(&self, slots: &mut Slots) {
        (**self).begin(slots);
    }

    fn prepare(&self, weights: &[&Variable], cx: &mut Context) {
        (**self).prepare(weights, cx);
    }
}

/// The optimizer that a text names, with its options in parentheses, by name or in their order. The
/// learning rate is a number or a schedule.
///
/// ```
/// use endo::optimizers::{self, Optimizer};
/// let optimizer = optimizers::get("nadam(learning_rate=0.01, clipnorm=1)")?;
/// assert_eq!(optimizer.settings().learning_rate()?, 0.01);
/// let falling = optimizers::get("sgd(cosine_decay(0.1, 1000), momentum=0.9)")?;
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such optimizer or option, with the nearest; and when an option cannot be as it
/// was given.
pub fn get(name: &str) -> Result<Arc<dyn Optimizer>> {
    named::get("optimizer", name, rows())
}

table! {
    /// The names of all optimizers.
    dyn Optimizer: sgd::ROWS, adagrad::ROWS, adam::ROWS, ftrl::ROWS, adafactor::ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::trace::Function;

    /// The values of a weight of one element after steps with these gradients.
    pub fn walk<const N: usize>(
        optimizer: &dyn Optimizer,
        start: f64,
        gradients: [f64; N],
    ) -> Vec<f64> {
        let weight = Variable::new("weight", [start as f32]);
        walk_weight(optimizer, &weight, gradients).unwrap()
    }

    fn walk_weight<const N: usize>(
        optimizer: &dyn Optimizer,
        weight: &Variable,
        gradients: [f64; N],
    ) -> Result<Vec<f64>> {
        let mut step = Function::new(|[gradient], cx| {
            optimizer.apply(&Gradients::new([(weight.clone(), Some(gradient))]), cx);
            [cx.read(weight)]
        });
        gradients
            .into_iter()
            .map(|gradient| Ok(step.run([&Array::from([gradient as f32])])?[0].get(0)))
            .collect()
    }

    #[test]
    fn nothing_changes_between_the_updates_of_accumulated_gradients() {
        let weight = Variable::new("weight", [1.0_f32]);
        let optimizer =
            Nadam::new(0.1).gradient_accumulation_steps(3).weight_decay(0.1).use_ema(true);
        let slots = || {
            let slots = optimizer.settings().variables().into_iter();
            let lasting = slots.filter(|slot| {
                !["iterations", "weight/gradient_accumulator"].contains(&slot.name())
            });
            lasting.map(|slot| (slot.name().to_string(), slot.value())).collect::<Vec<_>>()
        };
        let step = |gradient| walk_weight(&optimizer, &weight, [gradient]).unwrap()[0];
        assert_eq!([step(1.0), step(-2.0)], [1.0, 1.0]);
        let first = step(4.0);
        assert!(first < 1.0);
        let before = slots();
        assert_eq!(before.len(), 5);
        assert_eq!([step(1.0), step(f64::from(f32::MAX))], [first, first]);
        assert_eq!(slots(), before);
        assert_ne!(step(0.5), first);
    }

    #[test]
    fn an_update_gets_the_mean_of_the_gradients() {
        let optimizer = Sgd::new(1.0).gradient_accumulation_steps(2);
        assert_eq!(walk(&optimizer, 0.0, [1.0, 3.0, 5.0, 5.0]), [0.0, -2.0, -2.0, -7.0]);
    }

    #[test]
    fn the_learning_rate_is_set_without_a_new_trace() {
        let optimizer = Sgd::new(1.0);
        let weight = Variable::new("weight", [0.0_f32]);
        let mut step = Function::new(|[], cx| {
            optimizer.apply(&Gradients::new([(weight.clone(), Some(cx.constant([1.0_f32])))]), cx);
            [cx.read(&weight)]
        });
        assert_eq!(step.run([]).unwrap()[0].get(0), -1.0);
        optimizer.settings().set_learning_rate(0.5).unwrap();
        assert_eq!(step.run([]).unwrap()[0].get(0), -1.5);
        assert_eq!((step.traces(), optimizer.settings().learning_rate().unwrap()), (1, 0.5));
    }

    #[test]
    fn a_schedule_counts_calls() {
        let optimizer = Sgd::new(|step: &Tensor| 1.0 + step).gradient_accumulation_steps(2);
        assert_eq!(walk(&optimizer, 0.0, [1.0; 4]), [0.0, -2.0, -2.0, -6.0]);
        assert_eq!(optimizer.settings().learning_rate().unwrap(), 5.0);
    }

    #[test]
    fn a_schedule_that_is_not_finite_stops_the_step() {
        let weight = Variable::new("weight", [1.0_f32]);
        let optimizer = Sgd::new(|step: &Tensor| 1.0 / (1.0 - step));
        let error = walk_weight(&optimizer, &weight, [1.0, 1.0]).unwrap_err();
        error.reads(
            "the learning rate is not finite; nothing was updated: `divide` of 1 and 0 gave inf",
        );
        assert_eq!(weight.value().get(0), 0.0);
    }

    #[test]
    fn averages_become_the_weights_in_the_end() {
        let weight = Variable::new("weight", [0.0_f32]);
        let optimizer = Sgd::new(1.0).use_ema(true).ema_momentum(0.5);
        assert_eq!(walk_weight(&optimizer, &weight, [-1.0, -2.0]).unwrap(), [1.0, 3.0]);
        optimizer.settings().finalize_variable_values(std::slice::from_ref(&weight)).unwrap();
        assert_eq!(weight.value().get(0), 2.0);
        let overwriting = Sgd::new(1.0).use_ema(true).ema_momentum(0.5).ema_overwrite_frequency(2);
        assert_eq!(walk(&overwriting, 0.0, [-1.0, -2.0, -1.0]), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_loss_is_scaled_and_gradients_are_scaled_back() {
        let weight = Variable::new("weight", 3.0_f32);
        let optimizer = Sgd::new(0.5).loss_scale_factor(1024.0).clipvalue(4.0);
        let mut step = Function::new(|[], cx| {
            let loss = optimizer.settings().scale_loss(&cx.read(&weight).square());
            let gradients = cx.gradients(&loss, [&weight]);
            optimizer.apply(&gradients, cx);
            [cx.read(&weight)]
        });
        assert_eq!([step.run([]).unwrap()[0].get(0), step.run([]).unwrap()[0].get(0)], [1.0, 0.0]);
    }

    #[test]
    fn two_optimizers_share_the_gradients_of_one_loss() {
        let [lower, upper] = ["lower", "upper"].map(|name| Variable::new(name, 2.0_f32));
        let (slow, fast) = (Sgd::new(0.125), Sgd::new(0.5).clipnorm(1.0));
        let mut step = Function::new(|[], cx| {
            let loss = cx.read(&lower) * cx.read(&upper);
            let gradients = cx.gradients(&loss, [&lower, &upper]);
            for (optimizer, weight) in [(&slow, &lower), (&fast, &upper)] {
                optimizer
                    .apply(&Gradients::new([(weight.clone(), gradients.of(weight).cloned())]), cx);
            }
            []
        });
        step.run([]).unwrap();
        assert_eq!([lower.value().get(0), upper.value().get(0)], [1.75, 1.5]);
    }

    #[test]
    fn options_that_cannot_be_are_reported_where_they_were_given() {
        let optimizer = Sgd::new(0.1).clipnorm(1.0).clipvalue(1.0);
        let error =
            walk_weight(&optimizer, &Variable::new("weight", [1.0_f32]), [1.0]).unwrap_err();
        error.reads("an optimizer was given both `clipnorm` and `clipvalue`");
        assert!(error.site().is_some());
        assert!(get("sgd(clipnorm=1, clipvalue=1)").is_err());
    }

    #[test]
    fn text_names_optimizers_with_their_options() {
        let rate = |text: &str| get(text).unwrap().settings().learning_rate().unwrap();
        assert_eq!([rate("RMSprop"), rate("SGD"), rate("Adam_W(0.25)")], [0.001, 0.01, 0.25]);
        let optimizer =
            get("sgd(1, weight_decay=0.5, exclude_from_weight_decay=[bias], clipnorm=none)")
                .unwrap();
        assert_eq!(walk(&*optimizer, 4.0, [1.0]), [1.0]);
        let error = |text: &str| get(text).err().unwrap();
        error("nadan").advises("did you mean `nadam`?");
        error("sgd(momentun=0.9)").advises("did you mean `momentum`?");
        error("sgd(momentum=1.5)").says("must be in 0.0..=1.0");
        error("sgd(cosine_decay(0.1))").says("`cosine_decay` needs the option `decay_steps`");
        error("sgd(learning_rate=fast)").says("there is no learning rate schedule called `fast`");
        assert_eq!(names().count(), 12);
    }
}
