//! The model of a table: from the numbers of a row to predictions in the targets' unit, or to probabilities.
//!
//! In: rows `[batch, features]` in `f64`. Out: `[batch, outputs]` in `f64`: what is linear in the encoded inputs, and the mean of what
//! the nets say, each times its share.

use endo::prelude::*;

use super::encoding::Encoding;
use super::ensemble::Ensemble;
use super::problem::Task;

/// How targets are standardized, and what predictions may be.
#[derive(Clone, Debug)]
pub struct Scale {
    /// The means of targets; the logarithms of classes' shares.
    pub mean: Vec<f64>,
    /// The deviations of targets.
    pub deviation: Vec<f64>,
    /// The least predictions.
    pub least: Vec<f64>,
    /// The largest predictions.
    pub most: Vec<f64>,
    /// Where logarithms of targets are learnt, what their exponentials are multiplied by: the mean of what is skewed is larger than
    /// the exponential of its logarithm's mean (Duan 1983).
    pub smearing: Option<f64>,
}

impl Scale {
    /// A standardized prediction of a target in its unit.
    pub fn in_unit(&self, target: usize, said: f64) -> f64 {
        let value = said * self.deviation[target] + self.mean[target];
        let value = self.smearing.map_or(value, |smearing| smearing * value.exp());
        value.max(self.least[target]).min(self.most[target])
    }
}

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
    pub fn new(task: Task, encoding: Encoding, base: Array, nets: Option<Ensemble>, mixture: Mixture, scale: Scale) -> Self {
        let names = ["coefficients", "constant", "shares", "mean", "deviation", "least", "most", "smearing"];
        let weights = names.iter().map(|&name| Weight::new(name).trainable(false).dtype(DType::F64)).collect();
        Self { task, encoding, base, nets, mixture, scale, weights }
    }
}

impl Layer for TableNet {
    fn call(&self, x: &Tensor, cx: &mut Context) -> Tensor {
        let outputs = self.task.outputs();
        let values = self.base.to_vec::<f64>();
        let encoded = self.encoding.apply(x, cx);
        let weight = |place: usize, values: Array, cx: &mut Context| self.weights[place].get(self, values.shape(), &values, cx);
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
            let of_nets = of_nets.reshape([x.batch(), of_nets.features() / outputs, outputs]).mean_axes(&[1]);
            said = said + of_nets.cast(DType::F64) * shares.slice(0, 1..2);
        }
        match self.task {
            Task::Classes { .. } => (&said - said.logsumexp_axes(&[-1]).expand_dims(-1)).exp(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_come_back_in_the_unit_and_stay_within_bounds() {
        let mut scale = Scale { mean: vec![1.0], deviation: vec![2.0], least: vec![0.0], most: vec![9.0], smearing: None };
        assert_eq!([scale.in_unit(0, 1.5), scale.in_unit(0, -1.0), scale.in_unit(0, 50.0)], [4.0, 0.0, 9.0]);
        scale.smearing = Some(1.5);
        assert_eq!([scale.in_unit(0, -0.5), scale.in_unit(0, 1e6)], [1.5, 9.0]);
    }
}
