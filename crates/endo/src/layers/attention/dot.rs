//! Attention without projections: by products of queries and keys, or by their sums.
//!
//! In: queries, values and keys. Out: `[batch, queries, features]`, a mean of the values for each
//! query.

use crate::error::Error;
use crate::graph::{Tensor, Transposed, Tree};
use crate::initializers::{GlorotUniform, Ones};
use crate::named::{Declared, Hyperparameters, words};
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::declare::{layer, part};
use super::super::{Layer, given_tensors};
use super::blocks::{Projected, in_blocks};
use super::{AttentionInputs, Parts, WeightDropout, masked_softmax, refuse, returns_weights};

words! {
    /// How well a key fits a query.
    ScoreMode, "`dot` or `concat`" {
        /// Their scalar product.
        Dot = "dot",
        /// The sum of the tangents of their sums, times a weight.
        Concat = "concat",
    }
}

/// `softmax(Q K^T) V`: for each query a mean of the values, weighed by its products with their keys
/// (Luong et al. 2015, section 3.1). With `use_scale` the products are multiplied by a number that
/// is learned; with `ScoreMode::Concat` a score is `weight * sum of tanh(scale * (q + k))`. Keras's
/// `Attention`.
///
/// Applied to `x` it attends to itself; to `[query, value]` or `[query, value, key]`, each
/// `[batch, steps, features]`, to others; and to any of these with a mask of pairs
/// `[batch, queries, values]`, or `[queries, values]` for all samples, as in `(x, mask)`. Masks of
/// values and keys are obeyed, and that of the query is the outputs'. With
/// [`return_attention_scores`](ScoredAttention::return_attention_scores) it returns
/// `(outputs, weights)`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[query, value], cx| [Attention::new().apply(&[query, value], cx)]);
/// let [y] = f.run([&[[[0.0_f32, 0.0]]].into(), &[[[1.0_f32, 2.0], [3.0, 6.0]]].into()])?;
/// assert_eq!(y, Array::from([[[2.0_f32, 4.0]]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type Attention<O = Tensor> = ScoredAttention<DotScore, O>;

/// As [`Attention`], with scores `sum of scale * tanh(q + k)`, where the scale has a number for
/// each feature (Bahdanau et al. 2015). Keras's `AdditiveAttention`.
///
/// ```
/// use endo::prelude::*;
/// let attention = AdditiveAttention::new().return_attention_scores();
/// let mut f = Function::new(|[query, value], cx| attention.apply(&[query, value], cx).into());
/// let [y, weights] =
///     f.run([&Array::zeros([2, 3, 4], DType::F32), &Array::zeros([2, 5, 4], DType::F32)])?;
/// assert_eq!((y.shape().sizes(), weights.shape().sizes()), (&[2, 3, 4][..], &[2, 3, 5][..]));
/// # Ok::<(), endo::Error>(())
/// ```
pub type AdditiveAttention<O = Tensor> = ScoredAttention<AdditiveScore, O>;

layer! {
    /// [`Attention`] and [`AdditiveAttention`], which differ in how well they say that a key fits a
    /// query.
    ScoredAttention of S: Score, O = Tensor ["scored_attention"]
    /// The layer.
    () {
        /// Whether a query sees only values that do not come after it. False unless set.
        use_causal_mask: bool = false,
        /// The share of weights left out in training. 0 unless set.
        dropout: WeightDropout as f64 = 0.0.into(),
    }
    with {
        score: S = S::default(),
        scale: Weight = Weight::new("scale"),
        concat_score_weight: Weight = Weight::new("concat_score_weight"),
    }
}

impl<S: Score> ScoredAttention<S> {
    /// The same layer with the weights of the values among its outputs.
    #[must_use]
    pub fn return_attention_scores(self) -> ScoredAttention<S, (Tensor, Tensor)> {
        self.with_outputs()
    }
}

impl<S: Score, O> ScoredAttention<S, O> {
    /// The scale, once the layer was applied; none without `use_scale`.
    pub fn scale(&self) -> Option<&Variable> {
        self.scale.variable()
    }

