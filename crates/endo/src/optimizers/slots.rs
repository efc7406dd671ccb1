//! What an optimizer's update can reach besides weight and gradient: the rate, the step, and
//! variables kept for the weight.
//!
//! In: names of slots. Out: their values, and their new ones assigned.

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::Tensor;
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;
use crate::variable::Variable;

use super::rows::UsedRows;
use super::settings::Settings;
use super::step::{UpdateStep, typed};

/// The rate, the number of the step, and the slots of one weight, during an update; in
/// [`Optimizer::begin`](super::Optimizer::begin) those that belong to no weight.
///
/// ```
/// use endo::optimizers::Slots;
/// use endo::prelude::*;
/// /// A step along the mean of all gradients so far.
/// fn mean_descent(weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
///     let mean = slots.get("mean");
///     let mean = slots.set("mean", &mean + (gradient - &mean) / slots.step());
///     weight - mean * slots.rate()
/// }
/// ```
pub struct Slots<'a> {
    settings: &'a Settings,
    step: &'a UpdateStep,
    weight: Option<&'a Variable>,
    /// The rows of the weight that are updated, if not all are.
    rows: Option<&'a UsedRows>,
    cx: &'a mut Context,
}

impl<'a> Slots<'a> {
    /// Those of a weight, or those that all weights share.
    pub(super) fn new(
        settings: &'a Settings,
        step: &'a UpdateStep,
        weight: Option<&'a Variable>,
        cx: &'a mut Context,
    ) -> Self {
        Self { settings, step, weight, rows: None, cx }
    }

    /// Those of some rows of the weight.
    pub(super) fn of_rows(self, rows: Option<&'a UsedRows>) -> Self {
        Self { rows, ..self }
    }

    /// The weight that is being updated; none in [`Optimizer::begin`](super::Optimizer::begin).
    pub fn weight(&self) -> Option<&Variable> {
        self.weight
    }

    /// The trace, for optimizers of other languages, which keep variables of their own.
    #[doc(hidden)]
    pub fn context(&mut self) -> &mut Context {
        self.cx
    }

    /// Whether this call updates, where gradients are accumulated over several: for optimizers of
    /// other languages, which assign variables of their own.
    #[doc(hidden)]
    pub fn updates(&self) -> Option<Tensor> {
        self.step.updates.clone()
    }

    /// The learning rate, a scalar of the weight's type (`f64` where there is no weight), times the
    /// weight's own [factor](Variable::set_learning_rate_factor).
    pub fn rate(&self) -> Tensor {
        let rate = typed(&self.step.rate, self.weight);
        match self.weight.map_or(1.0, Variable::learning_rate_factor) {
            1.0 => rate,
            factor => rate * factor,
        }
    }

    /// The number of this update, from 1, a scalar of the weight's type (`f64` where there is no
    /// weight).
    pub fn step(&self) -> Tensor {
        typed(&self.step.number, self.weight)
    }

    /// A number as a scalar of the weight's type (`f64` where there is no weight).
    pub fn number(&self, number: f64) -> Tensor {
        let (dtype, site) = (self.dtype(), Site::caller());
        self.step.rate.trace().constant(Array::full((), number, dtype), site)
    }

    /// The slot called `name`: zeros in the weight's shape until set.
    #[track_caller]
    pub fn get(&mut self, name: &str) -> Tensor {
        self.get_full(name, self.shape(), 0.0)
    }

    /// The slot called `name`: `first` in every element of a shape until set, which need not be the
    /// weight's.
    ///
    /// # Errors
    /// The trace's: if no array may have the shape, or the system does not give the memory.
    #[track_caller]
    pub fn get_full(&mut self, name: &str, shape: impl Into<Shape>, first: f64) -> Tensor {
        let (shape, dtype) = (shape.into(), self.dtype());
        let rows = self.rows_of(&shape);
        let shape = if rows.is_some() { self.shape() } else { shape };
        if let Err(error) = Array::require_room(&shape, dtype) {
            return self.cx.trace().fail(error.at(Site::caller()), shape, dtype);
        }
        let slot = self.settings.slot(self.weight, name, || Array::full(shape, first, dtype));
        let whole = self.cx.read(&slot);
        rows.map_or_else(|| whole.clone(), |rows| rows.of_whole(&whole))
    }

    /// Keeps a value in a slot for the next step, and returns it.
    #[track_caller]
    pub fn set(&mut self, name: &str, value: Tensor) -> Tensor {
        let (shape, dtype) = (self.shape(), self.dtype());
        if let Err(error) = Array::require_room(&shape, dtype) {
            self.cx.trace().record(error.at(Site::caller()));
            return value;
        }
        let slot = self.settings.slot(self.weight, name, || Array::zeros(shape, dtype));
        self.assign(&slot, &value);
        value
    }

