//! Attention of several heads, each with projections of its own.
//!
//! In: queries, values and keys. Out: `[batch, queries, features]`; weights `query`, `key`, `value`
//! and `attention_output`, each a kernel and a bias.

use std::sync::Arc;

use crate::constraints::IntoConstraint;
use crate::error::{Error, Result};
use crate::graph::{Tensor, Transposed, Tree};
use crate::initializers::scaled::WithFans;
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::named::{Count, Declared, Hyperparameters, OptionalCount, TextOptions, declare};
use crate::regularizers::IntoRegularizer;
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::declare::{DeclaredLayer, name_option, part, weight_of_text};
use super::super::{Layer, given_tensors};
use super::blocks::{Projected, in_blocks};
use super::{AttentionInputs, Parts, WeightDropout, masked_softmax, refuse, returns_weights};

/// `concat(head_1, .., head_n) W_o` with `head_i = softmax(Q W_q K^T / sqrt(key_dim)) V W_v`,
/// where `Q`, `K` and `V` are the projections of that head (Vaswani et al. 2017, section 3.2).
/// Kernels `[features, num_heads, key_dim]` of query and key,
/// `[features, num_heads, value_dim]` of the value, and `[num_heads, value_dim, features]` of
/// the output, with a bias each. Keras's `MultiHeadAttention`.
///
/// Applied to `x` it attends to itself; to `[query, value]` or `[query, value, key]`, each
/// `[batch, steps, features]`, to others; and to any of these with a mask of pairs
/// `[batch, queries, values]`, or `[queries, values]` for all samples, as in `(x, mask)`. Masks
/// of values and keys are obeyed, and that of the query is the outputs'. A query that sees
/// nothing has means of 0. With
/// [`return_attention_scores`](HeadsAttention::return_attention_scores) it returns
/// `(outputs, weights)`.
///
/// ```
/// use endo::prelude::*;
/// let attention =
///     MultiHeadAttention::new(2, 8).use_causal_mask(true).return_attention_scores();
/// let mut f = Function::new(|[x], cx| attention.apply(&x, cx).into());
/// let [outputs, weights] = f.run([&Array::zeros([1, 3, 16], DType::F32)])?;
/// assert_eq!(
///     (outputs.shape().sizes(), weights.shape().sizes()),
///     (&[1, 3, 16][..], &[1, 2, 3, 3][..])
/// );
/// assert_eq!(weights.rows(0..1).to_vec::<f32>()[..6], [1.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type MultiHeadAttention<O = Tensor> = HeadsAttention<EqualHeads, O>;

/// [`MultiHeadAttention`] with fewer heads of keys and values than of queries: each serves as
/// many heads of queries (Ainslie et al. 2023). Keras's `GroupQueryAttention`.
///
/// ```
/// use endo::prelude::*;
/// let attention = GroupQueryAttention::new(8, 4, 2);
/// let mut f = Function::new(|[x, memory], cx| [attention.apply(&[x, memory], cx)]);
/// let [y] =
///     f.run([&Array::zeros([1, 3, 16], DType::F32), &Array::zeros([1, 5, 6], DType::F32)])?;
/// assert_eq!(y.shape().sizes(), [1, 3, 16]);
/// # Ok::<(), endo::Error>(())
/// ```
pub type GroupQueryAttention<O = Tensor> = HeadsAttention<GroupedHeads, O>;

/// The projections, by their positions.
const PROJECTIONS: [&str; 4] = ["query", "key", "value", "attention_output"];
const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
const OUTPUT: usize = 3;

declare! {
    /// [`MultiHeadAttention`] and [`GroupQueryAttention`], which differ in how many heads keys and
    /// values have.
    HeadsAttention of H: Heads, O = Tensor ["heads_attention"]
    fn of () {
        /// Whether the projections have biases. True unless set.
        use_bias: bool = true,
        /// Whether a query sees only values that do not come after it. False unless set.
        use_causal_mask: bool = false,
        /// The share of weights left out in training. 0 unless set.
        dropout: WeightDropout as f64 = 0.0.into(),
    }
    with {
        name: Option<String> = None,
        heads: H = H::default(),
        kernels: [Weight; 4] = PROJECTIONS
            .map(|name| Weight::new(format!("{name}/kernel")).initializer(GlorotUniform)),
        biases: [Weight; 4] =
            PROJECTIONS.map(|name| Weight::new(format!("{name}/bias")).initializer(Zeros)),
    }
}

