//! `initializers.json`: distributions by their parameters, fixed values, orthogonality, and the
//! defaults of layers.
//!
//! The streams of random numbers are endo's own, so samples are compared with what Keras draws
//! from, not with its samples.

use std::cell::RefCell;

use endo::initializers::{self, Initializer};
use endo::layers::{
    BatchNormalization, Conv1D, Conv2D, Conv2DTranspose, Conv3D, Dense, DepthwiseConv2D, Embedding,
    GroupNormalization, Gru, Layer, LayerNormalization, Lstm, MultiHeadAttention, PRelu,
    SeparableConv2D, SimpleRnn,
};
use endo::random::Random;
use endo::trace::Function;
use endo::{Array, DType, Error, Shape};

use super::support::{Object, Outcome, Tolerance, check, compare, compare_numbers};

/// Cases that are not checked yet.
const LATER: &[&str] = &[];

#[test]
fn initializers_are_keras() {
    check("initializers.json", LATER, |case| match case.text("kind") {
        "random" => random(case),
        "deterministic" => deterministic(case),
        "orthogonal" => orthogonal(case),
        "layer_defaults" => layer_defaults(case),
        other => Err(format!("the kind {other} is not known")),
    });
}

fn initializer(case: &Object<'_>) -> Result<impl Initializer, String> {
    initializers::get(&case.named()).map_err(|error| error.to_string())
}

/// The values of many streams, one after another.
fn draw(initializer: &dyn Initializer, shape: &Shape, at_least: usize) -> Result<Vec<f64>, String> {
    let count = at_least.div_ceil(shape.len()).max(2);
    let draws =
        (0..count as u64).map(|stream| initializer.initialize(shape, &mut Random::new(17, stream)));
    let arrays: Result<Vec<Array>, Error> = draws.collect();
    Ok(arrays
        .map_err(|error| error.to_string())?
        .iter()
        .flat_map(|array| array.to_vec::<f64>())
        .collect())
}

fn random(case: &Object<'_>) -> Outcome {
    const COUNT: usize = 100_000;
    let expected = case.object("expected");
    let (mean, deviation) = (expected.number("expected_mean"), expected.number("expected_std"));
    let bounds = [expected.optional_number("min"), expected.optional_number("max")];
    let values = draw(&initializer(case)?, &Shape::from(case.sizes("shape")), COUNT)?;
    let got_mean = values.iter().sum::<f64>() / values.len() as f64;
    let got_deviation = (values.iter().map(|value| (value - got_mean).powi(2)).sum::<f64>()
        / values.len() as f64)
        .sqrt();
    // Five standard errors of the mean, and 2% of the deviation, whose standard error is below
    // 0.3%.
    let allowed = 5.0 * deviation / (values.len() as f64).sqrt();
    compare_numbers("the mean", got_mean, mean, Tolerance { absolute: allowed, relative: 0.0 })?;
    compare_numbers(
        "the deviation",
        got_deviation,
        deviation,
        Tolerance { absolute: 0.0, relative: 0.02 },
    )?;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for (got, bound, outward) in [(least, bounds[0], -1.0), (greatest, bounds[1], 1.0)] {
        match bound {
            // Values reach the bound but for 1% of the deviation, and pass it by no more than
            // rounding.
            Some(bound)
                if outward * (got - bound) > 1e-6 || outward * (bound - got) > 0.01 * deviation =>
            {
                return Err(format!("the extreme value is {got}, the bound {bound}"));
            }
            None if (got - mean).abs() < 3.0 * deviation => {
                return Err(format!("the extreme value is only {got}"));
            }
            Some(_) | None => {}
        }
    }
    share_within_one_deviation(&expected, &values)?;
    // What Keras drew lies as near to its parameters.
    let sample = expected.object("sample");
    let allowed = 5.0
        * deviation
        * (1.0 / sample.number("count").sqrt() + 1.0 / (values.len() as f64).sqrt());
    compare_numbers(
        "the mean",
        got_mean,
        sample.number("mean"),
        Tolerance { absolute: allowed, relative: 0.0 },
    )?;
    compare_numbers(
        "the deviation",
        got_deviation,
        sample.number("std"),
        Tolerance { absolute: 0.0, relative: 0.03 },
    )?;
    let inside = |key: &str| {
        bounds.iter().all(Option::is_none)
            || (sample.number(key) - mean).abs() <= 2.0 * deviation / 0.8796 + 1e-6
    };
    let [low, high] = ["min", "max"].map(|key| (inside(key), sample.number(key)));
    let fans = ["fan_in", "fan_out"].map(|key| expected.number(key));
    if low.0 && high.0 && fans.iter().all(|&fan| fan >= 1.0) {
        Ok(())
    } else {
        Err(format!("Keras drew {low:?} to {high:?}"))
    }
}

