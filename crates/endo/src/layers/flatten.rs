//! All axes of a sample in one.
//!
//! In: `[batch, ..]`. Out: `[batch, features]`, the same numbers in the same order.

use crate::graph::Tensor;
use crate::named::Named;
use crate::trace::Context;

use super::Layer;
use super::data_format::{ChannelsAt, DataFormat, LAST};
use super::declare::{about, layer, row};

/// The rows of this file.
pub(super) static ROWS: &[Named<dyn Layer>] = &[row::<Flatten>()];

layer! {
    /// Puts all axes but the first into one: `[batch, a, b]` becomes `[batch, a * b]`, and
    /// `[batch]` becomes `[batch, 1]`. Keras's `Flatten`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let model = Sequential::new().add(Flatten::new()).add(Dense::new(10));
    /// let mut f = Function::new(|[x], cx| [model.apply(&x, cx)]);
    /// assert_eq!(f.run([&Array::zeros([2, 28, 28], DType::F32)])?[0].shape().sizes(), [2, 10]);
    /// # Ok::<(), endo::Error>(())
    /// ```
    #[derive(Clone, Debug)]
    Flatten ["flatten"]
    /// The layer.
    () {
        /// Where the channels of the inputs stand: the numbers come in the order that they have
        /// with the channels last. `DataFormat::ChannelsLast` unless set.
        data_format: ChannelsAt as DataFormat = LAST,
    }
}

impl Layer for Flatten {
    #[track_caller]
    fn call(&self, inputs: &Tensor, _cx: &mut Context) -> Tensor {
        self.data_format.last(inputs).flatten()
    }

    about! {}
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    fn flat(x: Array) -> Array {
        Function::new(|[x], cx| [Flatten::new().apply(&x, cx)]).run([&x]).unwrap()[0].clone()
    }

    #[test]
    fn samples_keep_the_order_of_their_numbers() {
        assert_eq!(
            flat([[[1, 2], [3, 4]], [[5, 6], [7, 8]]].into()),
            Array::from([[1, 2, 3, 4], [5, 6, 7, 8]])
        );
    }

    #[test]
    fn one_number_a_sample_becomes_one_feature() {
        assert_eq!(flat([1, 2, 3].into()), Array::from([[1], [2], [3]]));
    }

    #[test]
    fn a_batch_of_no_samples_keeps_its_features() {
        assert_eq!(flat(Array::zeros([0, 3, 4], DType::F32)).shape().sizes(), [0, 12]);
    }

    #[test]
    fn it_has_no_weights_and_keeps_the_name_it_was_given() {
        let mut f = Function::new(|[x], cx| {
            let y = Flatten::new().name("pixels").apply(&x, cx);
            assert_eq!((cx.weights().count(), cx.layers()[0].path.as_str()), (0, "pixels"));
            [y]
        });
        f.run([&Array::zeros([1, 2, 2], DType::F32)]).unwrap();
    }
}