impl HeadsAttention<EqualHeads> {
    /// The layer of `num_heads` heads, with keys of `key_dim` numbers each.
    pub fn new(num_heads: usize, key_dim: usize) -> Self {
        Self { heads: EqualHeads::new(num_heads, key_dim), ..Self::of() }
    }
}

impl HeadsAttention<GroupedHeads> {
    /// The layer of `head_dim` numbers a head, `num_query_heads` heads of queries and
    /// `num_key_value_heads` of keys and values.
    pub fn new(head_dim: usize, num_query_heads: usize, num_key_value_heads: usize) -> Self {
        let heads = GroupedHeads::new(head_dim, num_query_heads, num_key_value_heads);
        Self { heads, ..Self::of() }
    }
}

impl<H: Heads> HeadsAttention<H> {
    /// The same layer with the weights of the values among its outputs.
    #[must_use]
    pub fn return_attention_scores(self) -> HeadsAttention<H, (Tensor, Tensor)> {
        self.with_outputs()
    }
}

impl<H: Heads, O> HeadsAttention<H, O> {
    /// First values of all kernels; `GlorotUniform` unless set.
    #[must_use]
    pub fn kernel_initializer(self, initializer: impl Initializer + 'static) -> Self {
        let shared: Arc<dyn Initializer> = Arc::new(initializer);
        self.with_kernels(|kernel| kernel.initializer(shared.clone()))
    }

    /// A penalty on each kernel, added to the loss.
    #[must_use]
    pub fn kernel_regularizer<K>(self, regularizer: impl IntoRegularizer<K>) -> Self {
        let shared = regularizer.into_regularizer();
        self.with_kernels(|kernel| kernel.regularizer(shared.clone()))
    }

    /// A projection of each kernel after every update.
    #[must_use]
    pub fn kernel_constraint<K>(self, constraint: impl IntoConstraint<K>) -> Self {
        let shared = constraint.into_constraint();
        self.with_kernels(|kernel| kernel.constraint(shared.clone()))
    }

    /// First values of all biases; `Zeros` unless set.
    #[must_use]
    pub fn bias_initializer(self, initializer: impl Initializer + 'static) -> Self {
        let shared: Arc<dyn Initializer> = Arc::new(initializer);
        self.with_biases(|bias| bias.initializer(shared.clone()))
    }

    /// A penalty on each bias, added to the loss.
    #[must_use]
    pub fn bias_regularizer<K>(self, regularizer: impl IntoRegularizer<K>) -> Self {
        let shared = regularizer.into_regularizer();
        self.with_biases(|bias| bias.regularizer(shared.clone()))
    }

    /// A projection of each bias after every update.
    #[must_use]
    pub fn bias_constraint<K>(self, constraint: impl IntoConstraint<K>) -> Self {
        let shared = constraint.into_constraint();
        self.with_biases(|bias| bias.constraint(shared.clone()))
    }

    /// Whether optimizers may change the weights. True unless set.
    #[must_use]
    pub fn trainable(self, trainable: bool) -> Self {
        self.with_kernels(|kernel| kernel.trainable(trainable))
            .with_biases(|bias| bias.trainable(trainable))
    }

    name_option! {}

    /// The kernels of the query, key and value, `[features, heads, size]`, and of the output,
    /// `[heads, size, features]`, once the layer was applied.
    pub fn kernels(&self) -> [Option<&Variable>; 4] {
        self.kernels.each_ref().map(Weight::variable)
    }

    fn with_kernels(mut self, option: impl Fn(Weight) -> Weight) -> Self {
        self.kernels = self.kernels.map(option);
        self
    }

    fn with_biases(mut self, option: impl Fn(Weight) -> Weight) -> Self {
        self.biases = self.biases.map(option);
        self
    }

    /// A kernel, whose first values are those of a matrix from all its inputs to all its outputs:
    /// heads are no window of a convolution.
    #[track_caller]
    fn kernel(
        &self,
        which: usize,
        shape: [usize; 3],
        fans: [usize; 2],
        cx: &mut Context,
    ) -> Tensor {
        let kernel = &self.kernels[which];
        let first = WithFans { initializer: kernel.first_values(), fans };
        kernel.value_from(self, shape, &first, cx)
    }

