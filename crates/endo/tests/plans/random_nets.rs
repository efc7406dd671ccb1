//! Whole training steps of random nets: plans against the node-by-node reference, and one thread
//! against two.
//!
//! In: layers of random widths and kinds, terms from inside, penalties and constraints, any
//! optimizer. Out: the losses of a few steps and the weights after them.

use endo::optimizers;
use endo::prelude::*;
use proptest::prelude::*;

use super::running::{Within, cases, difference, numbers};

/// Activations whose slopes do not jump, so that rounding stays rounding where a normalization
/// gives zeros.
const ACTIVATIONS: [&str; 7] = ["linear", "elu", "tanh", "sigmoid", "gelu", "softplus", "silu"];

/// What a layer has besides units and an activation.
const PLAIN: u8 = 1;
const PENALIZED: u8 = 2;
const HELD: u8 = 4;
const NORMALIZED: u8 = 8;
const DROPPED: u8 = 16;

/// A net and how it is trained.
#[derive(Clone, Debug)]
struct Case {
    /// Of each layer the units, the activation, and what it has besides.
    layers: Vec<(usize, usize, u8)>,
    features: usize,
    batch: usize,
    outputs: usize,
    optimizer: &'static str,
    seed: u64,
}

struct Net {
    hidden: Vec<(Dense, Option<LayerNormalization>, Option<Dropout>)>,
    reconstruct: Dense,
    out: Dense,
}

impl Net {
    fn new(case: &Case) -> Self {
        let hidden = case.layers.iter().map(|&(units, activation, kind)| {
            let mut dense =
                Dense::new(units).activation(ACTIVATIONS[activation]).use_bias(kind & PLAIN == 0);
            if kind & PENALIZED > 0 {
                dense = dense.kernel_regularizer("l2(0.01)");
            }
            if kind & HELD > 0 {
                dense = dense.kernel_constraint("max_norm(1.0)");
            }
            // Of few values, a normalization leaves little more than rounding.
            let norm = (kind & NORMALIZED > 0 && units > 4).then(LayerNormalization::new);
            (dense, norm, (kind & DROPPED > 0).then(|| Dropout::new(0.2)))
        });
        Self {
            hidden: hidden.collect(),
            reconstruct: Dense::new(case.features),
            out: Dense::new(case.outputs),
        }
    }
}

impl Layer for Net {
    fn call(&self, inputs: &Tensor, cx: &mut Context) -> Tensor {
        let mut z = inputs.clone();
        for (dense, norm, dropout) in &self.hidden {
            let y = dense.apply(&z, cx);
            let y = norm.as_ref().map_or(y.clone(), |norm| norm.apply(&y, cx));
            let y = dropout.as_ref().map_or(y.clone(), |dropout| dropout.apply(&y, cx));
            z = if y.shape() == z.shape() { y + &z } else { y };
        }
        let error = (self.reconstruct.apply(&z, cx) - inputs).square().mean();
        cx.add_loss("reconstruction", 0.05 * error);
        cx.add_metric("size", z.abs().mean());
        self.out.apply(&z, cx)
    }
}

fn train(
    case: &Case,
    optimizer: &'static str,
    dtype: DType,
    threads: usize,
    eager: bool,
) -> (Vec<f64>, Vec<Array>) {
    let mut model =
        Model::new(Net::new(case)).seed(case.seed).dtype(dtype).threads(threads).run_eagerly(eager);
    match optimizer {
        "momentum" => model.compile(Sgd::new(0.01).momentum(0.9).nesterov(true), "mse", ["mae"]),
        name => model.compile(name, "mse", ["mae"]),
    };
    let x = numbers([case.batch, case.features], dtype, [-1.0, 1.0], case.seed);
    let y = numbers([case.batch, case.outputs], dtype, [-1.0, 1.0], case.seed + 1);
    let data = Dataset::new(x, y).unwrap();
    let losses =
        (0..3).map(|_| model.train_on_batch(&data).unwrap().get("loss").unwrap()).collect();
    (losses, model.weights().iter().map(Variable::value).collect())
}

fn agree(
    case: &Case,
    got: (Vec<f64>, Vec<Array>),
    want: (Vec<f64>, Vec<Array>),
    within: Within,
) -> Result<(), TestCaseError> {
    for (got, want) in got.1.iter().zip(&want.1) {
        if let Some(difference) = difference(got, want, within) {
            return Err(TestCaseError::fail(format!("{difference} in {case:?}")));
        }
    }
    let difference = difference(&Array::from(got.0), &Array::from(want.0), within);
    difference.map_or(Ok(()), |difference| {
        Err(TestCaseError::fail(format!("losses: {difference} in {case:?}")))
    })
}

fn case() -> impl Strategy<Value = Case> {
    let layers = prop::collection::vec((1_usize..70, 0..ACTIVATIONS.len(), any::<u8>()), 1..5);
    let optimizer = prop::sample::select(optimizers::names().collect::<Vec<_>>());
    (layers, 1_usize..12, 1_usize..40, 1_usize..4, optimizer, 0_u64..1 << 32).prop_map(
        |(layers, features, batch, outputs, optimizer, seed)| Case {
            layers,
            features,
            batch,
            outputs,
            optimizer,
            seed,
        },
    )
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn nets_of_f64_are_trained_by_any_optimizer_as_node_by_node(case in case()) {
        // The sign of a gradient that is nothing but rounding is anybody's guess.
        prop_assume!(case.optimizer != "lion");
        let [plan, nodes] =
            [false, true].map(|eager| train(&case, case.optimizer, DType::F64, 1, eager));
        agree(&case, plan, nodes, Within::Absolute(1e-7))?;
    }

    #[test]
    fn nets_of_f32_are_trained_by_momentum_as_node_by_node(mut case in case()) {
        // A normalization divides by a deviation, and makes as much of rounding as that is small.
        for (_, _, kind) in &mut case.layers {
            *kind &= !NORMALIZED;
        }
        let [plan, nodes] =
            [false, true].map(|eager| train(&case, "momentum", DType::F32, 1, eager));
        agree(&case, plan, nodes, Within::Absolute(2e-5))?;
    }

    #[test]
    fn nets_are_trained_to_the_same_bits_by_one_thread_and_two(case in case()) {
        let [one, two] =
            [1, 2].map(|threads| train(&case, case.optimizer, DType::F32, threads, false));
        agree(&case, one, two, Within::Bits)?;
    }
}
