//! How a layer is declared: [`layer!`], and what text says of layers.
//!
//! In: a layer's documentation, arguments, options and weights. Out: the type with its constructor,
//! its options as methods with Keras's names, and the row by which text becomes the same layer.

use std::sync::Arc;

use crate::constraints::Constraint;
use crate::error::Result;
use crate::initializers::Initializer;
use crate::named::{Declared, Named, TextOptions};
use crate::regularizers::Regularizer;
use crate::trace::Weight;

use super::Layer;

/// A declared layer with its weights.
pub(crate) trait DeclaredLayer: Declared {
    /// The options of its weights, its name and whether it learns, in the order in which text may
    /// give them without their names.
    const SHARED_OPTIONS: &'static [&'static str];

    /// The layer with those options as text gives them.
    ///
    /// # Errors
    /// If an option cannot be read.
    fn with_shared_options(self, given: &mut TextOptions<'_>) -> Result<Self>;
}

/// A layer with a part that has options of its own, such as the cell of a recurrent layer.
pub(super) trait PartedLayer<P>: DeclaredLayer {
    /// Whether text gives the options of the part before those of the layer.
    const PART_FIRST: bool;

    /// The layer with this part.
    fn with_part(self, part: P) -> Self;
}

/// A layer with its part as a text gives them.
pub(super) fn parted<L: PartedLayer<P>, P: Declared>(given: &mut TextOptions<'_>) -> Result<L> {
    let first = if L::PART_FIRST { Some(P::of_text(given)?) } else { None };
    let layer = L::of_text(given)?;
    let part = if let Some(part) = first { part } else { P::of_text(given)? };
    layer.with_part(part).with_shared_options(given)
}

/// The options of a layer with its part, as of [`Named`].
pub(super) const fn parted_options<L: PartedLayer<P>, P: Declared>() -> [&'static [&'static str]; 3]
{
    let own = if L::PART_FIRST { [P::OPTIONS, L::OPTIONS] } else { [L::OPTIONS, P::OPTIONS] };
    [own[0], own[1], L::SHARED_OPTIONS]
}

/// The row of a layer with a part, of the part's names.
pub(super) const fn part_row<L, P>() -> Named<dyn Layer>
where
    L: PartedLayer<P> + Layer + 'static,
    P: Declared,
{
    Named {
        names: P::NAMES,
        options: parted_options::<L, P>(),
        make: |given| Ok(Arc::new(parted::<L, P>(given)?)),
    }
}

/// The row of a declared layer in the table of names.
pub(super) const fn row<L: DeclaredLayer + Layer + 'static>() -> Named<dyn Layer> {
    Named::of::<L>(L::SHARED_OPTIONS, |given| {
        Ok(Arc::new(L::of_text(given)?.with_shared_options(given)?))
    })
}

/// A weight with its initializer, regularizer and constraint as text gives them, under these names.
pub(crate) fn weight_of_text(
    weight: Weight,
    names: &[&str],
    given: &mut TextOptions<'_>,
) -> Result<Weight> {
    let mut weight = weight;
    if let Some(name) = names.first()
        && let Some(initializer) = given.given::<Arc<dyn Initializer>>(name)?
    {
        weight = weight.initializer(initializer);
    }
    if let Some(name) = names.get(1)
        && let Some(regularizer) = given.given::<Arc<dyn Regularizer>>(name)?
    {
        weight = weight.regularizer(regularizer);
    }
    if let Some(name) = names.get(2)
        && let Some(constraint) = given.given::<Arc<dyn Constraint>>(name)?
    {
        weight = weight.constraint(constraint);
    }
    Ok(weight)
}

