//! A layer whose values are computed again for its gradients instead of being kept.
//!
//! In: what the layer takes. Out: what it makes, and its masks.

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
/// What it wraps keeps its name, its weights, its terms of the loss and its metrics. Where it draws
/// random numbers, they are others than without.
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
        if !cx.training() {
            return self.layer.apply(inputs, cx);
        }
        // A loop of one step, whose gradient computes the step again. What depends on the step's
        // inputs belongs to it.
        let options = ScanOptions::new().steps(1).recompute(true);
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
        let mut made = made.iter().map(|stacked| stacked.reshape(stacked.shape().without(&[0])));
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
            cx.add_metric("height", &y.mean());
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

    #[test]
    fn text_names_it() {
        let layer = layers::get("recompute(dense(3))").unwrap();
        let mut f = Function::new(|[x], cx| [layer.apply(&x, cx)]);
        assert_eq!(f.run([&Array::zeros([2, 4], DType::F32)]).unwrap()[0].shape().sizes(), [2, 3]);
    }
}
