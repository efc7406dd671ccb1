//! Attention of several heads, each with projections of its own.
//!
//! In: queries, values and keys. Out: `[batch, queries, features]`; weights `query`, `key`, `value`
//! and `attention_output`, each a kernel and a bias.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::constraints::{Constraint, IntoConstraint};
use crate::error::{Error, ErrorKind};
use crate::graph::{Tensor, Transposed, Tree};
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::named::Hyperparameters;
use crate::regularizers::{IntoRegularizer, Regularizer};
use crate::trace::{Context, Weight};
use crate::variable::Variable;

use super::super::options::{every_form, name_option};
use super::super::{Dropout, Layer};
use super::{Parts, attention_inputs, attention_options, masked_softmax, refuse};

/// A kernel and a bias.
struct Projection {
    kernel: Weight,
    bias: Weight,
}

impl Projection {
    fn new(name: &str) -> Self {
        Self {
            kernel: Weight::new(format!("{name}/kernel")),
            bias: Weight::new(format!("{name}/bias")),
        }
    }
}

/// The positions of the projections.
const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
const OUTPUT: usize = 3;

macro_rules! multi_head {
    ($($(#[$doc:meta])* $Name:ident($($argument:ident: $what:literal),+)
        = ($heads:expr, $value_heads:expr, $key_dim:expr);)+) => {
        $(
            $(#[$doc])*
            pub struct $Name<O = Tensor> {
                name: Option<String>,
                heads: usize,
                /// Of values and keys; each serves as many queries' heads.
                value_heads: usize,
                key_dim: usize,
                value_dim: usize,
                output_shape: Option<usize>,
                use_bias: bool,
                use_causal_mask: bool,
                dropout: Dropout,
                rate: f64,
                projections: [Projection; 4],
                kernel_initializer: Box<dyn Initializer>,
                bias_initializer: Box<dyn Initializer>,
                outputs: PhantomData<fn() -> O>,
            }

            impl $Name {
                #[doc = concat!("The layer of ", $($what),+, ".")]
                pub fn new($($argument: usize),+) -> Self {
                    Self {
                        name: None,
                        heads: $heads,
                        value_heads: $value_heads,
                        key_dim: $key_dim,
                        value_dim: $key_dim,
                        output_shape: None,
                        use_bias: true,
                        use_causal_mask: false,
                        dropout: Dropout::new(0.0),
                        rate: 0.0,
                        projections: ["query", "key", "value", "attention_output"].map(Projection::new),
                        kernel_initializer: Box::new(GlorotUniform),
                        bias_initializer: Box::new(Zeros),
                        outputs: PhantomData,
                    }
                }

                fn with_outputs<O>(self) -> $Name<O> {
                    $Name {
                        name: self.name,
                        heads: self.heads,
                        value_heads: self.value_heads,
                        key_dim: self.key_dim,
                        value_dim: self.value_dim,
                        output_shape: self.output_shape,
                        use_bias: self.use_bias,
                        use_causal_mask: self.use_causal_mask,
                        dropout: self.dropout,
                        rate: self.rate,
                        projections: self.projections,
                        kernel_initializer: self.kernel_initializer,
                        bias_initializer: self.bias_initializer,
                        outputs: PhantomData,
                    }
                }
            }

            impl<O> $Name<O> {
                /// Whether the projections have biases. True unless set.
                #[must_use]
                pub fn use_bias(mut self, use_bias: bool) -> Self {
                    self.use_bias = use_bias;
                    self
                }

                attention_options! {}

                /// First values of all kernels; `GlorotUniform` unless set.
                #[must_use]
                pub fn kernel_initializer(mut self, initializer: impl Initializer + 'static) -> Self {
                    self.kernel_initializer = Box::new(initializer);
                    self
                }

                /// First values of all biases; `Zeros` unless set.
                #[must_use]
                pub fn bias_initializer(mut self, initializer: impl Initializer + 'static) -> Self {
                    self.bias_initializer = Box::new(initializer);
                    self
                }

                /// A penalty on each kernel, added to the loss.
                #[must_use]
                pub fn kernel_regularizer<K>(mut self, regularizer: impl IntoRegularizer<K>) -> Self {
                    let shared: Arc<dyn Regularizer> = regularizer.into_regularizer();
                    self.projections = self.projections.map(|Projection { kernel, bias }| {
                        Projection { kernel: kernel.regularizer(shared.clone()), bias }
                    });
                    self
                }

                /// A penalty on each bias, added to the loss.
                #[must_use]
                pub fn bias_regularizer<K>(mut self, regularizer: impl IntoRegularizer<K>) -> Self {
                    let shared: Arc<dyn Regularizer> = regularizer.into_regularizer();
                    self.projections = self.projections.map(|Projection { kernel, bias }| {
                        Projection { kernel, bias: bias.regularizer(shared.clone()) }
                    });
                    self
                }

                /// A projection of each kernel after every update.
                #[must_use]
                pub fn kernel_constraint<K>(mut self, constraint: impl IntoConstraint<K>) -> Self {
                    let shared: Arc<dyn Constraint> = constraint.into_constraint();
                    self.projections = self.projections.map(|Projection { kernel, bias }| {
                        Projection { kernel: kernel.constraint(shared.clone()), bias }
                    });
                    self
                }

                /// A projection of each bias after every update.
                #[must_use]
                pub fn bias_constraint<K>(mut self, constraint: impl IntoConstraint<K>) -> Self {
                    let shared: Arc<dyn Constraint> = constraint.into_constraint();
                    self.projections = self.projections.map(|Projection { kernel, bias }| {
                        Projection { kernel, bias: bias.constraint(shared.clone()) }
                    });
                    self
                }

                /// Whether optimizers may change the weights. True unless set.
                #[must_use]
                pub fn trainable(mut self, trainable: bool) -> Self {
                    self.projections = self.projections.map(|Projection { kernel, bias }| {
                        Projection { kernel: kernel.trainable(trainable), bias: bias.trainable(trainable) }
                    });
                    self
                }

                name_option! {}

                /// The kernels of the query, key and value, `[features, heads, size]`, and of the
                /// output, `[heads, size, features]`, once the layer was applied.
                pub fn kernels(&self) -> [Option<&Variable>; 4] {
                    self.projections.each_ref().map(|projection| projection.kernel.variable())
                }

                /// Inputs as heads, `[batch, heads, steps, size]`.
                #[track_caller]
                fn project(&self, which: usize, inputs: &Tensor, heads: usize, size: usize, cx: &mut Context) -> Tensor {
                    let Projection { kernel, bias } = &self.projections[which];
                    let kernel = kernel.get(self, [inputs.features(), heads, size], &*self.kernel_initializer, cx);
                    let mut projected = inputs.matmul(&kernel.reshape([inputs.features(), heads.saturating_mul(size)]));
                    if self.use_bias {
                        let bias = bias.get(self, [heads, size], &*self.bias_initializer, cx);
                        projected = projected + bias.reshape([heads.saturating_mul(size)]);
                    }
                    projected.reshape([inputs.batch(), inputs.shape()[1], heads, size]).permute(&[0, 2, 1, 3])
                }

                /// The outputs, and the weights `[batch, heads, queries, values]`.
                #[track_caller]
                fn attend(&self, parts: Parts<'_>, cx: &mut Context) -> Vec<Tensor> {
                    if let Err(error) = parts.check(cx).and_then(|()| check_heads(self.heads, self.value_heads, cx)) {
                        return refuse(error, parts, cx);
                    }
                    let (batch, queries, values) = (parts.query.batch(), parts.query.shape()[1], parts.value.shape()[1]);
                    let (heads, groups) = (self.heads, self.value_heads);
                    let query = self.project(QUERY, parts.query, heads, self.key_dim, cx) * (self.key_dim as f64).sqrt().recip();
                    let key = self.project(KEY, parts.key, groups, self.key_dim, cx);
                    let value = self.project(VALUE, parts.value, groups, self.value_dim, cx);
                    // The queries of all heads that share a key, one after another.
                    let rows = (heads / groups).saturating_mul(queries);
                    let scores = query.reshape([batch, groups, rows, self.key_dim]).matmul_transposed(&key, Transposed::RIGHT);
                    let scores = scores.reshape([batch, heads, queries, values]);
                    let visible = parts.visible(self.use_causal_mask, cx).map(|mask| mask.expand_dims(1));
                    let weights = masked_softmax(&scores, visible.as_ref());
                    let used = if self.rate == 0.0 { weights.clone() } else { self.dropout.apply(&weights, cx) };
                    let means = used.reshape([batch, groups, rows, values]).matmul(&value);
                    let means = means.reshape([batch, heads, queries, self.value_dim]).permute(&[0, 2, 1, 3]);

                    let features = self.output_shape.unwrap_or(parts.query.features());
                    let Projection { kernel, bias } = &self.projections[OUTPUT];
                    let kernel = kernel.get(self, [heads, self.value_dim, features], &*self.kernel_initializer, cx);
                    let joined_size = heads.saturating_mul(self.value_dim);
                    let joined = means.reshape([batch, queries, joined_size]);
                    let mut outputs = joined.matmul(&kernel.reshape([joined_size, features]));
                    if self.use_bias {
                        outputs = outputs + bias.get(self, [features], &*self.bias_initializer, cx);
                    }
                    if let Some(mask) = cx.mask(parts.query) {
                        cx.set_mask(&outputs, &mask);
                    }
                    vec![outputs, weights]
                }

                fn noted(&self) -> Hyperparameters {
                    Hyperparameters::new()
                        .with("num_heads", self.heads)
                        .with("num_key_value_heads", self.value_heads)
                        .with("key_dim", self.key_dim)
                        .with("value_dim", self.value_dim)
                        .with("output_shape", self.output_shape)
                        .with("use_bias", self.use_bias)
                        .with("use_causal_mask", self.use_causal_mask)
                        .with("dropout", self.rate)
                }
            }

            attention_inputs! { $Name }
        )+
    };
}

fn check_heads(heads: usize, value_heads: usize, cx: &Context) -> Result<(), Error> {
    if value_heads > 0 && heads > 0 && heads.is_multiple_of(value_heads) {
        return Ok(());
    }
    let message = format!(
        "`{}` has {heads} heads of queries and {value_heads} of keys and values",
        cx.path()
    );
    Err(Error::new(ErrorKind::Argument, message)
        .help("there is at least one, and queries have a multiple of the others"))
}

multi_head! {
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
    /// nothing has means of 0. With [`return_attention_scores`](Self::return_attention_scores) it
    /// returns `(outputs, weights)`.
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
    MultiHeadAttention(num_heads: "`num_heads` heads, ", key_dim: "with keys of `key_dim` numbers \
        each") = (num_heads, num_heads, key_dim);

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
    GroupQueryAttention(
        head_dim: "`head_dim` numbers a head, ", num_query_heads: "`num_query_heads` heads of \
            queries ",
        num_key_value_heads: "and `num_key_value_heads` of keys and values"
    ) = (num_query_heads, num_key_value_heads, head_dim);
}

impl<O> MultiHeadAttention<O> {
    /// The numbers of a value in each head; those of a key unless set.
    #[must_use]
    pub fn value_dim(mut self, value_dim: usize) -> Self {
        self.value_dim = value_dim;
        self
    }

    /// The features of the outputs; those of the query unless set.
    #[must_use]
    pub fn output_shape(mut self, features: usize) -> Self {
        self.output_shape = Some(features);
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn run(x: &[&Array], f: impl Fn(&[Tensor; 2], &mut Context) -> Tensor) -> Result<Array> {
        let mut f = Function::new(|inputs: [Tensor; 2], cx| [f(&inputs, cx)]);
        f.run([x[0], x[1]]).map(|[y]| y.clone())
    }

    #[test]
    fn shapes_that_do_not_belong_together_are_refused() {
        let layer = MultiHeadAttention::new(2, 3);
        let zeros = |sizes: &[usize]| Array::zeros(sizes, DType::F32);
        let error =
            run(&[&zeros(&[2, 3, 4]), &zeros(&[1, 3, 4])], |x, cx| layer.apply(x, cx)).unwrap_err();
        assert!(
            error
                .message()
                .contains("`multi_head_attention` of a query [2, 3, 4], a value [1, 3, 4]"),
            "{error}"
        );
        let mask =
            |x: &[Tensor; 2], cx: &mut Context| layer.apply(&(x[0].clone(), x[1].clone()), cx);
        let error = run(&[&zeros(&[2, 3, 4]), &zeros(&[2, 3, 2])], mask).unwrap_err();
        assert!(
            error.message().contains("with a mask of shape [2, 3, 2] for pairs [2, 3, 3]"),
            "{error}"
        );
        let error = run(&[&zeros(&[2, 3, 4]), &zeros(&[3])], mask).unwrap_err();
        assert!(
            error.message().contains("with a mask of shape [3] for pairs [2, 3, 3]"),
            "{error}"
        );
        let uneven = GroupQueryAttention::new(2, 3, 2);
        let error = run(&[&zeros(&[2, 3, 4]), &zeros(&[2, 3, 4])], |x, cx| uneven.apply(x, cx))
            .unwrap_err();
        assert!(
            error.message().contains("has 3 heads of queries and 2 of keys and values"),
            "{error}"
        );
    }

    #[test]
    fn a_mask_of_pairs_alone_holds_for_each_sample_and_head() {
        // As many heads as queries, which a mask could be taken for.
        let layer = MultiHeadAttention::new(3, 2).return_attention_scores();
        let pairs = Array::from([[true, false, false], [true, true, false], [false, true, true]]);
        let mut f = Function::new(|[x], cx| {
            let mask = cx.constant(pairs.clone());
            let (_, alone) = layer.apply(&(x.clone(), mask.clone()), cx);
            let (_, one) = layer.apply(&(x, mask.expand_dims(0)), cx);
            [alone, one]
        });
        let [alone, one] = f.run([&Array::from_fn([2, 3, 4], |i| (i as f32).sin())]).unwrap();
        assert_eq!(alone, one);
        let seen: Vec<bool> =
            alone.to_vec::<f32>()[..27].iter().map(|&weight| weight != 0.0).collect();
        assert_eq!(seen, pairs.to_vec::<bool>().repeat(3));
    }

    #[test]
    fn masked_values_are_not_seen() {
        let layer = MultiHeadAttention::new(2, 3);
        let (x, longer) = (
            [[[1.0_f32, -1.0], [2.0, 0.5]]].into(),
            [[[1.0_f32, -1.0], [0.0, 0.0], [2.0, 0.5]]].into(),
        );
        let short = run(&[&x, &x], |x, cx| layer.apply(x, cx)).unwrap();
        let masked = |x: &[Tensor; 2], cx: &mut Context| {
            cx.set_mask(&x[1], &x[1].any_axes([-1]));
            layer.apply(x, cx)
        };
        let long = run(&[&x, &longer], masked).unwrap();
        for i in 0..short.len() {
            assert!((short.get(i) - long.get(i)).abs() < 1e-6);
        }
    }

    #[test]
    fn a_query_that_sees_nothing_has_means_of_0() {
        let layer = MultiHeadAttention::new(2, 3);
        let x = Array::full([1, 2, 4], 1.0, DType::F32);
        let mask = |x: &[Tensor; 2], cx: &mut Context| {
            let pairs = cx.constant([[[true, true], [false, false]]]);
            layer.apply(&(x[0].clone(), pairs), cx)
        };
        let y = run(&[&x, &x], mask).unwrap().to_vec::<f32>();
        assert!(y[..4].iter().any(|&y| y != 0.0) && y[4..] == [0.0; 4], "{y:?}");
    }

    #[test]
    fn a_bias_of_one_number_a_head_is_added_head_by_head() {
        // As many steps as heads.
        let layer = MultiHeadAttention::new(2, 1);
        let x = Array::from([[[1.0_f32], [-2.0]]]);
        run(&[&x, &x], |x, cx| layer.apply(x, cx)).unwrap();
        let [_, _, value, output] = &layer.projections;
        value.kernel.variable().unwrap().set(&Array::zeros([1, 2, 1], DType::F32)).unwrap();
        value.bias.variable().unwrap().set(&Array::from([[1.0_f32], [2.0]])).unwrap();
        output.kernel.variable().unwrap().set(&Array::full([2, 1, 1], 1.0, DType::F32)).unwrap();
        let y = run(&[&x, &x], |x, cx| layer.apply(x, cx)).unwrap().to_vec::<f32>();
        assert!(y.iter().all(|y| (y - 3.0).abs() < 1e-6), "{y:?}");
    }

    #[test]
    fn weights_are_named_as_in_keras() {
        let layer =
            MultiHeadAttention::new(2, 3).value_dim(4).output_shape(5).kernel_regularizer(L2(0.1));
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            assert_eq!(cx.weights().next().unwrap().name(), "multi_head_attention/query/kernel");
            assert_eq!(cx.losses().len(), 4);
            [y]
        });
        assert_eq!(
            f.run([&Array::zeros([1, 2, 6], DType::F32)]).unwrap()[0].shape().sizes(),
            [1, 2, 5]
        );
        let shapes = layer.kernels().map(|kernel| kernel.unwrap().shape().sizes().to_vec());
        assert_eq!(shapes, [[6, 2, 3], [6, 2, 3], [6, 2, 4], [2, 4, 5]]);
    }
}
