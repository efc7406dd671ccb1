//! What happens with a batch in training, piece by piece.
//!
//! In: the tensors of a batch. Out: the terms of its loss; weights and metrics assigned. `fit` puts the pieces together in the usual
//! way, unless the model was given a step of its own.

use crate::graph::Tree;
use crate::model::{Terms, TrainStep};
use crate::trace::Context;

use super::lints;

impl<I: Tree, O: Tree> TrainStep<'_, I, O> {
    /// The model's outputs for inputs. Each call adds the terms that the model adds inside.
    #[track_caller]
    pub fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.model.apply(inputs, cx)
    }

    /// Every term of the loss: the compiled ones of these outputs, those that the model has added in this step so far, and the
    /// penalties.
    #[track_caller]
    pub fn losses(&self, outputs: &O, cx: &mut Context) -> Terms {
        let terms = self.model.terms(self.compiled, self.targets, &outputs.tensors(), self.sample_weights, self.mark, cx);
        terms.unwrap_or_else(|| Terms::new([("main", cx.constant(0.0_f32))])) // what was wrong is recorded
    }

    /// Changes the trainable weights with the compiled optimizer, so that the total of the terms falls. Nothing changes where a term
    /// or a gradient is not finite.
    #[track_caller]
    pub fn minimize(&self, terms: &Terms, cx: &mut Context) {
        self.minimized.set(true);
        for (name, term) in &terms.terms {
            cx.trace().check(term, format!("the loss term `{name}`"));
        }
        match &self.model.trainable_weights()[..] {
            [] => cx.warn("the model has no trainable weights: training changes nothing"),
            weights => {
                let reached = lints::reached_weights(terms, weights, cx);
                let learned = reached.iter().chain(&terms.balanced.learned);
                let loss = self.compiled.optimizer.settings().scale_loss(&terms.total);
                let gradients = cx.gradients(&loss, learned);
                if let Some(balancing) = &self.compiled.balance {
                    terms.balanced.update(balancing, &reached, cx);
                }
                self.compiled.optimizer.apply(&gradients, cx);
            }
        }
    }

    /// Updates the compiled metrics with these outputs.
    #[track_caller]
    pub fn update_metrics(&self, outputs: &O, cx: &mut Context) {
        self.updated.set(true);
        self.model.update_metrics(self.compiled, self.targets, &outputs.tensors(), self.sample_weights, cx);
    }
}
