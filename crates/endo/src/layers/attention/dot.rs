//! Attention without projections: by products of queries and keys, or by their sums.
//!
//! In: queries, values and keys. Out: `[batch, queries, features]`, a mean of the values for each
//! query.

use std::marker::PhantomData;

use crate::error::{Error, ErrorKind};
use crate::graph::{Tensor, Transposed, Tree};
use crate::initializers::{GlorotUniform, Ones};
use crate::named::{Hyperparameters, words};
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::options::{every_form, name_option};
use super::super::{Dropout, Layer};
use super::{Parts, attention_inputs, attention_options, masked_softmax, refuse};

words! {
    /// How well a key fits a query.
    ScoreMode, "`dot` or `concat`" {
        /// Their scalar product.
        Dot = "dot",
        /// The sum of the tangents of their sums, times a weight.
        Concat = "concat",
    }
}

/// Options and steps that both kinds have; `score` is a method of theirs.
macro_rules! attention {
    ($Name:ident { $($own:ident: $default:expr),* } use_scale = $use_scale:literal) => {
        impl $Name {
            /// The layer.
            pub fn new() -> Self {
                Self {
                    name: None,
                    use_scale: $use_scale,
                    use_causal_mask: false,
                    dropout: Dropout::new(0.0),
                    rate: 0.0,
                    scale: Weight::new("scale"),
                    $($own: $default,)*
                    outputs: PhantomData,
                }
            }

            fn with_outputs<O>(self) -> $Name<O> {
                $Name {
                    name: self.name,
                    use_scale: self.use_scale,
                    use_causal_mask: self.use_causal_mask,
                    dropout: self.dropout,
                    rate: self.rate,
                    scale: self.scale,
                    $($own: self.$own,)*
                    outputs: PhantomData,
                }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<O> $Name<O> {
            #[doc = concat!("Whether scores have a scale that is \
                learned. ", stringify!($use_scale), " unless set.")]
            #[must_use]
            pub fn use_scale(mut self, use_scale: bool) -> Self {
                self.use_scale = use_scale;
                self
            }

            attention_options! {}

            name_option! {}

            /// The scale, once the layer was applied; none without `use_scale`.
            pub fn scale(&self) -> Option<&Variable> {
                self.scale.variable()
            }

            /// The outputs, and the weights `[batch, queries, values]`.
            #[track_caller]
            fn attend(&self, parts: Parts<'_>, cx: &mut Context) -> Vec<Tensor> {
                let (query, key) = (parts.query.shape(), parts.key.shape());
                let error = parts.check(cx).err().or_else(|| {
                    let message = format!("`{}` of queries {query} and keys {key}: their features \
                        differ", cx.path());
                    let help = "a query is compared with keys of as many features; \
                        `MultiHeadAttention` projects both first";
                    (query.features() != key.features()).then(|| Error::new(ErrorKind::Shape, message).help(help))
                });
                if let Some(error) = error {
                    return refuse(error, parts, cx);
                }
                let scores = self.score(parts, cx);
                let visible = parts.visible(self.use_causal_mask, cx);
                let weights = masked_softmax(&scores, visible.as_ref());
                let used = if self.rate == 0.0 { weights.clone() } else { self.dropout.apply(&weights, cx) };
                let mut outputs = used.matmul(parts.value);
                if let Some(mask) = cx.mask(parts.query) {
                    outputs = mask.expand_dims(-1).where_(&outputs, 0.0);
                    cx.set_mask(&outputs, &mask);
                }
                vec![outputs, weights]
            }
        }

        attention_inputs! { $Name }
    };
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
/// [`return_attention_scores`](Self::return_attention_scores) it returns `(outputs, weights)`.
///
/// ```
/// use endo::prelude::*;
/// let mut f = Function::new(|[query, value], cx| [Attention::new().apply(&[query, value], cx)]);
/// let [y] = f.run([&[[[0.0_f32, 0.0]]].into(), &[[[1.0_f32, 2.0], [3.0, 6.0]]].into()])?;
/// assert_eq!(y, Array::from([[[2.0_f32, 4.0]]]));
/// # Ok::<(), endo::Error>(())
/// ```
pub struct Attention<O = Tensor> {
    name: Option<String>,
    use_scale: bool,
    score_mode: ScoreMode,
    use_causal_mask: bool,
    dropout: Dropout,
    rate: f64,
    scale: Weight,
    concat_score_weight: Weight,
    outputs: PhantomData<fn() -> O>,
}

attention! {
    Attention { score_mode: ScoreMode::Dot, concat_score_weight: Weight::new("concat_score_weight") } use_scale = false
}

impl<O> Attention<O> {
    /// How well a key fits a query. `ScoreMode::Dot` unless set.
    #[must_use]
    pub fn score_mode(mut self, score_mode: ScoreMode) -> Self {
        self.score_mode = score_mode;
        self
    }

    #[track_caller]
    fn score(&self, parts: Parts<'_>, cx: &mut Context) -> Tensor {
        let scale = self.use_scale.then(|| self.scale.get(self, (), &Ones, cx));
        match self.score_mode {
            ScoreMode::Dot => {
                let scores = parts.query.matmul_transposed(parts.key, Transposed::RIGHT);
                scale.map_or(scores.clone(), |scale| scores * scale)
            }
            ScoreMode::Concat => {
                let weight = self.concat_score_weight.get(self, (), &Ones, cx);
                let sums = parts.query.expand_dims(2) + parts.key.expand_dims(1);
                let scaled = scale.map_or(sums.clone(), |scale| sums * scale);
                weight * scaled.tanh().sum_axes([-1])
            }
        }
    }

    fn noted(&self) -> Hyperparameters {
        Hyperparameters::new()
            .with("use_scale", self.use_scale)
            .with("score_mode", self.score_mode)
            .with("use_causal_mask", self.use_causal_mask)
            .with("dropout", self.rate)
    }
}

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
pub struct AdditiveAttention<O = Tensor> {
    name: Option<String>,
    use_scale: bool,
    use_causal_mask: bool,
    dropout: Dropout,
    rate: f64,
    scale: Weight,
    outputs: PhantomData<fn() -> O>,
}

attention! { AdditiveAttention {} use_scale = true }

impl<O> AdditiveAttention<O> {
    #[track_caller]
    fn score(&self, parts: Parts<'_>, cx: &mut Context) -> Tensor {
        let tangents = (parts.query.expand_dims(2) + parts.key.expand_dims(1)).tanh();
        if self.use_scale {
            (tangents * self.scale.get(self, [parts.query.features()], &GlorotUniform, cx))
                .sum_axes([-1])
        } else {
            tangents.sum_axes([-1])
        }
    }

    fn noted(&self) -> Hyperparameters {
        Hyperparameters::new()
            .with("use_scale", self.use_scale)
            .with("use_causal_mask", self.use_causal_mask)
            .with("dropout", self.rate)
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
        assert!(
            error.message().contains(
                "`attention` of queries [1, 2, 3] and keys [1, 2, 4]: their features differ"
            ),
            "{error}"
        );
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
}
