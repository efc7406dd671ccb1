//! First values that are not random.
//!
//! In: a shape. Out: the same values every time.

use crate::array::Array;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::named::family;
use crate::random::Random;
use crate::shape::Shape;

use super::Initializer;

family! { Initializer: initialize(self, shape: &Shape, _random: &mut Random) -> Result<Array>;
    /// All 0.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).bias_initializer(Zeros);
    /// ```
    Zeros ["zeros", "zero"] {} => Array::try_zeros(shape, DType::F32);

    /// All 1.
    Ones ["ones", "one"] {} => Array::try_from_fn(shape, |_| 1.0_f32);

    /// All equal to one number; 0 by name alone, as in Keras.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let layer = Dense::new(30).bias_initializer(Constant(0.1));
    /// ```
    Constant ["constant"] (value: f64 = 0.0) => Array::try_from_fn(shape, |_| self.0 as f32);

    /// A matrix of 1 on the diagonal and 0 elsewhere, times the gain; it need not be square.
    Identity ["identity"] {
        /// What stands on the diagonal; 1 unless set.
        gain: f64 = 1.0,
    } => {
        let [_, columns] = shape[..] else {
            let message = format!("`identity` makes matrices, and the weight has shape {shape}");
            let help = "use it for weights of two axes, such as kernels of `Dense`";
            return Err(Error::shape(message, help));
        };
        let is_diagonal = |index| index / columns == index % columns;
        Array::try_from_fn(shape, |index| if is_diagonal(index) { self.gain as f32 } else { 0.0 })
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(initializer: impl Initializer, shape: impl Into<Shape>) -> Result<Array> {
        initializer.initialize(&shape.into(), &mut Random::new(0, 0))
    }

    #[test]
    fn an_identity_need_not_be_square() {
        assert_eq!(
            values(Identity.gain(2.0), [2, 3]).unwrap(),
            Array::from([[2.0_f32, 0.0, 0.0], [0.0, 2.0, 0.0]])
        );
        assert_eq!(
            values(Identity, [3, 2]).unwrap(),
            Array::from([[1.0_f32, 0.0], [0.0, 1.0], [0.0, 0.0]])
        );
    }

    #[test]
    fn an_identity_is_a_matrix() {
        let error = values(Identity, [3]).unwrap_err();
        error.reads("`identity` makes matrices, and the weight has shape [3]");
    }

    #[test]
    fn constants_fill_the_shape() {
        assert_eq!(values(Constant(0.25), [2]).unwrap(), Array::from([0.25_f32, 0.25]));
        assert_eq!(values(Constant::default(), [1]).unwrap(), values(Zeros, [1]).unwrap());
        assert_eq!(values(Ones, ()).unwrap(), Array::scalar(1.0_f32));
    }
}
