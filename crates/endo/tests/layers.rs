//! Layers against Keras: outputs, gradients of inputs and weights, and moving statistics of every case of `layers.json`, as a
//! plan and node by node.
//!
//! In: the folder `tests/golden`, or the one that the variable `ENDO_GOLDEN` names. A case of a class that is neither built
//! here nor listed as absent fails, and so does a key of a configuration that nothing reads.

use std::cell::RefCell;
use std::path::PathBuf;

use endo::activations;
use endo::prelude::*;
use serde_json::{Map, Value};

/// Classes of Keras that have no layer here.
const ABSENT: &str = "
    AdditiveAttention AlphaDropout Attention AveragePooling1D AveragePooling2D AveragePooling3D Bidirectional Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Cropping1D Cropping2D Cropping3D DepthwiseConv1D DepthwiseConv2D Dot ELU
    EinsumDense Embedding GRU GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention LSTM LeakyReLU Masking MaxPooling1D
    MaxPooling2D MaxPooling3D MultiHeadAttention PReLU Permute RMSNormalization ReLU RepeatVector Rescaling
    SeparableConv1D SeparableConv2D SimpleRNN Softmax SpatialDropout1D TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
";

/// What a case applies to its inputs.
type Apply = Box<dyn Fn(&[Tensor], &mut Context) -> Tensor>;

/// The arguments of a layer's constructor; each has to be taken.
struct Config(Map<String, Value>);

impl Config {
    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// Sets an option of a layer if the configuration has it.
    fn option<L, T>(&mut self, key: &str, layer: L, read: impl Fn(&Value) -> Option<T>, set: impl Fn(L, T) -> L) -> L {
        match self.take(key) {
            Some(value) => set(layer, read(&value).unwrap_or_else(|| panic!("`{key}` is {value}"))),
            None => layer,
        }
    }

    fn number(&mut self, key: &str) -> f64 {
        self.take(key).and_then(|value| value.as_f64()).unwrap_or_else(|| panic!("a number `{key}`"))
    }

    fn numbers(&mut self, key: &str) -> Vec<f64> {
        let value = self.take(key).unwrap_or_else(|| panic!("numbers `{key}`"));
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }
}

fn axis(value: &Value) -> Option<isize> {
    value.as_i64().map(|axis| axis as isize)
}

fn axes(value: &Value) -> Option<Vec<isize>> {
    match value {
        Value::Array(axes) => axes.iter().map(axis).collect(),
        one => axis(one).map(|axis| vec![axis]),
    }
}

fn one(layer: impl Layer + 'static) -> Apply {
    Box::new(move |x, cx| layer.apply(&x[0], cx))
}

fn many(layer: impl Layer<Vec<Tensor>> + 'static) -> Apply {
    Box::new(move |x, cx| layer.apply(&x.to_vec(), cx))
}

