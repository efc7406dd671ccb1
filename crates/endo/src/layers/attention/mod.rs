//! Attention: means of values, weighed by how well their keys fit a query.
//!
//! In: queries `[batch, steps, features]`, values and keys `[batch, others, features]`, with masks
//! of steps and of pairs. Out: a mean of the values for each query, and the weights if asked for.

mod blocks;
mod dot;
mod multi_head;

use std::sync::Arc;

use crate::activations::{ActivationFunction, Softmax};
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{Tensor, Tree};
use crate::named::{Declared, Named, Rate, Setting};
use crate::shape::Shape;
use crate::site::Site;
use crate::trace::Context;

use super::declare::{PartedLayer, about, layer, part_row, parted, parted_options};
use super::{Dropout, Layer, LayerOfSeveral};
use dot::{AdditiveScore, DotScore, Score};
use multi_head::{EqualHeads, GroupedHeads, Heads};

pub use dot::{AdditiveAttention, Attention, ScoreMode, ScoredAttention};
pub use multi_head::{GroupQueryAttention, HeadsAttention, MultiHeadAttention};

/// The rows of this folder.
pub(super) static ROWS: &[Named<dyn Layer>] = &[
    part_row::<AdditiveAttention, AdditiveScore>(),
    part_row::<Attention, DotScore>(),
    part_row::<GroupQueryAttention, GroupedHeads>(),
    part_row::<MultiHeadAttention, EqualHeads>(),
];

/// The rows of this folder for layers that take a query with values, keys and a mask of pairs, and
/// return the weights of the values, too.
pub(super) static ROWS_OF_SEVERAL: &[Named<LayerOfSeveral>] = &[
    scored_of_several::<AdditiveScore>(),
    scored_of_several::<DotScore>(),
    heads_of_several::<GroupedHeads>(),
    heads_of_several::<EqualHeads>(),
];

const fn scored_of_several<S: Score + Declared>() -> Named<LayerOfSeveral>
where
    ScoredAttention<S>: PartedLayer<S>,
{
    Named {
        names: S::NAMES,
        options: parted_options::<ScoredAttention<S>, S>(),
        make: |given| {
            let layer = parted::<ScoredAttention<S>, S>(given)?;
            Ok(Arc::new(layer.with_outputs::<Vec<Tensor>>()))
        },
    }
}

const fn heads_of_several<H: Heads + Declared>() -> Named<LayerOfSeveral>
where
    HeadsAttention<H>: PartedLayer<H>,
{
    Named {
        names: H::NAMES,
        options: parted_options::<HeadsAttention<H>, H>(),
        make: |given| {
            let layer = parted::<HeadsAttention<H>, H>(given)?;
            Ok(Arc::new(layer.with_outputs::<Vec<Tensor>>()))
        },
    }
}

/// What takes part in an attention.
#[derive(Clone, Copy)]
struct Parts<'a> {
    query: &'a Tensor,
    value: &'a Tensor,
    key: &'a Tensor,
    /// Which pairs of query and value may see each other.
    mask: Option<&'a Tensor>,
}

impl<'a> Parts<'a> {
    /// Query, value and key in this order; what is left out is the one before.
    fn new(inputs: &'a [Tensor], has_mask: bool) -> Self {
        let (inputs, mask) = match inputs.split_last() {
            Some((mask, others)) if has_mask && !others.is_empty() => (others, Some(mask)),
            _ => (inputs, None),
        };
        let query = &inputs[0];
        let value = inputs.get(1).unwrap_or(query);
        Self { query, value, key: inputs.get(2).unwrap_or(value), mask }
    }

    /// What is wrong with the shapes, if they do not belong together.
    fn check(&self, cx: &Context) -> Result<(), Error> {
        let [query, value, key] = [self.query, self.value, self.key].map(Tensor::shape);
        let path = cx.path();
        if [query, value, key]
            .iter()
            .any(|shape| shape.rank() != 3 || shape.batch() != query.batch())
        {
            let message = format!("`{path}` of a query {query}, a value {value} and a key {key}");
            let help = "each is of shape [batch, steps, features], with the same batch";
            return Err(Error::shape(message, help));
        }
        if value[1] != key[1] {
            let message = format!(
                "`{path}` of {} values and {} keys: shapes {value} and {key}",
                value[1], key[1]
            );
            return Err(Error::shape(message, "each value has one key: the second axes are equal"));
        }
        let pairs = Shape::from([query.batch(), query[1], value[1]]);
        let fits = |mask: &Tensor| {
            mask.rank() >= 2 && mask.shape().broadcast(&pairs).as_ref() == Some(&pairs)
        };
        match self.mask.filter(|mask| !fits(mask)) {
            None => Ok(()),
            Some(mask) => {
                let message =
                    format!("`{path}` with a mask of shape {} for pairs {pairs}", mask.shape());
                let help = "a mask of pairs is [batch, queries, values], or [queries, values] for \
                    all samples; sizes may be 1: a mask \
                            of values, [batch, values], becomes one by `mask.expand_dims(1)`";
                Err(Error::shape(message, help))
            }
        }
    }

