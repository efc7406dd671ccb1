//! Cells for a [`Rnn`](super::Rnn) that the library has: steps of its recurrent layers, and stacks.

use crate::graph::{Tensor, Tree};
use crate::shape::Shape;
use crate::trace::Context;

use super::rnn::structure;
use super::{Cell, GruCell, Layer, LstmCell, Recurrent, RnnCell, SimpleRnnCell};

/// One step of a [`SimpleRnn`](super::SimpleRnn), [`Gru`](super::Gru) or [`Lstm`](super::Lstm):
/// what [`Recurrent::into_step`] makes.
pub struct RecurrentStep<C: Cell>(Recurrent<C, C::Sequence>);

impl<C: Cell> RecurrentStep<C> {
    pub(super) fn new(layer: Recurrent<C, C::Sequence>) -> Self {
        let layer = Recurrent { return_sequences: false, stateful: false, ..layer };
        Self(Recurrent { go_backwards: false, ..layer })
    }
}

macro_rules! recurrent_steps {
    ($($Cell:ident: $States:ty, $($state:ident)+, $given:pat => $after:expr;)+) => {
        $(
            impl Layer<(Tensor, $States), (Tensor, $States)> for RecurrentStep<$Cell> {
                #[track_caller]
                fn call(
                    &self,
                    (x, $given): &(Tensor, $States),
                    cx: &mut Context,
                ) -> (Tensor, $States) {
                    let (output, $($state),+) =
                        self.0.apply(&(x.expand_dims(1), $($state.clone()),+), cx);
                    (output, $after)
                }

                /// The layer inside has the name and the weights.
                #[track_caller]
                fn apply(
                    &self,
                    inputs: &(Tensor, $States),
                    cx: &mut Context,
                ) -> (Tensor, $States) {
                    self.call(inputs, cx)
                }
            }

            impl RnnCell for RecurrentStep<$Cell> {
                type Inputs = Tensor;
                type States = $States;

                fn state_shapes(&self) -> Vec<Shape> {
                    $(let $state: Shape = [self.0.units.0].into();)+
                    vec![$($state),+]
                }
            }
        )+
    };
}
recurrent_steps! {
    SimpleRnnCell: Tensor, h, h => h;
    GruCell: Tensor, h, h => h;
    LstmCell: (Tensor, Tensor), h c, (h, c) => (h, c);
}

/// Two cells, the second of which takes the output of the first; each may be a stack itself.
/// Keras's `StackedRNNCells`.
pub struct StackedCells<A, B>(
    /// The cell that takes the inputs.
    pub A,
    /// The cell whose output is that of the stack.
    pub B,
);

impl<A: RnnCell, B: RnnCell<Inputs = Tensor>>
    Layer<(A::Inputs, (A::States, B::States)), (Tensor, (A::States, B::States))>
    for StackedCells<A, B>
{
    #[track_caller]
    fn call(
        &self,
        (inputs, (below, above)): &(A::Inputs, (A::States, B::States)),
        cx: &mut Context,
    ) -> (Tensor, (A::States, B::States)) {
        let (x, below) = self.0.apply(&(copied(inputs), copied(below)), cx);
        let (output, above) = self.1.apply(&(x, copied(above)), cx);
        (output, (below, above))
    }

    fn kind(&self) -> &'static str {
        "StackedCells"
    }
}

impl<A: RnnCell, B: RnnCell<Inputs = Tensor>> RnnCell for StackedCells<A, B> {
    type Inputs = A::Inputs;
    type States = (A::States, B::States);

    fn state_shapes(&self) -> Vec<Shape> {
        let mut shapes = self.0.state_shapes();
        shapes.extend(self.1.state_shapes());
        shapes
    }
}

fn copied<T: Tree>(tensors: &T) -> T {
    structure(tensors.tensors().into_iter().cloned().collect())
}
