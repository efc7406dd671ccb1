//! What an optimizer does to each element of a weight, written once: on tensors it is traced, and
//! on vectors of the processor it is one pass over weight, slots and gradient.
//!
//! In: an [`UpdateRule`]. Out: [`Slots::update`], and the routines by which plans find the rule
//! again.

use std::marker::PhantomData;

use crate::graph::Tensor;
use crate::ops::formula::TracedValues;
use crate::simd::{Arithmetic, MOST_RESULTS, MOST_VALUES, Routine, UpdateFormula};
use crate::trace::runner::routine;

use super::Slots;

/// What an update does to each element of a weight and its `SLOTS` slots, given `NUMBERS` numbers
/// that are the same for all elements: rates and shares.
///
/// A rule is traced as any formula of tensors is. Besides, plans find it among the operations of a
/// step, and run it as one pass that reads and writes weight and slots once. So it is worth writing
/// an update as a rule, which needs no more than `+ - * /` and the functions of [`Arithmetic`].
/// What does not depend on the element is computed before and given as a number: a rule that
/// computes with numbers alone is right, but not found.
///
/// ```
/// use endo::optimizers::{Arithmetic, Settings, Slots, UpdateRule};
/// use endo::prelude::*;
///
/// struct Momentum { settings: Settings, momentum: f64 }
///
/// impl UpdateRule<1, 2> for Momentum {
///     const NAME: &'static str = "my momentum";
///
///     fn update<A: Arithmetic>(
///         weight: A,
///         [velocity]: [A; 1],
///         gradient: A,
///         [momentum, rate]: [A; 2],
///     ) -> (A, [A; 1]) {
///         let velocity = velocity * momentum - gradient * rate;
///         (weight + velocity, [velocity])
///     }
/// }
///
/// impl Optimizer for Momentum {
///     fn settings(&self) -> &Settings {
///         &self.settings
///     }
///     fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
///         let numbers = [slots.number(self.momentum), slots.rate()];
///         slots.update::<Self, 1, 2>(weight, ["velocity"], gradient, numbers)
///     }
/// }
/// ```
pub trait UpdateRule<const SLOTS: usize, const NUMBERS: usize>: 'static {
    /// What a printed plan calls it.
    const NAME: &'static str;
    /// Whether there is machine code, too, that updates a large weight by its gradient while that
    /// is still in registers. It saves a few hundredths of a step of such a net, and takes a second
    /// or two to compile. False unless said.
    const WITH_PRODUCTS: bool = false;
    /// The same after weight decay. False unless said.
    const DECAYED_WITH_PRODUCTS: bool = false;

    /// The new weight and slots.
    fn update<A: Arithmetic>(
        weight: A,
        slots: [A; SLOTS],
        gradient: A,
        numbers: [A; NUMBERS],
    ) -> (A, [A; SLOTS]);
}

/// A rule as the formula of a routine: weight, slots, gradient, numbers.
struct Plain<R, const SLOTS: usize, const NUMBERS: usize>(PhantomData<R>);

/// A rule after weight decay, whose share is the last of the numbers.
struct Decayed<R, const SLOTS: usize, const NUMBERS: usize>(PhantomData<R>);

impl<R: UpdateRule<SLOTS, NUMBERS>, const SLOTS: usize, const NUMBERS: usize>
    Plain<R, SLOTS, NUMBERS>
{
    const ROUTINE: &'static Routine =
        &if R::WITH_PRODUCTS { routine::<Self>() } else { Routine::new::<Self>(None) };

    #[inline(always)]
    fn after<A: Arithmetic>(weight: A, values: [A; MOST_VALUES]) -> [A; MOST_RESULTS] {
        let slots = std::array::from_fn(|slot| values[1 + slot]);
        let numbers = std::array::from_fn(|number| values[SLOTS + 2 + number]);
        let (weight, slots) = R::update(weight, slots, values[SLOTS + 1], numbers);
        let result = |slot| if slot < SLOTS { slots[slot] } else { weight };
        std::array::from_fn(|number| if number == 0 { weight } else { result(number - 1) })
    }
}

