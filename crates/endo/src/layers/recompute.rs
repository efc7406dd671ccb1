//! A layer whose values are computed again for its gradients instead of being kept.
//!
//! In: any inputs that the layer takes, with their masks. Out: its outputs, with theirs.

use std::sync::Arc;

use crate::graph::{Tensor, Tree};
use crate::named::Named;
use crate::trace::{Context, ScanOptions};

use super::Layer;

/// The row of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[Named {
    names: &["recompute"],
    options: [&["layer"], &[], &[]],
    make: |given| Ok(Arc::new(Recompute::new(given.required::<Arc<dyn Layer>>("layer")?))),
}];

/// A layer of which training keeps only the inputs and the outputs: gradients compute again what
/// lies between (gradient checkpointing, Chen et al. 2016, arXiv:1604.06174). That takes the time
/// of the layer once more, and memory for one such layer at a time, where all the values of all
/// layers would stay. Outside of training it is the layer itself. Keras's `remat`.
///
/// What it wraps keeps its name, its weights, its terms of the loss and its metrics. Random numbers
/// drawn inside differ from those drawn without it. It changes nothing where steps run eagerly, or
/// where batches are cut into shards, which is warned of. Two kinds of layers cannot be inside: one
/// that assigns a weight which is trained, too, such as a
/// [`SpectralNormalization`](super::SpectralNormalization); and one of structures in which
/// something follows a vector or an option.
///
/// ```
/// use endo::prelude::*;
/// // Four blocks, of which one at a time has its values in memory.
/// let mut net = Sequential::new();
/// for _ in 0..4 {
///     let block = Sequential::new().add(Dense::new(64).activation("gelu")).add(Dense::new(8));
///     net = net.add(Recompute::new(block));
/// }
/// let mut model = Model::new(net);
/// model.compile("sgd", "mse", ());
/// let (x, y) = (Array::zeros([32, 8], DType::F32), Array::zeros([32, 8], DType::F32));
/// let history = model.fit(&Dataset::new(x, y)?, Fit::epochs(1))?;
/// assert_eq!(history.epochs.len(), 1);
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Recompute<L> {
    layer: L,
}

impl<L> Recompute<L> {
    /// The layer whose values are not kept.
    pub fn new(layer: L) -> Self {
        Self { layer }
    }

