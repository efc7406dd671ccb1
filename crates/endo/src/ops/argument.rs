//! What can stand beside a tensor in an operation: another tensor, an array, a variable, or a Rust
//! number.
//!
//! In: `&x`, `x`, `&array`, `&variable`, `0.5`, `2`. Out: a tensor of the same trace; numbers and
//! arrays of floats take the float type of the tensor beside them.

use crate::array::Array;
use crate::dtype::DType;
use crate::graph::Tensor;
use crate::site::Site;
use crate::variable::Variable;

/// A tensor, or a number or array that becomes one.
///
/// ```
/// # use endo::prelude::*;
/// let mut f = Function::new(|[x], _cx| [x.maximum(0.5) + x.minimum(&x)]);
/// assert_eq!(f.run([&[0.0_f32, 1.0].into()])?[0], Array::from([0.5_f32, 2.0]));
///
/// let weights = Array::from([1.0, 10.0]);
/// let mut g = Function::new(|[x], _cx| [x.square() * &weights]);
/// assert_eq!(g.run([&[3.0_f32, 2.0].into()])?[0], Array::from([9.0_f32, 40.0]));
/// # Ok::<(), endo::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stand beside tensors",
    note = "beside a tensor stand tensors, arrays, variables, `f64`, `f32`, `i32` and `bool`: \
        convert other numbers, for example `n as f64`"
)]
pub trait Argument {
    /// The tensor, or the number as a constant of the type of `like` (of `f32` beside integers, if
    /// it is a float).
    fn tensor(self, like: &Tensor, site: Site) -> Tensor;
}

impl Argument for &Tensor {
    fn tensor(self, _: &Tensor, _: Site) -> Tensor {
        self.clone()
    }
}

impl Argument for Tensor {
    fn tensor(self, _: &Tensor, _: Site) -> Tensor {
        self
    }
}

impl Argument for f64 {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        let dtype = like.dtype().promote(DType::F32);
        like.trace().constant(Array::full((), self, dtype), site)
    }
}

impl Argument for f32 {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        f64::from(self).tensor(like, site)
    }
}

/// Floats take the float type of the tensor beside them, as numbers do.
impl Argument for &Array {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        let array = if self.dtype().is_float() {
            self.cast(like.dtype().promote(DType::F32))
        } else {
            self.clone()
        };
        like.trace().constant(array, site)
    }
}

impl Argument for Array {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        (&self).tensor(like, site)
    }
}

/// The value that it has when the run starts, or was last assigned in the trace. In a layer it
/// belongs to the model, as what `cx.read` reads does.
impl Argument for &Variable {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        like.trace().read_beside(self, site)
    }
}

impl Variable {
    /// Its value in the trace of a tensor: for losses, activations, regularizers and constraints,
    /// which have no `cx`. In formulas it may stand by itself: `x * &factor`.
    ///
    /// ```
    /// use endo::prelude::*;
    /// let beta = Variable::new("beta", 0.5_f32).frozen();
    /// let held = beta.clone();
    /// let loss = move |y_true: &Tensor, y_pred: &Tensor| {
    ///     (y_true - y_pred).square().mean_axes(-1) * &held
    /// };
    /// let mut model = Model::new(Dense::new(1).kernel_initializer("ones"));
    /// model.compile("sgd", loss, ());
    /// let data = Dataset::new([[3.0_f32]], [[1.0_f32]])?;
    /// assert_eq!(model.evaluate(&data)?.get("loss"), Some(2.0));
    /// beta.set(&2.0_f32.into())?; // nothing is traced anew
    /// assert_eq!(model.evaluate(&data)?.get("loss"), Some(8.0));
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn read_beside(&self, x: &Tensor) -> Tensor {
        self.tensor(x, Site::caller())
    }
}

impl Argument for i32 {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        let dtype = like.dtype().promote(DType::I32);
        like.trace().constant(Array::full((), self.into(), dtype), site)
    }
}

impl Argument for bool {
    fn tensor(self, like: &Tensor, site: Site) -> Tensor {
        like.trace().constant(Array::scalar(self), site)
    }
}

impl Tensor {
    /// A number of this tensor's type in its trace.
    #[track_caller]
    pub fn constant_like(&self, value: f64) -> Tensor {
        self.trace().constant(Array::full((), value, self.dtype()), Site::caller())
    }

    /// Zeros of this tensor's shape and type.
    #[track_caller]
    pub fn zeros_like(&self) -> Tensor {
        self.constant_like(0.0).expand(self.shape(), Site::caller())
    }

    /// Ones of this tensor's shape and type.
    #[track_caller]
    pub fn ones_like(&self) -> Tensor {
        self.constant_like(1.0).expand(self.shape(), Site::caller())
    }
}