impl<R: UpdateRule<SLOTS, NUMBERS>, const SLOTS: usize, const NUMBERS: usize>
    Decayed<R, SLOTS, NUMBERS>
{
    const ROUTINE: &'static Routine =
        &if R::DECAYED_WITH_PRODUCTS { routine::<Self>() } else { Routine::new::<Self>(None) };
}

impl<R: UpdateRule<SLOTS, NUMBERS>, const SLOTS: usize, const NUMBERS: usize> UpdateFormula
    for Plain<R, SLOTS, NUMBERS>
{
    const NAME: &'static str = R::NAME;
    const SEQUENCES: usize = SLOTS + 2;
    const VALUES: usize = SLOTS + 2 + NUMBERS;
    const RESULTS: usize = SLOTS + 1;

    #[inline(always)]
    fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS] {
        Self::after(values[0], values)
    }
}

impl<R: UpdateRule<SLOTS, NUMBERS>, const SLOTS: usize, const NUMBERS: usize> UpdateFormula
    for Decayed<R, SLOTS, NUMBERS>
{
    const NAME: &'static str = R::NAME;
    const SEQUENCES: usize = SLOTS + 2;
    const VALUES: usize = SLOTS + 3 + NUMBERS;
    const RESULTS: usize = SLOTS + 1;

    #[inline(always)]
    fn results<A: Arithmetic>(values: [A; MOST_VALUES]) -> [A; MOST_RESULTS] {
        let decayed = values[0] - values[0] * values[SLOTS + 2 + NUMBERS];
        Plain::<R, SLOTS, NUMBERS>::after(decayed, values)
    }
}

/// A rule as routines, without weight decay and with it.
pub(super) const fn routines<R, const SLOTS: usize, const NUMBERS: usize>() -> [&'static Routine; 2]
where
    R: UpdateRule<SLOTS, NUMBERS>,
{
    [Plain::<R, SLOTS, NUMBERS>::ROUTINE, Decayed::<R, SLOTS, NUMBERS>::ROUTINE]
}

impl Slots<'_> {
    /// The new weight by a rule, which is given the slots of these names, zeros in the weight's
    /// shape until set, and keeps what it makes of them for the next step.
    #[track_caller]
    pub fn update<R, const SLOTS: usize, const NUMBERS: usize>(
        &mut self,
        weight: &Tensor,
        slots: [&str; SLOTS],
        gradient: &Tensor,
        numbers: [Tensor; NUMBERS],
    ) -> Tensor
    where
        R: UpdateRule<SLOTS, NUMBERS>,
    {
        let before = slots.map(|name| self.get(name));
        self.update_from::<R, SLOTS, NUMBERS>(weight, slots, before, gradient, numbers)
    }

    /// As [`update`](Self::update), with the slots as they are before: what
    /// [`get`](Self::get) or [`get_full`](Self::get_full) gave.
    #[track_caller]
    pub fn update_from<R, const SLOTS: usize, const NUMBERS: usize>(
        &mut self,
        weight: &Tensor,
        slots: [&str; SLOTS],
        before: [Tensor; SLOTS],
        gradient: &Tensor,
        numbers: [Tensor; NUMBERS],
    ) -> Tensor
    where
        R: UpdateRule<SLOTS, NUMBERS>,
    {
        for routine in routines::<R, SLOTS, NUMBERS>() {
            weight.trace().declare(routine);
        }
        let all = TracedValues::default();
        let (updated, after) = R::update(
            all.value(weight.clone()),
            before.map(|slot| all.value(slot)),
            all.value(gradient.clone()),
            numbers.map(|number| all.value(number)),
        );
        for (name, value) in slots.into_iter().zip(after) {
            self.set(name, value.tensor());
        }
        updated.tensor()
    }
}

#[cfg(test)]
mod tests {
    use crate::array::Array;
    use crate::optimizers::{
        Adagrad, Adam, AdamW, Adamax, Lion, Nadam, Optimizer, RmsProp, Settings, Sgd,
    };
    use crate::trace::{Context, Function};
    use crate::variable::Variable;

    use super::*;

    /// A step along the larger of gradient and slot, as a user would write it.
    struct Own(Settings);

    impl UpdateRule<1, 1> for Own {
        const NAME: &'static str = "own";
        const WITH_PRODUCTS: bool = true;

