//! First values of weights.
//!
//! In: a shape and a stream of random numbers, which depends on the seed and the weight's name
//! alone. Out: an array. `LecunNormal`, `RandomNormal.stddev(0.1)`, `"random_normal(stddev=0.1)"`,
//! an [`Array`] and a closure serve alike. Names, options and defaults are Keras's; the random
//! numbers are endo's own, so samples differ while distributions agree.

pub(crate) mod constant;
pub(crate) mod orthogonal;
pub(crate) mod random;
pub(crate) mod scaled;

use std::sync::Arc;

use crate::array::Array;
use crate::error::{Error, Result};
use crate::named::{self, Hyperparameters, table};
use crate::random::Random;
use crate::shape::Shape;

pub use constant::*;
pub use orthogonal::*;
pub use random::*;
pub use scaled::*;

/// First values of a weight.
///
/// The types of this module are both types and values: `RandomNormal` is the initializer with
/// Keras's defaults, and `RandomNormal.stddev(0.1)` is another. Closures take the shape and the
/// random numbers.
///
/// ```
/// use endo::prelude::*;
/// use endo::random::Random;
///
/// fn first_values(initializer: impl Initializer) -> Vec<f64> {
///     initializer.initialize(&Shape::from([2]), &mut Random::new(0, 0)).unwrap().to_vec()
/// }
///
/// assert_eq!(first_values(Ones), [1.0, 1.0]);
/// assert_eq!(first_values("constant(0.5)"), [0.5, 0.5]);
/// assert_eq!(first_values(Array::from([1.0_f32, 2.0])), [1.0, 2.0]);
/// assert_eq!(
///     first_values(|shape: &Shape, _: &mut Random| Array::from_fn(shape, |i| i as f32)),
///     [0.0, 1.0]
/// );
/// assert_eq!(first_values(HeNormal), first_values("he_normal"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no initializer",
    note = "an initializer is a value such as `HeNormal`, a name such as \"he_normal\", an \
        `Array`, or a closure \
            `|shape: &Shape, random: &mut Random| ..` that returns an `Array`; a number is given \
            as `Constant(0.5)`"
)]
pub trait Initializer: Send + Sync {
    /// The values for a shape, of any float type: weights cast them to theirs.
    ///
    /// # Errors
    /// When the initializer has no values for such a shape.
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array>;

    /// What it is called in saved models. Of the values of this module the text from which [`get`]
    /// makes them again; of a type of yours its own name with its
    /// [hyperparameters](Self::hyperparameters); `None` for closures and arrays.
    fn name(&self) -> Option<String> {
        named::name_of::<Self>(&self.hyperparameters())
    }

    /// The hyperparameters of a type of your own, to be saved with a model; none unless it says so.
    fn hyperparameters(&self) -> Hyperparameters {
        Hyperparameters::new()
    }

    /// The variance scaling that it is, if it is one: a weight whose numbers of inputs and outputs
    /// are not its last two axes gives them to that.
    #[doc(hidden)]
    fn scaling(&self) -> Option<VarianceScaling> {
        None
    }
}

/// The initializer that a text names, with its options in parentheses, by name or in their order.
///
/// ```
/// use endo::initializers;
/// assert_eq!(initializers::get("GlorotUniform")?.name().unwrap(), "glorot_uniform");
/// assert_eq!(
///     initializers::get("random_normal(stddev=0.1)")?.name().unwrap(),
///     "random_normal(stddev=0.1)"
/// );
/// let error = initializers::get("lecun_norm").err().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "there is no initializer called `lecun_norm`\n  help: did you mean `lecun_normal`?"
/// );
/// # Ok::<(), endo::Error>(())
/// ```
///
/// # Errors
/// When there is no such initializer or option; the error names the nearest.
pub fn get(name: &str) -> Result<Arc<dyn Initializer>> {
    named::get("initializer", name, rows())
}

table! {
    /// The names of all initializers.
    dyn Initializer: scaled::ROWS, random::ROWS, constant::ROWS, orthogonal::ROWS;
    "an initializer such as `he_normal`"
}

#[diagnostic::do_not_recommend]
impl<F: Fn(&Shape, &mut Random) -> Array + Send + Sync> Initializer for F {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        let values = self(shape, random);
        checked("the closure returned values", values, shape)
    }
}

/// What the text names.
impl Initializer for str {
    fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
        get(self)?.initialize(shape, random)
    }

    fn name(&self) -> Option<String> {
        get(self).map_or_else(|_| Some(self.to_string()), |initializer| initializer.name())
    }

    fn scaling(&self) -> Option<VarianceScaling> {
        get(self).ok()?.scaling()
    }
}

/// The values themselves, for a weight of their shape.
impl Initializer for Array {
    fn initialize(&self, shape: &Shape, _: &mut Random) -> Result<Array> {
        checked("the first values are", self.clone(), shape)
    }

    fn name(&self) -> Option<String> {
        None
    }
}

/// A borrowed initializer, also one without a size such as a `str`, where a trait object is asked
/// for.
pub(crate) struct BorrowedInitializer<'a, I: ?Sized>(pub &'a I);

impl<I: ?Sized> std::ops::Deref for BorrowedInitializer<'_, I> {
    type Target = I;

    fn deref(&self) -> &I {
        self.0
    }
}

/// What points to an initializer is one.
macro_rules! pointers {
    ($([$($parameters:tt)*] $Pointer:ty;)+) => {
        $(
            impl<$($parameters)*> Initializer for $Pointer {
                fn initialize(&self, shape: &Shape, random: &mut Random) -> Result<Array> {
                    (**self).initialize(shape, random)
                }

                fn name(&self) -> Option<String> {
                    (**self).name()
                }

                fn hyperparameters(&self) -> Hyperparameters {
                    (**self).hyperparameters()
                }

                fn scaling(&self) -> Option<VarianceScaling> {
                    (**self).scaling()
                }
            }
        )+
    };
}

pointers! {
    [I: Initializer + ?Sized] Arc<I>;
    [] Box<dyn Initializer>;
    [] &'static str;
    [I: Initializer + ?Sized] BorrowedInitializer<'_, I>;
}

fn checked(what: &str, values: Array, shape: &Shape) -> Result<Array> {
    if values.shape() == shape {
        return Ok(values);
    }
    let message = format!("{what} of shape {}, and the weight has shape {shape}", values.shape());
    Err(Error::shape(message, "give one value for every element of the weight, in its shape"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_an_initializer_of_that_name() {
        for row in rows() {
            for name in row.names {
                assert_eq!(get(name).unwrap().name().as_deref(), Some(row.names[0]));
            }
        }
        assert_eq!(names().count(), 15);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let scaled = VarianceScaling.scale(2.0).mode(Fan::Out).distribution(Distribution::Uniform);
        let text = scaled.name().unwrap();
        assert_eq!(text, "variance_scaling(scale=2.0, mode=fan_out, distribution=uniform)");
        assert_eq!(get(&text).unwrap().name(), Some(text));
        assert_eq!(Constant(0.5).name().unwrap(), "constant(value=0.5)");
    }

    #[test]
    fn values_of_another_shape_are_refused() {
        let mut random = Random::new(0, 0);
        let error =
            Array::from([1.0_f32, 2.0]).initialize(&Shape::from([3]), &mut random).unwrap_err();
        error.reads("the first values are of shape [2], and the weight has shape [3]");
        let closure = |_: &Shape, _: &mut Random| Array::scalar(1.0_f32);
        let error = closure.initialize(&Shape::from([3]), &mut random).unwrap_err();
        assert!(error.message().starts_with("the closure returned values of shape []"), "{error}");
    }
}
