//! Functions of tensors that take a context besides: losses, activations, regularizers and
//! constraints.
//!
//! In: a closure whose last argument is a context. Out: what the trait of its kind is implemented
//! for, and the error where there is no context; and by [`tensor_function!`] what else a trait of
//! functions of one tensor is implemented for.

use std::any::type_name;

use crate::error::Error;
use crate::graph::Tensor;
use crate::site::Site;
use crate::spelling;

/// A closure whose last argument is a context.
pub(crate) struct WithContext<F>(pub F);

/// What stands for the value of a function that has none without a context.
#[track_caller]
pub(crate) fn without_context<T: ?Sized>(family: &str, with_context: &str, x: &Tensor) -> Tensor {
    let message = format!(
        "the {family} `{}` has no value without a context",
        spelling::short_name(type_name::<T>())
    );
    let help = format!("use `{with_context}`, or implement the method that takes tensors alone");
    x.fail(Error::usage(message, help), x.shape(), Site::caller())
}

/// Implements a trait of functions of one tensor, such as `ActivationFunction`, for closures, names
/// and `Arc`s, and the trait that turns a value or a name into one. `$shape` is the shape of what
/// stands for the value of a wrong name.
macro_rules! tensor_function {
    ($Family:ident: $call:ident, $with:ident; $Into:ident: $into:ident; |$x:ident| $shape:expr) => {
        impl<F: Fn(&Tensor) -> Tensor + Send + Sync> $Family for F {
            #[track_caller]
            fn $call(&self, x: &Tensor) -> Tensor {
                self(x)
            }
        }

        impl $Family for &'static str {
            #[track_caller]
            fn $call(&self, $x: &Tensor) -> Tensor {
                let site = $crate::Site::caller();
                get(self).map_or_else(|error| $x.fail(error, $shape, site), |named| named.$call($x))
            }

            fn name(&self) -> Option<String> {
                get(self).map_or_else(|_| Some(self.to_string()), |named| named.name())
            }
        }

        /// What [`get`] returns.
        impl<T: $Family + ?Sized> $Family for Arc<T> {
            #[track_caller]
            fn $call(&self, x: &Tensor) -> Tensor {
                (**self).$call(x)
            }

            #[track_caller]
            fn $with(&self, x: &Tensor, cx: &mut Context) -> Tensor {
                (**self).$with(x, cx)
            }

            fn name(&self) -> Option<String> {
                (**self).name()
            }

            fn hyperparameters(&self) -> Hyperparameters {
                (**self).hyperparameters()
            }
        }

        #[diagnostic::do_not_recommend]
        impl<T: $Family + 'static> $Into<kinds::Value> for T {
            fn $into(self) -> Arc<dyn $Family> {
                Arc::new(self)
            }
        }

        /// A name that a program has read; a wrong one is reported where it is first used.
        impl $Into<kinds::Name> for String {
            fn $into(self) -> Arc<dyn $Family> {
                get(&self).unwrap_or_else(|error| {
                    let site = $crate::Site::caller();
                    Arc::new(move |$x: &Tensor| $x.fail(error.clone(), $shape, site))
                })
            }
        }
    };
}

/// Implements such a trait for closures whose last argument is a context.
macro_rules! with_context {
    ($Family:ident: $call_in:ident; $IntoFamily:ident: $into:ident) => {
        #[diagnostic::do_not_recommend]
        impl<F: Fn(&Tensor, &mut Context) -> Tensor + Send + Sync + 'static>
            $IntoFamily<kinds::WithContext> for F
        {
            fn $into(self) -> Arc<dyn $Family> {
                Arc::new($crate::trace::WithContext(self))
            }
        }

        impl<F: Fn(&Tensor, &mut Context) -> Tensor + Send + Sync> $Family
            for $crate::trace::WithContext<F>
        {
            #[track_caller]
            fn $call_in(&self, x: &Tensor, cx: &mut Context) -> Tensor {
                (self.0)(x, cx)
            }

            fn name(&self) -> Option<String> {
                None
            }
        }
    };
}

pub(crate) use {tensor_function, with_context};