    /// The outputs, and the weights `[batch, queries, values]` if they are returned.
    #[track_caller]
    fn attend(&self, parts: Parts<'_>, returns_weights: bool, cx: &mut Context) -> Vec<Tensor> {
        let (query, key) = (parts.query.shape(), parts.key.shape());
        let error = parts.check(cx).err().or_else(|| {
            let message =
                format!("`{}` of queries {query} and keys {key}: their features differ", cx.path());
            let help = "a query is compared with keys of as many features; `MultiHeadAttention` \
                projects both first";
            (query.features() != key.features()).then(|| Error::shape(message, help))
        });
        if let Some(error) = error {
            return refuse(error, parts, cx);
        }
        let visible = parts.visible(self.use_causal_mask, cx);
        let Parts { query, key, value, .. } = parts;
        let all = Projected { query, key, value, visible: visible.as_ref() };
        let (mut outputs, weights) = if returns_weights {
            let [means, weights] = self.means(all, cx);
            (means, Some(weights))
        } else {
            let means = |of: Projected<'_>, cx: &mut Context| {
                let [means, _] = self.means(of, cx);
                means
            };
            (in_blocks(all, 1, cx.training() && self.dropout.rate > 0.0, cx, &means), None)
        };
        if let Some(mask) = cx.mask(parts.query) {
            outputs = mask.expand_dims(-1).where_(&outputs, 0.0);
            cx.set_mask(&outputs, &mask);
        }
        std::iter::once(outputs).chain(weights).collect()
    }

    /// The means of the values for each query, and the weights.
    #[track_caller]
    fn means(&self, of: Projected<'_>, cx: &mut Context) -> [Tensor; 2] {
        let scores = S::score(self, of.query, of.key, cx);
        let weights = masked_softmax(&scores, of.visible, cx);
        [self.dropout.apply(&weights, cx).matmul(of.value), weights]
    }
}

impl<S: Score, I: AttentionInputs, O: Tree> Layer<I, O> for ScoredAttention<S, O> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        let has_mask = inputs.has_mask();
        let inputs = given_tensors(inputs, 3 + usize::from(has_mask), 3, cx);
        let parts = Parts::new(&inputs, has_mask);
        let outputs = self.attend(parts, returns_weights::<O>(parts.query), cx);
        O::from_tensors(&mut outputs.into_iter()).expect("as many outputs as the type says")
    }

    fn kind(&self) -> &'static str {
        S::kind()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.score.hyperparameters().and(&self.noted())
    }

    fn uses_mask(&self) -> bool {
        true
    }
}

/// How well a key fits a query.
pub trait Score: Default + Send + Sync + 'static {
    /// What its layer is called.
    fn kind() -> &'static str;

    /// The scores `[batch, queries, values]`.
    fn score<O>(
        layer: &ScoredAttention<Self, O>,
        query: &Tensor,
        key: &Tensor,
        cx: &mut Context,
    ) -> Tensor;

    /// Its options, to be saved with a model.
    fn hyperparameters(&self) -> Hyperparameters;
}

part! {
    /// The scores of [`Attention`].
    DotScore in ScoredAttention.score ["attention"]
    /// The defaults.
    () {
        /// Whether scores have a scale that is learned. False unless set.
        use_scale: bool = false,
        /// How well a key fits a query. `ScoreMode::Dot` unless set.
        score_mode: ScoreMode = ScoreMode::Dot,
    }
}

impl Score for DotScore {
    fn kind() -> &'static str {
        "Attention"
    }

    #[track_caller]
    fn score<O>(
        layer: &ScoredAttention<Self, O>,
        query: &Tensor,
        key: &Tensor,
        cx: &mut Context,
    ) -> Tensor {
        let scale = layer.score.use_scale.then(|| layer.scale.value_from(layer, (), &Ones, cx));
        match layer.score.score_mode {
            ScoreMode::Dot => {
                let scores = query.matmul_transposed(key, Transposed::RIGHT);
                scale.map_or(scores.clone(), |scale| scores * scale)
            }
            ScoreMode::Concat => {
                let weight = layer.concat_score_weight.value_from(layer, (), &Ones, cx);
                let sums = query.expand_dims(2) + key.expand_dims(1);
                let scaled = scale.map_or(sums.clone(), |scale| sums * scale);
                weight * scaled.tanh().sum_axes([-1])
            }
        }
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.noted()
    }
}

part! {
    /// The scores of [`AdditiveAttention`].
    AdditiveScore in ScoredAttention.score ["additive_attention"]
    /// The defaults.
    () {
        /// Whether scores have a scale that is learned. True unless set.
        use_scale: bool = true,
    }
}

