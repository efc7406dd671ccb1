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
/// Each layer has a `name`, and one with weights `trainable`.
macro_rules! layer {
    ($(#[$doc:meta])* $Name:ident $(<const $N:ident: usize>)? [$($names:tt)+]
     $(#[$new_doc:meta])* ($($arguments:tt)*) { $($options:tt)* }
     $(weights { $($(#[$weight_doc:meta])* $weight:ident = $first:expr
         => $initializer:ident $(, $regularizer:ident $(, $constraint:ident)?)?;)+ })?
     $(with { $($fields:tt)* })?) => {
        $crate::named::declare! {
            $(#[$doc])* $Name $(<const $N: usize>)? [$($names)+] $(#[$new_doc])* ($($arguments)*) { $($options)* }
            with {
                name: Option<String> = None,
                $($($weight: $crate::trace::Weight =
                    $crate::trace::Weight::new(stringify!($weight)).initializer($first),)+)?
                $($($fields)*)?
            }
        }

        impl $(<const $N: usize>)? $Name $(<$N>)? {
            /// The name in errors, weights and summaries; that of the type, numbered, unless set.
            #[must_use]
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.name = Some(name.into());
                self
            }

            $($crate::layers::declare::weight_methods! {
                $($(#[$weight_doc])* $weight = $first => $initializer $(, $regularizer $(, $constraint)?)?;)+
            })?
        }

        impl $(<const $N: usize>)? $crate::layers::declare::DeclaredLayer for $Name $(<$N>)? {
            const SHARED_OPTIONS: &'static [&'static str] = &[
                $($(stringify!($initializer), $(stringify!($regularizer), $(stringify!($constraint),)?)?)+
                "trainable",)?
                "name",
            ];

            fn with_shared_options(
                mut self,
                given: &mut $crate::named::TextOptions<'_>,
            ) -> $crate::error::Result<Self> {
                $(
                    $({
                        let names = [stringify!($initializer) $(, stringify!($regularizer) $(, stringify!($constraint))?)?];
                        self.$weight = $crate::layers::declare::weight_of_text(self.$weight, &names, given)?;
                    })+
                    self = self.trainable(given.take("trainable", true)?);
                )?
                self.name = given.given("name")?;
                Ok(self)
            }
        }
    };
}

/// The methods of a declared layer that set the options of its weights and return their variables.
macro_rules! weight_methods {
    ($($(#[$doc:meta])* $weight:ident = $first:expr
        => $initializer:ident $(, $regularizer:ident $(, $constraint:ident)?)?;)+) => {
        $(
            $(#[$doc])*
            pub fn $weight(&self) -> Option<&$crate::variable::Variable> {
                self.$weight.variable()
            }

            #[doc = concat!("First values of `", stringify!($weight), "`; `", stringify!($first), "` unless set.")]
            #[must_use]
            pub fn $initializer(mut self, initializer: impl $crate::initializers::Initializer + 'static) -> Self {
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
                    #[doc = concat!("A projection of `", stringify!($weight), "` after every update.")]
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
        )+

        /// Whether optimizers may change the weights. True unless set.
        #[must_use]
        pub fn trainable(mut self, trainable: bool) -> Self {
            $(self.$weight = self.$weight.trainable(trainable);)+
            self
        }
    };
}

/// What a declared layer says of itself, within its `impl Layer`; where one type stands for several
/// names, which of them it is, and which hyperparameters come first where it is saved.
macro_rules! about {
    ($($kind:expr)? $(, first $($first:literal),+)?) => {
        $(
            fn kind(&self) -> &'static str {
                const { $kind }
            }
        )?

        fn name(&self) -> Option<&str> {
            self.name.as_deref()
        }

        fn hyperparameters(&self) -> $crate::named::Hyperparameters {
            $crate::named::Declared::noted(self) $(.beginning_with(&[$($first),+]))?
        }
    };
}

pub(super) use {about, layer, weight_methods};