/// The shape of the distribution: how many values lie within one standard deviation, before the cut
/// if there is one.
fn share_within_one_deviation(expected: &Object<'_>, values: &[f64]) -> Outcome {
    let (center, reach, share) = match expected.text("distribution") {
        "uniform" => {
            let (low, high) = (expected.number("limit_low"), expected.number("limit_high"));
            ((low + high) / 2.0, (high - low) / 12.0_f64.sqrt(), 1.0 / 3.0_f64.sqrt())
        }
        "normal" => (expected.number("mean"), expected.number("stddev"), 0.682_689),
        "truncated_normal" => {
            (expected.number("mean"), expected.number("stddev"), 0.682_689 / 0.954_500)
        }
        other => return Err(format!("the distribution {other} is not known")),
    };
    let within = values.iter().filter(|&value| (value - center).abs() < reach).count();
    let tolerance = Tolerance { absolute: 0.01, relative: 0.0 };
    compare_numbers(
        "the share within one deviation",
        within as f64 / values.len() as f64,
        share,
        tolerance,
    )
}

fn deterministic(case: &Object<'_>) -> Outcome {
    let expected = case.object("expected").array("values");
    let got = initializer(case)?
        .initialize(&case.sizes("shape").into(), &mut Random::new(17, 0))
        .map_err(|error| error.to_string())?;
    compare("the value", &got, &expected, Tolerance { absolute: 0.0, relative: 1e-7 })
}

fn orthogonal(case: &Object<'_>) -> Outcome {
    let expected = case.object("expected");
    let [rows, columns] = expected.sizes("matrix_shape")[..] else {
        return Err("a matrix has two axes".to_string());
    };
    let values = initializer(case)?
        .initialize(&case.sizes("shape").into(), &mut Random::new(17, 0))
        .map_err(|error| error.to_string())?;
    let (count, length, by_row) = match expected.text("orthonormal") {
        "rows" => (rows, columns, true),
        "columns" => (columns, rows, false),
        other => return Err(format!("orthonormal {other} are not known")),
    };
    let value = |vector: usize, index: usize| {
        values.get(if by_row { vector * columns + index } else { index * columns + vector })
    };
    let diagonal = expected.number("gram_diagonal");
    for i in 0..count {
        for j in 0..count {
            let product: f64 = (0..length).map(|index| value(i, index) * value(j, index)).sum();
            let want = if i == j { diagonal } else { 0.0 };
            compare_numbers(
                &format!("the product of {i} and {j}"),
                product,
                want,
                Tolerance { absolute: 1e-6, relative: 1e-6 },
            )?;
        }
    }
    if values.len() == rows * columns {
        Ok(())
    } else {
        Err(format!("{} values for a matrix {rows} x {columns}", values.len()))
    }
}