impl Score for AdditiveScore {
    fn kind() -> &'static str {
        "AdditiveAttention"
    }

    #[track_caller]
    fn score<O>(
        layer: &ScoredAttention<Self, O>,
        query: &Tensor,
        key: &Tensor,
        cx: &mut Context,
    ) -> Tensor {
        let tangents = (query.expand_dims(2) + key.expand_dims(1)).tanh();
        if !layer.score.use_scale {
            return tangents.sum_axes([-1]);
        }
        let scale = layer.scale.value_from(layer, [query.features()], &GlorotUniform, cx);
        (tangents * scale).sum_axes([-1])
    }

    fn hyperparameters(&self) -> Hyperparameters {
        self.noted()
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn queries_and_keys_of_other_features_are_refused() {
        let mut f = Function::new(|[q, v], cx| [Attention::new().apply(&[q, v], cx)]);
        let error = f
            .run([&Array::zeros([1, 2, 3], DType::F32), &Array::zeros([1, 2, 4], DType::F32)])
            .unwrap_err();
        error.says("`attention` of queries [1, 2, 3] and keys [1, 2, 4]: their features differ");
    }

    #[test]
    fn masks_of_queries_and_values_are_obeyed() {
        let mut f = Function::new(|[q, v], cx| {
            cx.set_mask(&q, &q.any_axes([-1]));
            cx.set_mask(&v, &v.any_axes([-1]));
            let y = Attention::new().apply(&[q, v], cx);
            let mask = cx.mask(&y).unwrap();
            [y, mask]
        });
        let (q, v) = ([[[1.0_f32], [0.0]]].into(), [[[3.0_f32], [0.0]]].into());
        let [y, mask] = f.run([&q, &v]).unwrap();
        assert_eq!(y, Array::from([[[3.0_f32], [0.0]]]));
        assert_eq!(mask, Array::from([[true, false]]));
    }

    #[test]
    fn dropout_leaves_weights_out_in_training_alone() {
        let layer = Attention::new().dropout(0.5);
        for (training, values) in [(true, vec![0.0, 2.0]), (false, vec![1.0])] {
            let mut f = Function::new(|[x, v], cx| [layer.apply(&[x, v], cx)]).training(training);
            let [y] = f
                .run([
                    &Array::zeros([1, 64, 1], DType::F32),
                    &Array::full([1, 1, 1], 1.0, DType::F32),
                ])
                .unwrap();
            assert!(
                values.iter().all(|value| y.to_vec::<f64>().contains(value)),
                "{training}: {y:?}"
            );
        }
    }

    #[test]
    fn no_tensor_and_too_many_are_refused_by_every_layer_of_several() {
        let x = Array::zeros([2, 3, 4], DType::F32);
        for text in ["attention", "multi_head_attention(1, 2)", "lstm(2)", "conv_lstm1d(2, 1)"] {
            let layer = crate::layers::get_of_several(text).unwrap();
            let run = |count: usize| {
                let mut f = Function::new(|[x], cx| {
                    let outputs = layer.apply(&vec![x.clone(); count], cx);
                    [outputs[0].sum() + x.sum()]
                });
                f.run([&x]).unwrap_err().message().to_string()
            };
            let none = run(0);
            assert!(none.ends_with("takes at least one tensor, got 0"), "{text}: {none}");
            let many = run(5);
            assert!(many.contains("got 5") || many.contains("got 4"), "{text}: {many}");
        }
    }

    #[test]
    fn what_is_of_truth_values_at_the_end_is_the_mask_of_a_layer_of_text() {
        let layer = crate::layers::get_of_several("attention").unwrap();
        let mut f = Function::new(|[q, v, mask], cx| {
            let [y, weights] = &layer.apply(&vec![q, v, mask], cx)[..] else { panic!("two") };
            [y.clone(), weights.clone()]
        });
        let (q, v) = ([[[0.0_f32]]].into(), [[[3.0_f32], [5.0]]].into());
        let [y, weights] = f.run([&q, &v, &[[false, true]].into()]).unwrap();
        assert_eq!(y, Array::from([[[5.0_f32]]]));
        assert_eq!(weights, Array::from([[[0.0_f32, 1.0]]]));
    }
}