    /// Inputs as heads side by side, `[batch, steps, heads * size]`.
    #[track_caller]
    fn project(
        &self,
        which: usize,
        inputs: &Tensor,
        [heads, size]: [usize; 2],
        cx: &mut Context,
    ) -> Tensor {
        let (features, columns) = (inputs.features(), heads.saturating_mul(size));
        let kernel = self.kernel(which, [features, heads, size], [features, columns], cx);
        let [inputs, kernel] = cx.factors(inputs, &kernel.reshape([features, columns]));
        let mut projected = inputs.matmul(&kernel);
        if self.use_bias {
            let bias = self.biases[which].value(self, [heads, size], cx);
            projected = projected + bias.reshape([columns]);
        }
        cx.stored(&projected)
    }

    /// The means of the values for each query, `[batch, queries, heads * value_dim]`, and the
    /// weights `[batch, heads, queries, values]`, of projected queries, keys and values.
    #[track_caller]
    fn means(&self, of: Projected<'_>, cx: &mut Context) -> [Tensor; 2] {
        let HeadSizes { heads, groups, value_dim, .. } = self.heads.sizes();
        let (batch, queries, values) = (of.query.batch(), of.query.shape()[1], of.key.shape()[1]);
        let [query, key, value] =
            [(of.query, heads), (of.key, groups), (of.value, groups)].map(|(x, parts)| {
                let size = x.features() / parts.max(1);
                x.reshape([batch, x.shape()[1], parts, size]).permute(&[0, 2, 1, 3])
            });
        // The queries of all heads that share a key, one after another.
        let rows = (heads / groups).saturating_mul(queries);
        let query = query.reshape([batch, groups, rows, query.features()]);
        let scores = query.matmul_transposed(&key, Transposed::RIGHT);
        let scores = scores.reshape([batch, heads, queries, values]);
        let visible = of.visible.map(|mask| mask.expand_dims(1));
        let weights = masked_softmax(&scores, visible.as_ref(), cx);
        let used = self.dropout.apply(&weights, cx);
        let means = used.reshape([batch, groups, rows, values]).matmul(&value);
        let means = means.reshape([batch, heads, queries, value_dim]).permute(&[0, 2, 1, 3]);
        [means.reshape([batch, queries, heads.saturating_mul(value_dim)]), weights]
    }

    /// The outputs, and the weights `[batch, heads, queries, values]` if they are returned.
    #[track_caller]
    fn attend(&self, parts: Parts<'_>, returns_weights: bool, cx: &mut Context) -> Vec<Tensor> {
        let HeadSizes { heads, groups, key_dim, value_dim, output_shape } = self.heads.sizes();
        if let Err(error) = parts.check(cx).and_then(|()| check_heads(heads, groups, cx)) {
            return refuse(error, parts, cx);
        }
        let query = self.project(QUERY, parts.query, [heads, key_dim], cx);
        let query = cx.stored(&(query * (key_dim as f64).sqrt().recip()));
        let key = self.project(KEY, parts.key, [groups, key_dim], cx);
        let value = self.project(VALUE, parts.value, [groups, value_dim], cx);
        let visible = parts.visible(self.use_causal_mask, cx);
        let all = Projected { query: &query, key: &key, value: &value, visible: visible.as_ref() };
        let (joined, weights) = if returns_weights {
            let [means, weights] = self.means(all, cx);
            (means, Some(weights))
        } else {
            let means = |of: Projected<'_>, cx: &mut Context| {
                let [means, _] = self.means(of, cx);
                means
            };
            (in_blocks(all, heads, cx.training() && self.dropout.rate > 0.0, cx, &means), None)
        };
        let features = output_shape.unwrap_or(parts.query.features());
        let joined_size = heads.saturating_mul(value_dim);
        let fans = [joined_size, features];
        let kernel = self.kernel(OUTPUT, [heads, value_dim, features], fans, cx);
        let kernel = kernel.reshape([joined_size, features]);
        let [joined, kernel] = cx.factors(&cx.stored(&joined), &kernel);
        let mut outputs = joined.matmul(&kernel);
        if self.use_bias {
            outputs = outputs + self.biases[OUTPUT].value(self, [features], cx);
        }
        if let Some(mask) = cx.mask(parts.query) {
            cx.set_mask(&outputs, &mask);
        }
        std::iter::once(outputs).chain(weights).collect()
    }
}

fn check_heads(heads: usize, groups: usize, cx: &Context) -> Result<()> {
    if groups > 0 && heads > 0 && heads.is_multiple_of(groups) {
        return Ok(());
    }
    let message =
        format!("`{}` has {heads} heads of queries and {groups} of keys and values", cx.path());
    let help = "there is at least one, and queries have a multiple of the others";
    Err(Error::argument(message, help))
}