/// The weights of a layer of many units, made by its defaults, have the statistics of the
/// initializer that Keras uses.
fn layer_defaults(case: &Object<'_>) -> Outcome {
    const UNITS: usize = 320;
    let inputs = Array::from_fn([2, UNITS], |index| index as f32);
    let of_rank = |rank: usize| Array::zeros([1, 3, 3, 3, UNITS][5 - rank..].to_vec(), DType::F32);
    let weights = match (case.text("class"), case.object("config").keys().next()) {
        (_, Some(key)) => return Err(format!("the option {key} is not known")),
        ("Dense", None) => weights(&Dense::new(UNITS), &inputs),
        ("BatchNormalization", None) => weights(&BatchNormalization::new(), &inputs),
        ("Embedding", None) => weights(&Embedding::new(2 * UNITS, UNITS), &inputs.cast(DType::I32)),
        ("LayerNormalization", None) => weights(&LayerNormalization::new(), &inputs),
        ("GroupNormalization", None) => weights(&GroupNormalization::new(), &inputs),
        ("PReLU", None) => weights(&PRelu::new(), &inputs),
        ("MultiHeadAttention", None) => {
            weights(&MultiHeadAttention::new(4, UNITS / 4), &of_rank(3))
        }
        ("SimpleRNN", None) => weights(&SimpleRnn::new(UNITS), &of_rank(3)),
        ("GRU", None) => weights(&Gru::new(UNITS), &of_rank(3)),
        ("LSTM", None) => weights(&Lstm::new(UNITS), &of_rank(3)).map(without_forget_bias),
        ("Conv1D", None) => weights(&Conv1D::new(UNITS, 3), &of_rank(3)),
        ("Conv2D", None) => weights(&Conv2D::new(UNITS, 2), &of_rank(4)),
        ("Conv3D", None) => weights(&Conv3D::new(UNITS, [1, 2, 1]), &of_rank(5)),
        ("DepthwiseConv2D", None) => weights(&DepthwiseConv2D::new(3), &of_rank(4)),
        ("SeparableConv2D", None) => weights(&SeparableConv2D::new(UNITS, 3), &of_rank(4)),
        ("Conv2DTranspose", None) => weights(&Conv2DTranspose::new(UNITS, 2), &of_rank(4)),
        (other, None) => return Err(format!("the layer {other} is not known")),
    }?;
    let expected = case.object("expected").object("initializers");
    let mut compared = 0;
    for key in expected.keys() {
        let name = key
            .strip_suffix("_initializer")
            .ok_or_else(|| format!("{key} is not an initializer"))?;
        // Keras's initializer of a `recurrent_kernel` is called `recurrent`, that of a depthwise
        // `kernel` `depthwise`.
        let names = [name.to_string(), format!("{name}_kernel")];
        let alone = |known: &str| name == "depthwise" && known == "kernel";
        let before = compared;
        for (_, got) in weights.iter().filter(|(known, _)| names.contains(known) || alone(known)) {
            // A kernel of several heads is a matrix of all its inputs and outputs.
            let is_of_heads = case.text("class") == "MultiHeadAttention" && got.shape().rank() == 3;
            let shape = if is_of_heads { [UNITS, UNITS].into() } else { got.shape().clone() };
            let want = initializer(&expected.object(key))?
                .initialize(&shape, &mut Random::new(17, 0))
                .map_err(|error| error.to_string())?;
            let statistics = [
                ("mean", mean as fn(&Array) -> f64),
                ("mean square", mean_square),
                ("greatest value", greatest),
            ];
            // The greatest of orthogonal vectors has no bound that all of them come near to.
            let count = if expected.object(key).text("class") == "Orthogonal" { 2 } else { 3 };
            for (what, statistic) in statistics.into_iter().take(count) {
                let tolerance = Tolerance { absolute: 1e-3, relative: 0.02 };
                compare_numbers(
                    &format!("the {what} of `{name}`"),
                    statistic(got),
                    statistic(&want),
                    tolerance,
                )?;
            }
            compared += 1;
        }
        if compared == before {
            return Err(format!("there is no weight `{name}`"));
        }
    }
    if weights.len() == compared {
        Ok(())
    } else {
        Err(format!("{} weights, and {compared} have initializers", weights.len()))
    }
}

/// The weights of an LSTM with the bias of its forget gate as the initializer made it: Keras puts
/// ones there afterwards.
fn without_forget_bias(weights: Vec<(String, Array)>) -> Vec<(String, Array)> {
    let zeroed = |(name, value): (String, Array)| {
        let (units, is_bias) = (value.len() / 4, name == "bias");
        let forget = |index: usize| is_bias && index / units == 1;
        assert!(
            (0..value.len()).filter(|&index| forget(index)).all(|index| value.get(index) == 1.0),
            "ones for the forget gate"
        );
        let zeroed = Array::from_fn(value.shape(), |index| {
            if forget(index) { 0.0 } else { value.get(index) as f32 }
        });
        (name, zeroed)
    };
    weights.into_iter().map(zeroed).collect()
}

/// The weights that a layer makes for these inputs, by their own names.
fn weights(layer: &impl Layer, inputs: &Array) -> Result<Vec<(String, Array)>, String> {
    let found = RefCell::new(Vec::new());
    let mut f = Function::new(|[x], cx| {
        let y = layer.apply(&x, cx);
        *found.borrow_mut() =
            cx.weights().map(|variable| (variable.name().to_string(), variable.value())).collect();
        [y]
    });
    f.run([inputs]).map_err(|error| error.to_string())?;
    drop(f);
    let own_name = |name: String| name.rsplit('/').next().unwrap_or_default().to_string();
    Ok(found.into_inner().into_iter().map(|(name, value)| (own_name(name), value)).collect())
}

fn mean(array: &Array) -> f64 {
    array.to_vec::<f64>().iter().sum::<f64>() / array.len() as f64
}

fn mean_square(array: &Array) -> f64 {
    array.to_vec::<f64>().iter().map(|value| value * value).sum::<f64>() / array.len() as f64
}

fn greatest(array: &Array) -> f64 {
    array.to_vec::<f64>().into_iter().fold(f64::NEG_INFINITY, f64::max)
}