    /// The layer that is applied.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

impl<L: Layer<I, O>, I: Tree, O: Tree> Layer<I, O> for Recompute<L> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        if cx.training() && cx.is_sharded() {
            let message = "what a `Recompute` wraps keeps its values in a training that is cut \
                into shards";
            cx.warn(message);
        }
        if !cx.training() || cx.is_sharded() || cx.trace().unrolls() {
            return self.layer.apply(inputs, cx);
        }
        // A loop of one step, whose gradient computes the step again. What depends on the step's
        // inputs belongs to it.
        let options = ScanOptions::new().once().recompute(true);
        let steps: Vec<Tensor> = inputs.tensors().iter().map(|x| x.expand_dims(0)).collect();
        let mut masked = Vec::new();
        let ((), made) = cx.scan_with(&options, (), &steps, |(), given: Vec<Tensor>, cx| {
            for (outside, inside) in inputs.tensors().into_iter().zip(&given) {
                if let Some(mask) = cx.mask(outside) {
                    cx.set_mask(inside, &mask);
                }
            }
            let given = I::from_tensors(&mut given.into_iter()).expect("as many as were taken");
            let outputs: O = self.layer.apply(&given, cx);
            let mut made: Vec<Tensor> = outputs.tensors().into_iter().cloned().collect();
            let masks: Vec<Option<Tensor>> = made.iter().map(|output| cx.mask(output)).collect();
            masked = masks.iter().map(Option::is_some).collect();
            made.extend(masks.into_iter().flatten());
            ((), made)
        });
        let once = made.iter().map(|stacked| stacked.reshape(stacked.shape().without(&[0])));
        // Within a `Bf16` they are rounded, but that is not seen from outside of the loop.
        let outputs: Vec<Tensor> = once.map(|output| cx.stored(&output)).collect();
        let mut made = outputs.into_iter();
        let outputs = O::from_tensors(&mut made.by_ref().take(masked.len()))
            .expect("a structure has its own tensors");
        let of_masks = outputs.tensors().into_iter().zip(masked).filter(|&(_, masked)| masked);
        for ((output, _), mask) in of_masks.zip(made) {
            cx.set_mask(output, &mask);
        }
        outputs
    }

    /// The layer inside has the name, the weights and the masks.
    #[track_caller]
    fn apply(&self, inputs: &I, cx: &mut Context) -> O {
        self.call(inputs, cx)
    }

    fn name(&self) -> Option<&str> {
        self.layer.name()
    }

    fn kind(&self) -> &'static str {
        self.layer.kind()
    }
}

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::prelude::*;

    /// A block with a term of the loss, a metric, and averages that steps update.
    fn block(width: usize) -> impl Layer<Tensor, Tensor> {
        let dense = Dense::new(width).activation("tanh").kernel_regularizer("l2");
        let normalized = BatchNormalization::new();
        move |x: &Tensor, cx: &mut Context| {
            let y = normalized.apply(&dense.apply(x, cx), cx);
            cx.add_loss("size", 0.1 * y.square().mean());
            cx.add_metric("height", y.mean());
            x + y
        }
    }

    /// Losses of some epochs, and the weights after them.
    fn trained(net: impl Layer + 'static) -> (Vec<f64>, Vec<Array>) {
        let x = Array::from_fn([16, 3], |i| (i as f64 * 0.37).sin());
        let mut model = Model::new(net).dtype(DType::F64).threads(1);
        model.compile(Adam::new(0.01), "mse", ());
        let data = Dataset::new(x.clone(), x).unwrap();
        let history = model.fit(&data, Fit::epochs(3).batch_size(8)).unwrap();
        let losses = history.epochs.iter().map(|epoch| epoch.ledger.total).collect();
        (losses, model.weights().iter().map(|weight| weight.value()).collect())
    }

    #[test]
    fn a_training_has_the_numbers_that_it_has_without() {
        let plain = trained(Sequential::new().add(block(3)).add(block(3)));
        let again =
            trained(Sequential::new().add(block(3).recompute()).add(Recompute::new(block(3))));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(plain.0.iter().zip(&again.0).all(|(&a, &b)| near(a, b)), "{plain:?} {again:?}");
        assert_eq!(plain.1.len(), again.1.len());
        for (a, b) in plain.1.iter().zip(&again.1) {
            let (a, b) = (a.to_vec::<f64>(), b.to_vec::<f64>());
            assert!(a.iter().zip(&b).all(|(&a, &b)| near(a, b)), "{a:?} {b:?}");
        }
    }

    #[test]
    fn masks_come_in_and_go_out() {
        let embedding = || Embedding::new(5, 2).mask_zero(true);
        let plain = Sequential::new()
            .add(embedding())
            .add(Lstm::new(3).return_sequences(true))
            .add(Lstm::new(2));
        let again = Sequential::new()
            .add(embedding().recompute())
            .add(Recompute::new(Lstm::new(3).return_sequences(true)))
            .add(Lstm::new(2));
        let tokens = Array::from([[1_i32, 2, 0, 0], [4, 0, 3, 1]]);
        let sums = [Model::new(plain), Model::new(again)].map(|model| {
            let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
            f.run([&tokens]).unwrap()[0].to_vec::<f32>()
        });
        assert_eq!(sums[0], sums[1]);
    }

    #[test]
    fn several_inputs_and_outputs_keep_their_structure() {
        let lstm = Recompute::new(Lstm::new(2).return_state());
        let mut f = Function::new(|[x, h, c], cx| {
            let (y, h, c) = lstm.apply(&(x, h, c), cx);
            [y, h, c]
        });
        let [x, h, c] =
            [vec![2, 3, 4], vec![2, 2], vec![2, 2]].map(|sizes| Array::zeros(sizes, DType::F32));
        let all = f.run([&x, &h, &c]).unwrap();
        assert!(all.iter().all(|output| output.shape().sizes() == [2, 2]));
    }

    /// The gradient of the sum of a net's outputs, and its plan.
    fn slope(net: &impl Layer, x: &Array) -> (Array, String) {
        let mut f = Function::new(|[x], cx| {
            let y = net.apply(&x, cx).square().sum();
            [cx.gradients(&y, [&x]).into_tensors().remove(0).unwrap()]
        });
        let [slope] = f.run([x]).unwrap();
        (slope.clone(), f.program([x]).unwrap().plan().to_string())
    }

    #[test]
    fn a_layer_with_a_term_is_applied_twice_and_within_another() {
        let shared = std::sync::Arc::new(Recompute::new(
            Sequential::new().add(Dense::new(3).activity_regularizer("l2")),
        ));
        let net = move |x: &Tensor, cx: &mut Context| {
            let first = shared.apply(x, cx);
            shared.apply(&first, cx)
        };
        let mut model = Model::new(Recompute::new(net)).threads(1);
        model.compile("sgd", "mse", ());
        let x = Array::from_fn([8, 3], |i| (i as f32).sin());
        let history = model.fit(&Dataset::new(x.clone(), x).unwrap(), Fit::epochs(1)).unwrap();
        assert_eq!(history.epochs[0].ledger.terms.len(), 3, "{:?}", history.epochs[0].ledger);
    }

    #[test]
    fn both_passes_draw_the_same_numbers() {
        // The slope of the sum of squares is twice the output times what dropout multiplied by.
        let x = Array::from_fn([40, 5], |i| 1.0 + i as f32);
        let (slope, _) = slope(&Dropout::new(0.5).recompute(), &x);
        let (x, slope) = (x.to_vec::<f32>(), slope.to_vec::<f32>());
        assert!(x.iter().zip(&slope).all(|(x, &slope)| slope == 0.0 || slope == 8.0 * x));
        assert!(slope.contains(&0.0) && slope.iter().any(|&slope| slope != 0.0));
    }

    #[test]
    fn small_batches_keep_nothing_either() {
        let mut net = Sequential::new();
        for _ in 0..16 {
            let mut block = Sequential::new();
            for _ in 0..4 {
                block = block.add(Dense::new(64).activation("tanh"));
            }
            net = net.add(block.recompute());
        }
        let model = Model::new(net);
        model.build([32, 64]).unwrap();
        let mut step = Function::new(|[x], cx| {
            let loss = model.apply(&x, cx).square().mean();
            let gradients = cx.gradients(&loss, model.trainable_weights()).into_tensors();
            let sums = gradients.into_iter().flatten().map(|gradient| gradient.sum());
            [sums.reduce(|a, b| a + b).unwrap()]
        });
        let x = Array::from_fn([32, 64], |i| (i as f32).sin());
        step.run([&x]).unwrap();
        // The loops of the blocks come first, and each gives what its block makes.
        let plan = step.program([&x]).unwrap().plan().to_string();
        let given = plan.lines().filter(|line| line.contains("stacked in")).take(16);
        let given: Vec<usize> = given.map(|line| line.matches('@').count()).collect();
        assert_eq!(given, [1; 16], "{plan}");
    }

    #[test]
    fn outputs_of_layers_inside_have_no_axis_of_steps() {
        let inner = Dense::new(3).name("inner");
        let model = Model::new(Recompute::new(Sequential::new().add(inner).add(Dense::new(2))));
        model.build([4, 5]).unwrap();
        let outputs = model.outputs_at(["inner"]).unwrap();
        let mut f = Function::new(|[x], cx| [outputs.apply(&x, cx).remove(0)]);
        let [y] = f.run([&Array::zeros([4, 5], DType::F32)]).unwrap();
        assert_eq!(y.shape().sizes(), [4, 3]);
    }

    #[test]
    fn shards_and_eager_runs_keep_values() {
        let x = Array::from_fn([8, 3], |i| (i as f32).sin());
        let data = Dataset::new(x.clone(), x).unwrap();
        let net = || Sequential::new().add(block(3).recompute());
        let mut eager = Model::new(net()).run_eagerly(true);
        eager.compile("sgd", "mse", ());
        eager.fit(&data, Fit::epochs(1)).unwrap();
        let mut sharded = Model::new(net()).threads(1).print_warnings(false);
        sharded.compile("sgd", "mse", ());
        sharded.distribute(crate::shards::Alone, crate::shards::Shards::new(4));
        sharded.fit(&data, Fit::epochs(1)).unwrap();
        let warnings = sharded.warnings();
        assert!(warnings.iter().any(|warning| warning.contains("Recompute")), "{warnings:?}");
    }

    #[test]
    fn text_names_it() {
        let layer = layers::get("recompute(dense(3))").unwrap();
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        assert_eq!(f.run([&Array::zeros([2, 4], DType::F32)]).unwrap()[0].shape().sizes(), [2, 3]);
    }
}
