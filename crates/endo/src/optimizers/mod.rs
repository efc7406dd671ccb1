//! Optimizers: how weights follow their gradients. Updates are traced, and fused with the rest of the step.
//!
//! In: gradients. Out: assignments to weights and to the optimizer's own variables (slots), in the order clipping, weight decay,
//! update, constraint.

mod adam;
mod nadam;
mod rmsprop;
mod settings;
mod sgd;
mod slots;

use std::panic::Location;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Tensor;
use crate::spelling::{listed, nearest};
use crate::trace::{Context, Gradients};

pub use adam::{Adam, AdamW};
pub use nadam::Nadam;
pub use rmsprop::RmsProp;
pub use settings::Settings;
pub use sgd::Sgd;
pub use slots::Slots;

/// How weights follow their gradients.
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

    /// What is done once a step, before all updates.
    fn begin(&self, _slots: &mut Slots) {}

    /// Updates every variable that has a gradient: what a custom loop calls. Nothing is updated if a gradient is not finite.
    #[track_caller]
    fn apply(&self, gradients: &Gradients, cx: &mut Context) {
        let site = Location::caller();
        let settings = self.settings();
        let present: Vec<_> = gradients.variables().collect();
        if present.is_empty() {
            let message = "the optimizer was given no gradients";
            let help = "take gradients with respect to trainable weights that the loss depends on";
            return cx.trace().record(Error::new(ErrorKind::Usage, message).help(help).at(site));
        }
        for (variable, gradient) in &present {
            cx.trace().check(gradient, format!("the gradient of `{}`", variable.name()));
        }
        let clipped = settings.clip(&present.iter().map(|(_, gradient)| (*gradient).clone()).collect::<Vec<_>>());
        let step = settings.next_step(cx);
        self.begin(&mut Slots::shared(settings, &step, cx));
        for ((variable, _), gradient) in present.iter().zip(&clipped) {
            let mut weight = cx.read(variable);
            let mut slots = Slots::of(settings, &step, variable, cx);
            if let Some(decay) = settings.decay(variable) {
                weight = &weight - &weight * decay * slots.rate();
            }
            let updated = self.update(&weight, gradient, &mut slots);
            let updated = match cx.constraint(variable) {
                Some(constraint) => constraint.project(&updated),
                None => updated,
            };
            cx.assign(variable, updated);
        }
    }
}

impl<T: Optimizer + ?Sized> Optimizer for Arc<T> {
    fn settings(&self) -> &Settings {
        (**self).settings()
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        (**self).update(weight, gradient, slots)
    }

    fn begin(&self, slots: &mut Slots) {
        (**self).begin(slots);
    }
}

/// The optimizers that Keras knows by name.
#[allow(clippy::type_complexity)]
const NAMES: &[(&str, fn() -> Arc<dyn Optimizer>)] = &[
    ("sgd", || Arc::new(Sgd::default())),
    ("rmsprop", || Arc::new(RmsProp::default())),
    ("adam", || Arc::new(Adam::default())),
    ("adamw", || Arc::new(AdamW::default())),
    ("nadam", || Arc::new(Nadam::default())),
];

/// The optimizer that Keras calls `name`, with its defaults: `"sgd"`, `"nadam"`, ...
pub fn get(name: &str) -> Result<Arc<dyn Optimizer>> {
    let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, make)| make()).ok_or_else(|| {
        let names = NAMES.iter().map(|(known, _)| *known);
        let help = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known optimizers: {}", listed(names)),
        };
        Error::new(ErrorKind::Argument, format!("there is no optimizer called `{name}`")).help(help)
    })
}
