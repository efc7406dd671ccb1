//! The model of a table: from the numbers of a row to predictions in the targets' unit, or to
//! probabilities.
//!
//! In: rows `[batch, features]` in `f64`. Out: `[batch, outputs]` in `f64`: what is linear in the
//! encoded inputs, and the mean of what the nets say, each times its share.

use endo::prelude::*;

use super::encoding::Encoding;
use super::ensemble::Ensemble;
use super::problem::Task;
use super::scale::Scale;

/// The shares of what is linear and of the nets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    /// The share of the base.
    pub base: f64,
    /// The share of the nets.
    pub nets: f64,
}

/// The layers of the model.
pub struct TableNet {
    task: Task,
    encoding: Encoding,
    /// `[1 + width, outputs]`, first the constant.
    base: Array,
    nets: Option<Ensemble>,
    mixture: Mixture,
    scale: Scale,
    weights: Vec<Weight>,
}

impl TableNet {
    /// The model of parts that are fitted.
    pub fn new(
        task: Task,
        encoding: Encoding,
        base: Array,
        nets: Option<Ensemble>,
        mixture: Mixture,
        scale: Scale,
    ) -> Self {
        let names = [
            "coefficients",
            "constant",
            "shares",
            "mean",
            "deviation",
            "least",
            "most",
            "smearing",
        ];
        let weights = names
            .iter()
            .map(|&name| Weight::new(name).trainable(false).dtype(DType::F64))
            .collect();
        Self { task, encoding, base, nets, mixture, scale, weights }
    }
}

impl Layer for TableNet {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let outputs = self.task.outputs();
        let values = self.base.to_vec::<f64>();
        let encoded = self.encoding.apply(x, cx);
        let weight = |place: usize, values: Array, cx: &mut Context| {
            self.weights[place].get(self, values.shape(), &values, cx)
        };
        let coefficients = Array::from_fn([encoded.features(), outputs], |at| values[outputs + at]);
        let coefficients = weight(0, coefficients, cx);
        let constant = weight(1, Array::from_fn([outputs], |at| values[at]), cx);
        let shares = weight(2, Array::from([self.mixture.base, self.mixture.nets]), cx);
        let mean = weight(3, self.scale.mean.clone().into(), cx);
        let linear = encoded.cast(DType::F64).matmul(&coefficients) + constant;
        // The shares of classes stay when the base is shrunk.
        let prior = if self.task.is_classes() { mean.clone() } else { mean.zeros_like() };
        let mut said = (linear - &prior) * shares.slice(0, 0..1) + &prior;
        if let Some(nets) = &self.nets {
            let of_nets = nets.apply(&encoded, cx);
            let of_nets =
                of_nets.reshape([x.batch(), of_nets.features() / outputs, outputs]).mean_axes([1]);
            said = said + of_nets.cast(DType::F64) * shares.slice(0, 1..2);
        }
        match self.task {
            Task::Classes { .. } => (&said - said.logsumexp_axes([-1]).expand_dims(-1)).exp(),
            Task::Regression { .. } => {
                let deviation = weight(4, self.scale.deviation.clone().into(), cx);
                let least = weight(5, self.scale.least.clone().into(), cx);
                let most = weight(6, self.scale.most.clone().into(), cx);
                let value = said * deviation + mean;
                let value = match self.scale.smearing {
                    Some(smearing) => value.exp() * weight(7, Array::from([smearing]), cx),
                    None => value,
                };
                value.maximum(least).minimum(most)
            }
        }
    }

    fn name(&self) -> Option<&str> {
        Some("table")
    }
}