    /// A scalar that all weights share, `first` until set.
    pub fn get_shared(&mut self, name: &str, first: f64) -> Tensor {
        let slot = self.settings.slot(None, name, || Array::scalar(first));
        typed(&self.cx.read(&slot), self.weight)
    }

    /// Keeps a scalar that all weights share for the next step. To be used in
    /// [`Optimizer::begin`](super::Optimizer::begin), once a step.
    pub fn set_shared(&mut self, name: &str, value: &Tensor) {
        let slot = self.settings.slot(None, name, || Array::scalar(0.0));
        self.assign(&slot, value);
    }

    fn assign(&mut self, slot: &Variable, value: &Tensor) {
        let before = self.cx.read(slot);
        let value = value.cast(slot.dtype());
        let rows = self.rows_of(before.shape());
        if let Some(rows) = rows.filter(|rows| *value.shape() == rows.shape_in(before.shape())) {
            return self.cx.assign(slot, rows.put(&before, &value));
        }
        // A value of another shape is left to `assign`, which says what is wrong with it.
        let kept =
            if value.shape() == before.shape() { self.step.keep(value, &before) } else { value };
        self.cx.assign(slot, kept);
    }

    /// The rows by which a slot of this shape is kept: that of the weight, or of its rows that are
    /// updated.
    fn rows_of(&self, shape: &Shape) -> Option<&'a UsedRows> {
        let whole = self.shape();
        self.rows.filter(|rows| *shape == whole || *shape == rows.shape_in(&whole))
    }

    fn shape(&self) -> Shape {
        self.weight.map_or_else(Shape::scalar, |weight| weight.shape().clone())
    }

    fn dtype(&self) -> DType {
        self.weight.map_or(DType::F64, Variable::dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::Optimizer;
    use crate::trace::{Function, Gradients};

    /// A step by the number of the step, a mean over all, and a slot of another shape.
    struct Counting(Settings);

    impl Optimizer for Counting {
        fn settings(&self) -> &Settings {
            &self.0
        }

        fn begin(&self, slots: &mut Slots) {
            let total = slots.get_shared("total", 10.0) + slots.step();
            slots.set_shared("total", &total);
        }

        fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
            let row = slots.get_full("row", [2], 1.0);
            slots.set("row", row + gradient.sum_axes([0]));
            weight + slots.step() * slots.rate() + slots.get_shared("total", 10.0)
        }
    }

    #[test]
    fn slots_have_the_types_of_what_they_meet() {
        let weights =
            [DType::F32, DType::F64].map(|dtype| Variable::new("w", Array::zeros([3, 2], dtype)));
        let optimizer = Counting(Settings::new(0.5));
        let mut step = Function::new(|[], cx| {
            let ones = weights.each_ref().map(|weight| {
                (weight.clone(), Some(cx.constant(Array::full([3, 2], 1.0, weight.dtype()))))
            });
            optimizer.apply(&Gradients::new(ones), cx);
            []
        });
        step.run([]).unwrap();
        step.run([]).unwrap();
        for weight in &weights {
            assert_eq!(weight.value().to_vec::<f64>(), [0.5 + 11.0 + 1.0 + 13.0; 6]);
        }
        let rows = optimizer
            .settings()
            .variables()
            .into_iter()
            .filter(|variable| variable.name() == "w/row");
        let rows: Vec<(DType, Vec<f64>)> =
            rows.map(|row| (row.dtype(), row.value().to_vec())).collect();
        assert_eq!(rows, [(DType::F32, vec![7.0; 2]), (DType::F64, vec![7.0; 2])]);
    }

    #[test]
    fn a_slot_keeps_its_shape() {
        struct Shrinking(Settings);
        impl Optimizer for Shrinking {
            fn settings(&self) -> &Settings {
                &self.0
            }
            fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
                slots.set("m", gradient.sum());
                weight.clone()
            }
        }
        let weight = Variable::new("w", [1.0_f32, 2.0]);
        let optimizer = Shrinking(Settings::new(0.5));
        let mut step = Function::new(|[x], cx| {
            optimizer.apply(&Gradients::new([(weight.clone(), Some(x))]), cx);
            []
        });
        let error = step.run([&[1.0_f32, 1.0].into()]).unwrap_err();
        error.reads("cannot assign f32[] to variable `w/m`, which is f32[2]");
    }
}