/// Declares a layer; what it computes is in its `impl Layer`.
///
/// ```text
/// layer! {
///     /// Documentation.
///     Name ["name"]
///     /// Documentation of `new`.
///     (units: usize) {
///         /// Documentation.
///         use_bias: bool = true,
///     }
///     weights {
///         /// Documentation of the method that returns the variable.
///         kernel = GlorotUniform => kernel_initializer, kernel_regularizer, kernel_constraint;
///     }
///     with { field: Type = value }
/// }
/// ```
///
/// Arguments and options are those of [`declare!`](crate::named::declare). A weight has first
/// values and the names of its options; what is left out, from the end, the layer does not have.
/// One with `{trainable: false}` after its name is assigned by the layer itself. Each layer has a
/// `name`, and one with weights `trainable`.
macro_rules! layer {
    ($(#[$doc:meta])* $Name:ident $(<const $N:ident: usize>)?
     $(of $P:ident: $Bound:ident, $O:ident = $Output:ty)? [$($names:tt)+]
     $(#[$new_doc:meta])* $(fn $new:ident)? ($($arguments:tt)*) { $($options:tt)* }
     $(weights { $($(#[$weight_doc:meta])* $weight:ident $({trainable: $learned:literal})?
         = $first:expr
         $(=> $initializer:ident $(, $regularizer:ident $(, $constraint:ident)?)?)?;)+ })?
     $(with { $($fields:tt)* })?) => {
        $crate::named::declare! {
            $(#[$doc])* $Name $(<const $N: usize>)? $(of $P: $Bound, $O = $Output)? [$($names)+]
            $(#[$new_doc])* $(fn $new)? ($($arguments)*) { $($options)* }
            with {
                name: Option<String> = None,
                $($($weight: $crate::trace::Weight =
                    $crate::trace::Weight::new(stringify!($weight)).initializer($first)
                        $(.trainable($learned))?,)+)?
                $($($fields)*)?
            }
        }

        impl $(<const $N: usize>)? $(<$P: $Bound, $O>)? $Name $(<$N>)? $(<$P, $O>)? {
            $crate::layers::declare::name_option! {}

            $($crate::layers::declare::weight_methods! {
                $($(#[$weight_doc])* $weight $($learned)? = $first
                    $(=> $initializer $(, $regularizer $(, $constraint)?)?)?;)+
            })?
        }

        impl $(<const $N: usize>)? $(<$P: $Bound, $O>)? $crate::layers::declare::DeclaredLayer
            for $Name $(<$N>)? $(<$P, $O>)?
        {
            const SHARED_OPTIONS: &'static [&'static str] = &[
                $($($(stringify!($initializer),
                    $(stringify!($regularizer), $(stringify!($constraint),)?)?)?)+
                "trainable",)?
                "name",
            ];

            fn with_shared_options(
                mut self,
                given: &mut $crate::named::TextOptions<'_>,
            ) -> $crate::error::Result<Self> {
                $(
                    $({
                        let names: &[&str] = &[$(stringify!($initializer)
                            $(, stringify!($regularizer) $(, stringify!($constraint))?)?)?];
                        self.$weight = $crate::layers::declare::weight_of_text(
                            self.$weight, names, given)?;
                    })+
                    self = self.trainable(given.by_name("trainable")?.unwrap_or(true));
                )?
                self.name = given.by_name("name")?;
                Ok(self)
            }
        }
    };
}

/// The name that the user gives a layer, in a field called `name`.
macro_rules! name_option {
    () => {
        /// The name in errors, weights and summaries; that of the type, numbered, unless set.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.name = Some(name.into());
            self
        }
    };
}

/// The methods of a declared layer that set the options of its weights and return their variables.
macro_rules! weight_methods {
    ($($(#[$doc:meta])* $weight:ident $($learned:literal)? = $first:expr
        $(=> $initializer:ident $(, $regularizer:ident $(, $constraint:ident)?)?)?;)+) => {
        $(
            $(#[$doc])*
            pub fn $weight(&self) -> Option<&$crate::variable::Variable> {
                self.$weight.variable()
            }

            $(
                #[doc = concat!("First values of `", stringify!($weight), "`; `",
                    stringify!($first), "` unless set.")]
                #[must_use]
                pub fn $initializer(
                    mut self,
                    initializer: impl $crate::initializers::Initializer + 'static,
                ) -> Self {
                    self.$weight = self.$weight.initializer(initializer);
                    self
                }

                $(
                    #[doc = concat!("A penalty on `", stringify!($weight), "`, added to the loss.")]
                    #[must_use]
                    pub fn $regularizer<K>(
                        mut self,
                        regularizer: impl $crate::regularizers::IntoRegularizer<K>,
                    ) -> Self {
                        self.$weight = self.$weight.regularizer(regularizer);
                        self
                    }

                    $(
                        #[doc = concat!("A projection of `", stringify!($weight),
                            "` after every update.")]
                        #[must_use]
                        pub fn $constraint<K>(
                            mut self,
                            constraint: impl $crate::constraints::IntoConstraint<K>,
                        ) -> Self {
                            self.$weight = self.$weight.constraint(constraint);
                            self
                        }
                    )?
                )?
            )?
        )+

        /// Whether optimizers may change the weights. True unless set.
        #[must_use]
        pub fn trainable(mut self, trainable: bool) -> Self {
            $(self.$weight = self.$weight.trainable(trainable $(&& $learned)?);)+
            self
        }
    };
}

/// Declares a part of a layer with arguments and options as [`declare!`](crate::named::declare)
/// does, of which the options are methods of the layer, too. Without arguments they come last in
/// text.
///
/// ```text
/// part! {
///     /// Documentation.
///     Part in Name.field ["name"]
///     /// Documentation of `new`.
///     () { .. }
/// }
/// ```
macro_rules! part {
    ($(#[$doc:meta])* $Part:ident in $Layer:ident.$part:ident $names:tt
     $(#[$new_doc:meta])* ($($arguments:tt)*)
     { $($(#[$option_doc:meta])* $option:ident: $Option:ty $(as $Given:ty)?
         $([$Family:ident::$into:ident])? = $default:expr),* $(,)? }) => {
        $crate::named::declare! {
            $(#[$doc])* $Part $names $(#[$new_doc])* ($($arguments)*)
            { $($(#[$option_doc])* $option: $Option $(as $Given)? $([$Family::$into])?
                = $default),* }
        }

        impl<O> $Layer<$Part, O> {
            $($crate::named::setter! {
                $(#[$option_doc])* $option in $part: $Option $(as $Given)? $([$Family::$into])?
            })*
        }

        impl $crate::layers::declare::PartedLayer<$Part> for $Layer<$Part> {
            const PART_FIRST: bool = !stringify!($($arguments)*).is_empty();

            fn with_part(self, part: $Part) -> Self {
                Self { $part: part, ..self }
            }
        }
    };
}

/// What a declared layer says of itself, within its `impl Layer`; which hyperparameters come first
/// where it is saved, or whether it `supports_masking` or `uses_mask`.
macro_rules! about {
    ($is_so:ident) => {
        $crate::layers::declare::about! {}

        fn $is_so(&self) -> bool {
            true
        }
    };
    ($(first $($first:literal),+)?) => {
        fn kind(&self) -> &'static str {
            <Self as $crate::named::Declared>::kind()
        }

        fn name(&self) -> Option<&str> {
            self.name.as_deref()
        }

        fn hyperparameters(&self) -> $crate::named::Hyperparameters {
            $crate::named::Declared::noted(self) $(.beginning_with(&[$($first),+]))?
        }
    };
}

pub(super) use {about, layer, name_option, part, weight_methods};

#[cfg(test)]
mod tests {
    use crate::layers;
    use crate::prelude::*;

    #[test]
    fn the_text_of_its_hyperparameters_makes_a_layer_again() {
        for text in [
            "activation(leaky_relu(negative_slope=0.1), activity_regularizer=l2(0.5))",
            "activity_regularization(l1=0.5, l2=1.0)",
            "additive_attention(use_scale=false, use_causal_mask=true)",
            "attention(dropout=0.5, use_scale=true, score_mode=concat)",
            "batch_normalization(axis=1, momentum=0.5, epsilon=0.0, center=false)",
            "dense(3, use_bias=false)",
            "dropout(0.5, noise_shape=[none, 1, none])",
            "embedding(10, 3, mask_zero=true)",
            "flatten",
            "gaussian_noise(0.5)",
            "gaussian_dropout(0.5)",
            "gru(3, recurrent_activation=hard_sigmoid, reset_after=false)",
            "group_normalization(-1, axis=1, scale=false)",
            "layer_normalization(axis=[1, 2])",
            "layer_normalization(axis=1)",
            "lstm(3, relu, false, return_sequences=true, unit_forget_bias=false)",
            "masking(-1.0)",
            "p_relu(shared_axes=[1, 2])",
            "permute([2, 1])",
            "repeat_vector(3)",
            "rescaling(0.5, offset=1.0)",
            "reshape([-1, 3])",
            "simple_rnn(3, go_backwards=true, zero_output_for_mask=true)",
            "unit_normalization(axis=[1, 2])",
            "rms_normalization(axis=1, epsilon=0.5)",
        ] {
            let layer = layers::get(text).unwrap();
            let name = text.split('(').next().unwrap();
            let written = layer.hyperparameters().written(name);
            let again = layers::get(&written).unwrap();
            assert_eq!(layer.hyperparameters(), again.hyperparameters(), "{written}");
            let first = text.split(['(', ',', '=', ')']).nth(1).unwrap_or_default();
            assert!(written.contains(first), "{written}");
        }
    }

    #[test]
    fn options_of_weights_and_the_layer_come_last_in_text() {
        let layer = layers::get(
            "batch_normalization(beta_initializer=ones, moving_mean_initializer=constant(4), \
             trainable=false, name=still)",
        );
        let layer = layer.unwrap();
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            assert_eq!(cx.weights().next().unwrap().name(), "still/gamma");
            assert!(cx.weights().all(|weight| !weight.is_trainable()));
            [y]
        });
        let [y] = f.run([&[[5.0_f32], [3.0]].into()]).unwrap();
        assert!((y.get(0) - 2.0).abs() < 1e-3 && y.get(1).abs() < 1e-3, "{y:?}");
        let x = Array::from([[1.0_f32], [3.0]]);
        let scaled = layers::get("normalization([2], [1], invert=true)").unwrap();
        let mut f = Function::new(|[x], cx| [scaled.apply(&x, cx)]);
        assert_eq!(f.run([&x]).unwrap()[0], Array::from([[3.0_f32], [5.0]]));
    }

    #[test]
    fn the_options_of_a_weight_reach_that_weight() {
        let layer = LayerNormalization::new()
            .gamma_initializer(Constant(3.0))
            .gamma_regularizer(L1(1.0))
            .beta_initializer(Constant(-2.0))
            .beta_regularizer(L1(10.0))
            .beta_constraint(NonNeg);
        let optimizer = Sgd::new(0.0);
        let mut f = Function::new(|[x], cx| {
            let y = layer.apply(&x, cx);
            let penalties =
                cx.losses().into_iter().reduce(|sum, term| sum + term).expect("two penalties");
            let gradients = cx.gradients(&(y.sum() + &penalties), layer.beta());
            optimizer.apply(&gradients, cx);
            [penalties]
        });
        assert_eq!(
            f.run([&[[1.0_f32, 5.0]].into()]).unwrap()[0].item().unwrap(),
            2.0 * 3.0 + 10.0 * 2.0 * 2.0
        );
        assert_eq!(layer.beta().unwrap().value(), Array::from([0.0_f32, 0.0]));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_in_text() {
        let error = |text: &str| layers::get(text).err().unwrap();
        assert_eq!(
            error("dropout(1)").to_string(),
            "the option `rate` of `dropout(1)` is a number of at least 0 and less than 1, got `1`\
             \n  help: give it as in `dropout(rate=..)`"
        );
        error("gaussian_noise(inf)").says("a number of at least 0, got `inf`");
        error("dense(0)").says("a whole number from 1, got `0`");
        error("rms_normalization(epsilon=-1)").advises("unless given, it is `1e-6`");
        error("masking(1, 2, 3)").says("gives 3 options, but `masking` has 2");
    }

    #[test]
    fn what_stands_without_its_name_is_an_option_and_never_the_name_of_the_layer() {
        let error = |text| crate::layers::get(text).err().unwrap();
        let masking = error("masking(3, 4)");
        masking.says("gives 2 options without their names, but `masking` takes 1 so");
        masking.advises("give the others by name");
        error("dense(3, true, relu, none, zeros, none, none, zeros, none, none, false)")
            .says("gives 11 options without their names, but `dense` takes 10 so");
        let layer = crate::layers::get("dense(3, name=out, trainable=false)").unwrap();
        assert_eq!(layer.name(), Some("out"));
    }
}
