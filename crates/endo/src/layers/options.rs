//! The option that all layers have: their name.
//!
//! In: the field that it sets. Out: a method inside the layer's `impl`.

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

pub(super) use name_option;

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