/// The layer of a case, or `None` if there is none of its class.
fn layer(class: &str, config: &mut Config, mask: Option<Array>) -> Option<Apply> {
    Some(match class {
        "Dense" => {
            let layer = Dense::new(config.number("units") as usize);
            let layer = config.option("use_bias", layer, Value::as_bool, Dense::use_bias);
            match config.take("activation") {
                None | Some(Value::Null) => one(layer),
                Some(name) => one(layer.activation(named(&name))),
            }
        }
        "Activation" => one(Activation::new(named(&config.take("activation").unwrap()))),
        "Dropout" => one(Dropout::new(config.number("rate"))),
        "GaussianDropout" => one(GaussianDropout::new(config.number("rate"))),
        "GaussianNoise" => one(GaussianNoise::new(config.number("stddev"))),
        "Flatten" => one(Flatten::new()),
        "Reshape" => one(Reshape::new(axes(&config.take("target_shape").unwrap()).unwrap())),
        "Normalization" => {
            let layer = Normalization::new(config.numbers("mean"), config.numbers("variance"));
            let layer = config.option("axis", layer, axis, Normalization::axis);
            one(config.option("invert", layer, Value::as_bool, Normalization::invert))
        }
        "LayerNormalization" => {
            let layer = config.option("axis", LayerNormalization::new(), axes, LayerNormalization::axis);
            let layer = config.option("epsilon", layer, Value::as_f64, LayerNormalization::epsilon);
            let layer = config.option("center", layer, Value::as_bool, LayerNormalization::center);
            one(config.option("scale", layer, Value::as_bool, LayerNormalization::scale))
        }
        "BatchNormalization" => {
            let layer = config.option("axis", BatchNormalization::new(), axis, BatchNormalization::axis);
            let layer = config.option("momentum", layer, Value::as_f64, BatchNormalization::momentum);
            let layer = config.option("epsilon", layer, Value::as_f64, BatchNormalization::epsilon);
            let layer = config.option("center", layer, Value::as_bool, BatchNormalization::center);
            let layer = config.option("scale", layer, Value::as_bool, BatchNormalization::scale);
            let layer = config.option("trainable", layer, Value::as_bool, BatchNormalization::trainable);
            match mask {
                Some(mask) => Box::new(move |x, cx| layer.apply(&(x[0].clone(), cx.constant(mask.clone())), cx)),
                None => one(layer),
            }
        }
        "Concatenate" => many(config.option("axis", Concatenate::new(), axis, Concatenate::axis)),
        "Add" => many(Add::new()),
        "Subtract" => many(Subtract::new()),
        "Multiply" => many(Multiply::new()),
        "Average" => many(Average::new()),
        "Maximum" => many(Maximum::new()),
        "Minimum" => many(Minimum::new()),
        _ => return None,
    })
}

/// The activation that a name of the file means.
fn named(name: &Value) -> impl ActivationFunction + 'static {
    let name = name.as_str().unwrap_or_else(|| panic!("an activation called {name}"));
    activations::get(name).unwrap_or_else(|error| panic!("{error}"))
}

