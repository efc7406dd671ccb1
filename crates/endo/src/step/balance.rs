//! Weights of a loss's terms that follow the training.
//!
//! In: a rule, given to a compiled model. Out: one variable for each term and purpose, made when
//! the term is first traced.

use std::sync::{Mutex, PoisonError};

use crate::array::Array;
use crate::dtype::DType;
use crate::error::Error;
use crate::optimizers::Adam;
use crate::variable::Variable;

/// How the weights of the terms of a loss follow the training: those of the compiled losses and of
/// what layers add, not the penalties of weights. The ledger shows each term as it counts, so that
/// it still adds up; the logs have the weights as `weight(main)`, the mean over an epoch's steps.
/// In validation the weights are those of the moment. They begin anew when the model is compiled,
/// and are not saved with it.
///
/// ```
/// use endo::model::Balance;
/// use endo::prelude::*;
/// # let x = Array::from_fn([64, 3], |i| (0.7 * i as f32).sin());
/// # let y = Array::from_fn([64, 1], |i| 50.0 * (0.3 * i as f32).cos());
/// # let data = Dataset::new(x, y)?;
/// let mut model = Model::new(
///     Sequential::new().add(Dense::new(8).activation("tanh").name("hidden")).add(Dense::new(1)),
/// );
/// model.add_loss_at("hidden", "sparsity", |activation| 0.01 * activation.square().mean());
/// model.compile(Adam::new(0.01), MeanSquaredError, ()).balance(Balance::Uncertainty);
/// let history = model.fit(&data, Fit::epochs(20))?;
/// println!("{}", history.ledger()); // main 402.1 + sparsity 0.002 + uncertainty 0.03 = loss 402.1
/// // The loss that is larger by far weighs less and less, the small one more and more.
/// assert!(
///     history.last("weight(main)") < Some(0.5) && history.last("weight(sparsity)") > Some(0.5)
/// );
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Balance {
    /// Each term has a variance that is learned like a weight, by the model's optimizer: Kendall,
    /// Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
    /// Geometry and Semantics" (arXiv:1705.07115), equation 7 for two tasks, with `s = log σ²`
    /// learned instead of `σ`, as the paper does in practice:
    ///
    /// ```text
    /// loss = Σ (exp(-s_i) / 2 · L_i + s_i / 2)
    /// ```
    ///
    /// The weight of term `i` is `exp(-s_i) / 2`, at first 1/2; the sum of `s_i / 2` is the entry
    /// `uncertainty` of the ledger. Where `L_i` stays as it is, its weight comes to `1 / (2 L_i)`.
    /// A term that goes below 0 has no variance that fits: its weight grows without end.
    Uncertainty,
    /// The terms' gradients are held at norms in proportion to how far each term has to go: Chen,
    /// Badrinarayanan, Lee and Rabinovich 2018, "GradNorm: Gradient Normalization for Adaptive Loss
    /// Balancing in Deep Multitask Networks" (arXiv:1711.02257), equations 1 and 2 and algorithm 1.
    /// With `W` the weights of the last layer that all terms depend on, and `T` terms:
    ///
    /// ```text
    /// loss = Σ w_i L_i
    /// G_i  = |∇_W (w_i L_i)|        its mean over the terms is G
    /// r_i  = (L_i / L_i at the first step) / (the mean of these over the terms)
    /// minimized by w: Σ |G_i - G r_i^alpha|, in which G r_i^alpha counts as constant
    /// ```
    ///
    /// After each update the `w_i` are divided so that they sum to `T`; each is 1 at first and held
    /// above 0. The paper leaves open what updates them: here it is Adam, whose steps do not depend
    /// on the size of the terms. For a term that is 0 at the first step, the first step is the
    /// first at which it is above 0; `L_i / L_i at the first step` is 1 until then. A term below 0
    /// is an error.
    GradNorm {
        /// How strongly terms that lag behind are favoured: 0 for gradients of equal norm.
        alpha: f64,
        /// The learning rate of the weights.
        learning_rate: f64,
    },
}

impl Balance {
    /// [`GradNorm`](Self::GradNorm) with an alpha of 1.5 and a learning rate of 0.025.
    pub fn grad_norm() -> Self {
        Self::GradNorm { alpha: 1.5, learning_rate: 0.025 }
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<Error> {
        let Self::GradNorm { alpha, learning_rate } = *self else { return None };
        let wrong = |name: &str, value: f64, range: &str| {
            let message = format!("`{name}` of GradNorm must be {range}, got {value}");
            Some(Error::argument(message, "`Balance::grad_norm()` has values that often serve"))
        };
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return wrong("alpha", alpha, "a number from 0 on");
        }
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return wrong("learning_rate", learning_rate, "a number above 0");
        }
        None
    }
}

/// A rule with what it has learned.
pub(crate) struct BalanceState {
    pub rule: Balance,
    /// What updates the weights of GradNorm.
    pub optimizer: Adam,
    variables: Mutex<Vec<Variable>>,
}

impl BalanceState {
    pub fn new(rule: Balance) -> Self {
        let rate = match rule {
            Balance::Uncertainty => 0.0,
            Balance::GradNorm { learning_rate, .. } => learning_rate,
        };
        Self { rule, optimizer: Adam::new(rate), variables: Mutex::default() }
    }

    /// The variable of a name as `weight(main)`, which begins with a number.
    pub fn variable(&self, name: &str, first: f64, dtype: DType) -> Variable {
        let mut variables = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = variables.iter().find(|known| known.name() == name) {
            return known.clone();
        }
        let variable = Variable::new(name, Array::full((), first, dtype));
        variables.push(variable.clone());
        variable
    }
}