    /// Which pairs may see each other, of rank 3 and a shape that broadcasts to
    /// `[batch, queries, values]`; `None` for all of them.
    #[track_caller]
    fn visible(&self, causal: bool, cx: &Context) -> Option<Tensor> {
        let (queries, values) = (self.query.shape()[1], self.value.shape()[1]);
        let site = Site::caller();
        let past = || {
            cx.trace().constant_from_fn(
                [1, queries, values],
                |pair| pair % values <= pair / values,
                site,
            )
        };
        let masks = [
            self.mask.map(|mask| {
                if mask.rank() == 2 { mask.expand_dims(0) } else { mask.clone() }.cast(DType::Bool)
            }),
            cx.mask(self.value).map(|mask| mask.expand_dims(1)),
            cx.mask(self.key)
                .filter(|_| self.key.id() != self.value.id())
                .map(|mask| mask.expand_dims(1)),
            causal.then(past),
        ];
        masks.into_iter().flatten().reduce(|all, mask| all & mask)
    }
}

/// `softmax(x)` along the last axis over the positions where the mask holds, and 0 elsewhere.
#[track_caller]
fn masked_softmax(x: &Tensor, mask: Option<&Tensor>, cx: &Context) -> Tensor {
    const EXCLUDED: f64 = -1e9;
    match mask {
        None => softmax(x, cx),
        Some(mask) => mask.where_(softmax(&mask.where_(x, EXCLUDED), cx), 0.0),
    }
}

/// `y = softmax(x)` along the last axis, with the gradient `y (dy - sum(dy y))`. Followed through
/// the quotient and its sum, the gradient would divide twice more for each pair.
#[track_caller]
fn softmax(x: &Tensor, cx: &Context) -> Tensor {
    let y = cx.stored(&Softmax.call(x));
    let weights = y.clone();
    Tensor::custom_gradient(&y, &[x], move |dy| {
        vec![&weights * (dy - (dy * &weights).sum_keep(-1))]
    })
}

/// Whether outputs of this type hold the weights, too.
fn returns_weights<O: Tree>(sample: &Tensor) -> bool {
    let two = O::from_tensors(&mut std::iter::repeat_n(sample.clone(), 2));
    two.is_some_and(|outputs| outputs.tensors().len() == 2)
}

/// Values in place of what a layer cannot compute, after recording why.
#[track_caller]
fn refuse(error: Error, parts: Parts<'_>, cx: &Context) -> Vec<Tensor> {
    let stand_in =
        cx.trace().fail(error.at(Site::caller()), parts.query.shape().clone(), parts.query.dtype());
    vec![stand_in.clone(), stand_in]
}

/// What attention takes: a tensor that attends to itself; a query and values, which are the keys,
/// too; a query, values and keys; and each of these with a mask of pairs.
#[diagnostic::on_unimplemented(
    message = "attention takes no `{Self}`",
    note = "it takes `x`, `[query, value]` or `[query, value, key]`, or a pair of one of these and \
        a mask of pairs, `[batch, queries, values]` or `[queries, values]`"
)]
pub trait AttentionInputs: Tree {
    /// Whether the last tensor is a mask of pairs.
    fn has_mask(&self) -> bool {
        true
    }
}

impl AttentionInputs for Tensor {
    fn has_mask(&self) -> bool {
        false
    }
}

impl AttentionInputs for [Tensor; 2] {
    fn has_mask(&self) -> bool {
        false
    }
}

impl AttentionInputs for [Tensor; 3] {
    fn has_mask(&self) -> bool {
        false
    }
}

/// A query with values and keys if they are given; what is of truth values at the end is the mask.
impl AttentionInputs for Vec<Tensor> {
    fn has_mask(&self) -> bool {
        self.last().is_some_and(|last| last.dtype() == DType::Bool)
    }
}

impl AttentionInputs for (Tensor, Tensor) {}
impl AttentionInputs for ([Tensor; 2], Tensor) {}
impl AttentionInputs for ([Tensor; 3], Tensor) {}

/// The share of weights left out in training: an option that is a layer.
struct WeightDropout {
    rate: f64,
    layer: Dropout,
}

impl WeightDropout {
    #[track_caller]
    fn apply(&self, weights: &Tensor, cx: &mut Context) -> Tensor {
        if self.rate == 0.0 { weights.clone() } else { self.layer.apply(weights, cx) }
    }
}

impl From<f64> for WeightDropout {
    fn from(rate: f64) -> Self {
        Self { rate, layer: Dropout::new(rate) }
    }
}

impl Setting for WeightDropout {
    const EXPECTED: &'static str = <Rate as Setting>::EXPECTED;

    fn read(text: &str) -> Option<Self> {
        Rate::read(text).map(|rate| rate.0.into())
    }

    fn write(&self) -> String {
        self.rate.write()
    }
}

layer! {
    /// `softmax(x)` along the last axis over the positions where a mask holds, and 0 elsewhere:
    /// applied to `(x, mask)`, where the mask broadcasts to `x`. Keras's `Softmax` with a mask;
    /// without one it is `Activation::new(Softmax)`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let mut f = Function::new(|[x, mask], cx| [MaskedSoftmax::new().apply(&(x, mask), cx)]);
    /// let [y] = f.run([&[[5.0_f32, 9.0, 5.0]].into(), &[[true, false, true]].into()])?;
    /// assert_eq!(y, Array::from([[0.5_f32, 0.0, 0.5]]));
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    MaskedSoftmax ["masked_softmax"]
    /// The layer.
    () {}
}

impl Layer<(Tensor, Tensor)> for MaskedSoftmax {
    #[track_caller]
    fn call(&self, (x, mask): &(Tensor, Tensor), cx: &mut Context) -> Tensor {
        masked_softmax(x, Some(&mask.cast(DType::Bool)), cx)
    }

    about! { supports_masking }
}
