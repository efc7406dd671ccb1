//! A model that uses everything that can go wrong between modes of training, and data for it.
//!
//! In: nothing. Out: the reconstructing regressor with dropout, batch normalization, a penalty and
//! a constraint in it.

use std::sync::OnceLock;

use endo::prelude::*;
use endo::random::Random;

/// A regressor whose hidden activations must be able to reconstruct its inputs.
pub struct Regressor {
    hidden: Vec<Dense>,
    normalization: BatchNormalization,
    dropout: Dropout,
    reconstruct: OnceLock<Dense>,
    out: Dense,
}

impl Regressor {
    pub fn new() -> Self {
        let hidden = || {
            Dense::new(12)
                .activation(Selu)
                .kernel_initializer(LecunNormal)
                .kernel_regularizer(L2(0.01))
        };
        Self {
            hidden: vec![hidden(), hidden()],
            normalization: BatchNormalization::new(),
            dropout: Dropout::new(0.25),
            reconstruct: OnceLock::new(),
            out: Dense::new(1).kernel_constraint(MaxNorm.max_value(0.7)),
        }
    }
}

impl Layer for Regressor {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let z = self.hidden[0].apply(inputs, cx);
        let z = self.dropout.apply(&self.normalization.apply(&z, cx), cx);
        let z = self.hidden[1].apply(&z, cx);
        let reconstruct = self.reconstruct.get_or_init(|| Dense::new(inputs.features()));
        let error = (reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * &error);
        cx.add_metric("reconstruction_error", &error);
        self.out.apply(&z, cx)
    }
}

/// `samples` rows of five features, and a target that is not linear in them.
pub fn made_up_data(samples: usize) -> Dataset {
    let mut random = Random::new(7, 0);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        let [a, b, c]: [f32; 3] = std::array::from_fn(|_| random.normal());
        x.extend([a, b, c, a - b, b * c]);
        y.push(a.sin() + b * c);
    }
    Dataset::new(Array::new([samples, 5], x).unwrap(), Array::new([samples, 1], y).unwrap())
        .unwrap()
}
