//! Adafactor: Adam's division by the running size of gradients, with the sizes of a matrix kept as
//! one row and one column.
//!
//! In: a gradient. Out: a step whose size is a share of the weight's. The memory it needs is small
//! beside the weights'.

use crate::graph::Tensor;
use crate::named::Named;

use super::declare::{optimizer, shared_options};
use super::{Optimizer, Slots};

/// The rows of this file.
pub(super) const ROWS: &[Named<dyn Optimizer>] = &[Adafactor::ROW];

optimizer! {
    /// Shazeer and Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    /// algorithms 4 and 5.
    ///
    /// With `square = gradient^2 + epsilon_1` and running means that keep `1 - t^beta_2_decay`:
    /// `size` is the mean of `square`, for weights of two axes or more `row * column / mean(row)`,
    /// of its means along the last two axes. `step = gradient / sqrt(size)`, divided by
    /// `max(1, rms(step) / clip_threshold)`; `weight -= max(epsilon_2, rms(weight)) * rate * step`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// use endo::optimizers::Adafactor;
    /// let optimizer = Adafactor::new(0.01).clip_threshold(1.0);
    /// ```
    Adafactor ["adafactor"] learning_rate = 0.001 {
        /// The power of the step's number by which the share of new squares falls; -0.8 unless set.
        beta_2_decay: f64 {..0.0} = -0.8,
        /// What keeps the division from zero; 1e-30 unless set.
        epsilon_1: f64 {0.0..} = 1e-30,
        /// The least size that a weight is taken to have; 0.001 unless set.
        epsilon_2: f64 {0.0..} = 1e-3,
        /// The root mean square above which a step is scaled down; 1 unless set.
        clip_threshold: f64 {f64::MIN_POSITIVE..} = 1.0,
        /// Whether the rate is at most `1 / sqrt(t)` in step `t`. True unless set.
        relative_step: bool = true,
    }

    fn update(&self, weight: &Tensor, gradient: &Tensor, slots: &mut Slots) -> Tensor {
        let t = slots.step();
        let rate = if self.relative_step { slots.rate().minimum(t.rsqrt()) } else { slots.rate() };
        let rate = rate * root_mean_square(weight).maximum(self.epsilon_2);
        let new = t.power(self.beta_2_decay);
        let square = gradient.square() + self.epsilon_1;
        let step = if weight.rank() < 2 {
            gradient / Self::running("velocity", &square, &new, slots).sqrt()
        } else {
            let row = Self::running("row", &square.mean_axes([-1]), &new, slots);
            let column = Self::running("column", &square.mean_axes([-2]), &new, slots);
            let share = &row / row.mean_axes([-1]).expand_dims(-1);
            // Each root is of few numbers, and the product of the roots is that of the product.
            gradient * share.rsqrt().expand_dims(-1) * column.rsqrt().expand_dims(-2)
        };
        let excess = (root_mean_square(&step) / self.clip_threshold).maximum(1.0);
        weight - step * (rate / excess)
    }

    fn leaves_unused_rows(&self) -> bool {
        false
    }
}

impl Adafactor {
    /// Moves a slot toward the mean of the squares along an axis.
    fn running(name: &str, values: &Tensor, new: &Tensor, slots: &mut Slots) -> Tensor {
        let mean = slots.get_full(name, values.shape(), 0.0);
        slots.set(name, mean * (1.0 - new) + values * new)
    }
}

fn root_mean_square(x: &Tensor) -> Tensor {
    x.square().mean().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::tests::walk;
    use super::*;
    use crate::array::Array;
    use crate::shape::Shape;
    use crate::trace::{Function, Gradients};
    use crate::variable::Variable;

    #[test]
    fn the_first_step_is_a_share_of_the_weight() {
        assert_eq!(walk(&Adafactor::new(0.25), 8.0, [-3.0]), [10.0]);
        assert_eq!(walk(&Adafactor::new(4.0).relative_step(false), 8.0, [-3.0]), [40.0]);
        assert_eq!(walk(&Adafactor::new(4.0), 8.0, [-3.0]), [16.0]);
    }

    #[test]
    fn a_matrix_keeps_a_row_and_a_column() {
        let weight = Variable::new("w", Array::full([2, 3, 4], 1.0, crate::DType::F32));
        let optimizer = Adafactor::default();
        let mut step = Function::new(|[], cx| {
            optimizer.apply(&Gradients::new([(weight.clone(), Some(cx.read(&weight)))]), cx);
            []
        });
        step.run([]).unwrap();
        let shapes: Vec<Shape> = optimizer
            .settings()
            .variables()
            .iter()
            .skip(2)
            .map(|slot| slot.shape().clone())
            .collect();
        assert_eq!(shapes, [Shape::from([2, 4]), Shape::from([2, 3])]);
    }
}
