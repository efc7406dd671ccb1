//! The states that a stateful layer keeps from call to call.
//!
//! In: the states after a call. Out: those that the next call begins with.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::initializers::Zeros;
use crate::shape::Shape;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

/// The most states that a layer keeps.
pub(super) const MOST: usize = 16;

/// The states of a layer, zeros of the first call's batch size until written.
pub struct States(Vec<Weight>);

impl Default for States {
    fn default() -> Self {
        let state = |index| Weight::new(format!("state_{index}"));
        Self((0..MOST).map(|i| state(i).trainable(false)).collect())
    }
}

impl States {
    /// Those that there are so far.
    pub fn variables(&self) -> Vec<&Variable> {
        self.0.iter().filter_map(Weight::variable).collect()
    }

    /// Sets them to 0.
    pub fn reset(&self) {
        for state in self.variables() {
            let zeros = Array::zeros(state.shape(), state.dtype());
            state.set(&zeros).expect("zeros of its own shape and type");
        }
    }

    /// Whether they are of batches of this size, if there are any.
    ///
    /// # Errors
    /// If they are not.
    pub fn check(&self, batch: usize, cx: &Context) -> Result<()> {
        let other = self.variables().into_iter().find(|state| state.shape()[0] != batch);
        let Some(state) = other else { return Ok(()) };
        let message = format!(
            "`{}` is stateful and keeps the states of {} samples, but the batch has {batch}",
            cx.path(),
            state.shape()[0]
        );
        let help = "every batch continues the sequences of the one before: give batches of one \
            size, which divides the number of samples";
        Err(Error::shape(message, help))
    }

    /// The states of a layer, of these shapes.
    #[track_caller]
    pub fn read<L>(&self, layer: &L, shapes: &[Shape], cx: &mut Context) -> Vec<Tensor> {
        let states = self.0.iter().zip(shapes);
        states.map(|(state, shape)| state.get(layer, shape, &Zeros, cx)).collect()
    }

    /// Keeps states for the next call.
    #[track_caller]
    pub fn write(&self, values: &[Tensor], cx: &mut Context) {
        for (state, value) in self.0.iter().zip(values) {
            state.assign(&value.stop_gradient(), cx);
        }
    }
}