fn array(value: &Value) -> Array {
    let shape: Vec<usize> = value["shape"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect();
    let data = value["data"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect();
    Array::new(shape, data).unwrap()
}

fn arrays(value: &Value) -> Vec<Array> {
    value.as_array().into_iter().flatten().map(array).collect()
}

/// Weights by name, from a list of names and values.
fn weights(value: &Value) -> Vec<(String, Array)> {
    let entries = value.as_array().into_iter().flatten();
    entries.map(|entry| (entry["name"].as_str().unwrap().to_string(), array(&entry["value"]))).collect()
}

fn assert_close(what: &str, got: &[f32], want: &Array, largest: f32) {
    let want = want.to_vec::<f32>();
    assert_eq!(got.len(), want.len(), "{what}: number of elements");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let tolerance = 1e-5 * largest.max(1.0) + 1e-4 * want.abs();
        assert!((got - want).abs() <= tolerance, "{what}[{index}]: got {got}, want {want}");
    }
}

/// Runs a case: once to make the weights, then with those of the file.
fn check(case: &Value, eager: bool) {
    let name = case["name"].as_str().unwrap();
    let mut config = Config(case["config"].as_object().unwrap().clone());
    let mut call = case["call"].as_object().unwrap().clone();
    let training = call.remove("training").is_some_and(|training| training.as_bool().unwrap());
    let mask = call.remove("mask").map(|mask| array(&mask).cast(DType::Bool));
    assert!(call.is_empty(), "{name}: options of the call that nothing reads: {call:?}");
    let apply = layer(case["class"].as_str().unwrap(), &mut config, mask).expect("the class is built here");
    assert!(config.0.is_empty(), "{name}: arguments that nothing reads: {:?}", config.0);

    let inputs: Vec<Variable> = arrays(&case["inputs"]).into_iter().map(|input| Variable::new("input", input)).collect();
    let used = RefCell::new(Vec::new());
    let forward = |cx: &mut Context| {
        let tensors: Vec<Tensor> = inputs.iter().map(|input| cx.read(input)).collect();
        let output = apply(&tensors, cx);
        *used.borrow_mut() = cx.weights().cloned().collect();
        output
    };
    let mut make = Function::new(|[], cx| [forward(cx)]).training(false);
    make.run([]).unwrap_or_else(|error| panic!("{name}: {error}"));
    let used: Vec<Variable> = used.borrow().clone();
    let short = |weight: &Variable| weight.name().rsplit('/').next().unwrap().to_string();
    let named = |wanted: &str| {
        used.iter()
            .find(|weight| short(weight) == wanted)
            .unwrap_or_else(|| panic!("{name}: no weight `{wanted}` among {used:?}"))
    };
    for (weight, value) in weights(&case["weights"]) {
        named(&weight).set(&value).unwrap();
    }

    let expected = case["expected"].as_object().unwrap();
    let unknown =
        expected.keys().find(|key| !["outputs", "grad_inputs", "grad_weights", "non_trainable_after"].contains(&key.as_str()));
    assert_eq!(unknown, None, "{name}: an expectation that nothing reads");
    let outputs = arrays(&case["expected"]["outputs"]);
    let cotangents = arrays(&case["cotangents"]);
    let grad_weights = weights(&case["expected"]["grad_weights"]);
    let targets: Vec<Variable> = inputs.iter().chain(grad_weights.iter().map(|(weight, _)| named(weight))).cloned().collect();
    let mut run = Function::new(|[], cx| {
        let output = forward(cx);
        assert_eq!(output.shape(), outputs[0].shape(), "{name}: shape of the output");
        let loss = (&output * cx.constant(cotangents[0].clone())).sum();
        let gradients = cx.gradients(&loss, &targets).into_tensors();
        let flat = |x: &Tensor| x.reshape([x.shape().len()]);
        let gradients = gradients.iter().map(|gradient| flat(gradient.as_ref().expect("a gradient")));
        [Tensor::concatenate(&std::iter::once(flat(&output)).chain(gradients).collect::<Vec<_>>(), 0)]
    })
    .training(training)
    .run_eagerly(eager);
    let got = run.run([]).unwrap_or_else(|error| panic!("{name}: {error}"))[0].to_vec::<f32>();
    let mut rest = &got[..];
    let largest = inputs.iter().flat_map(|input| input.value().to_vec::<f32>()).fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let wanted = outputs.iter().map(|output| ("output".to_string(), output.clone()));
    let wanted = wanted
        .chain(arrays(&case["expected"]["grad_inputs"]).into_iter().map(|gradient| ("gradient of the input".into(), gradient)));
    for (what, want) in
        wanted.chain(grad_weights.iter().map(|(weight, gradient)| (format!("gradient of {weight}"), gradient.clone())))
    {
        let (part, others) = rest.split_at(want.len());
        assert_close(&format!("{name}: {what}"), part, &want, largest);
        rest = others;
    }
    assert!(rest.is_empty(), "{name}: a gradient more than expected");
    for (weight, value) in weights(&case["expected"]["non_trainable_after"]) {
        assert_close(&format!("{name}: {weight} afterwards"), &named(&weight).value().to_vec(), &value, largest);
    }
}

#[test]
fn layers_give_the_outputs_and_gradients_of_keras() {
    let folder = std::env::var_os("ENDO_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from);
    let file = folder.join("layers.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let golden: Value = serde_json::from_str(&text).unwrap();
    let present = |case: &&Value| ABSENT.split_whitespace().all(|absent| case["class"] != absent);
    let cases: Vec<&Value> = golden["cases"].as_array().unwrap().iter().filter(present).collect();
    assert!(!cases.is_empty(), "{} has no case of a layer here", file.display());
    for case in cases {
        check(case, false);
        check(case, true);
    }
}
