//! The options that layers share, written once: first values, penalties and projections of weights,
//! and the layer's name.
//!
//! In: the fields they set. Out: methods with Keras's names, inside the layer's `impl`.

/// The options of a weight: its first values (a field of the layer), its penalty and its
/// projection. What is left out, from the end, the layer does not have.
///
/// ```text
/// weight_options! { kernel: kernel_initializer = "GlorotUniform", kernel_regularizer, kernel_constraint }
/// ```
macro_rules! weight_options {
    ($weight:ident: $initializer:ident = $default:literal $(, $regularizer:ident $(, $constraint:ident)?)?) => {
        #[doc = concat!("First values of `", stringify!($weight), "`; \
            `", $default, "` unless set.")]
        #[must_use]
        pub fn $initializer(mut self, initializer: impl $crate::initializers::Initializer + 'static) -> Self {
            self.$initializer = Box::new(initializer);
            self
        }

        $(
            #[doc = concat!("A penalty on `", stringify!($weight), "`, added to the loss.")]
            #[must_use]
            pub fn $regularizer<K>(mut self, regularizer: impl $crate::regularizers::IntoRegularizer<K>) -> Self {
                self.$weight = self.$weight.regularizer(regularizer);
                self
            }

            $(
                #[doc = concat!("A projection of `", stringify!($weight), "` after every update.")]
                #[must_use]
                pub fn $constraint<K>(mut self, constraint: impl $crate::constraints::IntoConstraint<K>) -> Self {
                    self.$weight = self.$weight.constraint(constraint);
                    self
                }
            )?
        )?
    };
}

/// The penalty on what a layer returns, in a field called `activity_regularizer`.
macro_rules! activity_option {
    () => {
        /// A penalty on the outputs of each call, divided by the batch size and added to the loss.
        #[must_use]
        pub fn activity_regularizer<K>(
            mut self,
            regularizer: impl $crate::regularizers::IntoRegularizer<K>,
        ) -> Self {
            self.activity_regularizer = Some(regularizer.into_regularizer());
            self
        }
    };
}

/// Whether these fields, its weights, are learned.
macro_rules! trainable_option {
    ($($weight:ident),+) => {
        /// Whether optimizers may change the weights. True unless set.
        #[must_use]
        pub fn trainable(mut self, trainable: bool) -> Self {
            $(self.$weight = self.$weight.trainable(trainable);)+
            self
        }
    };
}

/// What a layer that uses masks says of itself for each form of its inputs; `noted` is a method of
/// its own.
macro_rules! every_form {
    () => {
        fn name(&self) -> Option<&str> {
            self.name.as_deref()
        }

        fn hyperparameters(&self) -> $crate::named::Hyperparameters {
            self.noted()
        }

        fn uses_mask(&self) -> bool {
            true
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

pub(super) use {activity_option, every_form, name_option, trainable_option, weight_options};

#[cfg(test)]
mod tests {
    use crate::prelude::*;

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
}