        fn update<A: Arithmetic>(
            weight: A,
            [slot]: [A; 1],
            gradient: A,
            [rate]: [A; 1],
        ) -> (A, [A; 1]) {
            let slot = slot.maximum(gradient.abs().sqrt());
            (weight - slot * rate, [slot])
        }
    }

    impl Optimizer for Own {
        fn settings(&self) -> &Settings {
            &self.0
        }

        fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
            let rate = [slots.rate()];
            slots.update::<Self, 1, 1>(weight, ["slot"], gradient, rate)
        }
    }

    /// Adam as the paper writes it, on tensors.
    struct Written(Settings);

    impl Optimizer for Written {
        fn settings(&self) -> &Settings {
            &self.0
        }

        fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
            let m = slots.get("m");
            let m = slots.set("m", &m + (gradient - &m) * 0.1);
            let v = slots.get("v");
            let v = slots.set("v", &v + (gradient.square() - &v) * 0.001);
            weight - m * slots.rate() / (v.sqrt() + 1e-7)
        }
    }

    /// The plan of a step of two weights, the larger one's gradient a product.
    fn plan(optimizer: &dyn Optimizer) -> String {
        let ones = |sizes: [usize; 2]| Array::full(sizes, 0.5, crate::dtype::DType::F32);
        let weights = [[7, 9], [200, 150]].map(|sizes| Variable::new("w", ones(sizes)));
        let step = |[x]: [Tensor; 1], cx: &mut Context| {
            let small = (cx.read(&weights[0]) * 3.0).square().sum();
            let loss = x.matmul(&cx.read(&weights[1])).square().sum() + small;
            let gradients = cx.gradients(&loss, &weights);
            optimizer.apply(&gradients, cx);
            [loss]
        };
        let mut step = Function::new(step);
        let x = ones([32, 200]);
        step.run([&x]).unwrap();
        step.program([&x]).unwrap().plan().to_string()
    }

    #[test]
    fn the_update_of_each_optimizer_is_one_pass_with_and_without_decay() {
        type Make = fn() -> Box<dyn Optimizer>;
        let all: [(Make, &str); 23] = [
            (|| Box::new(Adam::new(0.1)), "adam"),
            (|| Box::new(Adam::new(0.1).weight_decay(0.1)), "adam"),
            (|| Box::new(Adam::new(0.1).amsgrad(true)), "amsgrad"),
            (|| Box::new(Adam::new(0.1).amsgrad(true).weight_decay(0.1)), "amsgrad"),
            (|| Box::new(AdamW::new(0.1)), "adam"),
            (|| Box::new(AdamW::new(0.1).amsgrad(true)), "amsgrad"),
            (|| Box::new(Adamax::new(0.1)), "adamax"),
            (|| Box::new(Adamax::new(0.1).weight_decay(0.1)), "adamax"),
            (|| Box::new(Nadam::new(0.1)), "nadam"),
            (|| Box::new(Nadam::new(0.1).weight_decay(0.1)), "nadam"),
            (|| Box::new(Sgd::new(0.1)), "sgd"),
            (|| Box::new(Sgd::new(0.1).weight_decay(0.1)), "sgd"),
            (|| Box::new(Sgd::new(0.1).momentum(0.9)), "momentum"),
            (|| Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true)), "nesterov"),
            (|| Box::new(Lion::new(0.1)), "lion"),
            (|| Box::new(Lion::new(0.1).weight_decay(0.1)), "lion"),
            (|| Box::new(RmsProp::new(0.1)), "rmsprop"),
            (|| Box::new(RmsProp::new(0.1).weight_decay(0.1)), "rmsprop"),
            (|| Box::new(Adagrad::new(0.1)), "adagrad"),
            (|| Box::new(Adagrad::new(0.1).weight_decay(0.1)), "adagrad"),
            (|| Box::new(Written(Settings::new(0.1))), "adam"),
            (|| Box::new(Own(Settings::new(0.1))), "own"),
            (|| Box::new(Own(Settings::new(0.1).weight_decay(0.1))), "own"),
        ];
        for (optimizer, name) in all {
            let plan = plan(&*optimizer());
            let passes = plan.matches(&format!("in one pass: {name}\n")).count();
            assert_eq!(passes, 2, "{name}: {plan}");
            assert!(plan.contains("and with each part of it"), "{name}: {plan}");
        }
    }
}