impl<H: Heads, O> DeclaredLayer for HeadsAttention<H, O> {
    const SHARED_OPTIONS: &'static [&'static str] = &[
        "kernel_initializer",
        "kernel_regularizer",
        "kernel_constraint",
        "bias_initializer",
        "bias_regularizer",
        "bias_constraint",
        "trainable",
        "name",
    ];

    fn with_shared_options(mut self, given: &mut TextOptions<'_>) -> Result<Self> {
        let [kernel, bias] = [
            Weight::new("kernel").initializer(GlorotUniform),
            Weight::new("bias").initializer(Zeros),
        ];
        let kernel = weight_of_text(kernel, &Self::SHARED_OPTIONS[..3], given)?;
        let bias = weight_of_text(bias, &Self::SHARED_OPTIONS[3..6], given)?;
        self = self.with_kernels(|each| each.like(&kernel)).with_biases(|each| each.like(&bias));
        self = self.trainable(given.by_name("trainable")?.unwrap_or(true));
        self.name = given.by_name("name")?;
        Ok(self)
    }
}

impl<H: Heads, I: AttentionInputs, O: Tree> Layer<I, O> for HeadsAttention<H, O> {
    #[track_caller]
    fn call(&self, inputs: &I, cx: &mut Context) -> O {
        let has_mask = inputs.has_mask();
        let inputs = given_tensors(inputs, 3 + usize::from(has_mask), 3, cx);
        let parts = Parts::new(&inputs, has_mask);
        let outputs = self.attend(parts, returns_weights::<O>(parts.query), cx);
        O::from_tensors(&mut outputs.into_iter()).expect("as many outputs as the type says")
    }

    fn kind(&self) -> &'static str {
        H::kind()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn hyperparameters(&self) -> Hyperparameters {
        let HeadSizes { heads, groups, key_dim, value_dim, output_shape } = self.heads.sizes();
        let sizes = Hyperparameters::new()
            .with("num_heads", heads)
            .with("num_key_value_heads", groups)
            .with("key_dim", key_dim)
            .with("value_dim", value_dim)
            .with("output_shape", output_shape);
        sizes.and(&self.noted())
    }

    fn uses_mask(&self) -> bool {
        true
    }
}

/// The sizes of an attention of several heads.
pub struct HeadSizes {
    /// The number of heads of queries.
    heads: usize,
    /// The number of heads of keys and values; each serves as many heads of queries.
    groups: usize,
    key_dim: usize,
    value_dim: usize,
    output_shape: Option<usize>,
}

/// How many heads there are of queries, keys and values.
pub trait Heads: Default + Send + Sync + 'static {
    /// What its layer is called.
    fn kind() -> &'static str;

    /// All sizes.
    fn sizes(&self) -> HeadSizes;
}

part! {
    /// The heads of [`MultiHeadAttention`].
    #[derive(Default)]
    EqualHeads in HeadsAttention.heads ["multi_head_attention"]
    /// Heads with keys of `key_dim` numbers.
    (num_heads: Count as usize, key_dim: Count as usize) {
        /// The numbers of a value in each head; those of a key unless set.
        value_dim: OptionalCount as usize = OptionalCount(None),
        /// The features of the outputs; those of the query unless set.
        output_shape: OptionalCount as usize = OptionalCount(None),
    }
}

impl Heads for EqualHeads {
    fn kind() -> &'static str {
        "MultiHeadAttention"
    }

    fn sizes(&self) -> HeadSizes {
        let (heads, key_dim) = (self.num_heads.0, self.key_dim.0);
        let value_dim = self.value_dim.0.unwrap_or(key_dim);
        HeadSizes { heads, groups: heads, key_dim, value_dim, output_shape: self.output_shape.0 }
    }
}

part! {
    /// The heads of [`GroupQueryAttention`].
    #[derive(Default)]
    GroupedHeads in HeadsAttention.heads ["group_query_attention"]
    /// Heads of `head_dim` numbers.
    (head_dim: Count as usize, num_query_heads: Count as usize, num_key_value_heads: Count as usize)
    {}
}

impl Heads for GroupedHeads {
    fn kind() -> &'static str {
        "GroupQueryAttention"
    }

    fn sizes(&self) -> HeadSizes {
        let (heads, groups) = (self.num_query_heads.0, self.num_key_value_heads.0);
        let size = self.head_dim.0;
        HeadSizes { heads, groups, key_dim: size, value_dim: size, output_shape: None }
    }
}

#[cfg(test)]
mod tests;
